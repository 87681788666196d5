"""The arithmetic: many small networks side by side, compiled to SIMD over runs by Numba.

    lanes        what a lane is, how kernels are compiled     layout      which row of a block holds which number
    activations  sigmoid and tanh without libm                lstm · gru · relu   a step forward, a step back
    readout      outputs, loss and its gradient               adam        the optimizer
    shuffle      the order of a run's words                   block       a step of a whole block of runs
    train        an epoch, the losses, runs in training       read        evaluation, traces
    packed       from people's arrays to the kernels' and back

The same bits everywhere: no fast-math, no sum across lanes, nothing from libm but the exactly rounded square root.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numba

SOURCES = sorted(Path(__file__).parent.glob("*.py"))


def _compiled_code_folder() -> Path:
    """Where compiled kernels are kept: by the digest of all sources of this package.

    Numba itself looks only at the file of the kernel, and would keep a kernel whose cell has changed.
    """
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in SOURCES)).hexdigest()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "counting" / digest[:16]


if not os.environ.get("NUMBA_CACHE_DIR"):
    _before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(_compiled_code_folder())
    try:
        # Numba asks for the folder when a kernel is defined, so that other users of Numba keep theirs.
        from counting.engine import layout, read, shuffle, train
    finally:
        numba.config.CACHE_DIR = _before
else:
    from counting.engine import layout, read, shuffle, train

__all__ = ["SOURCES", "layout", "read", "shuffle", "train"]
