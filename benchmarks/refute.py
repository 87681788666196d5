"""Try to refute what certificates say *however it is computed*: PyTorch's own modules read words that it speaks of.

    nice python benchmarks/refute.py                     10,000 networks and more, 1,000 words each; half an hour
    nice python benchmarks/refute.py --networks 100 --words 100
    nice python benchmarks/refute.py --counters 5000     instead, so many of several counters, every short word; an hour

The networks: those of `results/`, PyTorch's initializations, and exact counters with noise. A certificate says that no
word shorter than `lower_however` is read wrongly; a wrong step refutes it where what is read so far can be closed in
fewer symbols. Paths: with oneDNN and without, in batches of all words, 64, 7 and 1, and float64. Exit code 1 if any
network was refuted in its own floating point.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator

import numpy as np
import torch

from counting import cells, certificate, dyck, languages, results
from counting.cells import Networks
from counting.sources import ROOT

LONGEST = 100
BATCHES = (64, 7, 1)


def stacks(most: int) -> Iterator[tuple[str, Networks]]:
    """Networks of each kind, at most so many of each file, cell and size of noise."""
    for path in sorted(results.FOLDER.glob("*.safetensors")):
        trained = results.load(path).networks
        yield "trained", trained[np.flatnonzero(trained.finite)[:most]]
    for cell in cells.CELLS:
        yield "initial", cells.initialize(cell, range(min(most, 500)))
        for digits in range(2, 8):
            yield "near an exact counter", noisy(cells.exact(cell), 10.0**-digits, min(most, 100))


def noisy(exact: Networks, size: float, count: int) -> Networks:
    """Return copies of one network, each number off by a relative error of about `size`."""
    random = np.random.default_rng(0)

    def off(array: np.ndarray) -> np.ndarray:
        return (array * (1 + size * random.standard_normal((count, *array.shape[1:])))).astype(array.dtype)

    return Networks(exact.cell, {name: off(array) for name, array in exact.parameters.items()})


@torch.no_grad()
def refuted(module: torch.nn.Module, words: dyck.Words, lower: int) -> bool:
    """Whether the module, reading all words at once, is wrong where a word shorter than `lower` would show it."""
    symbols = torch.nn.functional.one_hot(torch.from_numpy(words.tokens.astype(np.int64)), 2)
    yes = (module(symbols.to(next(module.parameters()).dtype)) >= 0).numpy()
    wrong = (yes != (words.targets == 1)).any(axis=2)
    return bool((wrong & (np.arange(1, words.longest + 1) + words.depth < lower)).any())


def paths(module: torch.nn.Module, words: dyck.Words, lower: int) -> Iterator[tuple[str, int, bool]]:
    """Each path's name, how many words were read on it, and whether it refutes."""
    for one_dnn in (True, False):
        with torch.backends.mkldnn.flags(enabled=one_dnn):
            for batch in (len(words), *BATCHES):
                read = "all" if batch == len(words) else str(batch)
                path = f"float32, oneDNN {'on' if one_dnn else 'off'}, {read}"
                yield path, batch, refuted(module, words[:batch], lower)
    yield "float64", len(words), refuted(module.double(), words, lower)


def every_short_word(networks: int) -> int:
    """Hold so many certificates of shuffles and of aⁿbⁿcⁿ to brute force; AssertionError where one is refuted."""
    sys.path.insert(0, str(ROOT / "tests"))
    from test_several import held_to_brute_force, held_to_exponents, trained

    for stem in ("powers-3-lstm-2-counting", "powers-3-lstm-3-counting", "powers-3-lstm-2-initial_scale"):
        print(stem, held_to_exponents(trained(stem, networks // 3), languages.powers(3)), flush=True)
    print("shuffle-2", held_to_brute_force(range(networks), 14), flush=True)
    return 0


def main() -> int:
    """Read the command line, certify, read words, print what was refuted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", type=int, default=1000)
    parser.add_argument("--counters", type=int, help="certificates of several counters, held to every short word")
    parser.add_argument("--networks", type=int, default=200, help="at most so many of a file, or of a kind")
    options = parser.parse_args()
    if options.counters:
        return every_short_word(options.counters)
    warnings.filterwarnings("ignore", message="TF32")
    torch.set_num_threads(1)
    deepest = dyck.tower(LONGEST // 2).strings()
    networks, claims, pairs, faults = Counter(), Counter(), Counter(), Counter()
    started = time.monotonic()
    try:
        for number, (kind, stack) in enumerate(stacks(options.networks)):
            found = certificate.certify_all(stack, LONGEST, replay=False)
            random = dyck.uniform(options.words - 1, LONGEST, seed=number)
            words = dyck.Words.from_strings(deepest + random.strings())
            for run, one in enumerate(found):
                networks[kind, stack.cell] += 1
                claims[kind, stack.cell] += bool(one.proved_however)
                for path, read, wrong in paths(stack[run].to_torch(0).eval(), words, one.lower_however):
                    pairs[path] += read
                    faults[path] += wrong
                    if wrong:
                        print(f"{kind} {stack.cell}, stack {number}, run {run}: refuted, {path}", flush=True)
    except KeyboardInterrupt:
        print("interrupted: what follows is what was read so far")
    for (kind, cell), count in sorted(networks.items()):
        print(f"{count:6,} {kind} {cell}, {claims[kind, cell]:,} proved to {LONGEST} symbols however it is computed")
    for path, count in pairs.items():
        print(f"{count:11,} pairs, {faults[path]} networks refuted: {path}")
    print(f"{sum(networks.values()):,} networks, {sum(pairs.values()):,} pairs, {time.monotonic() - started:.0f} s")
    return int(any(count for path, count in faults.items() if path != "float64"))


if __name__ == "__main__":
    sys.exit(main())
