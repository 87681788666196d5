"""What decides what code does: a digest of its statements and of every module that it imports.

A result file carries the digest of what trained it, a page the digest of what computed it, compiled kernels are kept
by the digest of what they were compiled from. Words do not count, so that no number is stale for a typo: comments,
docstrings, layout and the annotations of functions are left out.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The folder that `counting` is in."""


def digest(source: str, folders: Sequence[Path] = (ROOT,)) -> str:
    """Digest Python source and all modules of these folders that it imports, directly or through others.

    The same on every Python, wherever the folders are and whatever their line ends.
    What is imported `if TYPE_CHECKING` is not followed, as it is not when the code runs.
    Returns a SHA-256. Raises SyntaxError.

    >>> digest("import counting.dyck  # words") == digest("from counting import dyck")
    False
    >>> digest("import counting.dyck  # words") == digest("import counting.dyck")
    True
    """
    tree, names = _read(source, None)
    found: dict[str, str] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found and (path := _path(name, folders)) is not None:
            package = name if path.stem == "__init__" else name.rpartition(".")[0]
            found[name], imported = _read(path.read_text(encoding="utf-8"), package)
            waiting += imported
    return _sha256("\n".join([tree, *(f"{name} {found[name]}" for name in sorted(found))]))


def _path(name: str, folders: Sequence[Path]) -> Path | None:
    """Find the module of this name; None unless it is in one of the folders."""
    for folder in folders:
        place = folder.joinpath(*name.split("."))
        for path in (place / "__init__.py", place.with_name(f"{place.name}.py")):
            if path.is_file():
                return path
    return None


@cache
def _read(source: str, package: str | None) -> tuple[str, tuple[str, ...]]:
    """Give the digest of the statements alone, and what they may import: names of modules, or of what is in them.

    package: where the module is; None for source that is no module, whose strings a notebook may show.
    """
    tree = ast.parse(source)
    if package is not None:
        tree.body = _statements(tree.body)
    return _sha256(repr(_plain(tree))), tuple(_imported(tree, package or ""))


def _imported(node: ast.AST, package: str) -> Iterator[str]:
    """Name what a statement and those inside it import, with the packages around it, which run before."""
    names: list[str] = []
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        module = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
        names = [f"{module}.{alias.name}" for alias in node.names]
    for name in names:
        parts = name.split(".")
        yield from (".".join(parts[: k + 1]) for k in range(len(parts)))
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        inner: list[ast.AST] = [*node.orelse]
    else:
        inner = [child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.expr)]
    for child in inner:
        yield from _imported(child, package)


def _plain(node: object) -> object:
    """Write a syntax tree as nested lists, without what does not run.

    Fields that are empty are left out: newer Pythons have more of them. Annotations of a class's fields stay, for
    dataclasses read them.
    """
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, ast.AST):
        return node
    if isinstance(node, ast.arg):
        return ["arg", node.arg]
    plain: list[object] = [type(node).__name__]
    for name in node._fields:
        value = getattr(node, name, None)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and name == "body":
            value = _statements(node.body)
        if name not in ("ctx", "returns") and value is not None and value != []:
            plain += [name, _plain(value)]
    return plain


def _statements(body: list[ast.stmt]) -> list[ast.stmt]:
    """Leave out strings that no one reads: docstrings, also those of a class's fields."""

    def is_text(node: ast.stmt) -> bool:
        value = node.value if isinstance(node, ast.Expr) else None
        return isinstance(value, ast.Constant) and isinstance(value.value, str)

    return [node for node in body if not is_text(node)]


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
