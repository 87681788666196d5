"""Networks to be certified: near counters and far from it, and with numbers at the edges of float32."""

from __future__ import annotations

import numpy as np

from counting import cells
from counting.cells import Networks


def near_counters(cell: str, n: int, seed: int = 0) -> Networks:
    """n networks off an exact or a slow counter by amounts between 1e-8 and 1: most fail, sooner or later."""
    return {"relu": _relu, "lstm": _lstm, "gru": _gru}[cell](n, np.random.default_rng(seed))


def _stack(
    cell: str, readout_weight: np.ndarray, readout_bias: np.ndarray, **parameters: np.ndarray
) -> Networks:
    parameters = {**parameters, "output.weight": readout_weight, "output.bias": readout_bias}
    return Networks(cell, {name: np.asarray(array, np.float32) for name, array in parameters.items()})


def _readout(
    n: int, threshold: np.ndarray, slope: np.ndarray, first: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Output 0 says yes with bias 1 and weight `first`, output 1 where h is above the threshold."""
    return np.stack([first, slope], 1)[:, :, None], np.stack([np.ones(n), -slope * threshold], 1)


def _relu(n: int, rng: np.random.Generator) -> Networks:
    step = np.exp(rng.uniform(-2, 3, n))
    off = 10.0 ** rng.uniform(-8, -0.3, n)
    u = 1 + off * rng.choice([-1, 1, 0], n)
    u = np.where(rng.random(n) < 0.1, -u * rng.random(n), u)
    ratio = 1 + off * rng.uniform(-1, 1, n) * rng.choice([0, 1], n)
    biases = rng.uniform(-0.1, 0.1, (2, n))
    drive = np.stack([step, -step * ratio], 1) - biases.sum(axis=0)[:, None]
    slope = np.exp(rng.uniform(-1, 4, n)) * rng.choice([1, 1, 1, 1, -1], n)
    first = rng.uniform(-0.05, 0.05, n) * rng.choice([0, 1], n)
    return _stack(
        "relu",
        *_readout(n, step * rng.uniform(-0.1, 1.1, n), slope, first),
        weight_ih_l0=drive[:, None, :],
        weight_hh_l0=u[:, None, None],
        bias_ih_l0=biases[0][:, None],
        bias_hh_l0=biases[1][:, None],
    )


def _lstm(n: int, rng: np.random.Generator) -> Networks:
    gain = np.exp(rng.uniform(0, 3.2, n))
    drive = rng.normal(size=(n, 4, 2)) * 0.5
    drive[:, 2, 0] = gain * rng.uniform(0.5, 0.7, n)
    drive[:, 2, 1] = -drive[:, 2, 0] * (1 + 10.0 ** rng.uniform(-7, -1, n) * rng.normal(size=n))
    bias = gain[:, None] * rng.uniform(0.5, 1.5, (n, 4)) * [1, 1.5, 0, 1]
    zero = np.zeros(n)
    return _stack(
        "lstm",
        *_readout(n, rng.uniform(0.2, 0.6, n), np.exp(rng.uniform(0, 4, n)), zero),
        weight_ih_l0=drive,
        weight_hh_l0=rng.normal(size=(n, 4, 1)) * rng.choice([0, 0.1, 1, 3], n)[:, None, None],
        bias_ih_l0=bias,
        bias_hh_l0=rng.normal(size=(n, 4)) * 0.1 * rng.choice([0, 1], n)[:, None],
    )


def _gru(n: int, rng: np.random.Generator) -> Networks:
    """h moves by (1 − z) (n − h): the nearer z to 1, the longer it counts."""
    keep, gain = rng.uniform(1, 6, n), np.exp(rng.uniform(-1, 2, n))
    drive = rng.normal(size=(n, 3, 2)) * 0.3
    drive[:, 2, 0] = gain
    drive[:, 2, 1] = -gain * (1 + rng.normal(size=n) * 10.0 ** rng.uniform(-6, -0.5, n))
    step = np.tanh(gain) / (1 + np.exp(keep))
    zero = np.zeros(n)
    return _stack(
        "gru",
        *_readout(n, step * rng.uniform(0.2, 0.8, n), np.exp(rng.uniform(0, 4, n)) / step, zero),
        weight_ih_l0=drive,
        weight_hh_l0=rng.normal(size=(n, 3, 1)) * rng.choice([0, 0.1, 1], n)[:, None, None],
        bias_ih_l0=np.stack([zero, keep, zero], 1),
        bias_hh_l0=rng.normal(size=(n, 3)) * 0.1,
    )


def extreme_numbers(cell: str, n: int, seed: int = 0) -> Networks:
    """Networks of zeros, subnormals, ones and numbers at which float32 overflows; output 0 is mostly
    right."""
    rng = np.random.default_rng(seed)
    numbers = np.array(
        [0, 1e-45, 1e-38, 1e-3, 0.5, 1, 1, 1, 2, 10, 100, 1e10, 1e19, 1e30, 1e38, 3.4e38], np.float32
    )
    parameters = {
        name: rng.choice(numbers, (n, *shape)) * rng.choice(np.float32([-1, 1]), (n, *shape))
        for name, shape in cells.shapes(cell).items()
    }
    parameters["output.weight"][:, 0] *= rng.choice(np.float32([0, 1]), (n, 1))
    parameters["output.bias"][:, 0] = np.abs(parameters["output.bias"][:, 0])
    return Networks(cell, parameters)
