"""How much faster a GPU trains and evaluates 100,000 runs than two cores, and whether the bits are the same.

    pip install -e '.[cuda]'
    python benchmarks/gpu.py --record

Times are those of `train` and `first_failure` of `counting.gpu` and of the CPU on the clock, from given networks;
packing, copying to the GPU and back and the loss on one word are part of them, compiling is not. The cores take the
first of the runs only, enough to keep them busy, and the bits of these are compared. A symbol is one symbol of one word
read by one run; in training forward and back, its share of the step of Adam included. In `first_failure` all symbols
are counted, though both devices leave a word early: the ratio is fair, the rate is not.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable

import numpy as np
import pandas as pd

from counting import cells, dyck, evaluation, gpu, measurements, regimens, training
from counting.cells import Networks
from counting.dyck import Words
from counting.training import Runs

RUNS, WORDS, EPOCHS = 100_000, 500, 2
CORES, ON_CORES = 2, 4_000
DRAWN = 1_000
"""Networks initialized by seed; the runs start from these, over and over."""


def timed(call: Callable[[], Networks | np.ndarray]) -> tuple[float, Networks | np.ndarray]:
    """Seconds of a call, and its result. A first call, which compiles, is not timed."""
    call()
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def trained(train: Callable[..., Runs], words: Words, start: Networks, **options: object) -> Networks:
    """Train one run from each network of `start`."""
    regimen = regimens.PAPER[start.cell].but(epochs=EPOCHS)
    options = {"start": start, "checkpoints": [EPOCHS], "progress": False, **options}
    return train(regimen, words, words[:1], range(len(start)), **options).checkpoints[EPOCHS]


def measure(runs: int) -> pd.DataFrame:
    """One row for each cell and task, printed as it is known."""
    from numba import cuda

    name = cuda.get_current_device().name
    words, few = dyck.paper_splits()["train"][:WORDS], min(ON_CORES, runs)
    rows = []
    for cell in cells.CELLS:
        start = cells.initialize(cell, range(min(DRAWN, runs)))[np.arange(runs) % DRAWN]
        tasks = {
            "train": (
                lambda start=start: trained(gpu.train, words, start),
                lambda start=start: trained(training.train, words, start[:few], threads=CORES),
            ),
            "first_failure": (
                lambda start=start: gpu.first_failure(start, words),
                lambda start=start: evaluation.first_failure(start[:few], words),
            ),
        }
        for task, (there, here) in tasks.items():
            (gpu_s, found), (cpu_s, expected) = timed(there), timed(here)
            symbols = (EPOCHS if task == "train" else 1) * int(words.lengths.sum())
            rates = {"cpu symbols/s": few * symbols / cpu_s, "gpu symbols/s": runs * symbols / gpu_s}
            own = found[:few]
            same = own == expected if task == "train" else np.array_equal(own, expected)
            rows.append(
                {"gpu": name if isinstance(name, str) else name.decode(), "cell": cell, "task": task, "runs": runs}
                | rates
                | {"ratio": rates["gpu symbols/s"] / rates["cpu symbols/s"], "same bits": bool(same)}
            )
            shown = {key: f"{value:,.0f}" if isinstance(value, float) else value for key, value in rows[-1].items()}
            print(" · ".join(f"{key}: {value}" for key, value in shown.items()), flush=True)
    return pd.DataFrame(rows)


def main() -> None:
    """Read the command line, measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--runs", type=int, default=RUNS, help=f"default {RUNS:,}")
    parser.add_argument("--record", action="store_true", help="keep the table in results/measured/gpu.json")
    options = parser.parse_args()
    try:
        gpu.check()
    except gpu.NoGPU as error:
        sys.exit(f"no GPU to measure: {error}")
    if hasattr(os, "sched_setaffinity"):
        # `first_failure` takes every core that it may have.
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    table = measure(options.runs)
    if options.record:
        print(measurements.record("gpu", {"table": table}, "numba-cuda"))
    if not table["same bits"].all():
        sys.exit("the GPU's bits are not the CPU's")


if __name__ == "__main__":
    main()
