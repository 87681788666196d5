"""Languages of several counters: shuffles of Dyck-1, and aⁿbⁿ, aⁿbⁿcⁿ, aⁿbⁿcⁿdⁿ.

A language is the real-time counter machine that accepts it. The targets follow from the machine: after every symbol,
which symbols may come next (Suzgun et al. 2019), and, where a word may not go on for ever, whether it may end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from counting.dyck import PADDING

BRACKETS = "()[]{}<>«»‹›"
LETTERS = "abcd"
END = "⊣"


@dataclass(frozen=True, eq=False)
class Language:
    """A language and its counter machine, which starts in state 0 with all counters at 0.

    In state q, symbol s leads to state `following[q, s]` (−1: never) and adds `change[q, s]` to the counters. It may
    come only if the counters in `zero[q, s]` are 0 and those that it lowers are positive. A word ends with all at 0.
    """

    name: str
    alphabet: str
    """Its symbols, numbered from 0."""
    ends: bool
    """There is one more output than there are symbols: whether the word may end here."""
    following: np.ndarray
    """int8 (states, symbols)"""
    zero: np.ndarray
    """bool (states, symbols, counters)"""
    change: np.ndarray
    """int8 (states, symbols, counters)"""

    @property
    def counters(self) -> int:
        """Number of counters."""
        return self.change.shape[2]

    @property
    def symbols(self) -> int:
        """Number of symbols."""
        return len(self.alphabet)

    @property
    def outputs(self) -> str:
        """What each output says may come next."""
        return self.alphabet + END * self.ends

    def allowed(self, state: np.ndarray, counters: np.ndarray) -> np.ndarray:
        """Tell which symbols may come: bool (n, symbols). state: (n,). counters: (n, counters)."""
        held = counters[:, None, :]
        blocked = (self.zero[state] & (held > 0)) | (held + self.change[state] < 0)
        return (self.following[state] >= 0) & ~blocked.any(axis=2)

    def targets(self, state: np.ndarray, counters: np.ndarray) -> np.ndarray:
        """Tell what each output must say: bool (n, outputs)."""
        allowed = self.allowed(state, counters)
        return np.concatenate([allowed, (counters == 0).all(axis=1, keepdims=True)], axis=1) if self.ends else allowed

    def advance(self, state: np.ndarray, counters: np.ndarray, symbol: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give states and counters after a symbol that may come."""
        return self.following[state, symbol], counters + self.change[state, symbol]

    def __contains__(self, word: str) -> bool:
        """Tell whether a word is in the language."""
        return bool(word) and self._fault(word) is None

    def words(self, strings: Iterable[str]) -> Words:
        """Make `Words` of strings. Raises ValueError for one that is not in the language."""
        strings = [strings] if isinstance(strings, str) else list(strings)
        for number, word in enumerate(strings):
            if not isinstance(word, str):
                raise ValueError(f"word {number} is {word!r}: a word is a string")
            if other := set(word) - set(self.alphabet):
                fault = f"word {number} has the symbol {min(other)!r}"
                raise ValueError(f"{fault}; those of {self.name} are {self.alphabet!r}")
        lengths = np.array([len(word) for word in strings], np.int32)
        tokens = np.full((len(strings), lengths.max(initial=0)), PADDING, np.int8)
        for row, word in zip(tokens, strings, strict=True):
            row[: len(word)] = [self.alphabet.index(symbol) for symbol in word]
        return Words(self, tokens, lengths)

    def _fault(self, word: str) -> str | None:
        try:
            self.words([word])
        except ValueError as error:
            return str(error)
        return None

    def __repr__(self) -> str:
        return f"Language({self.name!r})"


