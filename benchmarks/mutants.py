"""Mutation testing: small faults are put into the library, one at a time, and its tests must notice.

    pip install -c requirements.txt cosmic-ray==8.7.0 coverage
    python benchmarks/mutants.py run dyck --sample 150      meets a sample; once more: goes on where it stopped
    python benchmarks/mutants.py run dyck --compiled        what survived meets all tests, as they usually run
    python benchmarks/mutants.py again dyck                 what survived both meets the tests as they are now
    python benchmarks/mutants.py record                     the tables, with the judgements of mutants.csv

A mutant is one operator, number, condition, decorator or loop of the source changed as Cosmic Ray changes it; those
inside annotations, which nobody runs, are left out. All of a subject's mutants stand in a list, by file, place and
kind, of which every k-th is tested: a sample that is spread evenly over the sources, from a fixed seed.

A mutant costs seconds, for nothing is compiled: kernels run as the Python that they are, with `LANES` runs in a block.
It meets the tests that reach its line and end within `SECONDS` so, the quickest first, until one fails. It is killed
if one does, or takes eight times as long as usual. What survives so met no test that is slow, or looks at compiled
code: then, minutes each, it meets them all. All happens in a copy of the repository, in processes forked from one that
has imported PyTorch and Numba but nothing of `counting`. Seconds are the processor's: what else runs changes nothing.
"""

from __future__ import annotations

import argparse
import ast
import csv
import json
import math
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import interpreted
import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "_build" / "mutants"
JUDGED = Path(__file__).with_suffix(".csv")
SEED = 2022
LANES, SECONDS = 4, 2
ENOUGH = 40
"""Tests that a mutant meets at most."""

SUBJECTS = {
    "dyck": (["counting/dyck.py"], ["tests/test_dyck.py"]),
    "results": (
        [f"counting/{part}.py" for part in ("results", "files", "sources", "statistics", "sweeps")],
        [f"tests/test_{part}.py" for part in ("files", "sources", "statistics", "sweeps", "results")],
    ),
    "evaluation": (["counting/evaluation.py"], ["tests/test_evaluation.py"]),
    "anatomy": (["counting/anatomy/*.py"], ["tests/test_anatomy*.py", "tests/test_exact.py", "tests/test_rounding.py"]),
    "certificate": (
        ["counting/certificate/*.py"],
        ["tests/test_certificate*.py", "tests/test_many.py", "tests/test_several.py"],
    ),
    "engine": (["counting/engine/*.py"], ["tests/engine/*.py"]),
}
"""Subject -> its sources, and the tests that are held to know them."""

IGNORED = ("RuntimeWarning", "pytest.PytestAssertRewriteWarning")
"""Warnings of NumPy where kernels overflow on purpose, and of pytest, which is imported late."""


@dataclass(frozen=True)
class Mutant:
    """A place in a file and what is done to it."""

    file: str
    line: int
    column: int
    operator: str
    occurrence: int

    @property
    def key(self) -> str:
        """Its name in tables."""
        return f"{self.file}:{self.operator}:{self.occurrence}"


def all_mutants(subject: str) -> list[Mutant]:
    """List them by file, place and kind of change."""
    from cosmic_ray import plugins
    from cosmic_ray.ast import ast_nodes, get_ast

    # Those for variables need to be told which names to replace.
    operators = [name for name in plugins.operator_names() if "/Variable" not in name]
    found = []
    for path in paths(ROOT, SUBJECTS[subject][0]):
        source = path.read_text(encoding="utf-8")
        nodes, skipped = list(ast_nodes(get_ast(source))), list(_annotations(source))
        for name in operators:
            operator = plugins.get_operator(name)()
            places = [place for node in nodes for place, _ in operator.mutation_positions(node)]
            found += [
                Mutant(path.relative_to(ROOT).as_posix(), *place, name.removeprefix("core/"), occurrence)
                for occurrence, place in enumerate(places)
                if not any(start <= place < end for start, end in skipped)
            ]
    return sorted(found, key=lambda mutant: (mutant.file, mutant.line, mutant.column, mutant.operator))


