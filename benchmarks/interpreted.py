"""Kernels as the Python that they are: nothing is compiled, every line can be traced, and a call is slow."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numba.extending
import numpy as np


def interpret() -> None:
    """Make Numba's decorators do nothing. Before `counting` is imported, and for this process only."""
    numba.njit = numba.jit = _as_it_is
    numba.prange = range
    numba.vectorize = lambda *_, **__: _elementwise
    numba.extending.intrinsic = lambda function: {"like": like, "power_of_two": power_of_two}[function.__name__]
    numba.extending.overload = _overload
    concurrent.futures.ThreadPoolExecutor = AtOnce
    np.seterr(all="ignore")


class AtOnce(concurrent.futures.Executor):
    """An executor without threads, so that what stops the main thread stops all."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def submit(self, function: Callable, /, *arguments: Any, **named: Any) -> concurrent.futures.Future:
        """Do it."""
        future: concurrent.futures.Future = concurrent.futures.Future()
        try:
            future.set_result(function(*arguments, **named))
        except Exception as error:
            future.set_exception(error)
        return future


def _as_it_is(*arguments: Any, **_: Any) -> Any:
    if not (arguments and callable(arguments[0])):
        return _as_it_is
    arguments[0].py_func = arguments[0]
    return arguments[0]


def _elementwise(function: Callable) -> Callable:
    def over(x: Any) -> np.ndarray:
        x = np.asarray(x)
        return np.array([function(value) for value in x.ravel()], x.dtype).reshape(x.shape)[()]

    return over


def _overload(stub: Any, **_: Any) -> Callable:
    """Let the function that stands for others do what is chosen by its first argument's type."""

    def of(choose: Callable) -> Callable:
        chosen = cache(lambda key: choose(numba.typeof(key() if isinstance(key, type) else key)))
        stub.__code__ = _choosing.__code__
        stub.__kwdefaults__ = {"chosen": chosen}
        return choose

    return of


def _choosing(first, *others, chosen):  # noqa: ANN001, ANN202
    return chosen(first if isinstance(first, tuple) else type(first))(first, *others)


def like(value: float, x: Any) -> Any:
    """Do what `lanes.like` compiles."""
    return type(x)(value)


def power_of_two(shifted: Any) -> Any:
    """Do what `lanes.power_of_two` compiles."""
    single = isinstance(shifted, np.float32)
    mantissa, bias, integer = (23, 127, np.uint32) if single else (52, 1023, np.uint64)
    magic = ((bias + mantissa) << mantissa) | (1 << (mantissa - 1))
    shifted = np.asarray(shifted, np.float32 if single else np.float64)
    k = int(shifted.view(integer)) - (magic - bias)
    bits = (k << mantissa) % 2 ** (32 if single else 64)
    return np.asarray(integer(bits)).view(shifted.dtype)[()]
