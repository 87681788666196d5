"""The GRU cell of hidden size 1 on a whole interval of states.

    r, z = sigmoid(·),  q = U_n h + b'_n,  n = tanh(W_n x + b_n + r q),  h' = T(h) = (h − n) z + n

Two bounds hold, and the tighter one is taken. The first takes the extremes of each rounded operation at the
ends of its operands, as for the LSTM; it is exact for a single state, but h stands in T many times and is
taken as many numbers.

The second looks at T as a function of one real number. Where its derivative has one sign on the interval, T
is monotone, and its extremes are its values at the ends; else T is nowhere further from its values at the
ends than half the interval's length times its steepest slope. What the network computes differs from T by at
most e, the sum of what all roundings may add, and so does what is computed here at the ends: 2 e is allowed
for. sigmoid and tanh are within 3 units in the last place of the exact functions (checked over every
float32).

Only the second bound, with a four times larger epsilon, holds however the network is computed: e is counted whatever
the order of the sums, fused or not, also for h' = (1 − z) n + z h; and other sigmoids are within four times 3 units.
"""

from __future__ import annotations

import numpy as np

from counting.certificate.gates import BIAS, SPREAD, WEIGHT, product
from counting.engine.activations import sigmoid, tanh
from counting.engine.gru import CANDIDATE, RESET, UPDATE
from counting.engine.lanes import inlined, like


@inlined
def numbers(network, symbol):
    """Return what a step reads, for one symbol: drive, recurrent weight, recurrent bias of r, z, n.

    Then the machine epsilon that is allowed for; whether the network may be computed in any way, and what that changes
    in the sums of r, z, n.
    """
    gates = network.gates
    however = network.error[0] > like(0.0, gates[0, 0])
    return (
        gates[RESET, symbol], gates[RESET, WEIGHT], gates[RESET, BIAS],
        gates[UPDATE, symbol], gates[UPDATE, WEIGHT], gates[UPDATE, BIAS],
        gates[CANDIDATE, symbol], gates[CANDIDATE, WEIGHT], gates[CANDIDATE, BIAS],
        np.finfo(gates.dtype).eps * (4 if however else 1),
        however,
        gates[RESET, SPREAD + symbol], gates[UPDATE, SPREAD + symbol], gates[CANDIDATE, SPREAD + symbol],
    )  # fmt: skip


@inlined
def image(numbers, h_low, h_high):
    """Return an interval around what one symbol makes of h in [h_low, h_high]: (lowest h, highest h)."""
    zero = like(0.0, h_low)
    r_low, r_high = _gate_range(numbers[0], numbers[1], numbers[2], h_low, h_high)
    z_low, z_high = _gate_range(numbers[3], numbers[4], numbers[5], h_low, h_high)
    q_low, q_high = _gate_range(zero, numbers[7], numbers[8], h_low, h_high)
    r_low, r_high, z_low, z_high = sigmoid(r_low), sigmoid(r_high), sigmoid(z_low), sigmoid(z_high)
    recalled_low, recalled_high = product(r_low, r_high, q_low, q_high)
    n_low, n_high = tanh(numbers[6] + recalled_low), tanh(numbers[6] + recalled_high)
    kept_low, kept_high = product(z_low, z_high, h_low - n_high, h_high - n_low)
    low, high = kept_low + n_low, kept_high + n_high

    r_error, z_error, q_error, n_error = _errors(numbers, max(abs(h_low), abs(h_high)))
    flattest, steepest = _slopes(
        numbers,
        h_low, h_high,
        max(r_low - r_error, zero), min(r_high + r_error, like(1.0, zero)),
        max(z_low - z_error, zero), min(z_high + z_error, like(1.0, zero)),
        q_low - q_error, q_high + q_error,
        max(n_low - n_error, like(-1.0, zero)), min(n_high + n_error, like(1.0, zero)),
    )  # fmt: skip
    farthest = max(abs(h_high - n_low), abs(h_low - n_high))
    error = n_error + farthest * z_error + like(numbers[9], zero) * (farthest + like(1.0, zero))
    # 2 e, a quarter more for the roundings in these very lines, and 2^-120 for products that underflow.
    slack = like(2.5, zero) * error + like(2.0**-120, zero)
    monotone = (flattest > zero) | (steepest < zero)
    swing = zero if monotone else max(-flattest, steepest) * (h_high - h_low) * like(0.5001, zero)
    at_low, at_high = _after(numbers, h_low), _after(numbers, h_high)
    second_low, second_high = min(at_low, at_high) - swing - slack, max(at_low, at_high) + swing + slack
    if numbers[10]:
        return second_low, second_high
    return max(low, second_low), min(high, second_high)


