"""Dyck-1 words: sets of them, their depth and targets, and exact samplers for every set the book uses.

Every sampler draws a uniform sequence of steps that reaches its lowest point only at its end, by the cycle
lemma (Dvoretzky and Motzkin 1947), and reads words off it. n words are the first n of any longer list of the
same arguments. Randomness enters only as doubles in [0, 1) from PCG64, and what is done to them is +, -, *, /
and sqrt: a seed means the same words on every machine.
"""

from __future__ import annotations

import hashlib
import math
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

OPEN, CLOSE, PADDING = 0, 1, -1
PAPER_PEAKS = (1000, 500, 250, 200, 125, 100, 50, 25, 20, 10)
PAPER_NESTED = 1_035
_STREAMS = ("pcfg", "with_returns", "nested")  # these three lines are part of what a seed means:
_BATCH_SYMBOLS, _BATCH_WORDS = 2**18, 4_096  # streams are known by their place, batches consumed whole


Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, eq=False, repr=False)
class Words:
    """A set of n non-empty Dyck-1 words, in order; whatever is not one raises ValueError when it is built.

    tokens: int8 (n, longest): 0 is `(`, 1 is `)`, -1 is padding on the right. lengths: int32 (n,).
    Both are read-only copies, cut to the longest word. Indexing of any kind gives `Words` again.
    """

    tokens: Array
    lengths: Array
    symbols: ClassVar[int] = 2

    def __post_init__(self) -> None:
        tokens, lengths = np.asarray(self.tokens), np.asarray(self.lengths)
        _check(tokens, lengths)
        tokens, lengths = tokens[:, : lengths.max(initial=0)].astype(np.int8), lengths.astype(np.int32)
        tokens.flags.writeable = lengths.flags.writeable = False
        object.__setattr__(self, "tokens", tokens)
        object.__setattr__(self, "lengths", lengths)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickled as a bit a symbol, so that words sent to another process are small, and checked when they arrive."""
        symbols = self.tokens[self.tokens != PADDING]
        lengths = self.lengths.astype(np.min_scalar_type(self.longest))
        return _unpickled, (np.packbits(symbols.astype(bool)), lengths)

    @classmethod
    def from_strings(cls, strings: Iterable[str]) -> Words:
        """Words from strings of `(` and `)`: Words.from_strings(["(())", "()"])."""
        strings = [strings] if isinstance(strings, str) else list(strings)
        for which, word in enumerate(strings):
            if not isinstance(word, str):
                raise ValueError(f"word {which} is {word!r}: a word is a string of '(' and ')'")
            if other := word.replace("(", "").replace(")", ""):
                position = f"position {word.index(other[0])} is {other[0]!r}"
                raise ValueError(f"word {which}, {_shown(word)}: {position}, and must be '(' or ')'")
        lengths = np.array([len(word) for word in strings], dtype=np.int64)
        symbols = np.frombuffer("".join(strings).encode(), dtype=np.uint8).astype(np.int8)
        return cls(_padded(symbols - np.int8(ord("(")), lengths), lengths)

    def strings(self) -> list[str]:
        """Give the words as strings of `(` and `)`."""
        return self._text.decode().split("\n")[:-1]

    @property
    def longest(self) -> int:
        """Length of the longest word, in symbols; 0 in a set of no words."""
        return self.tokens.shape[1]

    @cached_property
    def depth(self) -> NDArray[np.int32]:
        """int32 (n, longest): open brackets after each symbol; 0 on padding. Read-only."""
        depth = np.where(self.tokens == PADDING, 0, 1 - 2 * self.tokens).cumsum(axis=1, dtype=np.int32)
        depth.flags.writeable = False
        return depth

    @cached_property
    def targets(self) -> NDArray[np.int8]:
        """int8 (n, longest, 2): may `(` follow each symbol (always), may `)` (depth > 0); padding 0. Read-only."""
        targets = np.stack([self.tokens != PADDING, self.depth > 0], axis=-1).astype(np.int8)
        targets.flags.writeable = False
        return targets

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the words as a text file: one word of `(` and `)` a line, newline after each."""
        return hashlib.sha256(self._text).hexdigest()

    @property
    def _text(self) -> bytes:
        column, lengths = np.arange(self.longest + 1), self.lengths[:, None]
        symbols = np.pad(self.tokens, ((0, 0), (0, 1))) + np.int8(ord("("))
        symbols[column == lengths] = ord("\n")
        return symbols[column <= lengths].tobytes()

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, which: int | slice | ArrayLike) -> Words:
        chosen = which if isinstance(which, slice) else np.asarray(which)
        rows = np.atleast_1d(np.arange(len(self))[chosen])
        return Words(self.tokens[rows], self.lengths[rows])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Words) and self.sha256 == other.sha256

    def __hash__(self) -> int:
        return hash(self.sha256)

    def __repr__(self) -> str:
        span = f" of {self.lengths.min()} to {self.longest} symbols" if len(self) else ""
        return f"Words({len(self)}{span}, sha256 {self.sha256[:12]}…)"


