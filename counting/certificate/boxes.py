"""Sets of states as boxes: an interval of h and, for the LSTM, one of c.

Boxes stand in arrays (rows, n), rows H_LOW, H_HIGH and, for the LSTM, C_LOW, C_HIGH. As in the engine the
work is done LANES at a time, so that it becomes SIMD; here the lanes are boxes of one network.
"""

from __future__ import annotations

from counting.certificate import gru, lstm, relu
from counting.certificate.gates import outputs, right
from counting.engine.block import GRU, LSTM
from counting.engine.lanes import LANES, inlined, lane_loop

H_LOW, H_HIGH, C_LOW, C_HIGH = 0, 1, 2, 3


@inlined
def rows(cell):
    """Rows of an array of boxes."""
    return 4 if cell == LSTM else 2


@lane_loop
def images(cell, network, symbol, boxes, start, after):
    """Return what one symbol makes of LANES boxes from `start` on, into `after`: (rows, LANES)."""
    if cell == LSTM:
        numbers4 = lstm.numbers(network, symbol)
        for lane in range(LANES):
            i = start + lane
            h_low, h_high, c_low, c_high = lstm.image(
                numbers4, boxes[H_LOW, i], boxes[H_HIGH, i], boxes[C_LOW, i], boxes[C_HIGH, i]
            )
            after[H_LOW, lane] = h_low
            after[H_HIGH, lane] = h_high
            after[C_LOW, lane] = c_low
            after[C_HIGH, lane] = c_high
    elif cell == GRU:
        numbers3 = gru.numbers(network, symbol)
        for lane in range(LANES):
            after[H_LOW, lane], after[H_HIGH, lane] = gru.image(
                numbers3, boxes[H_LOW, start + lane], boxes[H_HIGH, start + lane]
            )
    else:
        numbers1 = relu.numbers(network, symbol)
        for lane in range(LANES):
            after[H_LOW, lane], after[H_HIGH, lane] = relu.image(
                numbers1, boxes[H_LOW, start + lane], boxes[H_HIGH, start + lane]
            )


@lane_loop
def image(cell, network, symbol, boxes, i, after):
    """Return what one symbol makes of box i, into column 0 of `after`."""
    h_low, h_high = boxes[H_LOW, i], boxes[H_HIGH, i]
    if cell == LSTM:
        c_low, c_high = boxes[C_LOW, i], boxes[C_HIGH, i]
        h_low, h_high, c_low, c_high = lstm.image(
            lstm.numbers(network, symbol), h_low, h_high, c_low, c_high
        )
        after[C_LOW, 0] = c_low
        after[C_HIGH, 0] = c_high
    elif cell == GRU:
        h_low, h_high = gru.image(gru.numbers(network, symbol), h_low, h_high)
    else:
        h_low, h_high = relu.image(relu.numbers(network, symbol), h_low, h_high)
    after[H_LOW, 0] = h_low
    after[H_HIGH, 0] = h_high


@lane_loop
def first_misread(network, boxes, count):
    """Return the first of `count` boxes, one for each depth from 0 on, that is not read rightly; `count` if all
    are.
    """
    readout = outputs(network)
    for depth in range(count):
        if not right(readout, depth > 0, boxes[H_LOW, depth], boxes[H_HIGH, depth]):
            return depth
    return count
