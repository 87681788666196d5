"""A small sweep of a cell with every ingredient, and the SHA-256 of all it leaves: to import or to run."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator

import numpy as np

from counting import dyck, evaluation, regimens, training
from counting.regimens import Regimen, Schedule

REGIMENS = (
    *(regimen.but(epochs=2) for regimen in regimens.PAPER.values()),
    Regimen("lstm", 0.01, 4, gate_gain=Schedule(1.0, 50.0, 1, 4), initial_scale=0.1, forget_bias=2.0),
    Regimen("gru", Schedule(0.01, 0.001, 1, 3), 3, gate_gain=1.5, clip_norm=0.1),
    Regimen(
        "relu",
        Schedule(0.01, 1e-4, 2, 4),
        4,
        initial_scale=0.1,
        hidden_bias=0.3,
        recurrent_weight="positive",
        leak=Schedule(0.1, 0.0, 1, 3),
        clip_norm=1.0,
    ),
)

SEEDS = range(70)
"""More than a block, less than two."""


def results(cell: str) -> Iterator[np.ndarray]:
    """Weights at every checkpoint, losses, first failures and traced logits of every regimen of a cell."""
    words, validation = dyck.pcfg(120, (2, 50), seed=31), dyck.pcfg(15, (2, 90), seed=32)
    for regimen in (regimen for regimen in REGIMENS if regimen.cell == cell):
        runs = training.train(regimen, words, validation, SEEDS, progress=False)
        for networks in runs.checkpoints.values():
            yield from networks.parameters.values()
        yield runs.losses
        yield evaluation.first_failure(runs.networks, validation)
        yield evaluation.trace(runs.networks, validation[3]).logits


def sha256(cell: str) -> str:
    digest = hashlib.sha256()
    for array in results(cell):
        digest.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()


if __name__ == "__main__":
    print(sha256(sys.argv[1]))
