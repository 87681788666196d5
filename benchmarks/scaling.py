"""How time and memory grow with runs, with the length of words and with cores; and how long the engine takes to start.

    python benchmarks/scaling.py            some minutes on two quiet cores
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

import pandas as pd

NETWORKS = 100
RUNS = (1, 10, 100, 1_000, 10_000)
TRAINED_LENGTHS = (10, 100, 1_000, 10_000)
READ_LENGTHS = (10, 100, 1_000, 10_000, 100_000, 1_000_000)
MEASURED = ("seconds", "peak memory, MB", "memory before, MB")


def peak_memory() -> float:
    """Most memory that this process ever had, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


# What a process of its own measures. Each prints the numbers of a row.


def train(cell: str, runs: int, words: int, length: int, cores: int) -> dict[str, float]:
    """One epoch; length 0 means the paper's words."""
    from counting import dyck, regimens, training

    regimen = regimens.PAPER[cell].but(epochs=1)
    if length:
        data = dyck.zigzag(length, length // 2)
        data = dyck.Words(data.tokens.repeat(words, axis=0), data.lengths.repeat(words))
    else:
        data = dyck.paper_splits()["train"][::5][:words]
    options = {"checkpoints": [], "threads": cores, "progress": False}
    training.train(regimen, data[:1], data[:1], range(1), **options)
    start, before = training.initial_networks(regimen, range(runs)), peak_memory()
    begin = time.perf_counter()
    training.train(regimen, data, data[:1], range(runs), start=start, **options)
    seconds = time.perf_counter() - begin
    symbols = int(data.lengths.sum())
    return {
        "symbols": symbols,
        **dict(zip(MEASURED, (seconds, peak_memory(), before), strict=True)),
        "ns per symbol and run": 1e9 * seconds / symbols / runs,
    }


def read(cell: str, runs: int, length: int, cores: int) -> dict[str, float]:
    """Every network reads one word to its end."""
    from counting import cells, dyck, evaluation

    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:cores]))
    networks, word = (cells.initialize(cell, range(runs)), dyck.zigzag(length, length // 2))
    evaluation.return_recall(networks[:1], dyck.zigzag(2, 1))
    evaluation.returns(word)
    before = peak_memory()
    begin = time.perf_counter()
    evaluation.return_recall(networks, word)
    seconds = time.perf_counter() - begin
    return {
        **dict(zip(MEASURED, (seconds, peak_memory(), before), strict=True)),
        "ns per symbol and run": 1e9 * seconds / length / runs,
    }


def begin() -> dict[str, float]:
    """Import everything, then use every kernel once."""
    first = time.perf_counter()
    from counting import cells, certificate, dyck, evaluation, regimens, training

    imported = time.perf_counter()
    words = dyck.zigzag(4, 2)
    for cell in cells.CELLS:
        regimen = regimens.PAPER[cell].but(epochs=1)
        networks = training.train(regimen, words, words, range(1), progress=False).networks
        evaluation.first_failure(networks, words)
        evaluation.trace(networks, words)
        certificate.certify(networks, 10)
    return {"imports, s": imported - first, "kernels, s": time.perf_counter() - imported}


TASKS = {"train": train, "read": read, "begin": begin}


def apart(task: str, *arguments: object, cache: str | None = None) -> dict[str, float]:
    """What a task prints in a process of its own."""
    environment = os.environ | ({"XDG_CACHE_HOME": cache} if cache else {})
    call = [sys.executable, __file__, "--task", json.dumps([task, *arguments])]
    done = subprocess.run(call, check=False, capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(f"{task}{arguments} failed:\n{done.stderr}")
    return json.loads(done.stdout)


def by_runs(runs: tuple[int, ...] = RUNS) -> pd.DataFrame:
    """Training of the LSTM on 500 of the paper's words."""
    cases = [(n, cores) for n in runs for cores in (1, 2)]
    return pd.DataFrame(
        [{"runs": n, "cores": cores} | apart("train", "lstm", n, 500, 0, cores) for n, cores in cases]
    )


def by_trained_length(lengths: tuple[int, ...] = TRAINED_LENGTHS) -> pd.DataFrame:
    """Training of 128 runs of the LSTM on words of so many symbols, 20,000 symbols or more in all."""
    rows = [apart("train", "lstm", 128, max(2, 20_000 // n), n, 1) for n in lengths]
    return pd.DataFrame([{"length": n, "cores": 1} | row for n, row in zip(lengths, rows, strict=True)])


def by_read_length(lengths: tuple[int, ...] = READ_LENGTHS) -> pd.DataFrame:
    """Evaluation of NETWORKS networks on one word."""
    cases = [(cell, n, cores) for cell in ("lstm", "gru", "relu") for n in lengths for cores in (1, 2)]
    return pd.DataFrame(
        [
            {"cell": cell, "length": n, "cores": cores} | apart("read", cell, NETWORKS, n, cores)
            for cell, n, cores in cases
        ]
    )


def starts() -> pd.DataFrame:
    """The first start, where no kernel is compiled, and two later ones."""
    with tempfile.TemporaryDirectory() as cache:
        return pd.DataFrame([{"start": n} | apart("begin", cache=cache) for n in ("first", "second", "third")])


def main(record: bool, quick: bool) -> None:
    apart("begin")
    tables = {
        "runs": by_runs(RUNS[:3] if quick else RUNS),
        "training": by_trained_length(TRAINED_LENGTHS[:2] if quick else TRAINED_LENGTHS),
        "evaluation": by_read_length(READ_LENGTHS[-2:] if quick else READ_LENGTHS),
        "start": starts(),
    }
    for table in tables.values():
        print(table.to_string(index=False, float_format="{:,.3f}".format), end="\n\n")
    read, later = tables["evaluation"], tables["start"].iloc[1:]
    worst = read[read.length == max(READ_LENGTHS)]
    growth = (worst["peak memory, MB"] - worst["memory before, MB"]).max()
    print(f"{NETWORKS} networks on a word of 10^6 symbols: at most {worst.seconds.max():.2f} s (bar 2 s), "
          f"{growth:.1f} MB more than the word took")  # fmt: skip
    print(f"all kernels: compiled in {tables['start']['kernels, s'].iloc[0]:.1f} s (bar 20 s), "
          f"later loaded in {later['kernels, s'].min():.2f} s (bar 1 s)")  # fmt: skip
    if record:
        from counting import measurements

        print(measurements.record("scaling", tables))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="keep the tables in results/measured")
    parser.add_argument("--quick", action="store_true", help="a trial")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.task:
        name, *arguments = json.loads(given.task)
        print(json.dumps(TASKS[name](*arguments)))
    else:
        main(given.record, given.quick)
