"""Runs in training on the CPU: one block of lanes. `cuda.Batch` has the same methods."""

from __future__ import annotations

import numpy as np

from counting.engine.block import CELLS, GATES
from counting.engine.lanes import LANES
from counting.engine.packed import PackedWords, pack_blocks, unpack_block
from counting.engine.read import losses
from counting.engine.shuffle import shuffle
from counting.engine.train import train_epoch


class Batch:
    """Some runs of a cell, their moments and their place in the order of words; at most `capacity` of them.

    parameters: name -> (runs, ...), where they start. seeds: one a run. words: what they learn from.
    tokens, lengths: int8 (n, longest) and (n,), the validation words.
    """

    threads = None
    """Batches at a time: as many as there are cores."""

    def __init__(
        self,
        cell: str,
        parameters: dict[str, np.ndarray],
        seeds: tuple[int, ...],
        words: PackedWords,
        tokens: np.ndarray,
        lengths: np.ndarray,
    ) -> None:
        (self._block,) = pack_blocks(parameters)
        self._cell, self._seeds, self._words, self._validation = CELLS.index(cell), seeds, words, (tokens, lengths)
        self._moments = np.zeros_like(self._block), np.zeros_like(self._block)
        self._powers = np.ones(2)
        self._order = np.zeros((LANES, len(words.lengths)), np.int32)

    @staticmethod
    def capacity(cell: str, dtype: np.dtype, words: PackedWords) -> int:
        """Most runs in a batch."""
        return LANES

    def epoch(self, number: int, learning_rate: float, gain: float, slope: float, clip: float) -> np.ndarray:
        """Read all words once, in the order of epoch `number`, and learn; returns mean losses, float64 (runs,).

        gain, slope: gate temperature and leak. clip: largest gradient norm, 0 for none.
        """
        runs = len(self._seeds)
        for lane, seed in enumerate(self._seeds):
            shuffle(np.uint64(seed), np.uint64(number), self._order[lane])
        self._order[runs:] = self._order[0]
        loss, _ = train_epoch(
            self._cell, self._block, *self._moments, self._powers, self._words, self._order,
            learning_rate, gain, slope, clip,
        )  # fmt: skip
        return loss[:runs]

    def losses(self, gain: float) -> np.ndarray:
        """float64 (2, runs): mean loss over the validation words, and the loss of the last one alone; no leak."""
        both = losses(self._cell, self._block, *self._validation, gain, 0.0)
        return np.stack(both)[:, : len(self._seeds)]

    def parameters(self) -> dict[str, np.ndarray]:
        """The parameters as they are now: name -> (runs, ...)."""
        unpacked = unpack_block(self._block, GATES[self._cell])
        return {name: array[: len(self._seeds)] for name, array in unpacked.items()}
