"""A number that a chapter could not compute is a dash on its page."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import yaml
from myst_nb.core.variables import format_plain_text

ROOT = Path(__file__).resolve().parent.parent
EXTENSION = ROOT / "book" / "_ext" / "no_number.py"


def test_nan_is_a_dash_and_numbers_are_formatted() -> None:
    spec = importlib.util.spec_from_file_location("no_number", EXTENSION)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    formatted = module.dashed(format_plain_text)
    assert [formatted(text, ".1f") for text in ("nan", "'nan'", "2.25", "'–'")] == ["–", "–", "2.2", "–"]
    assert formatted("'none'", "") == "none"


def test_the_book_loads_this_and_its_other_extensions() -> None:
    sphinx = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["sphinx"]
    assert set(sphinx["local_extensions"]) <= set(sphinx["config"]["extensions"])
