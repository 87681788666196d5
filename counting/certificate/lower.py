"""No word shorter than this fails: boxes that hold every state of every prefix, for each length and depth.

For each length t and depth d the table keeps up to `slots` boxes; together they hold the states of *all*
prefixes of that length and depth (see `lstm` and `gru` for what one symbol makes of a box). As long as there
are few prefixes each has a box of its own, a single state, and nothing is lost; later, boxes of neighbouring
states are joined. The first box that touches the wrong side of the read-out's threshold ends the proof: more
slots, longer proof.
"""

from __future__ import annotations

import numpy as np

from counting.certificate.boxes import C_HIGH, C_LOW, H_HIGH, H_LOW, images, rows
from counting.certificate.gates import outputs, right
from counting.certificate.table import below, bin_of, cells, depth, key_row, width
from counting.engine.lanes import LANES, inlined, kernel, lane_loop, like
from counting.engine.layout import CLOSE, OPEN


@lane_loop
def _advance(cell, network, symbol, boxes, count, after, fine, shallow, lanes):
    """Return what one symbol makes of `count` boxes, and which are read rightly; the first `shallow` end at depth
    0.
    """
    for start in range(0, count, LANES):
        images(cell, network, symbol, boxes, start, lanes)
        _read(network, lanes, after, fine, shallow, start)


@lane_loop
def _read(network, lanes, after, fine, shallow, start):
    for row in range(after.shape[0]):
        for lane in range(LANES):
            after[row, start + lane] = lanes[row, lane]
    readout = outputs(network)
    for lane in range(LANES):
        deep = right(readout, True, lanes[H_LOW, lane], lanes[H_HIGH, lane])
        flat = right(readout, False, lanes[H_LOW, lane], lanes[H_HIGH, lane])
        fine[start + lane] = deep if start + lane >= shallow else flat


@lane_loop
def _gather(after, fine, counts, slots, old, candidates, number):
    """Append the images of one old cell's boxes to the candidates. Returns (number, all read rightly)."""
    for i in range(old * slots, old * slots + counts[old]):
        if not fine[i]:
            return number, False
        for row in range(after.shape[0]):
            candidates[row, number] = after[row, i]
        number += 1
    return number, True


@inlined
def _join(boxes, box, candidates, i, empty):
    """Let `box` hold candidate i."""
    for side in range(boxes.shape[0] // 2):
        low, high = candidates[2 * side, i], candidates[2 * side + 1, i]
        boxes[2 * side, box] = low if empty else min(low, boxes[2 * side, box])
        boxes[2 * side + 1, box] = high if empty else max(high, boxes[2 * side + 1, box])


@lane_loop
def _merge(cell, slots, candidates, number, boxes, new, place):
    """Put `number` candidates into at most `slots` boxes from `new` on, joined by bins of their middles."""
    if number <= slots:
        for i in range(number):
            _join(boxes, new + i, candidates, i, True)
        return number
    low, high = key_row(cell, H_LOW, C_LOW), key_row(cell, H_HIGH, C_HIGH)
    half = like(0.5, candidates[0, 0])
    least = most = half * (candidates[low, 0] + candidates[high, 0])
    for i in range(number):
        middle = half * (candidates[low, i] + candidates[high, i])
        least, most = min(least, middle), max(most, middle)
    place[:slots] = -1
    count = 0
    for i in range(number):
        b = bin_of(half * (candidates[low, i] + candidates[high, i]), least, most, slots)
        empty = place[b] < 0
        if empty:
            place[b] = new + count
            count += 1
        _join(boxes, place[b], candidates, i, empty)
    return count


@kernel()
def lower_bound(cell, network, longest, slots):
    """Return a length L such that every word shorter than L is right, at most longest + 2."""
    dtype = network.gates.dtype
    n = width(longest, slots)
    boxes = np.zeros((rows(cell), n), dtype)
    up, down = np.zeros_like(boxes), np.zeros_like(boxes)
    up_fine, down_fine = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    counts, new_counts = np.zeros(n, np.int64), np.zeros(n, np.int64)
    candidates, place = np.empty((rows(cell), 2 * slots), dtype), np.empty(slots, np.int64)
    lanes = np.zeros((rows(cell), LANES), dtype)
    counts[0] = 1
    used, bound = 1, longest + 2
    for t in range(1, longest + 1):
        row = cells(t, bound)
        if row == 0:
            break
        _advance(cell, network, OPEN, boxes, used * slots, up, up_fine, 0, lanes)
        # `)` leads to depth 0 from the first cell of an odd row.
        shallow = slots if t % 2 == 0 else 0
        _advance(cell, network, CLOSE, boxes, used * slots, down, down_fine, shallow, lanes)
        for j in range(row):
            under = below(t, j)
            number, fine = 0, True
            if under >= 0:
                number, fine = _gather(up, up_fine, counts, slots, under, candidates, 0)
            if fine:
                number, fine = _gather(down, down_fine, counts, slots, under + 1, candidates, number)
            if not fine:
                bound, row = t + depth(t, j), j
                break
            new_counts[j] = _merge(cell, slots, candidates, number, boxes, j * slots, place)
        new_counts[row : row + 2] = 0
        counts, new_counts, used = new_counts, counts, row
    return bound