@inlined
def _gate_range(drive, weight, bias, h_low, h_high):
    """Return what a gate sees at its least and at its most, in the engine's arithmetic."""
    at_low, at_high = drive + (weight * h_low + bias), drive + (weight * h_high + bias)
    return min(at_low, at_high), max(at_low, at_high)


@inlined
def _after(numbers, h):
    """T(h) as the network computes it."""
    r = sigmoid(numbers[0] + (numbers[1] * h + numbers[2]))
    z = sigmoid(numbers[3] + (numbers[4] * h + numbers[5]))
    n = tanh(numbers[6] + r * (numbers[7] * h + numbers[8]))
    return (h - n) * z + n


@inlined
def _errors(numbers, size):
    """How far r, z, q and n may be from what they would be without rounding, for |h| up to `size`.

    A sum of three numbers, one a product, is off by at most half of epsilon times twice the sum of their
    sizes; no sigmoid is steeper than 1/4, no tanh steeper than 1.
    """
    epsilon = like(numbers[9], size)
    three = like(3.0, size) * epsilon
    quarter = like(0.5, size) * epsilon
    fourth = like(0.25, size)
    r = three + quarter * (abs(numbers[0]) + abs(numbers[1]) * size + abs(numbers[2])) + fourth * numbers[11]
    z = three + quarter * (abs(numbers[3]) + abs(numbers[4]) * size + abs(numbers[5])) + fourth * numbers[12]
    largest = abs(numbers[7]) * size + abs(numbers[8])
    q = like(1.5, size) * epsilon * largest
    n = three + epsilon * (abs(numbers[6]) + largest + largest) + q + largest * r + numbers[13]
    return r, z, q, n


@inlined
def _bell(low, high):
    """Return the range of x (1 − x) for x in [low, high] within [0, 1]."""
    one = like(1.0, low)
    half = like(0.5, low)
    at_low, at_high = low * (one - low), high * (one - high)
    across = (low <= half) & (high >= half)
    return min(at_low, at_high), (like(0.25, low) if across else max(at_low, at_high))


@inlined
def _times(a_low, a_high, b_low, b_high):
    """Return the range of a product."""
    p, q, r, s = a_low * b_low, a_low * b_high, a_high * b_low, a_high * b_high
    return min(min(p, q), min(r, s)), max(max(p, q), max(r, s))


@inlined
def _slopes(numbers, h_low, h_high, r_low, r_high, z_low, z_high, q_low, q_high, n_low, n_high):
    """Bounds on T'(h) = z + z' (h − n) + (1 − z) n', n' = (1 − n²) (r U + r' q)."""
    zero, one = like(0.0, h_low), like(1.0, h_low)
    bell_low, bell_high = _bell(z_low, z_high)
    tilt_low, tilt_high = _times(bell_low, bell_high, h_low - n_high, h_high - n_low)
    tilt_low, tilt_high = _times(tilt_low, tilt_high, numbers[4], numbers[4])
    bell_low, bell_high = _bell(r_low, r_high)
    gate_low, gate_high = _times(bell_low, bell_high, q_low, q_high)
    gate_low, gate_high = _times(gate_low, gate_high, numbers[1], numbers[1])
    recall_low, recall_high = _times(r_low, r_high, numbers[7], numbers[7])
    inner_low, inner_high = gate_low + recall_low, gate_high + recall_high
    wide, narrow = max(abs(n_low), abs(n_high)), min(abs(n_low), abs(n_high))
    narrow = zero if (n_low <= zero) & (n_high >= zero) else narrow
    inner_low, inner_high = _times(
        (one - wide) * (one + wide), (one - narrow) * (one + narrow), inner_low, inner_high
    )
    inner_low, inner_high = _times(one - z_high, one - z_low, inner_low, inner_high)
    # A hundred times what the roundings of these products and sums may add.
    gates = max(abs(gate_low), abs(gate_high)) + max(abs(recall_low), abs(recall_high))
    margin = like(1e-4, zero) * (z_high + max(abs(tilt_low), abs(tilt_high)) + gates)
    return z_low + tilt_low + inner_low - margin, z_high + tilt_high + inner_high + margin
