"""One LSTM of any size over one symbol, from many states or many boxes of states: the engine's arithmetic.

The engine is compiled for each shape, which takes longer than most certificates do; this is compiled once. The tests
hold its step to the engine's, bit by bit.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from counting import evaluation, workers
from counting.cells import Networks
from counting.engine.activations import sigmoid, tanh
from counting.engine.lanes import inlined, kernel
from counting.languages import Words

SATURATED = np.float32(9)
"""tanh is ±1 in float32 from here on."""

MAX_COUNT = 2**20
"""Proofs are for words of any length with every counter up to this."""

AWAY = np.float32(2.0**100)
"""Beyond every cell."""

EMPTY = np.array([np.inf, -np.inf], np.float32)[:, None, None]
"""The box of nothing."""


class Undecided(Exception):
    """What stands in the way of a proof."""


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


def first_failure(network: Networks, words: Words, stop: bool = False) -> np.ndarray:
    """Give the 0-based first wrong step of each word, or its length: int64 (n,), as `evaluation.first_failure` does.

    stop: read no word after one that fails.
    """
    if network.cell != "lstm":
        return evaluation.first_failure(network, words)[0]  # type: ignore[arg-type]  # it reads any language's
    return _first_failure(*_arrays(network), words.tokens, words.targets, words.lengths.astype(np.int64), stop)


def right_on(networks: Networks, words: Words) -> np.ndarray:
    """Tell which runs are right on all these words: bool (runs,)."""

    def all_right(run: int) -> bool:
        return bool((first_failure(networks[run], words, stop=True) == words.lengths).all())

    with ThreadPoolExecutor(workers.cores()) as pool:
        return np.array(list(pool.map(all_right, range(len(networks)))), bool)


def image(network: Networks, h: np.ndarray, c: np.ndarray, symbol: int) -> tuple[np.ndarray, ...]:
    """Give what a symbol makes of boxes: h and c, the logits, the forget gates and what is added to f c.

    h, c, and what is given: (2, boxes, units), or for the logits (2, boxes, outputs); the lower ends, then the upper.
    Every rounded operation, sigmoid and tanh are monotone, so the ends of intervals go to the ends of intervals.
    """
    boxes, units = h.shape[1:]
    kept, added = np.empty((2, 2, boxes, units), np.float32)
    logits = np.empty((2, boxes, network.sizes[2]), np.float32)
    h, c = np.array(h, np.float32), np.array(c, np.float32)
    _image(*_arrays(network), h, c, logits, kept, added, symbol)
    return h, c, logits, kept, added


def path(network: Networks, symbol: int, steps: int) -> tuple[np.ndarray, ...]:
    """Read one symbol over and over: h and c, (units, steps), and logits, (outputs, steps), after each.

    At last the forget gates of the last step, and what it adds: (units,).
    """
    units, _, outputs = network.sizes
    h, c, logits = (np.empty((rows, steps), np.float32) for rows in (units, units, outputs))
    _path(*_arrays(network), h, c, logits, symbol)
    *_, kept, added = image(network, h.T[[-2, -2], None], c.T[[-2, -2], None], symbol)
    return h, c, logits, kept[0, 0], added[0, 0]


def hull(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Give the smallest boxes that hold both: lower ends, then upper ones."""
    return np.stack([np.minimum(a[0], b[0]), np.maximum(a[1], b[1])])


def right(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Tell which boxes of logits, (2, boxes, outputs), are right throughout; NaN never is."""
    return np.asarray(np.where(targets, logits[0] >= 0, logits[1] < 0).all(axis=1))


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
def _path(drives, recurrent, bias, weight, output_bias, h, c, logits, symbol):  # noqa: PLR0913  a kernel
    """Fill in the states and logits after each step."""
    now, cell = np.zeros((1, len(h)), h.dtype), np.zeros((1, len(c)), c.dtype)
    read = np.empty((1, len(logits)), h.dtype)
    for t in range(h.shape[1]):
        _step(drives, recurrent, bias, weight, output_bias, now, cell, read, symbol)
        h[:, t], c[:, t], logits[:, t] = now[0], cell[0], read[0]


@kernel()
def _first_failure(drives, recurrent, bias, weight, output_bias, tokens, targets, lengths, stop):  # noqa: PLR0913
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
        if stop and first[word] < lengths[word]:
            break
    return first


@kernel()
def _sums(weights, h, row, low, high):
    """Fill the lower and upper ends of a matrix times h, summed in the engine's order."""
    for line in range(len(weights)):
        for unit in range(weights.shape[1]):
            weight = weights[line, unit]
            a, b = weight * h[0, row, unit], weight * h[1, row, unit]
            least, most = (a, b) if weight >= 0 else (b, a)
            low[line] = least if unit == 0 else low[line] + least
            high[line] = most if unit == 0 else high[line] + most


@kernel()
def _image(drives, recurrent, bias, weight, output_bias, h, c, logits, kept, added, symbol):  # noqa: PLR0913  a kernel
    """Advance the boxes in place."""
    units = h.shape[2]
    low, high = np.empty_like(bias), np.empty_like(bias)
    for row in range(h.shape[1]):
        _sums(recurrent, h, row, low, high)
        for gate in range(4 * units):
            low[gate] = drives[gate, symbol] + (low[gate] + bias[gate])
            high[gate] = drives[gate, symbol] + (high[gate] + bias[gate])
        for unit in range(units):
            i, f, g, o = unit, units + unit, 2 * units + unit, 3 * units + unit
            kept[0, row, unit], kept[1, row, unit] = sigmoid(low[f]), sigmoid(high[f])
            least, most = _scaled(sigmoid(low[i]), sigmoid(high[i]), tanh(low[g]), tanh(high[g]))
            added[0, row, unit], added[1, row, unit] = least, most
            a, b = _scaled(kept[0, row, unit], kept[1, row, unit], c[0, row, unit], c[1, row, unit])
            c[0, row, unit], c[1, row, unit] = a + least, b + most
            a, b = _scaled(sigmoid(low[o]), sigmoid(high[o]), tanh(c[0, row, unit]), tanh(c[1, row, unit]))
            h[0, row, unit], h[1, row, unit] = a, b
        _sums(weight, h, row, logits[0, row], logits[1, row])
        logits[0, row] += output_bias
        logits[1, row] += output_bias


@inlined
def _scaled(least, most, low, high):
    """Give the ends of [least, most] × [low, high], where least ≥ 0."""
    return min(least * low, most * low), max(least * high, most * high)
