"""The same arithmetic on a GPU: one thread a run (in evaluation, a run and a word), one CUDA block a block of lanes.

Arrays are the blocks of `packed`, one behind the other: (blocks, rows · LANES), so that neighbouring threads read
neighbouring numbers. What a thread works on stays in its registers; in memory lie the parameters, the moments, the
order of its words and the tape of one word.

The bits are the CPU's because every operation is: IEEE 754 rounds +, −, ×, ÷ and √ in one way only. `exactly` keeps
NVIDIA's compiler from joining × and + into one operation that rounds once, and `check_ptx` refuses code where it did.
Only NaNs, which IEEE 754 leaves to the maker of the chip, may have other bits.
"""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numba
import numpy as np
from numba import cuda
from numba.core.errors import NumbaPerformanceWarning
from numba.cuda.cudadrv import nvvm

from counting.engine.block import TAPE_ROWS
from counting.engine.lanes import LANES
from counting.engine.packed import PackedWords, pack_blocks, unpack_group
from counting.engine.shuffle import shuffle
from counting.engine.single import SCRATCH_ROWS, STEPS, single

KERNELS = ("train_epoch", "losses", "first_failure")

MOST_WORDS_AT_A_TIME = 65_535
"""The most CUDA blocks in the second direction of a grid."""

SHARE_OF_MEMORY = 0.8
"""How much of the GPU's free memory a group of runs may take."""

_W, _G, _S, _A, _T = (rows * LANES for rows in SCRATCH_ROWS.values())

_INEXACT = re.compile(
    r"^.*(\bfma\.|\bmad\.(rn\.|rz\.)?f|\.approx|\.ftz|\.full|\b(add|sub|mul|div|rcp|sqrt)\.f(32|64)).*$", re.MULTILINE
)


@contextmanager
def exactly() -> Iterator[None]:
    """Compile kernels without fused multiply-add. numba-cuda hands its compiler no such option, so it is added here."""
    before = nvvm.compile_ir
    nvvm.compile_ir = functools.partial(before, fma=False)
    try:
        yield
    finally:
        nvvm.compile_ir = before


def check_ptx(ptx: str) -> None:
    """Raise RuntimeError unless each floating-point operation in a kernel's PTX rounds once, as IEEE 754 says.

    Without `.rn` an addition or a multiplication could still be joined with another when the driver loads the code.
    """
    found = _INEXACT.search(ptx)
    if found:
        raise RuntimeError(
            f"numba-cuda compiled {found[0].strip()!r}, which does not round as the CPU does; "
            "the version that pyproject.toml names does not do this"
        )


@functools.cache
def kernel_functions(cell: str, dtype: str, loss: str = "mse") -> dict[str, Callable]:
    """The kernels of a cell in this floating point, as Python functions: what each thread does."""
    train_run, run_losses, run_failure = single(cell, loss)
    real = getattr(numba, dtype)

    def train_epoch(seeds, epoch, parameters, moments1, moments2, powers, brackets, depths, lengths, order,
                    learning_rate, gain, slope, clip, tape, loss):  # fmt: skip
        block, lane = cuda.blockIdx.x, cuda.threadIdx.x
        weights = cuda.local.array(_W, real)
        gradient = cuda.local.array(_G, real)
        state = cuda.local.array(_S, real)
        adjoint = cuda.local.array(_A, real)
        step = cuda.local.array(_T, real)
        own = order[block, :, lane]
        shuffle(seeds[block, lane], epoch, own)
        loss[block, lane] = train_run(
            parameters[block, lane:], moments1[block, lane:], moments2[block, lane:], powers[block, lane:],
            (brackets, depths, lengths), own, learning_rate, gain, slope, clip, tape[block, :, lane:],
            (weights, gradient, state, adjoint, step),
        )  # fmt: skip

    def losses(parameters, tokens, lengths, gain, slope, both):
        block, lane = cuda.blockIdx.x, cuda.threadIdx.x
        weights = cuda.local.array(_W, real)
        gradient = cuda.local.array(_G, real)
        state = cuda.local.array(_S, real)
        adjoint = cuda.local.array(_A, real)
        step = cuda.local.array(_T, real)
        mean, last = run_losses(
            parameters[block, lane:], tokens, lengths, gain, slope, (weights, gradient, state, adjoint, step)
        )
        both[0, block, lane] = mean
        both[1, block, lane] = last

    def first_failure(parameters, tokens, lengths, failure):
        block, word, lane = cuda.blockIdx.x, cuda.blockIdx.y, cuda.threadIdx.x
        weights = cuda.local.array(_W, real)
        gradient = cuda.local.array(_G, real)
        state = cuda.local.array(_S, real)
        adjoint = cuda.local.array(_A, real)
        step = cuda.local.array(_T, real)
        failure[block, word, lane] = run_failure(
            parameters[block, lane:], tokens[word], lengths[word], (weights, gradient, state, adjoint, step)
        )

    return dict(zip(KERNELS, (train_epoch, losses, first_failure), strict=True))


def signatures(dtype: str) -> dict[str, tuple[numba.types.Type, ...]]:
    """What each kernel takes."""
    real, f64, i32, u32, u64 = getattr(numba, dtype), numba.float64, numba.int32, numba.uint32, numba.uint64
    blocks, tokens = real[:, ::1], numba.int8[:, ::1]
    return {
        "train_epoch": (
            *(u64[:, ::1], u64, blocks, blocks, blocks, f64[:, ::1], u32[:, ::1], u32[:, ::1], i32[::1]),
            *(i32[:, :, ::1], f64, f64, f64, f64, real[:, :, ::1], f64[:, ::1]),
        ),
        "losses": (blocks, tokens, i32[::1], f64, f64, f64[:, :, ::1]),
        "first_failure": (blocks, tokens, i32[::1], i32[:, :, ::1]),
    }


