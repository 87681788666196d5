"""Digests follow what code does, through all that it imports, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from counting import sources

BARE = "class A:\n    x: int = 0\n\ndef f(x):\n    return x + 1\n"


def written(folder: Path, **modules: str) -> Path:
    """Modules of a package `p`."""
    (folder / "p").mkdir(parents=True, exist_ok=True)
    for name, source in {"__init__": "", **modules}.items():
        (folder / "p" / f"{name}.py").write_text(source)
    return folder


def digest(folder: Path, source: str = "import p.a") -> str:
    return sources.digest(source, [folder])


@pytest.mark.parametrize(
    "same",
    [
        '"""Module."""\n\n# why\n' + BARE,
        BARE.replace("    return", '    """What."""\n    # how\n    return'),
        BARE.replace("= 0\n", '= 0\n    """Meaning."""\n'),
        BARE.replace("f(x)", "f(x: float) -> float"),
        BARE.replace("x + 1", "(x +\n        1)"),
        BARE.replace("\n", "\r\n"),
    ],
)
def test_words_types_and_layout_do_not_count(same, tmp_path):
    assert digest(written(tmp_path / "1", a=same)) == digest(written(tmp_path / "2", a=BARE))


@pytest.mark.parametrize("old, new", [("+ 1", "+ 2"), ("x: int", "x: float"), ("f(x)", "f(x=1)"), ("x + 1", "'x'")])
def test_what_runs_does(old, new, tmp_path):
    assert BARE.replace(old, new) != BARE
    assert digest(written(tmp_path / "1", a=BARE.replace(old, new))) != digest(written(tmp_path / "2", a=BARE))


@pytest.mark.parametrize(
    "statement",
    [
        "import p.b",
        "import p.b as b, os",
        "from p import b",
        "from . import b",
        "from .b import f",
        "from p.b import f as g",
    ],
)
@pytest.mark.parametrize("form", ["{}", "def f():\n    {}", "try:\n    pass\nexcept ValueError:\n    {}", "with x: {}"])
def test_imports_are_followed_wherever_they_stand(statement, form, tmp_path):
    folder = written(tmp_path, a=form.format(statement), b="from p import c", c="x = 1")
    before = digest(folder)
    written(tmp_path, c="x = 2")
    assert digest(folder) != before


def test_a_package_runs_before_its_modules(tmp_path):
    before = digest(written(tmp_path, a=""))
    assert digest(written(tmp_path, __init__="x = 1")) != before


def test_what_is_not_imported_does_not_count(tmp_path):
    types = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import p.b\nimport elsewhere\n"
    before = digest(written(tmp_path, a=types, b="x = 1", c=""))
    assert digest(written(tmp_path, a=types, b="x = 2", d="")) == before


def test_modules_may_import_each_other(tmp_path):
    assert digest(written(tmp_path, a="import p.b", b="import p.a")) == digest(tmp_path)


def test_equal_modules_under_other_names_differ(tmp_path):
    assert digest(written(tmp_path, a=BARE, b=BARE)) != digest(tmp_path, "import p.b")


def test_the_string_that_a_cell_shows_counts(tmp_path):
    assert digest(tmp_path, "'one'") != digest(tmp_path, "'two'")


def test_how_files_are_read_trains_nothing(tmp_path):
    """A changed sentence of a file reader must not make every trained result stale."""
    readers = {"modelfile.py", "formats.py", "pickled.py", "parts.py"}
    copy = shutil.copytree(sources.ROOT / "counting", tmp_path / "counting")
    before = sources.digest("import counting.training", [tmp_path])
    for name in readers:
        (copy / name).write_text("changed = True\n", encoding="utf-8")
    assert sources.digest("import counting.training", [tmp_path]) == before
    (copy / "regimens.py").write_text("changed = True\n", encoding="utf-8")
    assert sources.digest("import counting.training", [tmp_path]) != before


def test_syntax_errors_are_told(tmp_path):
    with pytest.raises(SyntaxError):
        digest(tmp_path, "import")


ALL_SYNTAX = r'''
import numpy as np
from a import (b, c as d)
@f(1, *x, key=2.5e-3, **y)
class A(B, metaclass=C):
    """Doc."""
    x: int = 0
    def m(self, a, /, b: int = 1, *c, d=None, **e) -> None:
        """Doc."""
        global g
        return not a if b else -c[1:2, ..., ::3] @ d
async def k():
    async with a as b, c: await d
    return [i async for i in j if i]
def l(a): yield from (yield a)
try:
    while (n := 1) < 2 <= 3 != 4: break
    else: pass
except (E, F) as e: raise G from e
finally: del a.b, c[0]
for i, *j in {1, 2}, {"a": 1, **b}: continue
match a:
    case [1, *_] | {"k": -1, **r} | P(x, y=None) if z: a += 1j
    case "s": assert a, b"\0\xff"
lambda *a, b=1: (a, b"", "é\ud800", 0x10, 1_000, True, None)
f"a{b!r:>{c}.2f}d" "e" f'{f"{g}"}' rf"{h}\n"
{a: b for a in c for b in d}
'''


def test_every_python_gives_the_same():
    assert sources.digest(ALL_SYNTAX, []) == "c6a70e5c6de042643c4808cc1a27f54eea6a445a7a762ac01b08b880c6683997"
