"""Which notebooks the book has, and running one of them without touching it."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from pathlib import Path

import nbclient.exceptions
import papermill
import yaml
from nbformat import NotebookNode

from counting.chapter import PARAMETERS, problems
from pipeline import kernel, notebooks

BUILT = notebooks.ROOT / "_build"
OWN_SWEEPS = ("02-training", "06-relu-weights", "07-gru-limits", "09-learning-to-count", "11-more-counters")
"""The chapters that sweeps in results/ belong to."""


class ChapterFailed(RuntimeError):
    """A notebook did not run to its end; the message names notebook and cell and holds the traceback."""


def in_order(root: Path) -> list[Path]:
    """Return the notebooks that `_toc.yml` in `root` names, in the order in which they are read."""
    paths = (root / f"{page}.ipynb" for page in pages(root))
    return [path for path in paths if path.exists()]


def pages(root: Path) -> list[str]:
    """All pages that `_toc.yml` in `root` names, in reading order, as `book/01-setup`."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    return [name.removesuffix(".ipynb").removesuffix(".md") for name in _names(toc)]


def _names(entry: object) -> Iterator[str]:
    """Every page under an entry of the table of contents, depth first."""
    if isinstance(entry, list):
        for item in entry:
            yield from _names(item)
    elif isinstance(entry, dict):
        yield from (entry[key] for key in ("root", "file") if key in entry)
        for key in ("parts", "chapters", "sections"):
            yield from _names(entry.get(key, []))


def choose(parameters: Mapping[str, object], paths: list[Path]) -> dict[Path, dict[str, object]]:
    """For each notebook those of the `parameters` that it knows.

    Raises ValueError for a name that none of them knows, and for a value that one of them does not take; papermill
    itself would only warn.
    """
    known = {path: notebooks.known_parameters(path) for path in paths}
    for name in parameters:
        if not any(name in names for names in known.values()):
            lines = (f"  {path.name}: {', '.join(names) or '(none)'}" for path, names in known.items())
            listing = "\n".join(lines)
            raise ValueError(f"no parameter is called {name!r}; known parameters:\n{listing}")
    chosen = {path: {name: parameters[name] for name in parameters if name in known[path]} for path in paths}
    wrong = [line for path in paths if path.stem in PARAMETERS for line in problems(path.stem, chosen[path])]
    if wrong:
        raise ValueError("\n".join(dict.fromkeys(wrong)))
    return chosen


def run_all(
    paths: list[Path], chosen: dict[Path, dict[str, object]], timeout: int, mode: str
) -> dict[Path, NotebookNode]:
    """Run the chapters: two at a time where they only read results/, and those first that train most."""
    if mode != "verify":
        return {path: _run_and_keep(path, chosen[path], timeout, mode) for path in paths}
    order = sorted(paths, key=lambda path: (path.stem in OWN_SWEEPS, path.stem), reverse=True)
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        futures = {path: pool.submit(_run_and_keep, path, chosen[path], timeout, mode) for path in order}
        try:
            executed = {path: futures[path].result() for path in order}
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return {path: executed[path] for path in paths}


def _run_and_keep(path: Path, parameters: dict[str, object], timeout: int, mode: str) -> NotebookNode:
    # What `counting.results.obtain` does in the chapter. Sweeps are trained again where they belong; the other chapters
    # load what that one has checked.
    os.environ["COUNTING_RESULTS"] = mode if mode == "record" or path.stem in OWN_SWEEPS else ""
    given = "".join(f" {name}={value!r}" for name, value in parameters.items())
    print(f"{path.name}{given} …", flush=True)
    start = time.monotonic()
    notebook = run(path, parameters, timeout)
    notebooks.write(notebook, BUILT / "executed" / path.name)
    print(f"{path.name} ran in {time.monotonic() - start:.1f} s", flush=True)
    return notebook


def run(path: Path, parameters: Mapping[str, object] | None = None, timeout: int = 1800) -> NotebookNode:
    """Return the notebook at `path` executed by papermill, normalized and stamped; the file itself is only read.

    It runs in an empty folder, so it cannot lean on where it is started from. `timeout`: seconds a cell.
    Raises ChapterFailed if a cell fails, takes too long or kills the kernel; ValueError for an unknown
    parameter.
    """
    parameters = choose(parameters or {}, [path])[path]
    defaults = notebooks.known_parameters(path)
    os.environ["TQDM_DISABLE"] = "1"  # in the kernel: a progress bar would freeze in the page
    with tempfile.TemporaryDirectory(prefix="chapter-") as folder:
        start, end = Path(folder, path.name), Path(folder, "executed.ipynb")
        empty, settings = Path(folder, "cwd"), Path(folder, "settings")
        empty.mkdir()
        settings.mkdir()
        notebooks.write(notebooks.without_injected(notebooks.read(path)), start)
        try:
            papermill.execute_notebook(
                start, end, parameters, kernel_name="python3", cwd=empty,
                execution_timeout=timeout, progress_bar=sys.stderr.isatty() and parent_process() is None,
                kernel_manager_class=kernel.manager(settings),
            )
        except papermill.PapermillExecutionError as error:
            raise ChapterFailed(_failed_cell(path, error)) from None
        except (nbclient.exceptions.CellTimeoutError, nbclient.exceptions.DeadKernelError) as error:
            raise ChapterFailed(f"{path.name}{_last_begun(end)}{error}") from None
        executed = notebooks.normalize(notebooks.read(end))
    values = defaults | {name: repr(value) for name, value in parameters.items()}
    executed.metadata[notebooks.STAMP] = notebooks.stamp_now(executed, values)
    return executed


def _last_begun(saved: Path) -> str:
    """Name the last cell that was begun, of the notebook as papermill left it when its kernel was gone."""
    cells = notebooks.read(saved).cells if saved.exists() else []
    status = [cell.metadata.get("papermill", {}).get("status", "pending") for cell in cells]
    begun = [n for n, each in enumerate(status) if each != "pending"]
    return f", cell {begun[-1] + 1}:\n{cells[begun[-1]].source}\n" if begun else ": "


def _failed_cell(path: Path, error: papermill.PapermillExecutionError) -> str:
    traceback = "\n".join(error.traceback)
    if not sys.stderr.isatty():
        traceback = re.sub(r"\x1b\[[0-9;]*m", "", traceback)
    headline = f"{path.name}, cell {error.cell_index + 1}: {error.ename}: {error.evalue}"
    return f"{headline}\n{error.source}\n{traceback}"
