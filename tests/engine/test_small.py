"""All of a training, small enough to be done by hand: three runs, four words, two epochs, beside PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from counting import cells, dyck, evaluation, reference, regimens, training
from counting.cells import Networks

WORDS = dyck.Words.from_strings(["()", "(())()", "((()))", "()(())"])
VALIDATION = dyck.Words.from_strings(["()()", "(())"])
SEEDS = (3, 1, 2)


def published(start: Networks, rate: float, epochs: int) -> tuple[list[list[Networks]], np.ndarray]:
    """Each run after each epoch by PyTorch's own Adam, and the mean losses of the words while it learns."""
    stages, losses = [], np.full((len(start), epochs + 1), np.nan)
    for run, seed in enumerate(SEEDS):
        module = start.to_torch(run)
        optimizer = torch.optim.Adam(module.parameters(), lr=rate)
        stages.append([start[run]])
        for epoch in range(1, epochs + 1):
            order = training.word_order(seed, epoch, len(WORDS))
            losses[run, epoch] = reference.train_epoch(module, optimizer, WORDS, order)
            stages[-1].append(Networks.from_torch([module]))
    return stages, losses


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cell", cells.CELLS)
def test_a_small_training(cell, dtype):
    tolerance = {"float32": 2e-5, "float64": 1e-10}[dtype]
    regimen = regimens.PAPER[cell].but(epochs=2, dtype=dtype, learning_rate=0.05)
    runs = training.train(regimen, WORDS, VALIDATION, SEEDS, progress=False, threads=1)
    stages, losses = published(training.initial_networks(regimen, SEEDS), 0.05, 2)
    for epoch in range(3):
        for name, array in runs.checkpoints[epoch].parameters.items():
            expected = np.concatenate([run[epoch].parameters[name] for run in stages])
            np.testing.assert_allclose(array, expected, atol=tolerance, err_msg=f"{name} after epoch {epoch}")
    np.testing.assert_allclose(runs.losses[0], losses, atol=tolerance)
    for run in range(3):
        module = runs.networks.to_torch(run)
        found = evaluation.first_failure(runs.networks, VALIDATION)[run]
        assert found.tolist() == reference.first_failure(module, VALIDATION).tolist()


@pytest.mark.parametrize("cell", cells.CELLS)
def test_a_small_reading(cell):
    """What a trace holds beside PyTorch, and returns to depth 0 by what the logits say."""
    networks = cells.initialize(cell, SEEDS)
    right = np.zeros((len(SEEDS), len(WORDS)))
    for number in range(len(WORDS)):
        word = WORDS[number]
        found = evaluation.trace(networks, word)
        with torch.no_grad():
            expected = [networks.to_torch(run)(reference.one_hot(word)).numpy() for run in range(len(SEEDS))]
        np.testing.assert_allclose(found.logits, expected, atol=1e-6)
        fine = ((found.logits >= 0) == word.targets).all(axis=2)
        right[:, number] = (fine & (word.depth == 0)).sum(axis=1)
    recall = evaluation.return_recall(networks, WORDS)
    np.testing.assert_allclose(recall, right.sum(axis=1) / evaluation.returns(WORDS).sum())
