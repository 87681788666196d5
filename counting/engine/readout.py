"""The read-out and the loss: two sigmoids of h, their mean squared error, and its gradient.

    y_k = sigmoid(w_k h + b_k),  L = mean over steps and both outputs of (y_k − target_k)²
"""

from __future__ import annotations

from counting.engine.activations import sigmoid
from counting.engine.lanes import at, inlined, like
from counting.engine.layout import FROM_READOUT, LOSS, NONZERO, SHARE, H, output_bias, output_weight


@inlined
def logit(weights, output, state, lane):
    """w_k h + b_k: output k says yes iff this is ≥ 0."""
    return weights[at(output_weight(output), lane)] * state[at(H, lane)] + weights[at(output_bias(output), lane)]


@inlined
def _output(weights, output, target, share, state, gradient, lane):
    """One output's loss and gradient, added to `state` and `gradient`; returns its share of dL/dh."""
    y = sigmoid(logit(weights, output, state, lane))
    error = y - target
    state[at(LOSS, lane)] += like(0.5, y) * share * (error * error)
    dz = share * error * (y * (like(1.0, y) - y))
    gradient[at(output_weight(output), lane)] += dz * state[at(H, lane)]
    gradient[at(output_bias(output), lane)] += dz
    return weights[at(output_weight(output), lane)] * dz


@inlined
def step(weights, state, tape, gradient, lane):
    """The loss of one step, and its gradient. Targets: `(` is always allowed, `)` where the depth is positive."""
    share = tape[at(SHARE, lane)]
    opening = _output(weights, 0, like(1.0, share), share, state, gradient, lane)
    closing = _output(weights, 1, tape[at(NONZERO, lane)], share, state, gradient, lane)
    tape[at(FROM_READOUT, lane)] = opening + closing
