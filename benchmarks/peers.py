"""The engine beside what people would use instead, and beside the floor of this core: one run, one table.

    pip install -r benchmarks/requirements.txt
    python benchmarks/peers.py            some minutes on two quiet cores
    python benchmarks/peers.py --record   keeps the tables in results/measured

Everyone trains the same runs from the same initialization, each in its own order of words, batch size 1, Adam; the
trained parameters are compared with the engine's on the same words. PyTorch and JAX also get words of one length,
so that nobody waits for the longest. Wall time of the whole epoch, best of several turns, everyone in turn; compiling
is not part of it. A slow contestant reads the first of the words only: times are for a symbol and a run.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import peer_cells
from timing import Contestant

from counting import cells, dyck, evaluation, measurements, reference, regimens, training
from counting.dyck import Words

MIXED, EQUAL, LONG = ("the paper's", "30 symbols each", "200 symbols each")
PUBLISHED, FLOOR, ENGINE = "PyTorch, published loop", "floor", "engine"
NS = "ns per symbol and run"
TOLERANCE, STEADY = 1e-3, 1e-4
"""Most that trained parameters may differ, in runs that the engine trains alike in float32 and float64 up to STEADY:
in the others rounding alone decides what becomes of them."""
RUNS, ROUNDS = 1024, 3


@functools.cache
def word_set(name: str) -> Words:
    """Give the words of this name."""
    if name == MIXED:
        # Any first words of them are as long as the others: the grammar's own order begins with short ones.
        return dyck.paper_splits()["train"][np.random.default_rng(0).permutation(10_000)[:2_000]]
    return dyck.uniform(2_000, 30) if name == EQUAL else dyck.uniform(256, 200)


@dataclass(frozen=True)
class Task:
    """What a contestant does: so many runs of a cell on the first of a set's words."""

    cell: str
    set: str
    words: int
    runs: int = RUNS

    @property
    def data(self) -> Words:
        """Give the words that are read."""
        return word_set(self.set)[: self.words]

    @property
    def rate(self) -> float:
        """Give Adam's learning rate."""
        return regimens.PAPER[self.cell].learning_rate

    def start(self) -> cells.Networks:
        """Give the networks that all start from."""
        return training.initial_networks(regimens.PAPER[self.cell], range(self.runs))

    def order(self) -> np.ndarray:
        """Give the order of each run's words: (words, runs)."""
        return np.stack([training.word_order(seed, 1, self.words) for seed in range(self.runs)], axis=1)


# What is timed: each of these prepares, in the process of a contestant, a call without arguments.


def published_training(task: Task) -> Callable[[], np.ndarray]:
    """Train one run as the authors do."""
    import torch

    torch.set_num_threads(1)
    words, order, start = task.data, task.order()[:, 0], task.start()

    def train() -> np.ndarray:
        module = start.to_torch(0)
        reference.train_epoch(module, torch.optim.Adam(module.parameters(), lr=task.rate), words, order)
        return peer_cells.rows_of(cells.Networks.from_torch([module]))

    return train


def engine_training(task: Task, threads: int = 1, dtype: str = "float32") -> Callable[[], np.ndarray]:
    """Train with `counting.training`."""
    words, start = task.data, task.start().astype(dtype)
    regimen = regimens.PAPER[task.cell].but(epochs=1, dtype=dtype)

    def train() -> np.ndarray:
        options = {"checkpoints": [], "start": start, "threads": threads, "progress": False}
        runs = training.train(regimen, words, words[:1], range(task.runs), **options)
        return peer_cells.rows_of(runs.networks)

    return train


def of_peer(task: Task, module: str, what: str, *more: str) -> Callable[[], np.ndarray]:
    """Train or read with JAX or PyTorch, which only this contestant's process imports."""
    return getattr(importlib.import_module(module), what)(task, *more)


def published_evaluation(task: Task) -> Callable[[], np.ndarray]:
    """Read as PyTorch does, one run."""
    import torch

    torch.set_num_threads(1)
    module, words = task.start().to_torch(0), task.data
    return lambda: reference.first_failure(module, words)[None]


def engine_evaluation(task: Task) -> Callable[[], np.ndarray]:
    """Read every word to its end, as the others do: `first_failure` would leave it where all have failed."""
    networks, words = task.start(), task.data
    failures = evaluation.first_failure(networks, words)

    def read() -> np.ndarray:
        evaluation.return_recall(networks, words)
        return failures

    return read


def of_floor(task: Task, forward_only: bool) -> Callable[[], float]:
    """Measure the floor: the result is itself a time, ns for each symbol and run."""
    import floor

    if forward_only:
        return functools.partial(floor.evaluation_floor_ns, task.cell)
    return functools.partial(floor.floor_ns, task.cell, float(task.data.lengths.mean()))


Entry = tuple[str, int, Task, Callable[..., Any], tuple[Any, ...]]
"""What, cores, task, what makes the call, its further arguments."""


