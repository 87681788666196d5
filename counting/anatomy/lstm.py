"""The LSTM opened: its gates, what a bracket adds, what is forgotten, and where it fails for that.

An LSTM counts with c' = f c + i g. Exactly if every gate is 1 and the candidate ±1: a `(` adds one, a `)` takes one
off, nothing is forgotten. What a trained one does instead is read from its weights here, in float64.

Symbols are indexed 0 for `(` and 1 for `)`, gates as in `GATES`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from counting import evaluation
from counting.anatomy.functions import sigmoid, tanh
from counting.cells import Networks
from counting.dyck import Words

GATES = ("i", "f", "g", "o")
INPUT, FORGET, CANDIDATE, OUTPUT = range(4)
_SETTLED = 60
"""Steps after which h deep inside a word no longer changes, in any network that counts at all."""


def oriented(nets: Networks) -> Networks:
    """Return the same networks with the sign of c and h chosen so that a large h says yes to `)`.

    Half of all runs count downwards. Negating h, c and the candidate changes no output, not even in its bits.
    """
    if nets.cell != "lstm":
        raise ValueError(f"an LSTM is needed, not a {nets.cell}")
    sign = np.where(nets.parameters["output.weight"][:, 1, 0] < 0, -1, 1).astype(nets.dtype)
    new = {name: array.copy() for name, array in nets.parameters.items()}
    new["output.weight"] *= sign[:, None, None]
    new["weight_hh_l0"] *= sign[:, None, None]
    for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
        new[name][:, CANDIDATE] *= sign.reshape(-1, *[1] * (new[name].ndim - 2))
    return Networks("lstm", new)


def activations(nets: Networks, h: np.ndarray) -> np.ndarray:
    """Each gate and the candidate as functions of symbol and state: float64 (runs, gate, symbol, points).

    h: states before the symbol, (points,) for all runs alike or (runs, points).
    """
    h = np.asarray(h, np.float64)
    h = np.broadcast_to(h, (len(nets), h.shape[-1]))
    drive, recurrent = _drive(nets)
    z = drive[..., None] + recurrent[:, :, None, None] * h[:, None, None]
    out = sigmoid(z)
    out[:, CANDIDATE] = tanh(z[:, CANDIDATE])
    return out


def ranges(nets: Networks) -> np.ndarray:
    """Smallest and largest activation over h in [−1, 1]: (runs, gate, symbol, 2). Each is monotone in h."""
    return np.sort(activations(nets, np.array([-1.0, 1.0])), axis=-1)


def visited(nets: Networks, word: Words) -> np.ndarray:
    """Smallest and largest activation on the way to the first wrong step of a word: (runs, gate, symbol, 2).

    After it a network visits states that no count leads to. NaN for a symbol that is not read before.
    """
    gates = evaluation.trace(nets, word).gates
    each = np.stack([gates[name] for name in GATES], axis=1)
    symbols = word.tokens[0, : word.lengths[0]]
    right = np.arange(len(symbols)) < np.maximum(evaluation.first_failure(nets, word), 1)
    parts = [np.where((right & (symbols == symbol))[:, None], each, np.nan) for symbol in (0, 1)]
    return np.stack([np.stack([np.fmin.reduce(part, -1), np.fmax.reduce(part, -1)], axis=-1) for part in parts], axis=2)


def distance_to_saturation(activation: np.ndarray) -> np.ndarray:
    """How far gates and candidates are from what an exact counter has, (runs, gate, …): 1 − |activation|."""
    return 1 - np.abs(activation)


@dataclass(frozen=True)
class Deep:
    """What each symbol does far inside a word, where tanh(c) is 1: c' = forget · c + increment; (runs, 2)."""

    h: np.ndarray
    forget: np.ndarray
    increment: np.ndarray
    """i · g: positive for `(`, negative for `)` in an oriented network that counts."""

    @property
    def mismatch(self) -> np.ndarray:
        """What a pair of brackets adds to c beyond what is forgotten, (runs,): 0 for a counter."""
        return self.increment.sum(axis=1)


