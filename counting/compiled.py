"""Where compiled kernels are kept on disk."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import numba


@contextlib.contextmanager
def kept_by(*sources: Path) -> Iterator[None]:
    """Kernels defined inside this context are kept in a folder named by the digest of all these sources.

    Numba itself looks only at the file of the kernel, and would keep a kernel whose inlined parts have
    changed. It asks for the folder when a kernel is defined, so other users of Numba keep theirs; who sets
    NUMBA_CACHE_DIR gets what Numba does with it.
    """
    before = numba.config.CACHE_DIR
    if not os.environ.get("NUMBA_CACHE_DIR"):
        digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        numba.config.CACHE_DIR = str(cache / "counting" / digest[:16])
    try:
        yield
    finally:
        numba.config.CACHE_DIR = before
