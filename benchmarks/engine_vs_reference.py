"""How much faster the engine trains than the published loop in PyTorch, on one core and the same words.

And the memory that 1,000 runs take.

    python benchmarks/engine_vs_reference.py

Both are measured in seconds of processor time, the best of several times; PyTorch and the engine have one
thread each. The engine's time is that of `training.train`: initialization, packing and the loss on one word
are part of it, compiling is not. A symbol is one symbol of one word read by one run, forward and back, its
share of the step of Adam included.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
import timeit
from collections.abc import Callable

import numpy as np
import torch

from counting import cells, dyck, reference, regimens, training
from counting.dyck import Words

RUNS, WORDS, EPOCHS, TIMES = 512, 2_000, 5, 3

BAR = 3_000
"""Least ratio for the LSTM on words of 10 symbols."""

MEMORY_RUNS, MEMORY_BAR = 1_000, 1e9


def best_time(call: Callable[[], object]) -> float:
    """Least processor time of a call, seconds."""
    return min(timeit.repeat(call, timer=time.process_time, number=1, repeat=TIMES))


def reference_rate(cell: str, words: Words) -> float:
    """Symbols a second of the published loop."""
    module = cells.initialize(cell, [0]).to_torch(0)
    optimizer = torch.optim.Adam(module.parameters(), lr=regimens.PAPER[cell].learning_rate)
    order = training.word_order(0, 1, len(words))
    reference.train_epoch(module, optimizer, words, order[:50])
    return words.lengths.sum() / best_time(lambda: reference.train_epoch(module, optimizer, words, order))


def engine_rate(cell: str, words: Words) -> float:
    """Symbols of all runs a second of the engine, on one thread."""

    def train(epochs: int = EPOCHS) -> None:
        regimen = regimens.PAPER[cell].but(epochs=epochs)
        training.train(regimen, words, words[:1], range(RUNS), checkpoints=[], threads=1, progress=False)

    train(epochs=1)
    return RUNS * EPOCHS * words.lengths.sum() / best_time(train)


def peak_memory() -> float:
    """Most memory this process ever had, bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def train_for_memory() -> None:
    """Train many runs on the paper's words, every epoch kept, and print this process's peak memory."""
    splits = dyck.paper_splits()
    regimen = regimens.PAPER["lstm"].but(epochs=2)
    training.train(regimen, splits["train"], splits["validation"], range(MEMORY_RUNS), progress=False)
    print(peak_memory())


def word_sets() -> dict[str, Words]:
    """Equal words of 10 symbols, and the paper's, among which 64 runs side by side wait for the longest."""
    short = dyck.uniform(dyck.count(10), 10)
    return {
        "words of 10 symbols": short[np.arange(WORDS) % len(short)],
        "the paper's words": dyck.paper_splits()["train"][:WORDS],
    }


def compare(words: Words) -> dict[str, float]:
    """Print a row for each cell; returns their ratios."""
    ratios = {}
    for cell in cells.CELLS:
        slow, fast = reference_rate(cell, words), engine_rate(cell, words)
        ratios[cell] = fast / slow
        print(f"{cell:6}{slow:20,.0f}{fast:20,.0f}{1e9 / fast:12.2f}{ratios[cell]:10,.0f}", flush=True)
    return ratios


def main() -> None:
    torch.set_num_threads(1)
    ratios = {}
    for name, words in word_sets().items():
        print(f"{name}: {WORDS:,}, {words.lengths.mean():.1f} symbols on average; {RUNS} runs, one core")
        print(f"{'cell':6}{'PyTorch, symbols/s':>20}{'engine, symbols/s':>20}{'engine, ns':>12}{'ratio':>10}")
        ratios[name] = compare(words)
        print()
    done = subprocess.run([sys.executable, __file__, "--memory"], capture_output=True, text=True, check=True)
    peak = float(done.stdout)
    print(f"peak memory, training {MEMORY_RUNS:,} runs on the paper's words: {peak / 1e6:,.0f} MB")
    if ratios["words of 10 symbols"]["lstm"] < BAR or peak >= MEMORY_BAR:
        sys.exit(f"a bar is missed: a ratio of {BAR:,}, or {MEMORY_BAR / 1e6:,.0f} MB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--memory", action="store_true", help="only train for the peak memory, in this process"
    )
    train_for_memory() if parser.parse_args().memory else main()
