"""A network as the proofs read it, and the ranges of what its gates see and say.

Every rounded operation is monotone in each of its operands, so its extremes over intervals are at their ends. In the
engine's own arithmetic they are computed by it, and no rounding outward is needed.

*However it is computed*: PyTorch adds the terms of a gate in other orders, fuses a product with a sum or not, and has
other last bits of sigmoid and tanh, differently on each of its paths. With a `slack` > 0 every range is widened by what
that can change, so that it holds what any of them gives. What rounding cannot change stays exact: a sigmoid or tanh far
enough out is 0 or ±1 on every path, a product with ±1 is its other factor, and one sum alone has one order only.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from counting.engine.activations import sigmoid, tanh
from counting.engine.lanes import inlined, like

WEIGHT, BIAS, SPREAD, TILT = 2, 3, 4, 6
"""Columns of `Numbers.gates`. The first two are the symbols, as the two from SPREAD on."""

UNITS = 4
"""The slack is so many machine epsilons. Four terms, one of them a product, are off by at most 4 half epsilons of the
sum of their sizes, whatever their order; so two ways to compute them differ by at most 4 epsilons of it."""

ACTIVATION_ULPS = 8
"""Relative difference that is allowed between two computations of sigmoid or tanh, in machine epsilons. The engine's
are within 1.5 of the exact value, PyTorch's within 4 on every path seen, those inside its layers included
(benchmarks/activations.py)."""

FLUSHED = 2.0**-120
"""What is smaller may be 0 on some path: inside `nn.LSTM` a sigmoid below 2^-125.5 is."""

BEYOND_ONE = 0.7
"""So much further out than where the exactly rounded sigmoid becomes 1, and tanh ±1, they are taken to be so on every
path: in float32 from 18.03 on (exactly rounded, as inside `nn.LSTM`: 17.33), and tanh from 9.71 on (9.01)."""


class Numbers(NamedTuple):
    """A single network.

    gates (gates, 7): the gate's drive by `(` and by `)`, weight_ih x + bias_ih; its weight_hh; its bias_hh; by how
    much the range of its sum is widened, for `(` and for `)`, and for each unit of |h|.
    readout (2, 2): each output's weight and bias. error (3,): the slack, 0 in the engine's arithmetic; where sigmoid
    is 1, and where tanh is, on every path.
    """

    gates: np.ndarray
    readout: np.ndarray
    error: np.ndarray


def numbers(parameters: dict[str, np.ndarray], however: bool = False) -> Numbers:
    """Return a single network's numbers; parameters as in `Networks`, of one run; `however`: however it is computed."""
    p = {name: array[0] for name, array in parameters.items()}
    inputs, bias, recurrent, offset = (p[f"{kind}_l0"] for kind in ("weight_ih", "bias_ih", "weight_hh", "bias_hh"))
    real = inputs.dtype.type
    epsilon = np.finfo(real).eps
    slack = real(UNITS * epsilon) if however else real(0)
    error = np.array([slack, BEYOND_ONE - np.log(epsilon / 4), BEYOND_ONE - np.log(epsilon / 8) / 2], real)
    with np.errstate(over="ignore"):
        drives = inputs + bias[:, None]
        sizes = np.abs(inputs) + np.abs(bias[:, None]) + np.abs(offset[:, None])
    # One sum of two numbers, the state taken as it is: there is nothing to order or to fuse.
    terms = (inputs != 0).astype(int) + (bias[:, None] != 0) + (offset[:, None] != 0)
    alone = (terms <= 1) & np.isin(np.abs(recurrent), (0, 1))
    # `where`, not a product: 0 times infinity is no number.
    spread = np.where(alone | (slack == 0), real(0), sizes) * (slack or real(1))
    tilt = slack * np.where(alone.all(axis=1, keepdims=True), real(0), np.abs(recurrent))
    gates = np.column_stack([drives, recurrent, offset, spread, tilt])
    return Numbers(gates, np.column_stack([p["output.weight"], p["output.bias"]]), error)


