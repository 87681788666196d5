"""Training: what a group of runs does in one epoch. Every run reads its own words in its own order.

For each word the runs of a group are sorted by the length of the word that they read next, and read it in blocks of
LANES: so the lanes of a block end nearly together. Beyond the end of its word a lane's share of the loss is 0, hence
so is every gradient, and it waits for the longest. Which runs share a block changes no bit of any.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from counting.engine import adam, readout
from counting.engine.block import (
    LENGTH,
    SYMBOLS,
    advance,
    back,
    forward,
    load_by_symbol,
    piece_rows,
    read_out,
    symbol_bits,
)
from counting.engine.lanes import LANES, at, inlined, kernel, lane_loop, like, rows_of_lanes
from counting.engine.layout import (
    Shape,
    finish_gradient,
    load_weights,
    loss_row,
    parameter_rows,
    state_rows,
    tape_rows,
    weight_rows,
)
from counting.engine.packed import (
    PackedWords,
    Readable,
    blocks_of,
    check_array,
    check_block,
    check_indices,
    check_tokens,
    check_words,
    pack_group,
    pack_words,
    shape_of,
    unpack_group,
)
from counting.engine.readout import LOSSES, MSE, cross_entropy, squared_error
from counting.engine.shuffle import shuffle


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
    """Go the way back from `_take`."""
    for lane in range(LANES):
        for row in range(rows):
            group[np.uint64(row * width) + np.uint64(runs[first + lane])] = block[at(row, lane)]


@lane_loop
def _open_words(shape, own, share, words, order, k, runs, first):
    """Fill `own` and `share` for word k of a block's runs. Returns the longest length."""
    symbols, targets, lengths = words
    bits, longest = symbol_bits(len(shape.symbols)), 0
    for lane in range(LANES):
        word = order[runs[first + lane], k]
        length = lengths[word]
        longest = max(longest, length)
        share[lane] = like(1.0, share[0]) / like(length, share[0])
        for piece in range(targets.shape[1]):
            first_row = piece * piece_rows(shape)
            own[at(first_row + LENGTH, lane)] = length
            for bit in range(bits):
                own[at(first_row + SYMBOLS + bit, lane)] = symbols[word, piece, bit]
            for output in range(len(shape.outputs)):
                own[at(first_row + SYMBOLS + bits + output, lane)] = targets[word, piece, output]
    return longest


@inlined
def _rows(array, i, rows):
    """Give the i-th part of an array that is cut into parts of so many rows of lanes."""
    return array[i * rows * LANES : (i + 1) * rows * LANES]


@lane_loop
def _read_and_learn(shape, loss, weights, slope, own, share, longest, state, adjoint, tape, gradient):
    """Compute the loss (row `loss_row` of `state`) and dL/dweights of one word for each lane of a block."""
    gradient[:] = 0
    state[:] = 0
    adjoint[:] = 0
    for t in range(longest):
        piece, record = _rows(own, t >> 5, piece_rows(shape)), _rows(tape, t, tape_rows(shape))
        forward(shape, weights, slope, piece, t, state, record)
        read_out(shape, loss, weights, piece, share, t, state, record, gradient)
    for t in range(longest - 1, -1, -1):
        piece, record = _rows(own, t >> 5, piece_rows(shape)), _rows(tape, t, tape_rows(shape))
        back(shape, weights, slope, piece, t, record, adjoint, gradient)


