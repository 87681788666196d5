"""The figures of the chapter on certificates, from small data."""

from __future__ import annotations

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

from counting.dyck import Words
from counting.figures import certificates, style


@pytest.fixture(autouse=True, scope="module")
def drawing() -> None:
    matplotlib.use("Agg")
    style.use()


@pytest.mark.parametrize(
    ("word", "text"),
    [("()", "()¹"), ("(()())", "(¹ ()² )¹"), ("()()(())", "()² (¹ ()¹ )¹"), ("((((()))))", "(⁴ ()¹ )⁴")],
)
def test_an_outline_counts_repetitions(word: str, text: str) -> None:
    assert certificates.outline(Words.from_strings([word])) == text


def test_an_outline_is_cut() -> None:
    assert certificates.outline(Words.from_strings(["(())(())"]), shown=3) == "(¹ ()¹ )¹ …"


def test_the_band_marks_where_an_end_is_read_wrongly() -> None:
    t, d = np.indices((11, 6))
    reached = (d <= t) & ((t - d) % 2 == 0)
    low = np.where(reached, d - 0.07 * t, np.inf)
    high = np.where(reached, d + 0.01 * t, -np.inf)
    figure = certificates.band(low, high, 0.5, [4, 10])
    marks = [line for line in figure.axes[1].lines if line.get_marker() == "X"]
    assert [(x, round(y, 2)) for line in marks for x, y in line.get_xydata()] == [(9, 0.37)]
    plt.close(figure)


def test_networks_without_a_failing_word_are_hollow() -> None:
    shortest = {"relu": np.array([40, 102]), "lstm": np.array([50, 60])}
    mean = {cell: np.array([10.0, 80.0]) for cell in shortest}
    figure = certificates.possible(shortest, mean, 100)
    assert [ax.get_title("left") for ax in figure.axes] == ["ReLU", "LSTM"]
    assert [ax.get_legend() is None for ax in figure.axes] == [False, True]
    assert [len(dots.get_facecolor()) for dots in figure.axes[0].collections] == [1, 0]
    plt.close(figure)


def test_words_and_tests_have_a_panel_each() -> None:
    found = {text: Words.from_strings([text]) for text in ("()", "(())", "()()")}
    figure = certificates.words(found, ["lstm", "gru", "relu"])
    assert [ax.get_title("left") for ax in figure.axes] == list(found)
    plt.close(figure)
    sizes = np.array([1, 10])
    figure = certificates.missed(sizes, {cell: {50: 0.5 / sizes} for cell in ("lstm", "relu")})
    assert [ax.get_title("left") for ax in figure.axes] == ["LSTM", "ReLU"]
    plt.close(figure)


def test_networks_that_pass_stand_where_they_are_refuted_filled_if_within_the_random_words_length() -> None:
    figure = certificates.passed(np.array([40, 400, 0]), np.array([3, 0, 0]), ["relu", "relu", "lstm"], 100, 1000)
    drawn = [(dots.get_offsets().tolist(), len(dots.get_facecolor())) for dots in figure.axes[0].collections]
    shown = [(place, bool(filled)) for places, filled in drawn for place in places]
    assert sorted(shown) == [([40, 3], True), ([400, 0], False), ([1300, 0], False)]
    plt.close(figure)
    plt.close(certificates.passed(np.zeros(0), np.zeros(0), [], 100, 1000))
