"""The ReLU cell decided: the smallest and the largest state of each length and depth, and how they are
reached.

Both are states of real prefixes (see `relu`), and a read-out is wrong somewhere between them iff it is wrong
at one of them. So the first row and cell that is read wrongly gives a word that fails, and a shortest one.
"""

from __future__ import annotations

import numpy as np

from counting.certificate import relu
from counting.certificate.gates import outputs, right
from counting.certificate.table import below, cells, depth
from counting.engine.lanes import kernel, lane_loop, like
from counting.engine.layout import CLOSE, OPEN

LOW, HIGH = 0, 1


@lane_loop
def _row(numbers_open, numbers_close, old, new, first, last, shift, origin):
    """Cells `first` … `last` − 1 of a row, each from two cells of the row before: what is least, most, and
    its way.

    old, new: (2, n), rows LOW and HIGH. A bit of `origin` says that the end was reached by `)`. Returns
    whether all numbers are finite.
    """
    finite = 0
    for j in range(first, last):
        up_low, up_high = relu.image(numbers_open, old[LOW, j - shift], old[HIGH, j - shift])
        down_low, down_high = relu.image(numbers_close, old[LOW, j - shift + 1], old[HIGH, j - shift + 1])
        new[LOW, j] = down_low if down_low < up_low else up_low
        new[HIGH, j] = down_high if down_high > up_high else up_high
        origin[j] = np.uint8(down_low < up_low) | np.uint8(2) * np.uint8(down_high > up_high)
        # A sum of finite numbers whose difference with itself is 0.
        total = (up_low + up_high) + (down_low + down_high)
        finite += total - total == like(0.0, total)
    return finite == last - first


@lane_loop
def _wrong(readout, new, shallow, row):
    """Return the first cell of a row that is read wrongly at an end, or `row`. The first `shallow` cells are at
    depth 0.
    """
    wrong = 0
    for j in range(shallow, row):
        wrong += not right(readout, True, new[LOW, j], new[HIGH, j])
    if shallow and not right(readout, False, new[LOW, 0], new[HIGH, 0]):
        return 0
    if wrong:
        for j in range(shallow, row):
            if not right(readout, True, new[LOW, j], new[HIGH, j]):
                return j
    return row


@lane_loop
def _trace_back(origins, rising, t, j, end):
    """Return the prefix of t symbols that reaches the end LOW or HIGH of cell j."""
    prefix = np.empty(t, np.int8)
    while t > 0:
        symbol = (origins[t, j] >> end) & 1
        prefix[t - 1] = symbol
        j = below(t, j) if symbol == OPEN else below(t, j) + 1
        end = end if rising else 1 - end
        t -= 1
    return prefix


@kernel()
def shortest_failure(network, longest):
    """Return a shortest word of up to `longest` symbols that a ReLU network fails on.

    Returns (whether all states are finite: if not, nothing is said; the prefix, int8 (t,), after which it is
    wrong, empty if it is right on all these words).
    """
    numbers_open, numbers_close = relu.numbers(network, OPEN), relu.numbers(network, CLOSE)
    readout = outputs(network)
    old = np.zeros((2, longest // 4 + 3), network.gates.dtype)
    new = np.zeros_like(old)
    origins = np.zeros((longest + 1, longest // 4 + 2), np.uint8)
    used, bound = 1, longest - longest % 2 + 2
    wrong_t, wrong_j, wrong_end = 0, 0, 0
    for t in range(1, longest + 1):
        row = cells(t, bound)
        if row == 0:
            break
        shift = 1 - t % 2
        # Cell 0 of an even row has no cell below it; the deepest cell may have none above.
        inner = min(row, used - 1 + shift)
        finite = _row(numbers_open, numbers_close, old, new, shift, inner, shift, origins[t])
        if shift:
            new[LOW, 0], new[HIGH, 0] = relu.image(numbers_close, old[LOW, 0], old[HIGH, 0])
            origins[t, 0] = 3
        for j in range(inner, row):
            new[LOW, j], new[HIGH, j] = relu.image(numbers_open, old[LOW, j - shift], old[HIGH, j - shift])
            finite = finite and new[HIGH, j] - new[LOW, j] == new[HIGH, j] - new[LOW, j]
        if not finite or new[HIGH, 0] - new[HIGH, 0] != 0:
            return False, np.empty(0, np.int8)
        j = _wrong(readout, new, shift, row)
        if j < row:
            # From here on only shorter words matter: no deeper cell of this row, fewer cells of the next
            # ones.
            at_low = right(readout, depth(t, j) > 0, new[LOW, j], new[LOW, j])
            bound, row = t + depth(t, j), j
            wrong_t, wrong_j, wrong_end = t, j, HIGH if at_low else LOW
        old, new, used = new, old, row
    rising = numbers_open[1] >= 0
    return True, _trace_back(origins, rising, wrong_t, wrong_j, wrong_end)
