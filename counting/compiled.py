"""Compiled kernels: by which code they are kept on disk, and where."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numba

from counting import files, sources

_config: Any = numba.config  # whose names Numba sets while it is imported

ROOM = 2**24
"""Free bytes, several times what all kernels take, without which none is kept."""

_keeping = False


@contextlib.contextmanager
def kept_by(module: str) -> Iterator[None]:
    """Keep kernels defined inside this context in a folder named by the digest of this module and all it imports.

    Numba itself looks only at the file of the kernel, and would keep one whose inlined parts have changed. It asks for
    the folder when a kernel is defined, so other users of Numba keep theirs. Where the folder, in NUMBA_CACHE_DIR or
    else the user's cache, cannot be written, kernels are compiled and not kept.
    Raises ImportError where Numba is told not to compile.
    """
    global _keeping
    if _config.DISABLE_JIT:
        raise ImportError("counting computes in compiled kernels, and NUMBA_DISABLE_JIT forbids them: unset it")
    base = Path(os.environ.get("NUMBA_CACHE_DIR") or files.cache_folder())
    folder = base / sources.digest(f"import {module}")[:16]
    before = _keeping, _config.CACHE_DIR
    _keeping, _config.CACHE_DIR = _writable(folder), str(folder)
    try:
        yield
    finally:
        _keeping, _config.CACHE_DIR = before


def keeping() -> bool:
    """Tell whether a kernel that is defined now can be kept: Numba's option `cache`."""
    return _keeping


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            if shutil.disk_usage(folder).free >= ROOM:
                return True
        reason = "the disk is full"
    except OSError as error:
        reason = error.strerror or str(error)
    files.say_not_kept("compiled kernels are", folder.parent, reason)
    return False
