"""One step of Adam (Kingma and Ba 2015), as in `torch.optim.Adam` with its default betas and epsilon.

Arrays are flat: rows that stand `stride` apart, of which the first `runs` numbers are runs.
"""

from __future__ import annotations

import math

from counting.engine.lanes import inlined, lane_loop, like, place
from counting.engine.layout import bias_hh, bias_ih, gate_rows, parameter_rows, readout_rows, weight_hh, weight_ih

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8

TINY = 2.0**-115
"""Smallest moment, 2.4e-35. A first moment below it moves a parameter by less than 1e-26; the root of a second one
below it is lost beside EPSILON, in float32."""


@inlined
def _add_squares(gradient, first, rows, norm, stride, runs):
    for row in range(first, first + rows):
        for run in range(runs):
            g = gradient[place(row, stride, run)]
            norm[run] += g * g


@lane_loop
def clip_norm(gradient, shape, largest, norm, stride, runs):
    """Scale each run's gradient so that its Euclidean norm is at most `largest`, as `clip_grad_norm_` does.

    norm: (runs,), overwritten. The squares are added in the order of PyTorch's parameters, the read-out's first:
    another order would be another rounding.
    """
    for run in range(runs):
        norm[run] = like(0.0, norm[0])
    rows = gate_rows(shape)
    _add_squares(gradient, 0, readout_rows(shape), norm, stride, runs)
    _add_squares(gradient, weight_ih(shape, 0, 0), rows * len(shape.symbols), norm, stride, runs)
    _add_squares(gradient, weight_hh(shape, 0, 0), rows * len(shape.units), norm, stride, runs)
    _add_squares(gradient, bias_ih(shape, 0), rows, norm, stride, runs)
    _add_squares(gradient, bias_hh(shape, 0), rows, norm, stride, runs)
    for run in range(runs):
        factor = like(largest, norm[0]) / (math.sqrt(norm[run]) + like(1e-6, norm[0]))
        norm[run] = factor if factor < like(1.0, factor) else like(1.0, factor)
    for row in range(parameter_rows(shape)):
        for run in range(runs):
            gradient[place(row, stride, run)] *= norm[run]


@inlined
def _normal(moment):
    """Give 0 for a moment that no update can feel.

    The moments of a gradient that has become 0 would decay into subnormal numbers and stay there: processors compute
    with these by a slow detour.
    """
    return like(0.0, moment) if abs(moment) < like(TINY, moment) else moment


@lane_loop
def step(parameters, gradient, moments1, moments2, powers, learning_rate, rows, stride, runs):
    """Update every run, in place. `powers` holds β1^t and β2^t in float64 and is moved on by one step.

    The powers are products, not calls of pow, whose last bit depends on the platform's libm.
    """
    powers[0] *= BETA1
    powers[1] *= BETA2
    rate = like(learning_rate / (1.0 - powers[0]), parameters[0])
    correction = like(math.sqrt(1.0 - powers[1]), parameters[0])
    for row in range(rows):
        for run in range(runs):
            i = place(row, stride, run)
            g = gradient[i]
            m = _normal(moments1[i] + (g - moments1[i]) * like(1.0 - BETA1, g))
            v = _normal(moments2[i] * like(BETA2, g) + g * g * like(1.0 - BETA2, g))
            moments1[i] = m
            moments2[i] = v
            parameters[i] -= rate * m / (math.sqrt(v) / correction + like(EPSILON, g))
