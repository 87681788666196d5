"""The GRU opened: two maps of one number, their fixed points, and how large a `)` is beside a `(`.

Each symbol maps the state h in (−1, 1) to another: `(` by f, `)` by g. Everything is computed from the
weights in float64, but for `depths_told_apart`, which runs f in the network's own floating point.

A GRU has no unit of counting, but it can be given one. Let q(d) be the state after `(^d`, so that
q(d + 1) = f(q(d)); between whole depths f carries on a straight line from q(0) to q(1). Measured by q, a `(`
adds exactly 1, at any depth, and the *step* of a `)` is what it takes off: d − q⁻¹(g(q(d))). A network whose
step is 1 at every depth counts. What is missing to 1 is an error of the count, and adds up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from counting import dyck, evaluation
from counting.anatomy.functions import sigmoid, tanh
from counting.cells import CELLS, Networks
from counting.certificate import cycle
from counting.certificate.gates import numbers
from counting.dyck import CLOSE, OPEN, Words
from counting.engine import gru as cell

POINTS = 16
"""States of a `Ruler` between two whole depths."""

_BELOW = 2
"""Depths below 0 that a `Ruler` reaches: a `)` that is too large leads there."""

_HALVINGS = 60
"""Halvings of an interval in (−1, 1) that leave less than float64 can tell."""


class NotGRU(ValueError):
    """Networks of another cell."""


def apply(nets: Networks, symbol: int, h: np.ndarray) -> np.ndarray:
    """Return the map of a symbol, 0 for `(` and 1 for `)`: states float64 (runs, k) to (runs, k)."""
    r, z, n = _gates(nets, symbol, h)[:3]
    return n + z * (h - n)


def slope(nets: Networks, symbol: int, h: np.ndarray) -> np.ndarray:
    """Return derivative of a symbol's map at states (runs, k). Between −1 and 1 it contracts."""
    r, z, n, recalled, weight = _gates(nets, symbol, h)
    dr, dz = r * (1 - r) * weight[0], z * (1 - z) * weight[1]
    dn = (1 - n * n) * (dr * recalled + r * weight[2])
    return (1 - z) * dn + z + dz * (h - n)


def limit(nets: Networks, symbol: int, start: np.ndarray | float = 0.0) -> np.ndarray:
    """Return the fixed point next to `start` on the side to which the symbol moves it: float64 (runs,).

    Repeating the symbol leads there as long as the map rises. Every map of a GRU has a fixed point: it takes
    [−1, 1] into (−1, 1).
    """
    start = np.broadcast_to(start, (len(nets),)).astype(np.float64)[:, None]
    side = np.where(apply(nets, symbol, start) >= start, 1.0, -1.0)
    # The first state on a grid that is not moved on; the fixed point lies before it.
    grid = start + (side - start) * np.linspace(0, 1, 4_097)
    on = (apply(nets, symbol, grid) - grid) * side > 0
    first = np.where(on.all(axis=1), grid.shape[1] - 1, np.argmin(on, axis=1))[:, None]
    near, far = np.take_along_axis(grid, np.maximum(first - 1, 0), 1), np.take_along_axis(grid, first, 1)
    for _ in range(_HALVINGS):
        middle = (near + far) / 2
        on = (apply(nets, symbol, middle) - middle) * side > 0
        near, far = np.where(on, middle, near), np.where(on, far, middle)
    return near[:, 0]


def depths_told_apart(nets: Networks, most: int = 2**20) -> np.ndarray:
    """How many different states `(^n` has, n = 0, 1, …, in the network's own arithmetic: int64 (runs,).

    If there are n, then `(^n` has the bits of some shallower `(^m`, and no read-out counts to n. −1 where
    more than `most` symbols would be needed to tell.
    """
    _checked(nets)
    each = (numbers(nets[run].parameters) for run in range(len(nets)))
    return np.array([cycle.collision(CELLS.index("gru"), own, most)[1] for own in each], np.int64)


def deepest_count(nets: Networks, most: int = 100) -> np.ndarray:
    """Return the largest n so that every `(^m )^m` with m ≤ n is right, tried up to `most`: int64 (runs,)."""
    words = dyck.tower(range(1, most + 1))
    right = evaluation.first_failure(nets, words) == words.lengths
    return np.where(right.all(axis=1), most, right.argmin(axis=1))


def closings_to_empty(nets: Networks, most: int = 1_000) -> np.ndarray:
    """How many `)` after endlessly many `(` make the read-out say that none is left: int64 (runs,).

    A count from any depth beyond this is lost before the word ends. −1 where `most` are not enough.
    """
    weight, bias = (nets.parameters[f"output.{name}"].astype(np.float64) for name in ("weight", "bias"))
    state, found = limit(nets, OPEN)[:, None], np.full(len(nets), -1)
    for n in range(1, most + 1):
        state = apply(nets, CLOSE, state)
        empty = weight[:, 1, 0] * state[:, 0] + bias[:, 1] < 0
        found[(found < 0) & empty] = n
    return found


def proof_of_failure(n: int) -> Words:
    """`(^(n−1) )^(n−1)` and `(^n )^n`: who has the same state after `(^(n−1)` and `(^n` is wrong on one."""
    return dyck.tower([n - 1, n])


