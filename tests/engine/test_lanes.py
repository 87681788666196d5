"""Loops over lanes become SIMD: one that does not gives the same bits, ten times as slowly."""

from __future__ import annotations

import platform

import pytest
from numba import float32, float64, int64, uint32

from counting.engine import adam, block, layout
from counting.engine.lanes import lane_loop

REALS, BITS = float32[::1], uint32[::1]

LOOPS = {
    "forward": (block.forward, (int64, REALS, float32, BITS, int64, REALS, REALS)),
    "read_out": (block.read_out, (int64, REALS, BITS, REALS, int64, REALS, REALS, REALS)),
    "back": (block.back, (int64, REALS, float32, BITS, int64, REALS, REALS, REALS)),
    "adam": (adam.step, (REALS, REALS, REALS, REALS, float64[::1], float64, int64, int64, int64)),
    "clip_norm": (adam.clip_norm, (REALS, int64, float64, REALS, int64, int64)),
    "load_weights": (layout.load_weights, (REALS, REALS, int64, float32, int64, int64)),
    "advance": (block.advance, (int64, REALS, REALS)),
}


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="widths of vectors are those of x86-64")
@pytest.mark.parametrize("name", LOOPS)
def test_vectorized(name):
    function, signature = LOOPS[name]
    compiled = lane_loop(function.py_func)
    compiled.compile(signature)
    (code,) = compiled.inspect_llvm().values()
    scalar, vector = code.count("fmul float"), code.count("fmul <")
    # LLVM keeps a scalar copy of each loop, for what is left over and for arrays that overlap.
    assert 2 * vector >= scalar > 0
