"""What every chapter of the book does alike: check its parameters, and keep numbers for its prose.

A chapter begins with its parameters, a cell that papermill follows by one with the values asked for. The next cell
calls `check`, so that a value that does not fit is named at once, and not by an error deep inside the page.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from IPython.display import Markdown, display
from myst_nb import glue


@dataclass(frozen=True)
class Whole:
    """A whole number from `low` to `high`."""

    default: int
    meaning: str
    low: int
    high: int

    def problem(self, value: object) -> str | None:
        """Say what the value must be, if it is something else."""
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        fits = whole and self.low <= int(value) <= self.high  # type: ignore[call-overload]
        return None if fits else f"a whole number from {self.low:,} to {self.high:,}"


@dataclass(frozen=True)
class Real:
    """A number above 0 and at most `high`."""

    default: float
    meaning: str
    high: float

    def problem(self, value: object) -> str | None:
        """Say what the value must be, if it is something else."""
        number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
        fits = number and 0 < float(value) <= self.high  # type: ignore[arg-type]
        return None if fits else f"a number above 0 and at most {self.high:g}"


@dataclass(frozen=True)
class Choice:
    """One of some texts."""

    default: str
    meaning: str
    among: tuple[str, ...]

    def problem(self, value: object) -> str | None:
        """Say what the value must be, if it is something else."""
        return None if isinstance(value, str) and value in self.among else "one of " + ", ".join(map(repr, self.among))


Parameter = Whole | Real | Choice

SEED = Whole(0, "which words are drawn, and which initial networks", 0, 2**31 - 1)
EPOCHS = Whole(30, "how often each network reads its training words", 2, 1000)
# From 10 on, for the paper tells of ten, and chapters 2, 3 and 10 choose ten.
RUNS = Whole(100, "networks of each cell", 10, 10_000)
RATE_RUNS = Whole(50, "networks of each cell at every other learning rate", 2, 10_000)
_TRAINED = {"runs": RUNS, "epochs": EPOCHS, "seed": SEED}
_RATES = {"runs": RUNS, "rate_runs": RATE_RUNS, "epochs": EPOCHS, "seed": SEED}

PARAMETERS: Mapping[str, Mapping[str, Parameter]] = {
    "index": _TRAINED,
    "01-setup": {
        "seed": SEED,
        "deepest": Whole(5000, "depth of the deepest word that the exact counters must get right", 1, 100_000),
        "step": Real(1.0, "what the exact ReLU adds for each (", 1e6),
    },
    "02-training": _RATES,
    "03-generalization": _RATES,
    "04-exact-counters": _TRAINED | {
        "counters": Whole(256, "random ReLU counters of each kind", 16, 10_000),
        "deepest": Whole(500, "depth up to which all words are decided", 10, 2000),
    },
    "05-lstm-saturation": _TRAINED | {"longer": Whole(5, "epochs of training with another epsilon", 1, 1000)},
    "06-relu-weights": _TRAINED | {
        "wide": Whole(1200, "runs in all for the prediction; fewer than half of them learn", 100, 100_000),
        "unlearning_epochs": Whole(15, "epochs of training away from an exact counter", 2, 1000),
    },
    "07-gru-limits": _TRAINED | {
        "wide": Whole(320, "runs in all for the prediction", 20, 100_000),
        "deepest": Whole(100, "how deep the figures look", 50, 10_000),
    },
    "08-certificates": _TRAINED | {
        "rate_runs": RATE_RUNS,
        "max_length": Whole(1000, "symbols up to which every network is decided", 50, 10_000),
        "wide": Whole(1200, "ReLU networks at the paper's rate", 100, 100_000),
        "far": Whole(10_000, "symbols, for networks that are right up to max_length", 50, 100_000),
    },
    "09-learning-to-count": {
        "runs": Whole(1000, "networks of each cell in the final sweep", 2, 100_000),
        "ablation_runs": Whole(256, "networks of each regimen in the ablations", 2, 10_000),
        "robustness_runs": Whole(128, "networks of each setting in the robustness sweeps", 2, 10_000),
        "seed": Whole(9, SEED.meaning, SEED.low, SEED.high),
    },
    "10-scorecard": _RATES,
    "11-more-counters": {
        "runs": Whole(256, "networks of each row", 10, 10_000),
        "certified": Whole(4, "of them, for which a proof is tried here", 2, 10_000),
        "seed": Whole(100, SEED.meaning, 0, 10_000_000),
    },
    "how-fast": {
        "words": Choice("the paper's", "words that the contestants read", ("the paper's", "30 symbols each")),
        "runs": Whole(1_000_000, "networks that a cluster would train", 2, 10**12),
    },
}  # fmt: skip
"""Every parameter of every chapter: type, range, what it means, and the value of the committed page."""

DASH = "–"
"""What stands where there is no number."""

FEW = 20
"""Of fewer networks a share says little."""


class Unfit(ValueError):
    """Parameters with which a chapter makes no sense; shown as one sentence, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self}"]


