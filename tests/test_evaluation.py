"""Every decision of the engine against PyTorch's, and every measure against its definition."""

from __future__ import annotations

import os

import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counting import cells, dyck, evaluation, reference
from counting.cells import CELLS, Networks
from counting.dyck import PADDING, Words

TIE = 1e-4
"""A logit this near to 0, against the largest on the way there, is decided by the last bits of the states."""


def agree_but_for_ties(failures: np.ndarray, outputs: np.ndarray, words: Words) -> int:
    """Assert that first failures are those of PyTorch's logits, except at ties; returns their number."""
    different = np.argwhere(failures != oracles.first_wrong(outputs, words))
    for run, word in different:
        step = min(failures[run, word], oracles.first_wrong(outputs, words)[run, word])
        nearest = np.abs(outputs[run, word, step]).min()
        assert nearest <= TIE * np.abs(outputs[run, word, : step + 1]).max()
    return len(different)


def constant(cell: str, *logits: float) -> Networks:
    """A network whose two logits are always these."""
    parameters = {name: np.zeros((1, *shape), np.float32) for name, shape in cells.shapes(cell).items()}
    return Networks(cell, {**parameters, "output.bias": np.array([logits], np.float32)})


class TestFirstFailure:
    def test_where_the_system_does_not_count_the_cores_of_a_process(self, monkeypatch, test_words):
        """As on macOS."""
        nets = cells.initialize("gru", range(3))
        expected = evaluation.first_failure(nets, test_words)
        monkeypatch.delattr(os, "sched_getaffinity")
        assert np.array_equal(evaluation.first_failure(nets, test_words), expected)

    def test_every_decision_of_untrained_and_trained_networks(self, cell, trained_networks, test_words):
        nets = trained_networks[cell]
        failures = evaluation.first_failure(nets, test_words)
        assert failures.dtype == np.int64
        assert failures.shape == (len(nets), len(test_words))
        assert agree_but_for_ties(failures, oracles.logits(nets, test_words), test_words) <= 2
        # Neither all right nor all wrong, else there would be nothing to agree on.
        right = failures == test_words.lengths
        assert 0.02 < right.mean() < 0.9
        assert len(np.unique(failures)) > 30

    def test_the_reference_word_by_word(self, cell, trained_networks, test_words):
        nets, words = trained_networks[cell][::20], test_words[::9]
        expected = [reference.first_failure(nets.to_torch(run), words) for run in range(len(nets))]
        assert np.array_equal(evaluation.first_failure(nets, words), expected)

    @pytest.mark.parametrize("name", CELLS)
    @settings(max_examples=25)
    @given(st.integers(0, 10**6), st.sampled_from([0.3, 1, 2, 5]), st.sampled_from(["float32", "float64"]))
    def test_any_weights_and_words(self, name, seed, scale, dtype):
        drawn = cells.initialize(name, range(seed, seed + 5)).astype(dtype)
        # A read-out that is right more often than not, so that failures come late.
        nets = Networks(
            name, {key: array * drawn.dtype.type(scale) for key, array in drawn.parameters.items()}
        )
        nets.parameters["output.bias"][:] = [5.0, 0.2]
        words = dyck.pcfg(12, (2, 100), seed)
        agree_but_for_ties(evaluation.first_failure(nets, words), oracles.logits(nets, words), words)

    @pytest.mark.parametrize("runs", [1, 63, 64, 65, 130])
    def test_any_number_of_runs(self, runs, cell, test_words):
        nets = cells.initialize(cell, range(runs))
        failures = evaluation.first_failure(nets, test_words)
        assert failures.shape == (runs, len(test_words))
        for run in {0, runs // 2, runs - 1}:
            assert np.array_equal(failures[run], evaluation.first_failure(nets[run], test_words)[0])

    def test_a_word_does_not_depend_on_the_others(self, cell, test_words):
        nets = cells.initialize(cell, range(70))
        together = evaluation.first_failure(nets, test_words)
        for word in (0, 1, 40, len(test_words) - 1):
            assert np.array_equal(evaluation.first_failure(nets, test_words[word])[:, 0], together[:, word])

    def test_words_of_two_symbols(self, cell):
        nets = Networks.concatenate(
            [constant(cell, 1, 1), constant(cell, 1, -1), constant(cell, -1, 1), constant(cell, -1, -1)]
        )
        word = Words.from_strings(["()"])
        assert evaluation.first_failure(nets, word).tolist() == [[1], [0], [0], [0]]

    def test_a_logit_of_zero_says_yes(self, cell):
        words = Words.from_strings(["(())()"])
        assert evaluation.first_failure(constant(cell, 0.0, 0.0), words).tolist() == [[3]]
        assert evaluation.first_failure(constant(cell, -0.0, -0.0), words).tolist() == [[3]]
        assert evaluation.first_failure(constant(cell, 0.0, -1e-45), words).tolist() == [[0]]
        assert reference.first_failure(constant(cell, 0.0, -0.0).to_torch(0), words).tolist() == [3]

    def test_nan_is_wrong_at_any_depth(self, cell):
        nets = Networks.concatenate(
            [constant(cell, 1, np.nan), constant(cell, np.nan, -1), constant(cell, 1, 1)]
        )
        words = Words.from_strings(["()", "(()())"])
        assert evaluation.first_failure(nets, words).tolist() == [[0, 0], [0, 0], [1, 5]]
        assert evaluation.return_recall(nets, words).tolist() == [0, 0, 0]

    def test_a_diverged_network_changes_no_other(self, cell, test_words):
        nets = cells.initialize(cell, range(5))
        clean = evaluation.first_failure(nets, test_words)
        for value in (np.nan, np.inf, 1e38):
            broken = Networks(cell, {name: array.copy() for name, array in nets.parameters.items()})
            for array in broken.parameters.values():
                array[2] = value
            failures = evaluation.first_failure(broken, test_words)
            assert np.array_equal(np.delete(failures, 2, axis=0), np.delete(clean, 2, axis=0))

    def test_no_networks_and_no_words(self, cell, test_words):
        nets = cells.initialize(cell, range(2))
        assert evaluation.first_failure(nets[[]], test_words).shape == (0, len(test_words))
        with pytest.raises(ValueError, match="at least one word"):
            evaluation.first_failure(nets, Words.from_strings([]))


class TestMeasures:
    def test_accuracy(self, cell, trained_networks, test_words):
        nets = trained_networks[cell][90:110]
        right = [
            [f == len(word) for f, word in zip(row, test_words.strings(), strict=True)]
            for row in evaluation.first_failure(nets, test_words).tolist()
        ]
        assert evaluation.accuracy(nets, test_words).tolist() == pytest.approx(np.mean(right, axis=1))

    def test_accuracy_by_length(self, cell, trained_networks, test_words):
        nets = trained_networks[cell][90:110]
        lengths, accuracies = evaluation.accuracy_by_length(nets, test_words)
        assert lengths.tolist() == sorted(set(test_words.lengths.tolist()))
        assert accuracies.shape == (len(nets), len(lengths))
        for length, column in zip(lengths, accuracies.T, strict=True):
            words = test_words[test_words.lengths == length]
            assert np.array_equal(column, evaluation.accuracy(nets, words))

    def test_return_recall(self, cell, trained_networks, test_words):
        nets = trained_networks[cell][::5]
        outputs = oracles.logits(nets, test_words)
        at_zero = (test_words.depth == 0) & (test_words.tokens != PADDING)
        right = ((outputs >= 0) == (test_words.targets == 1)).all(axis=-1)
        expected = right[:, at_zero].mean(axis=1)
        # A tie may fall on either side.
        assert np.abs(evaluation.return_recall(nets, test_words) - expected).max() < 3 / at_zero.sum()
        assert 0.1 < expected.mean() < 0.9

    def test_returns(self, test_words):
        expected = [
            sum(word[:t].count("(") * 2 == t for t in range(1, len(word) + 1))
            for word in test_words.strings()
        ]
        assert evaluation.returns(test_words).tolist() == expected

    def test_the_constant_predictor(self, cell, test_words):
        both_allowed = constant(cell, 10, 10)
        failures = evaluation.first_failure(both_allowed, test_words)
        assert np.array_equal(failures[0], evaluation.constant_first_failure(test_words))
        assert evaluation.accuracy(both_allowed, test_words).tolist() == [0]
        assert evaluation.return_recall(both_allowed, test_words).tolist() == [0]
        assert evaluation.return_recall(constant(cell, 10, -10), test_words).tolist() == [1]

    @pytest.mark.parametrize("counter", ["relu", "lstm"])
    def test_the_exact_counters_are_always_right(self, counter, test_words):
        assert evaluation.accuracy(cells.exact(counter), test_words).tolist() == [1]
        assert evaluation.return_recall(cells.exact(counter), test_words).tolist() == [1]


class TestTrace:
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_states_and_logits_are_pytorchs(self, cell, dtype, trained_networks, test_words):
        nets = trained_networks[cell][60:140].astype(dtype)
        word = test_words[int(np.argmax(test_words.lengths == 100))]
        trace = evaluation.trace(nets, word)
        steps = int(word.lengths[0])
        assert (trace.h.shape, trace.c.shape) == ((80, steps), (80, steps))
        assert trace.logits.shape == (80, steps, 2)
        bars = {"rtol": 1e-3, "atol": 2e-4} if dtype == "float32" else {"rtol": 1e-12, "atol": 1e-13}
        for run in range(0, 80, 7):
            module = nets.to_torch(run)
            states, _ = module.rnn(reference.one_hot(word).to(module.output.bias.dtype))
            assert np.allclose(trace.h[run], states.detach().numpy()[:, 0], **bars)
            assert np.allclose(trace.logits[run], module.output(states).detach().numpy(), **bars)

    def test_gates_make_the_states(self, trained_networks, test_words):
        word = test_words[3]
        lstm = evaluation.trace(trained_networks["lstm"], word)
        i, f, g, o = (lstm.gates[name] for name in "ifgo")
        before = np.pad(lstm.c, ((0, 0), (1, 0)))[:, :-1]
        assert np.array_equal(lstm.c, f * before + i * g)
        assert np.allclose(lstm.h, o * np.tanh(lstm.c), rtol=1e-6)
        gru = evaluation.trace(trained_networks["gru"], word)
        z, n = gru.gates["z"], gru.gates["n"]
        before = np.pad(gru.h, ((0, 0), (1, 0)))[:, :-1]
        assert np.allclose(gru.h, (1 - z) * n + z * before, rtol=1e-5, atol=1e-6)
        assert 0 <= gru.gates["r"].min() <= gru.gates["r"].max() <= 1
        assert evaluation.trace(trained_networks["relu"], word).gates == {}

    def test_the_exact_lstm_counts(self):
        word = dyck.zigzag(length=400, peak=100)
        assert np.array_equal(evaluation.trace(cells.exact("lstm"), word).c[0], word.depth[0])
        assert np.array_equal(evaluation.trace(cells.exact("relu"), word).h[0], word.depth[0])

    def test_it_decides_as_first_failure_does(self, cell, trained_networks, test_words):
        nets = trained_networks[cell][80:120]
        for word in (test_words[i] for i in range(0, len(test_words), 25)):
            wrong = oracles.first_wrong(evaluation.trace(nets, word).logits[:, None], word)
            assert np.array_equal(wrong, evaluation.first_failure(nets, word))

    def test_more_or_fewer_than_one_word(self, cell, test_words):
        nets = cells.initialize(cell, [0])
        for words in (test_words[:0], test_words[:2]):
            with pytest.raises(ValueError, match=rf"one word, got {len(words)}: choose one"):
                evaluation.trace(nets, words)
        with pytest.raises(ValueError, match="at least one network"):
            evaluation.trace(nets[[]], test_words[0])


def test_the_first_wrong_step_is_looked_for_inside_the_word():
    wrong = np.array([[0, 1, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1]], bool)
    assert evaluation.first_wrong(wrong, np.array([4, 3, 4, 2])).tolist() == [1, 3, 4, 0]
