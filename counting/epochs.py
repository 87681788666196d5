"""How runs learn: where they start, and a block of them through all epochs.

Runs share nothing but the words: each has its own initialization and its own order of words, by its seed, and its
numbers do not depend on which other runs are trained with it, nor on who trains it: see `training`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from counting import cells, engine
from counting.cells import Networks
from counting.dyck import Words
from counting.engine.lanes import LANES
from counting.engine.packed import PackedWords, unpack_block
from counting.regimens import Regimen
from counting.runs import CRITERIA, MEASURES, Runs, best_epoch
from counting.schedule import value_at


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


def train_block(
    regimen: Regimen,
    words: PackedWords,
    validation: Words,
    seeds: tuple[int, ...],
    block: np.ndarray,
    kept: tuple[int, ...],
    watch: Callable[[int], object],
) -> Runs:
    """One block of at most LANES runs through all epochs.

    watch: called after each epoch with the number of runs; what it raises ends the training.
    """
    cell = cells.CELLS.index(regimen.cell)
    moments1, moments2, powers = np.zeros_like(block), np.zeros_like(block), np.ones(2)
    order = np.zeros((LANES, len(words.lengths)), np.int32)
    losses = np.full((3, len(seeds), regimen.epochs + 1), np.nan)
    stages = []
    for epoch in range(regimen.epochs + 1):
        gain, leak = value_at(regimen.gate_gain, max(epoch, 1)), value_at(regimen.leak, max(epoch, 1))
        if epoch:
            for lane, seed in enumerate(seeds):
                engine.shuffle.shuffle(np.uint64(seed), np.uint64(epoch), order[lane])
            order[len(seeds) :] = order[0]
            rate = value_at(regimen.learning_rate, epoch)
            loss, _ = engine.train.train_epoch(
                cell, block, moments1, moments2, powers, words, order, rate, gain, leak, regimen.clip_norm or 0.0
            )
            losses[0, :, epoch] = loss[: len(seeds)]
            watch(len(seeds))
        # Without the leak: these are the losses of the networks that are kept.
        mean, last = engine.read.losses(cell, block, validation.tokens, validation.lengths, gain, 0.0)
        losses[1:, :, epoch] = mean[: len(seeds)], last[: len(seeds)]
        parameters = unpack_block(block, cells.gates(regimen.cell))
        stages.append(folded(Networks(regimen.cell, parameters)[: len(seeds)], gain))
    return Runs(
        regimen,
        seeds,
        losses,
        {c: _at_epochs(stages, best_epoch(losses[MEASURES.index(c)])) for c in CRITERIA},
        {epoch: stages[epoch] for epoch in kept},
    )


def _at_epochs(stages: list[Networks], epochs: np.ndarray) -> Networks:
    """Run r as it was at epochs[r]."""
    return Networks.concatenate(stages[epoch][run] for run, epoch in enumerate(epochs))
