"""What the counter lab, a page that computes in the browser, is given: networks, and what is certified of each.

Weights are written as the shortest decimals that mean the same float32, so the browser gets every bit of them.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np

from counting import cells, certificate, results, rounding
from counting.anatomy import relu
from counting.cells import Networks
from counting.certificate import Certificate
from counting.dyck import Words

SCRIPTS = ("networks.js", "cells.js", "words.js", "file.js", "plot.js", "lab.js", "two.js")
"""What the page loads, each after those it uses. The first is made by `script`, the others lie in `SOURCES`."""

SOURCES = Path(__file__).resolve().parents[1] / "book" / "_static" / "lab"

RUNS = 12
"""Runs taken from each file: its first ones with finite weights, so that no one has picked them."""

FILES = {"paper": "paper-{}", "counting": "counting-{}-final"}
"""Where networks come from: the paper's regimen, the one that learns to count."""

PAIRS = {"paper": "paper’s training", "counting": "trained to count"}
"""Regimens of the networks of two units, as the page calls them."""

LONGEST = 10_000
"""Symbols of the longest word that a certificate looks at, where a network is not right on words of any length."""

GAINS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
"""Gains that are tried on a gated network: the first that makes an exact counter of it is offered."""


def script() -> str:
    """Give the entries as JavaScript, one a line: `counterLab.networks = [...]`, and `counterLab.pairs` likewise."""
    stacks = {"networks": entries(), "pairs": pairs()}
    lines = {
        name: ",\n".join(json.dumps(entry, ensure_ascii=False, allow_nan=False) for entry in stack)
        for name, stack in stacks.items()
    }
    return "".join(f"(globalThis.counterLab ??= {{}}).{name} = [\n{text}\n];\n" for name, text in lines.items())


def page(network: Networks, word: str | None, name: str) -> str:
    """Make one HTML page that needs nothing else, with the lab opened on a network that someone brings.

    network: a stack of one, float32. word: brackets; None for the one on which its certificate says that it fails.
    name: of the network, to be shown. Raises ValueError for float64, which the lab does not compute in.
    """
    if network.dtype != np.float32:
        raise ValueError("the lab computes in float32, and this network is float64: without --html a picture is drawn")
    if not network.finite[0]:
        raise ValueError("the parameters are not all finite: this network diverged, or is damaged")
    numbers = np.concatenate([array[0].ravel() for array in network.parameters.values()]).astype("<f4").tobytes()
    key = f"own-{network.cell}-{base64.urlsafe_b64encode(numbers).decode().rstrip('=')}"
    entry = _described(network, "own", name, [None])[0] | {"id": key}
    said = json.dumps(entry, ensure_ascii=True, allow_nan=False).replace("<", "\\u003c")
    shown = "failing" if word is None else f"runs.{runs_of(Words.from_strings([word]))}"
    start = f"globalThis.counterLab = {{networks: [{said}], start: {json.dumps(key)}, word: {json.dumps(shown)}}};"
    parts = [start, *((SOURCES / script).read_text("utf-8") for script in SCRIPTS[1:])]
    return PAGE.format(
        style=(SOURCES / "lab.css").read_text("utf-8"),
        controls=(SOURCES / "lab.html").read_text("utf-8"),
        scripts="\n".join(f"<script>{part}</script>" for part in parts),
    )


PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; \
script-src 'unsafe-inline'">
<title>Counter lab</title>
<style>
html {{ --pst-color-text-base: #222; --pst-color-text-muted: #5a6068; --pst-color-border: #c9ccd1;
  --pst-color-background: #fff; --pst-color-surface: #f3f4f6; --pst-font-family-monospace: monospace;
  font-family: sans-serif; }}
