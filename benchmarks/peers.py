"""The engine beside what people would use instead, and beside the floor of this core: one run, one table.

    pip install -r benchmarks/requirements.txt
    python benchmarks/peers.py            some minutes on two quiet cores
    python benchmarks/peers.py --quick    a trial
    python benchmarks/peers.py --record   keeps the tables in results/measured

Everyone trains the same runs from the same initialization, each in its own order of words, batch size 1, Adam; the
trained parameters are compared with the engine's on the same words. PyTorch and JAX also get words of one length,
so that nobody waits for the longest. Wall time of the whole epoch, best of several turns, everyone in turn; compiling
is not part of it. A slow contestant reads the first of the words only: times are for a symbol and a run.
"""

from __future__ import annotations

import argparse
import functools
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
NS, RATIO, DIFFERENCE = ("ns per symbol and run", "published loop / this", "largest difference")
TOLERANCE, STEADY = 1e-3, 1e-4
"""Most that trained parameters may differ, in runs that the engine trains alike in float32 and float64 up to STEADY:
in the others rounding alone decides what becomes of them."""
RUNS = 1024


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


def jax_training(task: Task, gradient: str) -> Callable[[], np.ndarray]:
    """Train with JAX."""
    import peer_jax

    return peer_jax.Training(task.cell, gradient, peer_cells.rows_of(task.start()), task.data, task.order(), task.rate)


def torch_training(task: Task, way: str) -> Callable[[], np.ndarray]:
    """Train with `torch.func` or `torch.compile`."""
    import peer_torch
    import torch

    torch.set_num_threads(1)
    return peer_torch.Training(task.cell, way, peer_cells.rows_of(task.start()), task.data, task.order(), task.rate)


def published_evaluation(task: Task) -> Callable[[], np.ndarray]:
    """Read as PyTorch does, one run."""
    import torch

    torch.set_num_threads(1)
    module, words = task.start().to_torch(0), task.data
    return lambda: reference.first_failure(module, words)[None]


class EngineEvaluation:
    """Reads every word to its end, as the others do: `first_failure` would leave it where all have failed."""

    def __init__(self, task: Task) -> None:
        self.networks, self.words = task.start(), task.data
        self.failures = evaluation.first_failure(self.networks, self.words)

    def __call__(self) -> np.ndarray:
        """Read all words."""
        evaluation.return_recall(self.networks, self.words)
        return self.failures


def jax_evaluation(task: Task) -> Callable[[], np.ndarray]:
    """Read with JAX."""
    import peer_jax

    return peer_jax.Evaluation(task.cell, peer_cells.rows_of(task.start()), task.data)


def torch_evaluation(task: Task, way: str) -> Callable[[], np.ndarray]:
    """Read with PyTorch, all runs side by side."""
    import peer_torch
    import torch

    torch.set_num_threads(1)
    return peer_torch.Evaluation(task.cell, way, peer_cells.rows_of(task.start()), task.data)


class Floor:
    """Its result is itself a time: ns for each symbol and run."""

    def __init__(self, task: Task, forward_only: bool) -> None:
        import floor

        mean = float(task.data.lengths.mean())
        self.measure = (
            floor.evaluation_floor_ns if forward_only else functools.partial(floor.floor_ns, symbols_per_word=mean)
        )
        self.cell = task.cell

    def __call__(self) -> float:
        """Measure once."""
        return self.measure(self.cell)


Entry = tuple[str, int, Task, Callable[..., Any], tuple[Any, ...]]
"""What, cores, task, what makes the call, its further arguments."""


