"""Intervals and regressions for numbers that rest on a few hundred runs. Always 95 %; always the same seed.

What is resampled is the run: several models of one run (its epochs, or its answers to many words) are not
independent, so a run is drawn with all that belongs to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

LEVEL = 0.95
RESAMPLES = 4_999

Interval = tuple[float, float]


def wilson(successes: int, n: int) -> Interval:
    """Give Wilson's score interval for a share.

    Raises ValueError unless both are whole numbers, 0 ≤ successes ≤ n and n ≥ 1.
    """
    whole = np.shape(successes) == np.shape(n) == () and successes == successes // 1 and n == n // 1
    if not whole or not 0 <= successes <= n or n < 1:
        raise ValueError(f"successes and n must be whole, 0 ≤ successes ≤ n and n at least 1; got {successes} of {n}")
    found = stats.binomtest(int(successes), int(n)).proportion_ci(LEVEL, method="wilson")
    return found.low, found.high


def middle(values: np.ndarray) -> tuple[float, float]:
    """Return the ends of the middle part of values that an interval of LEVEL takes; NaN is left out, NaN if all is."""
    values = values[~np.isnan(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def over_runs(statistic: Callable[[NDArray[np.int64]], NDArray], runs: int) -> Interval:
    """Give the percentile bootstrap interval of anything computed from a choice of runs.

    statistic: indices of runs, int (..., runs) -> its value for each choice, (...). A value that is not a
    number (the correlation of equal numbers) is left out. Raises ValueError for fewer than 2 runs.
    """
    if runs < 2:
        raise ValueError(f"an interval over runs needs at least 2 of them, got {runs}")
    return middle(statistic(_random().integers(runs, size=(RESAMPLES, runs))))


def mean_interval(values: ArrayLike) -> Interval:
    """Give the percentile bootstrap interval of the mean of one value a run. Raises ValueError for another shape."""
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"one value a run is needed, an array of shape (runs,); got {values.shape}")
    return over_runs(lambda chosen: values[chosen].mean(axis=-1), len(values))


def crossed_interval(values: ArrayLike) -> Interval:
    """Give the percentile bootstrap interval of a mean over runs and sets of words: values (runs, sets), both redrawn.

    Runs and sets are crossed, every run reads every set, so each is drawn by itself.
    Raises ValueError for another shape, or for fewer than 2 runs or sets.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or min(values.shape) < 2:
        raise ValueError(f"values of shape (runs, sets), at least 2 of each, are needed; got {values.shape}")
    draw = _random()
    weights = [draw.multinomial(n, np.full(n, 1 / n), RESAMPLES) / n for n in values.shape]
    return middle(np.einsum("ki,ij,kj->k", weights[0], values, weights[1], optimize=True))


@dataclass(frozen=True)
class Regression:
    """A straight line through models; see `regress`."""

    n: int
    """Models with finite values."""
    r: float
    p: float
    """Of r = 0 if all models were independent, which models of one run are not."""
    slope: float
    intercept: float
    r_interval: Interval
    slope_interval: Interval

    @property
    def r_squared(self) -> float:
        """Share of the variance of y that the line explains."""
        return self.r**2


def regress(x: ArrayLike, y: ArrayLike) -> Regression:
    """Fit y to x by least squares, intervals by the percentile bootstrap over runs.

    x, y: (runs, models of each run). Models with a value that is not finite are left out. Raises ValueError
    where shapes differ or fewer than 3 models are left.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.ndim != 2 or x.shape != y.shape:
        raise ValueError(f"x and y must both be (runs, models of each run); got {x.shape} and {y.shape}")
    fine = np.isfinite(x) & np.isfinite(y)
    if fine.sum() < 3:
        raise ValueError(f"a regression needs at least 3 models with finite values, got {fine.sum()}")
    line = stats.linregress(x[fine], y[fine])
    sums = _sums(x, y, fine)

    def interval(which: int) -> Interval:
        return over_runs(lambda chosen: _correlation_and_slope(sums[chosen].sum(axis=-2))[which], len(x))

    fit = line.rvalue, line.pvalue, line.slope, line.intercept
    return Regression(int(fine.sum()), *fit, interval(0), interval(1))


def correlations_of_draws(x: ArrayLike, y: ArrayLike, size: int) -> NDArray[np.float64]:
    """Draw the correlations that studies of `size` runs would have found, without replacement: (RESAMPLES,).

    x, y: as for `regress`. Raises ValueError unless 1 ≤ size ≤ runs.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if not 1 <= size <= len(x):
        raise ValueError(f"size must be from 1 to the {len(x)} runs there are, got {size}")
    chosen = _random().random((RESAMPLES, len(x))).argsort(axis=1)[:, :size]
    sums = _sums(x, y, np.isfinite(x) & np.isfinite(y))
    return _correlation_and_slope(sums[chosen].sum(axis=1))[0]


def _random() -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(0))


def _sums(x: NDArray, y: NDArray, fine: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Sum over each run's models: n, Σx, Σy, Σx², Σy², Σxy, about the overall means: (runs, 6)."""
    x = np.where(fine, x - x[fine].mean(), 0.0)
    y = np.where(fine, y - y[fine].mean(), 0.0)
    return np.stack([fine * 1.0, x, y, x * x, y * y, x * y]).sum(axis=2).T


def _correlation_and_slope(sums: NDArray[np.float64]) -> tuple[NDArray, NDArray]:
    """Compute both from sums over models, (..., 6): NaN where x or y does not vary."""
    n, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
    var_x, var_y, cov = (n * xx - x * x, n * yy - y * y, n * xy - x * y)
    flat_x, flat_y = var_x <= 1e-12 * n * xx, var_y <= 1e-12 * n * yy
    var_x, var_y = np.where(flat_x, np.nan, var_x), np.where(flat_y, np.nan, var_y)
    return cov / np.sqrt(var_x * var_y), cov / var_x
