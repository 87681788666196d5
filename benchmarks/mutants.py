"""Mutation testing: small faults are put into the library, one at a time, and its tests must notice.

    pip install -c requirements.txt cosmic-ray==8.7.0
    python benchmarks/mutants.py run dyck --sample 100      tests a sample; again: goes on where it stopped
    python benchmarks/mutants.py again dyck                 tests again what survived, by the tests as they are now
    python benchmarks/mutants.py record                     the tables, with the judgements of mutants.csv

A mutant is one operator, number, condition, decorator or loop of the source changed as Cosmic Ray changes it; those
inside annotations, which nobody runs, are left out. All of a subject's mutants stand in a list, by file, place and
kind, of which every k-th is tested: a sample that is spread evenly over the sources, from a fixed seed.

A mutant is killed if the subject's tests fail, or do not end in eight times their usual time. It is tested in a
copy of the repository, never in this folder, by a process forked from one that has imported PyTorch and Numba but
nothing of `counting`. Changed kernels are compiled anew, into a cache of their own in `_build/mutants`; so a mutant
takes seconds in `dyck`, half a minute in `engine` and up to three in `certificate`.
"""

from __future__ import annotations

import argparse
import ast
import csv
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "_build" / "mutants"
JUDGED = Path(__file__).with_suffix(".csv")
SEED = 2022
MEMORY = 6 * 2**30

SUBJECTS = {
    "dyck": (["counting/dyck.py"], ["tests/test_dyck.py"]),
    "evaluation": (["counting/evaluation.py"], ["tests/test_evaluation.py"]),
    "anatomy": (
        ["counting/anatomy/*.py"],
        [f"tests/test_{part}.py" for part in
         ("anatomy", "anatomy_lstm", "anatomy_relu", "anatomy_gru", "exact", "rounding")],
    ),
    "certificate": (["counting/certificate/*.py"], ["tests/test_certificate.py", "tests/test_many.py"]),
    "engine": (
        [f"counting/engine/{part}.py" for part in
         ("activations", "adam", "gru", "layout", "lstm", "packed", "readout", "relu", "shuffle")],
        ["tests/engine", "tests/test_evaluation.py", "tests/test_reference.py"],
    ),
}  # fmt: skip
"""Subject -> its sources, and the tests that are held to know them, quickest first."""


@dataclass(frozen=True)
class Mutant:
    file: str
    line: int
    column: int
    operator: str
    occurrence: int

    @property
    def key(self) -> str:
        return f"{self.file}:{self.operator}:{self.occurrence}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, dest="command")
    for name in ("run", "again"):
        command = commands.add_parser(name)
        command.add_argument("subject", choices=SUBJECTS)
        command.add_argument("--sample", type=int, default=100, help="mutants of this subject (default: 100)")
        command.add_argument("--minutes", type=float, default=float("inf"), help="stop before the next one")
    commands.add_parser("record")
    options = parser.parse_args()
    if options.command == "record":
        record()
    else:
        test(options.subject, options.sample, options.minutes, again=options.command == "again")


def all_mutants(subject: str) -> list[Mutant]:
    """By file, place and kind of change."""
    from cosmic_ray import plugins
    from cosmic_ray.ast import ast_nodes, get_ast

    # These two need to be told which names to replace.
    operators = [name for name in plugins.operator_names() if "/Variable" not in name]
    found = []
    for path in sorted(path for pattern in SUBJECTS[subject][0] for path in ROOT.glob(pattern)):
        source = path.read_text(encoding="utf-8")
        nodes, skipped = list(ast_nodes(get_ast(source))), list(_annotations(source))
        for name in operators:
            operator = plugins.get_operator(name)()
            places = [place for node in nodes for place, _ in operator.mutation_positions(node)]
            found += [
                Mutant(str(path.relative_to(ROOT)), *place, name.removeprefix("core/"), occurrence)
                for occurrence, place in enumerate(places)
                if not any(start <= place < end for start, end in skipped)
            ]
    return sorted(found, key=lambda mutant: (mutant.file, mutant.line, mutant.column, mutant.operator))


