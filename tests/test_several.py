"""Certificates of several counters: held to brute force over all short words, to the engine's step and to PyTorch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product

import numpy as np
import pytest

from counting import cells, certificate, evaluation, languages, results, workers
from counting.cells import Networks
from counting.certificate import onestep, powers
from counting.engine.lanes import LANES


def stack(units: int, symbols: int, outputs: int) -> dict[str, np.ndarray]:
    """Give an LSTM's parameters with open gates i, f, o and everything else 0."""
    shapes = cells.shapes("lstm", units, symbols, outputs)
    parameters = {name: np.zeros((1, *shape), np.float32) for name, shape in shapes.items()}
    parameters["bias_ih_l0"][0] = np.repeat([20, 20, 0, 20], units)
    return parameters


def exact(k: int) -> Networks:
    """Give an exact counter of a shuffle: cell j is the depth of brackets j."""
    p = stack(k, 2 * k, 2 * k)
    for j in range(k):
        p["weight_ih_l0"][0, 2 * k + j, 2 * j : 2 * j + 2] = 12, -12
        p["output.weight"][0, 2 * j + 1, j] = 20
        p["output.bias"][0, 2 * j : 2 * j + 2] = 10, -7.6
    return Networks("lstm", p)


def varied(network: Networks, rng: np.random.Generator) -> Networks:
    """Give a network near an exact one, or far from it."""
    size = 10.0 ** rng.uniform(-4, 0.3)
    absolute = rng.random() < 0.5  # else what is 0 stays 0, and the network may be right
    changed = {
        name: a + rng.normal(0, size, a.shape) * (1 if absolute else 0.3 * np.abs(a))
        for name, a in network.parameters.items()
    }
    if rng.random() < 0.4:
        changed["bias_ih_l0"] = changed["bias_ih_l0"] * rng.choice([0.2, 0.5, 1])
    if rng.random() < 0.3:
        units = network.sizes[0]
        changed["weight_ih_l0"][:, 2 * units : 3 * units] *= rng.choice([0.02, 0.1, 0.5])
    return Networks("lstm", {name: a.astype(np.float32) for name, a in changed.items()})