def paths(root: Path, patterns: list[str]) -> list[Path]:
    """Find the files of these patterns."""
    return [path for pattern in patterns for path in sorted(root.glob(pattern))]


def _annotations(source: str) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Where annotations start and end, as (line, column)."""
    for node in ast.walk(ast.parse(source)):
        for field in ("annotation", "returns"):
            if (part := getattr(node, field, None)) is not None:
                yield (part.lineno, part.col_offset), (part.end_lineno, part.end_col_offset)


def sampled(mutants: list[Mutant], size: int) -> list[Mutant]:
    """Take every k-th, from a random start; in random order, so that a run that is stopped is a sample too."""
    rng = np.random.default_rng(SEED)
    places = (rng.random() + np.arange(min(size, len(mutants)))) * len(mutants) / min(size, len(mutants))
    return [mutants[int(place)] for place in rng.permutation(places)]


class Reach:
    """A plugin of pytest that notes which tests pass, in how many seconds, and which lines they run."""

    def __init__(self, copy: Path) -> None:
        from coverage import Coverage

        self.copy, self.seconds, self.passed = copy, {}, {}
        self.too_long: set[str] = set()
        self.coverage = Coverage(data_file=None, source=[str(copy / "counting")], config_file=False)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """End a test that takes too long, and begin none of its other kinds."""
        function = item.nodeid.partition("[")[0]
        if function in self.too_long:
            item.add_marker(pytest.mark.skip)
        self.coverage.start()
        self.coverage.switch_context(item.nodeid)
        signal.signal(signal.SIGVTALRM, _too_long)
        signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
        started = time.process_time()
        yield
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        self.seconds[item.nodeid] = time.process_time() - started
        if self.seconds[item.nodeid] >= SECONDS:
            self.too_long.add(function)
        self.coverage.stop()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note whether all parts of a test passed."""
        self.passed[report.nodeid] = self.passed.get(report.nodeid, True) and report.passed

    def table(self) -> dict[str, Any]:
        """List the tests that passed with their seconds, and for each file and line those that run it."""
        seconds = {test: s for test, s in self.seconds.items() if self.passed.get(test)}
        data, lines = self.coverage.get_data(), {}
        for file in data.measured_files():
            found = data.contexts_by_lineno(file)
            name = Path(file).relative_to(self.copy).as_posix()
            lines[name] = {line: [t for t in tests if t in seconds] for line, tests in found.items()}
        return {"seconds": seconds, "lines": lines}


class TooLong(BaseException):
    """A test takes too long. No one catches it."""


def _too_long(*_: object) -> None:
    raise TooLong


