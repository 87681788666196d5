"""A network as the proofs read it, and the range of what a gate sees.

A single network is two small arrays:

    gates (gates, 4)   the gate's drive by `(` and by `)`, weight_ih x + bias_ih; its weight_hh; its bias_hh
    readout (2, 2)     each output's weight and bias

Every rounded operation is monotone in each of its operands, so its extremes over intervals are at their ends,
computed in the network's own arithmetic: no rounding outward is needed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from counting.engine.lanes import inlined, like

WEIGHT, BIAS = 2, 3
"""Columns of `gates`. The first two are the symbols, `counting.engine.layout.OPEN` and `CLOSE`."""


class Numbers(NamedTuple):
    gates: np.ndarray
    readout: np.ndarray


def numbers(parameters: dict[str, np.ndarray]) -> Numbers:
    """A single network's numbers. parameters: as in `Networks`, of one run."""
    p = {name: array[0] for name, array in parameters.items()}
    with np.errstate(over="ignore"):
        drives = p["weight_ih_l0"] + p["bias_ih_l0"][:, None]
    gates = np.column_stack([drives, p["weight_hh_l0"], p["bias_hh_l0"]])
    return Numbers(gates, np.column_stack([p["output.weight"], p["output.bias"]]))


@inlined
def gate_range(drive, weight, bias, h_low, h_high):
    """What a gate sees at its least and at its most, for h in [h_low, h_high]. Associated as in the
    engine."""
    at_low = drive + (weight * h_low + bias)
    at_high = drive + (weight * h_high + bias)
    rising = weight >= like(0.0, weight)
    return (at_low if rising else at_high), (at_high if rising else at_low)


@inlined
def product(gate_low, gate_high, low, high):
    """The range of gate · x for a gate in [gate_low, gate_high], nowhere negative, and x in [low, high]."""
    least = (gate_low if low >= like(0.0, low) else gate_high) * low
    most = (gate_high if high >= like(0.0, high) else gate_low) * high
    return least, most


@inlined
def right(readout, deep, h_low, h_high):
    """Whether both outputs are right for every h in [h_low, h_high], where `)` is allowed iff `deep`.

    readout: (weight, bias, weight, bias). A logit is monotone in h, so between two ends that are right all is
    right. NaN is wrong.
    """
    zero = like(0.0, h_low)
    opening = (readout[0] * h_low + readout[1] >= zero) & (readout[0] * h_high + readout[1] >= zero)
    at_low = readout[2] * h_low + readout[3]
    at_high = readout[2] * h_high + readout[3]
    closing = (at_low >= zero) & (at_high >= zero) if deep else (at_low < zero) & (at_high < zero)
    return opening & closing


@inlined
def outputs(network):
    """The read-out as `right` takes it."""
    return network.readout[0, 0], network.readout[0, 1], network.readout[1, 0], network.readout[1, 1]
