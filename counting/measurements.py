"""Measurements that cannot be the same twice: seconds, memory, faults survived. Kept with the machine that gave them.

The scripts in `benchmarks/` write them, pages read them: a page cannot time a thing anew and still be the same to
the bit each time it is built.
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from counting import files, sources, workers

FOLDER = sources.ROOT / "results" / "measured"
"""Where measurements are kept: one JSON file for each script."""


class Measured(NamedTuple):
    """What one script measured in one run."""

    tables: Mapping[str, pd.DataFrame]
    """Name -> table; units stand in the column names."""
    machine: Mapping[str, object]
    """processor, cores, system, python, and versions of packages."""


def record(name: str, tables: Mapping[str, pd.DataFrame], *packages: str, folder: Path = FOLDER) -> Path:
    """Keep the tables under this name, with this machine and the versions of `packages` too; returns the file."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    processors = {line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")}
    machine = {
        "processor": " · ".join(sorted(processors)) or platform.processor() or platform.machine(),
        "cores": workers.cores(),
        "system": platform.system(),
        "python": platform.python_version(),
        **{package: importlib.metadata.version(package) for package in ("numpy", "numba", "torch", *packages)},
    }
    content = {key: json.loads(table.to_json(orient="records")) for key, table in tables.items()}
    path = folder / f"{name}.json"
    files.write(path, json.dumps({"machine": machine, "tables": content}, indent=1) + "\n")
    return path


def load(name: str, folder: Path = FOLDER) -> Measured:
    """Load what is kept under this name. Raises FileNotFoundError, which says how to measure, and ValueError."""
    path = folder / f"{name}.json"
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there; `python benchmarks/{name}.py --record` measures it")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Measured({key: pd.DataFrame(rows) for key, rows in content["tables"].items()}, content["machine"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} holds no measurements ({error}); restore it or measure again") from error
