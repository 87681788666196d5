"""Exact counters: networks that are proved right to depth 2^24 by climbing the first few rungs of their ladder.

A band over the depths 0 to RUNGS closes, so on every word that stays within RUNGS the state is in it. Above RUNGS / 2

- an LSTM has i = f = 1, |g| = 1, an integer c with |c| ≤ depth and tanh(c) = ±1: c ± 1 is exact as long as
  |c| < 2^24, and h, hence every gate, stays where it is;
- a ReLU has u = 1, no recurrent bias and A = −B a power of two: every state is exactly depth · A.

So the band goes on, and the read-out, affine in h, is right above if it is right at both ends.
"""

from __future__ import annotations

import numpy as np

from counting import cells
from counting.cells import Networks
from counting.certificate import band, lstm
from counting.certificate.gates import SPREAD, Numbers, numbers
from counting.certificate.procedure import FEW_SWEEPS, MAX_DEPTH, bounded
from counting.engine.lanes import kernel
from counting.engine.layout import CLOSE, OPEN

RUNGS = 64
"""Rungs that are climbed; exactness from half of them on carries the rest."""


def exact_counters(networks: Networks, *, however: bool = False) -> np.ndarray:
    """Return which runs are shown to count exactly to depth `MAX_DEPTH`, on words of any length: bool (runs,).

    A band over the depths 0 to RUNGS closes, so on every word that stays within RUNGS the state is in it.
    Above RUNGS / 2

    - an LSTM has i = f = 1, |g| = 1, an integer c with |c| ≤ depth and tanh(c) = ±1: c ± 1 is exact as long as
      |c| < 2^24, and h, hence every gate, stays where it is;
    - a ReLU has u = 1, no recurrent bias and A = −B a power of two: every state is exactly depth · A.

    So the band goes on, and the read-out, affine in h, is right above if it is right at both ends. Other networks
    may be right too; no GRU is found here. however: whether all this holds however the network is computed.
    """
    goes_on = {"lstm": _lstm_goes_on, "relu": _relu_goes_on}.get(networks.cell)
    exact = np.zeros(len(networks), bool)
    if goes_on is None:
        return exact
    for run in np.flatnonzero(networks.finite & bounded(networks)):
        network = networks[int(run)]
        found = numbers(network.parameters, however)
        ending, _, boxes = band.close_band(cells.CELLS.index(networks.cell), found, RUNGS, FEW_SWEEPS)
        exact[run] = ending == band.CLOSED and goes_on(network, found, boxes)
    return exact


def _lstm_goes_on(network: Networks, found: Numbers, boxes: np.ndarray) -> bool:
    h_low, h_high, c_low, c_high = boxes[:, RUNGS // 2 :]
    depth = np.arange(RUNGS // 2, RUNGS + 1)
    whole = (c_low == c_high) & (c_low == np.round(c_low)) & (np.abs(c_low) <= depth) & (np.abs(c_low) >= RUNGS // 4)
    constant = (h_low == h_low[0]) & (h_high == h_high[0])
    return bool(whole.all() and constant.all() and _saturated(found, h_low[0], h_high[0]))


def _relu_goes_on(network: Networks, found: Numbers, boxes: np.ndarray) -> bool:
    p = network.parameters
    drive = p["weight_ih_l0"][:, 0] + p["bias_ih_l0"]
    opening = drive[:, 0]
    power = (opening > 0) & (np.frexp(np.abs(opening))[0] == 0.5)
    plain = (drive[:, 1] == -opening) & (p["weight_hh_l0"][:, 0, 0] == 1) & (p["bias_hh_l0"][:, 0] == 0)
    highest = np.float64(opening[0]) * MAX_DEPTH
    if not highest <= np.finfo(network.dtype).max:
        return False
    with np.errstate(over="ignore"):
        pull, bias = p["output.weight"][0, :, 0] * network.dtype.type(highest), p["output.bias"][0]
        # A read-out that is right beyond what other arithmetic can change; nothing else is there to order or to fuse.
        clear = (pull + bias >= found.error[0] * (np.abs(pull) + np.abs(bias) + 1)).all()
    steady = not found.gates[:, SPREAD:].any()
    return bool(power[0] and plain[0] and clear and steady)


@kernel()
def _saturated(network, h_low, h_high):
    """Whether an LSTM's i = f = 1 and g = ±1, to the bit, for every h in [h_low, h_high], on either symbol."""
    opening, closing = lstm.numbers(network, OPEN), lstm.numbers(network, CLOSE)
    return lstm.saturated(opening, h_low, h_high) and lstm.saturated(closing, h_low, h_high)