def count(length: int, returns: int | None = None) -> int:
    """How many Dyck-1 words have `length` symbols (and, if given, exactly `returns` returns to depth 0)."""
    pairs = _pairs(length)
    if returns is None:
        return math.comb(2 * pairs, pairs) // (pairs + 1)
    returns = _returns(returns, pairs)
    return returns * math.comb(2 * pairs - returns, pairs) // (2 * pairs - returns)


def pcfg(n: int, lengths: tuple[int, int] = (2, 50), seed: int = 0) -> Words:
    """Draw n unique words of the paper's grammar with a length in `lengths` (ends included), in generation order.

    The grammar is S -> ( S ) with probability 1/2 | S S with 1/4 | empty with 1/4 (Suzgun et al. 2019). The
    words are its independent draws given that the length is in range, less those seen before, exactly and
    without rejection: first the length, then how often S -> S S is used, then a uniform derivation.
    `lengths=(1000, 1000)` gives words of exactly 1,000 symbols.

    The authors' program departs from the grammar: a part that would outgrow the limit becomes empty and the
    rest stays, so words near the limit are more frequent: its words are longer, by about a symbol on average.
    """
    low, high = _length_range(lengths)
    exist = sum(_exist(pairs) for pairs in range(low, high + 1))
    rng = _generator(seed, "pcfg", low, high)
    length_weights = np.cumsum(_length_probabilities(high)[low:])

    def draw() -> NDArray[np.int8]:
        size = _batch(2 * high)
        pairs = low + _pick(length_weights, rng.random(size))
        uniforms, splits = rng.random(size), np.empty(size, dtype=np.int64)
        for p in np.unique(pairs):
            splits[pairs == p] = _pick(_split_weights(int(p)), uniforms[pairs == p])
        return _padded(_yields(_first_passages(rng, pairs, splits, 1)), 2 * pairs, 2 * high)

    return _distinct(n, draw, exist, f"words of {2 * low} to {2 * high} symbols")


def uniform(n: int, length: int, seed: int = 0) -> Words:
    """Draw n unique words, uniform over all Dyck-1 words of `length` symbols.

    They are the insides of words of `length + 2` symbols that reach depth 0 once.
    """
    n = _number(n, _exist(_pairs(length)), f"words of {length} symbols")
    wrapped = with_returns(n, operator.index(length) + 2, 1, seed)
    return Words(wrapped.tokens[:, 1:-1], wrapped.lengths - 2)


def with_returns(n: int, length: int, returns: int, seed: int = 0) -> Words:
    """Draw n unique words, uniform over all of `length` symbols that reach depth 0 exactly `returns` times.

    The end of the word is one of these times. Without the `(` that leave depth 0, such a word is a walk that
    first reaches -returns at its end; so such a walk is drawn and the `(` are put back.
    """
    pairs = _pairs(length)
    returns = _returns(returns, pairs)
    flat, up = np.full((_batch(length), 2), (0, pairs - returns)).T
    rng = _generator(seed, "with_returns", length, returns)

    def draw() -> NDArray[np.int8]:
        steps = _first_passages(rng, flat, up, returns)
        lowest = np.minimum.accumulate(np.minimum(steps.cumsum(axis=1, dtype=np.int32), 0), axis=1)
        put_back = 1 - np.pad(lowest, ((0, 0), (1, 0)))[:, :-1]  # how many stand before each step's symbol
        tokens = np.full((len(steps), length), OPEN, dtype=np.int8)
        np.put_along_axis(tokens, np.arange(steps.shape[1]) + put_back, (steps < 0).astype(np.int8), axis=1)
        return tokens

    what = f"words of {length} symbols with {returns} returns to depth 0"
    return _distinct(n, draw, _exist(pairs, returns), what)