def deep(nets: Networks) -> Deep:
    """Return the networks, oriented, far inside a word: h has settled where h = o(h), for each symbol."""
    nets = oriented(nets)
    h = np.ones((len(nets), 2))
    for _ in range(_SETTLED):
        h = np.stack([activations(nets, h[:, s : s + 1])[:, OUTPUT, s, 0] for s in (0, 1)], axis=1)
    each = np.stack([activations(nets, h[:, s : s + 1])[:, :, s, 0] for s in (0, 1)], axis=2)
    return Deep(h, each[:, FORGET], each[:, INPUT] * each[:, CANDIDATE])


def threshold(nets: Networks) -> np.ndarray:
    """Return the c at which an oriented network's answer to `)` turns from no to yes, output gate open: (runs,).

    It is −∞ or ∞ where the answer never turns.
    """
    nets = oriented(nets)
    weight, bias = _readout(nets)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.arctanh(np.clip(-bias / weight, -1, 1))[:, 0]


def brackets_lost(nets: Networks, peaks: np.ndarray) -> np.ndarray:
    """How many `)` too early a network says that `(^n )^n` is over, n in `peaks`: float64 (runs, len(peaks)).

    In closed form from `deep` and `threshold`. Up, c is the geometric sum  a (1 − f^n) / (1 − f); down, c + q
    falls by the factor f' at each `)`, with q = |a'| / (1 − f'), until c passes the threshold. To first order

        lost(n) = (1 − a / |a'|) n + (forgotten at `(` and `)` together) n² / 2 + threshold.

    At least 0: a network that still says yes at the end has lost nothing.
    """
    far, turn = deep(nets), threshold(nets)[:, None]
    peaks = np.asarray(peaks, np.float64)
    keep, keep_down = far.forget[:, 0:1], far.forget[:, 1:2]
    top = far.increment[:, 0:1] * -np.expm1(peaks * np.log(keep)) / (1 - keep)
    reserve = -far.increment[:, 1:2] / (1 - keep_down)
    steps = np.log((turn + reserve) / (top + reserve)) / np.log(keep_down)
    return np.maximum(peaks - steps, 0.0)


def predict_first_failure(nets: Networks, words: Words, damped: bool = True) -> np.ndarray:
    """First failure from the weights alone: float64 (runs, n), the word's length where none is predicted.

    The network is replaced by its linearization about its own ladder, the states C(d) that `(^d` leads to.
    For each symbol s at each depth d that is two numbers:

        δ_s(d) = what s leads to from C(d), less C(d ± 1)         the error that this step makes
        λ_s(d) = d c' / d c there                                 the share of earlier errors that stays

    so a word enters by its depths alone: its error is e ← λ e + δ, and it fails where the read-out of C(d) +
    e is wrong. (h, and so both numbers, also depends on the symbol before, through the output gate.) With
    `damped=False` λ is taken as 1: the error is then just the sum of δ over the brackets read so far.

    It breaks where e is no longer small beside the curvature of tanh, near depth 0: on words that return to
    depth 0 again and again. The state may settle there just below 0, where λ is less than at e = 0.
    """
    steps = Linearized.of(oriented(nets), int(words.depth.max()))
    runs, n = len(nets), len(words)
    error = np.zeros((runs, n))
    first = np.tile(words.lengths.astype(np.float64), (runs, 1))
    before, depth = np.zeros(n, np.int64), np.zeros(n, np.int64)
    for t in range(words.longest):
        inside = t < words.lengths
        symbol = np.where(inside, words.tokens[:, t], 0).astype(np.int64)
        if damped:
            error = error * steps.kept[:, before, symbol, depth]
        error = error + steps.made[:, before, symbol, depth]
        depth = np.where(inside, words.depth[:, t], 0)
        wrong = inside & (steps.says_yes(symbol, depth, error) != (depth > 0))
        first = np.where(wrong, np.minimum(first, t), first)
        before = symbol
    return first


