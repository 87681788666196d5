"""Certificates against every prefix of every word, against the engine, and on networks whose truth is
known."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import counters
import numpy as np
import oracles
import pytest
import torch
from every_prefix import shortest_failures
from torch import nn

from benchmarks import activations
from counting import cells, certificate, dyck, evaluation, reference, sweeps
from counting.cells import CELLS, Networks
from counting.certificate import Certificate, band, boxes, certify, certify_all, gates, gru, procedure, reachability
from counting.dyck import Words
from counting.engine.lanes import LANES


def but(network: Networks, name: str, index: tuple[int, ...], value: float) -> Networks:
    """The network with one number replaced."""
    parameters = {key: array.copy() for key, array in network.parameters.items()}
    parameters[name][(0, *index)] = value
    return Networks(network.cell, parameters)


def consistent(found: Certificate, network: Networks) -> None:
    """What must hold of any certificate: its parts fit, and the engine fails on the word where it says."""
    assert found.proved + found.refuted + (found.verdict == "undecided") == 1
    assert str(found).startswith(found.verdict.capitalize())
    if found.refuted:
        word, step = found.counterexample, found.failing_step
        assert len(word) == 1
        assert evaluation.first_failure(network, word)[0, 0] == step
        # The word is the shortest that begins like this: it closes what is open after the wrong step.
        assert word.longest == step + 1 + word.depth[0, step]
        assert found.lower <= found.upper == word.longest
        assert found.max_length is None or found.upper <= found.max_length
    if found.proved and found.max_length is not None:
        assert found.lower > found.max_length


class TestEveryPrefix:
    def test_of_words_to_18_near_and_far_from_counters(self, cell, trained_networks):
        nets = Networks.concatenate([counters.near_counters(cell, 440, seed=3), trained_networks[cell]])
        exact = shortest_failures(nets, 18, 18)
        certificates = certify_all(nets, 18, replay=False)
        for run, found in enumerate(certificates):
            consistent(found, nets[run])
            assert found.lower <= exact[run] <= (found.upper or 20)
            assert found.proved == (exact[run] == 20)
            assert found.refuted == (exact[run] < 20)
        assert len(set(exact)) >= 8, "the networks do not fail soon and late"
        met = [found.proved or found.shortest for found in certificates]
        assert np.mean(met) == 1 if cell == "relu" else np.mean(met) > 0.99

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_of_words_to_6(self, cell, dtype):
        """So few that kernels can be run as the Python that they are."""
        nets = counters.near_counters(cell, 6, seed=8).astype(dtype)
        for exact, found in zip(shortest_failures(nets, 6, 6), certify_all(nets, 6, replay=False), strict=True):
            assert found.lower <= exact <= (found.upper or 8)
            assert not found.proved or exact == 8
            assert found.proved or found.shortest or cell == "gru"

    def test_prefixes_of_20_symbols_of_longer_words(self, cell):
        nets = counters.near_counters(cell, 64, seed=4)
        shortest = shortest_failures(nets, 20, 40)
        for run, found in enumerate(certify_all(nets, 40, replay=False)):
            consistent(found, nets[run])
            assert found.lower <= shortest[run]
            # A shorter word can fail only at a later symbol.
            assert shortest[run] <= (found.upper or 42) or found.failing_step >= 20
            assert not found.proved or shortest[run] == 42

    def test_with_numbers_at_the_edges_of_float32(self, cell):
        nets = counters.extreme_numbers(cell, 640, seed=5)
        exact = shortest_failures(nets, 12, 12)
        for run, found in enumerate(certify_all(nets, 12, replay=False)):
            consistent(found, nets[run])
            assert found.lower <= exact[run] <= (found.upper or 14)
            assert not found.proved or exact[run] == 14
            assert found.shortest or found.proved or cell != "relu"

    def test_in_float64(self, cell):
        nets = counters.near_counters(cell, 64, seed=6).astype("float64")
        exact = shortest_failures(nets, 14, 14)
        for run, found in enumerate(certify_all(nets, 14, replay=False)):
            consistent(found, nets[run])
            assert found.dtype == "float64"
            assert found.lower <= exact[run] <= (found.upper or 16)

    def test_the_walk_itself_tries_all_words(self):
        """Words of up to 8 symbols, each read by the engine's evaluation."""
        nets = counters.near_counters("relu", 200, seed=7)
        strings = [""]
        for _ in range(8):
            strings = sorted(
                {s[:i] + "()" + s[i:] for s in strings for i in range(len(s) + 1)} | set(strings)
            )
            strings = [s for s in strings if len(s) <= 8]
        words = Words.from_strings([s for s in strings if s])
        assert len(words) == 1 + 2 + 5 + 14
        failures = evaluation.first_failure(nets, words)
        # A word fails for what it begins with, too: the shortest word with that beginning is among them.
        wrong = np.where(failures < words.lengths, words.lengths, 10).min(axis=1)
        assert np.array_equal(shortest_failures(nets, 8, 8), wrong)


