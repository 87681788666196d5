"""Many networks at once: which are proved right, without looking for the words on which the others fail.

Two shorter ways to what `certify` proves. A whole stack is searched for *exact counters*: networks that climb the
first rungs of their ladder and come down to the bit, and whose arithmetic is exact from there on. And for the ReLU
the smallest and the largest state of each length and depth are followed without keeping the way that led there.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from counting import evaluation
from counting.cells import Networks
from counting.certificate import decide
from counting.certificate.decide import MAX_DEPTH
from counting.dyck import Words
from counting.engine.lanes import kernel, lane_loop, like

RUNGS = 64
"""Rungs that are climbed; exactness from half of them on carries the rest."""


DEPTHS = (2**10, 2**16, MAX_DEPTH)
"""A band to MAX_DEPTH is looked for where one to these smaller depths was found: it needs them."""

TOWER = 2**16
"""Height of the tower that sorts out most wrong networks."""


def proved(networks: Networks, max_length: int | None = None) -> np.ndarray:
    """Which runs are right on all Dyck-1 words of up to `max_length` symbols: bool (runs,).

    max_length: None asks for words of any length to depth `MAX_DEPTH`. The same answers as `certify(…).proved`; a
    network that diverged is not proved. Raises ValueError for a length below 2.
    """
    if max_length is not None and max_length < 2:
        raise ValueError(f"max_length must be at least 2, or None for any length; got {max_length!r}")
    right = np.zeros(len(networks), bool)
    finite = np.flatnonzero(networks.finite)
    if len(finite):
        right[finite] = exact_counters(networks[finite])
    # A network that is wrong on a plain tower is wrong, and most that are wrong are wrong there.
    tower = _tower(TOWER if max_length is None else min(TOWER, max_length // 2))
    open_cases = [run for run in finite if not right[run]]
    if open_cases:
        stands = evaluation.first_failure(networks[open_cases], tower)[:, 0] == tower.longest
        open_cases = [run for run, fine in zip(open_cases, stands, strict=True) if fine]

    def decided(run: int) -> bool:
        if networks.cell == "relu" and max_length is not None:
            return _relu_right(*_relu_numbers(networks, run), max_length)
        if max_length is None:
            return decide.band_closes(networks[int(run)], DEPTHS)
        return decide.certify(networks[int(run)], max_length, replay=False).proved

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        right[open_cases] = list(pool.map(decided, open_cases))
    return right


def exact_counters(networks: Networks) -> np.ndarray:
    """Runs that are shown to count exactly to depth `MAX_DEPTH`, on words of any length: bool (runs,).

    The state after `(^n` and, coming down from RUNGS, after any `)` is the same to the bit at each depth, so by
    induction it is a function of depth on every word that stays below RUNGS. Above RUNGS / 2

    - an LSTM has i = f = 1, |g| = 1, an integer c with |c| ≤ depth and tanh(c) = ±1: c ± 1 is exact as long as
      |c| < 2^24, and h, hence every gate, stays as it is;
    - a ReLU has u = 1, no recurrent bias and A = −B a power of two: every state is exactly depth · A.

    So the ladder goes on, and the read-out, affine in h, is right above if it is right at both ends. Other networks
    may be right too; no GRU is found here.
    """
    if networks.cell == "gru":
        return np.zeros(len(networks), bool)
    tower = _tower(RUNGS)
    seen = evaluation.trace(networks, tower)
    climbs = evaluation.first_failure(networks, tower)[:, 0] == tower.longest
    for state in (seen.h, seen.c):
        # Depths RUNGS − 1 … 1 on the way up, and the same on the way down; then depth 0.
        climbs &= (state[:, RUNGS - 2 :: -1] == state[:, RUNGS : 2 * RUNGS - 1]).all(axis=1) & (state[:, -1] == 0)
    exact = _lstm_goes_on(seen) if networks.cell == "lstm" else _relu_goes_on(networks)
    return climbs & exact


def _lstm_goes_on(seen: evaluation.Trace) -> np.ndarray:
    # Steps of the tower that start and end at a depth of at least RUNGS / 2.
    high = slice(RUNGS // 2, 2 * RUNGS - RUNGS // 2)
    c, h = seen.c[:, high], seen.h[:, high]
    saturated = np.all([np.abs(seen.gates[name][:, high]) == 1 for name in "ifg"], axis=(0, 2))
    depth = np.minimum(np.arange(1, 2 * RUNGS + 1), 2 * RUNGS - np.arange(1, 2 * RUNGS + 1))[high]
    whole = ((c == np.round(c)) & (np.abs(c) <= depth) & (np.abs(c) >= RUNGS // 4)).all(axis=1)
    return saturated & whole & (h == h[:, :1]).all(axis=1)


def _relu_goes_on(networks: Networks) -> np.ndarray:
    p = networks.parameters
    drive = p["weight_ih_l0"][:, 0] + p["bias_ih_l0"]
    opening = drive[:, 0]
    power = (opening > 0) & (np.frexp(np.abs(opening))[0] == 0.5)
    plain = (drive[:, 1] == -opening) & (p["weight_hh_l0"][:, 0, 0] == 1) & (p["bias_hh_l0"][:, 0] == 0)
    with np.errstate(over="ignore", invalid="ignore"):
        top = (p["output.weight"][:, :, 0] * (opening * networks.dtype.type(MAX_DEPTH))[:, None]) + p["output.bias"]
    return power & plain & (top >= 0).all(axis=1)


def _tower(height: int) -> Words:
    return Words(np.repeat(np.array([[0, 1]], np.int8), height, axis=1), [2 * height])


def _relu_numbers(networks: Networks, run: int) -> tuple[np.ndarray, ...]:
    """Drives of both symbols, recurrent weight and bias, read-out weights and biases of one run."""
    p = {name: array[run] for name, array in networks.parameters.items()}
    return p["weight_ih_l0"][0] + p["bias_ih_l0"], p["weight_hh_l0"][0, 0], p["bias_hh_l0"][0], p["output.weight"][:, 0], p["output.bias"]  # fmt: skip


@lane_loop
def _relu_row(drive, u, bias, old_low, old_high, new_low, new_high, cells, shift):
    """The extremes of a row from those of the row before.

    `(` leads to cell j from old cell j + shift − 1, `)` from old cell j + shift. Where u < 0 a step turns smallest
    into largest.
    """
    zero = like(0.0, u)
    first_low, first_high = (old_low, old_high) if u >= zero else (old_high, old_low)
    for j in range(cells):
        a = drive[0] + (u * first_low[j + shift] + bias)
        b = drive[1] + (u * first_low[j + shift + 1] + bias)
        least = a if a < b else b
        new_low[j + 1] = least if least > zero else zero
        a = drive[0] + (u * first_high[j + shift] + bias)
        b = drive[1] + (u * first_high[j + shift + 1] + bias)
        most = a if a > b else b
        new_high[j + 1] = most if most > zero else zero


@lane_loop
def _row_right(weight, bias, low, high, first, cells):
    """Whether both outputs are right, at depths above 0, at both ends of cells `first` … `cells` − 1 (and finite)."""
    zero = like(0.0, bias[0])
    wrong = 0
    for j in range(first + 1, cells + 1):
        for h in (low[j], high[j]):
            wrong += not ((weight[0] * h + bias[0] >= zero) & (weight[1] * h + bias[1] >= zero) & (h - h == zero))
    return wrong == 0


@kernel()
def _relu_right(drive, u, bias, weight, readout_bias, longest):
    """Whether a ReLU network is right after every prefix of every word of up to `longest` symbols.

    A row holds one parity of depth: cell j is depth 2j or 2j + 1, kept at index j + 1. Only prefixes that a word of
    `longest` symbols can begin with are followed, so row t ends at depth min(t, longest − t).
    """
    zero = like(0.0, u)
    longest -= longest % 2
    size = longest // 2 + 4
    old_low, old_high = np.zeros(size, drive.dtype), np.zeros(size, drive.dtype)
    new_low, new_high = np.zeros(size, drive.dtype), np.zeros(size, drive.dtype)
    top = zero  # the state after `(^t`
    for t in range(1, longest + 1):
        odd = t % 2
        deepest = min(t, longest - t)
        cells = (deepest - odd) // 2 + 1
        # `(^t` has no other prefix of its length and depth: kept apart, below.
        shared = cells - 1 if deepest == t else cells
        bottom_low, bottom_high = old_low[1], old_high[1]
        if not odd:
            # Nothing leads up to depth 0: let the cell below it say what `)` says.
            old_low[0], old_high[0] = bottom_low, bottom_high
        _relu_row(drive, u, bias, old_low, old_high, new_low, new_high, shared, odd)
        if not odd:
            first, second = (bottom_low, bottom_high) if u >= zero else (bottom_high, bottom_low)
            new_low[1] = max(drive[1] + (u * first + bias), zero)
            new_high[1] = max(drive[1] + (u * second + bias), zero)
        if deepest == t:
            top = max(drive[0] + (u * top + bias), zero)
            new_low[cells] = top
            new_high[cells] = top
        if not _row_right(weight, readout_bias, new_low, new_high, 1 - odd, cells):
            return False
        if not odd:
            for h in (new_low[1], new_high[1]):
                if not ((weight[0] * h + readout_bias[0] >= zero) & (weight[1] * h + readout_bias[1] < zero)):
                    return False
        old_low, new_low = new_low, old_low
        old_high, new_high = new_high, old_high
    return True
