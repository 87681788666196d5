"""What each thread of a GPU does: one run alone, by the step functions of the blocks, called for one lane.

Every array begins at the run's own lane, so that to the step functions the run is lane 0 and its rows stand LANES
apart. What a thread works on stays in its registers; in memory lie the parameters, the moments, the order of its words
and the tape of one word. The functions are also compiled for the CPU, where the tests hold them to the engine's bits.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numba
import numpy as np
from numba import cuda

from counting.engine import adam, layout, readout
from counting.engine.block import CELLS, STEPS
from counting.engine.lanes import LANES, at, inlined, like
from counting.engine.layout import LOSS
from counting.engine.shuffle import shuffle

KERNELS = ("train_epoch", "losses", "first_failure")

_WEIGHTS, _GRADIENT, _STATE, _ADJOINT = (rows * LANES for rows in (20, 24, 3, 2))
"""Sizes of what a thread works on: enough for the LSTM, which has most rows."""

# Into one function with the rest, so that what they work on can be registers.
load_weights = inlined(layout.load_weights.py_func)
finish_gradient = inlined(layout.finish_gradient.py_func)
clip_norm = inlined(adam.clip_norm.py_func)
adam_step = inlined(adam.step.py_func)


of_a_run = numba.njit(forceinline=True, error_model="numpy")
"""What one thread does for its run: like `inlined`, but the tests call it from Python too."""


@inlined
def _zero(array, rows):
    for row in range(rows):
        array[at(row, 0)] = like(0.0, array[0])


@inlined
def _bit(chunk, t):
    """Give bit t of a word's 32 bits."""
    return np.int32((chunk >> np.uint32(t)) & np.uint32(1))


