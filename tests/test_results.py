"""Result files: whole or refused, trained once, and trained again when anything that decides them has changed."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from oracles import same
from safetensors.numpy import load_file, save_file

from counting import cells, dyck, results, training
from counting.regimens import PAPER, Regimen, Schedule, ingredients
from counting.sweeps import RATES

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
    """How many runs each call of `training.train`, or each worker of an executor, was asked for."""
    calls: list[int] = []
    train, train_group = training.train, training._train_group

    def counted_group(regimen, words, validation, seeds, start, kept, watch=None):
        if watch is None:  # a worker's, which nobody watches
            calls.append(len(seeds))
        return train_group(regimen, words, validation, seeds, start, kept, watch)

    def counted(regimen, words, validation, seeds, **options):
        calls.append(len(seeds))
        return train(regimen, words, validation, seeds, **options)

    monkeypatch.setattr(training, "train", counted)
    monkeypatch.setattr(training, "_train_group", counted_group)
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
    assert same(obtain(words, sample=0), runs)
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
    for sample in (None, 0):
        with pytest.raises(results.ResultDiffers, match="is not there"):
            obtain(words, sample=sample)
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


PLAIN = {"cell": "relu", "learning_rate": 0.01, "epochs": 2}
FORGED = {
    "no sweep": lambda manifest: manifest.update(sweep=None),
    "a sweep that lacks a field": lambda manifest: manifest["sweep"].pop("words"),
    "a sweep of one field more": lambda manifest: manifest["sweep"].update(more=1),
    "no runs": lambda manifest: manifest.pop("runs"),
    "another format": lambda manifest: manifest.update(format=2),
    "another type of format": lambda manifest: manifest.update(format="1"),
    "other runs": lambda manifest: manifest.update(runs=[0, 1, 3]),
    "runs that are no list": lambda manifest: manifest.update(runs=3),
    "runs twice": lambda manifest: manifest.update(runs=[0, 0, 1]),
    "runs in words": lambda manifest: manifest.update(runs=["0", "1", "2"]),
    "code that is no digest": lambda manifest: manifest.update(code=None),
    "words that are no digest": lambda manifest: manifest["sweep"].update(words=7),
    "epochs in words": lambda manifest: manifest["sweep"].update(regimen=PLAIN | {"epochs": "2"}),
    "more epochs": lambda manifest: manifest["sweep"].update(regimen=PLAIN | {"epochs": 3}),
    "another cell": lambda manifest: manifest["sweep"].update(regimen=PLAIN | {"cell": "lstm"}),
    "another precision": lambda manifest: manifest["sweep"].update(regimen=PLAIN | {"dtype": "float64"}),
    "a checkpoint that is not there": lambda manifest: manifest["sweep"].update(checkpoints=[1, 2]),
    "a checkpoint less": lambda manifest: manifest["sweep"].update(checkpoints=[]),
    "checkpoints of another type": lambda manifest: manifest["sweep"].update(checkpoints=[True]),
    "more epochs than memory": lambda manifest: manifest["sweep"].update(regimen=PLAIN | {"epochs": 2**60}),
    "checkpoints that are no list": lambda manifest: manifest["sweep"].update(checkpoints=1),
    "seeds that are no list": lambda manifest: manifest["sweep"].update(seeds=3),
}


def forge(path: Path, change, **tensors: np.ndarray) -> None:
    """A file with another manifest, and the checksum that belongs to it."""
    manifest, tensors = results.manifest(path), load_file(path) | tensors
    del manifest["sha256"]
    change(manifest)
    manifest["sha256"] = results._content_digest(manifest, tensors)
    save_file(tensors, path, metadata={"manifest": json.dumps(manifest)})


@pytest.mark.parametrize("name", FORGED)
def test_manifests_that_no_one_wrote_are_refused_in_words(name, words, folders, monkeypatch):
    recorded(monkeypatch, words, checkpoints=[1])
    forge(committed(folders), FORGED[name])
    with pytest.raises(results.BrokenResult, match="no whole result file"):
        results.load(committed(folders))


@pytest.mark.parametrize("where", [[], {}, 0, None, "text"])
def test_a_manifest_of_another_type_is_refused(where, words, folders, monkeypatch):
    recorded(monkeypatch, words)
    path = committed(folders)
    save_file(load_file(path), path, metadata={"manifest": json.dumps(where)})
    with pytest.raises(results.BrokenResult):
        results.load(path)


@pytest.mark.parametrize("losses", [np.zeros((3, 3, 4)), np.zeros((3, 3, 3), np.float32), np.zeros(3), np.float64(0)])
def test_losses_of_another_shape_are_refused(losses, words, folders, monkeypatch):
    recorded(monkeypatch, words)
    forge(committed(folders), lambda manifest: None, losses=np.asarray(losses))
    with pytest.raises(results.BrokenResult, match="its losses cannot"):
        results.load(committed(folders))


def test_networks_that_no_one_saved_are_refused(words, folders, monkeypatch):
    recorded(monkeypatch, words)
    forge(committed(folders), lambda manifest: None, more=np.zeros(3))
    with pytest.raises(results.BrokenResult, match="its networks cannot"):
        results.load(committed(folders))


def test_the_advice_works_from_where_one_stands(words, folders, monkeypatch, tmp_path):
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    monkeypatch.setattr(results, "FOLDER", tmp_path / "a checkout" / "results")
    recorded(monkeypatch, words)
    path = results.FOLDER / "sweep.safetensors"
    whole = path.read_bytes()
    git = ["git", "-C", str(path.parent.parent), "-c", "user.name=a", "-c", "user.email=b", "-c", "core.autocrlf=false"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "."]):
        subprocess.run([*git, *command], check=True)
    path.write_bytes(whole[:-1])
    with pytest.raises(results.BrokenResult) as caught:
        results.load(path)
    subprocess.run(str(caught.value).split("`")[1], shell=True, check=True, cwd="/", capture_output=True)
    assert path.read_bytes() == whole


def test_a_broken_file_of_the_cache_has_nothing_to_be_restored_from(words, folders):
    obtain(words)
    (path,) = (folders / "cache" / "counting" / "results").iterdir()
    path.write_bytes(b"no result")
    with pytest.raises(results.BrokenResult, match="left as it is; delete it to train again"):
        obtain(words)


def test_a_cache_that_cannot_be_written_is_said_and_no_matter(words, folders, trainings, capsys):
    (folders / "cache").write_text("a file, no folder")
    runs = obtain(words)
    assert trainings == [3] and len(runs) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("counting: trained runs are not kept")


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


SWEEPS = {
    *(f"paper-{cell}" for cell in cells.CELLS),
    *(f"rate-{cell}-{rate}" for cell in cells.CELLS for rate in RATES if rate != PAPER[cell].learning_rate),
    *(
        f"counting-{cell}-{name}"
        for cell in ("lstm", "relu")
        for name in ("all", "bce-all", "bce-none", "final", "none", "tracked")
    ),
    *(f"counting-lstm-only-{name}" for name in ingredients("lstm")),
    *(f"counting-relu-{how}-{name}" for how in ("only", "without") for name in ingredients("relu")),
    *(f"counting-{name}" for name in ("gru-final", "relu-constant", "relu-double", "relu-tracked-double")),
    *(
        f"{task}-{kind}"
        for task in ("shuffle-2-lstm-2", "shuffle-3-lstm-3", "powers-2-lstm-2", "powers-3-lstm-2", "powers-3-lstm-3")
        for kind in ("paper", "counting")
    ),
    *(f"powers-3-lstm-2-{kind}" for kind in ("initial_scale", "gate_gain")),
    *("shuffle-2-relu-2-counting", "shuffle-2-gru-2-paper", "powers-4-lstm-3-counting"),
    *(f"powers-3-to-{most}-lstm-3-counting" for most in (5, 10)),
    *(f"robust-{cell}-longest-{n}" for cell in ("lstm", "relu") for n in (6, 10, 20, 30, 50)),
    *(f"robust-{cell}-rate-{n}" for cell in ("lstm", "relu") for n in ("0.333", "0.5", "1", "2", "3")),
    *(f"robust-{cell}-set-{n}" for cell in ("lstm", "relu") for n in (21, 22, 23, 24, 25)),
    *(f"robust-{cell}-words-{n}" for cell in ("lstm", "relu") for n in ("100", "300", "1e+03", "3e+03", "1e+04")),
    *("unlearning-0", "unlearning-1", "unlearning-2", "unlearning-3", "wide-gru", "wide-relu"),
}
"""All that chapters ask for at their own parameters."""

MEASURED = {"cluster", "faults", "floor", "fuzz", "gpu", "mutants", "peers", "same_bits", "scaling", "several"}


def test_committed_results_are_all_there_whole_current_and_small():
    folder = Path(__file__).resolve().parent.parent / "results"
    committed = sorted(folder.glob("*.safetensors"))
    assert {path.stem for path in committed} == SWEEPS
    assert {path.stem for path in (folder / "measured").iterdir()} == MEASURED
    for path in committed:
        manifest = results.manifest(path)
        assert manifest["code"] == results.code_sha256(), f"{path.name}: run `make book ACCEPT=1`"
        # What a chapter asks for is compared with this entry: were it another, all would be trained again in silence.
        assert manifest["sweep"]["regimen"] == Regimen.from_dict(manifest["sweep"]["regimen"]).to_dict(), path.name
    assert sum(path.stat().st_size for path in committed) < 24e6
