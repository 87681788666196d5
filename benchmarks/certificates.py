"""Certificates against brute force over every prefix, and how long they take.

    python benchmarks/certificates.py                       about a quarter of an hour on two cores
    python benchmarks/certificates.py --networks 640        a sample of it

For each cell, networks near and far from exact: random initializations, near counters, numbers at the edges
of float32, trained networks of every epoch, and those with their weights moved a little. Every prefix of up
to 24 symbols is read by the engine, whatever the length of the words that begin with it; so the first failing
length is known wherever it is at most 24. Exit code 1 where a bound is wrong or a bar is missed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from counting import cells, certificate, dyck, regimens, training
from counting.cells import Networks
from counting.certificate import Certificate

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import counters  # noqa: E402

PREFIX, WORD = 24, 20


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--networks", type=int, default=10_240, help="networks of each cell (default: 10,240)"
    )
    missed = missed_bars()
    for cell in cells.CELLS:
        missed += brute_force(cell, parser.parse_args().networks)
    print("\nevery bound right, every bar reached" if not missed else f"\n{missed} missed")
    return min(missed, 1)


def sample(cell: str, n: int, seed: int = 0) -> Networks:
    """n networks of all kinds."""
    regimen = regimens.PAPER[cell].but(epochs=15, learning_rate=0.01)
    seeds = range(seed, seed + max(4, n // 50))
    runs = training.train(regimen, dyck.pcfg(2000, seed=1), dyck.pcfg(200, seed=2), seeds, progress=False)
    trained = Networks.concatenate(runs.checkpoints.values())
    rng = np.random.default_rng(seed)
    trained = trained[rng.permutation(np.flatnonzero(trained.finite))[: n // 4]]
    moved = {
        name: (array * (1 + 10.0 ** rng.uniform(-7, -1) * rng.normal(size=array.shape))).astype(np.float32)
        for name, array in trained.parameters.items()
    }
    rest = n - 2 * len(trained)
    parts = [
        trained,
        Networks(cell, moved),
        cells.initialize(cell, range(rest // 8)),
        counters.extreme_numbers(cell, rest // 8, seed),
        counters.near_counters(cell, rest - 2 * (rest // 8), seed),
    ]
    return Networks.concatenate(parts)


def brute_force(cell: str, n: int) -> int:
    """Compare bounds with the truth; returns how many are wrong."""
    nets = sample(cell, n)
    start = time.perf_counter()
    shortest = certificate.shortest_failures(nets, PREFIX, 2 * PREFIX)
    walked = time.perf_counter() - start
    start = time.perf_counter()
    certificates = certificate.certify_all(nets, 2 * PREFIX, replay=False)
    decided = time.perf_counter() - start
    wrong = [run for run, found in enumerate(certificates) if not holds(found, int(shortest[run]))]
    undecided = [f for f in certificates if not (f.proved or f.shortest)]
    gaps = sorted((f.upper or 2 * PREFIX + 2) - f.lower for f in undecided)
    words = certificate.certify_all(nets, WORD, replay=False)
    for run, found in enumerate(words):
        truth = int(shortest[run]) if shortest[run] <= WORD else WORD + 2
        if not found.lower <= truth <= (found.upper or WORD + 2) or (found.proved and truth <= WORD):
            wrong.append(run)
        if cell == "relu" and (found.upper or WORD + 2) != truth:
            wrong.append(run)
    known = shortest[shortest <= PREFIX]
    print(
        f"\n{cell}: {len(nets):,} networks, every prefix of up to {PREFIX} symbols in {walked:.0f} s, "
        f"certificates for words of up to {2 * PREFIX} in {decided:.1f} s\n"
        f"  {len(known):,} fail at a word of up to {PREFIX} symbols, at {len(set(known))} different lengths; "
        f"{sum(f.proved for f in certificates):,} are proved to {2 * PREFIX}\n"
        f"  wrong bounds: {len(wrong)} {wrong[:5] if wrong else ''}\n"
        f"  bounds that do not meet: {len(gaps):,} at {2 * PREFIX} (gaps {gaps[:3]} … {gaps[-3:]}), "
        f"{sum(not (f.proved or f.shortest) for f in words):,} at {WORD}"
    )
    return len(wrong)


def holds(found: Certificate, shortest: int) -> bool:
    """Whether a certificate for 2 · PREFIX fits the shortest word that fails at one of its first PREFIX."""
    if found.lower > shortest or (found.proved and shortest <= 2 * PREFIX):
        return False
    if found.refuted and found.failing_step < PREFIX and found.upper < shortest:
        return False
    # Shorter words than PREFIX have no later symbols: there the truth is known.
    exact = found.shortest or found.proved or found.cell != "relu"
    return exact and (shortest > PREFIX or (found.upper or shortest + 2) >= shortest)


def missed_bars() -> int:
    """Time the certificates that the project promises; returns how many are slower."""
    passing = counters.near_counters("relu", 4000, seed=1)
    # Proved only by the table: its band does not close.
    right = [
        f.proved and not f.any_length_to_depth for f in certificate.certify_all(passing, 10_000, replay=False)
    ]
    assert any(right), "no network passes by the table alone"
    table = passing[int(np.argmax(right))]
    rows: list[tuple[str, float, Callable[[], Certificate]]] = [
        ("ReLU that passes, all words to 1,000", 0.02, lambda: certificate.certify(table, 1000)),
        ("ReLU that passes, all words to 10,000", 1, lambda: certificate.certify(table, 10_000)),
        ("exact ReLU, any length to depth 2^24", 1, lambda: certificate.certify(cells.exact("relu"), None)),
        ("exact LSTM, any length to depth 2^24", 1, lambda: certificate.certify(cells.exact("lstm"), None)),
        (
            "ReLU of step 3.252451, the same",
            1,
            lambda: certificate.certify(cells.exact("relu", 3.252451), None),
        ),
    ]
    missed = 0
    for name, bar, decide in rows:
        times = []
        for _ in range(4):
            start = time.perf_counter()
            assert decide().proved
            times.append(time.perf_counter() - start)
        missed += min(times) > bar
        print(f"{name:40s} {1000 * min(times):8.1f} ms   bar {1000 * bar:6.0f} ms")
    return missed


if __name__ == "__main__":
    sys.exit(main())
