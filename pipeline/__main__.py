"""The command behind `make book`: run the chapters, compare them with what is committed, render the pages."""

from __future__ import annotations

import argparse
import ast
import shutil
import subprocess
import sys
import time
from pathlib import Path

from nbformat import NotebookNode

from pipeline import chapters, notebooks, picture
from pipeline.chapters import BUILT
from pipeline.differences import differences
from pipeline.notebooks import ROOT

ACCEPT_HINT = "Where the new outputs are right, keep them: make book ACCEPT=1 (see `git diff`, then commit)."


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0: all chapters ran, gave what is committed (or was accepted), and the pages are rendered."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.accept and options.parameters:
        parser.error("the committed chapters show the default parameters: --accept does not go with -p")
    paths = [path.resolve() for path in options.notebooks] or chapters.in_order(ROOT)
    parameters = {name: _value(text) for name, text in options.parameters}
    mode = "" if parameters else options.results or ("record" if options.accept else "verify")
    try:
        chosen = chapters.choose(parameters, paths)
        executed = chapters.run_all(paths, chosen, options.timeout, mode)
    except (chapters.ChapterFailed, ValueError, FileNotFoundError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted; the committed notebooks are as they were.", file=sys.stderr)
        return 130
    if parameters:
        return _render(_trial(executed))
    changed = [path for path, notebook in executed.items() if not settle(path, notebook, options.accept)]
    if changed:
        print(f"\n{len(changed)} of {len(paths)} chapters gave something else than what is committed; "
              f"what they gave now is in _build/executed/.\n{ACCEPT_HINT}", file=sys.stderr)
        return 1
    return _render(ROOT)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipeline", description=__doc__)
    add = parser.add_argument
    add("notebooks", nargs="*", type=Path, help="the chapters to run; all of _toc.yml if none is named")
    add("-p", nargs=2, action="append", default=[], dest="parameters", metavar=("NAME", "VALUE"),
        help="run with another parameter: a trial, rendered apart and compared with nothing")
    add("--accept", action="store_true", help="keep what is new instead of failing")
    add("--results", choices=("verify", "record", "retrain"),
        help="what becomes of results/ (default: verify; with --accept: record)")
    add("--timeout", type=int, default=1800, metavar="SECONDS", help="for one cell (default: 1800)")
    return parser


def _value(text: str) -> object:
    """Return a parameter's value: a Python literal, or else the text itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def settle(path: Path, executed: NotebookNode, accept: bool) -> bool:
    """Compare with the committed notebook; report or, if `accept`, replace. True if nothing is left open.

    Where nothing differs the file stays as it is, with the committed outputs of cells that vary.
    """
    found = differences(notebooks.normalize(notebooks.read(path)), executed)
    if not found:
        return True
    print(f"\n{path.name}:", *found, sep="\n  ")
    if accept:
        notebooks.write(executed, path)
        if path == picture.SOURCE:
            picture.take()
        print(f"{path.name}: accepted")
    return accept


def _trial(executed: dict[Path, NotebookNode]) -> Path:
    """Return a copy of the book's sources with these notebooks in place of the committed ones."""
    trial = BUILT / "trial"
    shutil.rmtree(trial, ignore_errors=True)
    shutil.copytree(ROOT / "book", trial / "book", ignore=shutil.ignore_patterns("_build", ".*"))
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(ROOT / name, trial)
    for path, notebook in executed.items():
        notebooks.write(notebook, trial / path.relative_to(ROOT))
    return trial


def _render(source: Path) -> int:
    """Jupyter Book over `source`, all anew: an incremental build forgets the warnings of the one before."""
    start = time.monotonic()
    shutil.rmtree(source / "_build" / "html", ignore_errors=True)  # pages that the book no longer has
    jb = Path(sys.executable).with_name("jb")
    command = [jb, "build", source, "-W", "-n", "--keep-going", "--all", "-q"]
    code = subprocess.run(command, check=False).returncode
    if code == 0:
        pages = (source / "_build" / "html" / "index.html").relative_to(ROOT)
        print(f"Rendered in {time.monotonic() - start:.1f} s: {pages}")
    return code


if __name__ == "__main__":
    sys.exit(main())
