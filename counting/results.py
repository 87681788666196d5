"""Trained runs on disk, each file knowing what it holds and whether it is whole.

A file is a safetensors file (it can be read without executing code) whose metadata is a JSON manifest: the regimen,
the seeds, the SHA-256 of the words, of the initial networks and of the code that trained, the versions of what that
code rests on, and a SHA-256 over all this and the numbers. It is written under another name and renamed, so no one
ever reads half a file.

`obtain` is what chapters call: it loads runs that the committed `results/` or this machine's cache hold, and trains
and caches what they do not. The environment variable COUNTING_RESULTS changes that:

    verify    train again and compare with `results/`: every bit must agree (`make book`)
    record    keep in `results/` what is not there yet (`make book ACCEPT=1`)
    retrain   train everything again and keep it in `results/` (`make results`)
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_safetensors

from counting import files, sources, training
from counting.cells import Networks, checked_seeds
from counting.dyck import Words
from counting.regimens import Regimen
from counting.training import CRITERIA, Runs
from counting.workers import slices

FOLDER = Path(__file__).resolve().parent.parent / "results"
"""The committed results, beside the package."""

SHARD = training.SHARD
"""Runs that are trained and saved at a time, so that an interrupted sweep goes on where it stopped."""

FORMAT = 1
MODES = ("", "verify", "record", "retrain")


class BrokenResult(ValueError):
    """A result file that is truncated, altered or no result file. It is left as it is."""


class ResultDiffers(ValueError):
    """Training again gave other numbers than the committed file holds."""


@dataclass(frozen=True)
class Sweep:
    """What a result file holds the runs of: all that decides their numbers, but the code."""

    regimen: dict[str, object]
    seeds: tuple[int, ...]
    checkpoints: tuple[int, ...]
    words: str
    validation: str
    start: str
    """SHA-256 of the initial networks."""

    @property
    def key(self) -> str:
        """Short name: the first digits of its SHA-256."""
        return _digest(_json(self.__dict__).encode())[:10]


def obtain(
    name: str,
    regimen: Regimen,
    words: Words,
    validation: Words,
    seeds: Iterable[int],
    *,
    checkpoints: Iterable[int] = (),
    start: Networks | None = None,
    sample: int | None = None,
    executor: Executor | None = None,
    progress: bool = True,
) -> Runs:
    """The runs of a sweep: loaded where a file has exactly these, by the present code; else trained and kept.

    name: what the committed file is called; one name, one sweep. checkpoints: epochs to keep beside the selected ones.
    start, executor: as for `training.train`. sample: how many of the runs "verify" trains again (None: all of them).
    Raises BrokenResult for a damaged file, ResultDiffers where "verify" finds other numbers.
    """
    mode = os.environ.get("COUNTING_RESULTS", "")
    if mode not in MODES:
        raise ValueError(f"COUNTING_RESULTS must be one of {MODES}; got {mode!r}")
    seeds = checked_seeds(seeds)
    initial = start if start is not None else training.initial_networks(regimen, seeds)
    sweep = Sweep(
        regimen.to_dict(),
        seeds,
        tuple(sorted(set(checkpoints))),
        words.sha256,
        validation.sha256,
        _digest(*(array.tobytes() for array in initial.parameters.values())),
    )
    committed, cached = FOLDER / f"{name}.safetensors", cache_folder() / f"{name}-{sweep.key}.safetensors"

    def train(chosen: np.ndarray) -> Iterator[tuple[int, Runs]]:
        return training.train_shards(
            regimen, words, validation, [seeds[run] for run in chosen], checkpoints=sweep.checkpoints,
            start=initial[chosen], executor=executor, shard=SHARD, progress=progress,
        )  # fmt: skip

    if mode == "verify":
        return _verified(committed, sweep, train, sample)
    if mode != "retrain":
        if (runs := _held(committed, sweep)) is not None:
            return runs
        runs = _held(cached, sweep)
        if runs is not None and not mode:
            _drop_shards(cached, sweep)
            return runs
    else:
        runs, cached = None, cached.with_suffix(".again")
    runs = runs or _in_shards(cached, sweep, train)
    save(committed if mode else cached, runs, sweep)
    # Only now: whoever is stopped before finds every finished shard again.
    _drop_shards(cached, sweep)
    return runs


def _shards(path: Path, sweep: Sweep) -> list[tuple[Path, slice]]:
    """Where the shards of a sweep are kept until all are there, and the runs of each."""
    parts = slices(len(sweep.seeds), SHARD)
    return [(path.with_name(f"{path.name}.{part.start}"), part) for part in parts]


def _drop_shards(path: Path, sweep: Sweep) -> None:
    for shard, _ in _shards(path, sweep):
        shard.unlink(missing_ok=True)


def _in_shards(path: Path, sweep: Sweep, train: Callable[[np.ndarray], Iterator[tuple[int, Runs]]]) -> Runs:
    """Train a sweep, keeping every finished shard beside `path`; those that are there already are not trained again."""
    shards = _shards(path, sweep)
    # Held in memory from here on: another process that ends the same sweep may delete the files.
    parts = {n: _held(shard, sweep, sweep.seeds[part]) for n, (shard, part) in enumerate(shards)}
    missing = [n for n, runs in parts.items() if runs is None]
    if missing:
        chosen = np.concatenate([np.arange(len(sweep.seeds))[shards[n][1]] for n in missing])
        for number, runs in train(chosen):
            parts[missing[number]] = runs
            if len(shards) > 1:
                save(shards[missing[number]][0], runs, sweep)
    return Runs.concatenate(parts[n] for n in range(len(shards)))


def _verified(path: Path, sweep: Sweep, train: Callable[[np.ndarray], Iterator[tuple[int, Runs]]], sample: int | None) -> Runs:
    """The committed runs, after training all or the first `sample` of them again to the same bits."""
    fault, runs = None, _held(path, sweep)
    if runs is None:
        fault = "is not there, or holds another sweep, or was trained by other code"
    else:
        again = dict(train(np.arange(len(sweep.seeds))[:sample]))
        if _digest_of(_subset(runs, slice(sample))) != _digest_of(Runs.concatenate(again[n] for n in sorted(again))):
            fault = "holds other numbers than training gives now"
    if fault:
        raise ResultDiffers(f"{path} {fault}; if it should be so, run `make book ACCEPT=1` and commit what it writes")
    return runs


def save(path: Path, runs: Runs, sweep: Sweep) -> None:
    """Write a result file, whole or not at all. Raises OSError that says what to do where it cannot be written."""
    tensors = _tensors(runs)
    manifest = {
        "format": FORMAT,
        "sweep": sweep.__dict__,
        "runs": list(runs.seeds),
        "code": code_sha256(),
        "versions": {package: importlib.metadata.version(package) for package in ("numba", "numpy", "torch")},
    }
    manifest["sha256"] = _content_digest(manifest, tensors)
    files.write(path, to_safetensors(tensors, metadata={"manifest": _json(manifest)}))


def load(path: Path) -> Runs:
    """Read a result file. Raises BrokenResult unless every byte is as it was written."""
    return _runs(*_read(path))


def _runs(manifest: dict[str, object], tensors: dict[str, np.ndarray]) -> Runs:
    regimen = Regimen.from_dict(manifest["sweep"]["regimen"])

    def networks(prefix: str) -> Networks:
        parts = {n.removeprefix(prefix): a for n, a in tensors.items() if n.startswith(prefix)}
        return Networks(regimen.cell, parts)

    return Runs(
        regimen,
        tuple(manifest["runs"]),
        tensors["losses"],
        {criterion: networks(f"selected/{criterion}/") for criterion in CRITERIA},
        {epoch: networks(f"checkpoint/{epoch}/") for epoch in manifest["sweep"]["checkpoints"]},
    )


def manifest(path: Path) -> dict[str, object]:
    """The manifest of a result file, checked like the rest of it."""
    return _read(path)[0]


def code_sha256() -> str:
    """Digest the code that turns a sweep into numbers: `training` and all that it imports."""
    return sources.digest("import counting.training")


def cache_folder() -> Path:
    """Where this machine keeps what it trained and no one committed."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "counting" / "results"


