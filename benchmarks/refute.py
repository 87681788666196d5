"""Try to refute what is proved however it is computed: PyTorch's own modules read random words and towers.

    nice python benchmarks/refute.py --words 1000        every network of results/ of which it is proved

Each is read in float32, in batches of 1, 7 and all words, with oneDNN and without; the ReLUs in float64 too. Prints how
many networks and (network, word) pairs were read. Exit code 1 if one was read wrongly.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Iterator

import numpy as np
import torch

from counting import certificate, dyck, results, rounding
from counting.cells import Networks

SYMBOLS, TOWER = 100, 500


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", type=int, default=1000)
    parser.add_argument("--networks", type=int, default=None, help="at most so many")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", message="TF32")
    torch.set_num_threads(1)
    words = dyck.uniform(options.words, SYMBOLS, seed=0)
    tower = dyck.Words.from_strings(["(" * TOWER + ")" * TOWER])
    pairs = networks = faults = 0
    started = time.monotonic()
    for stack in stacks():
        for run in np.flatnonzero(certificate.however_computed(stack)):
            if networks == options.networks:
                break
            module, networks = stack[int(run)].to_torch(0).eval(), networks + 1
            for one_dnn in (True, False):
                with torch.no_grad(), torch.backends.mkldnn.flags(enabled=one_dnn):
                    for part in (tower, words[:1], words[:7], words):
                        faults += wrong(module, part)
                        pairs += len(part)
            if stack.cell == "relu":
                faults += wrong(module.double(), words)
                pairs += len(words)
    seconds = time.monotonic() - started
    print(f"{networks:,} networks, {pairs:,} pairs, {faults} read wrongly, {seconds:.0f} s")
    return int(faults > 0)


def stacks() -> Iterator[Networks]:
    """All LSTMs and ReLUs of the results, as trained, with gates times 10, and rounded."""
    validation = dyck.uniform(100, 50, seed=1)
    for path in sorted(results.FOLDER.glob("*.safetensors")):
        networks = results.load(path).networks
        networks = networks[np.flatnonzero(networks.finite)]
        yield networks
        if networks.cell == "relu":
            yield rounding.rounded(networks, validation, 1e-4)[0]
        elif networks.cell == "lstm":
            yield rounding.gained(networks, 10.0)


@torch.no_grad()
def wrong(module: torch.nn.Module, words: dyck.Words) -> int:
    """How many words of one length a module reads wrongly."""
    symbols = torch.nn.functional.one_hot(torch.from_numpy(words.tokens.astype(np.int64)), 2)
    logits = module(symbols.to(next(module.parameters()).dtype)).numpy()
    return int(((logits >= 0) != (words.targets == 1)).any(axis=(1, 2)).sum())


if __name__ == "__main__":
    sys.exit(main())
