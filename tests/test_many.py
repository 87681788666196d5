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


def test_no_gru_and_no_short_length():
    assert not certificate.proved(cells.initialize("gru", range(5)), None).any()
    with pytest.raises(ValueError, match="at least 2"):
        certificate.proved(cells.exact("relu"), 1)