def train_epoch(
    shape: Shape,
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
    rows, runs = parameter_rows(shape), parameters.shape[-1]
    check_array("parameters", parameters, (rows, runs), np.float32, np.float64)
    for moment in moments:
        check_array("moments", moment, (rows, runs), parameters.dtype)
    check_array("powers", powers, (2,), np.float64)
    check_words(words, shape)
    check_array("the order of words, one row a run,", order, (runs, None), np.int32)
    check_indices("the order of words", order, len(words.lengths))
    if not order.size:
        raise ValueError(f"training needs at least one run and one word; got an order of shape {order.shape}")
    options = learning_rate, gain, slope, clip
    return _train_epoch(shape, LOSSES.index(loss), parameters, *moments, powers, words, order, *options)


@kernel()
def _train_epoch(shape, loss, parameters, moments1, moments2, powers, words, order, learning_rate, gain, slope, clip):
    rows, width = parameters.shape
    dtype = parameters.dtype
    longest = words.lengths.max()
    gain = like(gain, parameters[0, 0])
    slope = like(slope, parameters[0, 0])
    # Of the group, each row as wide as it has runs.
    flat, flat1, flat2 = parameters.reshape(-1), moments1.reshape(-1), moments2.reshape(-1)
    all_weights, all_gradients = np.empty(weight_rows(shape) * width, dtype), np.empty(rows * width, dtype)
    all_losses, norms, total = np.empty(width, dtype), np.empty(width, dtype), np.zeros(width)
    starts, runs = np.empty(longest + 2, np.int32), np.empty(-(-width // LANES) * LANES, np.uint32)
    # Of the block at work.
    weights, gradient = rows_of_lanes(weight_rows(shape), dtype), rows_of_lanes(weight_rows(shape), dtype)
    state, adjoint = rows_of_lanes(state_rows(shape), dtype), rows_of_lanes(state_rows(shape), dtype)
    tape, share = rows_of_lanes(longest * tape_rows(shape), dtype), rows_of_lanes(1, dtype)
    own = rows_of_lanes(words.targets.shape[1] * piece_rows(shape), np.uint32)

    for k in range(order.shape[1]):
        load_weights(all_weights, flat, shape, gain, width, width)
        _by_length(words.lengths, order, k, starts, runs)
        for first in range(0, width, LANES):
            _take(weights, weight_rows(shape), all_weights, width, runs, first)
            last = _open_words(shape, own, share, words, order, k, runs, first)
            _read_and_learn(shape, loss, weights, slope, own, share, last, state, adjoint, tape, gradient)
            _put(gradient, weight_rows(shape), all_gradients, width, runs, first)
            _put(state[at(loss_row(shape), 0) :], 1, all_losses, width, runs, first)
        finish_gradient(all_gradients, shape, gain, width, width)
        if clip > 0.0:
            adam.clip_norm(all_gradients, shape, clip, norms, width, width)
        adam.step(flat, all_gradients, flat1, flat2, powers, learning_rate, rows, width, width)
        for run in range(width):
            total[run] += all_losses[run]
    return total / order.shape[1], all_gradients.reshape(rows, width)


def losses(  # noqa: PLR0913  networks, words, and how they are read
    shape: Shape,
    parameters: np.ndarray,
    tokens: np.ndarray,
    targets: np.ndarray,
    lengths: np.ndarray,
    gain: float = 1.0,
    loss: str = "mse",
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean loss over the words, and the loss of the last word alone: two float64 (LANES,).

    parameters: a block, see `packed`. tokens, targets, lengths: words, see `packed.Readable`.
    loss: one of `LOSSES`. Raises ValueError for arrays that do not fit each other.
    """
    check_block(parameters, shape)
    check_tokens(tokens, targets, lengths, shape)
    return _losses(shape, LOSSES.index(loss), parameters, tokens, targets, lengths, gain)


@lane_loop
def _add_loss(shape, loss, weights, targets, share, state):
    for output in range(len(shape.outputs)):
        target = like(targets[output], share)
        if loss == MSE:
            for lane in range(LANES):
                readout.add_loss(shape, output, squared_error, weights, target, share, state, lane)
        else:
            for lane in range(LANES):
                readout.add_loss(shape, output, cross_entropy, weights, target, share, state, lane)


@kernel()
def _losses(shape, loss, parameters, tokens, targets, lengths, gain):
    weights = load_by_symbol(shape, parameters, gain)
    state = rows_of_lanes(state_rows(shape), parameters.dtype)
    total = np.zeros(LANES)
    for word in range(len(lengths)):
        state[:] = 0
        share = like(1.0, state[0]) / like(lengths[word], state[0])
        for t in range(lengths[word]):
            advance(shape, weights[tokens[word, t]], state)
            _add_loss(shape, loss, weights[0], targets[word, t], share, state)
        last = state[at(loss_row(shape), 0) :][:LANES]
        total += last
    return total / len(lengths), last.astype(np.float64)


def word_orders(seeds: Sequence[int], epoch: int, words: int) -> np.ndarray:
    """Return the order in which the run of each seed reads its words in an epoch: int32 (seeds, words)."""
    orders = np.empty((len(seeds), words), np.int32)
    _shuffle_all(np.array(seeds, np.uint64), np.uint64(epoch), orders)
    return orders


@kernel()
def _shuffle_all(seeds, epoch, orders):
    for run in range(len(seeds)):
        shuffle(seeds[run], epoch, orders[run])


class Group:
    """Some runs of a cell in training on one thread: their parameters, their moments and what they read.

    parameters: name -> (runs, ...), where they start. seeds: one a run. words, validation: read in each epoch to learn
    from, and to know the losses on.
    """

    def __init__(
        self,
        cell: str,
        loss: str,
        parameters: dict[str, np.ndarray],
        seeds: Sequence[int],
        words: Readable,
        validation: Readable,
    ) -> None:
        self._shape, self._loss, self._seeds = shape_of(cell, parameters), loss, seeds
        self._words, self._validation = pack_words(words), validation
        self._start, self._parameters = parameters, pack_group(parameters)
        self._moments = np.zeros_like(self._parameters), np.zeros_like(self._parameters)
        self._powers = np.ones(2)

    def epoch(self, number: int, learning_rate: float, gain: float, slope: float, clip: float) -> np.ndarray:
        """Read all words once, in the order of epoch `number`, and learn; return mean losses, float64 (runs,).

        gain, slope: gate temperature and leak. clip: largest gradient norm, 0 for none.
        """
        order = word_orders(self._seeds, number, len(self._words.lengths))
        return train_epoch(
            self._shape, self._parameters, self._moments, self._powers, self._words, order,
            learning_rate, gain, slope, clip, self._loss,
        )[0]  # fmt: skip

    def losses(self, gain: float) -> np.ndarray:
        """Return the mean loss over the validation words, and that of the last word alone: float64 (2, runs)."""
        words = self._validation
        read = words.tokens, words.targets, words.lengths, gain, self._loss
        parts = [losses(self._shape, block, *read) for block in blocks_of(self._parameters)]
        return np.concatenate(parts, axis=1)[:, : len(self._seeds)]

    def parameters(self) -> dict[str, np.ndarray]:
        """Return the parameters as they are now: name -> (runs, ...)."""
        return unpack_group(self._parameters, self._start)
