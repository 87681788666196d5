"""The LSTM cell of hidden size 1 on a whole box of states, h and c each in an interval.

    i, f, o = sigmoid(·),  g = tanh(·),  c' = f c + i g,  h' = o tanh(c')

sigmoid and tanh, as the engine computes them, are monotone (checked over every float32), like everything else here;
`gates` has what another arithmetic may change. What is lost is that the gates and c depend on one another, since all of
them saw the same past; so the box may hold states that no prefix reaches. A box of a single state keeps it exactly.
"""

from __future__ import annotations

from counting.certificate.gates import error, gate_numbers, gate_range, product, sigmoid_range, tanh_range
from counting.engine.lanes import inlined, like
from counting.engine.lstm import CANDIDATE, FORGET, INPUT, OUTPUT


@inlined
def numbers(network, symbol):
    """Return what a step reads, for one symbol: the numbers of i, f, g, o; the error."""
    return (
        gate_numbers(network.gates, INPUT, symbol),
        gate_numbers(network.gates, FORGET, symbol),
        gate_numbers(network.gates, CANDIDATE, symbol),
        gate_numbers(network.gates, OUTPUT, symbol),
        error(network),
    )


@inlined
def image(numbers, h_low, h_high, c_low, c_high):
    """Return a box around what one symbol makes of the states in a box: (lowest h, highest h, lowest c, highest c)."""
    error = numbers[4]
    slack, one = error[0], like(1.0, h_low)
    low, high = gate_range(numbers[0], h_low, h_high)
    i_low, i_high = sigmoid_range(low, high, error)
    low, high = gate_range(numbers[1], h_low, h_high)
    f_low, f_high = sigmoid_range(low, high, error)
    low, high = gate_range(numbers[2], h_low, h_high)
    g_low, g_high = tanh_range(low, high, error)
    low, high = gate_range(numbers[3], h_low, h_high)
    o_low, o_high = sigmoid_range(low, high, error)
    kept_low, kept_high = product(f_low, f_high, c_low, c_high)
    added_low, added_high = product(i_low, i_high, g_low, g_high)
    # With f = i = 1 one sum is left, and every way to compute it is the same.
    sizes = max(abs(kept_low), abs(kept_high)) + max(abs(added_low), abs(added_high))
    more = like(0.0, h_low) if (f_low == one) & (i_low == one) else slack * sizes
    after_low = kept_low + added_low - more
    after_high = kept_high + added_high + more
    low, high = tanh_range(after_low, after_high, error)
    shown_low, shown_high = product(o_low, o_high, low, high)
    return shown_low - slack * abs(shown_low), shown_high + slack * abs(shown_high), after_low, after_high


@inlined
def saturated(numbers, h_low, h_high):
    """Whether i = f = 1 and g is ±1, to the bit, for every h in [h_low, h_high]."""
    one = like(1.0, h_low)
    i_low, _ = gate_range(numbers[0], h_low, h_high)
    f_low, _ = gate_range(numbers[1], h_low, h_high)
    g_low, g_high = gate_range(numbers[2], h_low, h_high)
    i_low, _ = sigmoid_range(i_low, i_low, numbers[4])
    f_low, _ = sigmoid_range(f_low, f_low, numbers[4])
    g_low, g_high = tanh_range(g_low, g_high, numbers[4])
    return (i_low == one) & (f_low == one) & (abs(g_low) == one) & (g_low == g_high)
