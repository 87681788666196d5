"""The ReLU's weights say what it does: kinds, drift, first failure, and where the loss is lowest."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from counting import cells, dyck, evaluation, languages, training
from counting.anatomy import relu
from counting.cells import Networks
from counting.dyck import Words
from counting.regimens import PAPER

WORDS = dyck.pcfg(60, (2, 60), seed=3)


def cell(
    opening: float, closing: float, recurrent: float, weight: float = 2.0, bias: float = -1.0
) -> Networks:
    return Networks(
        "relu",
        {
            "weight_ih_l0": np.array([[[opening, closing]]], float),
            "weight_hh_l0": np.array([[[recurrent]]], float),
            "bias_ih_l0": np.zeros((1, 1)),
            "bias_hh_l0": np.zeros((1, 1)),
            "output.weight": np.array([[[0.0], [weight]]]),
            "output.bias": np.array([[5.0, bias]]),
        },
    )


def test_contributions_are_weight_and_both_biases() -> None:
    nets = cells.initialize("relu", range(50))
    opening, closing, recurrent = relu.contributions(nets)
    states = evaluation.trace(nets, Words.from_strings(["(())"])).h
    first = np.maximum(0, opening)
    assert np.allclose(states[:, 0], first, atol=1e-6)
    assert np.allclose(states[:, 1], np.maximum(0, recurrent * first + opening), atol=1e-6)
    assert np.allclose(states[:, 2], np.maximum(0, recurrent * states[:, 1] + closing), atol=1e-6)


def test_another_cell_is_refused() -> None:
    with pytest.raises(relu.NotReLU, match="'gru'"):
        relu.kind(cells.initialize("gru", range(1)))


@pytest.mark.parametrize(
    ("opening", "closing", "kind"),
    [(1, -1, "counter"), (1, 0, "one-way"), (1, 2, "one-way"), (-1, 1, "mirrored"), (0, 1, "mirrored"),
     (-1, -1, "dead"), (0, 0, "dead"), (np.nan, 1, "not finite"), (1, -np.inf, "not finite")],
)  # fmt: skip
def test_kind(opening: float, closing: float, kind: str) -> None:
    assert relu.kind(cell(opening, closing, 1.0)) == [kind]
    assert kind in relu.KINDS


def test_a_dead_cell_has_state_0_and_stays_as_it_is() -> None:
    nets = cells.initialize("relu", range(200))
    dead = np.flatnonzero(relu.kind(nets) == "dead")[:20]
    assert len(dead) == 20
    assert not evaluation.trace(nets[dead], WORDS[0]).h.any()
    regimen = PAPER["relu"].but(epochs=1)
    runs = training.train(regimen, WORDS, WORDS, dead.tolist(), checkpoints=[0, 1], progress=False)
    before, after = (runs.checkpoints[epoch].parameters for epoch in (0, 1))
    for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
        assert np.array_equal(before[name], after[name])
    assert not np.array_equal(before["output.bias"], after["output.bias"])


def test_35_of_96_initializations_are_dead() -> None:
    # The integral of the proof: the bias has density (2 − |s|) / 4; both weights must be at most −s.
    s = np.linspace(-2, 2, 400_001)
    both = np.clip((1 - s) / 2, 0, 1) ** 2
    assert np.trapezoid((2 - np.abs(s)) / 4 * both, s) == pytest.approx(35 / 96, abs=1e-6)
    n = 4_000
    found = (relu.kind(cells.initialize("relu", range(n))) == "dead").sum()
    assert abs(found - n * 35 / 96) < 4 * np.sqrt(n * 35 / 96 * 61 / 96)


def test_conditions_of_the_exact_counter() -> None:
    found = relu.conditions(cells.exact("relu", step=4.0)).iloc[0]
    assert (found.kind, found.opening, found.u, found.ratio, found.threshold) == ("counter", 4, 1, -1, 0.5)


@given(st.floats(0.1, 9), st.floats(-0.2, 0.2))
def test_with_u_1_the_first_order_is_all_there_is(opening: float, off: float) -> None:
    net = cell(opening, -opening * (1 + off), 1.0)
    for word in (WORDS[5], WORDS[20]):
        assert np.allclose(relu.first_order_state(net, word)[0], evaluation.trace(net, word).h[0], atol=1e-9)


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_the_first_order_is_the_derivative(du: float, off: float) -> None:
    errors = []
    for scale in (1e-4, 1e-5):
        net = cell(1.0, -1 + scale * off, 1 + scale * du)
        true = evaluation.trace(net, WORDS[20]).h[0]
        errors.append(np.abs(relu.first_order_state(net, WORDS[20])[0] - true).max())
    assert errors[1] <= max(errors[0] / 50, 1e-12)


def test_an_exact_counter_is_predicted_never_to_fail() -> None:
    assert (relu.predict_first_failure(cells.exact("relu"), WORDS) == WORDS.lengths).all()


def test_the_dead_are_predicted_exactly_and_others_not_at_all() -> None:
    dead = Networks.concatenate([cell(-1, -1, 0.5, bias=b) for b in (-1.0, 1.0)])
    assert np.array_equal(relu.predict_first_failure(dead, WORDS), evaluation.first_failure(dead, WORDS))
    others = Networks.concatenate([cell(-1, 1, 0.5), cell(1, 1, 0.5), cell(np.nan, 1, 1)])
    assert np.isnan(relu.predict_first_failure(others, WORDS)).all()


def test_the_prediction_orders_counters() -> None:
    rng = np.random.Generator(np.random.PCG64(0))
    u, ratio = 1 + 5e-4 * rng.normal(size=300), -1 + 5e-3 * rng.normal(size=300)
    nets = relu.counters(u, ratio, 8.0, rng.uniform(0.2, 0.6, 300)).astype("float32")
    words = dyck.pcfg(20, (1000, 1000), seed=1)
    predicted, observed = relu.predict_first_failure(nets, words), evaluation.first_failure(nets, words)
    assert spearmanr(predicted.mean(axis=1), observed.mean(axis=1)).statistic > 0.98


def test_the_drift_needs_one_counter() -> None:
    with pytest.raises(ValueError, match="one counter"):
        relu.first_order_state(cell(-1, 1, 1), WORDS)


def test_a_shuffle_of_one_is_predicted_as_one_counter() -> None:
    """Where the drift is up, so that max(0, ·) gives nothing back."""
    rng = np.random.Generator(np.random.PCG64(1))
    nets = relu.counters(1 + 1e-3 * rng.random(200), -1 + 0.05 * rng.random(200), 8.0, rng.uniform(0.2, 0.6, 200))
    words = dyck.pcfg(30, (2, 100), seed=2)
    shuffled = languages.shuffle(1).words(words.strings())
    predicted = relu.predict_first_failure(nets, words)
    assert 0.2 < (predicted < words.lengths).mean() < 0.95
    assert np.array_equal(relu.predict_shuffle_failure(nets, shuffled), predicted)


def test_two_counters_of_a_shuffle_drift_apart_as_predicted() -> None:
    """Each unit counts one kind of brackets and leaks a little of it into the other."""
    language = languages.shuffle(2)
    nets = cells.initialize("relu", range(40), 2, 4, 4).astype("float64")
    rng = np.random.Generator(np.random.PCG64(3))
    p = {name: np.zeros_like(array) for name, array in nets.parameters.items()}
    p["weight_ih_l0"][:] = [[1, -1, 0, 0], [0, 0, 1, -1]]
    p["weight_ih_l0"] += 0.005 * rng.random(p["weight_ih_l0"].shape)
    p["weight_hh_l0"][:] = np.eye(2)
    p["weight_hh_l0"] += 1e-5 * rng.random(p["weight_hh_l0"].shape)
    p["output.weight"][:] = [[0, 0], [1, 0], [0, 0], [0, 1]]
    p["output.bias"][:] = [1, -0.5, 1, -0.5]
    nets, words = Networks("relu", p), languages.sample(language, 20, (200, 200), 4)
    failures = evaluation.first_failure(nets, words)
    assert 0.5 < (failures < words.lengths).mean() < 1
    assert (relu.predict_shuffle_failure(nets, words) == failures).mean() > 0.97
    opening, closing = relu.shuffle_contributions(nets)
    trace = evaluation.trace(nets, language.words(["()"]))
    assert np.allclose(trace.h[:, 0], opening[:, :, 0])
    assert (opening + closing >= 0).all()


def test_drifts_on_the_compensating_line_cancel_at_the_end() -> None:
    word = dyck.zigzag(40, 5)
    du = 1e-6
    net = cell(1.0, -1 - du * relu.compensation(word), 1 + du)
    assert relu.first_order_state(net, word)[0, -1] == pytest.approx(0, abs=1e-12)
    assert abs(relu.first_order_state(cell(1.0, -1.0, 1 + du), word)[0, -1]) > du


def test_loss_is_the_mean_squared_error_of_each_word() -> None:
    nets = cells.initialize("relu", range(3)).astype("float64")
    few = WORDS[:4]
    expected = np.zeros(3)
    for k in range(len(few)):
        y = 1 / (1 + np.exp(-evaluation.trace(nets, few[k]).logits))
        expected += ((y - few[k].targets) ** 2).mean(axis=(1, 2)) / len(few)
    assert np.allclose(evaluation.mean_loss(nets, few), expected, rtol=1e-12)


def test_counters_broadcast_and_are_what_they_say() -> None:
    nets = relu.counters(np.array([[1.0], [0.9]]), np.array([-1.0, -0.8, -0.7]), 6.0, 0.4)
    found = relu.conditions(nets)
    assert list(found.u) == [1, 1, 1, 0.9, 0.9, 0.9]
    assert list(found.ratio) == [-1, -0.8, -0.7] * 2
    assert np.allclose(found.threshold, 0.4)


def test_the_exact_counter_is_beside_the_minimum_at_half_a_step_and_at_it_with_the_best_threshold() -> None:
    words = dyck.paper_splits(0)["train"][:2000]
    thresholds = np.linspace(0.4, 0.55, 301)
    best = thresholds[evaluation.mean_loss(relu.counters(1, -1, 8, thresholds), words).argmin()]
    ratio = np.append(-1 + np.linspace(-0.002, 0.002, 40), -1.0)
    assert evaluation.mean_loss(relu.counters(1, ratio, 8, 0.5), words).argmin() != 40
    assert evaluation.mean_loss(relu.counters(1, ratio, 8, best), words).argmin() == 40
    u = np.append(1 + np.linspace(-0.001, 0.001, 40), 1.0)
    assert evaluation.mean_loss(relu.counters(u, -1, 8, best), words).argmin() == 40


def test_compensation_is_the_mean_depth_at_which_a_symbol_is_read_for_each_closing_bracket():
    # "(())": depths 1, 2, 1, 0 after its symbols, two of which close; and "()": depth 1, one closes.
    assert relu.compensation(Words.from_strings(["(())", "()"])) == 5 / 3
