"""Reading words without learning: every lane reads the same word. Memory does not depend on a word's length."""

from __future__ import annotations

import numpy as np

from counting.engine import readout
from counting.engine.block import GATES, TAPE_ROWS, advance, load, load_by_symbol, step
from counting.engine.lanes import LANES, kernel, lane_loop, like, rows_of_lanes
from counting.engine.packed import check_block, check_tokens


def decide(
    cell: int, parameters: np.ndarray, tokens: np.ndarray, lengths: np.ndarray, whole: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Find where each lane first fails on each word, and how many returns to depth 0 it gets right.

    Returns int64 (LANES, n) twice: the 0-based first wrong step, or the length if there is none; the number of steps
    at depth 0 where both outputs are right. Unless `whole`, a word is left as soon as every lane has failed, and the
    second array counts only up to there. Raises ValueError for arrays that do not fit each other.
    """
    check_block(parameters, GATES[cell])
    check_tokens(tokens, lengths)
    return _decide(cell, parameters, tokens, lengths, whole)


@lane_loop
def _judge(weights, deep, t, state, right, first):
    """Fill `right`, int32 (LANES,): `(` allowed, and `)` exactly where the depth is positive; and bring `first` on."""
    for lane in range(LANES):
        right[lane] = readout.right(weights, deep, state, lane)
        first[lane] = first[lane] if right[lane] != 0 else min(first[lane], t)


@lane_loop
def _all_failed(first, length):
    latest = first[0]
    for lane in range(1, LANES):
        latest = max(latest, first[lane])
    return latest < length


@kernel()
def _decide(cell, parameters, tokens, lengths, whole):
    weights = load_by_symbol(cell, parameters, 1.0)
    state = rows_of_lanes(3, parameters.dtype)
    right, first = np.empty(LANES, np.int32), np.empty(LANES, np.int32)
    failure = np.empty((LANES, len(lengths)), np.int64)
    returns = np.zeros((LANES, len(lengths)), np.int64)
    for word in range(len(lengths)):
        state[:] = 0
        first[:] = lengths[word]
        depth = 0
        for t in range(lengths[word]):
            symbol = tokens[word, t]
            depth += 1 - 2 * symbol
            advance(cell, weights[symbol], state)
            _judge(weights[0], depth > 0, np.int32(t), state, right, first)
            if depth == 0:
                for lane in range(LANES):
                    returns[lane, word] += right[lane]
            if not whole and _all_failed(first, lengths[word]):
                break
        failure[:, word] = first
    return failure, returns


def trace(
    cell: int, parameters: np.ndarray, tokens: np.ndarray, length: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return states, logits and tape along one word, for every lane.

    tokens: int8 (longest,). Returns state (length, 3, LANES), logits (length, 2, LANES), tape (length, rows, LANES).
    Raises ValueError for arrays that do not fit each other.
    """
    check_block(parameters, GATES[cell])
    check_tokens(tokens[None], np.array([length], np.int32))
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
