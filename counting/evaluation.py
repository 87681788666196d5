"""Where networks go wrong on given words.

A step is right iff both outputs are; output k says yes iff its logit is ≥ 0, in the network's own floating point.
PyTorch says yes iff sigmoid(logit) ≥ 0.5, which is the same but for logits in about [−6e-8, 0), where the sigmoid
rounds to 0.5: that, and the last bits of the states, is all in which the two can differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from counting import cells, devices, engine, workers
from counting.cells import Networks
from counting.dyck import Words
from counting.engine.lanes import LANES
from counting.engine.packed import pack_blocks


def first_failure(nets: Networks, words: Words, device: str = "cpu") -> np.ndarray:
    """First point of failure: int64 (runs, n), the 0-based first wrong step, or the word's length if there is none.

    device: "cpu", or "cuda" for a GPU; the answers are the same. Raises ValueError for a set of no words or an unknown
    device, and `devices.NoGPU`.
    """
    _check_words(words)
    devices.check(device)
    if device == "cuda":
        return devices.gpu().first_failure(nets.cell, nets.parameters, words.tokens, words.lengths)
    return _decide(nets, words, whole=False)[0]


def accuracy(nets: Networks, words: Words) -> np.ndarray:
    """Share of words that are right at every step: float64 (runs,)."""
    return (first_failure(nets, words) == words.lengths).mean(axis=1)


def return_recall(nets: Networks, words: Words) -> np.ndarray:
    """Share of all steps at depth 0 that are right: float64 (runs,). The constant predictor has 0."""
    return _decide(nets, words, whole=True)[1].sum(axis=1) / returns(words).sum()


def mean_loss(nets: Networks, words: Words) -> np.ndarray:
    """Mean loss over the words, as training measures it: float64 (runs,)."""
    _check_words(words)
    cell, losses = cells.CELLS.index(nets.cell), np.empty(len(nets))
    for block, runs in _blocks(nets):
        losses[runs] = engine.read.losses(cell, block, words.tokens, words.lengths)[0][: runs.stop - runs.start]
    return losses


def returns(words: Words) -> np.ndarray:
    """Number of returns to depth 0 of each word, its end included: int64 (n,)."""
    inside = np.arange(words.longest) < words.lengths[:, None]
    return ((words.depth == 0) & inside).sum(axis=1)


def constant_first_failure(words: Words) -> np.ndarray:
    """First point of failure of the constant answer "both allowed": the first return to depth 0, int64 (n,)."""
    return np.argmax(words.depth == 0, axis=1)


def accuracy_by_length(nets: Networks, words: Words) -> tuple[np.ndarray, np.ndarray]:
    """The lengths that occur, int32 (lengths,), and each run's accuracy on the words of each: (runs, lengths)."""
    right = first_failure(nets, words) == words.lengths
    lengths = np.unique(words.lengths)
    return lengths, np.stack([right[:, words.lengths == length].mean(axis=1) for length in lengths], axis=1)


@dataclass(frozen=True)
class Trace:
    """States and outputs of every run along one word of T steps; see `trace`."""

    h: np.ndarray
    """(runs, T): hidden state after each step."""
    c: np.ndarray
    """(runs, T): cell state, 0 but for the LSTM."""
    logits: np.ndarray
    """(runs, T, 2)"""
    gates: dict[str, np.ndarray]
    """Name of a gate -> its activation (runs, T): i, f, g, o · r, z, n · none for the ReLU."""


def trace(nets: Networks, word: Words) -> Trace:
    """What every run does along a single word. Raises ValueError for more or fewer words, and for no runs."""
    if len(word) != 1:
        raise ValueError(f"a trace follows one word, got {len(word)}: choose one, as in words[3]")
    if not len(nets):
        raise ValueError("a trace needs at least one network, got an empty stack")
    rows = {"lstm": "ifgo", "gru": "rzn", "relu": ""}[nets.cell]
    parts = []
    for block, runs in _blocks(nets):
        state, logits, tape = engine.read.trace(
            cells.CELLS.index(nets.cell), block, word.tokens[0], int(word.lengths[0])
        )
        gates = tape[:, engine.layout.CELL_ROWS :][:, : len(rows)]
        parts.append([np.moveaxis(array, -1, 0)[: runs.stop - runs.start] for array in (state, logits, gates)])
    state, logits, gates = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return Trace(state[:, :, 0], state[:, :, 1], logits, {name: gates[:, :, k] for k, name in enumerate(rows)})


def _blocks(nets: Networks) -> Iterator[tuple[np.ndarray, slice]]:
    """Each block of parameters, and the runs that it holds."""
    for number, block in enumerate(pack_blocks(nets.parameters)):
        yield block, slice(number * LANES, min((number + 1) * LANES, len(nets)))


def _decide(nets: Networks, words: Words, whole: bool) -> tuple[np.ndarray, np.ndarray]:
    """First failures and right returns, both int64 (runs, n). Threads take blocks of runs, or parts of the words."""
    _check_words(words)
    cell = cells.CELLS.index(nets.cell)
    threads = workers.cores()
    pieces = [piece for piece in np.array_split(np.arange(len(words)), threads) if len(piece)]
    failures, returned = np.empty((2, len(nets), len(words)), np.int64)

    def decide(block: np.ndarray, runs: slice, piece: np.ndarray) -> None:
        both = engine.read.decide(cell, block, words.tokens[piece], words.lengths[piece], whole)
        for table, part in zip((failures, returned), both, strict=True):
            table[runs, piece] = part[: runs.stop - runs.start]

    with ThreadPoolExecutor(threads) as pool:
        futures = [pool.submit(decide, block, runs, piece) for block, runs in _blocks(nets) for piece in pieces]
        for future in futures:
            future.result()
    return failures, returned


def _check_words(words: Words) -> None:
    if not len(words):
        raise ValueError("need at least one word, got an empty set")