class TestImages:
    def test_a_single_state_is_stepped_as_the_engine_does(self, cell, trained_networks, test_words):
        word = test_words[int(np.argmax(test_words.lengths))]
        for run in (3, 150, 199):
            net = trained_networks[cell][run]
            seen = evaluation.trace(net, word)
            state = np.zeros((4, 1), np.float32)
            for t in range(word.longest):
                after = image(net, int(word.tokens[0, t]), state)
                assert after[0, 0] == after[1, 0] == seen.h[0, t]
                assert cell != "lstm" or after[2, 0] == after[3, 0] == seen.c[0, t]
                state[: len(after)] = after

    def test_a_box_holds_the_images_of_its_states(self, cell, trained_networks):
        rng = np.random.default_rng(1)
        nets = Networks.concatenate([trained_networks[cell], counters.near_counters(cell, 100, seed=8)])
        for run in rng.choice(len(nets), 100, replace=False):
            center = rng.uniform(0, 1, 2) if cell != "relu" else rng.uniform(0, 30, 2)
            size = 10.0 ** rng.uniform(-7, 0)
            # h and c of states in a box, its corners among them.
            inside = np.float32(center[:, None] + size * np.clip(rng.uniform(-1.5, 1.5, (2, LANES)), -1, 1))
            inside = np.clip(inside, -1, 1) if cell == "gru" else inside
            inside[0] = np.clip(inside[0], 0, 1) if cell == "lstm" else inside[0]
            box = np.float32([inside[0].min(), inside[0].max(), inside[1].min(), inside[1].max()])[:, None]
            for symbol in (0, 1):
                outer = image(nets[int(run)], symbol, box)
                for h, c in inside.T:
                    inner = image(nets[int(run)], symbol, np.float32([h, h, c, c])[:, None])
                    assert (inner[::2] >= outer[::2]).all()
                    assert (inner[1::2] <= outer[1::2]).all()


image_of_one, images_of_many = oracles.entry(boxes.image), oracles.entry(boxes.images)


def image(network: Networks, symbol: int, box: np.ndarray) -> np.ndarray:
    """What one symbol makes of one box, (rows, 1): by the kernels for one box and for many, which must
    agree."""
    cell, numbers = cells.CELLS.index(network.cell), gates.numbers(network.parameters)
    rows = 4 if network.cell == "lstm" else 2
    one, many = np.zeros((rows, 1), box.dtype), np.zeros((rows, LANES), box.dtype)
    image_of_one(cell, numbers, symbol, np.ascontiguousarray(box[:rows]), 0, one)
    images_of_many(cell, numbers, symbol, np.repeat(box[:rows], LANES, axis=1), 0, many)
    assert (many == one).all()
    return one


class TestGRUBounds:
    """The parts of the bound on a GRU's step that a proof of a whole network hardly feels."""

    def test_rounding_errors_grow_with_every_number_of_the_gates(self):
        epsilon = np.finfo(np.float32).eps
        plain, order = [np.float32(1)] * 9, (False, *[np.float32(0)] * 3)
        errors = oracles.entry(gru._errors)
        before = errors((*plain, epsilon, *order), np.float32(1))
        # r and z with their own drive, weight and bias; q with the candidate's weight and bias; n with all but z's.
        for changed, grows in (("012", "rn"), ("345", "z"), ("6", "n"), ("78", "qn")):
            for number in map(int, changed):
                numbers = list(plain)
                numbers[number] = np.float32(-100)
                after = errors((*numbers, epsilon, *order), np.float32(1))
                assert [name for name, a, b in zip("rzqn", before, after, strict=True) if b > a] == sorted(
                    grows, key="rzqn".index
                )

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_the_steepness_of_a_gate_is_bounded_tightly(self, dtype):
        for low, high in ((0, 0.25), (0.25, 0.75), (0.25, 0.5), (0.5, 0.75), (0.75, 1), (0.5, 0.5), (0, 1)):
            x = np.linspace(low, high, 101)
            found = oracles.entry(gru._bell)(dtype(low), dtype(high))
            assert found == pytest.approx(((x * (1 - x)).min(), (x * (1 - x)).max()))


