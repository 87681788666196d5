"""`certificate.proved` gives the answers of `certify`, network by network."""

from __future__ import annotations

import numpy as np
import pytest

from counting import cells, certificate, dyck, evaluation
from counting.cells import Networks


def near(net: Networks, n: int, seed: int) -> Networks:
    """Copies of a counter, each with weights changed by a share between 0 and a tenth."""
    rng = np.random.default_rng(seed)
    scale = rng.choice([0, 1e-7, 1e-5, 1e-3, 1e-2, 0.1], size=n)
    changed = {}
    for name, array in net.parameters.items():
        noise = rng.standard_normal((n, *array.shape[1:]))
        changed[name] = (array * (1 + scale.reshape(-1, *[1] * (array.ndim - 1)) * noise)).astype(np.float32)
    return Networks(net.cell, changed)


@pytest.fixture(scope="module")
def relus() -> Networks:
    nets = Networks.concatenate([near(cells.exact("relu"), 60, 0), near(cells.exact("relu", 3.252451), 60, 1)])
    parameters = {name: array.copy() for name, array in nets.parameters.items()}
    rng = np.random.default_rng(2)
    parameters["weight_hh_l0"][100:110] *= -1
    parameters["bias_hh_l0"][:40] = 0.01 * rng.standard_normal((40, 1))
    parameters["output.bias"][110] = np.nan
    parameters["weight_hh_l0"][111] = 1e30
    return Networks("relu", parameters)


@pytest.mark.parametrize("length", [2, 3, 10, 51, 300])
def test_same_answers_as_certify(relus, length):
    finite = np.flatnonzero(relus.finite)
    one_by_one = [certificate.certify(relus[int(run)], length, replay=False).proved for run in finite]
    together = certificate.proved(relus, length)
    assert together[finite].tolist() == one_by_one
    assert not together[~relus.finite].any()


def test_same_answers_as_reading_all_words(relus):
    words = dyck.Words.from_strings(
        word.strings()[0] for length in (2, 4, 6, 8, 10) for word in all_words(length)
    )
    assert np.array_equal(certificate.proved(relus, 10), evaluation.accuracy(relus, words) == 1)


def all_words(length: int) -> list[dyck.Words]:
    words = dyck.uniform(dyck.count(length), length, seed=0)
    return [words[k] for k in range(len(words))]


def test_exact_counters_are_found_at_any_length():
    nets = Networks.concatenate([cells.exact("relu"), cells.exact("relu", 0.25), cells.exact("relu", 2.0**-20)])
    assert certificate.exact_counters(nets).all()
    assert certificate.exact_counters(cells.exact("lstm")).all()
    # Rungs that are not multiples of a power of two may be right too, but not by this argument.
    assert not certificate.exact_counters(cells.exact("relu", 3.252451)).any()


def test_one_unsaturated_gate_is_no_exact_lstm():
    exact = cells.exact("lstm")
    for gate in (0, 1):
        parameters = {name: array.copy() for name, array in exact.parameters.items()}
        parameters["bias_ih_l0"][0, gate] = 12.0  # sigmoid(12) = 1 − 6e-6
        net = Networks("lstm", parameters)
        assert not certificate.exact_counters(net)[0]
        assert not certificate.proved(net, None)[0]


def test_readout_that_turns_far_up_is_no_exact_counter():
    parameters = {name: array.copy() for name, array in cells.exact("relu").parameters.items()}
    parameters["output.weight"][0, 0] = -1e-3  # output 0 says no from depth 10,001 on
    assert not certificate.exact_counters(Networks("relu", parameters))[0]
    assert not certificate.proved(Networks("relu", parameters), None)[0]


def changed(net: Networks, **parameters: list) -> Networks:
    """A single network with some of its parameters replaced; `output_weight` stands for "output.weight"."""
    new = {name.replace("output_", "output."): np.array([value], net.dtype) for name, value in parameters.items()}
    return Networks(net.cell, net.parameters | new)


def tower(height: int) -> dyck.Words:
    return dyck.Words(np.repeat(np.int8([[0, 1]]), height, axis=1), [2 * height])


def falls(net: Networks, height: int) -> bool:
    """Whether the network is wrong on `(^height )^height`."""
    return bool(evaluation.first_failure(net, tower(height))[0, 0] < 2 * height)


