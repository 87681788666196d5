"""Prefixes sorted by length t and depth d: what the searches over all words share.

After t symbols only depths of t's parity occur, so a row of the table keeps d = 2j (t even) or 2j + 1 (t odd)
in cell j. A prefix counts for words of up to N symbols iff t + d ≤ N: to complete it takes d more.
"""

from __future__ import annotations

import numpy as np

from counting.engine.block import LSTM
from counting.engine.lanes import LANES, inlined, like


@inlined
def below(t, cell_number):
    """Return the cell of row t − 1 that `(` leads from, into this cell of row t. The one that `)` leads from is the
    next.
    """
    return cell_number - 1 if t % 2 == 0 else cell_number


@inlined
def depth(t, cell_number):
    """Return the depth after the prefixes of a cell of row t."""
    return 2 * cell_number + t % 2


@inlined
def cells(t, bound):
    """Cells of row t whose prefixes can be completed to a word shorter than `bound`; 0 if there are none."""
    deepest = min(t, bound - 2 - t)
    return deepest // 2 + 1 if deepest >= t % 2 else 0


@inlined
def width(longest, slots):
    """Room for the slots of the widest row, in whole blocks of lanes and one more cell at either end."""
    return ((longest // 4 + 3) * slots + 2 * LANES - 1) // LANES * LANES


@inlined
def bin_of(key, least, most, bins):
    """Which of `bins` ≥ 2 a key in [least, most] falls into. Bins are narrow at both ends, where failures
    begin.
    """
    half = bins // 2
    half_range = (most - least) / like(2.0, key)
    if not half_range > like(0.0, key):
        return 0
    from_left = key - least
    from_right = most - key
    if from_left < from_right:
        return min(half - 1, int(np.sqrt(from_left / half_range) * like(half, key)))
    return bins - 1 - min(half - 1, int(np.sqrt(from_right / half_range) * like(half, key)))


@inlined
def key_row(cell, h_row, c_row):
    """States are told apart by c in the LSTM, whose memory it is, else by h."""
    return c_row if cell == LSTM else h_row