class TestAnyLength:
    @pytest.mark.parametrize("cell", ["lstm", "relu"])
    def test_exact_counters_to_depth_2_to_the_24(self, cell):
        found = certify(cells.exact(cell), None)
        assert found.proved
        assert (found.max_length, found.max_depth) == (None, 2**24)
        assert found.any_length_to_depth == 2**24
        assert "function of its depth" in found.argument
        consistent(found, cells.exact(cell))

    @pytest.mark.parametrize("step", [3.252451, 0.1, 1.7])
    def test_steps_that_rounding_does_not_return_from(self, step):
        """`)` does not undo `(` to the bit, but the states stay in a band: right to depth 2^24 all the
        same."""
        network = cells.exact("relu", step)
        seen = evaluation.trace(network, Words.from_strings(["(" * 40 + ")" * 40]))
        assert (seen.h[0, :39] != seen.h[0, 40:79][::-1]).any()
        found = certify(network, None)
        assert found.proved == (step == 3.252451 or found.any_length_to_depth == 2**24)
        assert "band" in found.argument
        if step == 3.252451:
            assert found.proved

    def test_the_exact_counter_is_wrong_one_step_deeper(self):
        assert certify(cells.exact("relu"), 2**25).proved
        found = certify(cells.exact("relu"), 2**25 + 2)
        assert found.shortest
        assert found.upper == 2**25 + 2
        assert int(found.counterexample.depth.max()) == 2**24 + 1
        assert found.pytorch_agrees is None

    def test_a_band_holds_every_state_of_random_words(self):
        network = cells.exact("relu", 3.252451)
        ending, _, boxes_of_depth = band.close_band(2, gates.numbers(network.parameters), 60, 6)
        assert ending == band.CLOSED
        rng = np.random.default_rng(0)
        for _ in range(20):
            tokens = walk(rng, 2000, 60)
            word = Words(tokens[None], [len(tokens)])
            h, depth = evaluation.trace(network, word).h[0], word.depth[0]
            assert (h >= boxes_of_depth[0, depth]).all()
            assert (h <= boxes_of_depth[1, depth]).all()

    def test_the_deepest_band_is_found(self):
        """With a read-out that is wrong from depth 100 on, words of any length are right to depth 99."""
        network = but(but(cells.exact("relu"), "output.weight", (0, 0), -1.0), "output.bias", (0,), 99.5)
        found = certify(network, None)
        assert found.shortest
        assert (found.upper, found.failing_step) == (200, 99)
        assert found.any_length_to_depth == 99

    def test_a_slow_drift_is_found_by_a_far_word(self):
        network = but(cells.exact("relu"), "weight_ih_l0", (0, 1), -(1 - 1e-6))
        found = certify(network, None)
        consistent(found, network)
        assert found.refuted
        assert found.lower > 30_000


def walk(rng: np.random.Generator, length: int, deepest: int) -> np.ndarray:
    """A Dyck-1 word to a depth of at most `deepest`, as tokens."""
    tokens, depth = [], 0
    while len(tokens) < length or depth:
        close = depth > 0 and (depth == deepest or len(tokens) >= length or rng.random() < 0.5)
        tokens.append(int(close))
        depth += -1 if close else 1
    return np.array(tokens, np.int8)