@functools.cache
def compiled(name: str, cell: str, dtype: str, loss: str = "mse") -> Callable:
    """A kernel for the GPU at hand. Raises RuntimeError where its code would not have the CPU's bits."""
    with exactly():
        kernel = cuda.jit(signatures(dtype)[name])(kernel_functions(cell, dtype, loss)[name])
    for ptx in kernel.inspect_asm().values():
        check_ptx(ptx)
    return kernel


def launch(name: str, kind: tuple[str, ...], grid: tuple[int, ...], *arguments: object) -> None:
    """Start a kernel on a grid of blocks. kind: cell, dtype and loss."""
    kernel = compiled(name, *kind)
    with warnings.catch_warnings():
        # A few runs leave most of a GPU idle. That is no news to who trains a few runs.
        warnings.simplefilter("ignore", NumbaPerformanceWarning)
        kernel[grid, LANES](*arguments)


def free_memory() -> int:
    """Bytes that a group of runs may take."""
    return int(SHARE_OF_MEMORY * cuda.current_context().get_memory_info().free)


class Group:
    """Runs in training on the GPU; as `group.Group`."""

    threads = 1
    """Groups at a time: one fills the GPU."""

    def __init__(
        self,
        cell: str,
        parameters: dict[str, np.ndarray],
        seeds: tuple[int, ...],
        words: PackedWords,
        tokens: np.ndarray,
        lengths: np.ndarray,
        loss: str,
    ) -> None:
        blocks = np.stack(pack_blocks(parameters))
        shape, dtype = (len(blocks), LANES), blocks.dtype
        # Idle lanes have somebody's seed: work that is done and thrown away.
        padded = np.resize(np.array(seeds, np.uint64), shape)
        self._cell, self._runs, self._kind = cell, len(seeds), (cell, dtype.name, loss)
        self._seeds = cuda.to_device(padded)
        self._parameters = cuda.to_device(blocks)
        self._moments = cuda.to_device(np.zeros_like(blocks)), cuda.to_device(np.zeros_like(blocks))
        self._powers = cuda.to_device(np.ones((len(blocks), 2 * LANES)))
        self._words = [cuda.to_device(array) for array in words]
        self._order = cuda.device_array((len(blocks), len(words.lengths), LANES), np.int32)
        self._tape = cuda.device_array((len(blocks), int(words.lengths.max()), TAPE_ROWS * LANES), dtype)
        self._validation = cuda.to_device(np.ascontiguousarray(tokens)), cuda.to_device(lengths.astype(np.int32))
        self._loss = cuda.device_array(shape, np.float64)
        self._both = cuda.device_array((2, *shape), np.float64)

    @staticmethod
    def capacity(dtype: np.dtype, words: PackedWords) -> int:
        """How many runs the free memory holds, in whole blocks, at least one."""
        numbers = len(words.lengths) * 4 + int(words.lengths.max()) * TAPE_ROWS * dtype.itemsize
        return LANES * max(1, free_memory() // (LANES * (numbers + SCRATCH_ROWS["gradient"] * 3 * dtype.itemsize)))

    def epoch(self, number: int, learning_rate: float, gain: float, slope: float, clip: float) -> np.ndarray:
        arguments = (*self._words, self._order, learning_rate, gain, slope, clip, self._tape, self._loss)
        launch(
            "train_epoch", self._kind, (len(self._loss),),
            self._seeds, np.uint64(number), self._parameters, *self._moments, self._powers, *arguments,
        )  # fmt: skip
        return self._loss.copy_to_host().reshape(-1)[: self._runs]

    def losses(self, gain: float) -> np.ndarray:
        arguments = (self._parameters, *self._validation, gain, 0.0, self._both)
        launch("losses", self._kind, (len(self._loss),), *arguments)
        return self._both.copy_to_host().reshape(2, -1)[:, : self._runs]

    def parameters(self) -> dict[str, np.ndarray]:
        blocks = self._parameters.copy_to_host()
        rows = np.moveaxis(blocks.reshape(len(blocks), -1, LANES), 1, 0)
        return unpack_group(rows.reshape(len(rows), -1)[:, : self._runs], STEPS[self._cell].GATES)


def first_failure(cell: str, parameters: dict[str, np.ndarray], tokens: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Where each run first fails on each word, or the word's length: int64 (runs, n).

    tokens: int8 (n, longest); lengths: (n,). The GPU holds as many words at a time as its memory has room for.
    """
    runs = len(parameters["output.bias"])
    failures = np.empty((runs, len(lengths)), np.int64)
    if not runs:
        return failures
    blocks = np.stack(pack_blocks(parameters))
    on_device = cuda.to_device(blocks)
    fitting = free_memory() // (len(blocks) * LANES * 4 + tokens.shape[1] + 4)
    size = min(max(1, fitting), MOST_WORDS_AT_A_TIME)
    for start in range(0, len(lengths), size):
        piece = slice(start, start + size)
        words = np.ascontiguousarray(tokens[piece]), lengths[piece].astype(np.int32)
        found = cuda.device_array((len(blocks), len(words[1]), LANES), np.int32)
        grid = len(blocks), len(words[1])
        launch("first_failure", (cell, blocks.dtype.name), grid, on_device, *map(cuda.to_device, words), found)
        failures[:, piece] = np.moveaxis(found.copy_to_host(), 1, 2).reshape(-1, len(words[1]))[:runs]
    return failures
