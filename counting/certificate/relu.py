"""The ReLU cell of hidden size 1 on a whole interval of states.

    h' = max(0, (W x + b) + (U h + b'))

For each symbol h' is monotone in h: a product with a constant, two sums and a maximum are, and so is rounding
each of them. It rises with h where U ≥ 0 and falls where U < 0. So the smallest and the largest state after a
step are the images of the two ends before it, and by induction over the steps the smallest and the largest
state over *all* prefixes of one length and depth are states that two real prefixes reach. Nothing is lost:
the bounds are exact, in the engine's arithmetic.
"""

from __future__ import annotations

from counting.certificate.gates import gate_numbers, gate_range
from counting.engine.lanes import inlined, like


@inlined
def numbers(network, symbol):
    """Return what a step reads, for one symbol."""
    return gate_numbers(network.gates, 0, symbol)


@inlined
def image(numbers, h_low, h_high):
    """Return the range of states that one symbol makes of h in [h_low, h_high]; without slack both ends are reached."""
    low, high = gate_range(numbers, h_low, h_high)
    zero = like(0.0, h_low)
    # NaN passes, as in the engine and in torch.relu.
    return (zero if low < zero else low), (zero if high < zero else high)
