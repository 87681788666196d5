"""What training still feels: gradients of single words, and Adam with another epsilon."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from counting import cells
from counting.cells import Networks
from counting.dyck import Words
from counting.engine import read, train
from counting.engine.lanes import LANES
from counting.engine.packed import PackedWords, pack_blocks, pack_words, unpack_block
from counting.training import word_order


def word_gradient_norms(nets: Networks, words: Words) -> np.ndarray:
    """Euclidean norm of the gradient of each word's loss: float64 (runs, n)."""
    packed = pack_words(words.tokens, words.depth, words.lengths)
    parts = []
    for block, runs in _blocks(nets):
        each = [_gradient(nets.cell, block, packed, np.full(LANES, word)) for word in range(len(words))]
        parts.append(np.sqrt((np.stack(each, axis=-1) ** 2).sum(axis=0))[:runs])
    return np.concatenate(parts)


def mean_loss(nets: Networks, words: Words) -> np.ndarray:
    """Mean loss over the words: float64 (runs,)."""
    cell = cells.CELLS.index(nets.cell)
    read_words = (words.tokens, words.lengths, 1.0, 0.0)
    return np.concatenate([read.losses(cell, block, *read_words)[0][:runs] for block, runs in _blocks(nets)])


def adam(
    nets: Networks,
    words: Words,
    seeds: range,
    epochs: range,
    epsilon: float,
    learning_rate: float = 0.01,
) -> Networks:
    """Trained further by Adam with any `epsilon` (PyTorch's, and the engine's, is 1e-8), one word a step.

    seeds, epochs: they decide the order of the words, as in `training.train`. Adam starts with empty moments.
    The gradient is the engine's, in float32; moments and weights are kept in float64, so that no square
    underflows.
    """
    packed = pack_words(words.tokens, words.depth, words.lengths)
    done = []
    for number, (block, runs) in enumerate(_blocks(nets)):
        own = list(seeds)[number * LANES :][:runs]
        order = np.concatenate([_orders(own, epoch, len(words)) for epoch in epochs], axis=1)
        block = _descend(nets.cell, block, packed, order, epsilon, learning_rate).astype(nets.dtype)
        done.append(Networks(nets.cell, unpack_block(block, cells.gates(nets.cell)))[:runs])
    return Networks.concatenate(done)


def _descend(
    cell: str, block: np.ndarray, words: PackedWords, order: np.ndarray, epsilon: float, learning_rate: float
) -> np.ndarray:
    exact = block.astype(np.float64)
    mean, square = np.zeros_like(exact), np.zeros_like(exact)
    power1 = power2 = 1.0
    for step in range(order.shape[1]):
        gradient = _gradient(cell, exact.astype(block.dtype), words, order[:, step]).reshape(-1)
        power1, power2 = power1 * 0.9, power2 * 0.999
        mean += (gradient - mean) * 0.1
        square += (gradient * gradient - square) * 0.001
        exact -= learning_rate * (mean / (1 - power1)) / (np.sqrt(square / (1 - power2)) + epsilon)
    return exact


def _gradient(cell: str, block: np.ndarray, words: PackedWords, chosen: np.ndarray) -> np.ndarray:
    """Gradient of every lane's chosen word, float64 (parameters, LANES), from a training step at rate 0."""
    order = np.ascontiguousarray(chosen[:, None], dtype=np.int32)
    scratch = (np.array(block), np.zeros_like(block), np.zeros_like(block), np.ones(2))
    _, gradient = train.train_epoch(cells.CELLS.index(cell), *scratch, words, order, 0.0, 1.0, 0.0, 0.0)
    return gradient.reshape(-1, LANES).astype(np.float64)


def _orders(seeds: list[int], epoch: int, words: int) -> np.ndarray:
    """int32 (LANES, words): the orders of these runs; idle lanes repeat the first."""
    own = [word_order(seed, epoch, words) for seed in seeds]
    return np.stack(own + own[:1] * (LANES - len(own)))


def _blocks(nets: Networks) -> Iterator[tuple[np.ndarray, int]]:
    for number, block in enumerate(pack_blocks(nets.parameters)):
        yield block, min(LANES, len(nets) - number * LANES)