def _annotations(source: str) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Where annotations start and end, as (line, column)."""
    for node in ast.walk(ast.parse(source)):
        for field in ("annotation", "returns"):
            if (part := getattr(node, field, None)) is not None:
                yield (part.lineno, part.col_offset), (part.end_lineno, part.end_col_offset)


def sampled(mutants: list[Mutant], size: int) -> list[Mutant]:
    """Every k-th, from a random start; in random order, so that a run that is stopped is a sample too."""
    rng = np.random.default_rng(SEED)
    places = (rng.random() + np.arange(min(size, len(mutants)))) * len(mutants) / min(size, len(mutants))
    return [mutants[int(place)] for place in rng.permutation(places)]


def test(subject: str, size: int, minutes: float, again: bool) -> None:
    """Test a sample of mutants, or again those that survived, and write what came of each."""
    OUT.mkdir(parents=True, exist_ok=True)
    log, started = OUT / f"{subject}.jsonl", time.monotonic()
    population = all_mutants(subject)
    before = outcomes(subject)
    chosen = sampled(population, size)
    if again:
        chosen = [Mutant(**row["mutant"]) for row in before.values() if row["outcome"] == "survived"]
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = Path(folder) / "copy"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(
            ".git", "_build", ".venv", "__pycache__", ".*_cache", "results", "book", ".hypothesis"))  # fmt: skip
        os.environ["XDG_CACHE_HOME"] = str(OUT / "cache")
        _prepare(copy)
        for _ in range(2):  # The first compiles.
            usual, outcome, _ = _run_tests(copy, subject, 3_600)
        if outcome != "survived":
            raise SystemExit(f"the tests of {subject} fail without any mutant")
        print(f"{subject}: {len(population):,} mutants, tests take {usual:.1f} s", flush=True)
        for number, mutant in enumerate(chosen):
            if time.monotonic() - started > 60 * minutes:
                break
            if mutant.key in before and not again:
                continue
            changed = _mutated(mutant)
            if again and not _change(mutant, changed).items() <= before[mutant.key].items():
                print(f"{mutant.key}: the source is another by now", flush=True)
                continue
            (copy / mutant.file).write_text(changed, encoding="utf-8")
            seconds, outcome, by = _run_tests(copy, subject, max(60, 8 * usual))
            shutil.copy(ROOT / mutant.file, copy / mutant.file)
            row = {
                "mutant": asdict(mutant), "population": len(population), "outcome": outcome, "by": by,
                "seconds": round(seconds, 1), "again": again, **_change(mutant, changed),
            }  # fmt: skip
            with log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
            print(f"{number + 1}/{len(chosen)} {outcome:8} {seconds:5.1f} s  {mutant.key}", flush=True)


def _mutated(mutant: Mutant) -> str:
    from cosmic_ray import plugins
    from cosmic_ray.mutating import mutate_code

    operator = plugins.get_operator(f"core/{mutant.operator}")()
    return mutate_code((ROOT / mutant.file).read_text(encoding="utf-8"), operator, mutant.occurrence)


def _change(mutant: Mutant, changed: str) -> dict[str, str]:
    """The source line before and after; a removed decorator leaves an empty one."""
    source = (ROOT / mutant.file).read_text(encoding="utf-8").splitlines()
    lines = changed.splitlines()
    after = lines[mutant.line - 1] if len(lines) == len(source) else ""
    return {"before": source[mutant.line - 1].strip(), "after": " ".join(after.split())}


def _prepare(copy: Path) -> None:
    """What every fork shares: imports that no mutant can change, and no bytecode that could be stale."""
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    sys.dont_write_bytecode = True
    os.chdir(copy)
    sys.path.insert(0, str(copy))
    import hypothesis
    import matplotlib.pyplot  # noqa: F401
    import numba  # noqa: F401
    import pytest  # noqa: F401
    import safetensors.torch  # noqa: F401
    import scipy.stats  # noqa: F401
    import torch  # noqa: F401
    from hypothesis import Phase

    # A failure is enough: no one reads the smallest.
    hypothesis.settings.register_profile("first failure", phases=[Phase.explicit, Phase.generate])
    hypothesis.settings.load_profile("first failure")
    assert "counting" not in sys.modules


def _run_tests(copy: Path, subject: str, limit: float) -> tuple[float, str, str]:
    """Seconds, outcome and which test failed. The tests run in a fork, until the first failure."""
    started, output = time.monotonic(), copy.parent / "output.txt"
    child = os.fork()
    if not child:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        file = os.open(output, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
        os.dup2(file, 1)
        os.dup2(file, 2)
        import pytest

        options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--tb=no",
                   "-W", "ignore::pytest.PytestAssertRewriteWarning"]  # hypothesis is there before pytest
        code = 1
        try:
            code = int(pytest.main([*options, *SUBJECTS[subject][1]]))
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    status = None
    while status is None and time.monotonic() - started < limit:
        time.sleep(0.05)
        done, code = os.waitpid(child, os.WNOHANG)
        status = code if done else None
    seconds = time.monotonic() - started
    if status is None:
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return seconds, "timeout", ""
    failed = [line.split(" - ")[0] for line in output.read_text(errors="replace").splitlines()
              if line.startswith(("FAILED", "ERROR"))]  # fmt: skip
    return seconds, "killed" if status else "survived", failed[0] if failed else ""


def outcomes(subject: str) -> dict[str, dict[str, object]]:
    """What came of each mutant, the last word on it; `first` is the first."""
    log = OUT / f"{subject}.jsonl"
    found: dict[str, dict[str, object]] = {}
    for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else []:
        row = json.loads(line)
        key = Mutant(**row["mutant"]).key
        found[key] = row | {"first": found.get(key, row | {"first": row["outcome"]})["first"]}
    return found


def judgements() -> dict[tuple[str, str, str], dict[str, str]]:
    """(file, line before, line after) -> verdict ("equivalent", "harmless" or "hole") and why."""
    if not JUDGED.exists():
        return {}
    with JUDGED.open(encoding="utf-8", newline="") as file:
        return {(row["file"], row["before"], row["after"]): row for row in csv.DictReader(file)}


def record() -> None:
    """Both tables: what came of all mutants, and a judgement of each that survived the first time."""
    from counting import measurements
    from counting.statistics import wilson

    judged, rows, survivors = judgements(), [], []
    for subject in SUBJECTS:
        if not (found := outcomes(subject)):
            continue
        of = pd.DataFrame(found.values())
        first = int((of["first"] != "survived").sum())
        now = int((of["outcome"] != "survived").sum())
        low, high = wilson(first, len(of))
        verdicts = []
        for row in found.values():
            if row["first"] != "survived":
                continue
            mutant = row["mutant"]
            place = (mutant["file"], row["before"], row["after"])
            said = judged.get(place, {"verdict": "unjudged", "why": ""})
            verdicts.append(said["verdict"] if row["outcome"] == "survived" else "killed")
            survivors.append(
                {"subject": subject, "file": mutant["file"], "line": mutant["line"], "before": row["before"],
                 "after": row["after"], "now": row["outcome"], "verdict": said["verdict"], "why": said["why"]}
            )  # fmt: skip
        equivalent = verdicts.count("equivalent")
        rows.append(
            {"subject": subject, "mutants": int(of["population"].iloc[-1]), "sampled": len(of),
             "killed at first": first, "of these by time-out": int((of["first"] == "timeout").sum()),
             "share killed at first": first / len(of), "low": low, "high": high,
             "killed now": now, "survived": len(of) - now, "of these equivalent": equivalent,
             "share killed now": now / len(of), "share of those not equivalent": now / (len(of) - equivalent)}
        )  # fmt: skip
    tables = {"mutants": pd.DataFrame(rows), "survivors": pd.DataFrame(survivors)}
    for table in tables.values():
        print(table.to_string(index=False), end="\n\n")
    print(measurements.record("mutants", tables, "cosmic-ray"))


if __name__ == "__main__":
    main()
