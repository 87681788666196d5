"""How runs learn: where they start, and a group of them through all epochs.

Runs share nothing but the words: each has its own initialization and its own order of words, by its seed, and its
numbers do not depend on which other runs are trained with it, nor on who trains it: see `training`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from counting import cells, engine
from counting.cells import Networks
from counting.dyck import Words
from counting.engine.group import Group
from counting.engine.packed import PackedWords
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


def train_group(
    groups: type[Group],
    regimen: Regimen,
    words: PackedWords,
    validation: Words,
    seeds: tuple[int, ...],
    start: Networks,
    kept: tuple[int, ...],
    watch: Callable[[int], object],
) -> Runs:
    """A group of runs through all epochs, side by side, one network of `start` each.

    groups: what trains them; see `devices`.
    watch: called after each epoch with the number of runs; what it raises ends the training.
    """
    group = groups(regimen.cell, start.parameters, seeds, words, validation.tokens, validation.lengths, regimen.loss)
    losses = np.full((3, len(seeds), regimen.epochs + 1), np.nan)
    stages = []
    for epoch in range(regimen.epochs + 1):
        gain, leak = value_at(regimen.gate_gain, max(epoch, 1)), value_at(regimen.leak, max(epoch, 1))
        if epoch:
            rate = value_at(regimen.learning_rate, epoch)
            losses[0, :, epoch] = group.epoch(epoch, rate, gain, leak, regimen.clip_norm or 0.0)
            watch(len(seeds))
        # Without the leak: these are the losses of the networks that are kept.
        losses[1:, :, epoch] = group.losses(gain)
        stages.append(folded(Networks(regimen.cell, group.parameters()), gain))
    return Runs(
        regimen,
        seeds,
        losses,
        {c: _at_epochs(stages, best_epoch(losses[MEASURES.index(c)])) for c in CRITERIA},
        {epoch: stages[epoch] for epoch in kept},
    )


def _at_epochs(stages: list[Networks], epochs: np.ndarray) -> Networks:
    """Run r as it was at epochs[r]."""
    return Networks.concatenate(stages)[epochs * len(epochs) + np.arange(len(epochs))]