class TestNearMisses:
    @pytest.mark.parametrize(
        ("name", "index", "value", "first"),
        [
            ("weight_hh_l0", (0, 0), 1 - 1e-7, 4098),
            ("weight_hh_l0", (0, 0), 1 + 1e-7, 4096),
            ("weight_ih_l0", (0, 1), -0.99, 100),
            ("weight_ih_l0", (0, 1), -1.01, 102),
            ("output.bias", (1,), 0.0, 2),
            ("output.bias", (1,), -20 * 1.000001, 2),
        ],
    )
    def test_relu(self, name, index, value, first):
        network = but(cells.exact("relu"), name, index, value)
        found = certify(network, 10_000)
        consistent(found, network)
        assert found.shortest
        assert found.upper == first
        assert certify(network, first - 2).proved if first > 2 else True

    @pytest.mark.parametrize("ratio", [-1 + 1e-6, -1 - 1e-6])
    def test_relu_that_drifts_too_little_to_fail(self, ratio):
        assert certify(but(cells.exact("relu"), "weight_ih_l0", (0, 1), ratio), 10_000).proved

    def test_relu_read_out_at_the_very_edge(self):
        """h = 1 is read as deep with the threshold at 1: a logit of 0 says yes."""
        assert certify(but(cells.exact("relu"), "output.bias", (1,), -20.0), None).proved

    @pytest.mark.parametrize(("name", "gate"), [("i", 0), ("f", 1), ("o", 3)])
    def test_lstm_with_one_gate_at_its_last_value_below_1(self, name, gate):
        """The sigmoid is 1 / (1 + e) and 1 + e a float32, so that value is 1 - 2^-23."""
        ends = np.float32([16.6, 16.7]).view(np.int32)
        biases = np.arange(*ends, dtype=np.int32).view(np.float32)
        word = Words.from_strings(["()"])
        below, above = 0, len(biases) - 1
        while above - below > 1:
            middle = (below + above) // 2
            gates_of = evaluation.trace(
                but(cells.exact("lstm"), "bias_ih_l0", (gate,), biases[middle]), word
            ).gates
            below, above = (below, middle) if gates_of[name][0, 0] == 1 else (middle, above)
        network = but(cells.exact("lstm"), "bias_ih_l0", (gate,), biases[below])
        assert evaluation.trace(network, word).gates[name][0, 0] == np.float32(1 - 2**-23)
        found = certify(network, 1000)
        consistent(found, network)
        assert found.proved

    def test_lstm_that_forgets_a_little(self):
        network = but(cells.exact("lstm"), "bias_ih_l0", (1,), 16.6)
        found = certify(network, 5000)
        consistent(found, network)
        assert found.shortest
        assert 4000 < found.upper < 5000

    @pytest.mark.parametrize(("bias", "proved"), [(-20 * 0.7615, True), (-20 * 0.7617, False), (0.0, False)])
    def test_lstm_read_out_about_tanh_1(self, bias, proved):
        found = certify(but(cells.exact("lstm"), "output.bias", (1,), bias), None)
        assert found.proved == proved
        assert found.refuted != proved


class TestGRU:
    def test_two_prefixes_leave_the_same_bits_and_one_fails(self, trained_networks):
        collisions = 0
        for run in range(0, 200, 10):
            network = trained_networks["gru"][run]
            found = certify(network, None, replay=False)
            consistent(found, network)
            assert found.refuted
            if found.collision and found.collision[1] < 5000:
                n, m = found.collision
                h = evaluation.trace(network, Words.from_strings(["(" * m + ")" * m])).h[0]
                assert h[n - 1] == h[m - 1]
                assert found.upper <= 2 * m
                collisions += 1
        assert collisions > 10

    def test_what_a_collision_proves(self):
        """Where no table is asked, the collision alone gives the word."""
        network = counters.near_counters("gru", 1, seed=1)
        subject = procedure._subject(network)
        collision = procedure._collision(subject)
        wrong = procedure._long_word(subject, collision, 2, None)
        assert wrong.length <= 2 * collision[1]


class TestBounds:
    def test_more_boxes_prove_no_less_and_stay_below_the_first_failure(self, trained_networks):
        for cell in ("lstm", "gru"):
            for run in (110, 150, 190):
                subject = procedure._subject(trained_networks[cell][run])
                known = certify(trained_networks[cell][run], 300, replay=False)
                bounds = [
                    int(reachability.lower_bound(subject.cell, subject.numbers, 300, k)) for k in (2, 8, 64, 512)
                ]
                assert bounds[0] <= bounds[-1]
                assert max(bounds) <= (known.upper or 302)

    def test_trained_networks_are_decided_and_replayed(self, cell, trained_networks):
        nets = trained_networks[cell][100:]
        certificates = certify_all(nets, 200)
        for run, found in enumerate(certificates):
            consistent(found, nets[run])
            assert found.refuted == (found.pytorch_agrees is not None)
        decided = [found.proved or found.shortest for found in certificates]
        assert np.mean(decided) == 1 if cell == "relu" else np.mean(decided) > 0.9
        assert np.mean([found.pytorch_agrees is not False for found in certificates]) > 0.95

    def test_an_odd_length_asks_for_the_even_one_below(self):
        network = but(cells.exact("relu"), "weight_ih_l0", (0, 1), -0.99)
        assert certify(network, 99).proved
        assert certify(network, 100).upper == 100


