"""Code for the GPU that has the CPU's bits, or none.

IEEE 754 rounds +, −, ×, ÷ and √ in one way only, so the bits can differ only where NVIDIA's compilers join × and + into
one operation that rounds once, or take approximations. Both are forbidden to the first of them, and what it makes
(PTX) is looked at before the second sees it. Only NaNs, which IEEE 754 leaves to the maker of the chip, may have other
bits.
"""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numba import cuda
from numba.cuda.cudadrv import nvvm as _nvvm

from counting.engine.lanes import LANES
from counting.gpu.threads import kernel_functions, signatures

nvvm: Any = _nvvm
jit: Any = cuda.jit  # numba-cuda's, whose options are others than those of Numba's own

REGISTERS = 80
"""The most registers of a thread in float32: it needs no more, and so 12 blocks fit on a multiprocessor at once."""

_INEXACT = re.compile(
    r"^.*(\bfma\.|\bmad\.(rn\.|rz\.)?f|\.approx|\.ftz|\.full|\b(add|sub|mul|div|rcp|sqrt)\.f(32|64)).*$", re.MULTILINE
)


@contextmanager
def exactly() -> Iterator[None]:
    """Compile kernels without fused multiply-add, and check each PTX as it is made.

    numba-cuda hands its compiler no such option, so it is added here. Link-time optimization would ignore it: it is
    refused.
    """
    compile_ir = nvvm.compile_ir

    def compile_exactly(code: Any, **options: Any) -> bytes:
        if "gen-lto" in options:
            raise RuntimeError("kernels must not be compiled for link-time optimization: it fuses × and +")
        ptx = compile_ir(code, **options, fma=False)
        check_ptx(ptx.decode())
        return ptx

    nvvm.compile_ir = compile_exactly
    try:
        yield
    finally:
        nvvm.compile_ir = compile_ir


def check_ptx(ptx: str) -> None:
    """Raise RuntimeError unless each floating-point operation in a kernel's PTX rounds once, as IEEE 754 says.

    Without `.rn` an addition or a multiplication could still be joined with another when the driver loads the code.
    """
    found = _INEXACT.search(ptx)
    if found:
        raise RuntimeError(
            f"numba-cuda compiled {found[0].strip()!r}, which does not round as the CPU does; "
            "the version that pyproject.toml names does not do this"
        )


@functools.cache
def compiled(name: str, kind: tuple[str, ...], device: int) -> Any:
    """Compile and load a kernel for the GPU of this number, which must be the current one. kind: cell, dtype, loss.

    Raises RuntimeError where its code would not have the CPU's bits.
    """
    registers = REGISTERS if kind[1] == "float32" else None
    with exactly():
        return jit(signatures(kind[1])[name], lto=False, max_registers=registers)(kernel_functions(*kind)[name])


def launch(name: str, kind: tuple[str, ...], grid: tuple[int, ...], *arguments: object) -> None:
    """Start a kernel on a grid of blocks."""
    kernel = compiled(name, kind, cuda.get_current_device().id)
    with warnings.catch_warnings():
        # A few runs leave most of a GPU idle, and who trains a few runs knows. numba-cuda's warning is a class of its
        # own, and is found by its name.
        warnings.filterwarnings("ignore", ".*under-utilization", Warning)
        kernel[grid, LANES](*arguments)
