"""For every word of a language of several counters: a proof that an LSTM is right on it, or a word that fails.

Both proofs rest on what float32 makes of a saturated cell. Where |c| ≥ SATURATED, tanh(c) is ±1 to the bit, so h and
with it every gate depend on c no longer; where moreover f = 1 and i g is a constant step, c is a counter. What is left,
the h of all units and the cells that are not that far, is a finite control, which is walked through bit by bit with the
engine's own step.

Shuffles (`_Walk`): breadth-first over (depths, state), where a depth of `top` stands for all from there on, and its
unit's cell for a band of values. Powers (`_Climb`): one run, with the exponent n as a symbol: cells are α + β n.

Verdicts hold in the engine's arithmetic. A word that fails is read again by PyTorch's own module.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from counting import reference
from counting.cells import Networks
from counting.certificate.onestep import first_failure, step
from counting.engine.lanes import kernel
from counting.languages import Language, Words, exponents, powers, sample, shuffle

SATURATED = 9.0
"""tanh is ±1 in float32 from here on."""

MAX_DEPTH = 2**20
"""Proofs are for words of any length with every counter up to this."""

HIGHEST_TOP = 40
"""Depths above which a cell that counts must be saturated; a slower one is not decided on."""

FAR = np.float32(2.0**60)
"""A cell so far away that f = 1 is told from every smaller f, and that no step is seen."""

IDLE = 2.0**-22
"""A step smaller than this changes no cell from 8 on."""

MOST_STATES = 400_000
"""More states than this are not walked through."""

MOST_TRIED = 20_000
"""More states than this are not searched for a shortest word that fails; then long words are read."""

MOST_VALUES = 32
"""More values than this of a cell at one depth are not told apart."""

MOST_RUNS = 400
"""More ways than this in which cells of no whole numbers round on their way up are not tried."""

SIMULATED = 64
"""Exponents that are read before the rest is climbed with n as a symbol."""


@dataclass(frozen=True)
class SeveralCertificate:
    """A decision over all words of a language with every counter up to `MAX_DEPTH`, in the engine's arithmetic."""

    language: Language
    proved: bool
    lower: int
    """No shorter word fails (proved)."""
    argument: str
    """Why, in a sentence."""
    counterexample: Words | None = None
    """One word, on which the network fails."""
    failing_step: int | None = None
    """The 0-based first wrong step on it."""
    pytorch_step: int | None = None
    """Where PyTorch's own module is first wrong on it; its length if nowhere."""
    control: tuple[Move, ...] = ()
    """Of a proof for powers: the run, with n as a symbol."""

    @property
    def verdict(self) -> str:
        """Name it "proved", "refuted" or "undecided"."""
        return "proved" if self.proved else "refuted" if self.counterexample is not None else "undecided"

    @property
    def shortest(self) -> bool:
        """Tell whether no shorter word than the counterexample fails (proved)."""
        return self.counterexample is not None and self.lower == self.counterexample.longest

    def __str__(self) -> str:
        word = "" if self.counterexample is None else f" on a word of {self.counterexample.longest} symbols"
        return f"{self.verdict.capitalize()}{word} ({self.language.name}): {self.argument}"


@dataclass(frozen=True)
class Move:
    """One step of a climb, or `times` α + β n equal ones: the symbol, what it adds to each cell, h after it."""

    symbol: str
    times: tuple[int, int]
    steps: tuple[float, ...]
    h: tuple[float, ...]


class Undecided(Exception):
    """What stands in the way of a proof."""


def certify_language(network: Networks, language: Language) -> SeveralCertificate:
    """Decide whether a network is right on every word of a language with all counters up to `MAX_DEPTH`.

    network: a stack of one float32 network with the language's symbols and outputs; only an LSTM is ever proved.
    Raises ValueError for another.
    """
    sizes = (language.symbols, len(language.outputs))
    if len(network) != 1 or network.sizes[1:] != sizes or network.dtype != np.float32 or not network.finite.all():
        raise ValueError(f"one finite float32 network with {sizes} symbols and outputs is needed; got {network!r}")
    try:
        if network.cell != "lstm":
            raise Undecided("only an LSTM's cell saturates and goes on counting")
        return _powers(network, language) if language.ends else _shuffles(network, language)
    except Undecided as reason:
        found = (_failing_exponent if language.ends else _failing_word)(network, language, str(reason))
    if found.counterexample is None:
        return found
    module, word = network.to_torch(0), found.counterexample
    step = reference.first_failure(module, word)[0]  # type: ignore[arg-type]  # it reads any language's
    return replace(found, pytorch_step=int(step))


