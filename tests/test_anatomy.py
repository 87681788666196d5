"""What holds for all cells: states against depth, gradients of single words, Adam with another epsilon."""

from __future__ import annotations

import numpy as np
import pytest

from counting import anatomy, cells, dyck, evaluation, reference, training
from counting.anatomy import gradient
from counting.regimens import PAPER


@pytest.mark.parametrize("cell", cells.CELLS)
def test_ladder_is_the_state_after_opening_brackets(cell: str) -> None:
    nets = cells.initialize(cell, range(5))
    ladder = anatomy.ladder(nets, 4)
    assert (ladder[:, 0] == 0).all()
    assert (ladder[:, 1:] == anatomy.state(nets, dyck.zigzag(8, 4))[:, :4]).all()


@pytest.mark.parametrize("cell", cells.CELLS)
def test_every_cell_has_a_predictor(cell: str) -> None:
    nets, words = cells.initialize(cell, range(3)), dyck.uniform(4, 20)
    predicted = anatomy.predict_first_failure(nets, words)
    assert predicted.shape == (3, 4)
    # NaN: the ReLU's theory is silent about cells that do not count at all.
    known = predicted[~np.isnan(predicted)]
    assert len(known) and ((known >= 0) & (known <= 20)).all()


@pytest.mark.parametrize("cell", ["lstm", "relu"])
def test_exact_counters_are_predicted_to_be_right(cell: str) -> None:
    words = dyck.paper_splits()["very_long"]
    assert (anatomy.predict_first_failure(cells.exact(cell), words) == 1000).all()


@pytest.mark.parametrize("cell", cells.CELLS)
def test_gradient_norms_are_those_of_autograd(cell: str) -> None:
    nets, words = cells.initialize(cell, range(70)), dyck.pcfg(3, (2, 20))
    norms = gradient.word_gradient_norms(nets, words)
    assert norms.shape == (70, 3)
    for run in (0, 69):
        for n in range(3):
            module = nets.to_torch(run)
            reference.word_loss(module, words[n]).backward()
            expected = np.sqrt(sum(float((p.grad**2).sum()) for p in module.parameters()))
            assert norms[run, n] == pytest.approx(expected, rel=1e-4)


def test_adam_with_the_usual_epsilon_is_the_engines() -> None:
    words, seeds = dyck.pcfg(300, (2, 30)), range(70)
    start = cells.initialize("lstm", seeds)
    before = {name: array.copy() for name, array in start.parameters.items()}
    runs = training.train(PAPER["lstm"].but(epochs=2), words, words[:50], seeds, start=start, progress=False)
    mine = gradient.adam(start, words, seeds, range(1, 3), 1e-8)
    for name, array in runs.checkpoints[2].parameters.items():
        assert np.allclose(mine.parameters[name], array, atol=2e-3), name
        assert (start.parameters[name] == before[name]).all()
    assert np.allclose(evaluation.mean_loss(runs.checkpoints[2], words[:50]), runs.losses[1, :, 2], rtol=1e-12)


def test_adam_takes_one_seed_a_network_and_something_to_read() -> None:
    nets, words = cells.initialize("lstm", range(5)), dyck.pcfg(9, (2, 10))
    with pytest.raises(ValueError, match="5 networks need 5 seeds, one each; got 64"):
        gradient.adam(nets, words, range(64), range(1), 1e-8)
    for epochs, read in ((range(0), words), (range(1), words[:0])):
        with pytest.raises(ValueError, match="at least one epoch and one word; got"):
            gradient.adam(nets, read, range(5), epochs, 1e-8)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 3e38])
def test_a_diverged_network_is_not_predicted_and_disturbs_no_other(cell, bad, test_words):
    nets = cells.initialize(cell, range(3))
    expected = anatomy.predict_first_failure(nets, test_words)
    for array in nets.parameters.values():
        array[1] = bad
    found = anatomy.predict_first_failure(nets, test_words)
    assert np.array_equal(found[[0, 2]], expected[[0, 2]], equal_nan=True)
    assert np.isfinite(bad) or np.isnan(found[1]).all()
    assert anatomy.predict_first_failure(nets, test_words[:0]).shape == (3, 0)
