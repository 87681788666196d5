"""Trained runs on disk, each file knowing what it holds and whether it is whole.

A file is a safetensors file (it can be read without executing code) whose metadata is a JSON manifest: the regimen,
the seeds, the SHA-256 of the words, of the initial networks and of the code that trained, the versions of what that
code rests on, and a SHA-256 over all this and the numbers.

`obtain` is what chapters call: it loads runs that the committed `results/` or this machine's cache hold, and trains
and caches what they do not. The environment variable COUNTING_RESULTS changes that:

    verify    train some runs of each sweep again and compare with `results/`: every bit must agree (`make book`)
    record    keep in `results/` what is not there yet (`make book ACCEPT=1`)
    retrain   train everything again and keep it in `results/` (`make results`)
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import shlex
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_safetensors

from counting import files, sources, training
from counting.cells import Networks, checked_seeds
from counting.dyck import Words
from counting.regimens import Regimen
from counting.training import CRITERIA, Runs
from counting.workers import slices

FOLDER = sources.ROOT / "results"
"""The committed results, beside the package."""

SHARD = training.SHARD
"""Runs that are trained and cached at a time, so that an interrupted sweep goes on where it stopped."""

CHECKED = 16
"""Runs that "verify" trains again, unless a chapter asks for others."""

FORMAT = 1
_WRONG = (ValueError, TypeError, AttributeError, LookupError, OverflowError, RecursionError)
"""What reading raises where a manifest is nothing that `save` writes."""

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
        return _digest(_json(asdict(self)).encode())[:10]


def obtain(
    name: str,
    regimen: Regimen,
    words: Words,
    validation: Words,
    seeds: Iterable[int],
    *,
    sample: int | None = CHECKED,
    **options: Any,
) -> Runs:
    """Load the runs of a sweep where a file has exactly these, by the present code; else train and keep them.

    name: what the committed file is called; one name, one sweep.
    sample: how many of the runs "verify" trains again (None: all of them); with 0 it only reads what is there.
    options: checkpoints (here none by default), start, executor and progress, as for `training.train`.
    Raises BrokenResult for a damaged file, ResultDiffers where "verify" finds other numbers.
    """
    mode = os.environ.get("COUNTING_RESULTS", "")
    if mode not in MODES:
        raise ValueError(f"COUNTING_RESULTS must be one of {MODES}; got {mode!r}")
    seeds = checked_seeds(seeds)
    if (start := options.pop("start", None)) is None:
        start = training.initial_networks(regimen, seeds, words)
    checkpoints = tuple(sorted(set(options.pop("checkpoints", ()))))

    def sweep(part: slice) -> Sweep:
        begin = _digest(*(array.tobytes() for array in start[part].parameters.values()))
        return Sweep(regimen.to_dict(), seeds[part], checkpoints, words.sha256, validation.sha256, begin)

    def train(runs: np.ndarray) -> Iterator[tuple[int, Runs]]:
        chosen = {"checkpoints": checkpoints, "start": start[runs], "shard": SHARD, **options}
        return training.train_shards(regimen, words, validation, [seeds[run] for run in runs], **chosen)

    committed, whole = FOLDER / f"{name}.safetensors", sweep(slice(None))
    if mode == "verify":
        return _verified(committed, whole, train, sample)
    if mode != "retrain" and (runs := _held(committed, whole)) is not None:
        return runs
    parts = slices(len(seeds), SHARD)
    runs = _in_shards(name, parts, [sweep(part) for part in parts], train, anew=mode == "retrain")
    if mode:
        save(committed, runs, whole)
    return runs


def _in_shards(
    name: str,
    parts: list[slice],
    sweeps: list[Sweep],
    train: Callable[[np.ndarray], Iterator[tuple[int, Runs]]],
    anew: bool,
) -> Runs:
    """Load each shard of a sweep from this machine's cache, or train and keep it. anew: train all of them."""
    folder = files.cache_folder() / "results"
    paths = [folder / f"{name}-{sweep.key}.safetensors" for sweep in sweeps]
    shards = [None if anew else _held(path, sweep) for path, sweep in zip(paths, sweeps, strict=True)]
    missing = [n for n, runs in enumerate(shards) if runs is None]
    if missing:
        for number, runs in train(np.concatenate([np.arange(parts[-1].stop)[parts[n]] for n in missing])):
            n = missing[number]
            shards[n] = runs
            try:
                save(paths[n], runs, sweeps[n])
            except OSError as error:
                files.say_not_kept("trained runs are", folder, str(error.__cause__))
    return Runs.concatenate(runs for runs in shards if runs is not None)


def _verified(
    path: Path, sweep: Sweep, train: Callable[[np.ndarray], Iterator[tuple[int, Runs]]], sample: int | None
) -> Runs:
    """Load the committed runs, and train all or the first `sample` of them again to the same bits."""
    fault, runs = "is not there, or holds another sweep, or was trained by other code", _held(path, sweep)
    if runs is not None:
        if sample == 0:
            return runs
        again = dict(train(np.arange(len(sweep.seeds))[:sample]))
        same = _content_digest({}, _tensors(Runs.concatenate(again[n] for n in sorted(again))))
        if same == _content_digest({}, _tensors(runs, slice(sample))):
            return runs
        fault = "holds other numbers than training gives now"
    raise ResultDiffers(f"{path} {fault}; if it should be so, run `make book ACCEPT=1` and commit what it writes")


