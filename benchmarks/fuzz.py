"""The reader of model files against damaged files, for as long as wanted: nothing but a network or `BadModel`.

    nice python benchmarks/fuzz.py --minutes 10
    nice python benchmarks/fuzz.py --minutes 10 --record     also keeps the numbers for the book

Files are those of tests/damaged_files.py, from a fixed seed. They are read by a child process, which may use
little memory: a crash, a file that takes longer than five seconds, a warning and any other exception are
faults, and the file that made it is kept in `_build/fuzz`. Exit code 1 if there was one.
"""

from __future__ import annotations

import argparse
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pandas as pd

from counting import measurements, modelfile

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from damaged_files import damaged, whole_files  # noqa: E402

FAULTS = ROOT / "_build" / "fuzz"
SECONDS_A_FILE, BATCH = 5, 2_000


def main() -> int:
    """Read the command line, read files until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", action="store_true", help="keep the numbers in results/measured")
    options = parser.parse_args()
    FAULTS.mkdir(parents=True, exist_ok=True)
    counts: Counter[str] = Counter()
    started, batch, peak, slowest = time.monotonic(), 0, 0.0, 0.0
    while time.monotonic() - started < 60 * options.minutes:
        found, memory, longest = one_batch(options.seed, batch)
        counts += found
        batch, peak, slowest = batch + 1, max(peak, memory), max(slowest, longest)
        print(f"{batch * BATCH:,} files, {dict(counts)}", flush=True)
    faults = sum(number for kind, number in counts.items() if kind not in ("network", "BadModel"))
    row = {
        "minutes": (time.monotonic() - started) / 60, "files read": counts.total(),
        "read as a network": counts["network"], "refused as BadModel": counts["BadModel"],
        "anything else": faults, "slowest file s": slowest, "memory grew by MB": peak,
    }  # fmt: skip
    table = pd.DataFrame([row])
    print(table.T.to_string(header=False))
    if options.record:
        print(measurements.record("fuzz", {"model files": table}, "safetensors", "hypothesis"))
    return int(faults > 0)


def one_batch(seed: int, number: int) -> tuple[Counter[str], float, float]:
    """Read BATCH files; returns what came of them, MB by which memory grew, and seconds of the slowest file."""
    context = get_context("fork")
    receive, send = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").exists() else None) as folder:
        path = Path(folder) / "model"
        child = context.Process(target=_read_files, args=(seed, number, path, send))
        child.start()
        send.close()
        counts: Counter[str] = Counter()
        memory = slowest = 0.0
        try:
            counts, memory, slowest = receive.recv()
        except EOFError:
            # The child is gone, and what it read last is the culprit.
            child.join()
            counts[f"died with {child.exitcode}"] += 1
            (FAULTS / f"died-{seed}-{number}").write_bytes(path.read_bytes())
        child.join()
    return counts, memory, slowest


def _read_files(seed: int, number: int, path: Path, send: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (2 * 2**30, 2 * 2**30))
    rng, files, counts, slowest = np.random.default_rng([seed, number]), whole_files(), Counter(), 0.0
    memory_before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    warnings.simplefilter("error")
    for _ in range(BATCH):
        path.write_bytes(damaged(rng, files))
        signal.alarm(SECONDS_A_FILE)
        started = time.perf_counter()
        try:
            kind = "network" if len(modelfile.load(path)) == 1 else "several networks"
        except modelfile.BadModel:
            kind = "BadModel"
        except BaseException as error:
            kind = type(error).__name__
            name = f"{kind}-{seed}-{number}-{counts.total()}"
            (FAULTS / name).write_bytes(path.read_bytes())
            (FAULTS / f"{name}.txt").write_text(traceback.format_exc())
        signal.alarm(0)
        slowest = max(slowest, time.perf_counter() - started)
        counts[kind] += 1
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory_before) / 1024
    send.send((counts, grown, slowest))


if __name__ == "__main__":
    sys.exit(main())
