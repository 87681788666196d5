"""The order of the words: a permutation, uniform, its own for each seed and epoch, the same everywhere."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from counting.training import word_order

SEEDS = st.integers(0, 2**63 - 1)


@given(SEEDS, st.integers(1, 10**6), st.integers(1, 300))
def test_it_is_a_permutation(seed: int, epoch: int, words: int):
    order = word_order(seed, epoch, words)
    assert order.dtype == np.int32
    assert np.array_equal(np.sort(order), np.arange(words))


@given(SEEDS, st.integers(1, 1000))
def test_seeds_and_epochs_have_their_own(seed: int, epoch: int):
    order = word_order(seed, epoch, 200)
    assert np.array_equal(order, word_order(seed, epoch, 200))
    for other in (word_order(seed ^ 1, epoch, 200), word_order(seed, epoch + 1, 200)):
        # Two unrelated orders agree in 1 place on average, and in more than 9 once in a million.
        assert (order == other).sum() < 10


def test_every_permutation_is_as_likely():
    counts: dict[tuple[int, ...], int] = {}
    for seed in range(400):
        for epoch in range(1, 61):
            order = tuple(word_order(seed, epoch, 4).tolist())
            counts[order] = counts.get(order, 0) + 1
    assert len(counts) == math.factorial(4)
    assert chisquare(list(counts.values())).pvalue > 0.001


@pytest.mark.parametrize("by", ["seed", "epoch"])
def test_every_word_is_as_likely_in_every_place(by: str):
    n, draws = 16, 8_000
    orders = np.array(
        [word_order(k if by == "seed" else 7, 1 if by == "seed" else k, n) for k in range(1, draws + 1)]
    )
    counts = np.stack([np.bincount(orders[:, place], minlength=n) for place in range(n)])
    # Rows and columns both sum to `draws`: (n − 1)² degrees of freedom.
    assert chisquare(counts.ravel(), ddof=n**2 - 1 - (n - 1) ** 2).pvalue > 0.001


def test_successive_epochs_are_uncorrelated():
    orders = np.array([word_order(3, epoch, 1000) for epoch in range(1, 201)], float)
    correlations = [np.corrcoef(a, b)[0, 1] for a, b in zip(orders, orders[1:], strict=False)]
    # Each has standard deviation 1 / √999.
    assert abs(np.mean(correlations)) < 4 / math.sqrt(999 * len(correlations))
    assert np.abs(correlations).max() < 5 / math.sqrt(999)


def test_the_order_is_what_it_always_was():
    """Fixed: trained networks in the results rest on it."""
    assert word_order(0, 1, 10).tolist() == [9, 4, 0, 5, 2, 1, 6, 8, 3, 7]
    assert word_order(12345, 30, 10).tolist() == [8, 9, 6, 7, 1, 3, 2, 4, 0, 5]
