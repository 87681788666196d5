"""The languages of several counters: held to membership by definition, and to the words of Dyck-1."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest

from counting import dyck, languages


def _in_shuffle(word: str, k: int) -> bool:
    """Delete pairs of the same brackets, with only other brackets between them, by counting each alone."""
    for bracket in range(k):
        opening, closing = languages.BRACKETS[2 * bracket : 2 * bracket + 2]
        alone = "".join(symbol for symbol in word if symbol in (opening, closing))
        while opening + closing in alone:
            alone = alone.replace(opening + closing, "")
        if alone:
            return False
    return bool(word)


ALL = [*(languages.shuffle(k) for k in (1, 2, 3)), *(languages.powers(letters) for letters in (2, 3, 4))]


@pytest.mark.parametrize("language", ALL, ids=lambda language: language.name)
def test_membership_is_the_definition_on_all_short_strings(language):
    longest = {2: 8, 3: 6, 4: 5, 6: 4}[len(language.alphabet)]
    for length in range(1, longest + 1):
        for symbols in itertools.product(language.alphabet, repeat=length):
            word = "".join(symbols)
            if language.ends:
                wanted = word == "".join(letter * (length // len(language.alphabet)) for letter in language.alphabet)
            else:
                wanted = _in_shuffle(word, language.counters)
            assert (word in language) == wanted, word


def _words(language: languages.Language) -> set[str]:
    """List all words that are short enough."""
    if language.ends:
        return {"".join(letter * n for letter in language.alphabet) for n in range(1, 9)}
    lengths = {2: (2, 4, 6, 8), 4: (2, 4, 6), 6: (2, 4)}[len(language.alphabet)]
    strings = itertools.chain(*(itertools.product(language.alphabet, repeat=length) for length in lengths))
    return {word for word in map("".join, strings) if _in_shuffle(word, language.counters)}


@pytest.mark.parametrize("language", ALL, ids=lambda language: language.name)
def test_targets_are_how_words_go_on(language):
    known = _words(language)
    longest = max(map(len, known))
    prefixes = {word[:t] for word in known for t in range(1, len(word) + 1)}
    for word in sorted(known):
        if len(word) > longest - (len(language.alphabet) if language.ends else 2):
            continue
        for t, targets in enumerate(language.words([word]).targets[0], start=1):
            wanted = [word[:t] in known if s == languages.END else word[:t] + s in prefixes for s in language.outputs]
            assert targets.tolist() == wanted, word[:t]


def test_one_pair_of_brackets_is_dyck_1():
    words = dyck.pcfg(200, seed=3)
    ours = languages.shuffle(1).words(words.strings())
    assert np.array_equal(ours.tokens, words.tokens)
    assert np.array_equal(ours.targets, words.targets)
    assert np.array_equal(ours.counts[..., 0], words.depth)


def test_a_sample_is_what_its_seed_says():
    language = languages.shuffle(2)
    words = languages.sample(language, 300, (2, 50), seed=0)
    assert len(set(words.strings())) == 300
    assert words.longest <= 50
    assert words.sha256 == languages.sample(language, 300, (2, 50), seed=0).sha256
    assert words.sha256 != languages.sample(language, 300, (2, 50), seed=1).sha256
    assert words[:50].sha256 == languages.sample(language, 50, (2, 50), seed=0).sha256
    again = pickle.loads(pickle.dumps(words))
    assert again.sha256 == words.sha256
    assert set(languages.sample(languages.powers(3), 500, (1, 20), seed=0).lengths) == set(range(3, 61, 3))


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda: languages.shuffle(7), "from 1 to 6"),
        (lambda: languages.powers(5), "from 2 to 4"),
        (lambda: languages.shuffle(2).words(["(x"]), "'x'"),
        (lambda: languages.shuffle(2).words(["([)"]), "not over"),
        (lambda: languages.shuffle(2).words(["()]["]), "symbol 2 may not come"),
        (lambda: languages.powers(3).words(["aabbc"]), "not over"),
        (lambda: languages.powers(2).words(["abab"]), "symbol 2 may not come"),
        (lambda: languages.powers(2).words([""]), "at least one symbol"),
        (lambda: languages.sample(languages.shuffle(2), 10, (2, 2), seed=0), "only 2 different"),
        (lambda: languages.sample(languages.shuffle(2), 10, (3, 5), seed=0), "even, from 2"),
        (lambda: languages.Words(languages.shuffle(1), [[0, 3]], [2]), "from 0 to 1"),
        (lambda: languages.Words(languages.shuffle(1), [[256, 257]], [2]), "from 0 to 1"),
        (lambda: languages.Words(languages.shuffle(1), [[0.7, 1.2]], [2]), "tokens must be integers"),
        (lambda: languages.Words(languages.shuffle(1), [[0, 1]], [2.7]), "lengths must be integers"),
        (lambda: languages.Words(languages.shuffle(1), [[0, 1]], [4]), "a length that fits it"),
        (lambda: languages.Words(languages.shuffle(1), [[0, 1]], [2**32 + 2]), "a length that fits it"),
        (lambda: languages.Words(languages.shuffle(1), [[0, 1]] * 2, [2]), "a length that fits it"),
        (lambda: languages.Words(languages.shuffle(1), [0, 1], [2]), "on 2 axes"),
        (lambda: languages.shuffle(2).words([1]), "a word is a string"),
        (lambda: languages.shuffle(2.0), "from 1 to 6"),
        (lambda: languages.powers(True), "from 2 to 4"),
        (lambda: languages.exponents(languages.powers(3), [1.5]), "whole numbers"),
        (lambda: languages.exponents(languages.powers(3), "3"), "whole numbers"),
        (lambda: languages.exponents(languages.shuffle(2), [1]), "of a language of powers"),
        (lambda: languages.sample(languages.shuffle(2), 1, (2, 4), seed=None), "whole numbers"),
        (lambda: languages.sample(languages.powers(2), 2.5, (2, 4), seed=1), "whole numbers"),
    ],
)
def test_what_is_no_word_is_said_to_be_none(make, fault):
    with pytest.raises(ValueError, match=fault):
        make()


def test_words_are_read_only_copies():
    tokens = np.array([[0, 1]], np.int8)
    words = languages.Words(languages.shuffle(1), tokens, [2])
    tokens[0] = 1
    assert words.strings() == ["()"]
    for array in (words.tokens, words.lengths, words.targets, words.counts):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
