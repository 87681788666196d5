"""The LSTM opened: its gates against a trace, its four numbers and its predictor against what networks do."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from counting import cells, dyck, evaluation, training
from counting.anatomy import lstm
from counting.cells import Networks
from counting.regimens import PAPER

WORD = dyck.uniform(1, 200, seed=5)


@pytest.fixture(scope="module")
def nets() -> Networks:
    return cells.initialize("lstm", range(20))


@pytest.fixture(scope="module")
def trained() -> Networks:
    """64 runs after a short training: nearly all are right on words of up to 50 symbols."""
    splits = dyck.paper_splits()
    few = splits["validation"][:500]
    runs = training.train(PAPER["lstm"].but(epochs=3), splits["train"], few, range(64), progress=False)
    return runs.checkpoints[3]


def test_orientation_changes_no_output(nets: Networks) -> None:
    before, after = evaluation.trace(nets, WORD), evaluation.trace(lstm.oriented(nets), WORD)
    assert (lstm.oriented(nets).parameters["output.weight"][:, 1] >= 0).all()
    assert (before.logits == after.logits).all()
    assert (np.abs(before.c) == np.abs(after.c)).all()
    assert (nets.parameters["output.weight"][:, 1] < 0).any()


def test_only_an_lstm_is_oriented() -> None:
    with pytest.raises(ValueError, match="LSTM is needed, not a gru"):
        lstm.oriented(cells.initialize("gru", [0]))


def test_activations_are_what_a_trace_shows(nets: Networks) -> None:
    trace = evaluation.trace(nets, WORD)
    before = np.pad(trace.h, ((0, 0), (1, 0)))[:, :-1]
    each = lstm.activations(nets, before)
    for gate, name in enumerate(lstm.GATES):
        chosen = np.take_along_axis(each[:, gate], WORD.tokens[0].astype(int)[None, None], axis=1)[:, 0]
        assert np.allclose(chosen, trace.gates[name], atol=1e-6)


def test_ranges_hold_everything_visited(nets: Networks) -> None:
    ranges, visited = lstm.ranges(nets), lstm.visited(nets, WORD)
    assert ranges.shape == visited.shape == (20, 4, 2, 2)
    between = lstm.activations(nets, np.linspace(-1, 1, 101))
    low, high = np.moveaxis(ranges, -1, 0)
    assert (low <= between.min(axis=-1) + 1e-12).all() and (between.max(axis=-1) <= high + 1e-12).all()
    assert ((low <= visited[..., 0] + 1e-6) | np.isnan(visited[..., 0])).all()
    assert ((visited[..., 1] <= high + 1e-6) | np.isnan(visited[..., 1])).all()


def test_visited_ends_before_the_first_wrong_step(nets: Networks) -> None:
    """By hand, from the traces: what comes at or after the first mistake does not count."""
    failures = evaluation.first_failure(nets, WORD)[:, 0]
    assert (failures < WORD.longest).any()
    trace, visited, symbols = evaluation.trace(nets, WORD), lstm.visited(nets, WORD), WORD.tokens[0]
    for run, failed in enumerate(failures):
        for symbol in (0, 1):
            steps = [t for t in range(max(failed, 1)) if symbols[t] == symbol]
            for gate, name in enumerate(lstm.GATES):
                values = trace.gates[name][run, steps]
                ends = [values.min(), values.max()] if steps else [np.nan, np.nan]
                np.testing.assert_array_equal(visited[run, gate, symbol], ends)


def test_the_exact_counter_is_saturated_and_loses_nothing() -> None:
    exact = cells.exact("lstm")
    assert (lstm.distance_to_saturation(lstm.visited(exact, WORD)) == 0).all()
    far = lstm.deep(exact)
    assert np.allclose(far.forget, 1, atol=1e-8) and np.allclose(far.increment, [[1, -1]], atol=1e-8)
    assert far.mismatch == pytest.approx(0, abs=1e-12)
    assert np.arctanh(0.38) == pytest.approx(lstm.threshold(exact).item())
    assert (lstm.predict_first_failure(exact, dyck.zigzag(2000, 1000)) == 2000).all()


def test_four_numbers_are_the_step_far_inside_a_word(trained: Networks) -> None:
    far = lstm.deep(trained)
    c = evaluation.trace(lstm.oriented(trained), dyck.zigzag(400, 200)).c.astype(np.float64)
    for symbol, steps in ((0, slice(100, 200)), (1, slice(210, 300))):
        before, after = c[:, steps][:, :-1], c[:, steps][:, 1:]
        forget, increment = far.forget[:, symbol, None], far.increment[:, symbol, None]
        assert np.allclose(after, forget * before + increment, atol=1e-3)


def test_closed_form_gives_the_brackets_lost(trained: Networks) -> None:
    peaks = np.array([25, 100, 300, 1000])
    words = dyck.Words.from_strings(dyck.zigzag(2 * int(n), int(n)).strings()[0] for n in peaks)
    failures = evaluation.first_failure(trained, words)
    lost = np.where(failures < words.lengths, words.lengths - 1 - failures, 0)
    fine = evaluation.accuracy(trained, dyck.paper_splits()["long"]) > 0.9
    assert fine.mean() > 0.8
    predicted = np.floor(lstm.brackets_lost(trained, peaks))
    assert (predicted == lost)[fine].mean() > 0.8
    assert np.abs(predicted - lost)[fine].max() <= 3


class TestPredictor:
    def test_linearization_is_the_step_and_its_derivative(self, trained: Networks) -> None:
        steps = lstm.Linearized.of(lstm.oriented(trained), 6)
        assert np.allclose(steps.made[:, 0, 0, :-1], 0, atol=1e-12)
        word = dyck.Words.from_strings(["((((()))))"])
        c = evaluation.trace(lstm.oriented(trained), word).c
        assert np.allclose(c[:, :5], steps.rungs[:, 1:6], atol=1e-4)
        assert np.allclose(c[:, 5], steps.rungs[:, 4] + steps.made[:, 0, 1, 5], atol=1e-4)

    def test_one_error_is_carried_as_its_share_says(self, trained: Networks) -> None:
        """(())( leads to depth 1, with the error of two closing brackets that the third opening one keeps."""
        oriented = lstm.oriented(trained)
        steps = lstm.Linearized.of(oriented, 3)
        e = steps.made[:, 0, 1, 2]
        e = steps.kept[:, 1, 1, 1] * e + steps.made[:, 1, 1, 1]
        e = steps.kept[:, 1, 0, 0] * e + steps.made[:, 1, 0, 0]
        c = evaluation.trace(oriented, dyck.Words.from_strings(["(())()"])).c[:, 4]
        made = c - steps.rungs[:, 1]
        assert (np.abs(made) > 0.01).all()
        assert np.median(np.abs(made - e) / np.abs(made)) < 0.01

    def test_foretells_where_trained_networks_fail(self, trained: Networks) -> None:
        words = dyck.paper_splits()["very_long"][:40]
        predicted = lstm.predict_first_failure(trained, words)
        observed = evaluation.first_failure(trained, words)
        assert (predicted == observed).mean() > 0.9
        assert spearmanr(predicted.mean(axis=1), observed.mean(axis=1)).statistic > 0.98

    def test_words_of_different_lengths_are_read_as_each_alone(self, trained: Networks) -> None:
        words = dyck.pcfg(30, (2, 400), seed=2)
        together = lstm.predict_first_failure(trained[:5], words)
        alone = np.concatenate([lstm.predict_first_failure(trained[:5], words[k]) for k in range(30)], axis=1)
        assert (together == alone).all()