@dataclass(frozen=True, eq=False)
class Words:
    """A set of words of one language, in order; whatever is not one raises ValueError when it is built.

    tokens: int8 (n, longest), −1 is padding on the right. lengths: int32 (n,). All arrays are read-only copies.
    """

    language: Language
    tokens: np.ndarray
    lengths: np.ndarray

    def __post_init__(self) -> None:
        tokens, lengths = np.asarray(self.tokens), np.asarray(self.lengths)
        for name, array, axes in (("tokens", tokens, 2), ("lengths", lengths, 1)):
            if array.ndim != axes or (array.size and not np.issubdtype(array.dtype, np.integer)):
                raise ValueError(f"{name} must be integers on {axes} axes, got {array.dtype} {array.shape}")
        if len(tokens) != len(lengths) or (lengths < 1).any() or (lengths > tokens.shape[1]).any():
            raise ValueError("a word has at least one symbol, and each a row of tokens and a length that fits it")
        tokens = tokens[:, : lengths.max(initial=0)]
        inside = np.arange(tokens.shape[1]) < lengths[:, None]
        foreign = (tokens < 0) | (tokens >= self.symbols)
        if (foreign & inside).any() or (tokens[~inside] != PADDING).any():
            raise ValueError(f"tokens must be from 0 to {self.symbols - 1}, and {PADDING} beyond the end of a word")
        object.__setattr__(self, "lengths", lengths.astype(np.int32))
        object.__setattr__(self, "tokens", tokens.astype(np.int8))
        for array in (self.tokens, self.lengths, self.targets, self.counts):
            array.flags.writeable = False

    @property
    def symbols(self) -> int:
        """Number of symbols of the alphabet."""
        return self.language.symbols

    @property
    def longest(self) -> int:
        """Length of the longest word, in symbols; 0 in a set of no words."""
        return self.tokens.shape[1]

    @cached_property
    def targets(self) -> np.ndarray:
        """int8 (n, longest, outputs): what each output must say after each symbol; padding 0."""
        return self._read[1]

    @cached_property
    def counts(self) -> np.ndarray:
        """int32 (n, longest, counters): the machine's counters after each symbol; on padding as at the end."""
        return self._read[0]

    @cached_property
    def _read(self) -> tuple[np.ndarray, np.ndarray]:
        """Run the machine. Raises ValueError where it stops, or does not end with all counters at 0."""
        language, n = self.language, len(self)
        state, held = np.zeros(n, np.int8), np.zeros((n, language.counters), np.int32)
        counts = np.zeros((n, self.longest, language.counters), np.int32)
        targets = np.zeros((n, self.longest, len(language.outputs)), np.int8)
        may = language.targets(state, held)
        for t in range(self.longest):
            going = np.flatnonzero(self.tokens[:, t] != PADDING)
            symbol = self.tokens[going, t]
            if not (fine := may[going, symbol]).all():
                fault = f"{self._shown(int(going[~fine][0]))} is no word of {language.name}"
                raise ValueError(f"{fault}: symbol {t} may not come there")
            state[going], held[going] = language.advance(state[going], held[going], symbol)
            targets[going, t] = may[going] = language.targets(state[going], held[going])
            counts[:, t] = held
        if (left := held.any(axis=1)).any():
            raise ValueError(f"{self._shown(int(np.argmax(left)))} is no word of {language.name}: it is not over")
        return counts, targets

    def strings(self) -> list[str]:
        """Give the words as strings."""
        rows = zip(self.tokens, self.lengths, strict=True)
        return ["".join(self.language.alphabet[s] for s in row[:length]) for row, length in rows]

    def _shown(self, word: int) -> str:
        text = "".join(self.language.alphabet[s] for s in self.tokens[word, : self.lengths[word]])
        return f"word {word}, {text if len(text) <= 40 else text[:37] + '...'!r},"

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the language's name and its words as a text file, one a line."""
        lines = "\n".join([self.language.name, *self.strings(), ""])
        return hashlib.sha256(lines.encode()).hexdigest()

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, which: int | slice | np.ndarray) -> Words:
        rows = np.atleast_1d(np.arange(len(self))[which])
        return Words(self.language, self.tokens[rows], self.lengths[rows])

    def __reduce__(self) -> tuple[object, ...]:
        """Pickled by what makes it, so that words sent to another process are checked when they arrive."""
        return Words, (self.language, self.tokens, self.lengths)

    def __repr__(self) -> str:
        name, sha256 = self.language.name, self.sha256[:12]
        return f"Words of {name} ({len(self)} of up to {self.longest} symbols, sha256 {sha256}…)"


def shuffle(k: int) -> Language:
    """Give the shuffles of k words of Dyck-1, each in its own brackets; k = 1 is Dyck-1 (Suzgun et al. 2019).

    Any opening bracket may always come, a closing one if its own counter is positive: that is the next-symbol set.
    Raises ValueError for other k than 1 to 6.
    """
    if type(k) is not int or k not in range(1, 7):
        raise ValueError(f"k must be from 1 to 6, got {k!r}")
    change = np.zeros((1, 2 * k, k), np.int8)
    change[0, 0::2], change[0, 1::2] = np.eye(k), -np.eye(k)
    name = "dyck-1" if k == 1 else f"shuffle-{k}"
    return Language(name, BRACKETS[: 2 * k], False, np.zeros((1, 2 * k), np.int8), change > 1, change)


