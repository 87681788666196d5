"""Training and evaluation on a GPU by NVIDIA: the same bits as on the CPU, one thread a run.

    gpu.train(regimen, words, validation, seeds=range(100_000))     as `training.train`
    gpu.first_failure(networks, words)                              as `evaluation.first_failure`

Arrays are the blocks of `engine.packed`, one behind the other: (blocks, rows · LANES), so that neighbouring threads
read neighbouring numbers. Needs the package numba-cuda: pip install -e '.[cuda]'.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable

import numpy as np
from numba import cuda

from counting import training, workers
from counting.cells import Networks
from counting.dyck import Words
from counting.engine.lanes import LANES
from counting.engine.layout import TAPE_ROWS
from counting.engine.packed import pack_blocks, pack_words, unpack_group
from counting.gpu.compiled import launch
from counting.regimens import Regimen
from counting.training import Runs

__all__ = ["NoGPU", "first_failure", "train"]

MOST_RUNS_AT_A_TIME = 65_535
"""The most CUDA blocks in the second direction of a grid."""

SHARE_OF_MEMORY = 0.8
"""How much of the GPU's free memory a group of runs may take."""

LOCAL_ROWS = 52
"""Numbers of its own that a thread may keep in memory, where its registers do not hold them (as in float64)."""


class NoGPU(RuntimeError):
    """There is no GPU to compute on, or no package to reach it with."""


def check() -> None:
    """Raise NoGPU, which says what is missing, unless there is a GPU to compute on."""
    if importlib.util.find_spec("numba_cuda") is None:
        raise NoGPU("counting.gpu needs the package numba-cuda: pip install -e '.[cuda]'")
    if not cuda.is_available():
        reason = " ".join(str(cuda.cuda_error() or "").split())
        raise NoGPU(f"counting.gpu needs a GPU by NVIDIA and its driver; numba-cuda finds none ({reason})")


def train(  # noqa: PLR0913  as `training.train`
    regimen: Regimen,
    words: Words,
    validation: Words,
    seeds: Iterable[int],
    *,
    checkpoints: Iterable[int] | None = None,
    start: Networks | None = None,
    progress: bool = True,
) -> Runs:
    """Train one run for each seed, as many at a time as the GPU's memory holds. Arguments as for `training.train`.

    Raises NoGPU, ValueError and `training.Interrupted` as that does.
    """
    check()
    seeds, kept, start = training.checked(regimen, words, validation, seeds, checkpoints, start)
    if start.sizes != (1, 2, 2):
        raise ValueError(f"the GPU trains networks of 1 unit, 2 symbols and 2 outputs; got {start.sizes}")
    parts = workers.slices(len(seeds), _capacity(start.dtype, words))
    with training.progress_bar(regimen, len(seeds), "epoch", progress) as bar:
        groups = ((start[part], seeds[part]) for part in parts)
        runs = (
            training.learn(Group(regimen.loss, nets, own, words, validation), regimen, own, kept, bar.update)
            for nets, own in groups
        )
        return training.gathered(((number, group) for number, group in enumerate(runs)), len(seeds))


def first_failure(nets: Networks, words: Words) -> np.ndarray:
    """Find where each run first fails: int64 (runs, n), as `evaluation.first_failure`.

    As many runs at a time as the GPU's memory has room for the answers of. Raises NoGPU, and ValueError for no words.
    """
    check()
    if not len(words):
        raise ValueError("need at least one word, got an empty set")
    if nets.sizes != (1, 2, 2):
        raise ValueError(f"the GPU reads with networks of 1 unit, 2 symbols and 2 outputs; got {nets.sizes}")
    failures = np.empty((len(nets), len(words)), np.int64)
    if not len(nets):
        return failures
    networks = cuda.to_device(np.stack(pack_blocks(nets.parameters)))
    # Neighbouring threads have neighbouring words, and read their symbols side by side.
    read = cuda.to_device(np.ascontiguousarray(words.tokens.T)), cuda.to_device(words.lengths)
    fitting = min(max(1, _free_memory() // failures[:1].nbytes), MOST_RUNS_AT_A_TIME)
    for runs in workers.slices(len(nets), fitting):
        found = cuda.device_array(failures[runs].shape, np.int64)
        grid = -(-len(words) // LANES), len(found)
        launch("first_failure", (nets.cell, nets.dtype.name), grid, networks, *read, runs.start, found)
        found.copy_to_host(failures[runs])
    return failures


class Group:
    """Runs in training on the GPU; as `engine.train.Group` on a thread of the CPU."""

    def __init__(self, loss: str, start: Networks, seeds: tuple[int, ...], words: Words, validation: Words) -> None:
        blocks = np.stack(pack_blocks(start.parameters))
        shape, dtype = (len(blocks), LANES), blocks.dtype
        self._runs, self._kind = len(seeds), (start.cell, dtype.name, loss)
        self._start = start.parameters
        # Idle lanes have somebody's seed: work that is done and thrown away.
        self._seeds = cuda.to_device(np.resize(np.array(seeds, np.uint64), shape))
        self._parameters = cuda.to_device(blocks)
        self._moments = cuda.to_device(np.zeros_like(blocks)), cuda.to_device(np.zeros_like(blocks))
        self._powers = cuda.to_device(np.ones((*shape, 2)))
        packed = pack_words(words)
        bits = packed.symbols[..., 0], packed.targets[..., 1], packed.lengths
        self._words = [cuda.to_device(np.ascontiguousarray(array)) for array in bits]
        self._order = cuda.device_array((len(blocks), len(words), LANES), np.int32)
        self._tape = cuda.device_array((len(blocks), words.longest, TAPE_ROWS * LANES), dtype)
        self._validation = [
            cuda.to_device(np.ascontiguousarray(array)) for array in (validation.tokens, validation.lengths)
        ]
        self._loss = cuda.device_array(shape, np.float64)
        self._both = cuda.device_array((2, *shape), np.float64)

    def epoch(self, number: int, learning_rate: float, gain: float, slope: float, clip: float) -> np.ndarray:
        """Read all words once and learn; return mean losses, float64 (runs,)."""
        arguments = (*self._words, self._order, learning_rate, gain, slope, clip, self._tape, self._loss)
        launch(
            "train_epoch", self._kind, (len(self._loss),),
            self._seeds, np.uint64(number), self._parameters, *self._moments, self._powers, *arguments,
        )  # fmt: skip
        return self._loss.copy_to_host().reshape(-1)[: self._runs]

    def losses(self, gain: float) -> np.ndarray:
        """Return the mean loss over the validation words, and that of the last one alone: float64 (2, runs)."""
        launch("losses", self._kind, (len(self._loss),), self._parameters, *self._validation, gain, self._both)
        return self._both.copy_to_host().reshape(2, -1)[:, : self._runs]

    def parameters(self) -> dict[str, np.ndarray]:
        """Return the parameters as they are now: name -> (runs, ...)."""
        blocks = self._parameters.copy_to_host()
        rows = np.moveaxis(blocks.reshape(len(blocks), -1, LANES), 1, 0)
        return unpack_group(rows.reshape(len(rows), -1)[:, : self._runs], self._start)


def _free_memory() -> int:
    """Bytes that a group of runs may take."""
    return int(SHARE_OF_MEMORY * cuda.current_context().get_memory_info().free)


def _capacity(dtype: np.dtype, words: Words) -> int:
    """Count the runs that the free memory holds, in whole blocks, at least one."""
    rows = words.longest * TAPE_ROWS + 3 * 24 + LOCAL_ROWS
    return LANES * max(1, _free_memory() // (LANES * (len(words) * 4 + rows * dtype.itemsize)))
