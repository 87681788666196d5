"""What the counter lab, a page that computes in the browser, is given: networks, and what is certified of each.

Weights are written as the shortest decimals that mean the same float32, so the browser gets every bit of them.
"""

from __future__ import annotations

import json

import numpy as np

from counting import cells, certificate, results, rounding
from counting.anatomy import relu
from counting.cells import Networks
from counting.certificate import Certificate
from counting.dyck import Words

RUNS = 12
"""Runs taken from each file: its first ones with finite weights, so that no one has picked them."""

FILES = {"paper": "paper-{}", "counting": "counting-{}-final"}
"""Where networks come from: the paper's regimen, the one that learns to count."""

LONGEST = 10_000
"""Symbols of the longest word that a certificate looks at, where a network is not right on words of any length."""

GAINS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
"""Gains that are tried on a gated network: the first that makes an exact counter of it is offered."""


def script() -> str:
    """Return the entries as JavaScript, one a line: `counterLab.networks = [...]`."""
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False, allow_nan=False) for entry in entries())
    return f"(globalThis.counterLab ??= {{}}).networks = [\n{lines}\n];\n"


def entries() -> list[dict[str, object]]:
    """All networks of the lab, those of one cell and origin one after another.

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


def first_shown() -> tuple[Networks, Words]:
    """Return what the lab opens with: the first LSTM of the paper's regimen, and the shortest word it gets wrong."""
    network = results.load(results.FOLDER / f"{FILES['paper'].format('lstm')}.safetensors").networks[0]
    word = certificate.certify(network, LONGEST, replay=False).counterexample
    assert word is not None  # chapter 8: none of these networks is right to that length
    return network, word


def runs_of(word: Words) -> str:
    """Return a single word as the lengths of its runs of equal brackets, `(` first: "2.2" is (())."""
    tokens = word.tokens[0, : word.lengths[0]]
    ends = np.append(np.flatnonzero(np.diff(tokens)) + 1, len(tokens))
    return ".".join(map(str, np.diff(ends, prepend=0)))


def _described(
    networks: Networks, origin: str, file: str | None, seeds: list[int | None]
) -> list[dict[str, object]]:
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
    """Return what is proved: max_length None means words of any length to depth `certificate.MAX_DEPTH`."""
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
    """For each run the smallest gain, or the ReLU's u and −B / A, that is shown to make an exact counter of it."""
    if networks.cell == "relu":
        counts = (relu.kind(networks) == "counter") & certificate.exact_counters(rounding.in_steps(networks))
        return [{"u": 1, "ratio": 1} if yes else None for yes in counts]
    by_gain = np.array([certificate.exact_counters(rounding.gained(networks, gain)) for gain in GAINS])
    found = zip(by_gain.argmax(0), by_gain.max(0), strict=True)
    return [{"gain": GAINS[first]} if yes else None for first, yes in found]


def _decimals(array: np.ndarray) -> object:
    """Nested lists of the shortest decimals that mean the same float32."""
    return [_decimals(part) for part in array] if array.ndim else float(str(array[()]))
