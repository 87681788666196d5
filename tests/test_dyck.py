"""Words against enumeration, samplers against exact probabilities, sets against their SHA-256."""

from __future__ import annotations

import hashlib
import inspect
import itertools
import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from counting import dyck
from counting.dyck import Words

EXPECTED_FIRST_RETURN = 732.78  # of words of 1,000 symbols, exact; the mean of 100 of them has deviation 42.6

PINS = {
    "train": "fcf70fdac11030405122d314a5040a577d0dd5388e536b582279af6c0a2b24f0",
    "short_test": "ce2ee604675b00b340ff592aa97e06ff767376f3ca422c624cbeb5ff8d2dcca4",
    "validation": "baacfc14947e9c14c4897d147531b8fd7385da9d421c725793d4dcc93e6a06bd",
    "long": "5315d45130b84d87ed08d46bd4eb9ab8d71fb47f0d94cf2a4cbdd41b2d42eddb",
    "very_long": "38d8a07ec41a372e53ab6a0b3ec45b18b8a74181f8f459b7cd1b1afff862b6f4",
    "nested": "8a2da82ac8feef093783e7ea1f7b545b9c62bb959680d6b3198ec727f6efb83b",
    "zigzag": "b207dfe0349ab81a1da8cdda60ffcd9d97c2cd584b03272f61383130ec4bc627",
}


def all_words(length: int) -> list[str]:
    """All Dyck-1 words of a length, from all strings of that length."""
    strings = ("".join(symbols) for symbols in itertools.product("()", repeat=length))
    return [word for word in strings if is_dyck(word)]


def is_dyck(word: str) -> bool:
    while "()" in word:
        word = word.replace("()", "")
    return not word


def returns_of(word: str) -> int:
    return sum(depth == 0 for depth in depths_of(word))


def depths_of(word: str) -> list[int]:
    return [word[: i + 1].count("(") - word[: i + 1].count(")") for i in range(len(word))]


def grammar_probabilities(longest: int) -> dict[str, float]:
    """P(S derives w) for all words up to a length: the grammar's three rules iterated to a fixed point."""
    words = [word for length in range(0, longest + 1, 2) for word in all_words(length)]
    p = dict.fromkeys(words, 0.0)
    for _ in range(60):
        new = {}
        for word in words:
            new[word] = 0.25 if not word else 0.5 * p.get(word[1:-1], 0.0)
            cuts = range(0, len(word) + 1, 2)
            new[word] += 0.25 * sum(p.get(word[:i], 0.0) * p.get(word[i:], 0.0) for i in cuts)
        p = new
    return p


def prime_series(pairs: int) -> tuple[np.ndarray, np.ndarray]:
    """P(p pairs), and the weight of what may follow a word's first prime, for 0 ... pairs, by power series.

    With c = 1 - e / 2, k primes have weight Catalan(k - 1) (1 / 4c)^(k - 1) times P(inside) / 2c for each,
    so with B = x W / 2c the rest R after a first prime solves R = 1 + B R^2 / 4c, and W = e + B R.
    """
    empty = 2 - math.sqrt(3)
    c = 1 - empty / 2
    w, b, rest, square = (np.zeros(pairs + 1) for _ in range(4))
    w[0], rest[0], square[0] = empty, 1.0, 1.0
    for k in range(1, pairs + 1):
        b[k] = w[k - 1] / (2 * c)
        rest[k] = b[1 : k + 1] @ square[k - 1 :: -1][:k] / (4 * c)
        square[k] = rest[: k + 1] @ rest[k::-1]
        w[k] = b[1 : k + 1] @ rest[k - 1 :: -1][:k]
    return w, rest


def assert_follows(words: Words, weights: dict[str, float]) -> None:
    """Chi-square of the words' frequencies against weights; words expected less than 5 times are one cell."""
    total, strings = sum(weights.values()), words.strings()
    assert set(strings) <= set(weights)
    observed, expected = [0.0], [0.0]
    for word, weight in weights.items():
        share = len(strings) * weight / total
        if share < 5:
            observed[0], expected[0] = observed[0] + strings.count(word), expected[0] + share
        else:
            observed.append(strings.count(word))
            expected.append(share)
    if expected[0] == 0:
        del observed[0], expected[0]
    assert len(observed) == 1 or chisquare(observed, expected).pvalue > 1e-3


