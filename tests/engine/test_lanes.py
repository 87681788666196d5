"""Loops over lanes become SIMD: one that does not gives the same bits, ten times as slowly."""

from __future__ import annotations

import platform

import pytest
from numba import float32, float64, int64, typeof, uint32

from counting.engine import adam, block, layout
from counting.engine.lanes import kernel

REALS, BITS = float32[::1], uint32[::1]

SHAPES = {
    **{name: layout.shape(gates) for name, gates in zip(block.CELLS, block.GATES, strict=True)},
    "lstm of 2 units": layout.shape(4, 2, 4, 4),
    "gru of 3 units": layout.shape(3, 3, 3, 4),
    "lstm of 3 units": layout.shape(4, 3, 6, 6),
}


def loops(kind):
    """Every loop that knows a shape, and the types of its arguments."""
    return {
        "forward": (block.forward, (kind, REALS, float32, BITS, int64, REALS, REALS)),
        "read_out": (block.read_out, (kind, int64, REALS, BITS, REALS, int64, REALS, REALS, REALS)),
        "back": (block.back, (kind, REALS, float32, BITS, int64, REALS, REALS, REALS)),
        "clip_norm": (adam.clip_norm, (REALS, kind, float64, REALS, int64, int64)),
        "load_weights": (layout.load_weights, (REALS, REALS, kind, float32, int64, int64)),
        "advance": (block.advance, (kind, REALS, REALS)),
    }


def assert_vectorized(function, signature):
    compiled = kernel()(function.py_func)
    compiled.compile(signature)
    (code,) = compiled.inspect_llvm().values()
    scalar, vector = code.count("fmul float"), code.count("fmul <")
    # LLVM keeps a scalar copy of each loop, for what is left over and for arrays that overlap.
    assert 2 * vector >= scalar > 0


x86 = pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="widths of vectors are those of x86-64")


@x86
def test_adam():
    assert_vectorized(adam.step, (REALS, REALS, REALS, REALS, float64[::1], float64, int64, int64, int64))


@x86
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", loops(None))
def test_vectorized(name, shape):
    assert_vectorized(*loops(typeof(SHAPES[shape]))[name])
