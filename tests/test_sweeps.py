"""Sweeps are what their names say: the right regimen, words and seeds, none trained twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from counting import cells, dyck, results, sweeps
from counting.regimens import PAPER


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple]:
    """What would be trained, by name, instead of training it."""
    found: dict[str, tuple] = {}

    def obtain(name: str, regimen, words, validation, seeds, **options) -> str:
        assert name not in found, f"{name} was asked for twice"
        found[name] = (regimen, words, validation, seeds, options)
        return name

    monkeypatch.setattr(results, "obtain", obtain)
    return found


def test_sweeps_of_different_seeds_share_no_run() -> None:
    assert not set(sweeps.seeds(1_000)) & set(sweeps.seeds(1_000, seed=1))
    assert list(sweeps.seeds(3)) == [0, 1, 2]


@pytest.mark.parametrize("cell", cells.CELLS)
def test_paper_is_the_papers_regimen_on_the_papers_words(cell: str, asked: dict[str, tuple]) -> None:
    sweeps.paper(cell, runs=5, epochs=7, seed=3)
    regimen, words, validation, seeds, options = asked[f"paper-{cell}"]
    assert regimen == PAPER[cell].but(epochs=7)
    splits = dyck.paper_splits(3)
    assert (words, validation) == (splits["train"], splits["validation"])
    assert seeds == sweeps.seeds(5, 3)
    assert list(options["checkpoints"]) == list(range(8))


@pytest.mark.parametrize("cell", cells.CELLS)
def test_rates_are_all_but_the_papers_own(cell: str, asked: dict[str, tuple]) -> None:
    found = sweeps.rates(cell, runs=5, epochs=7)
    own = PAPER[cell].learning_rate
    assert own in sweeps.RATES
    assert list(found) == [rate for rate in sweeps.RATES if rate != own]
    assert len(found) >= 4, "with the paper's own, at least five rates a cell"
    for rate, name in found.items():
        regimen, _, _, seeds, _ = asked[name]
        assert regimen == PAPER[cell].but(epochs=7, learning_rate=rate)
        assert seeds == sweeps.seeds(5)


def test_a_sweep_is_trained_once_and_then_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("COUNTING_RESULTS", raising=False)
    monkeypatch.setattr(results, "FOLDER", tmp_path / "none")
    words = dyck.pcfg(40, (2, 12))
    monkeypatch.setattr(dyck, "paper_splits", lambda seed: {"train": words[:30], "validation": words[30:]})
    first = sweeps.paper("relu", runs=2, epochs=2)
    monkeypatch.setattr(results.training, "train", None)
    again = sweeps.paper("relu", runs=2, epochs=2)
    assert (first.losses[1:] == again.losses[1:]).all()
    assert first.networks == again.networks
