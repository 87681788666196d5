"""How time and memory grow with runs and with the length of words, on one core; and how long compiling takes.

    python benchmarks/scaling.py            some minutes on a quiet core
    python benchmarks/scaling.py --record   keeps the tables in results/measured

Each measurement has a process of its own, so that its peak memory is its own. Kernels are compiled before.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import pandas as pd

NETWORKS = 100
RUNS = (1, 10, 100, 1_000, 10_000)
READ_LENGTHS = (10, 100, 1_000, 10_000, 100_000, 1_000_000)


def measured(call: Callable[[], object], symbols: int, runs: int) -> dict[str, float]:
    """Call it; its seconds, and the most memory that this process ever had, before and after."""

    def peak() -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6

    before, begin = peak(), time.perf_counter()
    call()
    seconds = time.perf_counter() - begin
    memory = {"peak memory, MB": peak(), "memory before, MB": before}
    return {"seconds": seconds, **memory, "ns per symbol and run": 1e9 * seconds / symbols / runs}


# What a process of its own measures. Each returns the numbers of a row.


def train(runs: int) -> dict[str, float]:
    """One epoch of LSTMs on 500 of the paper's words."""
    from counting import dyck, regimens, training

    regimen, data = regimens.PAPER["lstm"].but(epochs=1), dyck.paper_splits()["train"][::5][:500]
    options = {"checkpoints": [], "threads": 1, "progress": False}
    training.train(regimen, data[:1], data[:1], range(1), **options)
    options["start"] = training.initial_networks(regimen, range(runs))
    symbols = int(data.lengths.sum())
    call = lambda: training.train(regimen, data, data[:1], range(runs), **options)  # noqa: E731
    return {"symbols": symbols} | measured(call, symbols, runs)


def read(cell: str, length: int) -> dict[str, float]:
    """Every network reads one word to its end."""
    from counting import cells, dyck, evaluation

    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    networks, word = cells.initialize(cell, range(NETWORKS)), dyck.zigzag(length, length // 2)
    evaluation.return_recall(networks[:1], dyck.zigzag(2, 1))
    evaluation.returns(word)
    return measured(lambda: evaluation.return_recall(networks, word), length, NETWORKS)


def begin() -> dict[str, float]:
    """Use every kernel once."""
    from counting import cells, certificate, dyck, evaluation, regimens, training

    imported = time.perf_counter()
    words = dyck.zigzag(4, 2)
    for cell in cells.CELLS:
        regimen = regimens.PAPER[cell].but(epochs=1)
        networks = training.train(regimen, words, words, range(1), progress=False).networks
        evaluation.first_failure(networks, words)
        evaluation.trace(networks, words)
        certificate.certify(networks, 10)
    return {"kernels, s": time.perf_counter() - imported}


TASKS = {"train": train, "read": read, "begin": begin}


def apart(task: str, *arguments: object, cache: str | None = None) -> dict[str, float]:
    """Do a task in a process of its own."""
    environment = os.environ | ({"XDG_CACHE_HOME": cache} if cache else {})
    call = [sys.executable, __file__, "--task", json.dumps([task, *arguments])]
    done = subprocess.run(call, check=False, capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(f"{task}{arguments} failed:\n{done.stderr}")
    return json.loads(done.stdout)


def main(record: bool) -> None:
    """Measure all tables: training by runs; reading; compiling, where nothing is kept."""
    apart("begin")
    with tempfile.TemporaryDirectory() as cache:
        starts = [apart("begin", cache=cache)]
    rows = {
        "runs": [{"runs": n, "cores": 1} | apart("train", n) for n in RUNS],
        "evaluation": [
            {"cell": cell, "length": n, "cores": 1} | apart("read", cell, n)
            for cell in ("lstm", "gru", "relu")
            for n in READ_LENGTHS
        ],
        "start": starts,
    }
    tables = {name: pd.DataFrame(found) for name, found in rows.items()}
    for table in tables.values():
        print(table.to_string(index=False, float_format="{:,.3f}".format), end="\n\n")
    if record:
        from counting import measurements

        print(measurements.record("scaling", tables))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="keep the tables in results/measured")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.task:
        name, *arguments = json.loads(given.task)
        print(json.dumps(TASKS[name](*arguments)))
    else:
        main(given.record)
