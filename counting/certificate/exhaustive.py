"""Every prefix of every word, one after the other: what the certificates are held to."""

from __future__ import annotations

import numpy as np

from counting.certificate.gates import right
from counting.certificate.states import load
from counting.engine import block
from counting.engine.block import TAPE_ROWS
from counting.engine.lanes import LANES, at, kernel, lane_loop, like
from counting.engine.layout import H, output_bias, output_weight


@lane_loop
def _shorten(weights, deep, state, length, shortest):
    """Lower the shortest failing length of each lane that reads this prefix wrongly. Returns the largest of
    them."""
    largest = 0
    for lane in range(LANES):
        h = state[at(H, lane)]
        readout = (
            weights[at(output_weight(0), lane)], weights[at(output_bias(0), lane)],
            weights[at(output_weight(1), lane)], weights[at(output_bias(1), lane)],
        )  # fmt: skip
        fine = right(readout, deep, h, h)
        shortest[lane] = shortest[lane] if fine else min(shortest[lane], length)
        largest = max(largest, shortest[lane])
    return largest


@kernel()
def shortest_failures(cell, parameters, longest_prefix, longest_word):
    """Length of the shortest word that fails at a prefix of at most `longest_prefix` symbols: int64 (LANES,).

    longest_word + 2 for networks that are right at all such prefixes of words of up to `longest_word`
    symbols.
    """
    weights = load(cell, parameters)
    slope = like(0.0, weights[0])
    states = np.zeros((longest_prefix + 1, 3 * LANES), parameters.dtype)
    tape = np.zeros(TAPE_ROWS * LANES, parameters.dtype)
    symbol = np.empty(LANES, np.int32)
    shortest = np.full(LANES, longest_word + 2, np.int64)
    bound = longest_word + 2
    # Depth first: `tried[t]` symbols have been tried after the present prefix of t symbols.
    tried = np.zeros(longest_prefix + 1, np.int64)
    depths = np.zeros(longest_prefix + 1, np.int64)
    t = 0
    while t >= 0:
        if t == longest_prefix or tried[t] == 2:
            t -= 1
            continue
        bracket = tried[t]
        tried[t] += 1
        depth = depths[t] + 1 - 2 * bracket
        if depth < 0 or t + 1 + depth >= bound:
            continue
        symbol[:] = bracket
        t += 1
        states[t] = states[t - 1]
        block.step(cell, weights, slope, symbol, states[t], tape)
        bound = _shorten(weights, depth > 0, states[t], t + depth, shortest)
        depths[t] = depth
        tried[t] = 0
    return shortest
