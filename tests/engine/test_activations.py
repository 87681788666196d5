"""sigmoid and tanh over every float32: monotone, within 3 ulp, saturated where the certificates say."""

from __future__ import annotations

from types import SimpleNamespace

import numba
import numpy as np
import pytest
from scipy.special import expit

from counting.engine import activations

INFINITY = 0x7F800000
"""The bits of float32 infinity: the floats from 0 up have the bits 0, 1, …, INFINITY."""

CHUNK = 2**14
"""Floats looked at together: their values stay in the processor's cache between one pass and the next."""

jitted = numba.njit(error_model="numpy")


@jitted
def fill(first, step, bits):
    for i in range(len(bits)):
        bits[i] = first + np.int32(step) * np.int32(i)


@jitted
def falls(y):
    """How often y is not ≤ its successor: 0 for a monotone sequence without NaN."""
    count = 0
    for i in range(len(y) - 1):
        count += not (y[i] <= y[i + 1])
    return count


@jitted
def widen(x, wide):
    for i in range(len(x)):
        wide[i] = x[i]


@jitted
def errors_in_ulp(y, before, exact, errors):
    """`before` is the float before y, towards 0: where the spacing changes, this takes the narrower one."""
    for i in range(len(y)):
        errors[i] = abs(np.float64(y[i]) - exact[i]) / abs(np.float64(y[i]) - np.float64(before[i]))


@jitted
def worst(errors):
    largest = 0.0
    for i in range(len(errors)):
        # Not ≤: a NaN is worse than anything.
        largest = largest if errors[i] <= largest else errors[i]
    return largest


def compiled(function):
    """The function applied to an array, and two scans over float32 of one sign."""

    @jitted
    def values(x, y):
        for i in range(len(x)):
            y[i] = function(x[i])

    @jitted
    def all_falls(negative):
        """Falls between neighbours among all floats of one sign, upwards: from 0 to ∞ or from −∞ to −0."""
        bits = np.empty(CHUNK + 1, np.int32)
        y = np.empty(CHUNK + 1, np.float32)
        count = 0
        for start in range(0, INFINITY + 1, CHUNK):
            n = min(CHUNK + 1, INFINITY + 1 - start)
            fill(np.int32(INFINITY - start - 2**31 if negative else start), -1 if negative else 1, bits[:n])
            values(bits[:n].view(np.float32), y[:n])
            count += falls(y[:n])
        return count

    @jitted
    def worst_error(start, stop, negative):
        """Largest distance in ulp between the float32 and the float64 function, bits `start` … `stop` − 1."""
        bits, before = np.empty(CHUNK, np.int32), np.empty(CHUNK, np.int32)
        y, x, exact, errors = np.empty(CHUNK, np.float32), np.empty(CHUNK), np.empty(CHUNK), np.empty(CHUNK)
        largest = 0.0
        for first in range(start, stop, CHUNK):
            n = min(CHUNK, stop - first)
            fill(np.int32(first - 2**31 if negative else first), 1, bits[:n])
            values(bits[:n].view(np.float32), y[:n])
            widen(bits[:n].view(np.float32), x[:n])
            values(x[:n], exact[:n])
            before[:] = y.view(np.int32) - np.int32(1)
            errors_in_ulp(y[:n], before.view(np.float32)[:n], exact[:n], errors[:n])
            largest = max(largest, worst(errors[:n]))
        return largest

    def call(x, dtype=np.float32):
        x = np.atleast_1d(np.asarray(x, dtype))
        y = np.empty_like(x)
        values(x, y)
        return y

    return SimpleNamespace(call=call, all_falls=all_falls, worst_error=worst_error)


@pytest.fixture(scope="module")
def sigmoid() -> SimpleNamespace:
    return compiled(activations.sigmoid)


@pytest.fixture(scope="module")
def tanh() -> SimpleNamespace:
    return compiled(activations.tanh)


def bits(x: float) -> int:
    return int(np.float32(x).view(np.int32))