@pytest.fixture
def draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Samplers that keep what they have drawn before: independent draws instead of unique words."""

    def keep_all(n, draw, exist, what):
        batches = [draw()]
        while sum(map(len, batches)) < n:
            batches.append(draw())
        tokens = np.concatenate(batches)[:n]
        return Words(tokens, (tokens != dyck.PADDING).sum(axis=1))

    monkeypatch.setattr(dyck, "_distinct", keep_all)
    monkeypatch.setattr(dyck, "_number", lambda n, exist, what: n)


dyck_words = st.recursive(
    st.just("()"),
    lambda inner: inner.map("({})".format) | st.tuples(inner, inner).map("".join),
    max_leaves=20,
)


class TestWords:
    def test_a_small_set(self):
        words = Words.from_strings(["(())", "()"])
        assert words.tokens.tolist() == [[0, 0, 1, 1], [0, 1, -1, -1]] and words.tokens.dtype == np.int8
        assert words.lengths.tolist() == [4, 2] and words.lengths.dtype == np.int32
        assert words.depth.tolist() == [[1, 2, 1, 0], [1, 0, 0, 0]] and words.depth.dtype == np.int32
        assert words.targets[0].tolist() == [[1, 1], [1, 1], [1, 1], [1, 0]]
        assert words.targets[1].tolist() == [[1, 1], [1, 0], [0, 0], [0, 0]]
        assert words.targets.dtype == np.int8
        assert words.longest == 4 and len(words) == 2
        assert words.sha256 == hashlib.sha256(b"(())\n()\n").hexdigest()
        assert repr(words) == f"Words(2 of 2 to 4 symbols, sha256 {words.sha256[:12]}…)"

    @given(st.lists(dyck_words, max_size=6))
    def test_strings_and_back(self, strings):
        words = Words.from_strings(strings)
        assert words.strings() == strings and len(words) == len(strings)
        assert words.sha256 == hashlib.sha256("".join(f"{word}\n" for word in strings).encode()).hexdigest()
        for row, word in enumerate(strings):
            assert words.depth[row, : len(word)].tolist() == depths_of(word)
            assert not words.depth[row, len(word) :].any() and not words.targets[row, len(word) :].any()
        assert Words(words.tokens, words.lengths) == words
        assert Words(np.pad(words.tokens, ((0, 0), (0, 3)), constant_values=-1), words.lengths) == words

    @given(st.text("()", max_size=12))
    def test_only_dyck_words_are_words(self, string):
        if string and is_dyck(string):
            assert Words.from_strings(["()", string]).strings() == ["()", string]
        else:
            with pytest.raises(ValueError, match="word 1"):
                Words.from_strings(["()", string])

    def test_indexing_gives_words(self):
        strings = ["(())", "()", "()()()", "()()"]
        words = Words.from_strings(strings)
        assert words[1].strings() == ["()"] and words[1].longest == 2 and words[-1].strings() == ["()()"]
        assert words[1:3].strings() == strings[1:3] and words[::-1].strings() == strings[::-1]
        assert words[[2, 2, 0]].strings() == ["()()()", "()()()", "(())"]
        assert words[words.lengths == 4].strings() == ["(())", "()()"]
        assert [word.strings()[0] for word in words] == strings
        assert len(words[:0]) == 0 and words[:0].longest == 0 and words[:0].strings() == []
        with pytest.raises(IndexError):
            words[4]

    def test_equality_is_by_content(self):
        words = Words.from_strings(["(())", "()"])
        assert words == Words.from_strings(["(())", "()"]) and hash(words) == hash(words[:])
        assert words != words[::-1] and words != words[:1] and words != "(())"
        assert Words.from_strings(["(())"]) != Words.from_strings(["()()"])

    def test_nothing_can_be_changed(self):
        tokens = np.array([[0, 1]], dtype=np.int8)
        words = Words(tokens, np.array([2], dtype=np.int32))
        tokens[:] = 1
        assert words.strings() == ["()"]
        for array in (words.tokens, words.lengths, words.depth, words.targets):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 0
        with pytest.raises(AttributeError):
            words.tokens = tokens


class TestCount:
    @pytest.mark.parametrize("length", [2, 4, 6, 8, 10, 12])
    def test_against_enumeration(self, length):
        words = all_words(length)
        assert dyck.count(length) == len(words)
        for returns in range(1, length // 2 + 1):
            assert dyck.count(length, returns) == sum(returns_of(word) == returns for word in words)


class TestGrammar:
    def test_length_probabilities_against_the_rules(self):
        p = grammar_probabilities(10)
        by_length = [sum(p[word] for word in all_words(2 * pairs)) for pairs in range(6)]
        np.testing.assert_allclose(dyck._length_probabilities(5), by_length, rtol=1e-12)

    def test_length_probabilities_against_power_series(self):
        np.testing.assert_allclose(dyck._length_probabilities(1000), prime_series(1000)[0], rtol=1e-10)

    @pytest.mark.parametrize("pairs", [1, 2, 7, 25])  # the sum over derivations, from exact integers
    def test_uses_of_the_second_rule_give_the_length_probabilities(self, pairs):
        weights = dyck._split_weights(pairs)
        exact = []
        for s in range(len(weights)):
            derivations = math.factorial(2 * s + pairs) // math.factorial(s) // math.factorial(s + 1)
            exact.append(derivations // math.factorial(pairs) / (2**pairs * 4 ** (2 * s + 1)))
        np.testing.assert_allclose(weights / weights[-1], np.cumsum(exact) / sum(exact), atol=1e-14)
        assert sum(exact) == pytest.approx(dyck._length_probabilities(pairs)[pairs], rel=1e-12)

    @pytest.mark.parametrize("lengths", [(2, 8), (8, 8), (4, 10), (10, 10)])
    def test_words_have_the_grammars_probabilities(self, draws, lengths):
        p, (low, high) = grammar_probabilities(10), lengths
        assert_follows(dyck.pcfg(60_000, lengths, seed=1), {w: p[w] for w in p if low <= len(w) <= high})

    def test_lengths_have_the_grammars_probabilities(self, draws):
        words = dyck.pcfg(100_000, (2, 50), seed=2)
        weights = prime_series(25)[0][1:]
        observed = np.bincount(words.lengths // 2)[1:]
        assert chisquare(observed, weights / weights.sum() * len(words)).pvalue > 1e-3

    def test_first_returns_of_words_of_1000(self, draws):
        w, rest = prime_series(500)
        weights = w[:500] * rest[:500][::-1]  # first prime of 1 ... 500 pairs
        weights /= weights.sum()
        index = 2 * np.arange(1, 501) - 1
        mean = weights @ index
        deviation = math.sqrt(weights @ (index - mean) ** 2 / 2_000)
        words = dyck.pcfg(2_000, (1000, 1000), seed=3)
        assert mean == pytest.approx(EXPECTED_FIRST_RETURN, abs=0.05)
        assert abs(dyck.describe({"words": words}).first_return.item() - mean) < 3.5 * deviation

    def test_unique_words_are_the_draws_less_those_seen(self, request):
        unique = dyck.pcfg(100, (2, 12), seed=4).strings()
        request.getfixturevalue("draws")
        assert list(dict.fromkeys(dyck.pcfg(4_096, (2, 12), seed=4).strings()))[:100] == unique


class TestUniform:
    def test_over_all_words(self, draws):
        assert_follows(dyck.uniform(40_000, 10, seed=1), dict.fromkeys(all_words(10), 1.0))

    @pytest.mark.parametrize("returns", [1, 2, 3, 5, 6])
    def test_over_all_words_with_returns(self, draws, returns):
        words = [word for word in all_words(12) if returns_of(word) == returns]
        assert_follows(dyck.with_returns(20_000, 12, returns, seed=1), dict.fromkeys(words, 1.0))

    @pytest.mark.parametrize("length", [2, 4, 12])
    def test_all_words_there_are(self, length):
        assert sorted(dyck.uniform(dyck.count(length), length).strings()) == sorted(all_words(length))

    @given(st.integers(1, 60), st.data())
    @settings(max_examples=30, deadline=None)
    def test_returns_as_asked(self, pairs, data):
        returns = data.draw(st.integers(1, pairs))
        n = min(5, dyck.count(2 * pairs, returns))
        words = dyck.with_returns(n, 2 * pairs, returns, seed=pairs)
        assert (words.lengths == 2 * pairs).all() and len(set(words.strings())) == n
        assert ((words.depth == 0).sum(axis=1) == returns).all()

    def test_long_words_in_little_time(self):
        assert dyck.uniform(1, 10**6).longest == 10**6


class TestEverySampler:
    SAMPLERS = {
        "pcfg": lambda n, seed: dyck.pcfg(n, (2, 30), seed),
        "pcfg_of_length": lambda n, seed: dyck.pcfg(n, (200, 200), seed),
        "uniform": lambda n, seed: dyck.uniform(n, 30, seed),
        "with_returns": lambda n, seed: dyck.with_returns(n, 30, 3, seed),
        "nested": lambda n, seed: dyck.nested(dyck.uniform(40, 20), n, seed),
    }

    @pytest.mark.parametrize("name", SAMPLERS)
    def test_same_seed_same_words_and_a_longer_list_begins_alike(self, name):
        sample = self.SAMPLERS[name]
        words = sample(600, 7)
        assert len(words) == 600 and words == sample(600, 7) and words[:5] == sample(5, 7)
        assert words != sample(600, 8)
        assert len(sample(0, 7)) == 0

    @pytest.mark.parametrize(
        "sampler", [dyck.pcfg, dyck.uniform, dyck.with_returns, dyck.nested, dyck.paper_splits]
    )
    def test_the_seed_is_0_where_none_is_given(self, sampler):
        assert inspect.signature(sampler).parameters["seed"].default == 0

    @pytest.mark.parametrize("name", [name for name in SAMPLERS if name != "nested"])
    def test_words_are_unique(self, name):
        assert len(set(self.SAMPLERS[name](600, 7).strings())) == 600

    @given(st.integers(1, 40), st.integers(0, 40), st.integers(0, 2**70))
    @settings(max_examples=25, deadline=None)
    def test_pcfg_lengths_are_in_range(self, low, more, seed):
        words = dyck.pcfg(1, (2 * low, 2 * (low + more)), seed)
        assert 2 * low <= words.lengths[0] <= 2 * (low + more)

    def test_all_words_of_the_grammar_in_a_range(self):
        words = dyck.pcfg(22, (2, 8), seed=0)
        assert set(words.strings()) == {word for length in (2, 4, 6, 8) for word in all_words(length)}


class TestMadeWords:
    def test_zigzag(self):
        assert dyck.zigzag(12, 3).strings() == ["((()))((()))"]
        assert dyck.zigzag().longest == 2000 and dyck.zigzag().depth.max() == 50

    def test_towers(self):
        assert dyck.tower(3).strings() == ["((()))"]
        assert dyck.tower([2, 1, 3]).strings() == ["(())", "()", "((()))"]
        assert dyck.tower(range(1, 40)) == Words.from_strings("(" * n + ")" * n for n in range(1, 40))
        for heights in (0, [3, -1], 1.5, "3"):
            with pytest.raises(ValueError, match="a height must be an integer of at least 1"):
                dyck.tower(heights)

    def test_nested_is_one_word_in_another(self):
        words = Words.from_strings(["(())", "()()()"])
        made = dyck.nested(words, 2, seed=3).strings()
        first, second = words.strings()
        inserted = lambda host, guest: {host[:i] + guest + host[i:] for i in range(len(host))}  # noqa: E731
        assert set(made) <= inserted(first, second) | inserted(second, first)

    def test_nested_takes_distinct_ordered_pairs(self):
        hosts = Words.from_strings(["(" * k + ")" * k for k in range(10, 40)])
        made = dyck.nested(hosts, 870).strings()  # all pairs
        pairs = itertools.permutations(hosts.strings(), 2)
        assert sorted(map(len, made)) == sorted(len(host + guest) for host, guest in pairs)
        assert len(dyck.nested(hosts)) == 870 and len(dyck.nested(dyck.uniform(40, 20))) == dyck.PAPER_NESTED

    def test_nested_cuts_uniformly(self, monkeypatch):
        monkeypatch.setattr(dyck, "_BATCH_WORDS", 2)  # less to throw away
        host, guest = "()" * 8, "((((()))))"
        words, cuts = Words.from_strings([host, guest]), []
        for seed in range(800):
            for word in dyck.nested(words, 2, seed).strings():
                cut = word.find(")))))") - 5
                if cut >= 0 and word == host[:cut] + guest + host[cut:]:
                    cuts.append(cut)
        assert len(cuts) >= 800 and chisquare(np.bincount(cuts, minlength=16)).pvalue > 1e-3


@pytest.fixture(scope="module")
def splits() -> dict[str, Words]:
    return dyck.paper_splits(seed=0)


class TestPaperSplits:
    def test_sizes_and_order(self, splits):
        sizes = {name: len(words) for name, words in splits.items()}
        assert sizes == {
            "train": 10_000, "short_test": 5_000, "validation": 5_000, "long": 5_000,
            "very_long": 100, "nested": 1_035, "zigzag": 10,
        }  # fmt: skip
        assert splits["train"] == dyck.pcfg(10_000, lengths=(2, 50), seed=0)
        short = [word for name in ("train", "short_test", "validation") for word in splits[name].strings()]
        assert len(set(short)) == 20_000
        assert set(splits["very_long"].lengths) == {1000}
        assert set(splits["nested"].lengths) == set(splits["zigzag"].lengths) == {2000}
        assert splits["zigzag"].depth.max(axis=1).tolist() == list(dyck.PAPER_PEAKS)

    def test_statistics(self, splits):
        table = dyck.describe(splits)
        # The authors' program, which cuts words off at the limit, gives 31.5, 33.3, 33.9 and 73.6.
        means = table.length_mean[["train", "short_test", "validation", "long"]]
        assert means.to_list() == pytest.approx([30.4, 32.4, 33.1, 71.7], abs=0.4)
        assert table.length_min[["train", "long"]].to_list() == [2, 52]
        assert table.length_max[["train", "short_test", "validation", "long"]].to_list() == [50, 50, 50, 100]
        assert table.share_depth_0["train"] == pytest.approx(0.055, abs=0.001)
        assert table.first_return["zigzag"] == 455
        assert table.first_return["very_long"] == pytest.approx(EXPECTED_FIRST_RETURN, abs=3 * 42.6)
        assert table.depth_max["zigzag"] == 1000

    def test_first_returns_against_a_loop(self, splits):
        words = splits["long"][:200].strings()
        expected = np.mean([depths_of(word).index(0) for word in words])
        assert dyck.describe({"long": splits["long"][:200]}).first_return["long"] == pytest.approx(expected)

    @pytest.mark.parametrize("name", PINS)
    def test_sha256(self, splits, name):
        assert splits[name].sha256 == PINS[name]

    def test_seeds_differ(self, splits):
        other = dyck.paper_splits(seed=1)
        for name in ("train", "long", "very_long", "nested"):
            assert splits[name] != other[name]

    def test_time(self):
        start = time.perf_counter()
        dyck.pcfg(20_000, seed=99)
        middle = time.perf_counter()
        dyck.pcfg(100, (1000, 1000), seed=99)
        assert middle - start < 5 and time.perf_counter() - middle < 10


BAD = [
    (lambda: Words.from_strings(["()", "())("]), r"word 1, '\(\)\)\(': position 2 \(1\) closes what no '\('"),
    (lambda: Words.from_strings(["(()()("]), r"word 0, .* position 5 \(0\) ends the word with a '\(' still"),
    (lambda: Words.from_strings(["()", "()("]), r"word 1, .*: position 2 \(0\) ends a word of odd length"),
    (lambda: Words.from_strings(["()", ""]), "word 1 is empty: a word has at least 2 symbols"),
    (lambda: Words.from_strings(["()", "(a)"]), r"word 1, '\(a\)': position 1 is 'a', and must be '\('"),
    (lambda: Words.from_strings(["(é)"]), "word 0, .* position 1 is 'é'"),
    (lambda: Words.from_strings(["()", 3]), "word 1 is 3: a word is a string"),
    (lambda: Words.from_strings(["(" * 60 + ")" * 58]), r"'\({37}\.\.\.'"),
    (lambda: Words([[0, 1, 1]], [2]), r"word 0.*: position 2 \(1\) is after the word's end"),
    (lambda: Words([[0, 1], [0, 2]], [2, 2]), r"word 1, '\(\?': position 1 \(2\) must be 0 for '\(' or 1"),
    (lambda: Words([[0, 257]], [2]), r"position 1 \(257\) must be 0"),
    (lambda: Words([[0, 1, -1]], [4]), "word 0 has length 4 in a row of 3"),
    (lambda: Words([[0, 1]], [2, 2]), "1 rows of tokens, 2 lengths: each word needs its length"),
    (lambda: Words([[0.0, 1.0]], [2]), r"tokens must be integers on 2 axes, got float64 \(1, 2\)"),
    (lambda: Words([0, 1], [2]), r"tokens must be integers on 2 axes, got int64 \(2,\)"),
    (lambda: Words([[0, 1]], 2), r"lengths must be integers on 1 axes"),
    (lambda: dyck.pcfg(-1), "n must be an integer of at least 0, got -1"),
    (lambda: dyck.pcfg(2.5), "n must be an integer of at least 0, got 2.5"),
    (lambda: dyck.pcfg(1, seed=-1), "seed must be an integer of at least 0, got -1"),
    (lambda: dyck.pcfg(1, seed=None), "seed must be an integer of at least 0, got None"),
    (lambda: dyck.pcfg(100, (2, 4)), "n = 100, but only 3 words of 2 to 4 symbols exist: ask for at most 3"),
    (lambda: dyck.pcfg(1, (4, 2)), r"lengths \(4, 2\) is an empty range: the shorter comes first"),
    (lambda: dyck.pcfg(1, (2, 5)), "no Dyck-1 word has odd length 5: ask for 4 or 6"),
    (lambda: dyck.pcfg(1, (0, 4)), "length must be an integer of at least 2, got 0"),
    (lambda: dyck.pcfg(1, 50), r"lengths must be \(shortest, longest\), such as \(2, 50\), got 50"),
    (lambda: dyck.uniform(1, 7), "no Dyck-1 word has odd length 7: ask for 6 or 8"),
    (lambda: dyck.uniform(6, 6), "n = 6, but only 5 words of 6 symbols exist: ask for at most 5"),
    (lambda: dyck.with_returns(1, 6, 4), "words of 6 symbols return to depth 0 up to 3 times, not 4"),
    (lambda: dyck.with_returns(1, 6, 0), "returns must be an integer of at least 1, got 0"),
    (lambda: dyck.with_returns(3, 6, 1), "only 2 words of 6 symbols with 1 returns to depth 0 exist"),
    (lambda: dyck.count(3), "no Dyck-1 word has odd length 3: ask for 2 or 4"),
    (lambda: dyck.count(-2), "length must be an integer of at least 2, got -2"),
    (lambda: dyck.zigzag(2000, 30), "length 2000 is no multiple of 2 \\* peak = 60: peak must divide 1000"),
    (lambda: dyck.zigzag(2000, 0), "peak must be an integer of at least 1, got 0"),
    (lambda: dyck.nested(dyck.zigzag()), "nesting needs at least 2 words, got 1"),
    (lambda: dyck.nested(dyck.uniform(3, 8), 7), "n = 7, but only 6 ordered pairs of 3 words exist"),
    (lambda: dyck.describe({"none": dyck.zigzag()[:0]}), "set 'none' has no words to describe"),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_input_says_what_was_wrong(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_words_too_rare_to_turn_up_end_the_search(monkeypatch):
    same = np.tile(np.int8([1, 1, -1, -1, -1]), (2**19, 1))
    monkeypatch.setattr(dyck, "_first_passages", lambda rng, flat, up, depth: same)
    with pytest.raises(ValueError, match="only 1 of n = 2 words of 6 symbols .* too rare"):
        dyck.with_returns(2, 6, 1)


def test_an_array_is_no_seed():
    with pytest.raises(ValueError, match="seed must be an integer"):
        dyck.pcfg(2, (2, 4), np.zeros(3, int))
