"""The sweeps that the book shares between chapters, by name: which regimen, seeds and words each consists of."""

from __future__ import annotations

from counting import dyck, results
from counting.regimens import PAPER, Regimen
from counting.training import Runs

SEEDS_APART = 1_000_000
"""Seeds of two sweeps of different `seed` are this far apart, so they share no run."""


def seeds(runs: int, seed: int = 0) -> range:
    """The seeds of a sweep's runs."""
    return range(seed * SEEDS_APART, seed * SEEDS_APART + runs)


def run(name: str, regimen: Regimen, runs: int, seed: int = 0, **options: object) -> Runs:
    """A sweep on the paper's words of this `seed`. options: as for `results.obtain`."""
    splits = dyck.paper_splits(seed)
    return results.obtain(name, regimen, splits["train"], splits["validation"], seeds(runs, seed), **options)


def paper(cell: str, runs: int = 100, epochs: int = 30, seed: int = 0) -> Runs:
    """The paper's regimen for a cell, every epoch kept."""
    regimen = PAPER[cell].but(epochs=epochs)
    return run(f"paper-{cell}", regimen, runs, seed, checkpoints=range(epochs + 1))
