"""How many networks of several counters are proved: all of chapter 11's that learn to count, and of larger shuffles.

    nice python benchmarks/several.py --record
    nice python benchmarks/several.py --record powers-2-lstm-2    # one row again, the others stay

Of the larger shuffles networks are trained here, by the same regimen, on words as chapter 11 draws them.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
import pandas as pd

from counting import certificate, languages, measurements, results, training, workers
from counting.cells import Networks
from counting.certificate import right_on
from counting.languages import Language
from counting.regimens import COUNTING, Schedule

SEED = 100  # chapter 11's
EXPONENTS = (*range(21, 61), 100, 300, 1000)
SWEEPS = {
    "shuffle-2-lstm-2": languages.shuffle(2),
    "shuffle-3-lstm-3": languages.shuffle(3),
    "powers-2-lstm-2": languages.powers(2),
    "powers-3-lstm-2": languages.powers(3),
    "powers-3-lstm-3": languages.powers(3),
    "powers-4-lstm-3": languages.powers(4),
}
LARGER = {4: (1, 32), 5: (3, 8), 6: (5, 2)}
"""Larger shuffles: how many times as many epochs are needed to learn them, and for how many networks proofs are tried,
first for the right ones. A walk through the boxes of six takes minutes and gigabytes."""
TRAINED = 32
"""Networks that are trained of each larger shuffle."""


def trained(k: int, times: int) -> Networks:
    """Train networks of k units on a shuffle of k words, for so many times as many epochs."""
    language, usual = languages.shuffle(k), COUNTING["lstm"]
    words = languages.sample(language, 1000, (2, 50), SEED), languages.sample(language, 500, (2, 50), SEED + 1)
    gain = Schedule(1.0, 200.0, 5 * times, 26 * times)
    regimen = usual.but(units=k, epochs=times * usual.epochs, gate_gain=gain)
    return training.train(regimen, *words, range(50 * SEED, 50 * SEED + TRAINED), progress=False).networks


def verdict(language: Language, network: Networks) -> str:
    """Decide on one network."""
    return certificate.certify_language(network, language).verdict


def row(language: Language, networks: Networks, tried: int | None = None) -> dict[str, object]:
    """Count what becomes of these networks. tried: for so many a proof is tried, first those right on long words."""
    if language.ends:
        long = languages.exponents(language, EXPONENTS)
    else:
        long = languages.sample(language, 10, (1000, 1000), SEED + 2)
    right = right_on(networks, long)
    with ProcessPoolExecutor(workers.cores()) as pool:
        each = [networks[run] for run in np.argsort(~right, kind="stable")[:tried]]
        verdicts = np.array(list(pool.map(partial(verdict, language), each)))
    counts = {what: int((verdicts == what).sum()) for what in ("proved", "refuted", "undecided")}
    sizes = {"language": language.name, "units": networks.sizes[0], "networks": len(networks)}
    return sizes | {"right": int(right.sum()), "tried": len(each)} | counts


def of_sweep(sweep: str, language: Language) -> dict[str, object]:
    """Give the row of one of chapter 11's sweeps."""
    return row(language, results.load(results.FOLDER / f"{sweep}-counting.safetensors").networks)


def of_larger(k: int, times: int, tried: int) -> dict[str, object]:
    """Give the row of a shuffle of k words."""
    return row(languages.shuffle(k), trained(k, times), tried)


ROWS = {sweep: partial(of_sweep, sweep, language) for sweep, language in SWEEPS.items()} | {
    f"shuffle-{k}": partial(of_larger, k, *given) for k, given in LARGER.items()
}


def main() -> None:
    """Read the command line, decide on all."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"all, or of {', '.join(ROWS)}")
    parser.add_argument("--record", action="store_true", help="keep the table in results/measured/several.json")
    options = parser.parse_args()
    if unknown := set(options.rows) - set(ROWS):
        parser.error(f"no row is called {', '.join(sorted(unknown))}")
    rows = {}
    for name in options.rows or ROWS:
        rows[name] = ROWS[name]()
        print(rows[name], flush=True)
    if options.record:
        if options.rows:
            kept = measurements.load("several").tables["several"].to_dict("records")
            rows = dict(zip(ROWS, kept, strict=True)) | rows
        print(measurements.record("several", {"several": pd.DataFrame(list(rows.values()))}))


if __name__ == "__main__":
    main()
