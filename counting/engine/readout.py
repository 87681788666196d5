"""The read-out and the loss: two sigmoids of h, their mean squared error, and its gradient.

    y_k = sigmoid(w_k h + b_k),  L = mean over steps and both outputs of (y_k − target_k)²
"""

from __future__ import annotations

from counting.engine.activations import sigmoid
from counting.engine.lanes import at, inlined, like
from counting.engine.layout import FROM_READOUT, LOSS, H, output_bias, output_weight


@inlined
def logit(weights, output, state, lane):
    """w_k h + b_k: output k says yes iff this is ≥ 0."""
    return weights[at(output_weight(output), lane)] * state[at(H, lane)] + weights[at(output_bias(output), lane)]


@inlined
def error(weights, output, target, share, state, lane):
    """Adds one output's loss to `state`; returns its sigmoid y and y − target."""
    y = sigmoid(logit(weights, output, state, lane))
    error = y - target
    state[at(LOSS, lane)] += like(0.5, y) * share * (error * error)
    return y, error


@inlined
def _back(weights, output, target, share, state, gradient, lane):
    """One output's loss and gradient, added to `state` and `gradient`; returns its share of dL/dh."""
    y, off = error(weights, output, target, share, state, lane)
    dz = share * off * (y * (like(1.0, y) - y))
    gradient[at(output_weight(output), lane)] += dz * state[at(H, lane)]
    gradient[at(output_bias(output), lane)] += dz
    return weights[at(output_weight(output), lane)] * dz


@inlined
def step(weights, deep, share, state, tape, gradient, lane):
    """The loss of one step, and its gradient. Targets: `(` is always allowed, `)` where the depth is positive.

    deep: 1 where it is, else 0. share: the step's share of the word's loss.
    """
    opening = _back(weights, 0, like(1.0, share), share, state, gradient, lane)
    closing = _back(weights, 1, deep, share, state, gradient, lane)
    tape[at(FROM_READOUT, lane)] = opening + closing