class TestPyTorch:
    def test_a_tie_is_told(self):
        """sigmoid(-1e-9) is 0.5 for PyTorch and the logit -1e-9 a no for both: they agree on logits."""
        network = but(but(cells.exact("relu"), "output.weight", (1, 0), 0.0), "output.bias", (1,), -1e-9)
        found = certify(network, 10)
        assert found.refuted
        assert found.pytorch_agrees is True
        assert found.pytorch_step == found.failing_step == 0

    def test_a_disagreement_is_told(self):
        word = Words.from_strings(["()"])
        found = certify(but(cells.exact("relu"), "output.bias", (1,), 0.0), 2)
        other = found.replayed(cells.exact("relu"))
        assert found.counterexample == word
        assert other.pytorch_agrees is False
        assert "disagrees" in str(other)

    @pytest.mark.parametrize("layer", [nn.LSTM(2, 1), nn.GRU(2, 1), nn.RNN(2, 1, nonlinearity="relu")])
    @pytest.mark.parametrize("outputs", [1, 2])
    def test_modules_are_taken_as_they_are(self, layer, outputs):
        module = nn.Sequential(layer, nn.Linear(1, outputs))
        found = certify(module, 100)
        network = Networks.from_torch([module])
        consistent(found, network)
        if found.refuted:
            step = reference.first_failure(network.to_torch(0), found.counterexample)[0]
            assert found.pytorch_agrees == (step < found.upper)


class TestWhatIsAsked:
    def test_a_stack_gives_the_same_as_its_runs(self, cell):
        nets = counters.near_counters(cell, 8, seed=9)
        assert [str(found) for found in certify_all(nets, 60)] == [
            str(certify(nets[run], 60)) for run in range(len(nets))
        ]

    def test_dictionaries_hold_plain_values(self):
        found = certify(but(cells.exact("relu"), "weight_ih_l0", (0, 1), -0.99), 1000)
        entries = found.to_dict()
        assert entries["verdict"] == "refuted"
        assert len(entries["counterexample"]) == entries["upper"] == 100
        assert all(value is None or isinstance(value, (str, int, bool, tuple)) for value in entries.values())

    @pytest.mark.parametrize("length", [0, 1, -2, 2.0, True, "1000"])
    def test_lengths_that_make_no_sense(self, length):
        with pytest.raises(ValueError, match="max_length"):
            certify(cells.exact("relu"), length)
        with pytest.raises(ValueError, match="max_length"):
            certify_all(cells.exact("relu"), length)

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_parameters_that_are_not_finite(self, value):
        with pytest.raises(ValueError, match="finite"):
            certify(but(cells.exact("lstm"), "bias_hh_l0", (2,), value))

    def test_more_than_one_network(self):
        with pytest.raises(ValueError, match="one network"):
            certify(cells.initialize("relu", [0, 1]))

    @pytest.mark.parametrize("sizes", [(2, 2, 2), (1, 4, 2), (1, 2, 4)])
    def test_a_network_of_another_size(self, sizes):
        network = cells.initialize("lstm", [0], *sizes)
        for decide in (certify, certificate.proved, certificate.exact_counters):
            with pytest.raises(ValueError, match="one unit, two symbols and two outputs"):
                decide(network)

    def test_a_module_that_is_no_such_network(self):
        with pytest.raises(ValueError, match="recurrent layer"):
            certify(nn.Linear(1, 2))
        with torch.no_grad(), pytest.raises(ValueError, match="hidden size must be 1"):
            certify(nn.Sequential(nn.LSTM(2, 2), nn.Linear(2, 2)))


