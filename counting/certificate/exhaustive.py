"""Every prefix of every word, one after the other: what the certificates are held to."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from counting import cells
from counting.cells import Networks
from counting.certificate.gates import right
from counting.engine import block
from counting.engine.block import load_cell
from counting.engine.lanes import LANES, at, kernel, lane_loop, like
from counting.engine.layout import TAPE_ROWS, H, output_bias, output_weight, shape
from counting.engine.packed import pack_blocks

_SHAPE = shape(gates=1)  # the read-out's rows are the same for every cell


@lane_loop
def _shorten(weights, deep, state, length, shortest):
    """Lower the shortest failing length of each lane that reads this prefix wrongly. Returns the largest of
    them.
    """
    largest = 0
    for lane in range(LANES):
        h = state[at(H, lane)]
        readout = (
            weights[at(output_weight(_SHAPE, 0, 0), lane)], weights[at(output_bias(_SHAPE, 0), lane)],
            weights[at(output_weight(_SHAPE, 1, 0), lane)], weights[at(output_bias(_SHAPE, 1), lane)], like(0.0, h),
        )  # fmt: skip
        fine = right(readout, deep, h, h)
        shortest[lane] = shortest[lane] if fine else min(shortest[lane], length)
        largest = max(largest, shortest[lane])
    return largest


def shortest_failures(networks: Networks, longest_prefix: int, longest_word: int) -> np.ndarray:
    """Length of the shortest word that fails at one of its first `longest_prefix` symbols: int64 (runs,).

    Words of up to `longest_word` symbols are tried, an even number; that number + 2 stands for none of them.
    """
    cell = cells.CELLS.index(networks.cell)
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        blocks = pack_blocks(networks.parameters)
        parts = list(pool.map(lambda block: _walk(cell, block, longest_prefix, longest_word), blocks))
    return np.concatenate(parts)[: len(networks)]


@kernel()
def _walk(cell, parameters, longest_prefix, longest_word):
    """`shortest_failures` of a block of networks: int64 (LANES,)."""
    weights = load_cell(cell, parameters, 1.0)
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
        block.step_cell(cell, weights, slope, symbol, states[t], tape)
        bound = _shorten(weights, depth > 0, states[t], t + depth, shortest)
        depths[t] = depth
        tried[t] = 0
    return shortest
