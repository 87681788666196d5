"""The figures of the last chapters, from small data."""

from __future__ import annotations

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from counting.figures import learning, scorecard, style


@pytest.fixture(autouse=True, scope="module")
def drawing() -> None:
    matplotlib.use("Agg")
    style.use()


def test_shares_have_their_regimens_in_words_and_the_papers_framed() -> None:
    rows = {"the paper's": 0.0, "only gate_gain": 0.5, "without initial_scale": 1.0}
    table = pd.DataFrame({"share": rows, "low": {k: v - 0.1 for k, v in rows.items()}, "high": pd.Series(rows) + 0.1})
    figure = learning.shares(table, ["lstm", "relu", "gru"])
    (ax,) = figure.axes
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["the paper's", "only gate temperature", "without smaller start"]
    points = [line for line in ax.lines if len(line.get_xdata()) == 1 and line.get_marker() in "os^"]
    assert [float(point.get_xdata()[0]) for point in points] == list(rows.values())
    assert [point.get_markeredgecolor() == style.EXACT for point in points] == [True, False, False]
    assert ax.yaxis_inverted()
    plt.close(figure)


def test_the_loss_by_gain_is_the_median() -> None:
    losses = np.array([[1.0, 4.0], [2.0, 5.0], [9.0, 6.0]])
    figure = learning.loss_by_gain([1, 10], losses)
    assert figure.axes[0].lines[0].get_xydata().tolist() == [[1, 2], [10, 5]]
    plt.close(figure)


def test_evidence_is_black_only_inside_its_rule() -> None:
    figure = scorecard.evidence({"met": (0.8, 0.6, 0.9, 0.5, 1), "not": (0.8, 0.4, 0.9, 0.5, 1)})
    (ax,) = figure.axes
    dots = [line for line in ax.lines if line.get_marker() in ("o", "D")]
    assert [line.get_marker() for line in dots] == ["o", "D"]
    assert [bar.get_x() for bar in ax.patches] == [0.5, 0.5]
    plt.close(figure)
