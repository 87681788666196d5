"""The ReLU cell opened: the weights that count, how far trained ones are from them, and the drift.

    h' = max(0, u h + A) on `(`,    h' = max(0, u h + B) on `)`,    says yes to `)` iff w h + b ≥ 0

counts exactly if u = 1, B = −A and the read-out's threshold −b / w lies in (0, A]: the counter indicator
conditions of El-Naggar et al. (2023). A and B are a symbol's input weight and both biases together.

For any other A > 0 > B the state leaves A · depth by a *drift*. To first order in u − 1 and A + B, after K
symbols `)` and with D the sum of the depths at which symbols were read,

    h ≈ A · depth + (A + B) K + (u − 1) A D,

and the cell's max(0, ·) takes back, at once, whatever would be below 0.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from counting import languages
from counting.cells import Networks
from counting.dyck import CLOSE, Words
from counting.evaluation import first_wrong

KINDS = ("counter", "one-way", "mirrored", "dead", "not finite")
"""What `kind` tells apart."""


class NotReLU(ValueError):
    """Networks of another cell."""


def contributions(nets: Networks) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what `(` adds, what `)` adds, and the recurrent weight: A, B and u, each float64 (runs,)."""
    opening, closing = shuffle_contributions(nets)
    return opening[:, 0, 0], closing[:, 0, 0], nets.parameters["weight_hh_l0"][:, 0, 0].astype(np.float64)


def shuffle_contributions(nets: Networks) -> tuple[np.ndarray, np.ndarray]:
    """Return what each kind of bracket adds when it opens and when it closes: A and B, float64 (runs, units, kinds)."""
    if nets.cell != "relu":
        raise NotReLU(f"ReLU networks are needed, not {nets.cell!r}")
    bias = nets.parameters["bias_ih_l0"].astype(np.float64) + nets.parameters["bias_hh_l0"]
    added = nets.parameters["weight_ih_l0"].astype(np.float64) + bias[:, :, None]
    return added[:, :, ::2], added[:, :, 1::2]


def kind(nets: Networks) -> np.ndarray:
    """Which of `KINDS` each run is, by the signs of A and B alone: str (runs,).

    counter: A > 0 > B. one-way: neither symbol lowers the state (A > 0, B ≥ 0). mirrored: only `)` raises it
    (A ≤ 0 < B). dead: neither raises it, so h = 0 throughout, and no gradient reaches the cell again.
    """
    opening, closing, _ = contributions(nets)
    up, down = opening > 0, closing > 0
    conditions = [~nets.finite, up & (closing < 0), up, down]
    return np.select(conditions, ["not finite", "counter", "one-way", "mirrored"], "dead")


def conditions(nets: Networks) -> pd.DataFrame:
    """How far each run is from counting, one row a run: kind, u, ratio B / A, threshold (in steps of A).

    A counter is exact if u = 1, ratio = −1 and 0 < threshold ≤ 1. Where A is 0 the ratio is not finite.
    """
    opening, closing, recurrent = contributions(nets)
    weight, bias = _readout(nets)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return pd.DataFrame(
            {
                "kind": kind(nets),
                "opening": opening,
                "u": recurrent,
                "ratio": closing / opening,
                "threshold": -bias[:, 1] / weight[:, 1] / opening,
            }
        ).rename_axis("run")


def first_order_state(nets: Networks, words: Words) -> np.ndarray:
    """Return what the first-order drift makes of the state, for one counter: float64 (n, longest).

    Raises ValueError unless `nets` is one run of kind "counter".
    """
    if len(nets) != 1 or kind(nets)[0] != "counter":
        raise ValueError("the drift is that of one counter (A > 0 > B); choose one, as in nets[3]")
    opening, closing, recurrent = (value.item() for value in contributions(nets))
    depth = words.depth.astype(np.float64)
    closings = np.cumsum(words.tokens == CLOSE, axis=1)
    area = np.cumsum(depth, axis=1) - depth
    # The walk that the state would make without max(0, ·), and what max(0, ·) has given it back so far.
    walk = opening * depth + (opening + closing) * closings + (recurrent - 1) * opening * area
    return walk - np.minimum(np.minimum.accumulate(walk, axis=1), 0)


