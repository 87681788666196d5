"""Reading words without learning: every lane reads the same word. Memory does not depend on a word's length."""

from __future__ import annotations

import numpy as np

from counting.engine import readout
from counting.engine.block import GATES, TAPE_ROWS, step
from counting.engine.lanes import LANES, at, kernel, lane_loop, like, rows_of_lanes
from counting.engine.layout import LOSS, load_weights, parameter_rows, weight_rows
from counting.engine.readout import LOSSES, MSE, cross_entropy, squared_error
from counting.engine.packed import check_array, check_indices


@lane_loop
def load(cell, parameters, gain):
    """The weights that the steps read, from a block of parameters."""
    weights = rows_of_lanes(weight_rows(GATES[cell]), parameters.dtype)
    load_weights(weights, parameters, GATES[cell], like(gain, parameters[0]), LANES)
    return weights


@lane_loop
def _add_loss(loss, weights, deep, share, state):
    if loss == MSE:
        for lane in range(LANES):
            readout.add_loss(squared_error, weights, deep, share, state, lane)
    else:
        for lane in range(LANES):
            readout.add_loss(cross_entropy, weights, deep, share, state, lane)


def _check(cell: int, parameters: np.ndarray, tokens: np.ndarray, lengths: np.ndarray) -> None:
    """Raise ValueError for a block of parameters and words that do not fit the kernels."""
    check_array(
        "a block of parameters", parameters, (parameter_rows.py_func(GATES[cell]) * LANES,), np.float32, np.float64
    )
    check_array("tokens", tokens, (len(lengths), None), np.int8)
    check_array("lengths", lengths, (len(tokens),), np.int32)
    check_indices("lengths of words", lengths, tokens.shape[1] + 1)


def losses(
    cell: int, parameters: np.ndarray, tokens: np.ndarray, lengths: np.ndarray, gain: float = 1.0, loss: str = "mse"
) -> tuple[np.ndarray, np.ndarray]:
    """Mean loss over the words, and the loss of the last word alone: two float64 (LANES,).

    parameters: a block, see `packed`. tokens: int8 (n, longest), 1 for `)`; lengths: int32 (n,).
    loss: one of `LOSSES`.
    """
    _check(cell, parameters, tokens, lengths)
    return _losses(cell, LOSSES.index(loss), parameters, tokens, lengths, gain)


@kernel()
def _losses(cell, loss, parameters, tokens, lengths, gain):
    slope = like(0.0, parameters[0])
    weights = load(cell, parameters, gain)
    state, tape = rows_of_lanes(3, parameters.dtype), rows_of_lanes(TAPE_ROWS, parameters.dtype)
    symbol = np.empty(LANES, np.int32)
    total = np.zeros(LANES)
    for word in range(len(lengths)):
        state[:] = 0
        depth = 0
        share = like(1.0, slope) / like(lengths[word], slope)
        for t in range(lengths[word]):
            symbol[:] = tokens[word, t]
            depth += 1 - 2 * tokens[word, t]
            step(cell, weights, slope, symbol, state, tape)
            _add_loss(loss, weights, like(1 if depth > 0 else 0, slope), share, state)
        for lane in range(LANES):
            total[lane] += state[at(LOSS, lane)]
    return total / len(lengths), state[at(LOSS, 0) : at(LOSS, 0) + LANES].astype(np.float64)


@lane_loop
def _right(weights, deep, state, right):
    """Whether both decisions of each lane are right: `(` allowed, and `)` exactly where the depth is positive."""
    for lane in range(LANES):
        opening = readout.logit(weights, 0, state, lane)
        closing = readout.logit(weights, 1, state, lane)
        zero = like(0.0, opening)
        # Not (closing ≥ 0) == deep: a NaN is wrong at any depth.
        decided = closing >= zero if deep else closing < zero
        right[lane] = (opening >= zero) & decided


def decide(
    cell: int, parameters: np.ndarray, tokens: np.ndarray, lengths: np.ndarray, whole: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Where each lane first fails on each word, and how many returns to depth 0 it gets right.

    Returns int64 (LANES, n) twice: the 0-based first wrong step, or the length if there is none; the number of steps
    at depth 0 where both outputs are right. Unless `whole`, a word is left as soon as every lane has failed, and the
    second array counts only up to there.
    """
    _check(cell, parameters, tokens, lengths)
    return _decide(cell, parameters, tokens, lengths, whole)


@kernel()
def _decide(cell, parameters, tokens, lengths, whole):
    weights = load(cell, parameters, 1.0)
    slope = like(0.0, parameters[0])
    state, tape = rows_of_lanes(3, parameters.dtype), rows_of_lanes(TAPE_ROWS, parameters.dtype)
    symbol = np.empty(LANES, np.int32)
    right = np.empty(LANES, np.int32)
    failure = np.empty((LANES, len(lengths)), np.int64)
    returns = np.zeros((LANES, len(lengths)), np.int64)
    first = np.empty(LANES, np.int64)
    for word in range(len(lengths)):
        state[:] = 0
        first[:] = lengths[word]
        depth = 0
        for t in range(lengths[word]):
            symbol[:] = tokens[word, t]
            depth += 1 - 2 * tokens[word, t]
            step(cell, weights, slope, symbol, state, tape)
            _right(weights, depth > 0, state, right)
            failed = 0
            for lane in range(LANES):
                if right[lane] == 0 and first[lane] > t:
                    first[lane] = t
                failed += first[lane] < lengths[word]
            if depth == 0:
                for lane in range(LANES):
                    returns[lane, word] += right[lane]
            if failed == LANES and not whole:
                break
        failure[:, word] = first
    return failure, returns


def trace(
    cell: int, parameters: np.ndarray, tokens: np.ndarray, length: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """States, logits and tape along one word, for every lane.

    tokens: int8 (longest,). Returns state (length, 3, LANES), logits (length, 2, LANES), tape (length, rows, LANES).
    """
    _check(cell, parameters, tokens[None], np.array([length], np.int32))
    return _trace(cell, parameters, tokens, length)


@kernel()
def _trace(cell, parameters, tokens, length):
    dtype = parameters.dtype
    weights = load(cell, parameters, 1.0)
    slope = like(0.0, parameters[0])
    state = np.zeros(3 * LANES, dtype)
    symbol = np.empty(LANES, np.int32)
    states = np.empty((length, 3 * LANES), dtype)
    logits = np.empty((length, 2, LANES), dtype)
    tape = np.zeros((length, TAPE_ROWS * LANES), dtype)
    for t in range(length):
        symbol[:] = tokens[t]
        step(cell, weights, slope, symbol, state, tape[t])
        states[t] = state
        for output in range(2):
            for lane in range(LANES):
                logits[t, output, lane] = readout.logit(weights, output, state, lane)
    return states.reshape(length, 3, LANES), logits, tape.reshape(length, TAPE_ROWS, LANES)
