"""What machines do to results: writers killed, bytes changed, disks full. For tests and `benchmarks/faults.py`."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import multiprocessing
import os
import random
import re
import resource
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from multiprocessing.process import BaseProcess
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
from oracles import same
from tqdm import tqdm

from counting import dyck, files, measurements, regimens, results, training
from counting.training import Runs
from pipeline import notebooks

REGIMEN = regimens.PAPER["relu"].but(epochs=2)
SHARD = 2


def processes() -> multiprocessing.context.BaseContext:
    """New processes are copies of one that has imported everything and runs no thread."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["counting.reference", "counting.results", "pipeline.notebooks"])
    return context


# Killed writers


def sweep(folder: Path, runs: int) -> None:
    """Obtain a sweep with `folder`/results as the cache; what is trained and read is noted in `folder`/log."""
    train, read = training.train, results._read

    def note(*what: object) -> None:
        with open(folder / "log", "a") as log:
            print(*what, file=log)

    def noted_train(regimen, words, validation, seeds, **options):
        note("trained", *seeds)
        return train(regimen, words, validation, seeds, **options)

    def noted_read(path):
        note("read", path.name)
        return read(path)

    os.environ.pop("COUNTING_RESULTS", None)
    tqdm.set_lock(threading.RLock())  # its own would be between processes, and outlive a killed one
    training.train, results._read = noted_train, noted_read
    results.FOLDER, results.SHARD = folder / "committed", SHARD
    files.cache_folder = lambda: folder
    words = dyck.pcfg(200, (2, 50), seed=1)
    results.obtain("sweep", REGIMEN, words, words[:20], range(runs), progress=False)


def start(folder: Path, runs: int) -> BaseProcess:
    folder.mkdir(exist_ok=True)
    process = processes().Process(target=sweep, args=(folder, runs))
    process.start()
    return process


def outcome(folder: Path) -> str:
    """SHA-256 of the files that a sweep has left, and their names, but for what killed writers had begun."""
    left = sorted(path for path in (folder / "results").iterdir() if not path.name.endswith(files.PARTIAL))
    assert all(path.suffix == ".safetensors" for path in left), [path.name for path in left]
    return hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in left)).hexdigest()


@dataclass(frozen=True)
class Kill:
    """What a kill found: finished shards, files that were being written, whether the sweep had ended."""

    finished: int
    partial: int
    ended: bool