@functools.cache
def kernel_functions(cell: str, dtype: str, loss: str = "mse") -> dict[str, Callable]:
    """Give the kernels as Python functions. Cell and loss are fixed, so that the compiler knows every row's number."""
    cell_of, loss_of = STEPS[CELLS.index(cell)], readout.FUNCTIONS[readout.LOSSES.index(loss)]
    advance, step, step_back = cell_of.advance, cell_of.step, cell_of.step_back
    shape = layout.shape(cell_of.GATES)
    rows, weight_rows = layout.parameter_rows(shape), layout.weight_rows(shape)
    real = getattr(numba, dtype)

    @of_a_run
    def word_gradient(weights, slope, words, word, tape, gradient, state, adjoint):
        """Compute the loss of one word (row LOSS of `state`) and its gradient."""
        brackets, depths, lengths = words
        length = lengths[word]
        _zero(gradient, weight_rows)
        _zero(state, 3)
        _zero(adjoint, 2)
        share = like(1.0, slope) / like(length, slope)
        # Neighbouring threads have other words. What they fetch at one time shall lie side by side, or each waits for
        # all: bits come 32 at a time, and the way back is counted from the longest word's end, not from each one's own.
        for chunk in range((length + 31) >> 5):
            bracket, deep = brackets[word, chunk], depths[word, chunk]
            for t in range(32 * chunk, min(length, 32 * chunk + 32)):
                step(shape, 0, weights, slope, _bit(bracket, t & 31), state, tape[t], 0)
                inside = like(_bit(deep, t & 31), slope)
                # One after the other, not in a loop: only arrays with constant indices become registers.
                readout.step(shape, 0, loss_of, weights, like(1.0, slope), share, state, tape[t], gradient, 0)
                readout.step(shape, 1, loss_of, weights, inside, share, state, tape[t], gradient, 0)
        for chunk in range(brackets.shape[1] - 1, -1, -1):
            bracket = brackets[word, chunk]
            for t in range(32 * chunk + 31, 32 * chunk - 1, -1):
                if t < length:
                    step_back(shape, 0, weights, slope, _bit(bracket, t & 31), tape[t], adjoint, gradient, 0)

    @of_a_run
    def train_run(
        parameters, moments1, moments2, powers, words, order, options, tape, weights, gradient, state, adjoint
    ):
        """Train one run for an epoch, as `train.train_epoch`; return the mean loss. tape: (longest, rows · LANES)."""
        learning_rate, gain, slope, clip = options
        gain, slope = like(gain, parameters[0]), like(slope, parameters[0])
        total = 0.0
        for k in range(len(order)):
            load_weights(weights, parameters, shape, gain, LANES, 1)
            word_gradient(weights, slope, words, order[k], tape, gradient, state, adjoint)
            finish_gradient(gradient, shape, gain, LANES, 1)
            if clip > 0.0:
                clip_norm(gradient, shape, clip, adjoint, LANES, 1)  # the adjoint is free by now
            adam_step(parameters, gradient, moments1, moments2, powers, learning_rate, rows, LANES, 1)
            total += state[at(LOSS, 0)]
        return total / len(order)

    @of_a_run
    def run_losses(parameters, tokens, lengths, gain, weights, state):
        """Return the mean loss over the words, and the loss of the last one, as `train.losses`."""
        zero = like(0.0, parameters[0])
        load_weights(weights, parameters, shape, like(gain, zero), LANES, 1)
        total = 0.0
        for word in range(len(lengths)):
            _zero(state, 3)
            depth = 0
            share = like(1.0, zero) / like(lengths[word], zero)
            for t in range(lengths[word]):
                symbol = np.int32(tokens[word, t])
                depth += 1 - 2 * symbol
                advance(shape, 0, weights, zero, symbol, state, 0)
                deep = like(1 if depth > 0 else 0, zero)
                readout.add_loss(shape, 0, loss_of, weights, like(1.0, zero), share, state, 0)
                readout.add_loss(shape, 1, loss_of, weights, deep, share, state, 0)
            total += state[at(LOSS, 0)]
        return total / len(lengths), np.float64(state[at(LOSS, 0)])

    @of_a_run
    def run_failure(parameters, tokens, length, weights, state):
        """Return the first wrong step on one word, int8 (longest,), or its length, as `read.decide`."""
        zero = like(0.0, parameters[0])
        load_weights(weights, parameters, shape, like(1.0, zero), LANES, 1)
        _zero(state, 3)
        depth = 0
        for t in range(length):
            symbol = np.int32(tokens[t])
            depth += 1 - 2 * symbol
            advance(shape, 0, weights, zero, symbol, state, 0)
            opening = readout.right(shape, 0, weights, True, state, 0)
            if not (opening and readout.right(shape, 1, weights, depth > 0, state, 0)):
                return t
        return length

    def train_epoch(seeds, epoch, parameters, moments1, moments2, powers, brackets, depths, lengths, order,
                    learning_rate, gain, slope, clip, tape, loss):  # fmt: skip
        block, lane = cuda.blockIdx.x, cuda.threadIdx.x
        weights, gradient = cuda.local.array(_WEIGHTS, real), cuda.local.array(_GRADIENT, real)
        state, adjoint = cuda.local.array(_STATE, real), cuda.local.array(_ADJOINT, real)
        own = order[block, :, lane]
        shuffle(seeds[block, lane], epoch, own)
        loss[block, lane] = train_run(
            parameters[block, lane:], moments1[block, lane:], moments2[block, lane:], powers[block, lane],
            (brackets, depths, lengths), own, (learning_rate, gain, slope, clip), tape[block, :, lane:],
            weights, gradient, state, adjoint,
        )  # fmt: skip

    def losses(parameters, tokens, lengths, gain, both):
        block, lane = cuda.blockIdx.x, cuda.threadIdx.x
        weights, state = cuda.local.array(_WEIGHTS, real), cuda.local.array(_STATE, real)
        mean, last = run_losses(parameters[block, lane:], tokens, lengths, gain, weights, state)
        both[0, block, lane] = mean
        both[1, block, lane] = last

    def first_failure(parameters, tokens, lengths, first, failure):
        word, run = cuda.blockIdx.x * LANES + cuda.threadIdx.x, first + cuda.blockIdx.y
        if word < len(lengths):
            weights, state = cuda.local.array(_WEIGHTS, real), cuda.local.array(_STATE, real)
            own = parameters[run // LANES, run % LANES :]
            failure[cuda.blockIdx.y, word] = run_failure(own, tokens[:, word], lengths[word], weights, state)

    return dict(zip(KERNELS, (train_epoch, losses, first_failure), strict=True))


def signatures(dtype: str) -> dict[str, tuple[numba.types.Type, ...]]:
    """Give the types of what each kernel takes."""
    real, f64, i32, u32, u64 = getattr(numba, dtype), numba.float64, numba.int32, numba.uint32, numba.uint64
    blocks, tokens = real[:, ::1], numba.int8[:, ::1]
    return {
        "train_epoch": (
            *(u64[:, ::1], u64, blocks, blocks, blocks, f64[:, :, ::1], u32[:, ::1], u32[:, ::1], i32[::1]),
            *(i32[:, :, ::1], f64, f64, f64, f64, real[:, :, ::1], f64[:, ::1]),
        ),
        "losses": (blocks, tokens, i32[::1], f64, f64[:, :, ::1]),
        "first_failure": (blocks, tokens, i32[::1], numba.int64, numba.int64[:, ::1]),
    }