@dataclass(frozen=True)
class Linearized:
    """Networks about their ladders: the error of each step, and the share of earlier ones it keeps."""

    rungs: np.ndarray
    """(runs, depth): C(d), the cell state after `(^d`."""
    opened: np.ndarray
    """(runs, symbol, depth): the output gate at the step that led to this depth."""
    made: np.ndarray
    """δ, (runs, symbol before, symbol, depth before)."""
    kept: np.ndarray
    """λ, of the same shape."""
    weight: np.ndarray
    bias: np.ndarray

    def says_yes(self, symbol: np.ndarray, depth: np.ndarray, error: np.ndarray) -> np.ndarray:
        """Return the networks' second answer, with errors (runs, n) at depths (n,) that these symbols led to."""
        h = self.opened[:, symbol, depth] * tanh(self.rungs[:, depth] + error)
        return self.weight * h + self.bias >= 0

    @staticmethod
    def of(nets: Networks, deepest: int) -> Linearized:
        """Of oriented networks, for depths 0 to `deepest`."""
        rungs, h, opened = _rungs(nets, deepest + 1)
        shape = (len(nets), 2, 2, deepest + 2)
        made, kept = np.zeros(shape), np.zeros(shape)
        recurrent = _drive(nets)[1]
        for before in (0, 1):
            gates = activations(nets, h[:, before])
            i, f, g = (gates[:, k] for k in (INPUT, FORGET, CANDIDATE))
            slope_i, slope_f, slope_g = (recurrent[:, k, None, None] for k in (INPUT, FORGET, CANDIDATE))
            c = rungs[:, None]
            after = f * c + i * g
            by_h = c * f * (1 - f) * slope_f + g * i * (1 - i) * slope_i + i * (1 - g * g) * slope_g
            h_by_c = opened[:, before, None] * (1 - tanh(c) ** 2)
            kept[:, before] = f + by_h * h_by_c
            made[:, before, 0, :-1] = after[:, 0, :-1] - rungs[:, 1:]
            made[:, before, 1, 1:] = after[:, 1, 1:] - rungs[:, :-1]
        return Linearized(rungs, opened, made, kept, *_readout(nets))


def _rungs(nets: Networks, deepest: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """C(d); and h and the output gate at depth d, reached by `(` from below or by `)` from above.

    Shapes (runs, deepest + 1) and, twice, (runs, symbol, deepest + 1). A recursion over depth, once up, once down.
    """
    c = np.zeros((len(nets), deepest + 1))
    h, opened = np.zeros((2, len(nets), 2, deepest + 1))
    for d in range(1, deepest + 1):
        i, f, g, o = np.moveaxis(activations(nets, h[:, 0, d - 1 : d])[:, :, 0, 0], 1, 0)
        c[:, d] = f * c[:, d - 1] + i * g
        h[:, 0, d], opened[:, 0, d] = o * tanh(c[:, d]), o
    above = h[:, 0, deepest]
    for d in range(deepest, -1, -1):
        o = activations(nets, above[:, None])[:, OUTPUT, 1, 0]
        above = o * tanh(c[:, d])
        h[:, 1, d], opened[:, 1, d] = above, o
    return c, h, opened


def _drive(nets: Networks) -> tuple[np.ndarray, np.ndarray]:
    """Return what input and biases contribute, (runs, gate, symbol), and the recurrent weights, (runs, gate)."""
    p = {name: array.astype(np.float64) for name, array in nets.parameters.items()}
    biases = p["bias_ih_l0"] + p["bias_hh_l0"]
    return p["weight_ih_l0"] + biases[:, :, None], p["weight_hh_l0"][:, :, 0]


def _readout(nets: Networks) -> tuple[np.ndarray, np.ndarray]:
    """Weight and bias of the second answer, float64 (runs, 1)."""
    p = nets.parameters
    return p["output.weight"][:, 1].astype(np.float64), p["output.bias"][:, 1:].astype(np.float64)
