"""For every word of a shuffle: a proof that an LSTM is right on it, by a walk through boxes of all it can be in.

The state after a word is in a box, an interval for each unit's h and cell, that belongs to the depths, up to `top`,
which stands for all above. Boxes are widened until each symbol maps each into another.

From depth `top` on a cell is beyond `SATURATED`, so tanh is ±1 to the bit and h, and with it every gate, depends on
that cell no longer. Its forget gate is exactly 1, so it counts its own kind of brackets, and where these close to
top − 1 it is anywhere in its band, which is closed under its steps up and down at all depths to `MAX_COUNT`.
"""

from __future__ import annotations

import numpy as np

from counting.cells import Networks
from counting.certificate.onestep import AWAY, EMPTY, MAX_COUNT, SATURATED, Undecided, hull, image, right, step
from counting.engine.lanes import kernel
from counting.languages import Language

HIGHEST_TOP = 40
"""Depths above which a cell that counts must be saturated; a slower one is not decided on."""

SPARE = 0.5
"""By so much is a cell further away at depth `top`, on the way there from 0, so that its box may be wider."""

IDLE = 2.0**-22
"""A step smaller than this changes no cell from 8 on."""

MOST_BOXES = 2**21
"""More boxes than this are not walked through."""

PATIENCE = 64
"""Rounds after which cells that still move are widened to multiples of `GRID`."""

GRID = np.float32(2.0**-20)

MOST_ROUNDS = 128
"""Rounds after which boxes that still grow are taken to grow for ever."""


def prove(network: Networks, language: Language) -> int:
    """Prove a network right on every word with depths up to `MAX_COUNT`: how many boxes. Raises Undecided."""
    return _Walk(network, language).close()


class _Walk:
    def __init__(self, network: Networks, language: Language) -> None:
        self.network, self.language = network, language
        self.kinds, self.units, self.rounds = language.counters, network.sizes[0], 0
        self.owner, self.sign, self.top = self._probe()
        self.shape = (self.top + 1,) * self.kinds
        boxes = int(np.prod(self.shape))
        if boxes > MOST_BOXES:
            raise Undecided("it counts too slowly for a walk")
        self.h, self.c = (EMPTY + np.zeros((2, boxes, self.units), np.float32) for _ in range(2))
        self.band = EMPTY[:, 0] + np.zeros((2, self.units), np.float32)
        """Of each cell that counts, at depth `top`."""
        self.entry, self.steps = self.band.copy(), np.stack([self.band, self.band])
        """With what it comes to depth `top` from below, and what is added to it from there on, up and down."""

    def _probe(self) -> tuple[np.ndarray, np.ndarray, int]:
        """Find which kind of brackets each cell counts (−1: none), with which sign, and from which depth it is far."""
        owner, sign, top = np.full(self.units, -1), np.ones(self.units, np.float32), 2
        for kind in range(self.kinds):
            h, c = np.zeros((2, 1, self.units), np.float32)
            cells = [c[0]]
            for _ in range(HIGHEST_TOP):
                h, c, _ = step(self.network, h, c, 2 * kind)
                cells.append(c[0])
            path = np.array(cells)
            for j in np.flatnonzero(np.abs(path[-1]) >= SATURATED):
                if owner[j] >= 0:
                    raise Undecided("a cell counts brackets of two kinds")
                owner[j], sign[j] = kind, np.sign(path[-1, j])
                top = max(top, int(np.flatnonzero(sign[j] * path[:, j] < SATURATED + SPARE)[-1]) + 1)
        if missing := set(range(self.kinds)) - set(owner.tolist()):
            raise Undecided(f"no cell grows with the brackets {self.language.alphabet[2 * min(missing) :][:2]}")
        return owner, sign, top

    def close(self) -> int:
        """Widen boxes until nothing new turns up: how many there are. Raises Undecided, also where one is wrong."""
        self.h[:, 0] = self.c[:, 0] = 0  # no word
        fresh = np.zeros(1, int)
        for self.rounds in range(MOST_ROUNDS):
            grown = [self._read(fresh, symbol) for symbol in range(self.language.symbols)]
            fresh = np.unique(np.concatenate(grown))
            if not len(fresh):
                band = np.stack([self._band(j) for j in range(self.units)], axis=1)
                if np.array_equal(band, self.band):
                    return int((self.h[0, :, 0] <= 1).sum())
                self.band = band
                reached = np.flatnonzero(self.h[0, :, 0] <= 1)
                fresh = reached[(self._depths(reached) == self.top).any(axis=1)]
        raise Undecided("its boxes grow and grow")

    def _depths(self, boxes: np.ndarray) -> np.ndarray:
        return np.stack(np.unravel_index(boxes, self.shape), axis=1).astype(np.int8)

    def _read(self, boxes: np.ndarray, symbol: int) -> np.ndarray:
        """Read a symbol from these boxes: which ones grow. At `top` every bracket may leave the depth there."""
        kind, opens = symbol // 2, symbol % 2 == 0
        at, mine = self._depths(boxes)[:, kind], self.owner == kind
        stays = at == self.top
        if opens:
            leaves = ~stays
        else:
            known = (self.band[0, mine] <= self.band[1, mine]).all()
            leaves = (at > 0) & (~stays | known)
        there = at + (1 if opens else -1)
        grown = self._move(boxes[stays], symbol, at[stays])
        return np.concatenate([grown, self._move(boxes[leaves], symbol, there[leaves])])

    def _move(self, boxes: np.ndarray, symbol: int, depth: np.ndarray) -> np.ndarray:
        """Read a symbol that brings its kind's depth there, each box to another: which boxes grow."""
        before, after = self._depths(boxes), self._depths(boxes)
        after[:, symbol // 2] = depth
        c = self.c[:, boxes]
        falls = (before > after).any(axis=1) & (before[:, symbol // 2] == self.top)
        for j in np.flatnonzero(self.owner == symbol // 2):
            c[:, falls, j] = self.band[:, j, None]
        there = np.ravel_multi_index(tuple(after.T), self.shape)
        return self._join(there, *self._image(self.h[:, boxes], c, symbol, before, after))

    def _image(  # noqa: PLR0913
        self, h: np.ndarray, c: np.ndarray, symbol: int, before: np.ndarray, after: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Give h and c after a symbol, between these depths. Raises Undecided where an output may be wrong."""
        h, c, logits, kept, added = image(self.network, h, c, symbol)
        if not right(logits, self.language.targets(np.zeros(len(after), int), after)).all():
            raise Undecided("an output may be wrong")
        for j in np.flatnonzero(self.owner >= 0):
            mine = self.owner[j] == symbol // 2
            deep, stays = before[:, self.owner[j]] == self.top, after[:, self.owner[j]] == self.top
            if (kept[0, deep, j] < 1).any():
                raise Undecided("a cell that counts forgets")
            if not mine and (np.abs(added[:, deep, j]) >= IDLE).any():
                raise Undecided("a cell moves with brackets that it does not count")
            if mine and deep.any():
                ends = np.stack([added[0, deep, j].min(), added[1, deep, j].max()])
                self.steps[symbol % 2, :, j] = hull(self.steps[symbol % 2, :, j], ends)
            if (arrives := stays & ~deep).any():
                ends = np.stack([c[0, arrives, j].min(), c[1, arrives, j].max()])
                self.entry[:, j] = hull(self.entry[:, j], ends)
            c[:, stays, j] = np.sort(self.sign[j] * np.array([SATURATED, AWAY]))[:, None]
        return h, c

    def _join(self, there: np.ndarray, h: np.ndarray, c: np.ndarray) -> np.ndarray:
        """Widen the boxes `there`, different ones, by these: which ones grow."""
        grown = np.zeros(len(there), bool)
        if self.rounds >= PATIENCE:
            c = np.stack([np.floor(c[0] / GRID), np.ceil(c[1] / GRID)]) * GRID
        for kept, new in ((self.h, h), (self.c, c)):
            grown |= ((new[0] < kept[0][there]) | (new[1] > kept[1][there])).any(axis=1)
            kept[:, there] = hull(kept[:, there], new)
        return there[grown]

    def _band(self, j: int) -> np.ndarray:
        """Give what cell j may be at depth `top`, where it is far from there on."""
        if self.owner[j] < 0:
            return self.band[:, j]
        entry, up, down = (np.sort(self.sign[j] * ends) for ends in (self.entry[:, j], *self.steps[:, :, j]))
        if not (entry[0] >= SATURATED and up[0] > 0 and down[1] < 0):
            raise Undecided("a cell that counts does not go up and down")
        low, high, fine = _close_band(*entry, *up, *down, MAX_COUNT - self.top + 1)
        if not fine:
            raise Undecided("the band of a cell that counts does not close")
        return np.sort(self.sign[j] * np.array([low, high], np.float32))


@kernel()
def _close_band(low, high, up_low, up_high, down_low, down_high, depths):
    """Close an interval at each of so many depths under steps up and down; whether it closed, far throughout."""
    lows, highs = np.full(depths, np.inf, np.float32), np.full(depths, -np.inf, np.float32)
    lows[0], highs[0] = low, high
    for _ in range(32):
        changed = False
        for d in range(depths - 1):
            a, b = lows[d] + up_low, highs[d] + up_high
            if a < lows[d + 1] or b > highs[d + 1]:
                lows[d + 1], highs[d + 1] = min(a, lows[d + 1]), max(b, highs[d + 1])
                changed = True
        for d in range(depths - 1, 0, -1):
            a, b = lows[d] + down_low, highs[d] + down_high
            if a < lows[d - 1] or b > highs[d - 1]:
                lows[d - 1], highs[d - 1] = min(a, lows[d - 1]), max(b, highs[d - 1])
                changed = True
        if lows.min() < np.float32(9):
            return lows[0], highs[0], False
        if not changed:
            return lows[0], highs[0], True
    return lows[0], highs[0], False
