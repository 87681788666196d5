"""Training many runs at once: a `Regimen`, words and seeds in, `Runs` out.

On the threads of this process, on the workers of any executor, or on a GPU: who trains a run changes no bit of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError, Executor, ThreadPoolExecutor
from contextlib import closing
from threading import Event

import numpy as np
from tqdm import tqdm

from counting import cells, devices, workers
from counting.cells import Networks
from counting.dyck import Words
from counting.engine.group import Group
from counting.engine.packed import pack_words
from counting.epochs import folded, initial_networks, train_group, word_order
from counting.regimens import Regimen
from counting.runs import CRITERIA, MEASURES, Runs
from counting.workers import WorkersLost

__all__ = [
    "CRITERIA",
    "MEASURES",
    "SHARD",
    "Interrupted",
    "Runs",
    "WorkersLost",
    "folded",
    "initial_networks",
    "train",
    "train_shards",
    "word_order",
]

SHARD = 256
"""Runs of a shard: what one worker of an executor trains at a time, and what a result file is pieced together from."""


class Interrupted(KeyboardInterrupt):
    """Training was stopped by Ctrl-C. `runs` holds the runs that were finished, or None."""

    def __init__(self, runs: Runs | None, asked: int) -> None:
        super().__init__(f"stopped with {len(runs) if runs else 0} of {asked} runs finished")
        self.runs = runs


def train(
    regimen: Regimen,
    words: Words,
    validation: Words,
    seeds: Iterable[int],
    *,
    checkpoints: Iterable[int] | None = None,
    start: Networks | None = None,
    threads: int | None = None,
    executor: Executor | None = None,
    device: str = "cpu",
    progress: bool = True,
) -> Runs:
    """Train one run for each seed.

    words, validation: read in each epoch to learn from, and to choose the best epoch by.
    checkpoints: the epochs to keep, 0 for the initialization; None keeps all.
    start: where to start from, one network a seed, instead of PyTorch's initialization by seed.
    threads: threads of this process to train on; None takes every core. With an executor, those of each worker;
    None takes one.
    executor: trains shards of `SHARD` runs on its workers; see `workers`.
    device: "cpu", or "cuda" for the GPU of this process, which trains as many runs at a time as its memory holds.
    Raises ValueError for seeds, epochs, words, a start or a device that make no sense, `devices.NoGPU`, `Interrupted`
    after Ctrl-C, `WorkersLost` after the death of a worker that the executor does not replace; the last two hold the
    runs that were finished.
    """
    if executor is not None and device == "cuda":
        raise ValueError(
            "an executor's workers train on their cores, device='cuda' on the GPU of this process: leave one out"
        )
    groups = devices.groups(device)
    seeds = cells.checked_seeds(seeds)
    options = {"checkpoints": checkpoints, "start": start, "threads": threads, "progress": progress}
    if executor is not None:
        return _gathered(train_shards(regimen, words, validation, seeds, executor=executor, **options), len(seeds))
    kept, start = _checked(regimen, words, validation, seeds, checkpoints, start)
    with _bar(regimen, len(seeds), len(seeds) * regimen.epochs, "epoch", progress) as bar:
        return _gathered(_on_threads(groups, regimen, words, validation, seeds, kept, start, threads, bar), len(seeds))


def train_shards(
    regimen: Regimen,
    words: Words,
    validation: Words,
    seeds: Iterable[int],
    *,
    checkpoints: Iterable[int] | None = None,
    start: Networks | None = None,
    threads: int | None = None,
    executor: Executor | None = None,
    shard: int | None = None,
    progress: bool = True,
) -> Iterator[tuple[int, Runs]]:
    """`train`, `shard` (by default `SHARD`) seeds at a time: yields each shard's number and runs when it is finished.

    Without an executor the shards come one after the other, each on all threads; with one, in any order.
    """
    seeds = cells.checked_seeds(seeds)
    kept, start = _checked(regimen, words, validation, seeds, checkpoints, start)
    parts = workers.slices(len(seeds), shard or SHARD)
    calls = ((regimen, words, validation, seeds[p], kept, start[p], threads or 1) for p in parts)
    if executor is None:
        for number, p in enumerate(parts):
            yield number, train(regimen, words, validation, seeds[p], checkpoints=kept, start=start[p],
                                threads=threads, progress=progress)  # fmt: skip
        return
    with _bar(regimen, len(seeds), len(seeds), "run", progress) as bar:
        with closing(workers.finished(executor, _train_shard, calls)) as shards:
            for number, runs in shards:
                bar.update(len(runs))
                yield number, runs


def _train_shard(
    regimen: Regimen,
    words: Words,
    validation: Words,
    seeds: tuple[int, ...],
    kept: tuple[int, ...],
    start: Networks,
    threads: int,
) -> Runs:
    """What a worker is asked for."""
    return train(
        regimen, words, validation, seeds, checkpoints=kept, start=start, threads=threads, progress=False
    )


def _on_threads(
    groups: type[Group],
    regimen: Regimen,
    words: Words,
    validation: Words,
    seeds: tuple[int, ...],
    kept: tuple[int, ...],
    start: Networks,
    threads: int | None,
    bar: tqdm,
) -> Iterator[tuple[int, Runs]]:
    """Each group of runs when it is finished; groups under way stop after their epoch when the loop ends early."""
    packed = pack_words(words.tokens, words.depth, words.lengths)
    stop = Event()

    def watch(runs: int) -> None:
        bar.update(runs)
        if stop.is_set():
            raise CancelledError

    if threads is not None and threads < 1:
        raise ValueError(f"threads must be at least 1, or None for all cores; got {threads}")
    threads = groups.threads or threads or workers.cores()
    rounds = -(-len(seeds) // (threads * groups.capacity(start.dtype, packed)))
    parts = workers.slices(len(seeds), -(-len(seeds) // (threads * rounds)))
    calls = ((groups, regimen, packed, validation, seeds[p], start[p], kept, watch) for p in parts)
    with ThreadPoolExecutor(threads) as pool:
        try:
            with closing(workers.finished(pool, train_group, calls)) as done:
                yield from done
        finally:
            stop.set()


def _gathered(shards: Iterator[tuple[int, Runs]], asked: int) -> Runs:
    """All runs in the order of their shards; those that are finished when something stops the others."""
    parts: dict[int, Runs] = {}

    def together() -> Runs | None:
        return Runs.concatenate(parts[number] for number in sorted(parts)) if parts else None

    try:
        with closing(shards):
            for number, runs in shards:
                parts[number] = runs
    except KeyboardInterrupt:
        raise Interrupted(together(), asked) from None
    except WorkersLost as error:
        error.finished = together()
        raise
    return together()


def _bar(regimen: Regimen, runs: int, total: int, unit: str, progress: bool) -> tqdm:
    return tqdm(total=total, unit=unit, desc=f"{runs} {regimen.cell} runs", disable=None if progress else True)


def _checked(
    regimen: Regimen,
    words: Words,
    validation: Words,
    seeds: tuple[int, ...],
    checkpoints: Iterable[int] | None,
    start: Networks | None,
) -> tuple[tuple[int, ...], Networks]:
    """The epochs to keep and the networks to start from. Raises ValueError."""
    if not len(words) or not len(validation):
        raise ValueError(
            f"training and validation need at least one word each; got {len(words)} and {len(validation)}"
        )
    kept = _checked_epochs(checkpoints, regimen.epochs)
    return kept, _checked_start(start, regimen, seeds) if start is not None else initial_networks(regimen, seeds)


def _checked_epochs(checkpoints: Iterable[int] | None, epochs: int) -> tuple[int, ...]:
    kept = tuple(range(epochs + 1)) if checkpoints is None else tuple(sorted(set(checkpoints)))
    if not all(isinstance(epoch, (int, np.integer)) and 0 <= epoch <= epochs for epoch in kept):
        raise ValueError(f"checkpoints must be epochs from 0 to {epochs}; got {list(kept)}")
    return tuple(int(epoch) for epoch in kept)


def _checked_start(start: Networks, regimen: Regimen, seeds: tuple[int, ...]) -> Networks:
    if start.cell != regimen.cell or len(start) != len(seeds):
        raise ValueError(
            f"the start must be {len(seeds)} networks of cell {regimen.cell!r}, one a seed; "
            f"got {len(start)} of {start.cell!r}"
        )
    return start.astype(regimen.dtype)
