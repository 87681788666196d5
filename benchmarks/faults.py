"""Results through faults: writers killed, bytes changed, two writers at once, disks full or read-only.

    python benchmarks/faults.py                 some minutes on two cores; the disks need root
    python benchmarks/faults.py --record        and keep the table in results/measured/

Each fault is one of `tests/accidents.py`, which the tests meet a few times each. Exit code 1 where one was not
survived.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from counting import measurements, results

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import accidents

RUNS = 40
"""Of the sweep that is killed: 20 shards."""


class Row:
    """How often a fault came, how often it was survived, and what there is to say."""

    def __init__(self, what: str) -> None:
        self.what, self.remarks = what, ""
        self.times = self.passed = 0

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        """One fault; what goes wrong is said and counted."""
        self.times += 1
        try:
            yield
            self.passed += 1
        except Exception as error:  # noqa: BLE001
            print(f"{self.what}: {type(error).__name__}: {error}", flush=True)


def kills(folder: Path, times: int, seconds: float, expected: str, writing: bool) -> Row:
    """Kills that come after the sweep has ended are resumed and checked too, but not counted."""
    moment = "while a file of a sweep is written" if writing else "at a random moment of a sweep"
    row, draw, found, late = Row(f"kill -9 {moment}, then resumed"), random.Random(writing), [], 0
    while row.times < times:
        place, after = folder / f"{writing}-{row.times}-{late}", draw.uniform(0, seconds)
        with row.one():
            kill = accidents.kill_and_resume(place, RUNS, after, expected, writing=writing)
            if kill.ended:
                late, row.times, row.passed = late + 1, row.times - 1, row.passed - 1
            else:
                found.append(kill)
    shards = [kill.finished for kill in found]
    row.remarks = (
        f"{min(shards, default=0)} to {max(shards, default=0)} of {RUNS // accidents.SHARD} shards were finished, "
        f"{sum(kill.partial > 0 for kill in found)} times a file was half written"
    )
    return row


def writers_at_once(folder: Path, times: int, expected: str) -> Row:
    row = Row("two processes that obtain the same sweep at once")
    for number in range(times):
        with row.one():
            accidents.two_writers(folder / f"pair-{number}", RUNS // 4, expected)
    row.remarks = "one file is left, the same as one process leaves"
    return row


def mutations(whole: Path, mutant: Path, times: int) -> Iterator[Row]:
    """Of each kind; no more than 256 MiB of memory may be asked for."""
    content, runs = whole.read_bytes(), results.load(whole)
    for kind in accidents.MUTATIONS:
        row, draw, counts = Row(f"result file: {kind}"), random.Random(kind), Counter()
        with accidents.memory(2**28):
            for _ in range(times):
                with row.one():
                    counts[accidents.refused(mutant, accidents.mutated(content, kind, draw), runs)] += 1
        row.remarks = f"{counts[True]} refused, {counts[False]} harmless"
        yield row


def disks(folder: Path, whole: Path) -> Iterator[Row]:
    writers = accidents.writers(results.load(whole), results.manifest(whole))
    with accidents.small_disk(folder / "disk") as disk:
        for name, write in writers.items():
            path = disk / "kept.json"
            write(path)
            full = Row(f"disk full: {name}")
            for free in range(10):
                with full.one():
                    filler = accidents.fill(disk, free * 1024)
                    accidents.fails_well(write, path, accidents.FULL)
                    filler.unlink()
            full.remarks = "0 to 9 KiB free: clear error, earlier file intact"
            locked = Row(f"read-only disk: {name}")
            locked.remarks = "clear error, earlier file intact"
            with locked.one(), accidents.read_only(disk):
                accidents.fails_well(write, path, accidents.READ_ONLY)
            yield from (full, locked)


def undisturbed(folder: Path, runs: int) -> tuple[Path, str, float]:
    """The file that a sweep ends with, its SHA-256, and the seconds that the sweep takes."""
    before = time.monotonic()
    accidents.start(folder, runs).join()
    seconds = time.monotonic() - before
    return next((folder / "results").iterdir()), accidents.outcome(folder), seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=54, help="and a third as many while a file is written (54)")
    parser.add_argument("--mutations", type=int, default=200, help="of each of the ten kinds (default: 200)")
    parser.add_argument("--pairs", type=int, default=20, help="of writers (default: 20)")
    parser.add_argument("--record", action="store_true", help="keep the table in results/measured/")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small, small_digest, _ = undisturbed(folder / "small", RUNS // 4)  # compiles
        _, digest, seconds = undisturbed(folder / "large", RUNS)
        rows = [
            kills(folder, chosen.kills, seconds, digest, writing=False),
            kills(folder, chosen.kills // 3, seconds, digest, writing=True),
            writers_at_once(folder, chosen.pairs, small_digest),
            *mutations(small, folder / "mutant", chosen.mutations),
            *disks(folder, small),
        ]
    table = pd.DataFrame([vars(row) for row in rows])[["what", "times", "passed", "remarks"]]
    print(table.to_string(index=False))
    if chosen.record:
        print(f"kept in {measurements.record('faults', {'faults': table})}")
    return int((table["passed"] < table["times"]).any())


if __name__ == "__main__":
    sys.exit(main())
