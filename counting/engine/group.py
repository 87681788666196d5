"""A group of runs in training on the CPU. `cuda.Group` has the same methods."""

from __future__ import annotations

import numpy as np

from counting.engine.block import CELLS, GATES
from counting.engine.packed import PackedWords, blocks_of, pack_group, unpack_group
from counting.engine.read import losses
from counting.engine.shuffle import shuffle
from counting.engine.train import train_epoch


class Group:
    """Some runs of a cell, their moments and the order of their words; at most `capacity` of them.

    parameters: name -> (runs, ...), where they start. seeds: one a run. words: what they learn from.
    tokens, lengths: int8 (n, longest) and (n,), the validation words. loss: one of `readout.LOSSES`.
    """

    threads = None
    """Groups at a time: as many as there are cores."""

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
        self._loss = loss
        self._cell, self._seeds, self._words, self._validation = CELLS.index(cell), seeds, words, (tokens, lengths)
        self._group = pack_group(parameters)
        self._moments = np.zeros_like(self._group), np.zeros_like(self._group)
        self._powers = np.ones(2)
        self._order = np.empty((len(seeds), len(words.lengths)), np.int32)

    @staticmethod
    def capacity(dtype: np.dtype, words: PackedWords) -> int:
        """Most runs of a group: enough to sort by the lengths of their words, few enough for the processor's cache."""
        return 512

    def epoch(self, number: int, learning_rate: float, gain: float, slope: float, clip: float) -> np.ndarray:
        """Read all words once, in the order of epoch `number`, and learn; returns mean losses, float64 (runs,).

        gain, slope: gate temperature and leak. clip: largest gradient norm, 0 for none.
        """
        for run, seed in enumerate(self._seeds):
            shuffle(np.uint64(seed), np.uint64(number), self._order[run])
        loss, _ = train_epoch(
            self._cell, self._group, self._moments, self._powers, self._words, self._order,
            learning_rate, gain, slope, clip, self._loss,
        )  # fmt: skip
        return loss

    def losses(self, gain: float) -> np.ndarray:
        """float64 (2, runs): mean loss over the validation words, and that of the last word alone; no leak."""
        parts = [losses(self._cell, block, *self._validation, gain, self._loss) for block in blocks_of(self._group)]
        return np.concatenate(parts, axis=1)[:, : len(self._seeds)]

    def parameters(self) -> dict[str, np.ndarray]:
        """The parameters as they are now: name -> (runs, ...)."""
        return unpack_group(self._group, GATES[self._cell])
