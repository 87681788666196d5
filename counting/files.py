"""Files that are written whole or not at all, whatever stops the writer."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

PARTIAL = ".partial"
"""What names of files end in that are being written; no one reads them."""


def write(path: Path, content: bytes | str) -> None:
    """Put the content (text as UTF-8) at `path`, in its folder (made if need be); leave what was there if that fails.

    Written under another name, put on disk and renamed. Raises OSError, of the kind that the system gave, which says
    that the earlier file is as it was and what to do.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _drop_leftovers(path)
        with _partial(path) as (descriptor, temporary):
            with open(descriptor, "wb", closefd=False) as stream:
                stream.write(data)
            os.fsync(descriptor)
            os.fchmod(descriptor, 0o644)
            os.replace(temporary, path)
    except OSError as error:
        raise type(error)(
            error.errno,
            f"{error.strerror}: {path} was not written ({len(data):,} bytes), what was there before is as it was; "
            "make room or make the folder writable, then run this again",
        ) from error


@contextlib.contextmanager
def _partial(path: Path) -> Iterator[tuple[int, Path]]:
    """A new file beside `path`, locked as long as its writer lives; deleted afterwards where it was not renamed."""
    while True:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=PARTIAL)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:  # not taken for a leftover before it was locked
            break
        os.close(descriptor)
    temporary = Path(name)
    try:
        yield descriptor, temporary
    finally:
        temporary.unlink(missing_ok=True)
        os.close(descriptor)


def _drop_leftovers(path: Path) -> None:
    """Delete what killed writers of this file left: the system has released their locks."""
    for leftover in path.parent.glob(f".{path.name}.*{PARTIAL}"):
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(leftover, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                leftover.unlink()
            except BlockingIOError:
                pass  # its writer lives
            finally:
                os.close(descriptor)
