"""ReLU counters in floating point: networks that count on paper, and what rounding makes of them.

With A and B what `(` and `)` add, biases included, and u the recurrent weight, h' = max(0, u h + A or B)
counts on paper if u = 1 and B = −A. In floating point PyTorch, and the engine, compute (A' + (u h + β)), two
sums and so two roundings where the recurrent bias β is not 0.
"""

from __future__ import annotations

import numpy as np

from counting.cells import Networks

_PATIENCE = 20
"""`reach` gives up after this many rounds for each depth."""


def on_paper(runs: int, seed: int = 0, biased: bool = True) -> Networks:
    """Random float32 networks that count on paper: u = 1, B = −A to the last bit, read out at A / 2.

    The step is uniform over multiples of 2^-23 in about (1/2, 1). biased: part of it, up to 1/4, is the
    recurrent bias.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    unit = 2.0**-23
    beta = (rng.integers(1, 2**21, runs) | 1) * biased
    opening = rng.integers(2**22, 2**23 - 2**21, runs) | 1
    step = ((opening + beta) * unit).reshape(-1, 1, 1)
    symbols = np.stack([opening, -(opening + 2 * beta)], axis=1) * unit
    parameters = {
        "weight_ih_l0": symbols[:, None],
        "weight_hh_l0": np.ones((runs, 1, 1)),
        "bias_ih_l0": np.zeros((runs, 1)),
        "bias_hh_l0": (beta * unit)[:, None],
        "output.weight": np.concatenate([0 * step, 20 / step], axis=1),
        "output.bias": np.tile([10.0, -10.0], (runs, 1)),
    }
    return Networks("relu", {name: array.astype(np.float32) for name, array in parameters.items()})


def safe_length(precision: int = 24) -> int:
    """Length up to which rounding alone cannot bring a counter that is exact on paper off by half a step.

    precision: bits of the significand, 24 in float32. Holds where |β| is at most a step.
    """
    length = int(2 ** ((precision - 1) / 2)) // 2 * 2
    return length if length * (length + 3) < 2 ** (precision - 1) else length - 2


def exact_depth(step: float) -> int:
    """Depth up to which every multiple of a float32 step is a float32 itself, so that no sum is rounded."""
    mantissa = np.float32(step).astype(np.float64).as_integer_ratio()[0]
    while mantissa % 2 == 0:
        mantissa //= 2
    return 2**24 // abs(mantissa)


def round_trip(step: float, peak: int) -> tuple[float, float]:
    """Return a counter without biases on `(^peak )^peak`: least state before the end, state at the end, in steps."""
    brackets = np.full(2 * peak, step, np.float32)
    brackets[peak:] *= -1
    states = np.cumsum(brackets, dtype=np.float32)  # one rounded sum after the other, as the network does it
    return float(states[:-1].min() / np.float32(step)), float(states[-1] / np.float32(step))


def reach(net: Networks, deepest: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Smallest and largest state at each depth, over all words within depth `deepest`, however long.

    net: one ReLU network with u ≥ 0. Returns two arrays (deepest + 1,), or None if states still spread after
    a number of symbols that is large beside `deepest`.

    Both ends are exact: each symbol's map is monotone in h, as is rounding, so the least state at a depth
    comes from the least states one above and one below.
    """
    if net.cell != "relu" or len(net) != 1 or net.parameters["weight_hh_l0"].item() < 0:
        raise ValueError("one ReLU network with a recurrent weight ≥ 0 is needed")
    low, high = (np.full(deepest + 1, far, net.dtype) for far in (np.inf, -np.inf))
    low[0] = high[0] = 0
    for _ in range(_PATIENCE * deepest):
        new_low, new_high = _widened(net, low, np.minimum), _widened(net, high, np.maximum)
        if np.array_equal(new_low, low) and np.array_equal(new_high, high):
            return low, high
        low, high = new_low, new_high
    return None


def _widened(net: Networks, ends: np.ndarray, choose: np.ufunc) -> np.ndarray:
    """Return these ends, and where one more symbol takes them."""
    new = ends.copy()
    new[1:] = choose(new[1:], _after(net, 0, ends[:-1]))
    new[:-1] = choose(new[:-1], _after(net, 1, ends[1:]))
    return new


def _after(net: Networks, symbol: int, h: np.ndarray) -> np.ndarray:
    """Return a step of the cell, in its precision and order of operations; states not reached yet (±∞) stay."""
    p = {name: array[0] for name, array in net.parameters.items()}
    drive = p["weight_ih_l0"][0, symbol] + p["bias_ih_l0"][0]
    z = drive + (p["weight_hh_l0"][0, 0] * h + p["bias_hh_l0"][0])
    return np.where(np.isfinite(h), np.maximum(z, 0), h)
