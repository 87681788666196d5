"""Result files: whole or refused, trained once, and trained again when anything that decides them has changed."""

from __future__ import annotations

import json
import os
import random
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import pytest
from oracles import same
from safetensors.numpy import load_file, save_file

from counting import cells, dyck, results, training
from counting.regimens import PAPER
from counting.schedule import Schedule

RELU = PAPER["relu"].but(epochs=2)


@pytest.fixture
def words() -> dyck.Words:
    return dyck.pcfg(40, lengths=(2, 12), seed=1)


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    """Committed results and cache in folders of the test's own, and the mode that a reader has."""
    monkeypatch.setattr(results, "FOLDER", tmp_path / "results")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("COUNTING_RESULTS", raising=False)
    return tmp_path


@pytest.fixture
def trainings(monkeypatch) -> list[int]:
    """How many runs each call of `training.train` was asked for."""
    calls: list[int] = []
    train = training.train

    def counted(regimen, words, validation, seeds, **options):
        calls.append(len(seeds))
        return train(regimen, words, validation, seeds, **options)

    monkeypatch.setattr(training, "train", counted)
    return calls


def obtain(words, regimen=RELU, seeds=range(3), **options):
    return results.obtain("sweep", regimen, words, words[:5], seeds, progress=False, **options)


def committed(folders):
    return folders / "results" / "sweep.safetensors"


def recorded(monkeypatch, words, **options):
    monkeypatch.setenv("COUNTING_RESULTS", "record")
    runs = obtain(words, **options)
    monkeypatch.delenv("COUNTING_RESULTS")
    return runs


def test_second_time_is_loaded_and_equal(words, trainings):
    first = obtain(words, checkpoints=[0, 2])
    second = obtain(words, checkpoints=[0, 2])
    assert trainings == [3]
    assert same(first, second)
    assert set(second.checkpoints) == {0, 2}


@pytest.mark.parametrize(
    "change",
    [
        {"regimen": RELU.but(learning_rate=0.02)},
        {"regimen": RELU.but(learning_rate=Schedule(0.01, 0.001, 1, 2))},
        {"seeds": range(1, 4)},
        {"checkpoints": [1]},
        {"start": cells.initialize("relu", [7, 8, 9])},
    ],
)
def test_another_sweep_is_trained(words, trainings, change):
    obtain(words)
    obtain(words, **change)
    assert trainings == [3, 3]


def test_other_words_are_trained(words, trainings):
    obtain(words)
    obtain(words[1:])
    assert trainings == [3, 3]


def test_other_code_is_trained(words, trainings, monkeypatch):
    obtain(words)
    monkeypatch.setattr(results, "code_sha256", lambda: "other")
    obtain(words)
    assert trainings == [3, 3]


def test_record_writes_committed_results_and_verify_accepts_them(words, folders, monkeypatch, trainings):
    runs = recorded(monkeypatch, words)
    before = committed(folders).read_bytes()
    monkeypatch.setenv("COUNTING_RESULTS", "verify")
    assert same(obtain(words), runs)
    assert same(obtain(words, sample=2), runs)
    assert trainings == [3, 3, 2]
    assert committed(folders).read_bytes() == before


def test_retrain_writes_the_same_bytes(words, folders, monkeypatch):
    recorded(monkeypatch, words)
    before = committed(folders).read_bytes()
    monkeypatch.setenv("COUNTING_RESULTS", "retrain")
    obtain(words)
    assert committed(folders).read_bytes() == before


def test_verify_finds_what_is_missing_or_differs(words, folders, monkeypatch):
    monkeypatch.setenv("COUNTING_RESULTS", "verify")
    with pytest.raises(results.ResultDiffers, match="is not there"):
        obtain(words)
    runs = recorded(monkeypatch, words)
    runs.networks.parameters["output.bias"][1] += 1e-6
    sweep = results.Sweep(**_manifest(folders)["sweep"])
    results.save(committed(folders), runs, sweep)
    monkeypatch.setenv("COUNTING_RESULTS", "verify")
    with pytest.raises(results.ResultDiffers, match="other numbers.*ACCEPT=1"):
        obtain(words)
    obtain(words, sample=1)  # the run that was altered is the second


def _manifest(folders):
    manifest = results.manifest(committed(folders))
    manifest["sweep"] = {k: tuple(v) if isinstance(v, list) else v for k, v in manifest["sweep"].items()}
    return manifest


