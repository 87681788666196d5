"""Files: written whole or not at all, and where this machine keeps what it can make again."""

from __future__ import annotations

import os
import sys
import uuid
from functools import cache
from pathlib import Path

import platformdirs

PARTIAL = ".partial"
"""How names of files end while they are written, and of what a killed writer leaves; no one reads them."""


def write(path: Path, content: bytes | str) -> None:
    """Put the content (text as UTF-8) at `path`, in its folder (made if need be); leave what was there if that fails.

    It is written under a name of its own, put on disk and renamed, so that no reader and no other writer meets half
    of it.
    Raises OSError, of the kind that the system gave, which says that the earlier file is as it was and what to do.
    """
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}{PARTIAL}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as stream:
            try:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
                os.replace(temporary, path)
            finally:
                temporary.unlink(missing_ok=True)
    except OSError as error:
        raise type(error)(
            error.errno,
            f"{error.strerror}: {path} was not written ({len(data):,} bytes), what was there before is as it was; "
            "make room or make the folder writable, then run this again",
        ) from error


def cache_folder() -> Path:
    """Where this machine keeps what it can make again: compiled kernels, and results that no one committed."""
    return platformdirs.user_cache_path("counting")


@cache
def say_not_kept(what: str, folder: Path, reason: str) -> None:
    """Say on stderr, once, that something works but is not kept; not in a notebook, where it would be in the page."""
    if "ipykernel" not in sys.modules:
        print(f"counting: {what} not kept, {folder} cannot be written ({reason})", file=sys.stderr)