def save(path: Path, runs: Runs, sweep: Sweep) -> None:
    """Write a result file, whole or not at all. Raises OSError that says what to do where it cannot be written."""
    tensors = _tensors(runs)
    manifest = {
        "format": FORMAT,
        "sweep": asdict(sweep),
        "runs": list(runs.seeds),
        "code": code_sha256(),
        "versions": {package: importlib.metadata.version(package) for package in ("numba", "numpy", "torch")},
    }
    manifest["sha256"] = _content_digest(manifest, tensors)
    files.write(path, to_safetensors(tensors, metadata={"manifest": _json(manifest)}))


def load(path: Path) -> Runs:
    """Read a result file. Raises BrokenResult unless every byte is as it was written."""
    return _read(path)[1]


def manifest(path: Path) -> dict[str, Any]:
    """Read the manifest of a result file, checked like the rest of it."""
    return _read(path)[0]


def code_sha256() -> str:
    """Digest the code that turns a sweep into numbers: `training` and all that it imports."""
    return sources.digest("import counting.training")


def _held(path: Path, sweep: Sweep) -> Runs | None:
    """Load the runs of the sweep, if the file is there, holds just them and was made by the present code.

    A damaged file is an error, not an absence.
    """
    if not path.exists():
        return None
    manifest, runs = _read(path)
    return runs if [manifest["code"], manifest["sweep"]] == [code_sha256(), json.loads(_json(asdict(sweep)))] else None


def _read(path: Path) -> tuple[dict[str, Any], Runs]:
    try:
        with safe_open(path, framework="numpy") as file:
            manifest = json.loads((file.metadata() or {})["manifest"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        claimed = manifest["sha256"]
        found = _content_digest({key: value for key, value in manifest.items() if key != "sha256"}, tensors)
        if claimed != found:
            raise ValueError(f"it was altered: its SHA-256 is {found[:12]}…, it says {str(claimed)[:12]}…")
        return manifest, _runs(manifest, tensors)
    except (SafetensorError, *_WRONG) as error:
        restore = f"restore it (`git -C {shlex.quote(str(path.parent))} checkout -- {shlex.quote(path.name)}`) or "
        raise BrokenResult(
            f"{path} is no whole result file ({error}); it was left as it is; "
            f"{restore if path.parent == FOLDER else ''}delete it to train again"
        ) from error


def _runs(manifest: dict[str, Any], tensors: dict[str, np.ndarray]) -> Runs:
    """Put runs together again. Raises ValueError, TypeError or LookupError unless all is what `save` writes."""
    sweep, seeds = Sweep(**manifest["sweep"]), checked_seeds(manifest["runs"])
    regimen = Regimen.from_dict(sweep.regimen)

    def networks(prefix: str) -> Networks:
        parts = {name.removeprefix(prefix): a for name, a in tensors.items() if name.startswith(prefix)}
        return Networks(regimen.cell, parts)

    runs = Runs(
        regimen,
        seeds,
        tensors["losses"],
        {criterion: networks(f"selected/{criterion}/") for criterion in CRITERIA},
        {epoch: networks(f"checkpoint/{epoch}/") for epoch in sweep.checkpoints},
    )
    stacks = [*runs.selected.values(), *runs.checkpoints.values()]
    kinds = {(len(networks), networks.dtype.name) for networks in stacks}
    right = {
        "format": manifest["format"] == FORMAT,
        "runs": list(seeds) == sweep.seeds,
        "digests": all(isinstance(d, str) for d in (manifest["code"], sweep.words, sweep.validation, sweep.start)),
        "checkpoints": all(type(epoch) is int and 0 <= epoch <= regimen.epochs for epoch in sweep.checkpoints),
        "losses": (runs.losses.dtype, runs.losses.shape) == (np.float64, (3, len(seeds), regimen.epochs + 1)),
        "networks": kinds == {(len(seeds), regimen.dtype)}
        and len(tensors) == 1 + sum(len(networks.parameters) for networks in stacks),
    }
    if wrong := [name for name, fine in right.items() if not fine]:
        raise ValueError(f"its {', '.join(wrong)} cannot be what was saved")
    return runs


def _tensors(runs: Runs, chosen: slice = slice(None)) -> dict[str, np.ndarray]:
    """Name the arrays of the chosen runs."""
    tensors = {"losses": runs.losses[:, chosen]}
    stacks = {f"selected/{criterion}": networks for criterion, networks in runs.selected.items()}
    stacks |= {f"checkpoint/{epoch}": networks for epoch, networks in runs.checkpoints.items()}
    for stack, networks in stacks.items():
        tensors |= {f"{stack}/{name}": array[chosen] for name, array in networks.parameters.items()}
    return {name: np.ascontiguousarray(array) for name, array in tensors.items()}


def _content_digest(manifest: dict[str, Any], tensors: dict[str, np.ndarray]) -> str:
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