def powers(letters: int) -> Language:
    """Give aⁿbⁿ (2 letters), aⁿbⁿcⁿ (3) or aⁿbⁿcⁿdⁿ (4), n ≥ 1: counter j is how often the letter j + 1 must come.

    Raises ValueError for another number of letters.
    """
    if type(letters) is not int or letters not in range(2, 5):
        raise ValueError(f"letters must be from 2 to 4, got {letters!r}")
    k = letters - 1
    change = np.zeros((2, letters, k), np.int8)
    change[:, 0] = 1
    change[:, 1:] = -np.eye(k)
    zero = np.zeros((2, letters, k), bool)
    zero[:, 1:] = np.tri(k, k, -1)
    following = np.ones((2, letters), np.int8)
    following[:, 0] = [0, -1]
    alphabet = LETTERS[:letters]
    return Language("".join(f"{letter}ⁿ" for letter in alphabet), alphabet, True, following, zero, change)


def named(name: str) -> Language:
    """Give the language of this name: dyck-1, shuffle-2 to shuffle-6, aⁿbⁿ, aⁿbⁿcⁿ, aⁿbⁿcⁿdⁿ (n for ⁿ will do).

    Raises ValueError for another.
    """
    known = {one.name: one for one in (*map(shuffle, range(1, 7)), *map(powers, range(2, 5)))}
    if (written := name.replace("n", "ⁿ")) not in known:
        raise ValueError(f"unknown language {name!r}: the languages are {', '.join(known)}")
    return known[written]


def sample(language: Language, n: int, sizes: tuple[int, int], seed: int) -> Words:
    """Draw n words with a size in `sizes`, ends included.

    Of a shuffle: different ones, whose size is the length; half of it is uniform, each pair's brackets are drawn by
    lot, and uniform words of Dyck-1 are shuffled uniformly. Of powers: the size is the exponent, uniform.
    Raises ValueError for sizes that make no sense, and where so many different words are not found.
    """
    low, high = sizes
    smallest = 1 if language.ends else 2
    if not all(isinstance(x, int | np.integer) and x >= 0 for x in (n, low, high, seed)):
        raise ValueError(f"n, sizes and seed are whole numbers, not negative; got {n!r}, {sizes!r} and {seed!r}")
    if not smallest <= low <= high or (not language.ends and (low % 2 or high % 2)):
        fine = "from 1" if language.ends else "even, from 2"
        raise ValueError(f"sizes must be {fine}, the smaller first; got {sizes}")
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(language.symbols, low, high))))
    if language.ends:
        return exponents(language, low + np.floor(rng.random(n) * (high - low + 1)).astype(int))
    found: dict[str, None] = {}
    for _ in range(100 * n + 1000):
        if len(found) == n:
            return language.words(found)
        pairs = (low + int(rng.random() * (high - low + 2)) // 2 * 2) // 2
        found[_shuffled(rng, np.floor(rng.random(pairs) * language.counters).astype(int), language)] = None
    raise ValueError(f"only {len(found)} different words of {low} to {high} symbols were found: ask for fewer")


def exponents(language: Language, ns: Iterable[int]) -> Words:
    """Give the words of these exponents n, in order, of a language of `powers`. Raises ValueError for others."""
    ns = list(ns)
    if not language.ends or not all(isinstance(n, int | np.integer) for n in ns):
        raise ValueError(f"exponents are whole numbers, of a language of powers; got {ns!r} of {language.name}")
    return language.words("".join(letter * int(n) for letter in language.alphabet) for n in ns)


def _shuffled(rng: np.random.Generator, brackets: np.ndarray, language: Language) -> str:
    """Draw a word with these brackets: `brackets` holds a bracket's number for each pair."""
    order = np.repeat(brackets, 2)[np.argsort(rng.random(2 * len(brackets)))]
    word = np.empty(len(order), int)
    for bracket in np.unique(brackets):
        places = np.flatnonzero(order == bracket)
        word[places] = 2 * bracket + _dyck(rng, len(places) // 2)
    return "".join(language.alphabet[symbol] for symbol in word)


def _dyck(rng: np.random.Generator, pairs: int) -> np.ndarray:
    """Draw uniformly from the words of Dyck-1 by the cycle lemma: 0 opens, 1 closes."""
    closes = (np.arange(2 * pairs + 1) >= pairs)[np.argsort(rng.random(2 * pairs + 1))]
    first = np.argmin(np.cumsum(1 - 2 * closes)) + 1
    return np.roll(closes, -first)[:-1].astype(int)