def _powers(network: Networks, language: Language) -> SeveralCertificate:
    known = exponents(language, range(1, SIMULATED + 1))
    if (first_failure(network, known) < known.lengths).any():
        raise Undecided("it fails on a small exponent")
    plan: list[tuple[int, int]] = []
    for runs in itertools.count(1):
        moves = tuple(_Climb(network, language, plan).run())
        while plan and plan[-1][0] + 1 == plan[-1][1]:
            plan.pop()
        if not plan:
            break
        if runs == MOST_RUNS:
            raise Undecided("its cells round in too many ways")
        plan[-1] = (plan[-1][0] + 1, plan[-1][1])
    ways = f" in each of {runs} ways in which its cells round" if runs > 1 else ""
    argument = f"read for n up to {SIMULATED}; beyond, its run with n as a symbol has {len(moves)} moves{ways}"
    return SeveralCertificate(language, True, known.longest, argument, control=moves)


def _shuffles(network: Networks, language: Language) -> SeveralCertificate:
    states = _Walk(network, language).close()
    argument = f"{states:,} states of a finite control are right; beyond, each cell counts one kind of brackets"
    return SeveralCertificate(language, True, 2 * MAX_DEPTH, argument)


def _right(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Tell whether all outputs are right; NaN never is."""
    return np.asarray(np.where(targets, logits >= 0, logits < 0).all(axis=1))


def _stepped(network: Networks, h: np.ndarray, c: np.ndarray, symbol: int) -> tuple[np.ndarray, ...]:
    """Give h, c, the logits, and which far cells (see FAR) keep what they hold, with the steps that they add."""
    far = np.abs(c) == FAR
    after, cell, logits = step(network, h, c, symbol)
    added = step(network, h, np.where(far, np.float32(0), c), symbol)[1]
    return after, cell, logits, far & (cell == c), added


class _Climb:
    """The run on aⁿbⁿ… for every n > `SIMULATED` at once: cell j holds α + β n, exactly; with β = 0 any float.

    A cell that goes up by ±1 from no whole number rounds when it reaches a power of two, and down it goes without
    rounding: how far up it was decides what is left of its fraction. `plan` says which of these ways a run takes: at
    each, (this one, of so many); what is new is added to it.
    """

    def __init__(self, network: Networks, language: Language, plan: list[tuple[int, int]]) -> None:
        self.plan, self.taken = plan, 0
        units = network.sizes[0]
        self.network, self.language = network, language
        self.h = np.zeros(units, np.float32)
        self.alpha, self.beta = np.zeros(units), np.zeros(units, int)
        self.moves: list[Move] = []

    def run(self) -> list[Move]:
        """Climb up and down, or raise Undecided."""
        language = self.language
        for symbol in range(language.symbols):
            counters = np.ones((1, language.counters), int)
            counters[0, : max(symbol - 1, 0)] = 0
            state = np.array([min(symbol, 1)])
            self._phase(symbol, (0, 1) if symbol == 0 else (-1, 1), language.targets(state, counters))
            if symbol:
                counters[0, symbol - 1] = 0
                self._one(symbol, language.targets(np.array([1]), counters))
        return self.moves

    def _phase(self, symbol: int, times: tuple[int, int], targets: np.ndarray) -> None:
        """Read a symbol times[0] + times[1] n times."""
        left, slope = times
        for _ in range(4 * SIMULATED):
            if slope == 0 and left == 0:
                return
            if left + slope * (SIMULATED + 1) < 1:
                raise Undecided("it does not come to rest in time")
            jump = self._jump(symbol, (left, slope), targets) if slope else None
            if jump is None:
                self._one(symbol, targets)
                left -= 1
            else:
                left, slope = left - jump[0], slope - jump[1]
        raise Undecided("it does not come to rest")

    def _look(self, symbol: int, far: np.ndarray) -> tuple[np.ndarray, ...]:
        """Step from here, with these cells far: h, c, logits, who keeps what it holds, what is added, the signs."""
        sign = np.sign(np.where(self.beta != 0, self.beta, self.alpha)).astype(np.float32)
        c = np.where(far, sign * FAR, self.alpha).astype(np.float32)
        after, cell, logits, keeps, added = _stepped(self.network, self.h[None], c[None], symbol)
        added = np.where(far & (np.abs(added[0]) < IDLE), np.float32(0), added[0])
        return after[0], cell[0], logits, keeps[0], added, sign

    def _one(self, symbol: int, targets: np.ndarray) -> None:
        """Take one step."""
        after, cell, logits, keeps, added, _ = self._look(symbol, self.beta != 0)
        if not _right(logits, targets)[0]:
            raise Undecided("an output is wrong for large n")
        before = self.alpha.copy()
        for j, grows in enumerate(self.beta != 0):
            if grows and keeps[j]:
                self.alpha[j] += self._whole(added[j])
            elif grows and cell[j] != added[j]:
                raise Undecided("a cell that counts forgets by and by")
            else:  # a cell that does not grow with n, or that is forgotten at once: f = 0
                self.alpha[j], self.beta[j] = cell[j], 0
        self.h = after
        self._check()
        self._note(symbol, (1, 0), self.alpha - before)

    def _note(self, symbol: int, times: tuple[int, int], steps: np.ndarray) -> None:
        letter = self.language.alphabet[symbol]
        self.moves.append(Move(letter, times, tuple(map(float, steps)), tuple(map(float, self.h))))

    def _jump(self, symbol: int, left: tuple[int, int], targets: np.ndarray) -> tuple[int, int] | None:
        """Take as many equal steps as there are; None if the next one is not the first of many."""
        far = (self.beta != 0) | (np.abs(self.alpha) >= SATURATED)
        after, cell, logits, keeps, added, sign = self._look(symbol, far)
        rests = (self.beta == 0) & ~keeps & (cell == self.alpha)
        leaves = keeps & ((self.beta != 0) | (sign * added >= 0))
        if not (np.array_equal(after, self.h) and (rests | leaves).all() and _right(logits, targets)[0]):
            return None
        jump = left
        for j in np.flatnonzero(keeps & (sign * added < 0)):
            step = abs(self._whole(added[j]))
            room, slope = int(sign[j] * self.alpha[j] - SATURATED), abs(int(self.beta[j]))
            if slope % step == 0:
                near = (room // step, slope // step)
            elif _at_most((jump[0] * step, jump[1] * step), (room, slope)):
                continue
            else:
                raise Undecided("when a cell comes near depends on n by its remainder")
            if not _at_most(jump, near):
                if not _at_most(near, jump):
                    raise Undecided("which cell comes near first depends on n")
                jump = near
        if jump[1] == 0 or jump[0] + jump[1] * (SIMULATED + 1) < 1:
            return None
        for kept in map(int, np.flatnonzero(keeps)):
            self._round_up(kept, float(sign[kept]), float(added[kept]))
            self.alpha[kept] += jump[0] * self._whole(added[kept])
            self.beta[kept] += jump[1] * self._whole(added[kept])
        self._check()
        self._note(symbol, jump, np.where(keeps, added, 0))
        return jump

    def _round_up(self, j: int, sign: float, step: float) -> None:
        """Take one of the ways in which a cell of no whole number rounds while it goes up, or down, by `step`."""
        if self.alpha[j] == np.round(self.alpha[j]) or step == 0:
            return
        if abs(step) != 1:
            raise Undecided("a cell of no whole number counts by more than 1")
        if sign * step < 0:
            return
        floor = np.floor(sign * self.alpha[j])
        ways = _fractions(sign * self.alpha[j] - floor)
        if self.taken == len(self.plan):
            self.plan.append((0, len(ways)))
        self.alpha[j] = sign * (floor + ways[self.plan[self.taken][0]])
        self.taken += 1

    @staticmethod
    def _whole(step: float) -> int:
        if step != np.round(step):
            raise Undecided("a cell's step is no whole number")
        return int(step)

    def _check(self) -> None:
        """Far cells are far, and whole numbers exact, for every n from SIMULATED + 1 to MAX_DEPTH."""
        grows = self.beta != 0
        nearest = np.sign(self.beta) * self.alpha.astype(float) + np.abs(self.beta) * (SIMULATED + 1)
        if (nearest[grows] < SATURATED).any():
            raise Undecided("a cell comes near before it is expected")
        if (np.abs(self.alpha.astype(float)) + np.abs(self.beta) * MAX_DEPTH >= 2**24).any():
            raise Undecided("a cell counts beyond 2^24")


def _at_most(small: tuple[int, int], large: tuple[int, int]) -> bool:
    """Tell whether α + β n ≤ α' + β' n for every n > SIMULATED."""
    return large[1] >= small[1] and small[0] + small[1] * (SIMULATED + 1) <= large[0] + large[1] * (SIMULATED + 1)


def _fractions(fraction: float) -> list[float]:
    """Give what is left of a fraction in a float32 that goes up by 1 through 2³, 2⁴, … to beyond `MAX_DEPTH`."""
    found = [fraction]
    for power in 2.0 ** np.arange(3, 24):
        after = float(np.float32(np.float32(power - 1 + found[-1]) + np.float32(1))) - power
        found.append(after)
    return sorted(set(found))


class _Walk:
    """All that a network can be in on a shuffle's words: depths up to `top`, which stands for all above, and state.

    A cell whose brackets are `top` deep or more is far. Where such brackets close to top − 1, its value is any that
    its band holds at depth `top`.
    """

    def __init__(self, network: Networks, language: Language) -> None:
        self.network, self.language = network, language
        self.units, self.kinds = network.sizes[0], language.counters
        self.owner, self.sign, self.top = self._probe()
        self.entries: list[set[float]] = [set() for _ in range(self.units)]
        self.ups: list[set[float]] = [set() for _ in range(self.units)]
        self.downs: list[set[float]] = [set() for _ in range(self.units)]

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
                top = max(top, int(np.flatnonzero(sign[j] * path[:, j] < SATURATED)[-1]) + 1)
        if missing := set(range(self.kinds)) - set(owner.tolist()):
            raise Undecided(f"no cell grows with the brackets {self.language.alphabet[2 * min(missing) :][:2]}")
        return owner, sign, top

    def close(self) -> int:
        """Walk until nothing new turns up: how many states there are. Raises Undecided, also where one is wrong."""
        bands: list[list[float]] = [[] for _ in range(self.units)]
        for _ in range(8):
            states = self._walk(bands)
            before, bands = bands, [self._band(j) for j in range(self.units)]
            if bands == before:
                return states
        raise Undecided("its cells drift")

    def _band(self, j: int) -> list[float]:
        """List the values that cell j can have at depth `top`, where it is far from there on."""
        sign = self.sign[j]
        entries = sorted({float(sign * e) for e in self.entries[j]})
        if not entries:
            return []
        ups, downs = ({float(sign * s) for s in steps} for steps in (self.ups[j], self.downs[j]))
        if not ups or not downs:
            return [float(sign * e) for e in entries]
        if entries[0] < SATURATED or min(ups) <= 0 or max(downs) >= 0:
            raise Undecided("a cell that counts does not go up and down")
        step = max(ups)
        if ups == {step} and downs == {-step} and all(x == round(x) for x in [step, *entries]):
            if entries[-1] + step * MAX_DEPTH >= 2**24:
                raise Undecided("a cell counts beyond 2^24")
            return [float(sign * e) for e in entries]
        ends = (entries[0], entries[-1], min(ups), max(ups), min(downs), max(downs))
        low, high, fine = _close_band(*np.array(ends, np.float32), MAX_DEPTH - self.top + 1)
        values = [low]
        while fine and values[-1] < high and len(values) <= MOST_VALUES:
            values.append(np.nextafter(values[-1], np.float32(np.inf)))
        if not fine or len(values) > MOST_VALUES:
            raise Undecided("a cell's steps are no whole numbers, and its band does not close")
        return [float(sign * value) for value in values]

    def _walk(self, bands: list[list[float]]) -> int:
        """Walk through all states, with these values at depth `top`. Returns how many there are."""
        depths = np.zeros((1, self.kinds), np.int8)
        h, c = np.zeros((2, 1, self.units), np.float32)
        seen: set[bytes] = set()
        while len(depths):
            found = [self._after(depths, h, c, symbol, bands) for symbol in range(self.language.symbols)]
            depths, h, c = (np.concatenate(parts) for parts in zip(*itertools.chain(*found), strict=True))
            new = _new_rows(seen, depths, h, c)
            depths, h, c = depths[new], h[new], c[new]
            if len(seen) > MOST_STATES:
                raise Undecided("it has too many states")
        return len(seen)

    def _after(
        self, depths: np.ndarray, h: np.ndarray, c: np.ndarray, symbol: int, bands: list[list[float]]
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Give depths, h and c after a symbol."""
        kind, opens = symbol // 2, symbol % 2 == 0
        mine = np.flatnonzero(self.owner == kind)
        deep = depths[:, kind] == self.top
        if opens:
            yield self._read(depths, h, c, symbol, np.minimum(depths[:, kind] + 1, self.top))
            return
        for which, low in ((~deep & (depths[:, kind] > 0), False), (deep, False), (deep, True)):
            values = itertools.product(*(bands[j] for j in mine)) if low else [()]
            for held in values:
                cells = c[which].copy()
                if low:
                    cells[:, mine] = held
                after = depths[which, kind] - (0 if which is deep and not low else 1)
                yield self._read(depths[which], h[which], cells, symbol, after)

    def _read(
        self, depths: np.ndarray, h: np.ndarray, c: np.ndarray, symbol: int, after: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Read a symbol that brings its kind's depth to `after`. Raises Undecided where an output is wrong."""
        kind, depths = symbol // 2, depths.copy()
        depths[:, kind] = after
        if not len(depths):
            return depths, h, c
        far = np.abs(c) == FAR
        h, c, logits, keeps, added = _stepped(self.network, h, c, symbol)
        if not _right(logits, self.language.targets(np.zeros(len(depths), int), depths.astype(int))).all():
            raise Undecided("an output is wrong in a state that may be reached")
        if (far & ~keeps).any():
            raise Undecided("a cell that counts forgets")
        for j in np.flatnonzero(self.owner >= 0):
            steps = set(added[far[:, j], j].tolist())
            if self.owner[j] != kind:
                if any(abs(step) >= IDLE for step in steps):
                    raise Undecided("a cell moves with brackets that it does not count")
                continue
            (self.downs if symbol % 2 else self.ups)[j] |= steps
            arrived = (depths[:, kind] == self.top) & ~far[:, j]
            self.entries[j] |= set(c[arrived, j].tolist())
            if (self.sign[j] * c[arrived, j] < SATURATED).any():
                raise Undecided("a cell that counts is late")
            if len(self.entries[j]) > MOST_VALUES or len(self.ups[j] | self.downs[j]) > MOST_STATES:
                raise Undecided("a cell has too many values at one depth")
            c[arrived, j] = self.sign[j] * FAR
        return depths, h, c


def _new_rows(seen: set[bytes], *columns: np.ndarray) -> list[int]:
    """Choose the rows of these columns that were not seen before, each once; they are seen from now on."""
    if not len(columns[0]):
        return []
    rows = np.concatenate([np.ascontiguousarray(x).view(np.uint8).reshape(len(x), -1) for x in columns], axis=1)
    new = []
    for number, key in enumerate(map(bytes, np.ascontiguousarray(rows))):
        if key not in seen:
            seen.add(key)
            new.append(number)
    return new


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
        if lows.min() < np.float32(9.0):
            return lows[0], highs[0], False
        if not changed:
            return lows[0], highs[0], True
    return lows[0], highs[0], False


TRIED = (*range(1, 513), 1000, 2000, 5000)
"""Exponents that are read, one after the other, where there is no proof."""


@lru_cache
def _tried(letters: int) -> Words:
    return exponents(powers(letters), TRIED)


def _failing_exponent(network: Networks, language: Language, reason: str) -> SeveralCertificate:
    """Find the smallest exponent that fails, of those in `TRIED`."""
    words = _tried(language.symbols)
    first = first_failure(network, words)
    in_row = sum(n == number for number, n in enumerate(TRIED, start=1))
    wrong = np.flatnonzero(first < words.lengths)
    lower = 1 + min([in_row, *wrong])
    if not wrong.size:
        return SeveralCertificate(language, False, int(lower) * language.symbols, reason)
    word, step = words[wrong[0]], int(first[wrong[0]])
    return SeveralCertificate(language, False, int(lower) * language.symbols, reason, word, step)


@lru_cache
def _long(k: int) -> Words:
    return sample(shuffle(k), 50, (1000, 1000), seed=0)


def _failing_word(network: Networks, language: Language, reason: str) -> SeveralCertificate:
    """Find a shortest word that fails, prefix by prefix; if there are too many, any among long ones."""
    lower, prefix = _shortest_prefix(network, language)
    if prefix is None:
        words = _long(language.counters)
        first = first_failure(network, words)
        if (wrong := np.flatnonzero(first < words.lengths)).size:
            ends = [(t := int(first[w])) + 1 + int(words.counts[w, t].sum()) for w in wrong]
            best = wrong[int(np.argmin(ends))]
            prefix = words.tokens[best, : first[best] + 1].tolist()
    if prefix is None:
        return SeveralCertificate(language, False, lower, reason)
    depths = np.bincount(np.array(prefix) // 2, weights=1 - 2 * (np.array(prefix) % 2), minlength=language.counters)
    closing = [2 * kind + 1 for kind, depth in enumerate(depths.astype(int)) for _ in range(depth)]
    tokens = np.array([prefix + closing], np.int8)
    word = Words(language, tokens, np.array([tokens.shape[1]]))
    return SeveralCertificate(language, False, lower, reason, word, len(prefix) - 1)


def _shortest_prefix(network: Networks, language: Language) -> tuple[int, list[int] | None]:
    """Give a number of symbols that every word that fails has at least, and the prefix where one of so many fails."""
    units, seen = network.sizes[0], set[bytes]()
    depths = np.zeros((1, language.counters), np.int32)
    h, c = np.zeros((2, 1, units), np.float32)
    best: tuple[int, list[int] | None] = (2**31, None)
    came: list[tuple[np.ndarray, np.ndarray]] = []
    for t in itertools.count(1):
        parts = []
        for symbol in range(language.symbols):
            parent = np.flatnonzero(language.allowed(np.zeros(len(depths), int), depths)[:, symbol])
            below = depths[parent] + language.change[0, symbol]
            if not len(parent):
                continue
            after, cell, logits = step(network, h[parent], c[parent], symbol)
            fine = _right(logits, language.targets(np.zeros(len(below), int), below))
            lengths = t + below.sum(axis=1)
            if (~fine).any() and lengths[~fine].min() < best[0]:
                first = np.flatnonzero(~fine)[np.argmin(lengths[~fine])]
                best = int(lengths[first]), [*_back(came, int(parent[first])), symbol]
            parts.append((below[fine], after[fine], cell[fine], parent[fine], np.full(fine.sum(), symbol)))
        below, after, cell, parent, symbols = (np.concatenate(x) for x in zip(*parts, strict=True))
        short = t + below.sum(axis=1) < best[0]
        below, after, cell, parent, symbols = (x[short] for x in (below, after, cell, parent, symbols))
        chosen = _new_rows(seen, below, after, cell)
        depths, h, c = below[chosen], after[chosen], cell[chosen]
        came.append((parent[chosen], symbols[chosen]))
        if not len(depths):
            return best
        if len(seen) > MOST_TRIED:
            return t + 1 + (t + 1) % 2, best[1]
    raise AssertionError("never")


def _back(came: list[tuple[np.ndarray, np.ndarray]], row: int) -> list[int]:
    """Read off the symbols that led to a row of the last layer."""
    symbols = []
    for parents, read in reversed(came):
        symbols.append(int(read[row]))
        row = int(parents[row])
    return symbols[::-1]
