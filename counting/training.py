"""Training many runs at once: a `Regimen`, words and seeds in, `Runs` out.

Runs share nothing but the words: each has its own initialization and its own order of words, by its seed, and its
numbers do not depend on which other runs are trained with it, nor on who trains it: the threads of this process, the
workers of any executor, or a GPU (`counting.gpu`).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import CancelledError, Executor, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from threading import Event
from typing import Protocol

import numpy as np
from tqdm import tqdm

from counting import cells, workers
from counting.cells import Networks
from counting.dyck import Words
from counting.engine.lanes import LANES
from counting.engine.train import Group, word_orders
from counting.regimens import Regimen, value_at
from counting.workers import WorkersLost

MEASURES = ("train_loss", "validation_loss", "last_word_loss")
"""What the history holds: mean loss over the training words while training; true mean loss over the validation
words; loss of the last validation word alone, which the original code took for it (there divided by the number of
words, which changes no comparison)."""

CRITERIA = ("validation_loss", "last_word_loss")
"""What the best epoch can be chosen by."""


SHARD = 256
"""Runs of a shard: what one worker of an executor trains at a time, and what a result file is pieced together from."""

GROUP = 512
"""Most runs of a group, those that one thread trains side by side: enough to sort by the lengths of their words, few
enough for the processor's cache."""


@dataclass(frozen=True, eq=False)
class Runs:
    """Trained runs of one regimen.

    seeds: one a run. losses: float64 (3, runs, epochs + 1), the three `MEASURES`, from epoch 0, the initialization,
    which has no training loss (NaN). selected: criterion -> Networks at each run's best epoch by that criterion.
    checkpoints: epoch -> Networks.
    """

    regimen: Regimen
    seeds: tuple[int, ...]
    losses: np.ndarray
    selected: Mapping[str, Networks]
    checkpoints: Mapping[int, Networks]

    def __len__(self) -> int:
        return len(self.seeds)

    @property
    def networks(self) -> Networks:
        """Each run at the epoch of its lowest true mean validation loss."""
        return self.selected["validation_loss"]

    def selected_epoch(self, criterion: str = "validation_loss") -> np.ndarray:
        """Give the epoch that a criterion chooses: int64 (runs,); the last one where every loss is NaN."""
        return best_epoch(self.losses[MEASURES.index(criterion)])

    @property
    def diverged(self) -> np.ndarray:
        """Tell whether the last epoch's validation loss is not finite: bool (runs,). Such runs stay in every count."""
        return ~np.isfinite(self.losses[MEASURES.index("validation_loss"), :, -1])

    @staticmethod
    def concatenate(parts: Iterable[Runs]) -> Runs:
        """Put all runs of several parts of one sweep together. Raises ValueError for parts of different sweeps."""
        parts = list(parts)
        if len({(part.regimen, tuple(part.checkpoints)) for part in parts}) != 1:
            raise ValueError("runs of one regimen with the same checkpoints are needed")
        first = parts[0]
        return Runs(
            first.regimen,
            cells.checked_seeds(seed for part in parts for seed in part.seeds),
            np.concatenate([part.losses for part in parts], axis=1),
            {c: Networks.concatenate(part.selected[c] for part in parts) for c in first.selected},
            {e: Networks.concatenate(part.checkpoints[e] for part in parts) for e in first.checkpoints},
        )


def best_epoch(losses: np.ndarray) -> np.ndarray:
    """Give the epoch (from 1) of the lowest loss of each run, the first of equals. losses: (runs, epochs + 1)."""
    trained = losses[:, 1:]
    known = np.where(np.isnan(trained), np.inf, trained)
    return np.where(np.isnan(trained).all(axis=1), trained.shape[1], np.argmin(known, axis=1) + 1)


class Interrupted(KeyboardInterrupt):
    """Training was stopped by Ctrl-C. `runs` holds the runs that were finished, or None."""

    def __init__(self, runs: Runs | None, asked: int) -> None:
        super().__init__(f"stopped with {len(runs) if runs else 0} of {asked} runs finished")
        self.runs = runs


