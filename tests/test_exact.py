"""The theorems of the chapter on exact counters, each as an assertion."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

from counting import anatomy, cells, dyck, evaluation
from counting.anatomy import floats, functions, gru
from counting.cells import Networks
from counting.dyck import Words


def counts(u: Fraction, A: Fraction, B: Fraction, cut: bool) -> bool:
    """Whether the state is a function of the depth, different for depths 0 to 3, on prefixes of up to 8."""

    def step(h: Fraction, add: Fraction) -> Fraction:
        return max(Fraction(0), u * h + add) if cut else u * h + add

    found, front = {d: set() for d in range(4)}, {(0, Fraction(0))}
    for _ in range(9):
        for d, h in front:
            found[d].add(h)
        up = {(d + 1, step(h, A)) for d, h in front if d < 3}
        front = up | {(d - 1, step(h, B)) for d, h in front if d}
    return len(set.union(*found.values())) == sum(map(len, found.values())) == 4


@pytest.mark.parametrize("cut", [True, False], ids=["relu", "linear"])
def test_conditions_hold_at_one_point_only(cut: bool) -> None:
    grid = [Fraction(k, 4) for k in range(-8, 9)]
    for A in (Fraction(1), Fraction(-2), Fraction(3, 4), Fraction(0)):
        hits = [(u, B) for u in grid for B in grid if counts(u, A, B, cut)]
        assert hits == ([(1, -A)] if A > 0 or (A < 0 and not cut) else [])


class TestSteps:
    @pytest.mark.parametrize("step", [1.0, 0.125, 3.0, 0.75, 5.5, 1001.0])
    def test_are_exact_up_to_the_depth_promised_and_no_further(self, step: float) -> None:
        depth = floats.exact_depth(step)
        states = np.cumsum(np.full(depth + 2, step, np.float32), dtype=np.float32)
        paper = step * np.arange(1, depth + 3)
        assert (states[:depth] == paper[:depth]).all()
        assert (states[depth:] != paper[depth:]).any()  # the next odd multiple is none

    def test_round_trip_is_what_the_network_does(self) -> None:
        for step in (0.1, 0.7, 3.252451):
            states = anatomy.state(cells.exact("relu", step), dyck.zigzag(2000, 1000))[0]
            least, end = floats.round_trip(step, 1000)
            assert states[-1] == pytest.approx(max(end, 0) * np.float32(step), rel=1e-6)
            assert states[:-1].min() == pytest.approx(least * np.float32(step), rel=1e-6)


class TestBand:
    @pytest.mark.parametrize("net", [
        cells.exact("relu", 0.1), cells.exact("relu", 0.7),
        floats.on_paper(1, seed=3), floats.on_paper(1, seed=4, biased=False),
    ], ids=["0.1", "0.7", "two sums", "one sum"])  # fmt: skip
    def test_ends_are_those_of_all_states_there_are(self, net: Networks) -> None:
        deepest = 5
        after = {s: lambda h, s=s: relu_step(net, s, h) for s in (0, 1)}
        found, front = set(), {(0, np.float32(0))}
        while front:
            found |= front
            up = {(d + 1, after[0](h)) for d, h in front if d < deepest}
            front = (up | {(d - 1, after[1](h)) for d, h in front if d}) - found
        low, high = floats.reach(net, deepest)
        for depth in range(deepest + 1):
            states = [h for d, h in found if d == depth]
            assert (low[depth], high[depth]) == (min(states), max(states))

    def test_holds_the_states_of_long_words(self) -> None:
        net = cells.exact("relu", 1 / 3)
        words = dyck.uniform(20, 2000, seed=1)
        low, high = floats.reach(net, int(words.depth.max()))
        for word in (words[k] for k in range(len(words))):
            states, depth = anatomy.state(net, word)[0], word.depth[0]
            assert ((low[depth] <= states) & (states <= high[depth])).all()

    def test_is_none_where_states_spread_without_end(self) -> None:
        unequal = cells.exact("relu")
        unequal.parameters["weight_ih_l0"][0, 0, 1] = -0.999
        assert floats.reach(unequal, 3) is None

    def test_refuses_what_is_not_monotone(self) -> None:
        net = cells.exact("relu")
        net.parameters["weight_hh_l0"][:] = -1
        for wrong in (net, cells.exact("lstm"), floats.on_paper(2)):
            with pytest.raises(ValueError, match="one ReLU network"):
                floats.reach(wrong, 5)


def relu_step(net: Networks, symbol: int, h: np.floating) -> np.floating:
    """The cell's step in the network's precision, its sums in PyTorch's order."""
    p = {name: array[0] for name, array in net.parameters.items()}
    drive = p["weight_ih_l0"][0, symbol] + p["bias_ih_l0"][0]
    return np.maximum(drive + (p["weight_hh_l0"][0, 0] * h + p["bias_hh_l0"][0]), net.dtype.type(0))