def half_counts() -> Networks:
    """An LSTM with c = depth − 1/2, saturated from depth 1 on: exact to depth 2^23, then off by a half.

    The input gate is 1/2 for `(` at depth 0 and for `)` at depth 1, and else 1.
    """
    shown = evaluation.trace(changed(cells.exact("lstm"), bias_ih_l0=[0, 20, 0, 20]), tower(1)).h[0, 0]
    weight = np.float32(100)
    return changed(
        cells.exact("lstm"),
        weight_ih_l0=[[0, -weight * shown], [0, 0], [12, -12], [0, 0]],
        weight_hh_l0=[[weight], [0], [0], [0]],
        bias_ih_l0=[0, 20, 0, 20],
        output_bias=[10, -5],
    )


def two_hidden_states() -> Networks:
    """An LSTM whose h goes to and fro between two values: a bias of 2^25 lets the output gate see multiples of 4."""
    far = 2.0**25 + 1024
    return changed(
        cells.exact("lstm"),
        weight_hh_l0=[[0], [0], [0], [-10 / 3]],
        bias_ih_l0=[20, 20, 0, 4 - far],
        bias_hh_l0=[0, 0, 0, far],
        output_bias=[10, -5],
    )


class TestConditions:
    """Each condition of the argument for exact counters has a network that needs it."""

    def test_whole_counts(self):
        net = half_counts()
        c = evaluation.trace(net, tower(64)).c[0]
        assert (c[:64] == np.arange(64) + 0.5).all()
        assert falls(net, 2**23 + 1)
        assert not falls(net, 1000)
        assert not certificate.exact_counters(net)[0]

    def test_a_hidden_state_that_stays(self):
        net = two_hidden_states()
        assert not falls(net, 64)
        assert len(np.unique(evaluation.trace(net, tower(64)).h[0, 40:80])) == 2
        assert not certificate.exact_counters(net)[0]

    @pytest.mark.parametrize("gate", [0, 1, 2])
    def test_a_saturated_gate(self, gate):
        bias = [20, 20, 0, 20]
        drive = [[0, 0], [0, 0], [12, -12], [0, 0]]
        if gate == 2:
            drive[2] = [7, -7]
        else:
            bias[gate] = 12
        assert not certificate.exact_counters(changed(cells.exact("lstm"), weight_ih_l0=drive, bias_ih_l0=bias))[0]

    def test_gates_that_stay_finite(self):
        """A sum that overflows may be another number in another order, so `certify` proves nothing of it."""
        net = changed(cells.exact("lstm"), bias_ih_l0=[3e38, 3e38, 0, 3e38], bias_hh_l0=[3e38, 3e38, 0, 3e38])
        assert not certificate.exact_counters(net)[0]
        assert not certificate.proved(net, 4)[0]
        assert not certificate.proved(net, None)[0]
        assert not certificate.certify(net, 4, replay=False).proved

    def test_states_that_stay_finite(self):
        net = changed(cells.exact("relu", 2.0**90), weight_ih_l0=[[2.0**110, -(2.0**110)]],
                      output_weight=[[1e-30], [1]])  # fmt: skip
        assert not falls(net, 1000)
        assert falls(net, 2**18 + 1)
        assert not certificate.exact_counters(net)[0]
        assert not certificate.proved(net, 2**20)[0]

    @pytest.mark.parametrize(
        "numbers",
        [
            {"weight_hh_l0": [[1 - 2.0**-24]]},
            {"bias_hh_l0": [2.0**-30]},
            {"weight_ih_l0": [[1, -1 + 2.0**-24]]},
            {"weight_ih_l0": [[0.7, -0.7]], "output_bias": [10, -7]},
            {"weight_ih_l0": [[-1, 1]]},
            {"output_weight": [[-1e-6], [20]]},
        ],
    )
    def test_the_relu(self, numbers):
        assert not certificate.exact_counters(changed(cells.exact("relu"), **numbers))[0]


@pytest.mark.parametrize("cell", ["lstm", "relu"])
@pytest.mark.parametrize("length", [2, 1000, 2**25, 2**25 + 2, None])
def test_same_answers_as_certify_however_long(cell, length):
    net = cells.exact(cell)
    assert certificate.proved(net, length)[0] == certificate.certify(net, length, replay=False).proved


@pytest.mark.parametrize("length", [1, 0, -2, True, 10.0, np.nan, np.inf, "10"])
def test_no_length(length):
    for decide in (certificate.proved, certificate.certify, certificate.certify_all):
        with pytest.raises(ValueError, match="at least 2"):
            decide(cells.exact("relu"), length)


def test_no_trained_gru():
    assert not certificate.proved(cells.initialize("gru", range(5)), None).any()
