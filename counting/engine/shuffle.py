"""The order in which a run reads its words: a Fisher–Yates shuffle by the run's own seed, one for each epoch."""

from __future__ import annotations

import numpy as np

from counting.engine.lanes import inlined, kernel


@inlined
def _mix(x):
    """Apply the output function of SplitMix64 (Steele, Lea and Flood 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@kernel()
def shuffle(seed, epoch, order):
    """Fill `order`, int32 (n,), with the permutation of 0 … n − 1 that belongs to `seed` and `epoch` (uint64 each).

    Stateless in the epoch, so that a run can be taken up at any epoch. An index below n is the high half of a 32-bit
    draw times n; it is biased by less than n / 2^32, some millionths.
    """
    state = _mix(_mix(seed) + epoch)
    for i in range(len(order)):
        order[i] = i
    for i in range(len(order) - 1, 0, -1):
        state += np.uint64(0x9E3779B97F4A7C15)
        j = np.int64(((_mix(state) >> np.uint64(32)) * np.uint64(i + 1)) >> np.uint64(32))
        order[i], order[j] = order[j], order[i]
