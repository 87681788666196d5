"""The definition: the networks and the published training loop in plain PyTorch. Slow, short, and the tests' oracle.

One word at a time, autograd, `torch.optim.Adam`, mean squared error over all steps and both outputs, as in the
authors' public code. Everything the engine does is held to this module.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable

import numpy as np
import torch
from torch import nn

from counting.dyck import Words

LAYERS = {"lstm": nn.LSTM, "gru": nn.GRU, "relu": nn.RNN}


class Counter(nn.Module):
    """A recurrent layer, for Dyck-1 of hidden size 1, and a linear read-out.

    Input: one-hot symbols, (steps, symbols) or (batch, steps, symbols). Output: logits of the same leading shape,
    (…, outputs).
    """

    def __init__(self, cell: str, units: int = 1, symbols: int = 2, outputs: int = 2) -> None:
        super().__init__()
        self.cell, self.sizes = cell, (units, symbols, outputs)
        extra = {"nonlinearity": "relu"} if cell == "relu" else {}
        self.rnn = LAYERS[cell](symbols, units, batch_first=True, **extra)
        self.output = nn.Linear(units, outputs)

    def forward(self, symbols: torch.Tensor) -> torch.Tensor:
        """Give the logits after each symbol."""
        states, _ = self.rnn(symbols)
        return self.output(states)


def one_hot(word: Words) -> torch.Tensor:
    """Give the symbols of a single word as (steps, symbols)."""
    return nn.functional.one_hot(torch.from_numpy(word.tokens[0].astype(np.int64)), word.symbols).float()


def word_loss(module: nn.Module, word: Words, loss: str = "mse") -> torch.Tensor:
    """Return the loss of a single word: mean over its steps and both outputs."""
    dtype = next(module.parameters()).dtype
    logits, target = module(one_hot(word).to(dtype)), torch.from_numpy(np.array(word.targets[0])).to(dtype)
    if loss == "bce":
        return nn.functional.binary_cross_entropy_with_logits(logits, target)
    return nn.functional.mse_loss(torch.sigmoid(logits), target)


def train_epoch(
    module: nn.Module, optimizer: torch.optim.Optimizer, words: Words, order: Iterable[int], loss: str = "mse"
) -> float:
    """Train for one epoch of the published loop. Returns the mean loss over the words read."""
    losses = []
    for index in order:
        optimizer.zero_grad()
        missed = word_loss(module, words[int(index)], loss)
        missed.backward()
        optimizer.step()
        losses.append(missed.item())
    return float(np.mean(losses))


@torch.no_grad()
def first_failure(module: nn.Module, words: Words, batch: int | None = None) -> np.ndarray:
    """Return the 0-based first wrong step of each word, or its length: int64 (n,).

    An output says yes iff its logit is ≥ 0. batch: None reads a word alone; else as one of so many equal rows, for
    which PyTorch may take other instructions, and answer otherwise where a logit is within rounding of 0.
    """
    dtype, failures = next(module.parameters()).dtype, []
    for word in (words[i] for i in range(len(words))):
        symbols = one_hot(word).to(dtype)
        rows = module(symbols if batch is None else symbols.expand(batch, -1, -1)).numpy()
        logits = rows if batch is None else rows[-1]
        wrong = ((logits >= 0) != (word.targets[0] == 1)).any(axis=1) | np.isnan(logits).any(axis=1)
        failures.append(int(np.argmax(wrong)) if wrong.any() else len(wrong))
    return np.array(failures, np.int64)


BATCHES = (1, 7, 64)
"""Batches in which PyTorch is asked for a word again."""


def fails_however(module: nn.Module, word: Words) -> bool:
    """Whether PyTorch fails on a single word in each batch of `BATCHES`, and in float64."""
    length = word.lengths[0]
    double = copy.deepcopy(module).double()
    return all(first_failure(module, word, batch)[0] < length for batch in BATCHES) and bool(
        first_failure(double, word, 1)[0] < length
    )


def default_parameters(shapes: dict[str, tuple[int, ...]], seed: int) -> dict[str, np.ndarray]:
    """Draw what PyTorch's constructors draw after `torch.manual_seed(seed)`: all from U(−1, 1) / √units."""
    generator, bound = torch.Generator().manual_seed(seed), 1 / math.sqrt(shapes["weight_hh_l0"][-1])
    return {
        name: torch.empty(shape).uniform_(-bound, bound, generator=generator).numpy() for name, shape in shapes.items()
    }


def to_parameters(module: Counter) -> dict[str, np.ndarray]:
    """Give the parameters under PyTorch's names of a layer and of a read-out, as `from_parameters` takes them."""
    return {name.removeprefix("rnn."): p.detach().cpu().numpy() for name, p in module.named_parameters()}


def from_parameters(cell: str, parameters: dict[str, np.ndarray]) -> Counter:
    """Make a `Counter` with these parameters, in their dtype."""
    ends = (parameters[name].shape[-1] for name in ("weight_hh_l0", "weight_ih_l0", "output.bias"))
    module = Counter(cell, *ends)
    tensors = {
        name if name.startswith("output.") else f"rnn.{name}": torch.from_numpy(np.array(array))
        for name, array in parameters.items()
    }
    module = module.to(tensors["output.bias"].dtype)
    module.load_state_dict(tensors)
    return module
