"""The GRU's maps, fixed points, bits and ruler, each against the network itself."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import spearmanr

from counting import cells, dyck, evaluation, training
from counting.anatomy import gru
from counting.cells import Networks
from counting.dyck import Words
from counting.regimens import PAPER

RANDOM = cells.initialize("gru", range(70))


@pytest.fixture(scope="module")
def trained() -> Networks:
    """GRUs that count a little."""
    words = dyck.pcfg(1_500, (2, 50), seed=5)
    regimen = PAPER["gru"].but(epochs=10, learning_rate=0.01)
    return training.train(regimen, words, words[:200], range(64), progress=False).networks


def test_the_maps_are_the_networks(trained: Networks) -> None:
    nets = Networks.concatenate([RANDOM, trained]).astype("float64")
    word = Words.from_strings(["(()(()))()"])
    states = evaluation.trace(nets, word).h
    h = np.zeros((len(nets), 1))
    for t, symbol in enumerate(word.tokens[0]):
        h = gru.apply(nets, symbol, h)
        assert np.allclose(h[:, 0], states[:, t], atol=1e-13)


def test_slopes_are_the_maps_derivatives() -> None:
    h = np.linspace(-0.99, 0.99, 23) * np.ones((len(RANDOM), 1))
    for symbol in (0, 1):
        difference = gru.apply(RANDOM, symbol, h + 1e-6) - gru.apply(RANDOM, symbol, h - 1e-6)
        assert np.allclose(gru.slope(RANDOM, symbol, h), difference / 2e-6, atol=1e-8)


def test_limits_are_fixed_and_where_brackets_lead(trained: Networks) -> None:
    for nets in (RANDOM, trained):
        rest = gru.limit(nets, 0)[:, None]
        assert np.allclose(gru.apply(nets, 0, rest), rest, atol=1e-14)
    h = np.zeros((len(trained), 1))
    for _ in range(20_000):
        h = gru.apply(trained, 0, h)
    settled = np.abs(gru.apply(trained, 0, h) - h)[:, 0] < 1e-15
    assert settled.mean() > 0.8
    assert np.allclose(h[settled], gru.limit(trained, 0)[settled, None], atol=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_depths_told_apart_are_the_different_states(dtype: str, trained: Networks) -> None:
    nets = Networks.concatenate([RANDOM, trained]).astype(dtype)
    apart = gru.depths_told_apart(nets)
    most = 600
    states = evaluation.trace(nets, dyck.zigzag(2 * most, most)).h[:, :most]
    for run in range(len(nets)):
        different = len({0.0, *states[run].tolist()})
        assert apart[run] == different or apart[run] >= most == different - 1


def test_more_depths_than_asked_for_are_unknown() -> None:
    assert (gru.depths_told_apart(RANDOM, most=2) == -1).all()


def test_equal_bits_make_a_wrong_word(trained: Networks) -> None:
    nets = Networks.concatenate([RANDOM, trained])
    apart, checked = gru.depths_told_apart(nets), 0
    for run in np.flatnonzero((apart > 1) & (apart < 1_500)):
        n = int(apart[run])
        states = evaluation.trace(nets[run], dyck.zigzag(2 * n, n)).h[0]
        if states[n - 1] == states[n - 2]:
            pair = gru.proof_of_failure(n)
            assert (evaluation.first_failure(nets[run], pair) < pair.lengths).any()
            checked += 1
    assert checked > 20


def test_the_deepest_count(trained: Networks) -> None:
    counts = gru.deepest_count(trained, 40)
    for run in range(len(trained)):
        right = [
            bool(evaluation.accuracy(trained[run], Words.from_strings(["(" * n + ")" * n]))[0])
            for n in range(1, counts[run] + 2)
        ]
        assert all(right[: counts[run]])
        assert counts[run] == 40 or not right[counts[run]]


def test_closings_to_empty_bounds_the_count(trained: Networks) -> None:
    empties, counts = gru.closings_to_empty(trained), gru.deepest_count(trained)
    assert (counts > 5).sum() > 10
    sure = (empties > 0) & (counts < 100)
    assert (counts[sure] <= empties[sure]).all()


def test_a_ruler_adds_one_for_each_opening_bracket(trained: Networks) -> None:
    measure = gru.ruler(trained, 30)
    whole = measure.at(0)
    assert measure.depths[whole] == 0
    assert not measure.states[:, whole].any()
    moved = gru.apply(trained, 0, measure.states[:, whole : -gru.POINTS])
    assert np.allclose(moved, measure.states[:, whole + gru.POINTS :], atol=1e-15)


def test_a_rulers_steps_are_where_closing_leads(trained: Networks) -> None:
    measure = gru.ruler(trained, 12)
    after = gru.apply(trained, 1, measure.states)
    for run in range(len(trained)):
        inside = (measure.closed[run] > -1.9) & (measure.depths >= 1)
        back = np.interp(measure.closed[run], measure.depths, measure.states[run])
        assert np.allclose(back[inside], after[run][inside], atol=1e-9)


def test_predictions_meet_what_happens(trained: Networks) -> None:
    words = dyck.pcfg(40, (100, 200), seed=6)
    observed = evaluation.first_failure(trained, words)
    drift, feedback = gru.predict_first_failure(trained, words), gru.with_feedback(trained, words)
    assert drift.shape == feedback.shape == observed.shape
    assert (drift <= words.lengths).all()
    counting = gru.deepest_count(trained) >= 8
    assert counting.sum() > 10
    assert (feedback == observed)[counting].mean() > 0.95
    assert spearmanr(drift[counting].mean(axis=1), observed[counting].mean(axis=1)).statistic > 0.5


def test_another_cell_is_refused() -> None:
    for function in (gru.depths_told_apart, lambda nets: gru.limit(nets, 0)):
        with pytest.raises(gru.NotGRU, match="'relu'"):
            function(cells.exact("relu"))


def test_the_prediction_against_a_loop_in_which_only_closing_brackets_miss(trained_networks, test_words):
    nets, words = trained_networks["gru"][100:108], test_words[:30]
    measure = gru.ruler(nets, int(words.depth.max()))
    expected = words.lengths + np.zeros((len(nets), 1))
    for run, (row, word) in itertools.product(range(len(nets)), enumerate(words.strings())):
        depth, error = 0, 0.0
        for step, symbol in enumerate(word):
            if symbol == ")":
                error += 1 - measure.step[run, measure.at(0) + gru.POINTS * depth]
            depth += 1 if symbol == "(" else -1
            if (depth + error >= measure.threshold[run]) != (depth > 0):
                expected[run, row] = step
                break
    assert np.array_equal(gru.predict_first_failure(nets, words), expected)
    assert (expected < words.lengths).any()