@dataclass(frozen=True)
class Ruler:
    """States as depths, and the step of a `)` at each; see the module."""

    depths: np.ndarray
    """float64 (k,): from −2 on, `POINTS` to a depth."""
    states: np.ndarray
    """float64 (runs, k): the state at each depth."""
    closed: np.ndarray
    """float64 (runs, k): the depth that a `)` leads to from there."""
    threshold: np.ndarray
    """float64 (runs,): the depth from which the read-out says yes to `)`; a counter has it in (0, 1]."""

    @property
    def step(self) -> np.ndarray:
        """float64 (runs, k): the size of a `)` at each depth, 1 for a counter."""
        return self.depths - self.closed

    def at(self, depth: int) -> int:
        """Where in `depths` a whole depth stands."""
        return (depth + _BELOW) * POINTS


def ruler(nets: Networks, deepest: int) -> Ruler:
    """Return the ruler of each run from depth −2 to `deepest`. Depths that f no longer moves apart are all one."""
    side = np.where(apply(nets, OPEN, np.zeros((len(nets), 1))) >= 0, 1.0, -1.0)
    first = apply(nets, OPEN, np.zeros((len(nets), 1)))
    units = [first * (np.arange(POINTS) / POINTS)]
    for _ in range(deepest):
        units.append(apply(nets, OPEN, units[-1]))
    for _ in range(_BELOW):
        units.insert(0, _before(nets, units[0], side))
    states = np.concatenate(units, axis=1)
    depths = np.arange(-_BELOW * POINTS, (deepest + 1) * POINTS) / POINTS
    closed, threshold = np.empty_like(states), np.empty(len(nets))
    weight, bias = (nets.parameters[f"output.{name}"].astype(np.float64) for name in ("weight", "bias"))
    after, border = apply(nets, CLOSE, states), -bias[:, 1] / weight[:, 1, 0]
    for run in range(len(nets)):
        rising = np.maximum.accumulate(states[run] * side[run])
        closed[run] = np.interp(after[run] * side[run], rising, depths)
        threshold[run] = np.interp(border[run] * side[run, 0], rising, depths)
    return Ruler(depths, states, closed, threshold)


def predict_first_failure(nets: Networks, words: Words) -> np.ndarray:
    """First failure, from the first-order drift of the count against the threshold: float64 (runs, n).

    The error of the count is the sum of what each `)` missed, at the depth where a counter reads it. Left out
    is that a count in error is read at another depth: `with_feedback` has it.
    """
    measure = ruler(nets, int(words.depth.max()))
    missed = 1 - measure.step[:, measure.at(0) :: POINTS]
    before = np.pad(words.depth[:, :-1], ((0, 0), (1, 0)))
    closing = words.tokens == CLOSE
    predicted = np.empty((len(nets), len(words)))
    for run in range(len(nets)):
        error = np.cumsum(np.where(closing, missed[run, before], 0.0), axis=1)
        wrong = (words.depth + error >= measure.threshold[run]) != (words.depth > 0)
        predicted[run] = evaluation.first_wrong(wrong, words.lengths)
    return predicted


def with_feedback(nets: Networks, words: Words) -> np.ndarray:
    """As `predict_first_failure`, but each `)` is as large as it is at the count reached: float64 (runs, n).

    No longer a sum but a walk, symbol by symbol: of a counter whose step depends on its count, not of the network.
    """
    measure = ruler(nets, int(words.depth.max()))
    rows, last = np.arange(len(nets))[:, None], len(measure.depths) - 2
    count = np.zeros((len(nets), len(words)))
    predicted = np.tile(words.lengths.astype(np.float64), (len(nets), 1))
    for t in range(words.longest):
        place = np.clip((count + _BELOW) * POINTS, 0, last)
        below = place.astype(np.int64)
        closed = measure.closed[rows, below] * (1 - (place - below))
        closed += measure.closed[rows, below + 1] * (place - below)
        count = np.where(words.tokens[:, t] == CLOSE, closed, count + 1)
        wrong = (count >= measure.threshold[:, None]) != (words.depth[:, t] > 0)
        wrong &= (t < words.lengths) & (predicted > t)
        predicted[wrong] = t
    return predicted


def _before(nets: Networks, states: np.ndarray, side: np.ndarray) -> np.ndarray:
    """Which states f takes to these, the next below; the end of (−1, 1) where f takes none there."""
    low, high = np.broadcast_to(-side, states.shape), np.broadcast_to(states[:, :1], states.shape)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        above = (apply(nets, OPEN, middle) - states) * side > 0
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return (low + high) / 2


def _gates(nets: Networks, symbol: int, h: np.ndarray) -> tuple[np.ndarray, ...]:
    """r, z, n and what the candidate recalls, each (runs, k); and the recurrent weights (3, runs, 1)."""
    _checked(nets)
    parameters = {name: array.astype(np.float64) for name, array in nets.parameters.items()}
    drive = (parameters["weight_ih_l0"][:, :, symbol] + parameters["bias_ih_l0"]).T[:, :, None]
    weight, bias = parameters["weight_hh_l0"][:, :, 0].T[:, :, None], parameters["bias_hh_l0"].T[:, :, None]
    r, z = (sigmoid(drive[gate] + (weight[gate] * h + bias[gate])) for gate in (cell.RESET, cell.UPDATE))
    recalled = weight[cell.CANDIDATE] * h + bias[cell.CANDIDATE]
    return r, z, tanh(drive[cell.CANDIDATE] + r * recalled), recalled, weight


def _checked(nets: Networks) -> None:
    if nets.cell != "gru":
        raise NotGRU(f"GRU networks are needed, not {nets.cell!r}")