def first_float(true_from_here, low: float, high: float) -> np.float32:
    """The smallest positive float32 in (low, high] for which a condition that stays true is true."""
    low, high = bits(low), bits(high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if true_from_here(np.int32(middle).view(np.float32)) else (middle, high)
    return np.int32(high).view(np.float32)


class TestSigmoid:
    def test_monotone_over_every_float32(self, sigmoid):
        assert sigmoid.all_falls(False) == 0
        assert sigmoid.all_falls(True) == 0
        assert np.array_equal(sigmoid.call([-0.0, 0.0]), np.float32([0.5, 0.5]))

    def test_within_3_ulp_at_every_float32(self, sigmoid):
        # Where the value is a normal number, x ≥ −87.3. Nearer to 0 than 2^-26 and above 17 the function
        # stands still, which its values at the ends say of all floats between them: it is monotone.
        near, high, low = bits(2.0**-26), bits(17.0), bits(87.3)
        assert np.array_equal(sigmoid.call([-(2.0**-26), 2.0**-26, 17, np.inf]), np.float32([0.5, 0.5, 1, 1]))
        assert sigmoid.worst_error(near, high + 1, False) < 1.6
        assert sigmoid.worst_error(near, low + 1, True) < 2.6

    def test_below_the_normal_numbers_it_is_nearly_zero(self, sigmoid):
        x = np.linspace(-104, -87.3, 10_001, dtype=np.float32)
        assert np.abs(sigmoid.call(x) - expit(x.astype(np.float64))).max() < np.finfo(np.float32).tiny

    def test_where_it_saturates(self, sigmoid):
        assert first_float(lambda x: sigmoid.call(x)[0] == 1, 1, 100) == np.float32(16.635532)
        assert first_float(lambda x: sigmoid.call(-x)[0] == 0, 1, 100) == np.nextafter(
            np.float32(88), np.float32(99)
        )
        assert np.array_equal(sigmoid.call([-np.inf, np.inf, -3e38, 3e38]), np.float32([0, 1, 0, 1]))

    def test_nan_gives_nan(self, sigmoid):
        assert np.isnan(sigmoid.call([np.nan, -np.nan])).all()
        assert np.isnan(sigmoid.call(np.nan, np.float64)).all()

    def test_float64(self, sigmoid):
        x = np.linspace(-700, 50, 200_001)
        assert np.allclose(sigmoid.call(x, np.float64), expit(x), rtol=1e-14, atol=0)
        assert np.array_equal(sigmoid.call([-np.inf, -709.1, 40, np.inf], np.float64), [0, 0, 1, 1])


class TestTanh:
    def test_monotone_over_every_float32(self, tanh):
        assert tanh.all_falls(False) == 0
        assert tanh.all_falls(True) == 0
        assert np.array_equal(tanh.call([-0.0, 0.0]), [0, 0])

    def test_within_3_ulp_at_every_float32(self, tanh):
        # From 10 on the function stands still, and it is odd.
        assert np.array_equal(tanh.call([10, np.inf]), [1, 1])
        assert tanh.worst_error(1, bits(10.0) + 1, False) < 2.6

    def test_odd(self, tanh):
        x = np.arange(0, INFINITY + 1, 4_099, dtype=np.int32).view(np.float32)
        assert np.array_equal(tanh.call(-x), -tanh.call(x))

    def test_where_it_saturates(self, tanh):
        one = first_float(lambda x: tanh.call(x)[0] == 1, 1, 100)
        assert one == np.float32(8.491054)
        assert np.array_equal(tanh.call([-np.inf, np.inf, -3e38, 3e38, -one, one]), [-1, 1, -1, 1, -1, 1])

    def test_nan_gives_nan(self, tanh):
        assert np.isnan(tanh.call([np.nan, -np.nan])).all()
        assert np.isnan(tanh.call(np.nan, np.float64)).all()

    def test_float64(self, tanh):
        x = np.concatenate([np.linspace(-20, 20, 200_001), np.geomspace(1e-300, 1, 100_001)])
        assert np.allclose(tanh.call(x, np.float64), np.tanh(x), rtol=1e-14, atol=0)
        assert np.array_equal(tanh.call([-np.inf, -800, 800, np.inf], np.float64), [-1, -1, 1, 1])


class TestSoftplus:
    """Only the loss rests on it, and the loss decides nothing that is proved."""

    @pytest.mark.parametrize(("dtype", "bar"), [(np.float32, 4e-7), (np.float64, 1e-15)])
    def test_relative_error(self, dtype, bar):
        x = np.linspace(-85, 100, 1_000_001).astype(dtype)
        exact = np.logaddexp(0, x.astype(np.longdouble))
        assert (np.abs(compiled(activations.softplus).call(x, dtype) - exact) / exact).max() < bar

    def test_ends(self):
        softplus = compiled(activations.softplus).call
        assert np.array_equal(softplus([-np.inf, -200, 200, np.inf]), np.float32([0, 0, 200, np.inf]))
        assert np.isnan(softplus([np.nan, -np.nan])).all()


@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
def test_monotone_over_neighbours_in_float64(name, request):
    call = request.getfixturevalue(name).call
    for start in (-30.0, -18.4, -9.7, -1.04, -0.3466, -1e-3, 1e-9, 0.3466, 0.52, 1.04, 6.2, 18.7, 36.7):
        x = (np.float64(start).view(np.int64) + np.arange(20_000) * (1 if start > 0 else -1)).view(np.float64)
        assert (np.diff(call(x, np.float64)) >= 0).all()
