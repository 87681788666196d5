"""Results through faults: writers killed, bytes changed, two writers at once, disks full or read-only.

    python benchmarks/faults.py                 some minutes on two cores; the disks need root
    python benchmarks/faults.py --record        and keep the table in results/measured/

Each fault is one of `tests/accidents.py`, which the tests meet a few times each. Exit code 1 where one was not
survived.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pandas as pd

from counting import measurements, results

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
import accidents  # noqa: E402

RUNS = 40
"""Of the sweep that is killed: 20 shards."""


def row(what: str, faults: Iterable[Callable[[], object]], say: Callable[[list], str]) -> dict[str, object]:
    """Meet faults; a row of the table. say: what there is to say about those that were survived."""
    times, survived = 0, []
    for fault in faults:
        times += 1
        try:
            survived.append(fault())
        except Exception as error:
            print(f"{what}: {type(error).__name__}: {error}", flush=True)
    return {"what": what, "times": times, "passed": len(survived), "remarks": say(survived)}


def kills(folder: Path, times: int, seconds: float, expected: str, writing: bool) -> dict[str, object]:
    """Kill a sweep; kills that come after its end are checked too, but not counted."""
    draw, numbers = random.Random(writing), itertools.count()

    def kill() -> accidents.Kill:
        while True:
            place, after = folder / f"{writing}-{next(numbers)}", draw.uniform(0, seconds)
            found = accidents.kill_and_resume(place, RUNS, after, expected, writing=writing)
            if not found.ended:
                return found

    def say(found: list[accidents.Kill]) -> str:
        shards, partial = [one.finished for one in found], sum(one.partial > 0 for one in found)
        of = f"{min(shards, default=0)} to {max(shards, default=0)} of {RUNS // accidents.SHARD}"
        return f"{of} shards were finished, {partial} times a file was half written"

    moment = "while a file of a sweep is written" if writing else "at a random moment of a sweep"
    return row(f"kill -9 {moment}, then resumed", [kill] * times, say)


def pairs(folder: Path, times: int, expected: str) -> dict[str, object]:
    """Let two processes obtain the same sweep."""
    faults = [lambda n=n: accidents.two_writers(folder / f"pair-{n}", RUNS // 4, expected) for n in range(times)]
    what = "two processes that obtain the same sweep at once"
    return row(what, faults, lambda _: "they leave what one process leaves")


def mutations(whole: Path, mutant: Path, times: int) -> Iterator[dict[str, object]]:
    """Change a file, each kind so many times; no more than 256 MiB of memory may be asked for."""
    content, runs = whole.read_bytes(), results.load(whole)
    for kind in accidents.MUTATIONS:
        draw = random.Random(kind)
        faults = [lambda d=draw, k=kind: accidents.refused(mutant, accidents.mutated(content, k, d), runs)] * times
        with accidents.memory(2**28):
            yield row(
                f"result file: {kind}", faults, lambda found: f"{sum(found)} refused, {found.count(False)} harmless"
            )


def disks(folder: Path, whole: Path) -> Iterator[dict[str, object]]:
    """Write on disks that are full, and that are read-only."""

    def full(write: Callable[[Path], object], free: int) -> None:
        filler = accidents.fill(disk, free * 1024)
        accidents.fails_well(write, disk / "kept.json", accidents.FULL)
        filler.unlink()

    def locked(write: Callable[[Path], object]) -> None:
        with accidents.read_only(disk):
            accidents.fails_well(write, disk / "kept.json", accidents.READ_ONLY)

    with accidents.small_disk(folder / "disk") as disk:
        for name, write in accidents.writers(results.load(whole), results.manifest(whole)).items():
            write(disk / "kept.json")
            well = "clear error, earlier file intact"
            fills = [lambda w=write, n=n: full(w, n) for n in range(10)]
            yield row(f"disk full: {name}", fills, lambda _, well=well: f"0 to 9 KiB free: {well}")
            yield row(f"read-only disk: {name}", [lambda w=write: locked(w)], lambda _, well=well: well)


def undisturbed(folder: Path, runs: int) -> tuple[Path, str, float]:
    """Give a file of a sweep, the SHA-256 of all its files, and the seconds that it takes."""
    before = time.monotonic()
    accidents.start(folder, runs).join()
    return next((folder / "results").iterdir()), accidents.outcome(folder), time.monotonic() - before


def main() -> int:
    """Read the command line, meet all faults."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="keep the table in results/measured/")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small, small_digest, _ = undisturbed(folder / "small", RUNS // 4)  # compiles
        _, digest, seconds = undisturbed(folder / "large", RUNS)
        rows = [
            kills(folder, 54, seconds, digest, writing=False),
            kills(folder, 18, seconds, digest, writing=True),
            pairs(folder, 20, small_digest),
            *mutations(small, folder / "mutant", 200),
            *disks(folder, small),
        ]
    table = pd.DataFrame(rows)
    print(table.to_string(index=False))
    if chosen.record:
        print(f"kept in {measurements.record('faults', {'faults': table})}")
    return int((table["passed"] < table["times"]).any())


if __name__ == "__main__":
    sys.exit(main())
