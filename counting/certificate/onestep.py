"""One LSTM of any size from many states over one symbol: the engine's arithmetic, compiled once for every shape.

The engine is compiled for each shape, which takes longer than most certificates do. The tests hold this step to the
engine's, bit by bit.
"""

from __future__ import annotations

import numpy as np

from counting import evaluation
from counting.cells import Networks
from counting.engine.activations import sigmoid, tanh
from counting.engine.lanes import kernel
from counting.languages import Words


def _arrays(network: Networks) -> tuple[np.ndarray, ...]:
    """Drives of each gate by each symbol, recurrent weights and biases, and the read-out, as the engine has them."""
    p = {name: array[0] for name, array in network.parameters.items()}
    drives = p["weight_ih_l0"] + p["bias_ih_l0"][:, None]
    return drives, p["weight_hh_l0"], p["bias_hh_l0"], p["output.weight"], p["output.bias"]


def step(network: Networks, h: np.ndarray, c: np.ndarray, symbol: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give h and c after the symbol, (n, units) each, and the logits, (n, outputs), as `evaluation.step` does."""
    if network.cell != "lstm":
        return evaluation.step(network, h, c, symbol)
    h, c = np.array(h, network.dtype), np.array(c, network.dtype)
    logits = np.empty((len(h), network.sizes[2]), network.dtype)
    _step(*_arrays(network), h, c, logits, symbol)
    return h, c, logits


def first_failure(network: Networks, words: Words) -> np.ndarray:
    """Give the 0-based first wrong step of each word, or its length: int64 (n,), as `evaluation.first_failure` does."""
    if network.cell != "lstm":
        return evaluation.first_failure(network, words)[0]  # type: ignore[arg-type]  # it reads any language's
    return _first_failure(*_arrays(network), words.tokens, words.targets, words.lengths.astype(np.int64))


def right_on(networks: Networks, words: Words) -> np.ndarray:
    """Tell which runs are right on all these words: bool (runs,)."""
    each = (networks[run] for run in range(len(networks)))
    return np.array([bool((first_failure(network, words) == words.lengths).all()) for network in each], bool)


@kernel()
def _step(drives, recurrent, bias, weight, output_bias, h, c, logits, symbol):  # noqa: PLR0913  a kernel
    """Advance the states in place."""
    units, before, gates = h.shape[1], np.empty_like(h[0]), np.empty_like(bias)
    for row in range(len(h)):
        before[:] = h[row]
        for gate in range(4 * units):
            total = recurrent[gate, 0] * before[0]
            for unit in range(1, units):
                total += recurrent[gate, unit] * before[unit]
            gates[gate] = drives[gate, symbol] + (total + bias[gate])
        for unit in range(units):
            i, f = sigmoid(gates[unit]), sigmoid(gates[units + unit])
            g, o = tanh(gates[2 * units + unit]), sigmoid(gates[3 * units + unit])
            c[row, unit] = f * c[row, unit] + i * g
            h[row, unit] = o * tanh(c[row, unit])
        for output in range(len(output_bias)):
            total = weight[output, 0] * h[row, 0]
            for unit in range(1, units):
                total += weight[output, unit] * h[row, unit]
            logits[row, output] = total + output_bias[output]


@kernel()
def _first_failure(drives, recurrent, bias, weight, output_bias, tokens, targets, lengths):  # noqa: PLR0913
    first = lengths.copy()
    h, c = np.zeros((1, recurrent.shape[1]), bias.dtype), np.zeros((1, recurrent.shape[1]), bias.dtype)
    logits = np.empty((1, len(output_bias)), bias.dtype)
    for word in range(len(tokens)):
        h[:], c[:] = 0, 0
        for t in range(lengths[word]):
            _step(drives, recurrent, bias, weight, output_bias, h, c, logits, tokens[word, t])
            fine = True
            for output in range(len(output_bias)):
                fine &= logits[0, output] >= 0 if targets[word, t, output] else logits[0, output] < 0
            if not fine:
                first[word] = t
                break
    return first