def kill_and_resume(folder: Path, runs: int, seconds: float, expected: str, *, writing: bool = False) -> Kill:
    """`kill -9` a sweep that many seconds after its start, then resume it. Raises AssertionError for a fault.

    writing: wait until a file is being written, and kill then.
    """
    process = start(folder, runs)
    process.join(seconds)
    while writing and process.is_alive() and not any((folder / "results").glob(f"*{files.PARTIAL}")):
        pass
    process.kill()
    process.join()
    there = sorted((folder / "results").glob("*"))
    partial = [path for path in there if path.name.endswith(files.PARTIAL)]
    whole = [path for path in there if path not in partial]
    finished = {seed for path in whole for seed in results.load(path).seeds}  # BrokenResult where one is not whole
    (folder / "log").unlink(missing_ok=True)

    process = start(folder, runs)
    process.join()
    assert process.exitcode == 0
    log = [line.split() for line in (folder / "log").read_text().splitlines()]
    trained = [int(seed) for kind, *seeds in log if kind == "trained" for seed in seeds]
    assert sorted(trained) == sorted(set(range(runs)) - finished)
    assert not [name for kind, name, *_ in log if kind == "read" and name.endswith(files.PARTIAL)]
    assert outcome(folder) == expected
    return Kill(len(finished) // SHARD, len(partial), finished == set(range(runs)))


def two_writers(folder: Path, runs: int, expected: str) -> None:
    """Two processes obtain the same sweep at once. Raises AssertionError where one of them does not end well."""
    pair = [start(folder, runs) for _ in range(2)]
    for process in pair:
        process.join()
    assert [process.exitcode for process in pair] == [0, 0]
    assert outcome(folder) == expected


# Changed bytes


def _bytes(draw: random.Random) -> bytes:
    return draw.randbytes(draw.randint(1, 64))


def _header(data: bytes) -> tuple[bytes, bytes]:
    """Header and numbers of a safetensors file."""
    end = 8 + int.from_bytes(data[:8], "little")
    return data[8:end], data[end:]


def _with_header(header: bytes, numbers: bytes) -> bytes:
    return len(header).to_bytes(8, "little") + header + numbers


def _overwritten(data: bytes, at: int, by: bytes) -> bytes:
    return (data[:at] + by + data[at + len(by) :])[: len(data)]


def _flipped(data: bytes, at: int, draw: random.Random) -> bytes:
    return _overwritten(data, at, bytes([data[at] ^ 1 << draw.randrange(8)]))


def _swapped(data: bytes, at: int, draw: random.Random) -> bytes:
    size, to = draw.randint(1, 64), draw.randrange(len(data))
    return _overwritten(_overwritten(data, at, data[to : to + size]), to, data[at : at + size])


def _claimed(data: bytes, at: int, draw: random.Random) -> bytes:
    """Another length of the header than it has, small or up to 2^64 − 1."""
    return draw.getrandbits(draw.randint(1, 64)).to_bytes(8, "little") + data[8:]


def _number(data: bytes, at: int, draw: random.Random) -> bytes:
    """Another number somewhere in the header: a shape, an offset, a seed; its length is put right."""
    header, numbers = _header(data)
    found = draw.choice(list(re.finditer(rb"\d+", header)))
    other = str(draw.choice([-1, 0, 10**400, draw.getrandbits(draw.randint(1, 70))])).encode()
    return _with_header(header[: found.start()] + other + header[found.end() :], numbers)


def _nested(data: bytes, at: int, draw: random.Random) -> bytes:
    """JSON nested deeper than a parser goes, somewhere in the manifest."""
    header, numbers = _header(data)
    at = draw.choice([found.end() for found in re.finditer(rb":", header)])
    return _with_header(header[:at] + b"[" * 100_000 + b"]" * 100_000 + header[at:], numbers)


MUTATIONS: dict[str, Callable[[bytes, int, random.Random], bytes]] = {
    "bit flipped": _flipped,
    "range overwritten": lambda data, at, draw: _overwritten(data, at, _bytes(draw)),
    "range set to 0": lambda data, at, draw: _overwritten(data, at, bytes(draw.randint(1, 4096))),
    "cut off": lambda data, at, draw: data[:at],
    "bytes inserted": lambda data, at, draw: data[:at] + _bytes(draw) + data[at:],
    "bytes deleted": lambda data, at, draw: data[:at] + data[at + draw.randint(1, 64) :],
    "ranges swapped": _swapped,
    "other header length": _claimed,
    "other number in the header": _number,
    "header nested deeply": _nested,
}
"""Kind -> a changed copy of the bytes of a result file, at a place in it or, where that means nothing, elsewhere."""


def mutated(whole: bytes, kind: str, draw: random.Random) -> bytes:
    """A random mutation of this kind; its place is as often in the header's length, the header and the numbers."""
    end = 8 + int.from_bytes(whole[:8], "little")
    first, last = draw.choice([(0, 8), (8, end), (end, len(whole))])
    return MUTATIONS[kind](whole, draw.randrange(first, last), draw)


def refused(path: Path, mutant: bytes, runs: Runs) -> bool:
    """Whether the mutant is refused. Raises AssertionError where it loads as other runs, or is changed by loading."""
    path.write_bytes(mutant)
    try:
        assert same(results.load(path), runs)
        return False
    except results.BrokenResult:
        return True
    finally:
        assert path.read_bytes() == mutant


@contextlib.contextmanager
def memory(more: int) -> Iterator[None]:
    """No more bytes of address space than now and `more`: whoever believes a huge size fails at once."""
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (now + more, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


# Disks


@contextlib.contextmanager
def small_disk(folder: Path, size: int = 2**20) -> Iterator[Path]:
    """A disk of `size` bytes in memory, mounted at `folder`. Raises PermissionError: only root can."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        raise PermissionError("only root can mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def fill(disk: Path, free: int) -> Path:
    """Take all the room of the disk but `free` bytes; returns the file that takes it."""
    filler, space = disk / "filler", os.statvfs(disk)
    with open(filler, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, space.f_bavail * space.f_frsize - free)
    return filler


@contextlib.contextmanager
def read_only(disk: Path) -> Iterator[None]:
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    try:
        yield
    finally:
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)


def writers(runs: Runs, manifest: dict[str, object]) -> dict[str, Callable[[Path], object]]:
    """All that writes files: each puts several pages of 4 KiB at the path that it is given."""
    runs = replace(runs, losses=np.zeros((3, len(runs), 200)))
    sweep = results.Sweep(**manifest["sweep"])
    table = pd.DataFrame({"number": range(1000)})
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("text " * 4000, id="text")])
    return {
        "results.save": lambda path: results.save(path, runs, sweep),
        "measurements.record": lambda path: measurements.record(path.stem, {"numbers": table}, folder=path.parent),
        "notebooks.write": lambda path: notebooks.write(notebook, path),
    }


def fails_well(write: Callable[[Path], object], path: Path, expected: int) -> None:
    """AssertionError unless `write(path)` raises this errno, says what to do, and leaves the folder as it was."""

    def content() -> dict[str, bytes]:
        return {entry.name: entry.read_bytes() for entry in path.parent.iterdir() if entry.name != "filler"}

    before = content()
    try:
        write(path)
    except OSError as error:
        assert error.errno == expected, error
        assert str(path) in str(error) and "was not written" in str(error) and "run this again" in str(error)
    else:
        raise AssertionError(f"{path} was written, {os.strerror(expected)} was expected")
    assert content() == before


FULL, READ_ONLY = errno.ENOSPC, errno.EROFS
