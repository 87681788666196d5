"""Measurements that cannot be the same twice: seconds, memory, faults survived. Kept with the machine that gave them.

The scripts in `benchmarks/` write them, pages read them: a page cannot time a thing anew and still be the same to
the bit each time it is built.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from counting import files

FOLDER = Path(__file__).resolve().parent.parent / "results" / "measured"
"""Where measurements are kept: one JSON file for each script."""

PACKAGES = ("numpy", "numba", "torch")


@dataclass(frozen=True)
class Measured:
    """What one script measured in one run."""

    tables: Mapping[str, pd.DataFrame]
    """Name -> table; units stand in the column names."""
    machine: Mapping[str, object]
    """processor, cores, system, python, and versions of packages."""


def this_machine(*packages: str) -> dict[str, object]:
    """What a time depends on: processor, cores at hand, system, Python and the versions of `packages` too."""
    names = {line.split(":", 1)[1].strip() for line in _cpuinfo() if line.startswith("model name")}
    return {
        "processor": " · ".join(sorted(names)) or platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in (*PACKAGES, *packages)},
    }


def record(name: str, tables: Mapping[str, pd.DataFrame], *packages: str, folder: Path = FOLDER) -> Path:
    """Keep the tables under this name, with the machine; replaces what was kept before. Returns the file."""
    content = {"machine": this_machine(*packages)}
    content["tables"] = {key: json.loads(table.to_json(orient="records")) for key, table in tables.items()}
    path = folder / f"{name}.json"
    files.write(path, json.dumps(content, indent=1) + "\n")
    return path


def load(name: str, folder: Path = FOLDER) -> Measured:
    """What is kept under this name. Raises FileNotFoundError, which says how to measure, and ValueError."""
    path = folder / f"{name}.json"
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there; `python benchmarks/{name}.py --record` measures it")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        tables = {key: pd.DataFrame(rows) for key, rows in content["tables"].items()}
        return Measured(tables, content["machine"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} holds no measurements ({error}); restore it or measure again") from error


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []
