"""For every n: a proof that an LSTM is right on aⁿbⁿ…, by reading the words of all n at once.

The gates depend on h alone. So one box of h, an interval for each unit, gives one box of gates for all n, and these
move each n's own cells, intervals too (`_Runs`). Their ends are computed by the engine's own operations, all monotone.

Where a box is mapped into itself, its steps may be repeated: a cell whose forget gate is exactly 1 is then a counter,
to which the same number is added over and over, up to where it comes near 0 or the letter is over (`_go`). Words whose
letter is over at another step go their own way from there on. The first letter needs no box: its states are one path
for all n.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from math import frexp, ldexp

import numpy as np

from counting.cells import Networks
from counting.certificate.onestep import (
    AWAY,
    EMPTY,
    MAX_COUNT,
    SATURATED,
    Undecided,
    first_failure,
    hull,
    image,
    path,
    right,
)
from counting.engine.lanes import inlined, kernel
from counting.languages import Language, Words, exponents, powers

READ = 512
"""Exponents that are read one by one before all others are at once."""

PATIENCE = 48
"""Steps after which a box is widened until it is mapped into itself."""

EVERY = 16
"""Where that fails, it is tried again after so many more."""

NEAR = 64
"""Words with fewer symbols of a letter left than this are told apart by how many."""

LEAST = 8
"""Fewer steps than this are not taken at once."""

MOST_STEPS = 8000
"""Steps in all after which there is no proof; moving the cells of 2¹⁴ words counts as one, too."""

WIDENINGS = 24
"""So often is a box widened, each time twice as much."""


@dataclass(frozen=True)
class Move:
    """What is repeated while a letter is read: the letter, what a step adds to each cell (NaN: it rests), and h."""

    symbol: str
    steps: tuple[float, ...]
    h: tuple[float, ...]


@dataclass
class _Runs:
    """The words of some exponents, read up to one place of one letter."""

    n: np.ndarray
    """int64 (words,), rising"""
    left: np.ndarray
    """int64 (words,): how many of the letter are left."""
    cells: np.ndarray
    """float32 (2, units, words): each word's own box, before the steps in `pending`."""
    h: np.ndarray
    """float32 (2, 1, units): a box for all."""
    hull: np.ndarray
    """float32 (2, 1, units): a box for the cells of all."""
    pending: tuple[np.ndarray, ...] = ()
    """Forget gates and what is added, of steps that `cells` have not taken: float32 (2, 2, units) each."""
    waited: int = 0
    """Steps since the last repetition."""
    moves: tuple[Move, ...] = ()
    """The repetitions so far."""

    def settle(self) -> None:
        """Let the cells take their steps."""
        if self.pending:
            _take(self.cells, np.array(self.pending))
        self.pending = ()
        self.hull = np.stack([self.cells[0].min(axis=1), self.cells[1].max(axis=1)])[:, None]

    def parts(self, keys: np.ndarray) -> list[_Runs]:
        """Put those words together that have the same key."""
        self.settle()
        if (keys == keys[0]).all():
            return [self]
        each = (keys == key for key in np.unique(keys))
        found = [replace(self, n=self.n[i], left=self.left[i], cells=self.cells[:, :, i]) for i in each]
        for part in found:
            part.settle()
        return found


@lru_cache
def known(letters: int, ns: Iterable[int] = range(1, READ + 1)) -> Words:
    """Give the words of these exponents."""
    return exponents(powers(letters), ns)


def prove(network: Networks, language: Language) -> tuple[Move, ...]:
    """Prove a network right for every exponent up to `MAX_COUNT`: what it repeats. Raises Undecided."""
    words = known(language.symbols)
    if (first_failure(network, words, stop=True) < words.lengths).any():
        raise Undecided("it fails on a small exponent")
    return _Climb(network, language).run()


class _Climb:
    def __init__(self, network: Networks, language: Language) -> None:
        self.network, self.language, self.steps = network, language, 0

    def run(self) -> tuple[Move, ...]:
        """Read all words; give what the longest ones repeat."""
        todo = self._first_letter()
        for symbol in range(1, self.language.symbols):
            todo = [done for runs in todo for done in self._read(runs, symbol)]
        return max(todo, key=lambda runs: runs.n[-1]).moves

    def _first_letter(self) -> list[_Runs]:
        """Read all of the first letter, state by state: every word begins like the longest one.

        Words go on together that have come to the same h, or else those of an octave.
        """
        h, c, logits, kept, added = path(self.network, 0, MAX_COUNT)
        if not right(np.stack([logits.T] * 2), self._targets(0)[:1]).all():
            raise Undecided("an output is wrong after many of the first letter")
        steps = np.where(kept == 1, added, np.nan)
        move = Move(self.language.alphabet[0], tuple(map(float, steps)), tuple(map(float, h[:, -1])))
        settles = int(np.flatnonzero((h != h[:, -1:]).any(axis=0)).max(initial=-1)) + 2  # the first n with the last h
        first = [READ + 1, *(2**k for k in range(READ.bit_length(), settles.bit_length())), max(settles, READ + 1)]
        parts = []
        for low, high in zip(first, [*first[1:], MAX_COUNT + 1], strict=True):
            if low < high:
                n, at = np.arange(low, high), slice(low - 1, high - 1)
                h_box, c_box = (np.stack([x[:, at].min(axis=1), x[:, at].max(axis=1)])[:, None] for x in (h, c))
                parts.append(_Runs(n, n, np.stack([c[:, at]] * 2), h_box, c_box, moves=(move,)))
        return parts

    def _targets(self, symbol: int) -> np.ndarray:
        """Give what may come after a letter while more of it are left, and after its last one."""
        counters = np.ones((2, self.language.counters), int)
        counters[:, : max(symbol - 1, 0)] = 0
        if symbol:
            counters[1, symbol - 1] = 0
        return self.language.targets(np.full(2, min(symbol, 1)), counters)

    def _read(self, runs: _Runs, symbol: int) -> Iterator[_Runs]:
        """Read all of one letter: the words, in parts that came through it alike."""
        runs.settle()
        targets, todo = self._targets(symbol), [replace(runs, left=runs.n, waited=0)]
        while todo:
            runs = todo.pop()
            over = runs.left == 1
            if over.all():
                self._one(runs, symbol, targets[1:])
                yield runs
            elif over.any():
                self._pay(len(over) >> 14)
                todo += runs.parts(over)
            elif self._repeat(runs, symbol, targets[:1]):
                todo += runs.parts(np.minimum(runs.left, NEAR))
            else:
                self._one(runs, symbol, targets[:1])
                todo.append(runs)

    def _pay(self, steps: int) -> None:
        self.steps += steps
        if self.steps > MOST_STEPS:
            raise Undecided("it does not come to rest")

    def _one(self, runs: _Runs, symbol: int, targets: np.ndarray) -> None:
        """Take one step."""
        self._pay(1)
        runs.h, runs.hull, logits, kept, added = image(self.network, runs.h, runs.hull, symbol)
        if not right(logits, targets).all():
            raise Undecided("an output may be wrong for large n")
        runs.pending += (np.stack([kept[:, 0], added[:, 0]]),)
        runs.left, runs.waited = runs.left - 1, runs.waited + 1

    def _repeat(self, runs: _Runs, symbol: int, targets: np.ndarray) -> bool:
        """Take as many steps at once as there are, if they repeat themselves; whether it moved on."""
        turn = partial(self._turn, symbol, targets)
        if runs.waited < PATIENCE or runs.waited % EVERY or (found := _invariant(turn, runs)) is None:
            return False
        h, c, counts, steps = found
        self._pay(len(runs.n) >> 14)
        times = _room(runs, c, counts[0], steps)
        if times.max() < LEAST:
            return False
        _move(runs.cells, times, counts[0], steps)
        each = np.where(counts, steps[0], np.nan)[0]
        runs.moves += (Move(self.language.alphabet[symbol], tuple(map(float, each)), tuple(map(float, h[0, 0]))),)
        for _ in range(min(NEAR, int(times.min()))):  # for all have turned so often
            h, c = turn(h, c, counts)[:2]
        runs.cells[:, ~counts[0]] = c[:, 0, ~counts[0], None]
        runs.h, runs.left, runs.waited = h, runs.left - times, 0
        runs.settle()
        return True

    def _turn(
        self, symbol: int, targets: np.ndarray, h: np.ndarray, c: np.ndarray, counts: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        """Read a letter, cells that count held where they are: h, c, who counts, what a step adds, and who is right."""
        h, after, logits, kept, added = image(self.network, h, c, symbol)
        counts = counts & (kept[0] == 1)
        return h, np.where(counts, c, after), counts, added, right(logits, targets)


def _invariant(turn: Callable[..., tuple[np.ndarray, ...]], runs: _Runs) -> tuple[np.ndarray, ...] | None:
    """Widen the box until it is mapped into itself: h, cells, who counts, what a step adds to it.

    A cell that counts and is far, beyond `SATURATED`, may be anywhere there; a near one is where it can come to as long
    as symbols are left.
    """
    h, c = runs.h, runs.hull
    counts, steps, most = np.ones_like(c[0], bool), EMPTY + np.zeros_like(c), runs.left.max()
    for widening in range(WIDENINGS):
        start = np.where(counts, _reach(c, steps, most), c)
        after, cells, counted, moved, fine = turn(h, start, counts)
        if not fine.all():
            return None
        inside = _within(after, h).all() and (_within(cells, start) | counted).all()
        if inside and (counted == counts).all() and (_within(moved, steps) | ~counts).all():
            return h, start, counts, steps
        h, further = hull(h, after), c + (cells - c) * np.float32(2**widening)
        counts, steps = counted, hull(steps, moved)
        c = np.where(counts, c, hull(c, further))
    return None


def _within(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray((a[0] >= b[0]) & (a[1] <= b[1]))


def _far(c: np.ndarray) -> np.ndarray:
    return np.asarray((c[0] >= SATURATED) | (c[1] <= -SATURATED))[0]


def _reach(c: np.ndarray, steps: np.ndarray, most: np.int64) -> np.ndarray:
    """Give where cells are while one of these steps is added up to so often: far ones anywhere on their side."""
    reach = c.copy()
    for j, far in enumerate(_far(c)):
        if far:
            reach[:, 0, j] = (SATURATED, AWAY) if c[0, 0, j] > 0 else (-AWAY, -SATURATED)
        else:
            for end, step in enumerate((min(steps[0, 0, j], 0), max(steps[1, 0, j], 0))):
                _add(reach[end, 0, j : j + 1], np.float32(step), np.array([most]))
    return reach


def _room(runs: _Runs, c: np.ndarray, counts: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Give how many steps each word may take until one of the letter is left, or a far cell comes near."""
    runs.settle()
    times = runs.left - 1
    for j in np.flatnonzero(counts & _far(c)):
        nearer = int(c[0, 0, j] < 0)  # the end that is nearer to 0
        if steps[nearer, 0, j] * (1 - 2 * nearer) < 0:
            times = _times(runs.cells[nearer, j], steps[nearer, 0, j], times)
    return times


def _move(cells: np.ndarray, times: np.ndarray, counts: np.ndarray, steps: np.ndarray) -> None:
    """Let the cells that count take so many steps."""
    for j in np.flatnonzero(counts):
        for end in (0, 1):
            _add(cells[end, j], steps[end, 0, j], times)


@kernel()
def _take(cells, gates):
    """Let each word's cells take these steps; gates: (steps, 2, 2, units)."""
    for unit in range(cells.shape[1]):
        for start in range(0, cells.shape[2], 1024):
            low, high = cells[0, unit, start : start + 1024], cells[1, unit, start : start + 1024]
            for t in range(len(gates)):
                f, g = gates[t, 0, 0, unit], gates[t, 0, 1, unit]
                a, b = gates[t, 1, 0, unit], gates[t, 1, 1, unit]
                for word in range(len(low)):
                    low[word] = min(f * low[word], g * low[word]) + a
                    high[word] = max(f * high[word], g * high[word]) + b


@inlined
def _go(c, step, exact, times, least):
    """Add a step (at most 1) to c so many times, or until |c| would fall below `least`: c, and how many are left.

    exact: up to where a float is a multiple of all that the step is one of: towards 0 no sum is rounded from there.
    Elsewhere every sum inside a binade is rounded to the same grid. So from the second step on all are the same (after
    the first c is even, if there was a tie), up to where the binade ends.
    """
    if step * c < 0 and abs(c) <= exact:
        many = min(times, int((abs(float(c)) - max(float(least), 0.0)) / abs(float(step))))
        c, times = np.float32(float(c) + many * float(step)), times - many
    while times > 0:
        after = c + step
        if after == c or times == 1 and abs(after) >= least:
            return after, 0
        if abs(after) < least:
            return c, times
        again = after + step
        e = frexp(c)[1]
        low, high, grid = ldexp(1.0, e - 1), ldexp(1.0, e), ldexp(1.0, e - 24)
        here, move = abs(float(after)), abs(float(again)) - abs(float(after))
        c, times = after, times - 1
        if e > -100 and low <= here < high and low + grid <= abs(again) <= high and move != 0 and again * after > 0:
            room = (high - here) // move if move > 0 else (here - max(low + grid, float(least))) // -move
            many = min(times, int(room))
            there = here + many * move
            c, times = np.float32(there if after > 0 else -there), times - many
    return c, times


@inlined
def _exact(step):
    """Give 2²⁴ times the lowest bit of a step."""
    fraction, e = frexp(step)
    whole = int(ldexp(fraction, 24))
    return np.float32(ldexp(float(whole & -whole), e))


@kernel()
def _times(cells, step, most):
    """Give how often a step may be added to each cell before it comes near, but not more often than `most`."""
    times, exact = np.empty_like(most), _exact(step)
    for word in range(len(cells)):
        times[word] = most[word] - _go(cells[word], step, exact, most[word], np.float32(9))[1]
    return times


@kernel()
def _add(cells, step, times):
    """Add a step to each cell, so many times to each."""
    before, taken, there, exact = np.float32(0), 0, np.float32(0), _exact(step)
    for word in range(len(cells)):
        if word == 0 or cells[word] != before or times[word] < taken:
            before, taken, there = cells[word], 0, cells[word]
        there = _go(there, step, exact, times[word] - taken, np.float32(-1))[0]
        taken, cells[word] = times[word], there
