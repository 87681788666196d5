"""Training many runs at once: a `Regimen`, words and seeds in, `Runs` out.

Runs share nothing but the words: each has its own initialization and its own order of words, by its seed, and its
numbers do not depend on which other runs are trained with it, nor on threads or machine.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
from tqdm import tqdm

from counting import cells, devices, engine
from counting.cells import Networks
from counting.dyck import Words
from counting.engine.batch import Batch
from counting.engine.packed import pack_words
from counting.regimens import Regimen
from counting.schedule import value_at

MEASURES = ("train_loss", "validation_loss", "last_word_loss")
"""What the history holds: mean loss over the training words while training; true mean loss over the validation
words; loss of the last validation word alone, which the original code took for it (there divided by the number of
words, which changes no comparison)."""

CRITERIA = ("validation_loss", "last_word_loss")
"""What the best epoch can be chosen by."""


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
        """int64 (runs,): the epoch that a criterion chooses; the last one where every loss is NaN."""
        return _best_epoch(self.losses[MEASURES.index(criterion)])

    @property
    def diverged(self) -> np.ndarray:
        """bool (runs,): the last epoch's validation loss is not finite. Such runs stay in every count."""
        return ~np.isfinite(self.losses[MEASURES.index("validation_loss"), :, -1])

    @property
    def history(self) -> pd.DataFrame:
        """One row for each run and epoch: run, seed, epoch and the three `MEASURES`."""
        runs, epochs = self.losses.shape[1:]
        frame = pd.DataFrame(
            {"run": np.repeat(np.arange(runs), epochs), "seed": np.repeat(self.seeds, epochs)}
            | {"epoch": np.tile(np.arange(epochs), runs)}
        )
        return frame.assign(**{name: loss.reshape(-1) for name, loss in zip(MEASURES, self.losses, strict=True)})

    @staticmethod
    def concatenate(parts: Iterable[Runs]) -> Runs:
        """All runs of several parts of one sweep."""
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
    device: str = "cpu",
    progress: bool = True,
) -> Runs:
    """Train one run for each seed.

    words, validation: read in each epoch to learn from, and to choose the best epoch by.
    checkpoints: the epochs to keep, 0 for the initialization; None keeps all.
    start: where to start from, one network a seed, instead of PyTorch's initialization by seed.
    threads: blocks of runs trained at a time on the CPU; None takes every core.
    device: "cpu", or "cuda" for a GPU, which trains as many runs at a time as its memory holds. The runs are the same.
    Raises ValueError for seeds, epochs, words, a start or a device that make no sense, `devices.NoGPU`, and
    `Interrupted` after Ctrl-C.
    """
    if not len(words) or not len(validation):
        raise ValueError(
            f"training and validation need at least one word each; got {len(words)} and {len(validation)}"
        )
    seeds = cells.checked_seeds(seeds)
    kept = _checked_epochs(checkpoints, regimen.epochs)
    networks = _checked_start(start, regimen, seeds) if start is not None else initial_networks(regimen, seeds)
    packed = pack_words(words.tokens, words.depth, words.lengths)
    batches = devices.batches(device)
    size = batches.capacity(regimen.cell, networks.dtype, packed)
    stop = threading.Event()
    bar = tqdm(total=len(seeds) * regimen.epochs, unit="epoch", desc=f"{len(seeds)} {regimen.cell} runs",
               disable=None if progress else True)  # fmt: skip

    def run_batch(start: int) -> Runs | None:
        own = slice(start, start + size)
        given = packed, validation.tokens, validation.lengths
        batch = batches(regimen.cell, networks[own].parameters, seeds[own], *given)
        return _train_batch(regimen, batch, seeds[own], kept, stop, bar)

    futures = []
    with bar, ThreadPoolExecutor(batches.threads or threads or len(os.sched_getaffinity(0))) as pool:
        try:
            for start in range(0, len(seeds), size):
                futures.append(pool.submit(run_batch, start))
            parts = [future.result() for future in futures]
        except BaseException as error:
            stop.set()
            if not isinstance(error, KeyboardInterrupt):
                raise
            parts = [future.result() for future in futures]
            finished = [part for part in parts if part is not None]
            raise Interrupted(Runs.concatenate(finished) if finished else None, len(seeds)) from None
    return Runs.concatenate(parts)


