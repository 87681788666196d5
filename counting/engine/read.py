"""Reading words without learning: every lane reads the same word. Memory does not depend on a word's length."""

from __future__ import annotations

import numpy as np

from counting.engine import readout
from counting.engine.block import advance, load, load_by_symbol, step
from counting.engine.lanes import LANES, at, kernel, lane_loop, like, rows_of_lanes
from counting.engine.layout import Shape, state_rows, tape_rows
from counting.engine.packed import check_array, check_block, check_indices, check_tokens


def decide(
    shape: Shape, parameters: np.ndarray, tokens: np.ndarray, targets: np.ndarray, lengths: np.ndarray, whole: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Find where each lane first fails on each word, and how many steps with the last target 0 it gets right.

    Returns int64 (LANES, n) twice: the 0-based first wrong step, or the length if there is none; the number of right
    steps where the last output must say no: of a word of Dyck-1, at depth 0. Unless `whole`, a word is left as soon as
    every lane has failed, and the second array counts only up to there.
    Raises ValueError for arrays that do not fit each other.
    """
    check_block(parameters, shape)
    check_tokens(tokens, targets, lengths, shape)
    return _decide(shape, parameters, tokens, targets, lengths, whole)


@lane_loop
def _judge(shape, weights, targets, t, state, right, first):
    """Fill `right`, int32 (LANES,): whether all outputs are right; and bring `first` on."""
    right[:] = 1
    for output in range(len(shape.outputs)):
        target = targets[output] != 0
        for lane in range(LANES):
            right[lane] &= readout.right(shape, output, weights, target, state, lane)
    for lane in range(LANES):
        first[lane] = first[lane] if right[lane] != 0 else min(first[lane], t)


@lane_loop
def _all_failed(first, length):
    latest = first[0]
    for lane in range(1, LANES):
        latest = max(latest, first[lane])
    return latest < length


@kernel()
def _decide(shape, parameters, tokens, targets, lengths, whole):
    weights = load_by_symbol(shape, parameters, 1.0)
    state = rows_of_lanes(state_rows(shape), parameters.dtype)
    right, first = np.empty(LANES, np.int32), np.empty(LANES, np.int32)
    failure = np.empty((LANES, len(lengths)), np.int64)
    returns = np.zeros((LANES, len(lengths)), np.int64)
    for word in range(len(lengths)):
        state[:] = 0
        first[:] = lengths[word]
        for t in range(lengths[word]):
            advance(shape, weights[tokens[word, t]], state)
            _judge(shape, weights[0], targets[word, t], np.int32(t), state, right, first)
            if targets[word, t, -1] == 0:
                for lane in range(LANES):
                    returns[lane, word] += right[lane]
            if not whole and _all_failed(first, lengths[word]):
                break
        for lane in range(LANES):
            failure[lane, word] = first[lane]
    return failure, returns


def trace(
    shape: Shape, parameters: np.ndarray, tokens: np.ndarray, start: np.ndarray, runs: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return states, logits and tape along one word, of the first so many lanes.

    tokens: int8 (length,). start: the states to start from, (state rows, LANES). runs: 1 to LANES.
    Returns state (runs, length, state rows), logits (runs, length, outputs), tape (runs, length, tape rows).
    Raises ValueError for arrays that do not fit each other.
    """
    check_block(parameters, shape)
    check_array("tokens", tokens, (None,), np.int8)
    check_indices("symbols", tokens, len(shape.symbols))
    check_array("states", start, (state_rows(shape), LANES), parameters.dtype)
    if not 1 <= runs <= LANES:
        raise ValueError(f"runs must be from 1 to {LANES}, got {runs}")
    return _trace(shape, parameters, tokens, np.ascontiguousarray(start), runs)


@lane_loop
def _keep(rows, record, kept, t):
    """Copy a step's rows of lanes to the runs that are kept: (runs, length, rows)."""
    for run in range(len(kept)):
        for row in range(rows):
            kept[run, t, row] = record[at(row, run)]


@kernel()
def _trace(shape, parameters, tokens, start, runs):
    dtype, length, outputs = parameters.dtype, len(tokens), len(shape.outputs)
    weights = load(shape, parameters, 1.0)
    slope = like(0.0, parameters[0])
    state, symbol = start.copy().reshape(-1), np.empty(LANES, np.int32)
    record, logits = np.zeros(tape_rows(shape) * LANES, dtype), np.empty(outputs * LANES, dtype)
    all_states = np.empty((runs, length, state_rows(shape)), dtype)
    all_logits = np.empty((runs, length, outputs), dtype)
    tape = np.empty((runs, length, tape_rows(shape)), dtype)
    for t in range(length):
        symbol[:] = tokens[t]
        step(shape, weights, slope, symbol, state, record)
        for output in range(outputs):
            for lane in range(LANES):
                logits[at(output, lane)] = readout.logit(shape, output, weights, state, lane)
        _keep(state_rows(shape), state, all_states, t)
        _keep(outputs, logits, all_logits, t)
        _keep(tape_rows(shape), record, tape, t)
    return all_states, all_logits, tape
