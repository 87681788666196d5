"""sigmoid, tanh and softplus from +, −, ×, ÷ and shifts of the exponent: no libm, so the same bits on every machine.

All rest on exp(−x) by the textbook reduction −x = k ln 2 + r with |r| ≤ ln 2 / 2, and

    exp(−x) = 2^k (1 + p),   p = expm1(r) = r + r² P(r),

where P interpolates (expm1(r) − r) / r² at Chebyshev nodes (relative error of expm1: 5e-10 for float32, 5e-19 for
float64, before rounding). tanh is taken from expm1, not exp, so it keeps its relative precision near 0.

What the certificates rest on is checked in the tests over *every* float32: both functions are monotone, within 3 ulp
of the exact value (within 2^-126 where sigmoid's is subnormal, below x = −87.3), and NaN gives NaN.
"""

from __future__ import annotations

from numba.core import types
from numba.extending import overload

from counting.engine.lanes import inlined, like, power_of_two


def _parts(x):
    """(2^k, expm1(r)) where −x = k ln 2 + r, for x ≥ −88 (−709 in float64); anything below. One definition for each width of float."""
    raise NotImplementedError("compiled code only")


@overload(_parts, jit_options={"forceinline": True, "error_model": "numpy"})
def _parts_overload(x):
    return _parts_float32 if x == types.float32 else _parts_float64


def _limit(x):
    """The largest |x| for which exp(|x|) is finite, about: 88 for float32, 709 for float64."""
    raise NotImplementedError("compiled code only")


@overload(_limit, jit_options={"forceinline": True, "error_model": "numpy"})
def _limit_overload(x):
    return (lambda x: like(88.0, x)) if x == types.float32 else (lambda x: like(709.0, x))


def _parts_float32(x):
    y = -(_limit(x) if x > _limit(x) else x)
    # Adding 1.5 · 2^23 rounds to an integer, which then stands in the low bits of the sum.
    magic = like(12582912.0, y)
    shifted = y * like(1.4426950408889634, y) + magic
    k = shifted - magic
    r = (y - k * like(0.693359375, y)) - k * like(-2.12194440e-4, y)
    p = like(0.00019891030654370327, y)
    p = p * r + like(0.0013933685862617174, y)
    p = p * r + like(0.008333310889582076, y)
    p = p * r + like(0.04166646460202654, y)
    p = p * r + like(0.16666666681659179, y)
    p = p * r + like(0.5000000013498178, y)
    return power_of_two(shifted), r + (r * r) * p


def _parts_float64(x):
    y = -(_limit(x) if x > _limit(x) else x)
    magic = like(6755399441055744.0, y)
    shifted = y * like(1.4426950408889634, y) + magic
    k = shifted - magic
    r = (y - k * like(0.693147180369123816490, y)) - k * like(1.90821492927058770002e-10, y)
    p = like(2.0914717341716378e-09, y)
    p = p * r + like(2.5105259538448494e-08, y)
    p = p * r + like(2.755727357010214e-07, y)
    p = p * r + like(2.7557255297969643e-06, y)
    p = p * r + like(2.4801587325605324e-05, y)
    p = p * r + like(0.0001984126987490126, y)
    p = p * r + like(0.001388888888888373, y)
    p = p * r + like(0.008333333333326112, y)
    p = p * r + like(0.04166666666666667, y)
    p = p * r + like(0.1666666666666667, y)
    p = p * r + like(0.5, y)
    return power_of_two(shifted), r + (r * r) * p


def _log1p_by_s(w):
    """(log(1 + u) / s − 2) / s² as a polynomial in w = s², where s = u / (2 + u) and 0 ≤ u ≤ 1."""
    raise NotImplementedError("compiled code only")


@overload(_log1p_by_s, jit_options={"forceinline": True, "error_model": "numpy"})
def _log1p_by_s_overload(w):
    return _log1p_by_s_float32 if w == types.float32 else _log1p_by_s_float64


def _log1p_by_s_float32(w):
    p = like(0.232243292240233488, w)
    p = p * w + like(0.217065758008803726, w)
    p = p * w + like(0.285923579943028377, w)
    p = p * w + like(0.399997063319297174, w)
    return p * w + like(0.666666673205274125, w)


def _log1p_by_s_float64(w):
    p = like(0.161640456119435322, w)
    p = p * w + like(0.0880073848614467388, w)
    p = p * w + like(0.120010728095907125, w)
    p = p * w + like(0.133141442096549362, w)
    p = p * w + like(0.153855700649586231, w)
    p = p * w + like(0.181817894361328582, w)
    p = p * w + like(0.22222222717427863, w)
    p = p * w + like(0.285714285671087572, w)
    p = p * w + like(0.400000000000145827, w)
    return p * w + like(0.666666666666666586, w)


@inlined
def softplus(x):
    """log(1 + exp(x)) = max(x, 0) + log(1 + u) with u = exp(−|x|).

    log(1 + u) is 2 artanh(s), s = u / (2 + u) ≤ 1/3: s times a polynomial in s², interpolated like P.
    """
    scale, p = _parts(abs(x))
    u = scale + scale * p
    s = u / (like(2.0, u) + u)
    log1p = s * (like(2.0, s) + s * s * _log1p_by_s(s * s))
    return (x if x > like(0.0, x) else like(0.0, x)) + log1p


@inlined
def sigmoid(x):
    """1 / (1 + exp(−x)); in float32 1 from x = 16.64, and 0 below x = −88, where the exact value is subnormal."""
    one = like(1.0, x)
    lowest = -_limit(x)
    scale, p = _parts(x)
    y = one / (one + (scale + scale * p))
    # Below `lowest` the parts, and so y, mean nothing.
    return like(0.0, x) if x < lowest else y


@inlined
def tanh(x):
    """(1 − exp(−2|x|)) / (1 + exp(−2|x|)) with the sign of x; ±1 from |x| = 8.5 in float32."""
    zero = like(0.0, x)
    one = like(1.0, x)
    scale, p = _parts(like(2.0, x) * abs(x))
    minus_expm1 = (one - scale) - scale * p
    magnitude = minus_expm1 / (like(2.0, x) - minus_expm1)
    return zero - magnitude if x < zero else magnitude
