"""How much faster a GPU trains and evaluates 100,000 runs than two cores, and whether the bits are the same.

    pip install -e '.[cuda]'
    python benchmarks/gpu.py --record

Times are those of `train` and `first_failure` of `counting.gpu` and of the CPU on the clock, from given networks;
packing, copying to the GPU and back and the loss on one word are part of them, compiling is not. Training is one epoch
on the paper's words. `first_failure` is asked of trained networks, once on words like those and once on words of 1,000
symbols. The cores take the first of the runs only, enough to keep them busy, and the bits of these are compared. A
symbol is one symbol of one word read by one run; in training forward and back, its share of the step of Adam included.
In `first_failure` all symbols are counted, though both devices leave a word early: the ratio is fair, the rate is not.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable

import numpy as np
import pandas as pd

from counting import cells, dyck, evaluation, gpu, measurements, regimens, sweeps, training
from counting.cells import Networks
from counting.dyck import Words
from counting.training import Runs

RUNS, FEW_WORDS = 100_000, 500
CORES, ON_CORES = 2, 4_000
TRAINED = 100
"""Networks that chapter 2 trained; the runs are these, over and over."""


def timed(call: Callable[[Words], Networks | np.ndarray], words: Words) -> tuple[float, Networks | np.ndarray]:
    """Seconds of a call, and its result. A first call, on one word, compiles and is not timed."""
    call(words[:1])
    start = time.perf_counter()
    result = call(words)
    return time.perf_counter() - start, result


def trained(train: Callable[..., Runs], words: Words, start: Networks, **options: object) -> Networks:
    """Train one run from each network of `start` for an epoch."""
    regimen = regimens.PAPER[start.cell].but(epochs=1)
    options = {"start": start, "checkpoints": [1], "progress": False, **options}
    return train(regimen, words, words[:1], range(len(start)), **options).checkpoints[1]


def tasks(nets: Networks, few: Networks) -> dict[str, tuple[Callable, Callable, Words]]:
    """Give for each task what the GPU does with all networks, what the cores do with a few, and the words."""
    splits = dyck.paper_splits()
    short, long = splits["train"][:FEW_WORDS], splits["very_long"]
    return {
        "train": (
            lambda words: trained(gpu.train, words, nets),
            lambda words: trained(training.train, words, few, threads=CORES),
            splits["train"],
        ),
        "first_failure": (
            lambda words: gpu.first_failure(nets, words),
            lambda words: evaluation.first_failure(few, words),
            short,
        ),
        "first_failure, 1,000 symbols": (
            lambda words: gpu.first_failure(nets, words),
            lambda words: evaluation.first_failure(few, words),
            long,
        ),
    }


def measure(runs: int) -> pd.DataFrame:
    """One row for each cell and task, printed as it is known."""
    from numba import cuda

    name = cuda.get_current_device().name
    few = min(ON_CORES, runs)
    rows = []
    for cell in cells.CELLS:
        nets = sweeps.paper(cell, TRAINED).checkpoints[30][np.arange(runs) % TRAINED]
        for task, (there, here, words) in tasks(nets, nets[:few]).items():
            (gpu_s, found), (cpu_s, expected) = timed(there, words), timed(here, words)
            symbols = int(words.lengths.sum())
            rates = {"cpu symbols/s": few * symbols / cpu_s, "gpu symbols/s": runs * symbols / gpu_s}
            own = found[:few]
            same = own == expected if task == "train" else np.array_equal(own, expected)
            rows.append(
                {"gpu": name if isinstance(name, str) else name.decode(), "cell": cell, "task": task, "runs": runs}
                | rates
                | {"ratio": rates["gpu symbols/s"] / rates["cpu symbols/s"], "same bits": bool(same)}
            )
            print(rows[-1], flush=True)
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