def _held(path: Path, sweep: Sweep, seeds: tuple[int, ...] | None = None) -> Runs | None:
    """The runs of these seeds (None: all) of the sweep by the present code, if the file is there and holds just them.

    A damaged file is an error, not an absence.
    """
    if not path.exists():
        return None
    try:
        found, tensors = _read(path)
    except FileNotFoundError:  # deleted since, by another process that ended the same sweep
        return None
    wanted = json.loads(_json([sweep.__dict__, sweep.seeds if seeds is None else seeds]))
    if found["code"] != code_sha256() or [found["sweep"], found["runs"]] != wanted:
        return None
    return _runs(found, tensors)


def _read(path: Path) -> tuple[dict[str, object], dict[str, np.ndarray]]:
    advice = f"it was left as it is; restore it (`git checkout {path.name}`) or delete it to train again"
    try:
        with safe_open(path, framework="numpy") as file:
            manifest = json.loads((file.metadata() or {})["manifest"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if manifest["format"] != FORMAT:
            raise BrokenResult(f"{path} has format {manifest['format']}, not {FORMAT}; {advice}")
        claimed = manifest["sha256"]
        found = _content_digest({k: v for k, v in manifest.items() if k != "sha256"}, tensors)
    except (SafetensorError, KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        if isinstance(error, BrokenResult):
            raise
        raise BrokenResult(f"{path} is no whole result file ({error}); {advice}") from error
    if claimed != found:
        raise BrokenResult(f"{path} was altered: its SHA-256 is {found[:12]}…, it says {str(claimed)[:12]}…; {advice}")
    return manifest, tensors


def _tensors(runs: Runs) -> dict[str, np.ndarray]:
    tensors = {"losses": runs.losses}
    for criterion, networks in runs.selected.items():
        tensors |= {f"selected/{criterion}/{name}": array for name, array in networks.parameters.items()}
    for epoch, networks in runs.checkpoints.items():
        tensors |= {f"checkpoint/{epoch}/{name}": array for name, array in networks.parameters.items()}
    return {name: np.ascontiguousarray(array) for name, array in tensors.items()}


def _subset(runs: Runs, chosen: slice) -> Runs:
    return Runs(
        runs.regimen,
        runs.seeds[chosen],
        runs.losses[:, chosen],
        {criterion: networks[chosen] for criterion, networks in runs.selected.items()},
        {epoch: networks[chosen] for epoch, networks in runs.checkpoints.items()},
    )


def _digest_of(runs: Runs) -> str:
    return _content_digest({}, _tensors(runs))


def _content_digest(manifest: dict[str, object], tensors: dict[str, np.ndarray]) -> str:
    parts = [_json(manifest).encode()]
    for name, array in sorted(tensors.items()):
        parts += [_json([name, array.dtype.str, array.shape]).encode(), array.tobytes()]
    return _digest(*parts)


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
