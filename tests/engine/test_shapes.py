"""Networks of several units and symbols, held to PyTorch as those of one unit are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import oracles
import pytest
import torch

from counting import cells, evaluation, reference, regimens, training
from counting.cells import Networks
from counting.engine.lanes import LANES
from counting.engine.readout import LOSSES

SHAPES = {"lstm": [(2, 4, 4), (6, 12, 12)], "gru": [(3, 3, 4), (5, 7, 1)], "relu": [(2, 4, 4), (6, 5, 3)]}
"""Units, symbols, outputs, among them the fewest and the most."""

KINDS = [(cell, shape) for cell, shapes in SHAPES.items() for shape in shapes]


@dataclass(frozen=True)
class Words:
    """Any words with any targets: the engine does not ask for a language."""

    symbols: int
    tokens: np.ndarray
    targets: np.ndarray
    lengths: np.ndarray

    @property
    def longest(self) -> int:
        return self.tokens.shape[1]

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, which: int | slice | np.ndarray) -> Words:
        rows = np.atleast_1d(np.arange(len(self))[which])
        longest = self.lengths[rows].max(initial=0)
        return Words(self.symbols, self.tokens[rows, :longest], self.targets[rows, :longest], self.lengths[rows])


def some_words(n: int, longest: int, symbols: int, outputs: int, seed: int = 0) -> Words:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, longest + 1, n).astype(np.int32)
    lengths[0] = longest
    inside = np.arange(longest) < lengths[:, None]
    tokens = np.where(inside, rng.integers(0, symbols, (n, longest)), -1).astype(np.int8)
    targets = (rng.integers(0, 2, (n, longest, outputs)) * inside[..., None]).astype(np.int8)
    return Words(symbols, tokens, targets, lengths)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    ("cell", "shape"), [(cell, shape) for cell in cells.CELLS for shape in ((1, 2, 2), SHAPES[cell][0])]
)
def test_a_few_short_words(cell, shape, loss):
    """Gradients of more than a block of runs with all options, so few that they can be read as plain Python."""
    words, runs = some_words(LANES + 2, 5, *shape[1:], seed=5), (0, LANES - 1, LANES, LANES + 1)
    nets = cells.initialize(cell, range(LANES + 2), *shape)
    exact = nets.astype("float64")
    options = {"gain": 1.25, "leak": 0.1 if cell == "relu" else 0.0, "loss": loss}
    losses, gradients = oracles.engine_gradient(exact, words, **options)
    _, clipped = oracles.engine_gradient(exact, words, **options, clip=0.3)
    for run in runs:
        missed, gradient = oracles.word_gradient(exact[run], words[run], **options)
        assert losses[run] == pytest.approx(missed, rel=1e-12)
        np.testing.assert_allclose(gradients[run], gradient, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(clipped[run], gradient * min(1, 0.3 / (np.linalg.norm(gradient) + 1e-6)), atol=1e-12)
    few = words[:3]
    assert np.array_equal(evaluation.first_failure(nets, few), oracles.first_wrong(oracles.logits(nets, few), few))
    missed = [oracles.word_gradient(nets[1], few[k])[0] for k in range(3)]
    assert evaluation.mean_loss(nets, few)[1] == pytest.approx(np.mean(missed), rel=1e-5)


# Twice as precise for one shape of each cell: what is compiled for a dtype takes longer than all that is tested of it.
@pytest.mark.parametrize(
    ("cell", "shape", "dtype", "bar"),
    [(*kind, "float32", 1e-5) for kind in KINDS]
    + [(cell, shapes[0], "float64", 1e-9) for cell, shapes in SHAPES.items()],
)
def test_gradient(cell, shape, dtype, bar):
    words = some_words(LANES + 6, 40, *shape[1:])
    nets = cells.initialize(cell, range(LANES + 6), *shape).astype(dtype)
    leak = 0.1 if cell == "relu" else 0.0
    losses, gradients = oracles.engine_gradient(nets, words, gain=1.25, leak=leak)
    for run in (0, 1, 2, LANES - 1, LANES + 5):
        exact, gradient = oracles.word_gradient(nets[run].astype("float64"), words[run], 1.25, leak)
        assert losses[run] == pytest.approx(exact, rel=bar)
        assert np.linalg.norm(gradients[run] - gradient) < bar * np.linalg.norm(gradient)
    _, alone = oracles.engine_gradient(nets[7], words[7], gain=1.25, leak=leak)
    assert np.array_equal(alone[0], gradients[7])


@pytest.mark.parametrize(("cell", "shape"), KINDS)
def test_a_thousand_steps_of_the_published_loop(cell, shape):
    words = some_words(1000, 12, *shape[1:], seed=1)
    regimen = regimens.PAPER[cell].but(epochs=1, units=shape[0], learning_rate=0.003, clip_norm=1.0)
    runs = training.train(regimen, words, words[:1], [5], progress=False, threads=1)
    module = training.initial_networks(regimen, [5], words).to_torch(0)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.003)
    for index in training.word_order(5, 1, len(words)):
        optimizer.zero_grad()
        reference.word_loss(module, words[int(index)]).backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
    expected = Networks.from_torch([module])
    for name, array in runs.checkpoints[1].parameters.items():
        np.testing.assert_allclose(array, expected.parameters[name], atol=1e-3, err_msg=name)


@pytest.mark.parametrize(("cell", "shape"), KINDS)
def test_reading(cell, shape):
    words = some_words(30, 50, *shape[1:], seed=2)
    nets = cells.initialize(cell, range(LANES + 1), *shape)
    # Targets that some networks meet for a while: those of the first network, with a few answers changed.
    logits = oracles.logits(nets[0], words)[0]
    rng = np.random.default_rng(3)
    targets = ((logits >= 0) ^ (rng.random(logits.shape) < 0.01)) & (words.tokens != -1)[..., None]
    words = Words(words.symbols, words.tokens, targets.astype(np.int8), words.lengths)
    found = evaluation.first_failure(nets, words)
    assert 0 < (found[0] == words.lengths).sum() < len(words)
    assert (found == oracles.first_wrong(oracles.logits(nets, words), words)).mean() > 0.999
    for run in (0, 3):
        trace = evaluation.trace(nets[run], words[0])
        np.testing.assert_allclose(trace.logits[0], oracles.logits(nets[run], words[:1])[0, 0], atol=1e-4)
        # The same bits one symbol at a time, from any number of states.
        h = c = np.zeros((70, shape[0]), np.float32)
        for t, symbol in enumerate(words.tokens[0]):
            h, c, out = evaluation.step(nets[run], h, c, int(symbol))
            assert all(np.array_equal(state, trace.h[0, t]) for state in h)
            assert all(np.array_equal(state, trace.c[0, t]) for state in c)
            assert np.array_equal(out[69], trace.logits[0, t])


@pytest.mark.parametrize("cell", cells.CELLS)
def test_threads_and_neighbours_change_nothing(cell):
    units, symbols, outputs = SHAPES[cell][0]
    words = some_words(20, 40, symbols, outputs)
    regimen = regimens.COUNTING[cell].but(epochs=2, units=units)
    together = training.train(regimen, words, words[:5], range(9), progress=False, threads=2)
    alone = training.train(regimen, words, words[:5], [4], progress=False, threads=1)
    assert oracles.bits(together, 4) == oracles.bits(alone, 0)
