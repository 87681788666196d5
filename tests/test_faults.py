"""What is on disk is whole or refused, whatever stops its writer or changes it.

`benchmarks/faults.py` goes on longer.
"""

from __future__ import annotations

import contextlib
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path

import accidents
import pytest
from safetensors.numpy import load_file, save_file

from counting import results
from counting.training import Runs

RUNS = 12


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """The file that a sweep ends with, and the seconds that it takes."""
    folder = tmp_path_factory.mktemp("undisturbed")
    accidents.start(folder, 1).join()  # compiles
    (folder / "log").unlink()
    for path in (folder / "results").iterdir():
        path.unlink()
    before = time.monotonic()
    accidents.start(folder, RUNS).join()
    seconds = time.monotonic() - before
    accidents.outcome(folder)
    return next((folder / "results").iterdir()), seconds


@pytest.fixture(scope="module")
def runs(undisturbed: tuple[Path, float]) -> Runs:
    return results.load(undisturbed[0])


def digest(undisturbed: tuple[Path, float]) -> str:
    return accidents.outcome(undisturbed[0].parent.parent)


@pytest.mark.parametrize(("share", "writing"), [(0.5, False), (0.9, False), (0, True)])
def test_killed_sweep_is_resumed_to_the_same_file(share, writing, undisturbed, tmp_path):
    accidents.kill_and_resume(tmp_path, RUNS, share * undisturbed[1], digest(undisturbed), writing=writing)


def test_two_processes_obtain_the_same_sweep(undisturbed, tmp_path):
    accidents.two_writers(tmp_path, RUNS, digest(undisturbed))


@pytest.mark.parametrize("kind", accidents.MUTATIONS)
def test_mutations_are_refused_or_harmless(kind, undisturbed, runs, tmp_path):
    draw, whole = random.Random(0), undisturbed[0].read_bytes()
    with accidents.memory(2**28):
        for _ in range(10):
            accidents.refused(tmp_path / "mutant", accidents.mutated(whole, kind, draw), runs)


@pytest.mark.parametrize("sha256", [None, 7, ["0" * 64], {}])
def test_a_sha256_that_is_no_text_is_refused(sha256, undisturbed, tmp_path):
    path = tmp_path / "forged"
    manifest = results.manifest(undisturbed[0]) | {"sha256": sha256}
    save_file(load_file(undisturbed[0]), path, metadata={"manifest": json.dumps(manifest)})
    with pytest.raises(results.BrokenResult, match="altered"):
        results.load(path)


class TestDisk:
    @pytest.fixture
    def disk(self, tmp_path: Path) -> Iterator[Path]:
        with contextlib.ExitStack() as stack:
            try:
                disk = stack.enter_context(accidents.small_disk(tmp_path / "disk"))
            except PermissionError as error:
                pytest.skip(str(error))
            yield disk

    @pytest.fixture(params=["results.save", "measurements.record", "notebooks.write"])
    def write(self, request, runs, undisturbed):
        return accidents.writers(runs, results.manifest(undisturbed[0]))[request.param]

    @pytest.mark.parametrize("free", [0, 8192])
    def test_full(self, write, free, disk):
        path = disk / "kept.json"
        write(path)
        filler = accidents.fill(disk, free)
        accidents.fails_well(write, path, accidents.FULL)
        filler.unlink()
        write(path)

    def test_read_only(self, write, disk):
        path = disk / "kept.json"
        write(path)
        with accidents.read_only(disk):
            accidents.fails_well(write, path, accidents.READ_ONLY)
        write(path)
