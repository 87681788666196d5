"""What training gives: `Runs`, their losses, and which epoch of each is the best."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from counting import cells
from counting.cells import Networks
from counting.regimens import Regimen

MEASURES = ("train_loss", "validation_loss", "last_word_loss")
"""What the history holds: mean loss over the training words while training; true mean loss over the validation
words; loss of the last validation word alone, which the original code took for it (there divided by the number of
words, which changes no comparison)."""

CRITERIA = ("validation_loss", "last_word_loss")
"""What the best epoch can be chosen by."""


@dataclass(frozen=True, eq=False)
class Runs:
    """Trained runs of one regimen.

    seeds: one a run. losses: float64 (3, runs, epochs + 1), the three `MEASURES`, from epoch 0, the initialization,
    which has no training loss (NaN). selected: criterion -> Networks at each run's best epoch by that criterion.
    checkpoints: epoch -> Networks.
    """

    regimen: Regimen
    seeds: tuple[int, ...]
    losses: np.ndarray
    selected: Mapping[str, Networks]
    checkpoints: Mapping[int, Networks]

    def __len__(self) -> int:
        return len(self.seeds)

    @property
    def networks(self) -> Networks:
        """Each run at the epoch of its lowest true mean validation loss."""
        return self.selected["validation_loss"]

    def selected_epoch(self, criterion: str = "validation_loss") -> np.ndarray:
        """int64 (runs,): the epoch that a criterion chooses; the last one where every loss is NaN."""
        return best_epoch(self.losses[MEASURES.index(criterion)])

    @property
    def diverged(self) -> np.ndarray:
        """bool (runs,): the last epoch's validation loss is not finite. Such runs stay in every count."""
        return ~np.isfinite(self.losses[MEASURES.index("validation_loss"), :, -1])

    @property
    def history(self) -> pd.DataFrame:
        """One row for each run and epoch: run, seed, epoch and the three `MEASURES`."""
        runs, epochs = self.losses.shape[1:]
        frame = pd.DataFrame(
            {"run": np.repeat(np.arange(runs), epochs), "seed": np.repeat(self.seeds, epochs)}
            | {"epoch": np.tile(np.arange(epochs), runs)}
        )
        return frame.assign(**{name: loss.reshape(-1) for name, loss in zip(MEASURES, self.losses, strict=True)})

    @staticmethod
    def concatenate(parts: Iterable[Runs]) -> Runs:
        """All runs of several parts of one sweep."""
        parts = list(parts)
        if len({(part.regimen, tuple(part.checkpoints)) for part in parts}) != 1:
            raise ValueError("runs of one regimen with the same checkpoints are needed")
        first = parts[0]
        return Runs(
            first.regimen,
            cells.checked_seeds(seed for part in parts for seed in part.seeds),
            np.concatenate([part.losses for part in parts], axis=1),
            {c: Networks.concatenate(part.selected[c] for part in parts) for c in first.selected},
            {e: Networks.concatenate(part.checkpoints[e] for part in parts) for e in first.checkpoints},
        )


def best_epoch(losses: np.ndarray) -> np.ndarray:
    """Epoch (from 1) of the lowest loss of each run, the first of equals. losses: (runs, epochs + 1)."""
    trained = losses[:, 1:]
    known = np.where(np.isnan(trained), np.inf, trained)
    return np.where(np.isnan(trained).all(axis=1), trained.shape[1], np.argmin(known, axis=1) + 1)
