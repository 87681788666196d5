"""For every word of a language of several counters: a proof that an LSTM is right on it, or a word that fails.

Verdicts hold in the engine's arithmetic; what other orders of summation give is not claimed. A word that fails is read
again by PyTorch's own module.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from counting import reference
from counting.cells import Networks
from counting.certificate import powers, shuffles
from counting.certificate.onestep import MAX_COUNT, Undecided, first_failure, right, step
from counting.languages import Language, Words, sample, shuffle

FURTHER = (1000, 2000, 5000)
"""Exponents that are read, beyond those that always are, where there is no proof."""

MOST_TRIED = 20_000
"""More states than this are not searched for a shortest word that fails; then long words are read."""


@dataclass(frozen=True)
class SeveralCertificate:
    """A decision over all words of a language with every counter up to `MAX_COUNT`, in the engine's arithmetic."""

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
    control: tuple[powers.Move, ...] = ()
    """Of a proof for powers: what it repeats."""

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


def certify_language(network: Networks, language: Language) -> SeveralCertificate:
    """Decide whether a network is right on every word of a language with all counters up to `MAX_COUNT`.

    network: a stack of one float32 network with the language's symbols and outputs; only an LSTM is ever proved.
    Raises ValueError for another.
    """
    sizes = (language.symbols, len(language.outputs))
    if len(network) != 1 or network.sizes[1:] != sizes or network.dtype != np.float32 or not network.finite.all():
        raise ValueError(f"one finite float32 network with {sizes} symbols and outputs is needed; got {network!r}")
    try:
        if network.cell != "lstm":
            raise Undecided("only an LSTM's cell saturates and goes on counting")
        if sum(float(np.abs(array).sum()) for array in network.parameters.values()) > 2.0**100:
            raise Undecided("its weights are too large")
        return _proved(network, language)
    except Undecided as reason:
        found = (_failing_exponent if language.ends else _failing_word)(network, language, str(reason))
    if found.counterexample is None:
        return found
    module, word = network.to_torch(0), found.counterexample
    step = reference.first_failure(module, word)[0]  # type: ignore[arg-type]  # it reads any language's
    return replace(found, pytorch_step=int(step))


def _proved(network: Networks, language: Language) -> SeveralCertificate:
    if language.ends:
        moves = powers.prove(network, language)
        argument = f"read for n up to {powers.READ}, and all others at once, with {len(moves)} repetitions"
        return SeveralCertificate(language, True, language.symbols * MAX_COUNT, argument, control=moves)
    states = shuffles.prove(network, language)
    argument = f"{states:,} states of a finite control are right; beyond, each cell counts one kind of brackets"
    return SeveralCertificate(language, True, 2 * MAX_COUNT, argument)


def _failing_exponent(network: Networks, language: Language, reason: str) -> SeveralCertificate:
    """Find the smallest exponent that fails, of those that are read one by one; if none does, one of `FURTHER`."""
    unread = (powers.READ + 1) * language.symbols
    for words in (powers.known(language.symbols), powers.known(language.symbols, FURTHER)):
        first = first_failure(network, words, stop=True)
        if (wrong := np.flatnonzero(first < words.lengths)).size:
            lower = min(unread, int(words.lengths[wrong[0]]))
            return SeveralCertificate(language, False, lower, reason, words[wrong[0]], int(first[wrong[0]]))
    return SeveralCertificate(language, False, unread, reason)


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
            fine = right(np.stack([logits, logits]), language.targets(np.zeros(len(below), int), below))
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


def _back(came: list[tuple[np.ndarray, np.ndarray]], row: int) -> list[int]:
    """Read off the symbols that led to a row of the last layer."""
    symbols = []
    for parents, read in reversed(came):
        symbols.append(int(read[row]))
        row = int(parents[row])
    return symbols[::-1]
