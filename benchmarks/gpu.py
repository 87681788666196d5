"""How much faster a GPU trains and evaluates 100,000 runs than two cores, and whether the bits are the same.

    pip install -e '.[cuda]'
    python benchmarks/gpu.py --record

Times are those of `training.train` and `evaluation.first_failure` on the clock, from given networks, the best of
several; packing, copying to the GPU and back and the loss on one word are part of them, compiling is not. A symbol is
one symbol of one word read by one run; in training forward and back, its share of the step of Adam included. In
`first_failure` all symbols are counted, though both devices leave a word early: the ratio is fair, the rate is not.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import timeit
from collections.abc import Callable

import numpy as np
import pandas as pd

from counting import cells, devices, dyck, evaluation, measurements, regimens, training
from counting.cells import Networks
from counting.dyck import Words

RUNS, WORDS, EPOCHS, TIMES = 100_000, 500, 2, 2
CORES = 2
DRAWN = 1_000
"""Networks initialized by seed; the runs start from these, over and over."""


def digest(array: np.ndarray) -> bytes:
    """SHA-256 of the numbers. All NaNs count as one: which bits a NaN has differs between processors."""
    return hashlib.sha256(np.where(np.isnan(array), np.nan, array).astype(array.dtype).tobytes()).digest()


def sha256(nets: Networks) -> str:
    """Digest all parameters."""
    return hashlib.sha256(b"".join(digest(nets.parameters[name]) for name in sorted(nets.parameters))).hexdigest()


def timed(call: Callable[[], str]) -> tuple[float, str]:
    """Least time of a call, seconds, and its result. The first call, which compiles, is not timed."""
    result = call()
    return min(timeit.repeat(call, number=1, repeat=TIMES)), result


def train(cell: str, words: Words, start: Networks, device: str) -> str:
    """SHA-256 of the trained weights."""
    regimen = regimens.PAPER[cell].but(epochs=EPOCHS)
    runs = training.train(regimen, words, words[:1], range(len(start)), start=start, checkpoints=[EPOCHS],
                          threads=CORES, device=device, progress=False)  # fmt: skip
    return sha256(runs.checkpoints[EPOCHS])


def evaluate(words: Words, nets: Networks, device: str) -> str:
    """SHA-256 of where the networks fail."""
    return hashlib.sha256(evaluation.first_failure(nets, words, device).tobytes()).hexdigest()


def measure(runs: int) -> pd.DataFrame:
    """One row for each cell and task."""
    from numba import cuda

    gpu = cuda.get_current_device().name
    words = dyck.paper_splits()["train"][:WORDS]
    rows = []
    for cell in cells.CELLS:
        start = cells.initialize(cell, range(min(DRAWN, runs)))[np.arange(runs) % DRAWN]
        tasks = {
            "train": (EPOCHS, lambda device, cell=cell, start=start: train(cell, words, start, device)),
            "first_failure": (1, lambda device, start=start: evaluate(words, start, device)),
        }
        for task, (epochs, call) in tasks.items():
            symbols = runs * epochs * int(words.lengths.sum())
            (cpu_s, cpu_sha), (gpu_s, gpu_sha) = (timed(lambda d=d, call=call: call(d)) for d in devices.DEVICES)
            rows.append(
                {"gpu": gpu if isinstance(gpu, str) else gpu.decode(), "cell": cell, "task": task, "runs": runs}
                | {"cpu symbols/s": symbols / cpu_s, "gpu symbols/s": symbols / gpu_s, "ratio": cpu_s / gpu_s}
                | {"same bits": cpu_sha == gpu_sha, "cpu sha256": cpu_sha, "gpu sha256": gpu_sha}
            )
            shown = {name: f"{value:,.0f}" if isinstance(value, float) else value for name, value in rows[-1].items()}
            print(" · ".join(f"{name}: {value}" for name, value in shown.items()), flush=True)
    return pd.DataFrame(rows)


def main() -> None:
    """Read the command line, measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--runs", type=int, default=RUNS, help=f"default {RUNS:,}")
    parser.add_argument("--record", action="store_true", help="keep the table in results/measured/gpu.json")
    options = parser.parse_args()
    try:
        devices.groups("cuda")
    except devices.NoGPU as error:
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
