"""A word that fails: real states, a few for each length and depth, the extreme ones first.

For each length t and depth d the search keeps up to `slots` states that real prefixes reach, and how it came
to each. The shortest word found is an upper bound on the first failing length. With two slots, the smallest
and the largest state, it is *exact* for the ReLU cell (see `relu`): a read-out is wrong somewhere in an
interval iff it is wrong at an end, and both ends are real.
"""

from __future__ import annotations

import numpy as np

from counting.certificate.gates import outputs, right
from counting.certificate.table import below, bin_of, cells, depth, width
from counting.engine import block
from counting.engine.block import LSTM, RELU, load_cell
from counting.engine.lanes import LANES, at, inlined, kernel, lane_loop, like
from counting.engine.layout import CLOSE, OPEN, TAPE_ROWS, C, H

MOST_SLOTS = 128
"""A step back in the search is one byte: 1 bit for the symbol, 7 for the slot it came from."""


@lane_loop
def _advance(cell, weights, readout, symbol, states, count, after, fine, shallow, state, tape):
    """Return what one symbol makes of `count` states (2, n), and which are read rightly; the first `shallow` at
    depth 0.
    """
    for start in range(0, count, LANES):
        for lane in range(LANES):
            state[at(H, lane)] = states[H, start + lane]
            state[at(C, lane)] = states[C, start + lane]
        block.step_cell(cell, weights, like(0.0, weights[0]), symbol, state, tape)
        _read(readout, state, after, fine, shallow, start)


@lane_loop
def _read(readout, state, after, fine, shallow, start):
    for lane in range(LANES):
        h = state[at(H, lane)]
        after[H, start + lane] = h
        after[C, start + lane] = state[at(C, lane)]
        deep = right(readout, True, h, h)
        flat = right(readout, False, h, h)
        fine[start + lane] = deep if start + lane >= shallow else flat


@inlined
def _keep(states, origin, candidates, came, i, new, slot):
    """Put candidate i into `slot` of the new cell that starts at `new`."""
    states[H, new + slot] = candidates[H, i]
    states[C, new + slot] = candidates[C, i]
    origin[slot] = came[i]


@lane_loop
def _select(cell, slots, candidates, number, came, states, new, origin, taken):
    """Choose at most `slots` of `number` candidates (2, n) for the cell that starts at `new`. Returns how
    many.

    If they do not all fit, the keys' range is cut into bins, and each bin keeps its outermost state. For the
    LSTM, whose key is c, two slots are for the smallest and the largest h.
    """
    if number <= slots:
        for i in range(number):
            _keep(states, origin, candidates, came, i, new, i)
        return number
    row = C if cell == LSTM else H
    bins = slots - 2 if cell == LSTM else slots
    least = most = candidates[row, 0]
    for i in range(number):
        least = min(least, candidates[row, i])
        most = max(most, candidates[row, i])
    taken[:slots] = -1
    for i in range(number):
        key = candidates[row, i]
        if cell == RELU:
            # The key may be infinite: just the two ends.
            if key == least:
                taken[0] = i
            if key == most:
                taken[1] = i
        else:
            b = bin_of(key, least, most, bins)
            kept = taken[b]
            if kept < 0 or (key < candidates[row, kept] if 2 * b < bins else key > candidates[row, kept]):
                taken[b] = i
        if cell == LSTM:
            h = candidates[H, i]
            if taken[bins] < 0 or h < candidates[H, taken[bins]]:
                taken[bins] = i
            if taken[bins + 1] < 0 or h > candidates[H, taken[bins + 1]]:
                taken[bins + 1] = i
    count = 0
    for b in range(slots):
        if taken[b] >= 0:
            _keep(states, origin, candidates, came, taken[b], new, count)
            count += 1
    return count


@lane_loop
def _gather(images, fine, counts, slots, old, symbol, candidates, came, number):
    """Append the images of one old cell's states to the candidates. Returns (number, origin of a wrong one or
    −1).
    """
    for slot in range(counts[old]):
        i = old * slots + slot
        byte = symbol * MOST_SLOTS + slot
        if not fine[i]:
            return number, byte
        candidates[H, number] = images[H, i]
        candidates[C, number] = images[C, i]
        came[number] = byte
        number += 1
    return number, -1


@lane_loop
def _trace_back(origins, t, j, byte):
    """Return the prefix of t symbols that ends in cell j by the step `byte`."""
    prefix = np.empty(t, np.int8)
    while True:
        symbol, slot = byte // MOST_SLOTS, byte % MOST_SLOTS
        prefix[t - 1] = symbol
        j = below(t, j) if symbol == OPEN else below(t, j) + 1
        t -= 1
        if t == 0:
            return prefix
        byte = np.int64(origins[t, j, slot])


@kernel()
def search(cell, parameters, network, longest, slots):
    """Look for a prefix that is read wrongly, in words of up to `longest` symbols.

    parameters: a block that holds the network in every lane; network: its `Numbers`.
    Returns the prefix, int8 (t,): of all prefixes looked at that are wrong, the one whose word is shortest.
    Empty if none is wrong.
    """
    weights, readout = load_cell(cell, parameters, 1.0), outputs(network)
    n = width(longest, slots)
    states = np.zeros((2, n), parameters.dtype)
    up, down = np.zeros_like(states), np.zeros_like(states)
    up_fine, down_fine = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    counts, new_counts = np.zeros(n, np.int64), np.zeros(n, np.int64)
    origins = np.empty((longest + 1, longest // 4 + 2, slots), np.uint8)
    candidates, came = np.empty((2, 2 * slots), parameters.dtype), np.empty(2 * slots, np.int64)
    taken = np.empty(slots, np.int64)
    opening, closing = np.full(LANES, OPEN, np.int32), np.full(LANES, CLOSE, np.int32)
    state, tape = np.zeros(3 * LANES, parameters.dtype), np.zeros(TAPE_ROWS * LANES, parameters.dtype)
    counts[0] = 1
    used, bound = 1, longest + 2
    wrong_t, wrong_j, wrong_step = 0, 0, 0
    for t in range(1, longest + 1):
        row = cells(t, bound)
        if row == 0:
            break
        _advance(cell, weights, readout, opening, states, used * slots, up, up_fine, 0, state, tape)
        # `)` leads to depth 0 from the first cell of an odd row.
        shallow = slots if t % 2 == 0 else 0
        _advance(cell, weights, readout, closing, states, used * slots, down, down_fine, shallow, state, tape)
        for j in range(row):
            old = below(t, j)
            number, wrong = 0, -1
            if old >= 0:
                number, wrong = _gather(up, up_fine, counts, slots, old, OPEN, candidates, came, 0)
            if wrong < 0:
                old += 1
                number, wrong = _gather(down, down_fine, counts, slots, old, CLOSE, candidates, came, number)
            if wrong >= 0:
                # From here on only shorter words matter: no deeper cell of this row, fewer cells of the next
                # ones.
                bound, row = t + depth(t, j), j
                wrong_t, wrong_j, wrong_step = t, j, wrong
                break
            new = j * slots
            new_counts[j] = _select(cell, slots, candidates, number, came, states, new, origins[t, j], taken)
        new_counts[row : row + 2] = 0
        counts, new_counts, used = new_counts, counts, row
    if wrong_t == 0:
        return np.empty(0, np.int8)
    return _trace_back(origins, wrong_t, wrong_j, wrong_step)
