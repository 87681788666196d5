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

from counting import engine, workers
from counting.cells import Networks
from counting.dyck import Words
from counting.engine.lanes import LANES
from counting.engine.packed import pack_blocks, shape_of


def first_failure(nets: Networks, words: Words) -> np.ndarray:
    """Find where each run first fails: int64 (runs, n), the 0-based first wrong step, or the word's length if none is.

    Raises ValueError for a set of no words.
    """
    return _decide(nets, words, whole=False)[0]


def first_wrong(wrong: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Find the first wrong step of each word, or its length if none of its own is: int64 (n,).

    wrong: bool (n, longest). lengths: (n,).
    """
    inside = wrong & (np.arange(wrong.shape[1]) < lengths[:, None])
    return np.where(inside.any(axis=1), inside.argmax(axis=1), lengths)


def accuracy(nets: Networks, words: Words) -> np.ndarray:
    """Give the share of words that are right at every step: float64 (runs,)."""
    return (first_failure(nets, words) == words.lengths).mean(axis=1)


def return_recall(nets: Networks, words: Words) -> np.ndarray:
    """Give the share of all steps at depth 0 that are right: float64 (runs,). The constant predictor has 0."""
    return _decide(nets, words, whole=True)[1].sum(axis=1) / returns(words).sum()


def mean_loss(nets: Networks, words: Words) -> np.ndarray:
    """Mean loss over the words, as training measures it: float64 (runs,)."""
    _check_words(words)
    shape, losses = shape_of(nets.cell, nets.parameters), np.empty(len(nets))
    for block, runs in _blocks(nets):
        read = engine.train.losses(shape, block, words.tokens, words.targets, words.lengths)
        losses[runs] = read[0][: runs.stop - runs.start]
    return losses


def returns(words: Words) -> np.ndarray:
    """Count the returns to depth 0 of each word, its end included: int64 (n,)."""
    inside = np.arange(words.longest) < words.lengths[:, None]
    return ((words.depth == 0) & inside).sum(axis=1)


def constant_first_failure(words: Words) -> np.ndarray:
    """Find where the constant answer "both allowed" first fails: the first return to depth 0, int64 (n,)."""
    return np.argmax(words.depth == 0, axis=1)


def accuracy_by_length(nets: Networks, words: Words) -> tuple[np.ndarray, np.ndarray]:
    """Give the lengths that occur, int32 (lengths,), and each run's accuracy on the words of each: (runs, lengths)."""
    right = first_failure(nets, words) == words.lengths
    lengths = np.unique(words.lengths)
    return lengths, np.stack([right[:, words.lengths == length].mean(axis=1) for length in lengths], axis=1)


@dataclass(frozen=True)
class Trace:
    """States and outputs of every run along one word of T steps; see `trace`.

    Of networks with more than one unit, states and gates have the units as a last axis: (runs, T, units).
    """

    h: np.ndarray
    """(runs, T): hidden state after each step."""
    c: np.ndarray
    """(runs, T): cell state, 0 but for the LSTM."""
    logits: np.ndarray
    """(runs, T, outputs)"""
    gates: dict[str, np.ndarray]
    """Name of a gate -> its activation (runs, T): i, f, g, o · r, z, n · none for the ReLU."""


def trace(nets: Networks, word: Words) -> Trace:
    """Record what every run does along a single word. Raises ValueError for more or fewer words, and for no runs."""
    if len(word) != 1:
        raise ValueError(f"a trace follows one word, got {len(word)}: choose one, as in words[3]")
    if not len(nets):
        raise ValueError("a trace needs at least one network, got an empty stack")
    names, shape = {"lstm": "ifgo", "gru": "rzn", "relu": ""}[nets.cell], shape_of(nets.cell, nets.parameters)
    start = np.zeros((engine.layout.state_rows(shape), LANES), nets.dtype)
    parts = [
        engine.read.trace(shape, block, word.tokens[0], start, runs.stop - runs.start) for block, runs in _blocks(nets)
    ]
    state, logits, tape = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    units = nets.sizes[0]

    def of_units(rows: np.ndarray) -> np.ndarray:
        return rows[..., 0] if units == 1 else rows

    by_unit = tape.reshape(*tape.shape[:2], units, -1)[..., engine.layout.CELL_ROWS :]
    gates = {name: of_units(by_unit[..., k]) for k, name in enumerate(names)}
    return Trace(of_units(state[..., 0 : 2 * units : 2]), of_units(state[..., 1 : 2 * units : 2]), logits, gates)


def step(net: Networks, h: np.ndarray, c: np.ndarray, symbol: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Take one network from many states over one symbol, with the bits of `trace` and `first_failure`.

    net: a stack of one. h, c: the states, (n, units) each; c counts for the LSTM alone.
    Returns h and c after the symbol, (n, units) each, and the logits, (n, outputs).
    Raises ValueError for more or fewer networks than one, and for arrays that do not fit.
    """
    if len(net) != 1:
        raise ValueError(f"one network is needed, got {len(net)}: choose one, as in nets[3]")
    shape, (units, _, outputs) = shape_of(net.cell, net.parameters), net.sizes
    h, c = np.asarray(h, net.dtype), np.asarray(c, net.dtype)
    if h.shape != (len(h), units) or c.shape != h.shape:
        raise ValueError(f"h and c must both have shape (n, {units}); got {h.shape} and {c.shape}")
    (block,) = pack_blocks(net.parameters)
    state = np.zeros((-(-len(h) // LANES) * LANES, engine.layout.state_rows(shape)), net.dtype)
    state[: len(h), 0 : 2 * units : 2], state[: len(h), 1 : 2 * units : 2] = h, c
    logits = np.empty((len(state), outputs), net.dtype)
    for first in range(0, len(state), LANES):
        part = slice(first, first + LANES)
        after, read, _ = engine.read.trace(shape, block, np.array([symbol], np.int8), state[part].T, LANES)
        state[part], logits[part] = after[:, 0], read[:, 0]
    after = state[: len(h)]
    return after[:, 0 : 2 * units : 2], after[:, 1 : 2 * units : 2], logits[: len(h)]


def _blocks(nets: Networks) -> Iterator[tuple[np.ndarray, slice]]:
    """Yield each block of parameters, and the runs that it holds."""
    for number, block in enumerate(pack_blocks(nets.parameters)):
        yield block, slice(number * LANES, min((number + 1) * LANES, len(nets)))


def _decide(nets: Networks, words: Words, whole: bool) -> tuple[np.ndarray, np.ndarray]:
    """First failures and right returns, both int64 (runs, n). Threads take blocks of runs, or parts of the words."""
    _check_words(words)
    shape = shape_of(nets.cell, nets.parameters)
    threads = workers.cores()
    pieces = [piece for piece in np.array_split(np.arange(len(words)), threads) if len(piece)]
    failures, returned = np.empty((2, len(nets), len(words)), np.int64)
    targets = words.targets  # made once, before the threads ask for it

    def decide(block: np.ndarray, runs: slice, piece: np.ndarray) -> None:
        both = engine.read.decide(shape, block, words.tokens[piece], targets[piece], words.lengths[piece], whole)
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