def zigzag(length: int = 2000, peak: int = 50) -> Words:
    """Make the one word that climbs straight to depth `peak` and back, again and again, to `length` symbols."""
    pairs, peak = _pairs(length), _integer("peak", peak, at_least=1)
    if pairs % peak:
        raise ValueError(f"length {length} is no multiple of 2 * peak = {2 * peak}: peak must divide {pairs}")
    return Words(np.tile(np.repeat([OPEN, CLOSE], peak), pairs // peak)[None], np.array([length]))


def tower(heights: int | ArrayLike) -> Words:
    """Make the word that climbs straight to a height and back, (ⁿ )ⁿ, one for each of `heights`."""
    heights = [_integer("a height", height, at_least=1) for height in np.atleast_1d(heights).tolist()]
    lengths = 2 * np.array(heights, dtype=np.int64)
    return Words(_padded(np.concatenate([zigzag(2 * n, n).tokens[0] for n in heights]), lengths), lengths)


def nested(words: Words, n: int | None = None, seed: int = 0) -> Words:
    """Make n words of two each: one of `words` inserted into another, before a uniformly random symbol of it.

    The ordered pairs (host, guest) are uniform, distinct, never a word with itself. Without n: the paper's
    1,035, or all if there are fewer. (23 + 2 · 23 · 22 is 1,035: the authors' loop over 23 words, we infer.)
    """
    exist = len(words) * (len(words) - 1)
    if not exist:
        raise ValueError(f"nesting needs at least 2 words, got {len(words)}")
    n = _number(min(PAPER_NESTED, exist) if n is None else n, exist, f"ordered pairs of {len(words)} words")
    rng = _generator(seed, "nested")
    cuts: dict[int, float] = {}
    while len(cuts) < n:
        for pair, cut in rng.random((_BATCH_WORDS, 2)):
            cuts.setdefault(int(pair * exist), cut)
    strings, made = words.strings(), []
    for pair, cut in list(cuts.items())[:n]:
        host, guest = divmod(pair, len(words) - 1)
        outer, inner = strings[host], strings[guest + (guest >= host)]
        position = int(cut * len(outer))
        made.append(outer[:position] + inner + outer[position:])
    return Words.from_strings(made)


def paper_splits(seed: int = 0) -> dict[str, Words]:
    """Draw the paper's sets by name: train, short_test, validation, long, very_long, nested, zigzag.

    One list of 20,000 words of 2 to 50 symbols is cut in generation order, as the authors cut theirs; as the
    words are unique and short ones come early, the three parts differ in length.
    """
    short, very_long = pcfg(20_000, (2, 50), seed), pcfg(100, (1000, 1000), seed)
    return {
        "train": short[:10_000],
        "short_test": short[10_000:15_000],
        "validation": short[15_000:],
        "long": pcfg(5_000, (52, 100), seed),
        "very_long": very_long,
        "nested": nested(very_long, PAPER_NESTED, seed),
        "zigzag": Words.from_strings([zigzag(2000, peak).strings()[0] for peak in PAPER_PEAKS]),
    }


def describe(splits: Mapping[str, Words]) -> pd.DataFrame:
    """One row a set: number of words, lengths, deepest point, share of symbols at depth 0, first return.

    `first_return` is the mean 0-based index of the first return to depth 0, where "both allowed" first fails.
    """
    rows = []
    for name, words in splits.items():
        if not len(words):
            raise ValueError(f"set {name!r} has no words to describe")
        length, at_zero = words.lengths, (words.tokens != PADDING) & (words.depth == 0)
        row = (len(words), length.mean(), length.min(), length.max(), words.depth.max())
        rows.append((*row, at_zero.sum() / length.sum(), at_zero.argmax(axis=1).mean()))
    columns = ["words", "length_mean", "length_min", "length_max", "depth_max", "share_depth_0", "first_return"]
    return pd.DataFrame(rows, index=pd.Index(splits, name="set"), columns=columns)


def _first_passages(rng: np.random.Generator, flat: NDArray, up: NDArray, depth: int) -> NDArray[np.int8]:
    """Uniform sequences of `flat` steps 0, `up` steps +1, `up + depth` steps -1, at -depth only at their end.

    flat, up: int (batch,); result int8 (batch, most steps), padding 2. By the cycle lemma exactly `depth`
    rotations of any sequence of these steps are such: shuffle, then take one of them.
    """
    size = (flat + 2 * up + depth)[:, None]
    column = np.arange(size.max())
    keys = rng.random((len(size), len(column)))
    keys[column >= size] = 1.0
    shuffled = keys.argsort(axis=1, kind="stable")
    steps = np.where(shuffled < (flat + up)[:, None], np.int8(1), np.int8(-1))
    steps[(shuffled < flat[:, None]) | (column >= size)] = 0
    height = steps.cumsum(axis=1, dtype=np.int32)
    target = height.min(axis=1) + (rng.random(len(size)) * depth).astype(np.int64)
    start = (height == target[:, None]).argmax(axis=1)[:, None] + 1
    rotated = np.take_along_axis(steps, (start + column) % size, axis=1)
    rotated[column >= size] = 2
    return rotated


def _yields(steps: NDArray[np.int8]) -> NDArray[np.int8]:
    """Write the words of derivations given in preorder (0: S -> ( S ), +1: S -> S S, -1: S -> empty), end to end.

    At each step some number h of S wait. A `(` written at h is closed by the next empty S at the same h: so
    the steps are sorted by h, and each empty S writes as many `)` as there were `(` since the one before it.
    Words need not be kept apart: the sort is stable, and all that a word opens at some h it closes there.
    """
    used = steps != 2
    waiting = np.where(used, steps, 0).cumsum(axis=1, dtype=np.int64) - steps
    steps, order = steps[used], waiting[used].argsort(kind="stable")
    opened, empty = (steps[order] == 0).cumsum(), steps[order] == -1
    written = (steps == 0).astype(np.int64)
    written[order[empty]] = np.diff(opened[empty], prepend=0)
    return np.repeat(np.where(steps == 0, OPEN, CLOSE).astype(np.int8), written)


def _length_probabilities(pairs: int) -> NDArray[np.float64]:
    """P(the grammar writes p pairs) for p = 0 ... pairs.

    W(x) = sum of P(p) x^p solves W = 1/4 + x W / 2 + W^2 / 4, so W = 2 - x - sqrt((1 - x)(3 - x)) and
    (3 - 4x + x^2) W'' - (2 - x) W' = W, which is this recurrence. P is its slowest-falling solution: stable.
    """
    p = [2 - math.sqrt(3), (2 - math.sqrt(3)) / math.sqrt(3)]
    for k in range(pairs - 1):
        p.append(((k + 1) * (4 * k + 2) * p[k + 1] - (k * k - 1) * p[k]) / (3 * (k + 1) * (k + 2)))
    return np.array(p)


@lru_cache(maxsize=1_024)
def _split_weights(pairs: int) -> NDArray[np.float64]:
    """Cumulative weights of s = 0, 1, ... uses of S -> S S in derivations of words with `pairs` pairs.

    There are (2s + pairs)! / (pairs! s! (s + 1)!) such derivations, of probability 2^-pairs 4^-(2s + 1) each.
    Weights are ratios to the largest, so nothing overflows; what is cut off is below 1e-30 of the whole.
    """
    s = np.arange(2 * pairs + 64, dtype=np.float64)
    ratio = (2 * s + pairs + 2) * (2 * s + pairs + 1) / (16 * (s + 1) * (s + 2))  # of s + 1 to s
    mode = int((ratio >= 1).sum())
    below, above = np.cumprod(1 / ratio[:mode][::-1])[::-1], np.cumprod(ratio[mode:])
    return np.cumsum(np.concatenate([below, [1.0], above]))


def _pick(cumulative: NDArray[np.float64], uniforms: NDArray[np.float64]) -> NDArray[np.int64]:
    """Draw indices with these cumulative weights; the last takes what rounding leaves at the end."""
    return np.searchsorted(cumulative[:-1], uniforms * cumulative[-1], side="right")


def _distinct(n: int, draw: Callable[[], NDArray[np.int8]], exist: int, what: str) -> Words:
    """Take the first n different rows of batch after batch."""
    n, drawn = _number(n, exist, what), 0
    seen: dict[bytes, None] = {}
    while len(seen) < n:
        if drawn > 100 * n + 2_000_000:
            found = f"only {len(seen)} of n = {n} {what} turned up in {drawn} draws"
            raise ValueError(f"{found}: the others are too rare, ask for fewer or for longer words")
        batch = draw()
        drawn += len(batch)
        seen.update(dict.fromkeys(row.tobytes() for row in batch))
    tokens = np.frombuffer(b"".join(list(seen)[:n]), dtype=np.int8).reshape(n, -1 if n else 0)
    return Words(tokens, (tokens != PADDING).sum(axis=1))


def _generator(seed: int, stream: str, *arguments: int) -> np.random.Generator:
    """PCG64 for one sampler with one set of arguments, so that no two sets share random numbers."""
    key = (_STREAMS.index(stream), *arguments)
    sequence = np.random.SeedSequence(_integer("seed", seed, at_least=0), spawn_key=key)
    return np.random.Generator(np.random.PCG64(sequence))


def _batch(length: int) -> int:
    return max(1, min(_BATCH_WORDS, _BATCH_SYMBOLS // length))


def _exist(pairs: int, returns: int = 0) -> int:
    """How many words there are; if counting them would be slow, a number that no n can reach."""
    return count(2 * pairs, returns or None) if pairs - returns < 40 else 2**63


def _padded(flat: NDArray[np.int8], lengths: NDArray, width: int | None = None) -> NDArray[np.int8]:
    """Words that stand end to end in `flat`, as rows padded to `width` (the longest, if not given)."""
    width = lengths.max(initial=0) if width is None else width
    tokens = np.full((len(lengths), width), PADDING, dtype=np.int8)
    tokens[np.arange(width) < lengths[:, None]] = flat
    return tokens


def _unpickled(bits: NDArray[np.uint8], lengths: NDArray) -> Words:
    lengths = lengths.astype(np.int32)
    return Words(_padded(np.unpackbits(bits, count=int(lengths.sum(dtype=np.int64))).astype(np.int8), lengths), lengths)


def _check(tokens: NDArray, lengths: NDArray) -> None:
    for name, array, axes in (("tokens", tokens, 2), ("lengths", lengths, 1)):
        if array.ndim != axes or array.size and not np.issubdtype(array.dtype, np.integer):
            raise ValueError(f"{name} must be integers on {axes} axes, got {array.dtype} {array.shape}")
    if len(tokens) != len(lengths):
        raise ValueError(f"{len(tokens)} rows of tokens, {len(lengths)} lengths: each word needs its length")
    if (wrong := (lengths < 1) | (lengths > tokens.shape[1])).any():
        which, row = wrong.argmax(), tokens.shape[1]
        empty = f"has length {lengths[which]} in a row of {row}" if lengths[which] > row else "is empty"
        raise ValueError(f"word {which} {empty}: a word has at least 2 symbols and fits its row")
    column, end = np.arange(tokens.shape[1]), lengths[:, None]
    depth = np.where(column < end, 1 - 2 * tokens.astype(np.int64), 0).cumsum(axis=1)
    rules = {
        "must be 0 for '(' or 1 for ')'": (column < end) & (tokens != OPEN) & (tokens != CLOSE),
        "is after the word's end and must be padding, -1": (column >= end) & (tokens != PADDING),
        "closes what no '(' opened": depth < 0,
        "ends a word of odd length, and brackets come in pairs": (column == end - 1) & (end % 2 == 1),
        "ends the word with a '(' still open": (column == end - 1) & (depth > 0),
    }
    for rule, broken in rules.items():
        if broken.any():
            which, at = np.argwhere(broken)[0]
            word = "".join("()"[t] if t in (OPEN, CLOSE) else "?" for t in tokens[which, : lengths[which]])
            raise ValueError(f"word {which}, {_shown(word)}: position {at} ({tokens[which, at]}) {rule}")


def _shown(word: str) -> str:
    return repr(word if len(word) <= 40 else word[:37] + "...")


def _integer(name: str, value: Any, at_least: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = at_least - 1
    if number < at_least:
        raise ValueError(f"{name} must be an integer of at least {at_least}, got {value!r}")
    return number


def _number(n: int, exist: int, what: str) -> int:
    if _integer("n", n, at_least=0) > exist:
        raise ValueError(f"n = {n}, but only {exist} {what} exist: ask for at most {exist}")
    return operator.index(n)


def _pairs(length: int) -> int:
    if _integer("length", length, at_least=2) % 2:
        raise ValueError(f"no Dyck-1 word has odd length {length}: ask for {length - 1} or {length + 1}")
    return operator.index(length) // 2


def _returns(returns: int, pairs: int) -> int:
    if _integer("returns", returns, at_least=1) > pairs:
        raise ValueError(f"words of {2 * pairs} symbols return to depth 0 up to {pairs} times, not {returns}")
    return operator.index(returns)


def _length_range(lengths: tuple[int, int]) -> tuple[int, int]:
    if np.shape(lengths) != (2,):
        raise ValueError(f"lengths must be (shortest, longest), such as (2, 50), got {lengths!r}")
    low, high = (_pairs(length) for length in lengths)
    if low > high:
        raise ValueError(f"lengths {lengths} is an empty range: the shorter comes first")
    return low, high
