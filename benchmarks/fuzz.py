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
    parser.add_argument("--record", action="store_true", help="keep the numbers in results/measured")
    options = parser.parse_args()
    FAULTS.mkdir(parents=True, exist_ok=True)
    counts: Counter[str] = Counter()
    started, batch = time.monotonic(), 0
    while time.monotonic() - started < 60 * options.minutes:
        counts += one_batch(batch)
        batch += 1
        print(f"{batch * BATCH:,} files, {dict(counts)}", flush=True)
    faults = sum(number for kind, number in counts.items() if kind not in ("network", "BadModel"))
    row = {
        "files read": counts.total(), "read as a network": counts["network"],
        "refused as BadModel": counts["BadModel"], "anything else": faults,
    }  # fmt: skip
    table = pd.DataFrame([row])
    print(table.T.to_string(header=False))
    if options.record:
        print(measurements.record("fuzz", {"model files": table}, "safetensors", "hypothesis"))
    return int(faults > 0)


def one_batch(number: int) -> Counter[str]:
    """Read BATCH files; returns what came of them."""
    context = get_context("fork")
    receive, send = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").exists() else None) as folder:
        path = Path(folder) / "model"
        child = context.Process(target=_read_files, args=(number, path, send))
        child.start()
        send.close()
        counts: Counter[str] = Counter()
        try:
            counts = receive.recv()
        except EOFError:
            # The child is gone, and what it read last is the culprit.
            child.join()
            counts[f"died with {child.exitcode}"] += 1
            (FAULTS / f"died-{number}").write_bytes(path.read_bytes())
        child.join()
    return counts


def _read_files(number: int, path: Path, send: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (2 * 2**30, 2 * 2**30))
    rng, files, counts = np.random.default_rng([0, number]), whole_files(), Counter()
    warnings.simplefilter("error")
    for _ in range(BATCH):
        path.write_bytes(damaged(rng, files))
        signal.alarm(SECONDS_A_FILE)
        try:
            kind = "network" if len(modelfile.load(path)) == 1 else "several networks"
        except modelfile.BadModel:
            kind = "BadModel"
        except BaseException as error:
            kind = type(error).__name__
            name = f"{kind}-{number}-{counts.total()}"
            (FAULTS / name).write_bytes(path.read_bytes())
            (FAULTS / f"{name}.txt").write_text(traceback.format_exc())
        signal.alarm(0)
        counts[kind] += 1
    send.send(counts)


if __name__ == "__main__":
    sys.exit(main())
