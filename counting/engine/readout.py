"""The read-out and the loss: some outputs of h, what they miss, and its gradient.

    z_k = w_k h + b_k,  y_k = sigmoid(z_k),  L = mean over steps and outputs of the output's own loss,

which is (y_k − target_k)², the squared error, or −log of the probability that y_k gives its target, the cross-entropy.
"""

from __future__ import annotations

from counting.engine.activations import sigmoid, softplus
from counting.engine.lanes import at, inlined, like
from counting.engine.layout import FROM_READOUT, hidden, loss_row, output_bias, output_weight, tape_row

LOSSES = ("mse", "bce")
"""Names of the losses, in the order of the numbers by which kernels know them."""
MSE, BCE = 0, 1


@inlined
def logit(shape, output, weights, state, lane):
    """w_k h + b_k, added unit by unit: output k says yes iff this is ≥ 0."""
    z = weights[at(output_weight(shape, output, 0), lane)] * state[at(hidden(0), lane)]
    for unit in range(1, len(shape.units)):
        z += weights[at(output_weight(shape, output, unit), lane)] * state[at(hidden(unit), lane)]
    return z + weights[at(output_bias(shape, output), lane)]


@inlined
def right(shape, output, weights, target, state, lane):
    """Tell whether an output is right: yes where its target is 1, no where it is 0."""
    z = logit(shape, output, weights, state, lane)
    zero = like(0.0, z)
    # Not (z ≥ 0) == target: a NaN is always wrong.
    return z >= zero if target else z < zero


@inlined
def squared_error(shape, z, target, share):
    """One output's part of the loss, and the derivative of that by z. share: the step's share of the word's loss."""
    y = sigmoid(z)
    error = y - target
    part, twice = like(1.0 / len(shape.outputs), y) * share, like(2.0 / len(shape.outputs), y) * share
    return part * (error * error), twice * error * (y * (like(1.0, y) - y))


@inlined
def cross_entropy(shape, z, target, share):
    """As `squared_error`, of the cross-entropy: softplus(z) for target 0, softplus(−z) for target 1."""
    part = like(1.0 / len(shape.outputs), z) * share
    return part * softplus(-z if target > like(0.5, z) else z), part * (sigmoid(z) - target)


FUNCTIONS = (squared_error, cross_entropy)
"""The losses by number."""


@inlined
def add_loss(shape, output, loss, weights, target, share, state, lane):
    """Add one output's loss at one step to `state`, as `step` does."""
    part, _ = loss(shape, logit(shape, output, weights, state, lane), target, share)
    state[at(loss_row(shape), lane)] += part


@inlined
def step(shape, output, loss, weights, target, share, state, tape, gradient, lane):
    """Add one output's loss at one step, and its gradient, output after output.

    loss: `squared_error` or `cross_entropy`. share: the step's share of the word's loss, 0 for a lane that waits.
    """
    part, dz = loss(shape, logit(shape, output, weights, state, lane), target, share)
    state[at(loss_row(shape), lane)] += part
    gradient[at(output_bias(shape, output), lane)] += dz
    for unit in range(len(shape.units)):
        weight, back = at(output_weight(shape, output, unit), lane), at(tape_row(unit, FROM_READOUT), lane)
        gradient[weight] += dz * state[at(hidden(unit), lane)]
        own = weights[weight] * dz
        tape[back] = own if output == 0 else tape[back] + own
