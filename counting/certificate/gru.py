"""The GRU cell of hidden size 1 on a whole interval of states.

    r, z = sigmoid(·),  n = tanh(W_n x + b_n + r (U_n h + b'_n)),  h' = (h − n) z + n

As for the LSTM, the extremes of each rounded operation are at the ends of its operands. But n stands twice in
h', and taken as two numbers it would count twice. In real numbers h' = z h + (1 − z) n rises with h and with
n, so its extremes are at their ends together; what the three roundings add is at most

    e = u (2 |h − n| z + |h'|),   u = half the distance from 1 to the next number,

once where the bound is computed and once where the network computes. Both bounds hold, so the tighter one is
taken; the first is the exact one for a single state.
"""

from __future__ import annotations

import numpy as np

from counting.certificate.gates import BIAS, WEIGHT, gate_range, product
from counting.engine.activations import sigmoid, tanh
from counting.engine.gru import CANDIDATE, RESET, UPDATE
from counting.engine.lanes import inlined, like


@inlined
def numbers(gates, symbol):
    """What a step reads, for one symbol: drive, recurrent weight, recurrent bias of r, z, n; the roundings'
    unit."""
    return (
        gates[RESET, symbol], gates[RESET, WEIGHT], gates[RESET, BIAS],
        gates[UPDATE, symbol], gates[UPDATE, WEIGHT], gates[UPDATE, BIAS],
        gates[CANDIDATE, symbol], gates[CANDIDATE, WEIGHT], gates[CANDIDATE, BIAS],
        np.finfo(gates.dtype).eps,
    )  # fmt: skip


@inlined
def _mixed(h, n, z):
    return (h - n) * z + n


@inlined
def image(numbers, h_low, h_high):
    """An interval around what one symbol makes of h in [h_low, h_high]: (lowest h, highest h)."""
    zero = like(0.0, h_low)
    r_low, r_high = gate_range(numbers[0], numbers[1], numbers[2], h_low, h_high)
    z_low, z_high = gate_range(numbers[3], numbers[4], numbers[5], h_low, h_high)
    z_low, z_high = sigmoid(z_low), sigmoid(z_high)
    recalled_low, recalled_high = gate_range(zero, numbers[7], numbers[8], h_low, h_high)
    recalled_low, recalled_high = product(sigmoid(r_low), sigmoid(r_high), recalled_low, recalled_high)
    n_low, n_high = tanh(numbers[6] + recalled_low), tanh(numbers[6] + recalled_high)

    kept_low, kept_high = product(z_low, z_high, h_low - n_high, h_high - n_low)
    low, high = kept_low + n_low, kept_high + n_high

    # Twice e, and half as much again for the roundings in this very sum; 2^-140 for products that underflow.
    widest = max(abs(h_high - n_low), abs(h_low - n_high)) * z_high
    largest = max(max(abs(h_low), abs(h_high)), max(abs(n_low), abs(n_high)))
    slack = like(numbers[9], zero) * (like(3.0, zero) * widest + like(2.0, zero) * largest)
    slack += like(2.0**-140, zero)
    together_low = min(_mixed(h_low, n_low, z_low), _mixed(h_low, n_low, z_high)) - slack
    together_high = max(_mixed(h_high, n_high, z_low), _mixed(h_high, n_high, z_high)) + slack
    return max(low, together_low), min(high, together_high)
