"""Where the arithmetic is done: on the CPU's cores, or on a GPU by NVIDIA."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from counting.engine.group import Group

if TYPE_CHECKING:
    from types import ModuleType

DEVICES = ("cpu", "cuda")


class NoGPU(RuntimeError):
    """There is no GPU to compute on, or no package to reach it with."""


def check(device: str) -> None:
    """Raises ValueError for a device that is not one of `DEVICES`."""
    if device not in DEVICES:
        raise ValueError(f"unknown device {device!r}: the devices are {', '.join(map(repr, DEVICES))}")


def gpu() -> ModuleType:
    """The engine on the GPU. Raises NoGPU, which says what is missing."""
    if importlib.util.find_spec("numba_cuda") is None:
        raise NoGPU("device='cuda' needs the package numba-cuda: pip install -e '.[cuda]'")
    from numba import cuda

    if not cuda.is_available():
        reason = " ".join(str(cuda.cuda_error() or "").split())
        raise NoGPU(f"device='cuda' needs a GPU by NVIDIA and its driver; numba-cuda finds none ({reason})")
    from counting.engine import cuda as engine

    return engine


def groups(device: str) -> type[Group]:
    """What trains a group of runs on this device. Raises ValueError and NoGPU."""
    check(device)
    return Group if device == "cpu" else gpu().Group
