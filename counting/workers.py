"""Shards of work, done by any `concurrent.futures.Executor`; there is no scheduler of our own.

    concurrent.futures.ProcessPoolExecutor()       the cores of this machine
    distributed.Client(address).get_executor()     a Dask cluster
    mpi4py.futures.MPIPoolExecutor()               an MPI cluster

A shard is a call of a module-level function with small arguments, so any worker that can import `counting` can do it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, CancelledError, Executor, as_completed
from dataclasses import dataclass
from typing import TypeVar

Result = TypeVar("Result")


class WorkersLost(RuntimeError):
    """A worker died and its executor gave up. `finished`: what was done by then, where it is not kept elsewhere."""

    def __init__(self, message: str, finished: object = None) -> None:
        super().__init__(message)
        self.finished = finished


@dataclass(frozen=True)
class Cost:
    """What training would take; see `cost`."""

    shards: int
    core_hours: float
    wall_hours: float
    bytes_sent: int
    bytes_returned: int


def cost(runs: int, cores: int, shard: Mapping[str, float]) -> Cost:
    """What `runs` runs would cost on a cluster of so many cores, each like the one that was measured.

    shard: of one shard, as `benchmarks/cluster.py` measures it: runs, seconds (on one core), overhead_seconds,
    bytes_sent and bytes_returned. Each core takes shards one after the other; the overhead counts on the core, and
    again as what one sender can do, one shard after the other: with enough cores, that is what is waited for.
    Raises ValueError for less than a run or a core.
    """
    if runs < 1 or cores < 1:
        raise ValueError(f"a cost needs at least one run and one core; got {runs} and {cores}")
    shards = -(-runs // int(shard["runs"]))
    overhead = float(shard["overhead_seconds"])
    one = float(shard["seconds"]) + overhead
    wall = max(-(-shards // cores) * one, shards * overhead)
    sent, returned = (shards * int(shard[f"bytes_{way}"]) for way in ("sent", "returned"))
    return Cost(shards, shards * one / 3600, wall / 3600, sent, returned)


def cores() -> int:
    """How many cores this process may use; where the system does not say, as on macOS, all that there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def slices(total: int, size: int) -> list[slice]:
    """0 … total in shards of `size`, the last one shorter."""
    return [slice(first, min(first + size, total)) for first in range(0, total, size)]


def finished(
    executor: Executor, task: Callable[..., Result], calls: Iterable[tuple]
) -> Iterator[tuple[int, Result]]:
    """Do `task(*call)` for every call; yields (number of the call, result) as they are done, in any order.

    After a call that fails, calls that have not begun are cancelled, those under way are still yielded, and the first
    error is raised at the end: WorkersLost where the executor broke. Whatever else ends the loop, as Ctrl-C does,
    cancels what has not begun.
    """
    futures = {}
    done, fault = 0, None
    try:
        try:
            for number, call in enumerate(calls):
                futures[executor.submit(task, *call)] = number
        except BrokenExecutor as error:  # it broke while it was given work
            fault = error
        for future in as_completed(futures):
            error = CancelledError() if future.cancelled() else future.exception()
            if error is None:
                done += 1
                yield futures[future], future.result()
            elif fault is None:
                fault = error
                _cancel(futures)
    finally:
        _cancel(futures)
    if isinstance(fault, BrokenExecutor):
        raise WorkersLost(
            f"a worker died (killed, or out of memory) and {type(executor).__name__} gave up with {done} of "
            f"{len(futures)} shards finished; give a new executor to go on"
        ) from fault
    if fault is not None:
        raise fault


def _cancel(futures: Iterable) -> None:
    for future in futures:
        future.cancel()