def problems(chapter: str, values: Mapping[str, object]) -> list[str]:
    """Say of each value that does not fit, and of each unknown name, what is wrong and what would be right."""
    known = PARAMETERS[chapter]
    wrong = []
    for name, value in values.items():
        if name not in known:
            wrong.append(f"{chapter} has no parameter {name!r}; it has {', '.join(known)}")
        elif needed := known[name].problem(value):
            wrong.append(f"{name} is {value!r}, and must be {needed} ({known[name].meaning})")
    return wrong


def check(chapter: str, namespace: Mapping[str, Any]) -> None:
    """Refuse parameters that do not fit, and say at the top of the page which are not the committed page's.

    namespace: the notebook's `globals()`. Raises Unfit.
    """
    known = PARAMETERS[chapter]
    values = {name: namespace[name] for name in known} | dict.fromkeys(_assigned(known, namespace.get("In", [])))
    values = {name: namespace.get(name) for name in values}
    if wrong := problems(chapter, values):
        raise Unfit("; ".join(wrong))
    other = {name: value for name, value in values.items() if value != known[name].default}
    if other:
        display(Markdown(_banner(known, other)))


def _assigned(known: Mapping[str, Parameter], cells: Sequence[str]) -> list[str]:
    """Return the names that the cell of parameters, and papermill's below it, give a value; cells: those run so far."""
    names: list[str] = []
    for source in cells:
        if "chapter.check(" in source:
            break
        try:
            body = ast.parse(source).body
        except SyntaxError:  # a magic
            continue
        targets = [target for line in body if isinstance(line, ast.Assign) for target in line.targets]
        assigned = [target.id for target in targets if isinstance(target, ast.Name)]
        if source.startswith("# Parameters") or set(assigned) & set(known):
            names += assigned
    return names


def _banner(known: Mapping[str, Parameter], other: Mapping[str, object]) -> str:
    changed = ", ".join(f"{name} = {value} (here usually {known[name].default})" for name, value in other.items())
    runs = [value for name, value in other.items() if "runs" in name and isinstance(value, int)]
    few = ""
    if min(runs, default=FEW) < FEW:
        few = f" So few networks carry no verdict: a share of fewer than {FEW} says little."
    return (
        f"**A trial:** this page was run with {changed}. Numbers, tables and figures are of this run; where a sentence "
        f"draws a conclusion in words, it was written for the usual values.{few}"
    )


def need(found: int, least: int, what: str) -> None:
    """Stop the chapter with one sentence if its parameters gave fewer than `least` of what the rest is about."""
    if found < least:
        raise Unfit(f"the page needs {what}, at least {least}, and there are {found}: try more runs or epochs")


def note(key: str, value: object) -> None:
    """Keep a number for the prose; of a fraction six digits, which is more than any machine disagrees about.

    NaN is shown as a dash on the page.
    """
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, str):
        value = re.sub(r"\bnan\b", DASH, value)
    glue(key, float(f"{value:.6g}") if isinstance(value, float) else value, display=False)


def of_any(how: Callable[[np.ndarray], float], values: np.ndarray) -> float:
    """Reduce values to a number, as in `of_any(np.median, values)`; NaN where there are none."""
    return float(how(values)) if np.size(values) else float("nan")


def whole(number: float) -> float:
    """Give a number as a whole one; NaN stays."""
    return number if np.isnan(number) else int(number)


def minus(text: str) -> str:
    """Give the text with minus signs for its hyphens, and a dash for NaN."""
    return re.sub(r"\bnan\b", DASH, text.replace("-", "−"))


def power(x: float, digits: int = 0) -> str:
    """Write 0.00002 as 2·10⁻⁵; NaN is a dash."""
    if np.isnan(x):
        return DASH
    mantissa, exponent = f"{x:.{digits}e}".split("e")
    return f"{mantissa}·10" + str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def verdict(networks: int, *parts: bool) -> str:
    """Say what a claim of these parts comes to, unless there are too few networks to judge it."""
    if networks < FEW:
        return "is not judged: too few networks"
    return "holds" if all(parts) else "holds in part" if any(parts) else "does not hold"


def told(k: int, n: int) -> str:
    """Say so many of so many; in words where it is none or all."""
    return "none" if k == 0 else f"all {n:,}" if k == n else f"{k:,} of {n:,}"