class TestLength:
    def test_networks_are_exact_on_paper(self) -> None:
        for biased in (True, False):
            p = floats.on_paper(50, seed=1, biased=biased).parameters
            # Sums of two such float32 are exact in float64.
            A, B = p["weight_ih_l0"][:, 0].astype(np.float64).T
            beta = p["bias_hh_l0"][:, 0].astype(np.float64)
            assert (A + beta == -(B + beta)).all()
            assert (np.abs(beta) <= A + beta).all()
            assert (beta != 0).all() == biased

    def test_no_word_within_the_bound_is_half_a_step_off(self) -> None:
        length = floats.safe_length()
        assert length * (length + 3) < 2**23 <= (length + 2) * (length + 5)
        nets = floats.on_paper(64, seed=2)
        p = nets.parameters
        step = p["weight_ih_l0"][:, 0, :1].astype(np.float64) + p["bias_hh_l0"]
        words = [dyck.uniform(1, length, seed=0), dyck.zigzag(length, length // 2)]
        plateaus = ["(" * k + "()" * (length // 2 - k) + ")" * k for k in (10, 300, 1000)]
        words += [dyck.Words.from_strings([plateau]) for plateau in plateaus]
        for word in words:
            assert (np.abs(anatomy.state(nets, word) - step * word.depth[0]) < step / 2).all()
            assert (evaluation.first_failure(nets, word) == length).all()

    def test_longer_words_do_fail(self) -> None:
        word = dyck.zigzag(2**15, 2**14)
        assert (evaluation.first_failure(floats.on_paper(64), word) < word.longest).any()
        assert (evaluation.first_failure(floats.on_paper(64, biased=False), word) == word.longest).all()


class TestSaturated:
    def test_sigmoid_and_tanh_become_one_where_the_proof_says(self) -> None:
        edge = 24 * np.log(2)
        assert functions.sigmoid(np.float32(edge + 0.001)) == 1 > functions.sigmoid(np.float32(edge - 0.001))
        assert functions.tanh(np.float32(9)) == 1 and functions.tanh(np.float32(-9)) == -1

    def test_every_such_lstm_counts(self) -> None:
        rng = np.random.default_rng(0)
        runs = 64
        recurrent = rng.uniform(-3, 3, (runs, 4, 1))
        symbols = rng.uniform(17, 40, (runs, 4, 2)) + np.abs(recurrent)
        symbols[:, 2] -= 8
        symbols[:, 2, 1] *= -1
        nets = Networks("lstm", {
            "weight_ih_l0": symbols, "weight_hh_l0": recurrent, "bias_ih_l0": np.zeros((runs, 4)),
            "bias_hh_l0": np.zeros((runs, 4)), "output.weight": np.tile([[0.0], [20.0]], (runs, 1, 1)),
            "output.bias": np.tile([10.0, -7.6], (runs, 1)),
        }).astype("float32")  # fmt: skip
        for word in (dyck.uniform(1, 5000, seed=0), dyck.zigzag(10_000, 5000), dyck.zigzag(2000, 10)):
            assert (anatomy.state(nets, word) == word.depth[0]).all()
            assert (evaluation.first_failure(nets, word) == word.longest).all()

    def test_ends_at_two_to_the_24(self) -> None:
        last = np.float32(2**24)
        assert last - np.float32(1) == 2**24 - 1
        assert last + np.float32(1) == last


class TestGRUByRounding:
    """Every step up and every step down of a depth stands in one tower, so one word decides on all."""

    peak = 2**21

    def test_its_state_is_the_depth_on_a_grid(self) -> None:
        shorter = dyck.tower(2**17)  # a trace keeps all lanes, gates and logits
        assert (anatomy.state(cells.exact("gru"), shorter)[0] == shorter.depth[0] * np.float32(2**-23)).all()
        assert evaluation.accuracy(cells.exact("gru"), dyck.tower(self.peak)).item() == 1

    def test_pytorch_rounds_so_too(self) -> None:
        peak = 5_000  # PyTorch takes 10 µs a symbol; the leak, unrounded, shows from 2,048 on
        tower = dyck.zigzag(2 * peak, peak)
        symbols = torch.eye(2)[torch.from_numpy(tower.tokens.astype(np.int64))]
        with torch.no_grad():
            states = cells.exact("gru").to_torch(0).rnn(symbols)[0][0, :, 0].numpy()
        assert (states == tower.depth[0] * np.float32(2**-23)).all()

    def test_without_rounding_it_leaks(self) -> None:
        double = cells.exact("gru").astype("float64")
        assert evaluation.accuracy(double, dyck.zigzag(4_000, 2_000)).item() == 1
        assert evaluation.accuracy(double, dyck.zigzag(4_200, 2_100)).item() == 0
        loops = dyck.zigzag(2**22, 1)  # depths 0 and 1; one deeper they are 1 and 2
        inside = Words.from_strings(["(" + loops.strings()[0] + ")"])
        failed = evaluation.first_failure(double, inside).item()
        assert inside.depth[0, failed] == 1 and failed < inside.longest


GRUS = cells.initialize("gru", range(50))


def test_equal_states_of_a_gru_mean_a_wrong_word() -> None:
    apart = gru.depths_told_apart(GRUS)
    ladder = anatomy.ladder(GRUS, int(apart.max()))
    for run, n in enumerate(apart):
        m = int(np.flatnonzero(ladder[run, :n] == ladder[run, n])[0])
        words = [dyck.zigzag(2 * peak, peak) for peak in (m, n) if peak]
        assert any(evaluation.first_failure(GRUS[run], word) < word.longest for word in words)


@pytest.mark.parametrize("factor", [1, 10, 1000])
def test_states_of_a_gru_stay_within_one(factor: int) -> None:
    large = Networks("gru", {name: array * np.float32(factor) for name, array in GRUS.parameters.items()})
    assert np.abs(anatomy.state(large, dyck.uniform(1, 500))).max() <= 1
