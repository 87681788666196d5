"""The definition: the networks and the published training loop in plain PyTorch. Slow, short, and the tests' oracle.

One word at a time, autograd, `torch.optim.Adam`, mean squared error over all steps and both outputs, as in the
authors' public code. Everything the engine does is held to this module.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import nn

from counting.dyck import Words

LAYERS = {"lstm": nn.LSTM, "gru": nn.GRU, "relu": nn.RNN}


class Counter(nn.Module):
    """A recurrent layer of hidden size 1 and a linear read-out.

    Input: one-hot symbols, (steps, 2) or (batch, steps, 2). Output: logits of the same leading shape, (…, 2).
    """

    def __init__(self, cell: str) -> None:
        super().__init__()
        extra = {"nonlinearity": "relu"} if cell == "relu" else {}
        self.rnn = LAYERS[cell](2, 1, batch_first=True, **extra)
        self.output = nn.Linear(1, 2)

    def forward(self, symbols: torch.Tensor) -> torch.Tensor:
        states, _ = self.rnn(symbols)
        return self.output(states)


def one_hot(word: Words) -> torch.Tensor:
    """The symbols of a single word as (steps, 2)."""
    return nn.functional.one_hot(torch.from_numpy(word.tokens[0].astype(np.int64)), 2).float()


def train_epoch(module: nn.Module, optimizer: torch.optim.Optimizer, words: Words, order: Iterable[int]) -> float:
    """One epoch of the published loop. Returns the mean loss over the words read."""
    dtype = next(module.parameters()).dtype
    losses = []
    for index in order:
        word = words[int(index)]
        target = torch.from_numpy(word.targets[0]).to(dtype)
        optimizer.zero_grad()
        outputs = torch.sigmoid(module(one_hot(word).to(dtype)))
        loss = nn.functional.mse_loss(outputs, target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return float(np.mean(losses))


@torch.no_grad()
def word_losses(module: nn.Module, words: Words) -> np.ndarray:
    """The loss of each word, float64 (n,)."""
    dtype = next(module.parameters()).dtype
    return np.array(
        [
            nn.functional.mse_loss(
                torch.sigmoid(module(one_hot(word).to(dtype))), torch.from_numpy(word.targets[0]).to(dtype)
            ).item()
            for word in (words[i] for i in range(len(words)))
        ]
    )


@torch.no_grad()
def first_failure(module: nn.Module, words: Words) -> np.ndarray:
    """0-based first wrong step of each word, or its length: int64 (n,). An output says yes iff its logit is ≥ 0."""
    failures = []
    for word in (words[i] for i in range(len(words))):
        logits = module(one_hot(word).to(next(module.parameters()).dtype)).numpy()
        wrong = ((logits >= 0) != (word.targets[0] == 1)).any(axis=1) | np.isnan(logits).any(axis=1)
        failures.append(int(np.argmax(wrong)) if wrong.any() else len(wrong))
    return np.array(failures, np.int64)


def default_parameters(shapes: dict[str, tuple[int, ...]], seed: int) -> dict[str, np.ndarray]:
    """What PyTorch's constructors draw after `torch.manual_seed(seed)`: at hidden size 1 all from U(−1, 1)."""
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.empty(shape).uniform_(-1, 1, generator=generator).numpy() for name, shape in shapes.items()}


def from_parameters(cell: str, parameters: dict[str, np.ndarray]) -> Counter:
    """A `Counter` with these parameters, in their dtype."""
    module = Counter(cell)
    tensors = {
        name if name.startswith("output.") else f"rnn.{name}": torch.from_numpy(np.array(array))
        for name, array in parameters.items()
    }
    module = module.to(tensors["output.bias"].dtype)
    module.load_state_dict(tensors)
    return module