def initial_networks(regimen: Regimen, seeds: Iterable[int]) -> Networks:
    """Where the regimen's runs start: PyTorch's initialization by seed, changed as the regimen says."""
    networks = cells.initialize(regimen.cell, seeds)
    drawn = networks.parameters
    scaled = {name: array * np.float32(regimen.initial_scale) for name, array in drawn.items()}
    if regimen.cell == "lstm":
        scaled["bias_ih_l0"][:, 1] += np.float32(regimen.forget_bias)
    if regimen.cell == "relu":
        scaled["bias_ih_l0"] += np.float32(regimen.hidden_bias)
        if regimen.recurrent_weight == "identity":
            scaled["weight_hh_l0"] = np.ones_like(drawn["weight_hh_l0"])
        elif regimen.recurrent_weight == "positive":
            scaled["weight_hh_l0"] = np.abs(drawn["weight_hh_l0"])
    return Networks(regimen.cell, scaled).astype(regimen.dtype)


def folded(networks: Networks, gain: float) -> Networks:
    """The network that a gate gain amounts to: the recurrent layer's weights and biases times `gain`."""
    factor = networks.dtype.type(gain)
    return Networks(
        networks.cell,
        {name: a if name.startswith("output.") else a * factor for name, a in networks.parameters.items()},
    )


def word_order(seed: int, epoch: int, words: int) -> np.ndarray:
    """The order in which the run of this seed reads its words in an epoch (from 1): int32 (words,)."""
    order = np.empty(words, np.int32)
    engine.shuffle.shuffle(np.uint64(seed), np.uint64(epoch), order)
    return order


def _train_batch(
    regimen: Regimen,
    batch: Batch,
    seeds: tuple[int, ...],
    kept: tuple[int, ...],
    stop: threading.Event,
    bar: tqdm,
) -> Runs | None:
    """One batch of runs through all epochs; None if told to stop."""
    losses = np.full((3, len(seeds), regimen.epochs + 1), np.nan)
    stages = []
    for epoch in range(regimen.epochs + 1):
        gain, leak = value_at(regimen.gate_gain, max(epoch, 1)), value_at(regimen.leak, max(epoch, 1))
        if epoch:
            if stop.is_set():
                return None
            rate = value_at(regimen.learning_rate, epoch)
            losses[0, :, epoch] = batch.epoch(epoch, rate, gain, leak, regimen.clip_norm or 0.0)
            bar.update(len(seeds))
        # Without the leak: these are the losses of the networks that are kept.
        losses[1:, :, epoch] = batch.losses(gain)
        stages.append(folded(Networks(regimen.cell, batch.parameters()), gain))
    return Runs(
        regimen,
        seeds,
        losses,
        {c: _at_epochs(stages, _best_epoch(losses[MEASURES.index(c)])) for c in CRITERIA},
        {epoch: stages[epoch] for epoch in kept},
    )


def _best_epoch(losses: np.ndarray) -> np.ndarray:
    """Epoch (from 1) of the lowest loss of each run, the first of equals. losses: (runs, epochs + 1)."""
    trained = losses[:, 1:]
    known = np.where(np.isnan(trained), np.inf, trained)
    return np.where(np.isnan(trained).all(axis=1), trained.shape[1], np.argmin(known, axis=1) + 1)


def _at_epochs(stages: list[Networks], epochs: np.ndarray) -> Networks:
    """Run r as it was at epochs[r]."""
    runs = np.arange(len(epochs))
    return Networks(
        stages[0].cell,
        {name: np.stack([stage.parameters[name] for stage in stages])[epochs, runs] for name in stages[0].parameters},
    )


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
