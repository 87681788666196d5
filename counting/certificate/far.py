"""Words beyond the tables: zigzags, and prefixes `(^n`, `(^m` that leave the same bits
behind.
"""

from __future__ import annotations

import numpy as np

from counting.certificate.boxes import H_HIGH, H_LOW, image, images, rows
from counting.certificate.gates import outputs, right
from counting.engine.lanes import LANES, kernel, lane_loop, like
from counting.engine.layout import CLOSE, OPEN


@kernel()
def tower(cell, network, height):
    """Return the 0-based first wrong step on `(^height )^height`, or −1."""
    readout = outputs(network)
    state = np.zeros((rows(cell), 1), network.gates.dtype)
    for t in range(2 * height):
        image(cell, network, OPEN if t < height else CLOSE, state, 0, state)
        if not right(readout, t + 1 < 2 * height, state[H_LOW, 0], state[H_HIGH, 0]):
            return t
    return -1


@lane_loop
def _take(states, opened, closed, rising):
    for row in range(states.shape[0]):
        for lane in range(LANES):
            states[row, lane] = opened[row, lane] if rising[lane] else closed[row, lane]


@kernel()
def zigzags(cell, network, bases, peaks, length):
    """Return the first wrong step among the first `length` of LANES zigzags, and the lane it is in; or (−1, −1).

    A zigzag is `(^base (^peak )^peak (^peak )^peak …`. bases, peaks: int64 (LANES,).
    """
    readout = outputs(network)
    states = np.zeros((rows(cell), LANES), network.gates.dtype)
    opened, closed = np.zeros_like(states), np.zeros_like(states)
    depths, rising = np.zeros(LANES, np.int64), np.ones(LANES, np.bool_)
    for t in range(length):
        images(cell, network, OPEN, states, 0, opened)
        images(cell, network, CLOSE, states, 0, closed)
        _take(states, opened, closed, rising)
        for lane in range(LANES):
            depths[lane] += 1 if rising[lane] else -1
            if not right(readout, depths[lane] > 0, states[H_LOW, lane], states[H_HIGH, lane]):
                return t, lane
            top = depths[lane] == bases[lane] + peaks[lane]
            rising[lane] = depths[lane] <= bases[lane] or (rising[lane] and not top)
    return -1, -1


@lane_loop
def _climb(cell, network, state, steps):
    for _ in range(steps):
        image(cell, network, OPEN, state, 0, state)


@lane_loop
def _same(a, b):
    same = True
    for row in range(a.shape[0]):
        same = same and a[row, 0] == b[row, 0]
    return same


@kernel()
def collision(cell, network, steps):
    """Return the least (n, m), n < m, such that `(^n` and `(^m` leave the same bits; (−1, −1) if none is found in
    `steps`.

    Brent's search for the cycle of an iterated function (1980): the state after `(^n` is one, of finitely
    many.
    """
    slow = np.zeros((rows(cell), 1), network.gates.dtype)
    fast = np.zeros_like(slow)
    period, power, taken = 0, 1, 0
    while True:
        _climb(cell, network, fast, 1)
        period += 1
        taken += 1
        if _same(slow, fast):
            break
        if taken >= steps or fast[H_LOW, 0] - fast[H_LOW, 0] != like(0.0, fast[H_LOW, 0]):
            return -1, -1
        if period == power:
            slow[:] = fast
            period, power = 0, 2 * power
    # From the start, with `period` steps between them, both meet where the cycle begins.
    slow[:] = 0
    fast[:] = 0
    _climb(cell, network, fast, period)
    start = 0
    while not _same(slow, fast):
        _climb(cell, network, slow, 1)
        _climb(cell, network, fast, 1)
        start += 1
    return start, start + period