def test_trial_parameters_leave_committed_results_alone(words, folders, monkeypatch):
    recorded(monkeypatch, words)
    before = committed(folders).read_bytes()
    obtain(words, seeds=range(5))
    assert committed(folders).read_bytes() == before


def test_unknown_mode_is_an_error(words, monkeypatch):
    monkeypatch.setenv("COUNTING_RESULTS", "redo")
    with pytest.raises(ValueError, match="verify.*redo"):
        obtain(words)


def test_manifest_says_where_the_runs_come_from(words, folders, monkeypatch):
    recorded(monkeypatch, words)
    manifest = results.manifest(committed(folders))
    assert manifest["sweep"]["words"] == words.sha256
    assert manifest["runs"] == [0, 1, 2]
    assert manifest["code"] == results.code_sha256()
    assert set(manifest["versions"]) == {"numba", "numpy", "torch"}


def test_every_altered_or_cut_file_is_refused_and_left_as_it_is(words, folders, monkeypatch):
    runs = recorded(monkeypatch, words, checkpoints=[1])
    path = committed(folders)
    whole = path.read_bytes()
    draw = random.Random(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray(whole)
        if draw.random() < 0.2:
            del damaged[draw.randrange(len(damaged)) :]
        else:
            damaged[draw.randrange(len(damaged))] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        try:
            loaded = results.load(path)
        except results.BrokenResult as error:
            refused += 1
            assert "left as it is" in str(error)
        else:
            assert same(loaded, runs)  # a changed blank in the header is harmless
        assert path.read_bytes() == damaged
    assert refused > 290


def test_damaged_file_is_not_trained_over(words, folders, monkeypatch, trainings):
    recorded(monkeypatch, words)
    committed(folders).write_bytes(b"no result")
    with pytest.raises(results.BrokenResult):
        obtain(words)
    assert committed(folders).read_bytes() == b"no result"
    assert trainings == [3]


def test_forged_numbers_are_refused(words, folders, monkeypatch):
    recorded(monkeypatch, words)
    path = committed(folders)
    tensors = load_file(path)
    tensors["selected/validation_loss/output.bias"] += 1
    save_file(tensors, path, metadata={"manifest": json.dumps(results.manifest(path))})
    with pytest.raises(results.BrokenResult, match="altered"):
        results.load(path)


def test_failed_save_leaves_the_earlier_file(words, folders, monkeypatch):
    runs = recorded(monkeypatch, words)
    path = committed(folders)
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        results.save(path, runs, results.Sweep(**_manifest(folders)["sweep"]))
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_interrupted_sweep_goes_on_where_it_stopped(words, monkeypatch, trainings):
    monkeypatch.setattr(results, "SHARD", 2)
    train = training.train

    def stops(regimen, words, validation, seeds, **options):
        if 4 in seeds:
            raise KeyboardInterrupt
        return train(regimen, words, validation, seeds, **options)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training, "train", stops)
        obtain(words, seeds=range(5))
    assert trainings == [2, 2]
    runs = obtain(words, seeds=range(5))
    assert trainings == [2, 2, 1]
    monkeypatch.setattr(results, "SHARD", 100)
    monkeypatch.setenv("COUNTING_RESULTS", "retrain")
    assert same(obtain(words, seeds=range(5)), runs)


def test_a_killed_worker_leaves_what_was_finished(words, monkeypatch, trainings):
    """Another executor trains the rest; here both have threads, and the first gives up after two shards."""
    monkeypatch.setattr(results, "SHARD", 2)

    class GivesUp(ThreadPoolExecutor):
        def submit(self, task, *call):
            if len(self._started) == 2:
                raise BrokenExecutor
            self._started.append(super().submit(task, *call))
            return self._started[-1]

        _started: ClassVar[list[Future]] = []

    with GivesUp(1) as executor, pytest.raises(training.WorkersLost, match="2 of 2 shards"):
        obtain(words, seeds=range(5), executor=executor)
    with ThreadPoolExecutor(1) as executor:
        runs = obtain(words, seeds=range(5), executor=executor)
    assert trainings == [2, 2, 1]
    assert same(runs, training.train(RELU, words, words[:5], range(5), checkpoints=[], progress=False))


COMMITTED = sorted((Path(__file__).resolve().parent.parent / "results").glob("*.safetensors"))


def test_committed_results_are_whole_current_and_small():
    assert COMMITTED
    for path in COMMITTED:
        assert results.manifest(path)["code"] == results.code_sha256(), f"{path.name}: run `make book ACCEPT=1`"
    assert sum(path.stat().st_size for path in COMMITTED) < 20e6
