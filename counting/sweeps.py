"""The sweeps that chapters share, by name: which regimen, seeds and words each consists of."""

from __future__ import annotations

from typing import Any

from counting import dyck, results
from counting.regimens import COUNTING, PAPER, Regimen
from counting.training import Runs

RATES = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)
"""The learning rates that are compared: steps of about three, around the paper's 0.01 and 0.001."""

SEEDS_APART = 1_000_000
"""Seeds of two sweeps of different `seed` are this far apart, so they share no run."""


def seeds(runs: int, seed: int = 0) -> range:
    """Give the seeds of a sweep's runs."""
    return range(seed * SEEDS_APART, seed * SEEDS_APART + runs)


def run(name: str, regimen: Regimen, runs: int, seed: int = 0, **options: Any) -> Runs:
    """Obtain a sweep on the paper's words of this `seed`.

    options: as for `results.obtain`.
    """
    splits = dyck.paper_splits(seed)
    return results.obtain(name, regimen, splits["train"], splits["validation"], seeds(runs, seed), **options)


def paper(cell: str, runs: int = 100, epochs: int = 30, seed: int = 0, **options: Any) -> Runs:
    """Obtain the paper's regimen for a cell, every epoch kept.

    options: as for `results.obtain`.
    """
    return run(f"paper-{cell}", PAPER[cell].but(epochs=epochs), runs, seed, checkpoints=range(epochs + 1), **options)


def rates(cell: str, runs: int = 50, epochs: int = 30, seed: int = 0, **options: Any) -> dict[float, Runs]:
    """Obtain the paper's regimen at each of `RATES` but the paper's own, which `paper` has: rate -> runs, rising.

    Run r starts from the same network at every rate and reads the same words in the same order.
    """
    others = [rate for rate in RATES if rate != PAPER[cell].learning_rate]
    regimens = {rate: PAPER[cell].but(learning_rate=rate, epochs=epochs) for rate in others}
    return {rate: run(f"rate-{cell}-{rate}", r, runs, seed, **options) for rate, r in regimens.items()}


def counting(cell: str, name: str, runs: int, seed: int, changes: dict[str, object], **options: Any) -> Runs:
    """Obtain the regimen that learns to count, with `changes` to its fields.

    name: what sets this sweep apart from others. options: as for `results.obtain`.
    """
    return run(f"counting-{cell}-{name}", COUNTING[cell].but(**changes), runs, seed, **options)