body {{ max-width: 76rem; margin: 1rem auto; padding: 0 1rem; }}
*, ::before, ::after {{ box-sizing: border-box; }}
{style}
.lab-stage {{ scroll-margin-top: 0.5rem; }}
</style>
</head>
<body>
<h1>The counter lab</h1>
<figure class="counter-lab-figure"></figure>
{controls}
{scripts}
</body>
</html>
"""


def entries() -> list[dict[str, object]]:
    """Give all networks of the lab, those of one cell and origin one after another.

    An entry has id, cell, origin ("exact", "paper", "counting"), file and seed (None where made by hand), kind (of
    `relu.KINDS`, else None), parameters under PyTorch's names, certificate, and exact: what makes a counter of
    the network, {"gain": g}, {"u": 1, "ratio": 1} or None.
    """
    found = []
    for cell in cells.CELLS:
        if cell != "gru":
            found += _described(cells.exact(cell), "exact", None, [None])
        for origin, name in FILES.items():
            path = results.FOLDER / f"{name.format(cell)}.safetensors"
            runs = results.load(path)
            chosen = np.flatnonzero(runs.networks.finite)[:RUNS]
            seeds = [runs.seeds[run] for run in chosen]
            found += _described(runs.networks[chosen], origin, f"{path.parent.name}/{path.name}", seeds)
    return found


def pairs() -> list[dict[str, object]]:
    """Give the networks of two units that read two kinds of brackets: name and parameters under PyTorch's names."""
    found: list[dict[str, object]] = []
    for regimen, name in PAIRS.items():
        runs = results.load(results.FOLDER / f"shuffle-2-lstm-2-{regimen}.safetensors")
        for run in np.flatnonzero(runs.networks.finite)[: RUNS // 2]:
            parameters: object = {key: _decimals(array[run]) for key, array in runs.networks.parameters.items()}
            found.append({"name": f"{name}, seed {runs.seeds[run]}", "parameters": parameters})
    return found


def first_shown() -> tuple[Networks, Words]:
    """Give what the lab opens with: the first LSTM of the paper's regimen, and the shortest word on which it fails."""
    network = results.load(results.FOLDER / f"{FILES['paper'].format('lstm')}.safetensors").networks[0]
    word = certificate.certify(network, LONGEST, replay=False).counterexample
    assert word is not None  # chapter 8: none of these networks is right to that length
    return network, word


def runs_of(word: Words) -> str:
    """Write a single word as the lengths of its runs of equal brackets, `(` first: "2.2" is (())."""
    tokens = word.tokens[0, : word.lengths[0]]
    ends = np.append(np.flatnonzero(np.diff(tokens)) + 1, len(tokens))
    return ".".join(map(str, np.diff(ends, prepend=0)))


def _described(networks: Networks, origin: str, file: str | None, seeds: list[int | None]) -> list[dict[str, object]]:
    kinds = relu.kind(networks) if networks.cell == "relu" else [None] * len(networks)
    exact = _what_makes_exact(networks)
    proved = certificate.proved(networks)
    return [
        {
            "id": "-".join(map(str, [origin, networks.cell] + [seed] * (seed is not None))),
            "cell": networks.cell,
            "origin": origin,
            "file": file,
            "seed": seed,
            "kind": None if kinds[run] is None else str(kinds[run]),
            "parameters": {name: _decimals(array[run]) for name, array in networks.parameters.items()},
            "certificate": _certified(networks[run], bool(proved[run])),
            "exact": exact[run],
        }
        for run, seed in enumerate(seeds)
    ]


def _certified(network: Networks, any_length: bool) -> dict[str, object]:
    """Say what is proved: max_length None means words of any length to depth `certificate.MAX_DEPTH`."""
    if any_length:
        return {"proved": True, "max_length": None, "max_depth": certificate.MAX_DEPTH, "word": None}
    found: Certificate = certificate.certify(network, LONGEST, replay=False)
    return {
        "proved": found.proved,
        "max_length": LONGEST,
        "max_depth": None,
        "word": None if found.counterexample is None else runs_of(found.counterexample),
        "length": found.upper,
        "step": found.failing_step,
        "shortest": found.shortest,
    }


def _what_makes_exact(networks: Networks) -> list[dict[str, float] | None]:
    """Find for each run the smallest gain, or the ReLU's u and −B / A, that is shown to make an exact counter of it."""
    if networks.cell == "relu":
        counts = (relu.kind(networks) == "counter") & certificate.exact_counters(rounding.in_steps(networks))
        return [{"u": 1, "ratio": 1} if yes else None for yes in counts]
    by_gain = np.array([certificate.exact_counters(rounding.gained(networks, gain)) for gain in GAINS])
    found = zip(by_gain.argmax(0), by_gain.max(0), strict=True)
    return [{"gain": GAINS[first]} if yes else None for first, yes in found]


def _decimals(array: np.ndarray) -> object:
    """Give nested lists of the shortest decimals that mean the same float32."""
    return [_decimals(part) for part in array] if array.ndim else float(str(array[()]))