def training_entries(cell: str, name: str, quick: bool) -> list[Entry]:
    """List who trains a cell on these words."""

    def task(words: int, runs: int = RUNS) -> Task:
        return Task(cell, name, words // 10 if quick else words, runs)

    entries = [
        (PUBLISHED, 1, task(300, 1), published_training, ()),
        (ENGINE, 1, task(2_000), engine_training, (1,)),
        (ENGINE, 2, task(2_000), engine_training, (2,)),
        (FLOOR, 1, task(2_000), Floor, (False,)),
        ("JAX, jit of vmap of grad of scan", 1, task(100), jax_training, ("automatic",)),
        ("JAX, jit, gradient by hand", 1, task(400), jax_training, ("written",)),
        ("JAX, jit, gradient by hand", 1, task(100, 4 * RUNS), jax_training, ("written",)),
        ("torch.func, vmap of grad", 1, task(20), torch_training, ("vmap",)),
    ]
    if name == EQUAL and not quick:
        entries.append(("torch.compile", 1, task(20), torch_training, ("compiled",)))
    return entries


def evaluation_entries(cell: str, quick: bool) -> list[Entry]:
    """List who reads the longest words."""

    def task(words: int, runs: int = RUNS) -> Task:
        return Task(cell, LONG, 16 if quick else words, runs)

    entries = [
        (PUBLISHED, 1, task(256, 1), published_evaluation, ()),
        (ENGINE, 1, task(256), EngineEvaluation, ()),
        (ENGINE, 2, task(256), EngineEvaluation, ()),
        ("JAX, jit", 1, task(128), jax_evaluation, ()),
        ("PyTorch, runs side by side", 1, task(32), torch_evaluation, ("eager",)),
        (FLOOR, 1, task(16), Floor, (True,)),
    ]
    if not quick:
        entries.append(("torch.compile", 1, task(64), torch_evaluation, ("compiled",)))
    return entries


@functools.cache
def expected_training(task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Train with the engine: parameters, (parameters, runs), and which runs are steady."""
    single, double = (engine_training(task, 2, dtype)() for dtype in ("float32", "float64"))
    return single, (np.abs(single - double) < STEADY).all(axis=0)


def training_difference(task: Task, found: np.ndarray) -> tuple[float, float]:
    """Largest difference from the engine in runs that go the same way, and their share. Raises AssertionError where
    more than one in a hundred steady runs does not.
    """
    expected, steady = expected_training(task)
    apart = np.abs(found - expected).max(axis=0)
    # A ReLU may be within a rounding of its kink in one program alone, and go its own way from there.
    same = steady & (apart <= TOLERANCE)
    if same.sum() < 0.99 * steady.sum() or not steady.any():
        raise AssertionError(f"other updates than the engine's in {steady.sum() - same.sum()} runs of {task}")
    return float(apart[same].max()), float(same.mean())


def evaluation_difference(task: Task, found: np.ndarray) -> tuple[float, float]:
    """Share of (run, word) whose first failure differs. Raises AssertionError where it is more than rounding can do."""
    share = float((found != evaluation.first_failure(task.start(), task.data)).mean())
    if share > 0.01:
        raise AssertionError(f"{share:.1%} of the first failures are not the engine's in {task}")
    return share, 1.0


def compare(
    entries: list[Entry], rounds: int, difference: Callable[[Task, np.ndarray], tuple[float, float]]
) -> pd.DataFrame:
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
        results = [[contestant.turn() for _, contestant in ready] for _ in range(rounds)]
    finally:
        for contestant in contestants:
            contestant.pool.shutdown()
    by_contestant = zip(ready, zip(*results, strict=True), strict=True)
    table = pd.DataFrame([row(*entry, found, difference) for entry, found in by_contestant])
    table[RATIO] = table[NS][table.what == PUBLISHED].iloc[0] / table[NS]
    show(table)
    return table


def row(
    entry: Entry,
    contestant: Contestant,
    found: tuple[Any, ...],
    difference: Callable[[Task, np.ndarray], tuple[float, float]],
) -> dict[str, object]:
    """Make a contestant's row; found: what each of its turns gave."""
    what, cores, task, *_ = entry
    symbols = int(task.data.lengths.sum())
    if what == FLOOR:
        (apart, share), seconds = (np.nan, np.nan), min(found) * symbols * task.runs / 1e9
    else:
        (apart, share), seconds = difference(task, found[-1]), contestant.seconds
    return {
        "words": task.set, "cell": task.cell, "what": what, "cores": cores, "runs": task.runs,
        "number of words": task.words, "symbols": symbols, "seconds": seconds,
        NS: 1e9 * seconds / symbols / task.runs, RATIO: np.nan, DIFFERENCE: apart, "runs compared": share,
        "compiled in, s": contestant.ready.result(),
    }  # fmt: skip


def show(table: pd.DataFrame) -> None:
    """Print a table."""
    formats = {"seconds": "{:.3f}", NS: "{:,.2f}", RATIO: "{:,.0f}", DIFFERENCE: "{:.1e}", "runs compared": "{:.1%}"}
    print(table.to_string(index=False, formatters={name: form.format for name, form in formats.items()}), flush=True)


def main(quick: bool, record: bool) -> None:
    """Time everyone on every set of words."""
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("two cores are needed, for the rows of the engine on two cores")
    rounds, chosen = (1, ("lstm",)) if quick else (3, cells.CELLS)
    tasks = [(n, c) for n in (MIXED, EQUAL) for c in chosen]
    trained = [compare(training_entries(cell, name, quick), rounds, training_difference) for name, cell in tasks]
    evaluated = [compare(evaluation_entries(cell, quick), rounds, evaluation_difference) for cell in chosen]
    tables = {"training": pd.concat(trained, ignore_index=True), "evaluation": pd.concat(evaluated, ignore_index=True)}
    if record:
        print(measurements.record("peers", tables, "jax"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a trial: the LSTM on few words")
    parser.add_argument("--record", action="store_true", help="keep the tables in results/measured")
    given = parser.parse_args()
    main(given.quick, given.record)
