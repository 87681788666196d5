"""The LSTM cell of hidden size 1 on a whole box of states, h and c each in an interval.

    i, f, o = sigmoid(·),  g = tanh(·),  c' = f c + i g,  h' = o tanh(c')

sigmoid and tanh, as the engine computes them, are monotone (checked over every float32), like everything else
here: see `gates`. What is lost is that the gates and c depend on one another, since all of them saw the same
past; so the box may hold states that no prefix reaches. A box of a single state keeps it exactly.
"""

from __future__ import annotations

from counting.certificate.gates import BIAS, WEIGHT, gate_range, product
from counting.engine.activations import sigmoid, tanh
from counting.engine.lanes import inlined
from counting.engine.lstm import CANDIDATE, FORGET, INPUT, OUTPUT


@inlined
def numbers(gates, symbol):
    """What a step reads, for one symbol: drive, recurrent weight, recurrent bias of i, f, g, o."""
    return (
        gates[INPUT, symbol], gates[INPUT, WEIGHT], gates[INPUT, BIAS],
        gates[FORGET, symbol], gates[FORGET, WEIGHT], gates[FORGET, BIAS],
        gates[CANDIDATE, symbol], gates[CANDIDATE, WEIGHT], gates[CANDIDATE, BIAS],
        gates[OUTPUT, symbol], gates[OUTPUT, WEIGHT], gates[OUTPUT, BIAS],
    )  # fmt: skip


@inlined
def image(numbers, h_low, h_high, c_low, c_high):
    """A box around what one symbol makes of the states in a box: (lowest h, highest h, lowest c, highest
    c)."""
    i_low, i_high = gate_range(numbers[0], numbers[1], numbers[2], h_low, h_high)
    f_low, f_high = gate_range(numbers[3], numbers[4], numbers[5], h_low, h_high)
    g_low, g_high = gate_range(numbers[6], numbers[7], numbers[8], h_low, h_high)
    o_low, o_high = gate_range(numbers[9], numbers[10], numbers[11], h_low, h_high)
    kept_low, kept_high = product(sigmoid(f_low), sigmoid(f_high), c_low, c_high)
    added_low, added_high = product(sigmoid(i_low), sigmoid(i_high), tanh(g_low), tanh(g_high))
    after_low = kept_low + added_low
    after_high = kept_high + added_high
    shown_low, shown_high = product(sigmoid(o_low), sigmoid(o_high), tanh(after_low), tanh(after_high))
    return shown_low, shown_high, after_low, after_high
