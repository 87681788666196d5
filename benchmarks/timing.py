"""Contestants that are timed in turns, each in a process of its own that is bound to its cores."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    # What was compiled before must not make compiling look quick.
    "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1",
    "TORCHINDUCTOR_COMPILE_THREADS": "1",
}
"""What keeps PyTorch and XLA to one thread and makes them compile anew."""

_call: Callable[[], Any]


class Contestant:
    """Something to time. `make(*arguments)`, module-level, is called in the process and gives what is timed."""

    def __init__(self, cores: set[int], make: Callable[..., Callable[[], Any]], *arguments: Any) -> None:
        self.pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _bind, (cores,))
        self.ready = self.pool.submit(_prepare, make, arguments)  # compiles too
        self.seconds = float("inf")

    def turn(self) -> Any:
        """Do it once more, keep the least wall time in `seconds`; returns its result."""
        seconds, result = self.pool.submit(_turn).result()
        self.seconds = min(self.seconds, seconds)
        return result


def _bind(cores: set[int]) -> None:
    # Before anything starts threads: they are bound to what the process is bound to then.
    os.sched_setaffinity(0, cores)
    os.environ.update(ONE_THREAD)


def _prepare(make: Callable[..., Callable[[], Any]], arguments: tuple[Any, ...]) -> None:
    global _call
    _call = make(*arguments)
    _call()


def _turn() -> tuple[float, Any]:
    start = time.perf_counter()
    result = _call()
    return time.perf_counter() - start, result
