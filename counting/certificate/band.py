"""Words of any length: a band of states over depth that no symbol leads out of.

For each depth up to some D the band is a box of states. If the start lies in it at depth 0, if `(` takes
every state of it into it one depth further up and `)` one further down, then every prefix of every word that
stays within depth D is in a state of the band, however long it is. If the read-out is right on the whole
band, all those words are right.

The smallest such band is found by sweeps, up and down, each box growing to hold the images of its neighbours,
until nothing grows. An exact counter is the case where every box is a single state: a ladder, climbed and
walked down once. Boxes that already hold what their neighbours send are recognized LANES at a time.
"""

from __future__ import annotations

import numpy as np

from counting.certificate import lstm
from counting.certificate.boxes import first_misread, image, images, rows
from counting.engine.lanes import LANES, inlined, kernel, lane_loop, like
from counting.engine.layout import CLOSE, OPEN

CLOSED, MISREAD, RESTLESS = 0, 1, 2
"""How the search for a band ends: with a band; at a depth where the read-out is wrong on some of it; or it
grew on and on, or out of the finite numbers, and the search was given up."""


@lane_loop
def _guess(band, rung, last):
    """Fill LANES rungs above `rung` as if the states went on in equal steps."""
    for row in range(band.shape[0]):
        top = band[row, rung]
        step = top - band[row, rung - 1] if rung else like(0.0, top)
        for k in range(1, min(LANES, last - rung) + 1):
            band[row, rung + k] = top + like(k, top) * step


@inlined
def _settled(after, band, first, lane, exactly):
    """Whether the box in `lane` of `after` is inside (or, if `exactly`, the same as) box first + lane."""
    inside = True
    for side in range(band.shape[0] // 2):
        low = after[2 * side, lane]
        high = after[2 * side + 1, lane]
        band_low = band[2 * side, first + lane]
        band_high = band[2 * side + 1, first + lane]
        same = (low == band_low) & (high == band_high)
        inside = inside & (same if exactly else (low >= band_low) & (high <= band_high))
    return inside


@lane_loop
def _all_settled(after, band, first, count, exactly):
    settled = 0
    for lane in range(LANES):
        settled += _settled(after, band, first, lane, exactly) | (lane >= count)
    return settled == LANES


@inlined
def _grow(after, band, rung):
    """Let the box at `rung` hold the image in column 0 of `after`. Returns (grew, still finite)."""
    grew = False
    finite = True
    for side in range(band.shape[0] // 2):
        low = after[2 * side, 0]
        high = after[2 * side + 1, 0]
        # A difference of two finite numbers: neither infinite nor NaN.
        finite = finite and (low - low == like(0.0, low)) and (high - high == like(0.0, high))
        if low < band[2 * side, rung]:
            band[2 * side, rung] = low
            grew = True
        if high > band[2 * side + 1, rung]:
            band[2 * side + 1, rung] = high
            grew = True
    return grew, finite


@lane_loop
def _climb(cell, network, symbol, band, last, after):
    """Return the first sweep, up from the start: a band of single states. Returns whether they stay finite."""
    rung = 0
    while rung < last:
        count = min(LANES, last - rung)
        _guess(band, rung, last)
        images(cell, network, symbol, band, rung, after)
        if _all_settled(after, band, rung + 1, count, True):
            rung += count
            continue
        for _ in range(count):
            image(cell, network, symbol, band, rung, after)
            for row in range(band.shape[0]):
                band[row, rung + 1] = after[row, 0]
                if after[row, 0] - after[row, 0] != like(0.0, after[row, 0]):
                    return False
            rung += 1
    return True


@lane_loop
def _sweep(cell, network, symbol, up, band, last, after):
    """Let every box hold the images of the boxes below (`up`) or above it. Returns (grew, still finite)."""
    grew = False
    blocks = (last + LANES - 1) // LANES
    for number in range(blocks):
        first = LANES * (number if up else blocks - 1 - number)
        count = min(LANES, last - first)
        images(cell, network, symbol, band, first if up else first + 1, after)
        if _all_settled(after, band, first + 1 if up else first, count, False):
            continue
        for k in range(count):
            rung = first + k if up else first + count - k
            image(cell, network, symbol, band, rung, after)
            new, finite = _grow(after, band, rung + 1 if up else rung - 1)
            if not finite:
                return True, False
            grew = grew or new
    return grew, True


@kernel()
def close_band(cell, network, last, sweeps):
    """Look for a band over depths 0 to `last` with at most `sweeps` sweeps.

    Returns (how it ended, depth, band): depth is where the read-out is wrong, if it is; band is (rows, last +
    1).
    """
    dtype = network.gates.dtype
    # Room for whole blocks of lanes beyond the last rung.
    band = np.zeros((rows(cell), last + 1 + 2 * LANES), dtype)
    after = np.zeros((4, LANES), dtype)
    ending, depth = RESTLESS, -1
    finite = _climb(cell, network, OPEN, band, last, after)
    up = False
    for _ in range(sweeps):
        if not finite:
            break
        depth = first_misread(network, band, last + 1)
        if depth <= last:
            ending = MISREAD
            break
        grew, finite = _sweep(cell, network, OPEN if up else CLOSE, up, band, last, after)
        if not grew:
            ending = CLOSED
            break
        up = not up
    return ending, depth, band[:, : last + 1]


@kernel()
def saturated(network, h_low, h_high):
    """Whether an LSTM's i = f = 1 and g = ±1, to the bit, for every h in [h_low, h_high], on either symbol."""
    opening, closing = lstm.numbers(network, OPEN), lstm.numbers(network, CLOSE)
    return lstm.saturated(opening, h_low, h_high) and lstm.saturated(closing, h_low, h_high)
