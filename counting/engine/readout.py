"""The read-out and the loss: two outputs of h, what they miss, and its gradient.

    z_k = w_k h + b_k,  y_k = sigmoid(z_k),  L = mean over steps and both outputs of the output's own loss,

which is (y_k − target_k)², the squared error, or −log of the probability that y_k gives its target, the cross-entropy.
"""

from __future__ import annotations

from counting.engine.activations import sigmoid, softplus
from counting.engine.lanes import at, inlined, like
from counting.engine.layout import FROM_READOUT, LOSS, H, output_bias, output_weight

LOSSES = ("mse", "bce")
"""Names of the losses, in the order of the numbers by which kernels know them."""
MSE, BCE = 0, 1


@inlined
def logit(weights, output, state, lane):
    """w_k h + b_k: output k says yes iff this is ≥ 0."""
    return weights[at(output_weight(output), lane)] * state[at(H, lane)] + weights[at(output_bias(output), lane)]


@inlined
def squared_error(z, target, share):
    """One output's part of the loss, and the derivative of that by z. share: the step's share of the word's loss."""
    y = sigmoid(z)
    error = y - target
    return like(0.5, y) * share * (error * error), share * error * (y * (like(1.0, y) - y))


@inlined
def cross_entropy(z, target, share):
    """As `squared_error`, of the cross-entropy: softplus(z) for target 0, softplus(−z) for target 1."""
    half = like(0.5, z) * share
    return half * softplus(-z if target > like(0.5, z) else z), half * (sigmoid(z) - target)


@inlined
def add_loss(loss, weights, deep, share, state, lane):
    """Add the loss of one step to `state`, as `step` does."""
    opening, _ = loss(logit(weights, 0, state, lane), like(1.0, share), share)
    state[at(LOSS, lane)] += opening
    closing, _ = loss(logit(weights, 1, state, lane), deep, share)
    state[at(LOSS, lane)] += closing


@inlined
def _back(loss, weights, output, target, share, state, gradient, lane):
    """One output's loss and gradient, added to `state` and `gradient`; returns its share of dL/dh."""
    part, dz = loss(logit(weights, output, state, lane), target, share)
    state[at(LOSS, lane)] += part
    gradient[at(output_weight(output), lane)] += dz * state[at(H, lane)]
    gradient[at(output_bias(output), lane)] += dz
    return weights[at(output_weight(output), lane)] * dz


@inlined
def step(loss, weights, deep, share, state, tape, gradient, lane):
    """Add the loss of one step, and its gradient. Targets: `(` is always allowed, `)` where the depth is positive.

    loss: `squared_error` or `cross_entropy`. deep: 1 where the depth is positive, else 0. share: the step's share of
    the word's loss, 0 for a lane that waits.
    """
    opening = _back(loss, weights, 0, like(1.0, share), share, state, gradient, lane)
    closing = _back(loss, weights, 1, deep, share, state, gradient, lane)
    tape[at(FROM_READOUT, lane)] = opening + closing
