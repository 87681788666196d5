"""Words as bits and networks as rows of lanes: nothing is lost on the way there and back."""

from __future__ import annotations

import numpy as np
import pytest

from counting import cells, dyck
from counting.dyck import Words
from counting.engine.block import symbol_bits
from counting.engine.lanes import LANES
from counting.engine.packed import PARAMETERS, pack_blocks, pack_group, pack_words, unpack_group


def test_words_hold_every_symbol_and_depth():
    strings = ["()", "(())()" * 6, "(" * 16 + ")" * 16, "(" * 17 + ")" * 17, "()" * 32, "()" * 33]
    words = Words.from_strings(strings + dyck.pcfg(50, (2, 150), seed=3).strings())
    packed = pack_words(words)
    chunks = -(-words.longest // 32)
    assert (packed.symbols.shape, packed.targets.shape) == ((len(words), chunks, 1), (len(words), chunks, 2))
    assert packed.symbols.dtype == packed.targets.dtype == np.uint32
    assert np.array_equal(packed.lengths, words.lengths)
    for n, word in enumerate(words.strings()):
        for t, symbol in enumerate(word):
            assert packed.symbols[n, t // 32, 0] >> (t % 32) & 1 == (symbol == ")")
            assert [bits >> (t % 32) & 1 for bits in packed.targets[n, t // 32]] == [1, words.depth[n, t] > 0]


def test_a_symbol_has_as_many_bits_as_the_last_one_needs():
    for symbols in range(2, 13):
        assert symbol_bits(symbols) == (symbols - 1).bit_length()


@pytest.mark.parametrize("runs", [1, 2, LANES - 1, LANES, LANES + 1, 2 * LANES, 150])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_networks_there_and_back(cell: str, runs: int, dtype: str):
    nets = cells.initialize(cell, range(runs)).astype(dtype)
    blocks = pack_blocks(nets.parameters)
    assert len(blocks) == -(-runs // LANES)
    for number, block in enumerate(blocks):
        assert block.dtype == dtype
        unpacked = unpack_group(block.reshape(-1, LANES), nets.parameters)
        own = nets[number * LANES : (number + 1) * LANES]
        for name, array in own.parameters.items():
            assert np.array_equal(unpacked[name][: len(own)], array)
            # Idle lanes do what the first one does.
            assert (unpacked[name][len(own) :] == array[0]).all()


@pytest.mark.parametrize("runs", [1, 2])
def test_what_is_unpacked_stays_when_training_goes_on(cell: str, runs: int):
    nets = cells.initialize(cell, range(runs))
    group = pack_group(nets.parameters)
    unpacked = unpack_group(group, nets.parameters)
    group[:] = 7
    assert all(np.array_equal(unpacked[name], array) for name, array in nets.parameters.items())


def test_no_networks_are_no_blocks(cell: str):
    assert pack_blocks(cells.initialize(cell, [0])[[]].parameters) == []


def test_the_readout_stands_first(cell: str):
    (block,) = pack_blocks(cells.initialize(cell, [0]).parameters)
    parameters = cells.initialize(cell, [0]).parameters
    expected = np.concatenate([parameters[name].ravel() for name in PARAMETERS])
    assert np.array_equal(block.reshape(-1, LANES)[:, 0], expected)
    assert np.array_equal(
        expected[:4], np.r_[parameters["output.weight"].ravel(), parameters["output.bias"].ravel()]
    )