def predict_first_failure(nets: Networks, words: Words) -> np.ndarray:
    """First failure, from the first-order drift against the read-out's threshold: float64 (runs, n).

    A word enters by its depth, its number of `)` and its area so far; the network reads no symbol. Left out
    are what the drift does to the drift, which matters once |u − 1| · length is near 1, and rounding. A dead
    run's answer never changes, and is predicted exactly. Other kinds have no count to drift from: NaN.
    """
    kinds, (weight, bias) = kind(nets), _readout(nets)
    predicted = np.full((len(nets), len(words)), np.nan)
    for run in np.flatnonzero((kinds == "counter") | (kinds == "dead")):
        counts = kinds[run] == "counter"
        state = first_order_state(nets[int(run)], words) if counts else np.zeros(words.tokens.shape)
        yes = [weight[run, output] * state + bias[run, output] >= 0 for output in range(2)]
        wrong = ~yes[0] | (yes[1] != (words.depth > 0))
        predicted[run] = first_wrong(wrong, words.lengths)
    return predicted


def predict_shuffle_failure(nets: Networks, words: languages.Words) -> np.ndarray:
    """First failure on words of a shuffle, as `predict_first_failure` has it of one counter: int64 (runs, n).

    With U the recurrent weights the state is, to first order and where max(0, ·) gives nothing back,

        h ≈ Σ A_k · depth_k + (A_k + B_k) K_k + (U − 1) A_k D_k.
    """
    opening, closing = shuffle_contributions(nets)
    depth = words.counts.astype(np.float64)
    closings = np.cumsum(words.tokens[:, :, None] == 2 * np.arange(depth.shape[2]) + 1, axis=1)
    area = np.cumsum(depth, axis=1) - depth
    p = {name: array.astype(np.float64) for name, array in nets.parameters.items()}
    drift = (p["weight_hh_l0"] - np.eye(opening.shape[1])) @ opening
    predicted = np.empty((len(nets), len(words)), np.int64)
    for run in range(len(nets)):
        state = depth @ opening[run].T + closings @ (opening + closing)[run].T + area @ drift[run].T
        yes = state @ p["output.weight"][run].T + p["output.bias"][run] >= 0
        predicted[run] = first_wrong((yes != (words.targets == 1)).any(axis=2), words.lengths)
    return predicted


def compensation(words: Words) -> float:
    """D / K over whole words: how far below −1 the ratio must be for each unit of u − 1, for both drifts to
    cancel at the end of an average one of these words.
    """
    return float(words.depth.sum() / (words.tokens == CLOSE).sum())


def counters(u: np.ndarray, ratio: np.ndarray, gain: np.ndarray, threshold: np.ndarray | float = 0.5) -> Networks:
    """Cells of step A = 1 and these u and B / A: a stack in float64; arguments broadcast, then are flattened.

    gain: slope of the read-out, per step. threshold: the state, in steps, from which it says yes to `)`. The
    other output says yes to `(` with a logit of 40, so that its loss is out of sight.
    """
    u, ratio, gain, threshold = (
        np.ravel(x).astype(np.float64) for x in np.broadcast_arrays(u, ratio, gain, threshold)
    )
    zero, one = np.zeros_like(u), np.ones_like(u)
    return Networks(
        "relu",
        {
            "weight_ih_l0": np.stack([one, ratio], axis=1)[:, None],
            "weight_hh_l0": u[:, None, None],
            "bias_ih_l0": zero[:, None],
            "bias_hh_l0": zero[:, None],
            "output.weight": np.stack([zero, gain], axis=1)[:, :, None],
            "output.bias": np.stack([40 * one, -gain * threshold], axis=1),
        },
    )


def _readout(nets: Networks) -> tuple[np.ndarray, np.ndarray]:
    """Weights and biases of both outputs: float64 (runs, 2) twice."""
    weight = nets.parameters["output.weight"][:, :, 0].astype(np.float64)
    return weight, nets.parameters["output.bias"].astype(np.float64)
