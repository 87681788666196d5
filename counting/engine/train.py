"""Training: what a group of runs does in one epoch. Every run reads its own words in its own order.

For each word the runs of a group are sorted by the length of the word that they read next, and read it in blocks of
LANES: so the lanes of a block end nearly together. Beyond the end of its word a lane's share of the loss is 0, hence
so is every gradient, and it waits for the longest. Which runs share a block changes no bit of any.
"""

from __future__ import annotations

import numpy as np

from counting.engine import adam
from counting.engine.block import BRACKETS, DEPTHS, GATES, LENGTH, PIECE_ROWS, TAPE_ROWS, back, forward, read_out
from counting.engine.lanes import LANES, at, inlined, kernel, lane_loop, like, rows_of_lanes
from counting.engine.layout import LOSS, finish_gradient, load_weights, parameter_rows, weight_rows
from counting.engine.readout import LOSSES
from counting.engine.packed import PackedWords, check_array, check_indices, check_words


@lane_loop
def _by_length(lengths, order, k, starts, runs):
    """Fill `runs`, uint32 (at least the number of runs,), with all runs by the length of their word k.

    starts: int32 (longest + 2,), overwritten. Places beyond the last run repeat it.
    """
    starts[:] = 0
    number = len(order)
    for run in range(number):
        starts[lengths[order[run, k]] + 1] += 1
    for length in range(1, len(starts)):
        starts[length] += starts[length - 1]
    for run in range(number):
        length = lengths[order[run, k]]
        runs[starts[length]] = run
        starts[length] += 1
    runs[number:] = runs[number - 1]


@lane_loop
def _take(block, rows, group, width, runs, first):
    """Rows of the runs in the LANES places of `runs` from `first`, out of a group of `width` runs into a block."""
    for lane in range(LANES):
        for row in range(rows):
            block[at(row, lane)] = group[np.uint64(row * width) + np.uint64(runs[first + lane])]


@lane_loop
def _put(block, rows, group, width, runs, first):
    """The way back from `_take`."""
    for lane in range(LANES):
        for row in range(rows):
            group[np.uint64(row * width) + np.uint64(runs[first + lane])] = block[at(row, lane)]


@lane_loop
def _open_words(own, share, words, order, k, runs, first):
    """Fill `own` and `share` for word k of a block's runs. Returns the longest length."""
    brackets, depths, lengths = words
    longest = 0
    for lane in range(LANES):
        word = order[runs[first + lane], k]
        length = lengths[word]
        longest = max(longest, length)
        share[lane] = like(1.0, share[0]) / like(length, share[0])
        for piece in range(brackets.shape[1]):
            first_row = piece * PIECE_ROWS
            own[at(first_row + LENGTH, lane)] = length
            own[at(first_row + BRACKETS, lane)] = brackets[word, piece]
            own[at(first_row + DEPTHS, lane)] = depths[word, piece]
    return longest


@inlined
def _rows(array, i, rows):
    """The i-th part of an array that is cut into parts of so many rows of lanes."""
    return array[i * rows * LANES : (i + 1) * rows * LANES]


@lane_loop
def _read_and_learn(cell, loss, weights, slope, own, share, longest, state, adjoint, tape, gradient):
    """The loss (row LOSS of `state`) and dL/dweights of one word for each lane of a block."""
    gradient[:] = 0
    state[:] = 0
    adjoint[:] = 0
    for t in range(longest):
        piece, record = _rows(own, t >> 5, PIECE_ROWS), _rows(tape, t, TAPE_ROWS)
        forward(cell, weights, slope, piece, t, state, record)
        read_out(loss, weights, piece, share, t, state, record, gradient)
    for t in range(longest - 1, -1, -1):
        piece, record = _rows(own, t >> 5, PIECE_ROWS), _rows(tape, t, TAPE_ROWS)
        back(cell, weights, slope, piece, t, record, adjoint, gradient)


