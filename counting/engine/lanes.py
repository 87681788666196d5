"""What every kernel shares: how many runs sit side by side, and how kernels are compiled.

A *lane* is one run. The innermost axis of every array in this package is the lane, so the compiler turns each
operation of a step into one SIMD instruction over neighbouring runs. No operation ever mixes two lanes: a run's
numbers cannot depend on which runs share its block, on the width of the machine's registers, or on the threads.
"""

from __future__ import annotations

import platform
from typing import Any

import llvmlite.binding as llvm
import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.core.codegen import get_host_cpu_features
from numba.extending import intrinsic

from counting.compiled import keeping, linkable

_config: Any = numba.config  # whose names Numba sets while it is imported

LANES = 64
"""Runs in a block: 4 AVX-512 vectors, enough independent work to hide the latency of one step."""

# One vector's step is a chain of dependent operations, and a processor looks only a few hundred instructions ahead.
# Four vectors' operations in turn keep its units busy. And a step reads and writes more arrays than LLVM by itself
# would check for overlap. Both concern speed alone: no option here lets LLVM change a result.
for _option in ("--force-vector-interleave=4", "--runtime-memory-check-threshold=64"):
    llvm.set_option("counting", _option)

# LLVM by itself uses half of Intel's 512-bit registers. Numba takes another choice for the whole process, and only what
# the user has not chosen (NUMBA_CPU_NAME, NUMBA_CPU_FEATURES) is changed.
if platform.machine() in ("x86_64", "AMD64") and not (_config.CPU_NAME or _config.CPU_FEATURES):
    _config.CPU_FEATURES = f"{get_host_cpu_features()},-prefer-256-bit"

# `error_model="numpy"`: a division by zero gives inf, as IEEE says, instead of a branch that stops vectorization.
# No fast-math anywhere: reassociation and fused multiply-add would make the bits depend on the machine.
_OPTIONS: dict[str, Any] = {"error_model": "numpy", "nogil": True}


inlined = linkable(forceinline=True, **_OPTIONS)
"""A function of one lane at one step, inlined into the loop over lanes."""

lane_loop = linkable(**_OPTIONS)
"""A loop over lanes, compiled as a function of its own: the unit that LLVM vectorizes.

It takes few, flat arrays: LLVM checks once per call that they do not overlap, and gives up when there are many.
"""


def kernel():
    """Compile an entry point called from Python: releases the GIL, compiled once per machine and kept on disk."""
    return numba.njit(cache=keeping(), **_OPTIONS)


@inlined
def place(row: int, stride: int, run: int) -> np.uint64:
    """Index of a run in a row, for rows that stand `stride` apart.

    Unsigned: of an index that might be negative Numba would make a branch, and LLVM no SIMD.
    """
    return np.uint64(row * stride) + np.uint64(run)


@inlined
def at(row: int, lane: int) -> np.uint64:
    """Index of `row`, `lane` in a flat array of rows of lanes.

    Flat, because with a constant row length LLVM can see at compile time that two rows never overlap.
    """
    return place(row, LANES, lane)


@lane_loop
def rows_of_lanes(rows: int, dtype):
    """Make an array of zeros for `rows` rows of lanes, flat, that begins at a cache line: no vector straddles two."""
    raw = np.zeros(rows * LANES + 16, dtype)
    start = (-raw.ctypes.data % 64) // raw.itemsize
    return raw[start : start + rows * LANES]


@intrinsic
def like(typingctx, value, x):
    """Give the number `value` in the floating-point type of `x`, so that float32 code stays float32."""
    if not isinstance(x, types.Float):
        return None

    def codegen(context, builder, signature, args):
        return context.cast(builder, args[0], signature.args[0], x)

    return x(value, x), codegen


@intrinsic
def power_of_two(typingctx, shifted):
    """2^k, where `shifted` = 1.5 · 2^m + k for the m mantissa bits of its type, and k ≥ −bias (which gives 0).

    Such a sum holds the integer k in its lowest bits; integer arithmetic moves it into the exponent field.
    """
    width, mantissa, bias = (32, 23, 127) if shifted == types.float32 else (64, 52, 1023)
    # The bits of 1.5 · 2^mantissa: exponent bias + mantissa, and the first fraction bit.
    magic = ((bias + mantissa) << mantissa) | (1 << (mantissa - 1))

    def codegen(context, builder, signature, args):
        integer = ir.IntType(width)
        k = builder.sub(builder.bitcast(args[0], integer), integer(magic - bias))
        return builder.bitcast(builder.shl(k, integer(mantissa)), args[0].type)

    return shifted(shifted), codegen
