"""The hand-written backward passes against autograd, each lane with its own network and its own word.

The measure is ‖g − g*‖ / ‖g*‖ over all parameters of a network, g* by autograd in float64 at the same
weights: in float32 that charges the engine for its own rounding and spares it PyTorch's.
"""

from __future__ import annotations

import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from counting import cells, dyck
from counting.cells import CELLS, Networks
from counting.dyck import Words
from counting.engine.lanes import LANES
from counting.engine.readout import LOSSES

FLOAT32, FLOAT64 = 1e-5, 1e-9


@st.composite
def dyck_words(draw: st.DrawFn, longest: int = 80) -> str:
    """A word from wishes to close: one that cannot be met opens instead, and the end closes what is open."""
    word, depth = "(", 1
    for close in draw(st.lists(st.booleans(), max_size=longest // 2 - 1)):
        word += ")" if close and depth else "("
        depth += -1 if close and depth else 1
    return word + ")" * depth


@st.composite
def problems(draw: st.DrawFn, cell: str) -> tuple[Networks, Words]:
    """Networks with weights where PyTorch draws them, in [−1, 1], any of them special, and as many words."""
    runs = draw(st.integers(1, 3))
    weight = st.floats(-1, 1, width=32, allow_subnormal=False)
    parameters = {
        name: draw(hnp.arrays(np.float32, (runs, *shape), elements=weight))
        for name, shape in cells.shapes(cell).items()
    }
    words = draw(st.lists(dyck_words(), min_size=runs, max_size=runs))
    return Networks(cell, parameters), Words.from_strings(words)


def largest_difference(
    nets: Networks, words: Words, gain: float = 1.0, leak: float = 0.0, loss: str = "mse"
) -> tuple[float, float]:
    """Largest relative difference of any run's gradient from autograd's in float64, and of any run's loss."""
    losses, gradients = oracles.engine_gradient(nets, words, gain, leak, loss=loss)
    by_loss, by_gradient = 0.0, 0.0
    for run in range(len(nets)):
        missed, gradient = oracles.word_gradient(nets[run].astype("float64"), words[run], gain, leak, loss)
        by_loss = max(by_loss, abs(losses[run] - missed) / missed)
        by_gradient = max(by_gradient, np.linalg.norm(gradients[run] - gradient) / np.linalg.norm(gradient))
    return by_gradient, by_loss


def scaled(nets: Networks, factor: float) -> Networks:
    return Networks(nets.cell, {name: array * np.float32(factor) for name, array in nets.parameters.items()})


@pytest.fixture(scope="module")
def words() -> Words:
    """As many words as lanes, from 2 symbols to several chunks of 32, the first not the longest."""
    return Words.from_strings(
        ["()", "(())" * 8, "((()))" * 16, "()" * 33] + dyck.pcfg(LANES - 4, (2, 100), seed=3).strings()
    )


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("loss", LOSSES)
@settings(max_examples=60)
@given(st.data())
def test_any_weights_and_words(cell: str, loss: str, data: st.DataObject):
    nets, words = data.draw(problems(cell))
    assert largest_difference(nets, words, loss=loss) < (FLOAT32, FLOAT32)
    assert largest_difference(nets.astype("float64"), words, loss=loss) < (FLOAT64, FLOAT64)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_full_block(cell: str, dtype: str, loss: str, words: Words):
    bar = FLOAT32 if dtype == "float32" else FLOAT64
    assert max(largest_difference(cells.initialize(cell, range(LANES)).astype(dtype), words, loss=loss)) < bar


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_larger_weights(cell: str, words: Words):
    assert max(largest_difference(scaled(cells.initialize(cell, range(LANES)), 3), words)) < FLOAT32


def test_larger_weights_of_a_relu_in_float64(words: Words):
    # In float32 a state of 10^20 has no digits after the decimal point, in PyTorch as in the engine.
    nets = scaled(cells.initialize("relu", range(LANES)), 3).astype("float64")
    assert max(largest_difference(nets, words)) < FLOAT64


@pytest.mark.parametrize("gain", [0.25, 1.7])
def test_gate_gain(cell: str, gain: float, words: Words):
    nets = cells.initialize(cell, range(12))
    assert max(largest_difference(nets.astype("float64"), words[:12], gain=gain)) < FLOAT64
    if cell != "relu":
        assert max(largest_difference(nets, words[:12], gain=gain)) < FLOAT32


@pytest.mark.parametrize("leak", [0.01, 0.5])
def test_leak(leak: float, words: Words):
    nets = cells.initialize("relu", range(12))
    assert max(largest_difference(nets, words[:12], leak=leak)) < FLOAT32
    assert max(largest_difference(nets.astype("float64"), words[:12], gain=1.2, leak=leak)) < FLOAT64


def test_a_dead_relu_has_no_recurrent_gradient(words: Words):
    nets = cells.initialize("relu", [0])
    nets.parameters["bias_hh_l0"][:] = -5
    _, gradient = oracles.engine_gradient(nets, words[:1])
    assert (
        np.count_nonzero(gradient) == 2
    )  # both biases of the read-out: h is 0, so its weights have none either


def test_a_lanes_gradient_knows_nothing_of_the_others(cell: str, words: Words):
    nets = cells.initialize(cell, range(LANES))
    _, together = oracles.engine_gradient(nets, words)
    for run in (0, 1, 40, 63):
        _, alone = oracles.engine_gradient(nets[run], words[run])
        assert np.array_equal(alone[0], together[run])


def test_a_short_word_beside_a_long_one_in_an_exploding_relu():
    """Its own word leaves this state finite; beyond its end, waiting for the others, it would overflow."""
    nets = cells.initialize("relu", [0, 1])
    nets.parameters["weight_hh_l0"][:] = 50.0
    nets.parameters["bias_ih_l0"][:] = 5.0
    pair = Words.from_strings(["(())", "((()))" * 16])
    _, gradients = oracles.engine_gradient(nets, pair)
    _, alone = oracles.engine_gradient(nets[0], pair[0])
    assert np.isfinite(alone).all()
    assert np.array_equal(gradients[0], alone[0])
    assert not np.isfinite(gradients[1]).all()