@inlined
def gate_numbers(gates, gate, symbol):
    """Return what a gate reads for one symbol: drive, recurrent weight, recurrent bias, spread, tilt."""
    return gates[gate, symbol], gates[gate, WEIGHT], gates[gate, BIAS], gates[gate, SPREAD + symbol], gates[gate, TILT]


@inlined
def gate_range(gate, h_low, h_high):
    """Return what a gate sees at its least and at its most, for h in [h_low, h_high]."""
    drive, weight, bias, spread, tilt = gate
    at_low = drive + (weight * h_low + bias)
    at_high = drive + (weight * h_high + bias)
    rising = weight >= like(0.0, weight)
    # Not tilt · h where the tilt is 0: h may be infinite.
    more = spread + (tilt * max(abs(h_low), abs(h_high)) if tilt > like(0.0, tilt) else like(0.0, tilt))
    return (at_low if rising else at_high) - more, (at_high if rising else at_low) + more


@inlined
def error(network):
    """How far other arithmetic may be, as `sigmoid_range` and the others take it: slack and where 1 is reached."""
    return network.error[0], network.error[1], network.error[2]


@inlined
def sigmoid_range(low, high, error):
    """Return the range of a sigmoid over [low, high]."""
    least, most = sigmoid(low), sigmoid(high)
    one = like(1.0, low)
    wide = like(ACTIVATION_ULPS / UNITS, low) * error[0]
    flushed = (error[0] > like(0.0, low)) & (least < like(FLUSHED, low))
    least = one if low >= error[1] else like(0.0, low) if flushed else least - wide * least
    # What is subnormal on one path may be 0 on another: 2^-105 · slack is 2^-126.
    return least, min(one, most + wide * most + like(2.0**-105, low) * error[0])


@inlined
def tanh_range(low, high, error):
    """Return the range of a tanh over [low, high]."""
    least, most = tanh(low), tanh(high)
    one, far = like(1.0, low), error[2]
    wide = like(ACTIVATION_ULPS / UNITS, low) * error[0]
    least = least if abs(low) >= far else max(-one, least - wide * abs(least))
    most = most if abs(high) >= far else min(one, most + wide * abs(most))
    zero, tiny = like(0.0, low), like(FLUSHED, low) if error[0] > like(0.0, low) else like(0.0, low)
    return zero if zero < least < tiny else least, zero if -tiny < most < zero else most


@inlined
def product(gate_low, gate_high, low, high):
    """Return the range of gate · x for a gate in [gate_low, gate_high], nowhere negative, and x in [low, high]."""
    least = (gate_low if low >= like(0.0, low) else gate_high) * low
    most = (gate_high if high >= like(0.0, high) else gate_low) * high
    return least, most


@inlined
def right(readout, deep, h_low, h_high):
    """Whether both outputs are right for every h in [h_low, h_high], where `)` is allowed iff `deep`.

    readout: as `outputs` gives it. A logit is monotone in h, so between two ends that are right all is right. NaN is
    wrong. With slack no logit may lie so near 0 that another order, or a sigmoid rounded to 0.5, could turn it over.
    """
    zero = like(0.0, h_low)
    slack = readout[4]
    size = max(abs(h_low), abs(h_high))
    loose = slack > zero
    first = slack * (abs(readout[0]) * size + abs(readout[1])) if loose else zero
    second = slack * (abs(readout[2]) * size + abs(readout[3]) + like(1.0, zero)) if loose else zero
    opening = (readout[0] * h_low + readout[1] >= first) & (readout[0] * h_high + readout[1] >= first)
    at_low = readout[2] * h_low + readout[3]
    at_high = readout[2] * h_high + readout[3]
    closing = (at_low >= second) & (at_high >= second) if deep else (at_low < -second) & (at_high < -second)
    return opening & closing


@inlined
def outputs(network):
    """Return the read-out as `right` takes it: weight, bias, weight, bias, slack."""
    r = network.readout
    return r[0, 0], r[0, 1], r[1, 0], r[1, 1], network.error[0]
