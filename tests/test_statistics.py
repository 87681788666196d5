"""Intervals cover, regressions agree with scipy, and models of one run count as one run."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from counting import statistics


def sample(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


class TestWilson:
    def test_agrees_with_the_formula(self) -> None:
        low, high = statistics.wilson(0, 100)
        z = stats.norm.ppf(0.975)
        assert (low, high) == (0, pytest.approx(z**2 / (100 + z**2)))

    @pytest.mark.parametrize(
        ("successes", "n"),
        [(-1, 10), (11, 10), (0, 0), (1.9, 2.7), (1.5, 2), (1, 2.5), (float("nan"), 2), (1, float("inf")), ([1], [2])],
    )
    def test_impossible_counts_are_refused(self, successes: int, n: int) -> None:
        with pytest.raises(ValueError, match="successes and n must be whole"):
            statistics.wilson(successes, n)


class TestOverRuns:
    def test_mean_is_close_to_the_normal_interval(self) -> None:
        values = sample(0, 400)
        low, high = statistics.mean_interval(values)
        assert low == pytest.approx(values.mean() - 1.96 * values.std() / 20, abs=0.01)
        assert high == pytest.approx(values.mean() + 1.96 * values.std() / 20, abs=0.01)

    def test_covers_as_often_as_it_says(self) -> None:
        covered = [low < 0 < high for low, high in map(statistics.mean_interval, sample(1, 200, 50))]
        assert 0.88 < np.mean(covered) <= 0.99

    def test_is_the_same_twice_and_of_no_width_for_equal_values(self) -> None:
        values = sample(2, 30)
        assert statistics.mean_interval(values) == statistics.mean_interval(values)
        assert statistics.mean_interval(np.ones(30)) == (1, 1)

    def test_one_run_has_no_interval(self) -> None:
        with pytest.raises(ValueError, match="at least 2"):
            statistics.mean_interval([1.0])


class TestRegress:
    def test_agrees_with_scipy(self) -> None:
        x, noise = sample(3, 2, 20, 6)
        y = 3 * x + 100 + noise
        found, line = statistics.regress(x, y), stats.linregress(x.ravel(), y.ravel())
        assert (found.n, found.r, found.p) == (120, line.rvalue, line.pvalue)
        assert (found.slope, found.intercept) == (line.slope, line.intercept)
        assert found.r_squared == pytest.approx(line.rvalue**2)
        assert found.r_interval[0] < found.r < found.r_interval[1]
        assert found.slope_interval[0] < 3 < found.slope_interval[1]

    def test_models_of_one_run_do_not_narrow_the_interval(self) -> None:
        x, y = sample(4, 2, 40, 1)
        once, tenfold = (statistics.regress(np.repeat(x, k, 1), np.repeat(y, k, 1)) for k in (1, 10))
        assert np.allclose(once.r_interval, tenfold.r_interval)
        assert tenfold.p < once.p

    def test_what_is_not_finite_is_left_out(self) -> None:
        x, y = sample(5, 2, 20, 3)
        x[4, 1], y[7] = np.inf, np.nan
        fine = np.isfinite(x) & np.isfinite(y)
        found = statistics.regress(x, y)
        assert found.n == 56
        assert found.r == pytest.approx(stats.pearsonr(x[fine], y[fine]).statistic)

    def test_far_from_zero_nothing_is_lost(self) -> None:
        x, y = sample(6, 2, 20, 3)
        near, far = statistics.regress(x, y), statistics.regress(x + 1e6, y)
        assert near.r_interval == pytest.approx(far.r_interval, rel=1e-5)

    def test_bad_shapes_are_refused(self) -> None:
        with pytest.raises(ValueError, match=r"\(4, 2\) and \(4, 3\)"):
            statistics.regress(np.ones((4, 2)), np.ones((4, 3)))
        with pytest.raises(ValueError, match="at least 3 models"):
            statistics.regress([[np.nan]] * 5, [[1.0]] * 5)


class TestCorrelationsOfDraws:
    def test_all_runs_give_the_correlation_itself(self) -> None:
        x, y = sample(7, 2, 20, 3)
        found = statistics.correlations_of_draws(x, y, 20)
        assert np.allclose(found, np.corrcoef(x.ravel(), y.ravel())[0, 1])

    def test_small_studies_scatter_more(self) -> None:
        x, y = sample(8, 2, 50, 3)
        few, many = (statistics.correlations_of_draws(x, y, size) for size in (5, 40))
        assert few.std() > many.std()

    @pytest.mark.parametrize("flat", ["x", "y"])
    @pytest.mark.parametrize("level", [0, 0.1])  # what is left of it about the mean: nothing, or roundings
    def test_draws_in_which_one_side_does_not_vary_have_no_correlation(self, flat: str, level: float) -> None:
        x, y = sample(9, 2, 20, 3)
        side = x if flat == "x" else y
        side[0], side[1:] = [-1, 0, 1], level
        found = statistics.correlations_of_draws(x, y, 5)
        assert np.isnan(found).mean() == pytest.approx(15 / 20, abs=0.03)
        assert (np.abs(found[~np.isnan(found)]) <= 1).all()

    @pytest.mark.parametrize("unit", [2.0**-30, 2.0**30])
    def test_the_unit_does_not_matter(self, unit: float) -> None:
        x, y = sample(11, 2, 20, 3)
        once, again = (statistics.correlations_of_draws(*sides, 5) for sides in ((x, y), (x * unit, y / unit)))
        assert np.allclose(once, again, rtol=1e-9)

    def test_little_variation_beside_much_is_variation(self) -> None:
        x, y = sample(10, 2, 20, 3)
        x[0] *= 1e4
        found = statistics.correlations_of_draws(x, y, 5)
        assert np.isfinite(found).all() and np.abs(found).max() <= 1 + 1e-6

    def test_more_runs_than_there_are_is_refused(self) -> None:
        with pytest.raises(ValueError, match="from 1 to the 4 runs"):
            statistics.correlations_of_draws(np.ones((4, 2)), np.ones((4, 2)), 5)


def test_a_mean_is_of_one_value_a_run():
    with pytest.raises(ValueError, match="one value a run"):
        statistics.mean_interval([[], []])


def test_the_middle_of_values_leaves_nan_out() -> None:
    values = np.concatenate([np.arange(1001.0), [np.nan]])
    assert statistics.middle(values) == pytest.approx((25, 975))
    assert np.isnan(statistics.middle(np.array([np.nan]))).all()


def test_a_crossed_interval_covers_both_kinds_of_variation() -> None:
    draw = np.random.default_rng(0)
    runs, sets = draw.normal(size=(60, 1)), 3 * draw.normal(size=(1, 20))
    low, high = statistics.crossed_interval(runs + sets)
    expected = np.sqrt(runs.var() / 60 + sets.var() / 20)
    assert high - low == pytest.approx(2 * 1.96 * expected, rel=0.1)
    only_runs = statistics.mean_interval((runs + sets).mean(axis=1))
    assert high - low > 3 * (only_runs[1] - only_runs[0])
    for wrong in (runs, sets, np.zeros(5)):
        with pytest.raises(ValueError, match="at least 2 of each"):
            statistics.crossed_interval(wrong)
