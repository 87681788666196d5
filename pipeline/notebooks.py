"""One notebook: its parameters, its normal form, and the stamp that says what computed its outputs."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import nbformat
import papermill
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode

from counting import files, sources

ROOT = Path(__file__).resolve().parent.parent
MODULES = (ROOT, ROOT / "book")
"""Where modules are that a chapter may import."""

STAMP = "executed"  # the notebook's metadata key
INJECTED = "injected-parameters"  # papermill's tag for the cell it adds after the one tagged "parameters"
VARIES = "varies"  # our tag for a cell whose outputs (seconds, machines) differ from run to run

# Written by the tools that touch a notebook, different at every run or on every machine, read by nobody.
_FLEETING_NOTEBOOK = ("papermill", "jupytext", "widgets", "toc", "vscode")
_FLEETING_CELL = ("papermill", "execution", "ExecuteTime", "vscode")


def read(path: Path) -> NotebookNode:
    """Return the notebook at `path`, in nbformat 4.5; raises ValueError if it is not a notebook."""
    try:
        notebook = nbformat.read(path, as_version=4)
    except (nbformat.reader.NotJSONError, nbformat.ValidationError) as error:
        raise ValueError(f"{path} is not a Jupyter notebook: {error}") from error
    notebook.nbformat_minor = 5
    return notebook


def write(notebook: NotebookNode, path: Path) -> None:
    """Put the notebook at `path` whole or not at all: written beside it, then renamed."""
    files.write(path, nbformat.writes(notebook) + "\n")


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Return the author's code cells, in order: without the one papermill injects."""
    return [cell for cell in notebook.cells if cell.cell_type == "code" and INJECTED not in tags(cell)]


def tags(cell: NotebookNode) -> list[str]:
    """Return the cell's tags, [] if it has none."""
    return cell.metadata.get("tags", [])


def without_injected(notebook: NotebookNode) -> NotebookNode:
    """Return a copy without papermill's injected cell, so that a run starts from the author's own defaults."""
    copy = nbformat.from_dict(notebook)
    copy.cells = [cell for cell in copy.cells if INJECTED not in tags(cell)]
    return copy


def known_parameters(path: Path) -> dict[str, str]:
    """Names in the cell tagged `parameters` and their defaults, as written there."""
    return {name: found["default"] for name, found in papermill.inspect_notebook(str(path)).items()}


def normalize(notebook: NotebookNode) -> NotebookNode:
    """Return a copy that holds what the code computed and nothing of when, where and by which tool it was run.

    Cell ids follow from the cells' text, so that they are the same in every run and do not move when a cell
    is added elsewhere. Applying it twice is the same as once.
    """
    normal = nbformat.from_dict(notebook)
    normal.nbformat, normal.nbformat_minor = 4, 5
    for key in _FLEETING_NOTEBOOK:
        normal.metadata.pop(key, None)
    normal.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    normal.metadata["language_info"] = {"name": "python"}
    seen: Counter[str] = Counter()
    for cell in normal.cells:
        _normalize_cell(cell)
        name = INJECTED if INJECTED in tags(cell) else _digest(cell.cell_type, cell.source)[:8]
        seen[name] += 1
        cell["id"] = name if seen[name] == 1 else f"{name}-{seen[name]}"
    return nbformat.from_dict(normal)


def _normalize_cell(cell: NotebookNode) -> None:
    for key in _FLEETING_CELL:
        cell.metadata.pop(key, None)
    if INJECTED in tags(cell):
        cell.metadata["tags"] = [INJECTED, "remove-cell"]
    elif not tags(cell):
        cell.metadata.pop("tags", None)
    if cell.cell_type != "code":
        return
    cell.execution_count = None
    outputs: list[NotebookNode] = []
    for output in cell.outputs:
        if output.output_type == "execute_result":
            output.execution_count = None
        # A print may arrive in one piece or in several; how many is chance.
        stream = output.get("name")
        if stream and outputs and outputs[-1].get("name") == stream:
            outputs[-1].text += output.text
        else:
            outputs.append(output)
    cell.outputs = outputs


def stamp_now(notebook: NotebookNode, parameters: Mapping[str, str]) -> dict[str, object]:
    """Say what outputs computed now depend on: the parameters; the code of the cells and of all that they import."""
    return {"parameters": dict(parameters), "code": _digest(*map(_cell_digest, code_cells(notebook)))}


def _cell_digest(cell: NotebookNode) -> str:
    source = TransformerManager().transform_cell(cell.source)
    # A semicolon at the end keeps a value from being shown, and is in no syntax tree.
    return sources.digest(source, MODULES) + (";" if cell.source.rstrip().endswith(";") else "")


def _digest(*texts: str) -> str:
    together = hashlib.sha256()
    for text in texts:
        together.update(hashlib.sha256(text.encode()).digest())
    return together.hexdigest()[:16]