def all_words(language: languages.Language, longest: int) -> languages.Words:
    """List every word of a shuffle of up to so many symbols, the shorter first."""
    found, prefixes = [], [("", (0,) * language.counters)]
    for t in range(longest):
        longer = []
        for prefix, depths in prefixes:
            for symbol, letter in enumerate(language.alphabet):
                after = tuple(d + (j == symbol // 2) * (1 - 2 * (symbol % 2)) for j, d in enumerate(depths))
                if min(after) >= 0 and sum(after) <= longest - t - 1:
                    longer.append((prefix + letter, after))
        prefixes = longer
        found += [prefix for prefix, depths in prefixes if not any(depths)]
    return language.words(found)


def shortest_failing(networks: Networks, words: languages.Words) -> np.ndarray:
    """Give the length of the shortest word that each network fails, read by the engine; 2³⁰ if there is none."""
    least = np.full(len(networks), 2**30)
    for runs, part in product(workers.slices(len(networks), LANES), workers.slices(len(words), 50_000)):
        some = words[part]
        failed = evaluation.first_failure(networks[runs], some) < some.lengths
        least[runs] = np.minimum(least[runs], np.where(failed, some.lengths, 2**30).min(axis=1))
    return least


def held_to_brute_force(seeds: range, longest: int, k: int = 2) -> dict[str, int]:
    """Compare certificates of varied networks with every word of up to so many symbols. Returns the verdicts."""
    language, verdicts = languages.shuffle(k), {"proved": 0, "refuted": 0, "undecided": 0}
    words = all_words(language, longest)
    networks = Networks.concatenate([varied(exact(k), np.random.default_rng(seed)) for seed in seeds])
    for run, least in enumerate(np.minimum(shortest_failing(networks, words), longest + 2)):
        found = certificate.certify_language(networks[run], language)
        verdicts[found.verdict] += 1
        if found.proved:
            assert least > longest, seeds[run]
            continue
        assert min(found.lower, longest + 2) <= least, seeds[run]
        if found.counterexample is not None:
            step = onestep.first_failure(networks[run], found.counterexample)[0]
            assert step == found.failing_step < found.counterexample.longest
            if found.shortest:
                assert min(found.counterexample.longest, longest + 2) == least, seeds[run]
    return verdicts


def test_certificates_agree_with_every_short_word():
    verdicts = held_to_brute_force(range(16), 8)
    assert verdicts["proved"] >= 2
    assert verdicts["refuted"] >= 2


@pytest.mark.parametrize("k", [1, 2, 3])
def test_an_exact_counter_is_proved(k):
    found = certificate.certify_language(exact(k), languages.shuffle(k))
    assert found.proved, found


def test_steps_of_no_whole_number_are_proved_where_their_band_closes():
    halves = exact(2)
    halves.parameters["bias_ih_l0"][0, 0:2] = 0  # i = 1/2: float32 adds halves exactly
    assert certificate.certify_language(halves, languages.shuffle(2)).proved
    uneven = exact(2)
    uneven.parameters["weight_ih_l0"][0, 4:6] /= 12  # g = tanh(1): sums are rounded, by depth
    assert certificate.certify_language(uneven, languages.shuffle(2)).proved
    drifting = exact(2)
    drifting.parameters["bias_ih_l0"][0, 2:4] = 8  # the forget gates leak
    found = certificate.certify_language(drifting, languages.shuffle(2))
    assert not found.proved


@pytest.mark.parametrize("seed", range(3))
def test_the_step_is_the_engine_s(seed):
    network = cells.initialize("lstm", [seed], 2, 4, 4)
    wide = Networks("lstm", {name: 8 * a for name, a in network.parameters.items()})
    rng = np.random.default_rng(seed)
    h, c = rng.normal(0, 1, (2, 70, 2)).astype(np.float32)
    for symbol in range(4):
        for ours, theirs in zip(onestep.step(wide, h, c, symbol), evaluation.step(wide, h, c, symbol), strict=True):
            assert ours.tobytes() == np.ascontiguousarray(theirs).tobytes()


def test_a_cell_that_stays_alone_is_refuted_on_powers_with_a_shortest_word():
    language = languages.powers(2)
    p = stack(1, 2, 3)
    p["weight_ih_l0"][0, 2] = 12, -12
    p["output.weight"][0] = [[0], [20], [0]]
    network = Networks("lstm", p)
    assert certificate.certify_language(network, language).verdict == "refuted"
    found = certificate.certify_language(network, language)
    assert found.shortest
    assert found.pytorch_step == found.failing_step


EXPONENTS = [*range(1, 301), *(2**k + off for k in range(9, 14) for off in (-1, 0, 1))]
"""Words of powers are given by their exponent: brute force is every exponent, then those near powers of two."""


def held_to_exponents(networks: Iterable[Networks], language: languages.Language) -> dict[str, int]:
    """Compare certificates with every exponent to 300, and some that are larger. Returns the verdicts."""
    verdicts = {"proved": 0, "refuted": 0, "undecided": 0}
    words = languages.exponents(language, EXPONENTS)
    for network in networks:
        found = certificate.certify_language(network, language)
        verdicts[found.verdict] += 1
        failed = onestep.first_failure(network, words) < words.lengths
        smallest = EXPONENTS[int(np.argmax(failed))] if failed.any() else None
        assert not (found.proved and failed.any())
        assert smallest is None or found.lower <= language.symbols * smallest
        if found.shortest and found.counterexample.longest <= 300 * language.symbols:
            assert found.counterexample.longest == language.symbols * smallest
    return verdicts


def trained(stem: str, count: int, noisy: bool = True) -> Iterator[Networks]:
    """Give trained networks, as they are and with noise of all sizes."""
    networks = results.load(results.FOLDER / f"{stem}.safetensors").networks
    for number in range(count):
        network = networks[number % len(networks)]
        rng = np.random.default_rng(number)
        yield varied(network, rng) if noisy and number % 3 else network


@pytest.mark.parametrize(("stem", "least"), [("powers-3-lstm-3-counting", 2), ("powers-3-lstm-2-counting", 2)])
def test_certificates_of_trained_networks_agree_with_every_exponent(stem: str, least: int):
    verdicts = held_to_exponents(trained(stem, 3, noisy=False), languages.powers(3))
    assert verdicts["proved"] >= least


def test_a_number_added_over_and_over_is_what_float32_gives():
    """Held to one sum after the other: up, down, through 0, without rounding, with ties, and with a fraction."""
    rng = np.random.default_rng(0)
    steps = [1, 0.5, -0.75, 1 - 6e-6, -1 + 6e-6, 1e-6, 3 * 2.0**-18, *rng.uniform(-1, 1, 20)]
    for step in np.array(steps, np.float32):
        starts = [0, 3, *rng.normal(0, 1, 3), *rng.uniform(-1000, 1000, 4), 2.0**18 - 0.7, -(2.0**17) + 1, 9.3]
        cells = np.array(starts, np.float32)
        times = rng.integers(0, 1500, len(cells))
        near, there = times.copy(), cells.copy()
        for t in range(times.max()):
            going = t < times
            there[going] += step
            near[going & (np.abs(there) < 9) & (near > t)] = t
        added = cells.copy()
        powers._add(added, step, times)
        assert np.array_equal(added, there), step
        far = np.abs(cells) >= 9
        assert np.array_equal(powers._times(cells[far], step, times[far]), near[far]), step


@pytest.mark.parametrize("seed", range(3))
def test_a_box_holds_what_the_step_makes_of_its_points(seed):
    network = cells.initialize("lstm", [seed], 3, 4, 4)
    rng = np.random.default_rng(seed)
    for symbol in range(4):
        ends = np.sort(rng.normal(0, 1, (2, 2, 5, 3)).astype(np.float32), axis=1)
        boxes = onestep.image(network, *ends, symbol)
        for share in (0, 0.3, 1):
            h, c = (low + np.float32(share) * (high - low) for low, high in ends)
            for point, (low, high) in zip(onestep.step(network, h, c, symbol), boxes[:3], strict=True):
                assert (low <= point).all()
                assert (point <= high).all()
    h, c = (x[0] for x in ends)
    for point, (low, high) in zip(
        onestep.step(network, h, c, 0), onestep.image(network, *np.stack([[h, h], [c, c]]), 0)[:3], strict=True
    ):
        assert np.array_equal(low, high)
        assert np.array_equal(low, point)


@pytest.mark.parametrize("seed", range(3))
def test_a_path_is_one_step_after_the_other(seed):
    network = cells.initialize("lstm", [seed], 2, 3, 4)
    h, c, logits, kept, added = onestep.path(network, 1, 50)
    state, cell = np.zeros((2, 1, 2), np.float32)
    for t in range(50):
        before = cell
        state, cell, read = onestep.step(network, state, cell, 1)
        for ours, theirs in ((h, state), (c, cell), (logits, read)):
            assert np.array_equal(ours[:, t], theirs[0])
    assert np.array_equal(kept * before[0] + added, cell[0])


def test_what_is_repeated_is_read_rightly_everywhere():
    """Of cells that all count, nothing but the outputs shows that a box which they can come to is misread."""
    box = np.zeros((2, 1, 1), np.float32)
    runs = powers._Runs(np.array([600]), np.array([600]), box.copy(), box, box)

    def turn(h, c, counts):
        misread = c[1] > 1  # a cell that is raised by 1/100: right where it is, wrong where it comes to
        return h, c, counts, np.full_like(c, 0.01), ~misread[0]

    assert powers._invariant(turn, runs) is None
    runs.left[:] = 60
    assert powers._invariant(turn, runs) is not None


def test_another_shape_is_refused():
    with pytest.raises(ValueError, match="symbols and outputs"):
        certificate.certify_language(exact(2), languages.shuffle(3))