def training_entries(cell: str, name: str) -> list[Entry]:
    """List who trains a cell on these words."""
    task = functools.partial(Task, cell, name)
    entries = [
        (PUBLISHED, 1, task(300, 1), published_training, ()),
        (ENGINE, 1, task(2_000), engine_training, (1,)),
        (ENGINE, 2, task(2_000), engine_training, (2,)),
        (FLOOR, 1, task(2_000), of_floor, (False,)),
        ("JAX, jit of vmap of grad of scan", 1, task(100), of_peer, ("peer_jax", "training", "automatic")),
        ("JAX, jit, gradient by hand", 1, task(400), of_peer, ("peer_jax", "training", "written")),
        ("JAX, jit, gradient by hand", 1, task(100, 4 * RUNS), of_peer, ("peer_jax", "training", "written")),
        ("torch.func, vmap of grad", 1, task(20), of_peer, ("peer_torch", "training", "vmap")),
    ]
    if name == EQUAL:
        entries.append(("torch.compile", 1, task(20), of_peer, ("peer_torch", "training", "compiled")))
    return entries


def evaluation_entries(cell: str) -> list[Entry]:
    """List who reads the longest words."""
    task = functools.partial(Task, cell, LONG)
    return [
        (PUBLISHED, 1, task(256, 1), published_evaluation, ()),
        (ENGINE, 1, task(256), engine_evaluation, ()),
        (ENGINE, 2, task(256), engine_evaluation, ()),
        ("JAX, jit", 1, task(128), of_peer, ("peer_jax", "evaluation")),
        ("PyTorch, runs side by side", 1, task(32), of_peer, ("peer_torch", "evaluation", "eager")),
        (FLOOR, 1, task(16), of_floor, (True,)),
        ("torch.compile", 1, task(64), of_peer, ("peer_torch", "evaluation", "compiled")),
    ]


@functools.cache
def expected_training(task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Train with the engine: parameters, (parameters, runs), and which runs are steady."""
    single, double = (engine_training(task, 2, dtype)() for dtype in ("float32", "float64"))
    return single, (np.abs(single - double) < STEADY).all(axis=0)


def check_training(task: Task, found: np.ndarray) -> None:
    """Raise AssertionError where more than one in a hundred steady runs goes another way than the engine's."""
    expected, steady = expected_training(task)
    # A ReLU may be within a rounding of its kink in one program alone, and go its own way from there.
    same = steady & (np.abs(found - expected).max(axis=0) <= TOLERANCE)
    if same.sum() < 0.99 * steady.sum() or not steady.any():
        raise AssertionError(f"other updates than the engine's in {steady.sum() - same.sum()} runs of {task}")


def check_evaluation(task: Task, found: np.ndarray) -> None:
    """Raise AssertionError where more first failures than rounding can move are not the engine's."""
    share = float((found != evaluation.first_failure(task.start(), task.data)).mean())
    if share > 0.01:
        raise AssertionError(f"{share:.1%} of the first failures are not the engine's in {task}")


def compare(entries: list[Entry], check: Callable[[Task, np.ndarray], None]) -> pd.DataFrame:
    """Time entries in turns. They are prepared at once, one on each core, and timed one by one."""
    mine = sorted(os.sched_getaffinity(0))
    contestants = [
        Contestant({mine[i % len(mine)]} if cores == 1 else set(mine[:cores]), make, task, *more)
        for i, (_, cores, task, make, more) in enumerate(entries)
    ]
    try:
        ready, faults = [], []
        for entry, contestant in zip(entries, contestants, strict=True):
            fault = contestant.ready.exception()
            faults.append((*entry[:3:2], fault)) if fault else ready.append((entry, contestant))
        if faults:
            print("left out, for they failed:", *faults, sep="\n  ", flush=True)
        results = [[contestant.turn() for _, contestant in ready] for _ in range(ROUNDS)]
    finally:
        for contestant in contestants:
            contestant.pool.shutdown()
    by_contestant = zip(ready, zip(*results, strict=True), strict=True)
    table = pd.DataFrame([row(*entry, found, check) for entry, found in by_contestant])
    table["published loop ÷ this"] = table[NS][table.what == PUBLISHED].iloc[0] / table[NS]
    print(table.to_string(index=False, float_format="{:,.3f}".format), flush=True)
    return table


def row(
    entry: Entry, contestant: Contestant, found: tuple[Any, ...], check: Callable[[Task, np.ndarray], None]
) -> dict[str, object]:
    """Check what a contestant found in its turns, and make its row."""
    what, cores, task, *_ = entry
    symbols = int(task.data.lengths.sum())
    if what == FLOOR:
        nanoseconds = min(found)
    else:
        check(task, found[-1])
        nanoseconds = 1e9 * contestant.seconds / symbols / task.runs
    return {
        "words": task.set, "cell": task.cell, "what": what, "cores": cores, "runs": task.runs,
        "number of words": task.words, NS: nanoseconds,
    }  # fmt: skip


def main() -> None:
    """Time everyone on every set of words."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="keep the tables in results/measured")
    options = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("two cores are needed, for the rows of the engine on two cores")
    tasks = [(cell, name) for name in (MIXED, EQUAL) for cell in cells.CELLS]
    trained = [compare(training_entries(*task), check_training) for task in tasks]
    evaluated = [compare(evaluation_entries(cell), check_evaluation) for cell in cells.CELLS]
    tables = {"training": pd.concat(trained, ignore_index=True), "evaluation": pd.concat(evaluated, ignore_index=True)}
    if options.record:
        print(measurements.record("peers", tables, "jax"))


if __name__ == "__main__":
    main()
