"""Every figure is drawn from small data and says on its axes what it shows."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from counting import cells, dyck, statistics, training
from counting.figures import generalization, style
from counting.figures import training as training_figures
from counting.regimens import PAPER

RUNS, EPOCHS = 4, 30
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def drawing() -> Iterator[None]:
    matplotlib.use("Agg")
    style.use()
    yield
    plt.close("all")


def labelled(figure: Figure, panels: int) -> None:
    """The figure has so many panels, each with an x label or none of its own because the one below shares it."""
    assert isinstance(figure, Figure)
    axes = [ax for ax in figure.axes if ax.get_xlabel() or ax.get_ylabel()]
    assert len(figure.axes) >= panels and axes
    assert any(ax.get_xlabel() for ax in axes) or figure.get_supxlabel()
    assert any(ax.get_ylabel() for ax in axes) or figure.get_supylabel()
    assert all(ax.has_data() for ax in figure.axes)
    figure.canvas.draw()


def runs(cell: str) -> training.Runs:
    losses = 10.0 ** -RNG.uniform(1, 9, size=(3, RUNS, EPOCHS + 1))
    losses[1, 0, -1] = np.nan  # one diverged
    nets = cells.initialize(cell, range(RUNS))
    return training.Runs(PAPER[cell], tuple(range(RUNS)), losses, dict.fromkeys(training.CRITERIA, nets), {})


@pytest.fixture
def paper() -> dict[str, training.Runs]:
    return {cell: runs(cell) for cell in cells.CELLS}


class TestDrawn:
    """What a notebook keeps of a figure beside its pixels."""

    def test_lines_have_real_text_and_are_the_same_bytes_again(self) -> None:
        figure, (ax,) = style.axes()
        ax.plot([1, 2], marker="o")
        ax.set_xlabel("length of the word")
        drawn = figure._repr_mimebundle_()
        assert ">length of the word</text>" in drawn[style.SVG] and "<dc:date>" not in drawn[style.SVG]
        assert figure._repr_mimebundle_() == drawn

    def test_what_has_too_many_points_is_pixels_alone(self) -> None:
        figure, (ax,) = style.axes()
        ax.plot(*RNG.random((2, 9000)), "o")
        assert figure._repr_mimebundle_() == {}


def by_cell(*shape: int) -> dict[str, np.ndarray]:
    return {cell: RNG.random(shape) for cell in cells.CELLS}


class TestTraining:
    def test_log_loss_of_what_is_no_loss_is_nan(self) -> None:
        r = runs("relu")
        r.losses[1, 1, 3] = 0.0
        found = training_figures.log_loss(r)
        assert np.isnan(found[0, -1]) and np.isnan(found[1, 3])
        assert found[2, 2] == np.log10(r.losses[1, 2, 2])

    def test_losses(self, paper: dict[str, training.Runs]) -> None:
        labelled(training_figures.losses(paper, constant=0.03), 3)

    def test_changes(self) -> None:
        frame = pd.DataFrame({"cell": ["lstm", "gru"] * 6, "epochs": ["10–15"] * 6 + ["15–20"] * 6})
        labelled(training_figures.changes(frame.assign(change=RNG.random(12))), 1)

    def test_readings(self, paper: dict[str, training.Runs]) -> None:
        labelled(training_figures.readings(paper), 3)

    def test_picked(self) -> None:
        labelled(training_figures.picked(runs("relu"), 3, np.array([2, 0]), constant=0.03), 2)

    def test_rates(self) -> None:
        frame = pd.DataFrame({"cell": ["lstm"] * 2 + ["relu"] * 2, "rate": [0.01, 0.1] * 2, "own": [True, False] * 2})
        names = ("low", "middle", "high", "share", "share_low", "share_high")
        labelled(training_figures.rates(frame.assign(**{name: k / 10 for k, name in enumerate(names)})), 2)


class TestGeneralization:
    def test_accuracy_by_length_shows_the_training_limit(self) -> None:
        figure = generalization.accuracy_by_length(np.array([2, 50, 2000]), by_cell(RUNS, 3))
        labelled(figure, 3)
        limits = [line for ax in figure.axes for line in ax.lines if line.get_linestyle() == "--"]
        assert sum(list(line.get_xdata()) == [style.TRAINING_LIMIT] * 2 for line in limits) == 3

    def test_failures(self) -> None:
        labelled(generalization.failures(by_cell(RUNS, 5), np.arange(5.0), 10), 2)

    def test_one_word(self) -> None:
        first = {cell: np.array([1, 3, 8]) for cell in cells.CELLS}
        labelled(generalization.one_word(dyck.Words.from_strings(["(()())()"]), first, constant=5), 3)

    def test_returns_and_peaks(self) -> None:
        cell = [name for name in cells.CELLS for _ in range(2)]
        values = dict.fromkeys(("low", "mean", "share", "high", "constant"), 0.5)
        returns = pd.DataFrame({"cell": cell, "returns": [1, 10] * 3, **values})
        peaks = pd.DataFrame({"cell": cell, "peak": [1, 10] * 3, **values})
        both = pd.concat([peaks.assign(word=word) for word in ("one mountain", "zigzag")])
        labelled(generalization.returns_and_peaks(returns, both), 3)

    def test_regression(self) -> None:
        readings = ("mean loss", "last word's loss")
        x, y = RNG.random((2, RUNS, 6))
        models = {(reading, cell): (x, y, statistics.regress(x, y)) for reading in readings for cell in cells.CELLS}
        labelled(generalization.regression(models, models), 6)

    def test_within_epochs(self) -> None:
        frame = pd.DataFrame({"cell": ["lstm", "lstm", "gru"], "epoch": [0, 1, 0], "r": 0.1, "low": 0.0, "high": 0.2})
        labelled(generalization.within_epochs(frame), 1)
