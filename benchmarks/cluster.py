"""What sharing a sweep among processes costs: what `workers.cost` counts with.

    python benchmarks/cluster.py                two minutes on two cores
    python benchmarks/cluster.py --record       and keep the table in results/measured/

A shard of the paper's LSTM on its own words, on one thread of this process. The overhead is what a shard takes in which
nothing is trained. What moves is what `pickle` makes of a shard's call and result, which any executor sends.
"""

from __future__ import annotations

import argparse
import multiprocessing
import pickle
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import pandas as pd

from counting import dyck, measurements, regimens, training

REGIMEN = regimens.PAPER["lstm"]
EPOCHS = 3
"""Trained in each measurement; seconds are multiplied to those of the whole regimen."""
SPLITS = dyck.paper_splits()
EMPTY = 40
"""Shards in which nothing is trained, by which the overhead is measured."""


def seconds(call: Callable[[], object], times: int) -> float:
    """Of the fastest time: what else the machine does only adds."""
    found = []
    for _ in range(times):
        before = time.perf_counter()
        call()
        found.append(time.perf_counter() - before)
    return min(found)


def shard() -> pd.DataFrame:
    """Measure what `workers.cost` counts with: one row."""
    regimen, seeds = REGIMEN.but(epochs=EPOCHS), range(training.SHARD)
    start = training.initial_networks(REGIMEN, seeds)
    train_words, validation = SPLITS["train"], SPLITS["validation"]
    call = (training._train_group, REGIMEN, train_words, validation, tuple(seeds), start, ())
    runs = training.train(REGIMEN.but(epochs=1), train_words[:1], validation, seeds, checkpoints=(), progress=False)
    epochs = REGIMEN.epochs - 1  # more losses than those runs have: 3 measures, 8 bytes each
    options = {"checkpoints": (), "threads": 1, "progress": False}
    alone = seconds(lambda: training.train(regimen, train_words, validation, seeds, **options), 3)
    return pd.DataFrame(
        [
            {
                "runs": len(seeds),
                "seconds": alone * REGIMEN.epochs / EPOCHS,
                "overhead_seconds": overhead(),
                "bytes_sent": len(pickle.dumps(call)),
                "bytes_returned": len(pickle.dumps(runs)) + 3 * 8 * epochs * len(seeds),
            }
        ]
    )


def overhead() -> float:
    """Seconds to send a shard with all its words, unpack and check them, and return an answer: nothing is trained."""
    call = (REGIMEN, SPLITS["train"], SPLITS["validation"], tuple(range(training.SHARD)))
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(_received, [call]))
        return seconds(lambda: list(pool.map(_received, [call] * EMPTY)), 3) / EMPTY


def _received(call: tuple) -> int:
    return len(call)


def main() -> None:
    """Read the command line, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="keep the table in results/measured/")
    chosen = parser.parse_args()
    table = shard()
    print(table.to_string(index=False))
    if chosen.record:
        print(f"kept in {measurements.record('cluster', {'shard': table})}")


if __name__ == "__main__":
    main()