@pytest.mark.filterwarnings("ignore:TF32")
class TestArithmetic:
    """What is proved however a network is computed holds for PyTorch's modules, on every path."""

    @staticmethod
    def readings(module: torch.nn.Module, words: Words) -> Iterator[np.ndarray]:
        for one_dnn, batch in ((True, None), (True, 7), (False, 1), (False, 64)):
            with torch.backends.mkldnn.flags(enabled=one_dnn, allow_tf32=None):
                yield reference.first_failure(module, words, batch)
        yield reference.first_failure(copy.deepcopy(module).double(), words)

    def test_a_proof_that_pytorch_refutes_speaks_of_the_engine_only(self) -> None:
        network = sweeps.rates("gru")[0.01].networks[18]
        found = certificate.certify(network, 40)
        assert found.proved and not found.proved_however and found.arithmetic == "in the engine's arithmetic only"
        assert found.lower_however <= 40 < found.lower
        assert reference.first_failure(network.to_torch(0), dyck.zigzag(40, 20))[0] == 38

    @pytest.mark.parametrize("cell", CELLS)
    def test_nothing_proved_however_is_refuted(self, cell: str, trained_networks: dict[str, Networks]) -> None:
        nets = trained_networks[cell]
        found = certificate.certify_all(nets, 40, replay=False)
        assert any(c.lower_however < c.lower for c in found) or cell != "gru"
        for run in np.flatnonzero([c.lower_however > 2 for c in found])[::8]:
            for length in {2, found[run].lower_however - 2}:
                words = dyck.uniform(min(20, length // 2), length, seed=int(run)) if length > 4 else dyck.tower(1)
                for failures in self.readings(nets[int(run)].to_torch(0), words):
                    assert (failures == words.lengths).all()

    def test_exact_counters(self) -> None:
        for cell in ("lstm", "relu"):
            assert certificate.certify(cells.exact(cell), 1000).proved_however
            assert certificate.exact_counters(cells.exact(cell), however=True).all()
        by_rounding = certificate.certify(cells.exact("gru"), 1000)
        assert by_rounding.proved and not by_rounding.proved_however

    def test_a_sum_that_can_be_ordered_in_two_ways(self) -> None:
        parameters = {name: array.copy() for name, array in cells.exact("relu").parameters.items()}
        parameters["weight_ih_l0"] += np.float32(0.3)
        parameters["bias_ih_l0"] -= np.float32(0.3)
        shifted = Networks("relu", parameters)
        assert not certificate.exact_counters(shifted, however=True)[0]
        assert certificate.certify(shifted, 100).proved_however

    def test_the_edges_of_saturation(self) -> None:
        """From here on every path gives exactly 1; a step before the exactly rounded edge none does."""
        edges = gates.numbers(cells.exact("lstm").parameters, however=True).error[1:]
        for function, edge, below in ((torch.sigmoid, edges[0], 16.6), (torch.tanh, edges[1], 9.0)):
            x = torch.from_numpy(np.linspace(edge, 200, 300_001, dtype=np.float32))
            for read in (x, torch.stack([x, x], dim=1)[:, 0], x[:1]):
                assert (function(read) == 1).all()
            assert function(torch.tensor(below)) < 1

    @pytest.mark.parametrize("one_dnn", [True, False])
    @pytest.mark.parametrize(
        ("name", "path"),
        [pytest.param(function, path, id=f"{function}-{name}") for function, name, path in activations.paths()],
    )
    def test_activations_are_as_near_as_is_allowed(self, name: str, path: Callable, one_dnn: bool) -> None:
        """A sample of float32, on every path; over all of them the largest distance is in benchmarks/activations.py."""
        bits = np.arange(np.float32(2**-20).view(np.int32), np.float32(120).view(np.int32), 1009, dtype=np.int32)
        x = torch.from_numpy(np.concatenate([bits.view(np.float32), -bits.view(np.float32)]))
        with torch.no_grad(), torch.backends.mkldnn.flags(enabled=one_dnn):
            y = path(x)
        exact = getattr(torch, name)(x[: len(y)].double())
        near = (y.double() - exact).abs() <= (gates.ACTIVATION_ULPS / 2) * 2.0**-23 * exact.abs()
        assert (near | (exact.abs() < gates.FLUSHED)).all()
        edge = gates.numbers(cells.exact("lstm").parameters, however=True).error[1 if name == "sigmoid" else 2]
        assert (y[x[: len(y)] >= edge] == 1).all()
