"""What training still feels: gradients of single words, and Adam with another epsilon."""

from __future__ import annotations

import numpy as np

from counting.cells import Networks
from counting.dyck import Words
from counting.engine import train
from counting.engine.packed import PackedWords, Shape, pack_group, pack_words, shape_of, unpack_group
from counting.evaluation import mean_loss
from counting.training import word_order

__all__ = ["adam", "mean_loss", "word_gradient_norms"]


def word_gradient_norms(nets: Networks, words: Words) -> np.ndarray:
    """Euclidean norm of the gradient of each word's loss: float64 (runs, n)."""
    packed, shape = pack_words(words), shape_of(nets.cell, nets.parameters)
    group = pack_group(nets.parameters)
    each = [_gradient(shape, group, packed, np.full(len(nets), word)) for word in range(len(words))]
    return np.sqrt((np.stack(each, axis=-1) ** 2).sum(axis=0))


RATE = 0.01
"""Learning rate of `adam`: the paper's for the LSTM."""


def adam(nets: Networks, words: Words, seeds: range, epochs: range, epsilon: float) -> Networks:
    """Trained further by Adam with any `epsilon` (PyTorch's, and the engine's, is 1e-8), one word a step.

    seeds, epochs: they decide the order of the words, as in `training.train`. Adam starts with empty moments.
    The gradient is the engine's, in float32; moments and weights are kept in float64, so that no square
    underflows. Raises ValueError for another number of seeds than of networks, and for no epochs or words.
    """
    if len(seeds) != len(nets):
        raise ValueError(f"{len(nets)} networks need {len(nets)} seeds, one each; got {len(seeds)}")
    if not len(epochs) or not len(words):
        raise ValueError(f"training needs at least one epoch and one word; got {len(epochs)} and {len(words)}")
    packed = pack_words(words)
    orders = [[word_order(seed, epoch, len(words)) for epoch in epochs] for seed in seeds]
    order = np.stack([np.concatenate(own) for own in orders])
    shape = shape_of(nets.cell, nets.parameters)
    group = _descend(shape, pack_group(nets.parameters), packed, order, epsilon)
    return Networks(nets.cell, unpack_group(group.astype(nets.dtype), nets.parameters))


def _descend(shape: Shape, group: np.ndarray, words: PackedWords, order: np.ndarray, epsilon: float) -> np.ndarray:
    exact = group.astype(np.float64)
    mean, square = np.zeros_like(exact), np.zeros_like(exact)
    power1 = power2 = 1.0
    for step in range(order.shape[1]):
        gradient = _gradient(shape, exact.astype(group.dtype), words, order[:, step])
        power1, power2 = power1 * 0.9, power2 * 0.999
        mean += (gradient - mean) * 0.1
        square += (gradient * gradient - square) * 0.001
        exact -= RATE * (mean / (1 - power1)) / (np.sqrt(square / (1 - power2)) + epsilon)
    return exact


def _gradient(shape: Shape, group: np.ndarray, words: PackedWords, chosen: np.ndarray) -> np.ndarray:
    """Gradient of every run's chosen word, float64 (parameters, runs), from a training step at rate 0."""
    order = np.ascontiguousarray(chosen[:, None], dtype=np.int32)
    moments = np.zeros_like(group), np.zeros_like(group)
    _, gradient = train.train_epoch(shape, group.copy(), moments, np.ones(2), words, order, 0.0)
    return gradient.astype(np.float64)
