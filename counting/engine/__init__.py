"""The arithmetic: many small networks side by side, compiled to SIMD over runs by Numba.

    lanes        what a lane is, how kernels are compiled     layout      which row of a block holds which number
    activations  sigmoid and tanh without libm                lstm · gru · relu   a step forward, a step back
    readout      outputs, loss and its gradient               adam        the optimizer
    shuffle      the order of a run's words                   block       a step of a whole block of runs
    train        an epoch, the losses, runs in training       read        evaluation, traces
    packed       from people's arrays to the kernels' and back

The same bits everywhere: no fast-math, no sum across lanes, nothing from libm but the exactly rounded square root.
"""

from __future__ import annotations

from counting.compiled import kept_by

with kept_by(__name__):
    from counting.engine import layout, read, shuffle, train

__all__ = ["layout", "read", "shuffle", "train"]