def train(  # noqa: PLR0913  what is trained, on what, and how to watch it
    regimen: Regimen,
    words: Words,
    validation: Words,
    seeds: Iterable[int],
    *,
    checkpoints: Iterable[int] | None = None,
    start: Networks | None = None,
    threads: int | None = None,
    executor: Executor | None = None,
    progress: bool = True,
) -> Runs:
    """Train one run for each seed.

    words, validation: read in each epoch to learn from, and to choose the best epoch by.
    checkpoints: the epochs to keep, 0 for the initialization; None keeps all.
    start: where to start from, one network a seed, instead of PyTorch's initialization by seed.
    threads: threads of this process to train on; None takes every core.
    executor: trains shards of `SHARD` runs on its workers, one thread each, instead; see `workers`.
    Raises ValueError for seeds, epochs, words or a start that make no sense, `Interrupted` after Ctrl-C, `WorkersLost`
    after the death of a worker that the executor does not replace; the last two hold the runs that were finished.

    >>> runs = train(PAPER["lstm"], words, validation, seeds=range(100))  # doctest: +SKIP
    """
    seeds, kept, start = checked(regimen, words, validation, seeds, checkpoints, start)
    if executor is not None:
        if threads is not None:
            raise ValueError("an executor's workers train on one thread each: leave threads out")
        shards = train_shards(
            regimen, words, validation, seeds, checkpoints=kept, start=start, executor=executor, progress=progress
        )
        return gathered(shards, len(seeds))
    if threads is not None and threads < 1:
        raise ValueError(f"threads must be at least 1, or None for all cores; got {threads}")
    threads = threads or workers.cores()
    rounds = -(-len(seeds) // (threads * GROUP))
    least = -(-len(seeds) // (threads * rounds))
    groups = workers.slices(len(seeds), -(-least // LANES) * LANES)  # a block takes as long with fewer runs
    stop = Event()
    with progress_bar(regimen, len(seeds), "epoch", progress) as bar, ThreadPoolExecutor(threads) as pool:

        def watch(runs: int) -> None:
            bar.update(runs)
            if stop.is_set():
                raise CancelledError

        calls = ((regimen, words, validation, seeds[g], start[g], kept, watch) for g in groups)
        try:
            return gathered(workers.finished(pool, _train_group, calls), len(seeds))
        finally:
            stop.set()  # groups under way stop after their epoch


def train_shards(  # noqa: PLR0913  as `train`
    regimen: Regimen,
    words: Words,
    validation: Words,
    seeds: Iterable[int],
    *,
    checkpoints: Iterable[int] | None = None,
    start: Networks | None = None,
    executor: Executor | None = None,
    shard: int | None = None,
    progress: bool = True,
) -> Generator[tuple[int, Runs]]:
    """`train`, `shard` (by default `SHARD`) seeds at a time: yield each shard's number and runs when it is finished.

    Without an executor the shards come one after the other, each on all cores; with one, in any order.
    """
    seeds, kept, start = checked(regimen, words, validation, seeds, checkpoints, start)
    shards = workers.slices(len(seeds), shard or SHARD)
    if executor is None:
        for number, s in enumerate(shards):
            yield number, train(
                regimen, words, validation, seeds[s], checkpoints=kept, start=start[s], progress=progress
            )
        return
    calls = ((regimen, words, validation, seeds[s], start[s], kept) for s in shards)
    shards_done = closing(workers.finished(executor, _train_group, calls))
    with progress_bar(regimen, len(seeds), "run", progress) as bar, shards_done as finished:
        for number, runs in finished:
            bar.update(len(runs))
            yield number, runs


class Learner(Protocol):
    """A group of runs in training, as `engine.train.Group` on the CPU."""

    def epoch(self, number: int, learning_rate: float, gain: float, slope: float, clip: float) -> np.ndarray:
        """Read all words once, in the order of epoch `number`, and learn; return mean losses, float64 (runs,)."""

    def losses(self, gain: float) -> np.ndarray:
        """Return the mean loss over the validation words, and that of the last word alone: float64 (2, runs)."""

    def parameters(self) -> dict[str, np.ndarray]:
        """Return the parameters as they are now: name -> (runs, ...)."""


def learn(
    group: Learner,
    regimen: Regimen,
    seeds: tuple[int, ...],
    kept: tuple[int, ...],
    watch: Callable[[int], object] | None = None,
) -> Runs:
    """Take a group of runs through all epochs.

    watch: called after each epoch with the number of runs; what it raises ends the training.
    """
    losses = np.full((3, len(seeds), regimen.epochs + 1), np.nan)
    stages = []
    for epoch in range(regimen.epochs + 1):
        gain, leak = value_at(regimen.gate_gain, max(epoch, 1)), value_at(regimen.leak, max(epoch, 1))
        if epoch:
            rate = value_at(regimen.learning_rate, epoch)
            losses[0, :, epoch] = group.epoch(epoch, rate, gain, leak, regimen.clip_norm or 0.0)
            if watch is not None:
                watch(len(seeds))
        # Without the leak: these are the losses of the networks that are kept.
        losses[1:, :, epoch] = group.losses(gain)
        stages.append(folded(Networks(regimen.cell, group.parameters()), gain))
    every = Networks.concatenate(stages)
    best = {c: best_epoch(losses[MEASURES.index(c)]) * len(seeds) + np.arange(len(seeds)) for c in CRITERIA}
    selected = {criterion: every[which] for criterion, which in best.items()}
    return Runs(regimen, seeds, losses, selected, {epoch: stages[epoch] for epoch in kept})


def _train_group(
    regimen: Regimen,
    words: Words,
    validation: Words,
    seeds: tuple[int, ...],
    start: Networks,
    kept: tuple[int, ...],
    watch: Callable[[int], object] | None = None,
) -> Runs:
    """Train a group of runs on one thread: what a worker is asked for."""
    group = Group(start.cell, regimen.loss, start.parameters, seeds, words, validation)
    return learn(group, regimen, seeds, kept, watch)


def initial_networks(regimen: Regimen, seeds: Iterable[int], words: Words | None = None) -> Networks:
    """Give the networks that the regimen's runs start from: PyTorch's by seed, changed as the regimen says.

    words: of the language to learn, whose symbols and outputs they have; None for Dyck-1.
    """
    sizes = (2, 2) if words is None else (words.symbols, words.targets.shape[-1])
    networks = cells.initialize(regimen.cell, seeds, regimen.units, *sizes)
    drawn, units = networks.parameters, regimen.units
    scaled = {name: array * np.float32(regimen.initial_scale) for name, array in drawn.items()}
    if regimen.cell == "lstm":
        scaled["bias_ih_l0"][:, units : 2 * units] += np.float32(regimen.forget_bias)
    if regimen.cell == "relu":
        scaled["bias_ih_l0"] += np.float32(regimen.hidden_bias)
        if regimen.recurrent_weight == "identity":
            scaled["weight_hh_l0"] = np.broadcast_to(np.eye(units, dtype=np.float32), drawn["weight_hh_l0"].shape)
        elif regimen.recurrent_weight == "positive":
            scaled["weight_hh_l0"] = np.abs(drawn["weight_hh_l0"])
    return Networks(regimen.cell, scaled).astype(regimen.dtype)


def folded(networks: Networks, gain: float) -> Networks:
    """Give the networks that a gate gain amounts to: the recurrent layer's weights and biases times `gain`."""
    factor = networks.dtype.type(gain)
    return Networks(
        networks.cell,
        {name: a if name.startswith("output.") else a * factor for name, a in networks.parameters.items()},
    )


def word_order(seed: int, epoch: int, words: int) -> np.ndarray:
    """Give the order in which the run of this seed reads its words in an epoch (from 1): int32 (words,)."""
    return word_orders([seed], epoch, words)[0]


def gathered(shards: Generator[tuple[int, Runs]], asked: int) -> Runs:
    """Gather all runs in the order of their shards; those that are finished when something stops the others."""
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
    return Runs.concatenate(parts[number] for number in sorted(parts))


def progress_bar(regimen: Regimen, runs: int, unit: str, progress: bool) -> tqdm:
    """Count runs, or epochs of runs, on a terminal."""
    total = runs * regimen.epochs if unit == "epoch" else runs
    return tqdm(total=total, unit=unit, desc=f"{runs} {regimen.cell} runs", disable=None if progress else True)


def checked(
    regimen: Regimen,
    words: Words,
    validation: Words,
    seeds: Iterable[int],
    checkpoints: Iterable[int] | None,
    start: Networks | None,
) -> tuple[tuple[int, ...], tuple[int, ...], Networks]:
    """Give the seeds, the epochs to keep and the networks to start from. Raises ValueError."""
    seeds = cells.checked_seeds(seeds)
    if not len(words) or not len(validation):
        raise ValueError(f"training and validation need at least one word each; got {len(words)} and {len(validation)}")
    kept = tuple(range(regimen.epochs + 1)) if checkpoints is None else tuple(sorted(set(checkpoints)))
    if not all(isinstance(epoch, (int, np.integer)) and 0 <= epoch <= regimen.epochs for epoch in kept):
        raise ValueError(f"checkpoints must be epochs from 0 to {regimen.epochs}; got {list(kept)}")
    if start is None:
        start = initial_networks(regimen, seeds, words)
    elif start.cell != regimen.cell or len(start) != len(seeds):
        raise ValueError(
            f"the start must be {len(seeds)} networks of cell {regimen.cell!r}, one a seed; "
            f"got {len(start)} of {start.cell!r}"
        )
    for part in (words, validation):
        wanted = (regimen.units, part.symbols, part.targets.shape[-1])
        if start.sizes != wanted:
            raise ValueError(f"networks of {wanted} units, symbols and outputs are needed; the start has {start.sizes}")
    return seeds, tuple(int(epoch) for epoch in kept), start.astype(regimen.dtype)
