"""The engine's sigmoid and tanh as NumPy functions, float32 or float64: the same bits on every machine."""

from __future__ import annotations

import numba

from counting.compiled import keeping, kept_by
from counting.engine import activations

with kept_by(__name__):
    _vectorize = numba.vectorize(["float32(float32)", "float64(float64)"], cache=keeping())

    @_vectorize
    def sigmoid(x):
        """Return 1 / (1 + exp(−x))."""
        return activations.sigmoid(x)

    @_vectorize
    def tanh(x):
        """Return the hyperbolic tangent of x."""
        return activations.tanh(x)