def test(subject: str, size: int, minutes: float, again: bool, compiled: bool) -> None:
    """Test a sample of mutants, or again those that survived, and write what came of each."""
    OUT.mkdir(parents=True, exist_ok=True)
    started, population, before = time.monotonic(), all_mutants(subject), outcomes(subject)
    chosen = [mutant for mutant in sampled(population, size) if mutant.key not in before]
    if again or compiled:
        chosen = [Mutant(**row["mutant"]) for row in before.values() if row["outcome"] == "survived"]
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = Path(folder) / "copy"
        _prepare(copy, subject, compiled)
        tests = [path.relative_to(copy).as_posix() for path in paths(copy, SUBJECTS[subject][1])]
        usual, _, _ = _run(copy, tests, 3_600, reach=None if compiled else copy.parent / "reach.json")
        reach = {} if compiled else json.loads((copy.parent / "reach.json").read_text())
        known = list(reach.get("seconds", tests))
        if _run(copy, known, 3_600)[1] != "survived":
            raise SystemExit(f"the tests of {subject} fail without any mutant: see {copy.parent / 'output.txt'}")
        print(f"{subject}: {len(population):,} mutants, {len(known)} tests in {usual:.0f} s", flush=True)
        for number, mutant in enumerate(chosen):
            if time.monotonic() - started > 60 * minutes:
                break
            changed = _mutated(mutant, copy)
            met = tests if compiled else _met(mutant, reach)
            limit = 8 * usual if compiled else 10 + 8 * sum(reach["seconds"][test] for test in met)
            whole = (copy / mutant.file).read_text(encoding="utf-8")
            (copy / mutant.file).write_text(changed, encoding="utf-8")
            seconds, outcome, by = _run(copy, met, limit) if met else (0.0, "survived", "")
            (copy / mutant.file).write_text(whole, encoding="utf-8")
            row = {
                "mutant": asdict(mutant), "population": len(population), "outcome": outcome, "by": by,
                "seconds": round(seconds, 1), "again": again, **_change(mutant, whole, changed),
            }  # fmt: skip
            with (OUT / f"{subject}.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
            print(f"{number + 1}/{len(chosen)} {outcome} {seconds:.1f} s  {len(met)} tests, {mutant.key}", flush=True)


def _met(mutant: Mutant, reach: dict[str, Any]) -> list[str]:
    """Choose the quickest tests that run the line; for one that runs at import, of all that run some of the file."""
    lines, seconds = reach["lines"].get(mutant.file, {}), reach["seconds"]
    found = lines.get(str(mutant.line)) or {test for tests in lines.values() for test in tests}
    return sorted(found, key=lambda test: seconds[test])[:ENOUGH]


def _prepare(copy: Path, subject: str, compiled: bool) -> None:
    """Copy the repository, and import what every fork shares and no mutant can change."""
    ignored = shutil.ignore_patterns(".git", "_build", ".venv", "__pycache__", ".*_cache", "results", "*.ipynb")
    shutil.copytree(ROOT, copy, ignore=ignored)
    os.environ |= {"PYTHONDONTWRITEBYTECODE": "1", "XDG_CACHE_HOME": str(OUT / "cache")}
    sys.dont_write_bytecode = True
    os.chdir(copy)
    sys.path[:0] = [str(copy), str(copy / "tests")]
    import hypothesis
    import matplotlib.pyplot  # noqa: F401
    import numba  # noqa: F401
    import playwright.sync_api  # noqa: F401
    import safetensors.torch  # noqa: F401
    import scipy.stats  # noqa: F401
    import torch._dynamo  # what an optimizer imports when it is made

    if not compiled:
        lanes = copy / "counting" / "engine" / "lanes.py"
        lanes.write_text(re.sub(r"^LANES = \d+", f"LANES = {LANES}", lanes.read_text(), flags=re.MULTILINE))
        interpreted.interpret()
        torch.set_num_threads(1)
    # A failure is enough: no one reads the smallest.
    phases = [hypothesis.Phase.explicit, hypothesis.Phase.generate]
    examples = 100 if compiled else 10
    hypothesis.settings.register_profile("mutants", phases=phases, max_examples=examples, derandomize=True)
    hypothesis.settings.load_profile("mutants")
    assert "counting" not in sys.modules


def _run(copy: Path, tests: list[str], limit: float, reach: Path | None = None) -> tuple[float, str, str]:
    """Run tests in a fork, until the first failure; returns seconds, outcome and which test failed."""
    output = copy.parent / "output.txt"
    child = os.fork()
    if not child:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(limit), math.ceil(limit) + 5))
        file = os.open(output, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
        os.dup2(file, 1)
        os.dup2(file, 2)
        os._exit(_tests(copy, tests, reach))
    # One that waits for ever uses no processor.
    waiting = threading.Timer(60 * limit, os.killpg, (child, signal.SIGXCPU))
    waiting.start()
    _, status, used = os.wait4(child, 0)
    waiting.cancel()
    seconds = used.ru_utime + used.ru_stime
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU:
        return seconds, "timeout", ""
    lines = output.read_text(errors="replace").splitlines()
    failed = [line.split(" - ")[0] for line in lines if line.startswith(("FAILED", "ERROR"))]
    return seconds, "killed" if status else "survived", failed[0] if failed else ""


def _tests(copy: Path, tests: list[str], reach: Path | None) -> int:
    """Run the tests in this fork; returns its exit code."""
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:randomly", "--tb=no"]
    options += [word for warning in IGNORED for word in ("-W", f"ignore::{warning}")]
    try:
        if reach is None:
            return int(pytest.main([*options, "-x", *tests]))
        plugin = Reach(copy)
        pytest.main([*options, *tests], [plugin])
        reach.write_text(json.dumps(plugin.table()))
        return 0
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _mutated(mutant: Mutant, copy: Path) -> str:
    from cosmic_ray import plugins
    from cosmic_ray.mutating import mutate_code

    operator = plugins.get_operator(f"core/{mutant.operator}")()
    return mutate_code((copy / mutant.file).read_text(encoding="utf-8"), operator, mutant.occurrence)


def _change(mutant: Mutant, whole: str, changed: str) -> dict[str, str]:
    """Quote the source line before and after; a removed decorator leaves an empty one."""
    source, lines = whole.splitlines(), changed.splitlines()
    after = lines[mutant.line - 1] if len(lines) == len(source) else ""
    return {"before": source[mutant.line - 1].strip(), "after": " ".join(after.split())}


def outcomes(subject: str) -> dict[str, dict[str, Any]]:
    """Read what came of each mutant, the last word on it; `first` is that before any test was written for it."""
    log, found = OUT / f"{subject}.jsonl", {}
    for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else []:
        row = json.loads(line)
        key = Mutant(**row["mutant"]).key
        found[key] = row | {"first": found[key]["first"] if row["again"] else row["outcome"]}
    return found


def record() -> None:
    """Keep both tables: what came of all mutants, and a judgement of each that survived the first time.

    A verdict of mutants.csv is "equivalent", "harmless", "hole", or "compiled": one that compiled tests alone can see,
    by reading both. Of a subject that was not run the old rows stay.
    """
    from counting import measurements
    from counting.statistics import wilson

    with JUDGED.open(encoding="utf-8", newline="") as file:
        judged = {(row["file"], row["before"], row["after"]): row for row in csv.DictReader(file)}
    rows, survivors, old = [], [], measurements.load("mutants").tables
    for subject in SUBJECTS:
        if not (found := list(outcomes(subject).values())):
            for table, name in ((rows, "mutants"), (survivors, "survivors")):
                table += old[name][old[name].subject == subject].to_dict("records")
            continue
        verdicts = []
        for row in (row for row in found if row["first"] == "survived"):
            said = judged.get((row["mutant"]["file"], row["before"], row["after"]), {"verdict": "unjudged", "why": ""})
            verdicts.append(said["verdict"] if row["outcome"] == "survived" else "killed")
            place = {"file": row["mutant"]["file"], "line": row["mutant"]["line"]}
            texts = {key: row[key] for key in ("before", "after")}
            judgement = {"now": row["outcome"], "verdict": said["verdict"], "why": said["why"]}
            survivors.append({"subject": subject} | place | texts | judgement)
        n = len(found)
        first, now = (n - sum(row[when] == "survived" for row in found) for when in ("first", "outcome"))
        low, high = wilson(first, n)
        rows.append({
            "subject": subject, "mutants": found[-1]["population"], "sampled": n, "killed at first": first,
            "share killed at first": first / n, "low": low, "high": high, "killed now": now,
            "of these equivalent": verdicts.count("equivalent"),
        })  # fmt: skip
    tables = {"mutants": pd.DataFrame(rows).dropna(axis="columns"), "survivors": pd.DataFrame(survivors)}
    for table in tables.values():
        print(table.to_string(index=False), end="\n\n")
    print(measurements.record("mutants", tables, "cosmic-ray"))


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, dest="command")
    for name in ("run", "again"):
        command = commands.add_parser(name)
        command.add_argument("subject", choices=SUBJECTS)
        command.add_argument("--sample", type=int, default=150, help="mutants of this subject (default: 150)")
        command.add_argument("--minutes", type=float, default=float("inf"), help="stop before the next one")
        command.add_argument("--compiled", action="store_true", help="what survived, by all tests, compiled")
    commands.add_parser("record")
    options = parser.parse_args()
    if options.command == "record":
        record()
    else:
        test(options.subject, options.sample, options.minutes, options.command == "again", options.compiled)


if __name__ == "__main__":
    main()
