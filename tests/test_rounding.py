"""What may be done after training: only near an exact counter, only where no decision changes."""

from __future__ import annotations

import numpy as np
import pytest

from counting import cells, certificate, dyck, evaluation, rounding
from counting.cells import Networks

WORDS = dyck.pcfg(200, lengths=(2, 50), seed=5)


def near_counter(u: float = 1.0, ratio: float = -1.0, step: float = 0.7) -> Networks:
    """A ReLU counter of some step whose u and ratio are a little off, its bias shared between both bias vectors."""
    parameters = {name: array.copy() for name, array in cells.exact("relu", step).parameters.items()}
    parameters["weight_ih_l0"][0, 0] = step - 0.1, ratio * step - 0.1
    parameters["bias_ih_l0"][:] = 0.3
    parameters["bias_hh_l0"][:] = -0.2
    parameters["weight_hh_l0"][:] = u
    return Networks("relu", parameters)


def test_rounded_network_counts_at_any_length():
    net = near_counter(u=1 + 1e-5, ratio=-1 + 2e-5)
    assert not certificate.proved(net, None)[0]
    moved_to, moved = rounding.rounded(net, WORDS, bound=1e-4)
    assert moved.tolist() == [True]
    assert certificate.proved(moved_to, None)[0]
    assert np.array_equal(evaluation.first_failure(moved_to, WORDS), evaluation.first_failure(net, WORDS))


@pytest.mark.parametrize("off", [{"u": 1.01}, {"ratio": -1.01}])
def test_nothing_is_moved_beyond_the_bound(off):
    net = near_counter(**off)
    moved_to, moved = rounding.rounded(net, WORDS, bound=1e-3)
    assert not moved[0]
    assert moved_to == net


def test_nothing_is_moved_where_a_decision_would_change():
    net = near_counter(u=1.2)
    assert evaluation.accuracy(net, WORDS)[0] < 1
    moved_to, moved = rounding.rounded(net, WORDS, bound=0.5)
    assert not moved[0]
    assert moved_to == net


def test_each_run_is_judged_alone():
    nets = Networks.concatenate([near_counter(), near_counter(u=1.01), cells.initialize("relu", [3])])
    moved_to, moved = rounding.rounded(nets, WORDS, bound=1e-3)
    assert moved.tolist() == [True, False, False]
    assert moved_to[1:] == nets[1:]


def test_gain_saturates_an_lstm_and_leaves_its_readout():
    exact = cells.exact("lstm")
    soft = rounding.gained(exact, 0.2)
    assert not certificate.proved(soft, None)[0]
    back = rounding.gained(soft, 10.0)
    assert certificate.proved(back, None)[0]
    assert np.array_equal(back.parameters["output.weight"], exact.parameters["output.weight"])


def test_bad_input_says_what_is_needed():
    with pytest.raises(ValueError, match="only the ReLU cell"):
        rounding.rounded(cells.exact("lstm"), WORDS, bound=0.1)
    for bound in (0.0, 1.0, float("nan")):
        with pytest.raises(ValueError, match="between 0 and 1"):
            rounding.rounded(near_counter(), WORDS, bound=bound)
    for gain in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="finite and > 0"):
            rounding.gained(cells.exact("lstm"), gain)


@pytest.mark.parametrize("gain", [1e300, 1e-300])
def test_a_gain_that_float32_cannot_hold_is_refused(gain):
    nets = cells.initialize("lstm", [0])
    with pytest.raises(ValueError, match="in float32"):
        rounding.gained(nets, gain)
    assert np.isfinite(rounding.gained(nets.astype("float64"), gain).parameters["weight_hh_l0"]).all()


def test_numbers_that_overflow_raise_no_warning():
    nets = cells.initialize("relu", [0])
    for array in nets.parameters.values():
        array[:] = 3e38
    assert not rounding.gained(nets, 1e30).finite[0]
    assert not rounding.rounded(nets, dyck.Words.from_strings(["()"]), 0.1)[1][0]