def train_epoch(
    cell: int,
    parameters: np.ndarray,
    moments: tuple[np.ndarray, np.ndarray],
    powers: np.ndarray,
    words: PackedWords,
    order: np.ndarray,
    learning_rate: float,
    gain: float = 1.0,
    slope: float = 0.0,
    clip: float = 0.0,
    loss: str = "mse",
) -> tuple[np.ndarray, np.ndarray]:
    """Train every run of a group for an epoch: for each word, forward, back and a step of Adam.

    parameters, moments: (parameter_rows, runs), updated in place, as is `powers`, float64 (β1^t, β2^t).
    order: int32 (runs, n), the word that each run reads at each of n steps.
    gain, slope: gate temperature and leak (1 and 0 for PyTorch's cells). clip: largest gradient norm, 0 for none.
    loss: one of `LOSSES`.
    Returns the mean loss of each run over the epoch, float64 (runs,), and the last gradient, as `parameters`.
    Raises ValueError for arrays that do not fit each other.
    """
    rows, runs = parameter_rows.py_func(GATES[cell]), parameters.shape[-1]
    check_array("parameters", parameters, (rows, runs), np.float32, np.float64)
    for moment in moments:
        check_array("moments", moment, (rows, runs), parameters.dtype)
    check_array("powers", powers, (2,), np.float64)
    check_words(words)
    check_array("the order of words, one row a run,", order, (runs, None), np.int32)
    check_indices("the order of words", order, len(words.lengths))
    if not order.size:
        raise ValueError(f"training needs at least one run and one word; got an order of shape {order.shape}")
    options = learning_rate, gain, slope, clip
    return _train_epoch(cell, LOSSES.index(loss), parameters, *moments, powers, words, order, *options)


@kernel()
def _train_epoch(cell, loss, parameters, moments1, moments2, powers, words, order, learning_rate, gain, slope, clip):
    gates = GATES[cell]
    rows, width = parameters.shape
    dtype = parameters.dtype
    longest = words.lengths.max()
    gain = like(gain, parameters[0, 0])
    slope = like(slope, parameters[0, 0])
    # Of the group, each row as wide as it has runs.
    flat, flat1, flat2 = parameters.reshape(-1), moments1.reshape(-1), moments2.reshape(-1)
    all_weights, all_gradients = np.empty(weight_rows(gates) * width, dtype), np.empty(rows * width, dtype)
    all_losses, norms, total = np.empty(width, dtype), np.empty(width, dtype), np.zeros(width)
    starts, runs = np.empty(longest + 2, np.int32), np.empty(-(-width // LANES) * LANES, np.uint32)
    # Of the block at work.
    weights, gradient = rows_of_lanes(weight_rows(gates), dtype), rows_of_lanes(weight_rows(gates), dtype)
    state, adjoint, share = rows_of_lanes(3, dtype), rows_of_lanes(2, dtype), rows_of_lanes(1, dtype)
    tape = rows_of_lanes(longest * TAPE_ROWS, dtype)
    own = rows_of_lanes(words.brackets.shape[1] * PIECE_ROWS, np.uint32)

    for k in range(order.shape[1]):
        load_weights(all_weights, flat, gates, gain, width)
        _by_length(words.lengths, order, k, starts, runs)
        for first in range(0, width, LANES):
            _take(weights, weight_rows(gates), all_weights, width, runs, first)
            last = _open_words(own, share, words, order, k, runs, first)
            _read_and_learn(cell, loss, weights, slope, own, share, last, state, adjoint, tape, gradient)
            _put(gradient, weight_rows(gates), all_gradients, width, runs, first)
            _put(state[at(LOSS, 0) :], 1, all_losses, width, runs, first)
        finish_gradient(all_gradients, gates, gain, width)
        if clip > 0.0:
            adam.clip_norm(all_gradients, gates, clip, norms)
        adam.step(flat, all_gradients, flat1, flat2, powers, learning_rate)
        for run in range(width):
            total[run] += all_losses[run]
    return total / order.shape[1], all_gradients.reshape(rows, width)
