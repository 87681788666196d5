"""Sphinx extension: links from the pages to the repository, where one is known when the book is built.

The address is not written down, because copies of the book live elsewhere: it is the variable BOOK_REPOSITORY, or else
the remote `origin` of the folder's git repository if that is a public address on GitHub or GitLab. Without an
address the pages have no such links.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config

PUBLIC = re.compile(r"https://(github|gitlab)\.com/[\w.-]+/[\w.-]+")
BINDER = "https://mybinder.org"


def address(folder: Path) -> str | None:
    """Return the repository's public address, without ".git" at its end.

    Raises ValueError if BOOK_REPOSITORY is none.
    """
    given = os.environ.get("BOOK_REPOSITORY", "")
    found = (given or _origin(folder)).strip().rstrip("/").removesuffix(".git")
    if PUBLIC.fullmatch(found):
        return found
    if given:
        raise ValueError(f"BOOK_REPOSITORY is {given!r}, and should be like https://github.com/owner/name")
    return None


def _origin(folder: Path) -> str:
    command = ["git", "-C", str(folder), "remote", "get-url", "origin"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:  # no git
        return ""


def _set_links(app: Sphinx, config: Config) -> None:
    repository = address(Path(app.srcdir))
    if repository is None:
        return
    config.html_theme_options |= {
        "repository_url": repository,
        "repository_branch": os.environ.get("BOOK_BRANCH", "main"),
        "path_to_docs": "",
        "use_repository_button": True,
        "use_source_button": True,
        "use_issues_button": True,
        "launch_buttons": {"binderhub_url": BINDER},
    }


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("config-inited", _set_links)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
