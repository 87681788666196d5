"""Why a network fails: what its state says of the depth, and what its weights say of where it will be wrong.

    lstm · gru · relu   each cell's own mechanism, and its predictor of the first failure
    gradient            what training still feels: gradients of single words, and Adam with another epsilon
    floats              counters that are exact on paper, and what rounding makes of them

Here stands what is the same for all cells.
"""

from __future__ import annotations

import numpy as np

from counting import dyck, evaluation
from counting.anatomy import gru, lstm, relu
from counting.cells import Networks
from counting.dyck import Words

_MODULES = {"lstm": lstm, "gru": gru, "relu": relu}


def state(nets: Networks, word: Words) -> np.ndarray:
    """Return what has to hold the count after each symbol of one word: (runs, T), c of an LSTM, else h."""
    trace = evaluation.trace(nets, word)
    return trace.c if nets.cell == "lstm" else trace.h


def ladder(nets: Networks, deepest: int) -> np.ndarray:
    """Return the state after `(` repeated d times: (runs, deepest + 1) for d = 0, 1, …; first the start, 0."""
    climb = state(nets, dyck.zigzag(2 * deepest, deepest))[:, :deepest]
    return np.pad(climb, ((0, 0), (1, 0)))


def predict_first_failure(nets: Networks, words: Words) -> np.ndarray:
    """First failure, predicted from the weights without running the network on the words: float64 (runs, n).

    A word that is predicted to be right contributes its length, as in `evaluation.first_failure`; NaN where
    the cell's theory says nothing, and for a network that diverged. What the weights are reduced to, and
    where that breaks, is said in each cell's module.
    """
    predicted, finite = np.full((len(nets), len(words)), np.nan), nets.finite
    if finite.any() and len(words):
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            predicted[finite] = _MODULES[nets.cell].predict_first_failure(nets[finite], words)
    return predicted
