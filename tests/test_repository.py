"""Links to the repository: only where its address is known, and then to files that are in it."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parent.parent
EXTENSION = ROOT / "book" / "_ext" / "repository.py"
ADDRESS = "https://github.com/owner/name"

CONF = f"""
import sys
sys.path.insert(0, {str(EXTENSION.parent)!r})
extensions = ["myst_nb", "repository"]
html_theme = "sphinx_book_theme"
html_theme_options = {{}}
nb_execution_mode = "off"
"""
NOTEBOOK = """{"cells": [{"cell_type": "markdown", "id": "a", "metadata": {}, "source": "# Title"}],
"metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
"nbformat": 4, "nbformat_minor": 5}"""


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> object:
    spec = importlib.util.spec_from_file_location("repository", EXTENSION)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.delenv("BOOK_REPOSITORY", raising=False)
    return module.address


def folder(path: Path, origin: str | None) -> Path:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    subprocess.run(["git", "init", "-q", path], check=True)
    if origin is not None:
        subprocess.run(["git", "-C", path, "remote", "add", "origin", origin], check=True)
    return path


@pytest.mark.parametrize(("origin", "found"), [
    (None, None),
    (f"{ADDRESS}.git", ADDRESS),
    ("https://gitlab.com/owner/name/", "https://gitlab.com/owner/name"),
    ("https://user:secret@github.com/owner/name", None),  # a password is not for readers
    ("git@github.com:owner/name.git", None),
    ("/srv/git/name", None),
])
def test_origin_counts_where_it_is_public(
    address: object, tmp_path: Path, origin: str | None, found: str | None
) -> None:
    assert address(folder(tmp_path, origin)) == found


def test_the_variable_wins_and_must_be_an_address(
    address: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder(tmp_path, "https://gitlab.com/other/copy")
    monkeypatch.setenv("BOOK_REPOSITORY", ADDRESS + "/")
    assert address(tmp_path) == ADDRESS
    monkeypatch.setenv("BOOK_REPOSITORY", "owner/name")
    with pytest.raises(ValueError, match="'owner/name', and should be like https://"):
        address(tmp_path)


@pytest.mark.parametrize("repository", [None, ADDRESS])
def test_links_of_a_built_page_lead_to_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: str | None
) -> None:
    source = folder(tmp_path / "source", None)
    (source / "book").mkdir()
    (source / "book" / "01-setup.ipynb").write_text(NOTEBOOK)
    (source / "index.md").write_text("# Book\n\n```{toctree}\nbook/01-setup\n```\n")
    (source / "conf.py").write_text(CONF)
    monkeypatch.delenv("BOOK_REPOSITORY", raising=False)
    if repository:
        monkeypatch.setenv("BOOK_REPOSITORY", repository)
    command = [sys.executable, "-m", "sphinx", "-q", source, tmp_path / "html"]
    subprocess.run(command, check=True)
    page = BeautifulSoup((tmp_path / "html" / "book" / "01-setup.html").read_text(), "html.parser")
    links = [link["href"] for link in page.select("a[href]") if "owner/name" in link["href"]]
    if repository is None:
        assert links == [] and "mybinder" not in page.decode()
        return
    files = [unquote(urlsplit(link).path).partition("/main/")[2] for link in links if "/blob/main/" in link]
    for link in links:
        place = parse_qs(urlsplit(link).query).get("urlpath", [""])[0]
        files += [place.partition("tree/")[2]] if place else []
    assert len(files) >= 2  # the source, and the launch
    assert all((ROOT / file).is_file() for file in files), links
