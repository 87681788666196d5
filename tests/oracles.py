"""What the engine is held to, in plain PyTorch, where `counting.reference` itself does not go.

Gradients, gate gain and leak, whole sets of words at once. And the engine's gradient, through the kernel that
training calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import torch
from torch import nn

from counting import engine, reference
from counting.cells import Networks
from counting.dyck import PADDING, Words
from counting.engine.packed import PARAMETERS, pack_group, pack_words, shape_of, unpack_group
from counting.training import Runs

LOSSES = {
    "mse": lambda logits, target: nn.functional.mse_loss(torch.sigmoid(logits), target),
    "bce": nn.functional.binary_cross_entropy_with_logits,
}


def entry(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a way in from Python to what only compiled code calls."""

    @numba.njit(error_model="numpy")
    def call(*arguments):
        return function(*arguments)

    return call


def word_losses(module: nn.Module, words: Words, loss: str = "mse") -> np.ndarray:
    """The loss of each word, float64 (n,)."""
    return np.array([reference.word_loss(module, words[n], loss).item() for n in range(len(words))])


def flat(parameters: dict[str, np.ndarray]) -> np.ndarray:
    """Parameters or gradients of some runs as one matrix (runs, numbers)."""
    return np.concatenate([a.reshape(len(a), -1) for a in (parameters[name] for name in PARAMETERS)], axis=1)


def _leaky(parameters: dict[str, torch.Tensor], symbols: torch.Tensor, leak: float) -> torch.Tensor:
    """Logits of the ReLU cell whose negative pre-activations are multiplied by `leak`."""
    h, states = symbols.new_zeros(parameters["output.weight"].shape[1]), []
    for x in symbols:
        z = parameters["rnn.weight_ih_l0"] @ x + parameters["rnn.bias_ih_l0"]
        z = z + parameters["rnn.weight_hh_l0"] @ h + parameters["rnn.bias_hh_l0"]
        h = nn.functional.leaky_relu(z, leak)
        states.append(h)
    return torch.stack(states) @ parameters["output.weight"].T + parameters["output.bias"]


def word_gradient(
    net: Networks, word: Words, gain: float = 1.0, leak: float = 0.0, loss: str = "mse"
) -> tuple[float, np.ndarray]:
    """Loss of one network on one word and its gradient, (numbers,), by autograd in the network's dtype."""
    module = net.to_torch(0)
    leaves = dict(module.named_parameters())
    acting = {name: p if name.startswith("output.") else gain * p for name, p in leaves.items()}
    symbols = reference.one_hot(word).to(leaves["output.bias"].dtype)
    logits = _leaky(acting, symbols, leak) if leak else torch.func.functional_call(module, acting, (symbols,))
    target = torch.from_numpy(word.targets[0].copy()).to(symbols.dtype)
    missed = LOSSES[loss](logits, target)
    gradients = torch.autograd.grad(missed, list(leaves.values()))
    by_name = {name.removeprefix("rnn."): g.numpy()[None] for name, g in zip(leaves, gradients, strict=True)}
    return missed.item(), flat(by_name)[0]


def engine_gradient(
    nets: Networks, words: Words, gain: float = 1.0, leak: float = 0.0, clip: float = 0.0, loss: str = "mse"
) -> tuple[np.ndarray, np.ndarray]:
    """Loss (runs,) and gradient (runs, numbers) of some networks, run r on word r."""
    group = pack_group(nets.parameters)
    losses, gradient = engine.train.train_epoch(
        shape_of(nets.cell, nets.parameters),
        group,
        (np.zeros_like(group), np.zeros_like(group)),
        np.ones(2),
        pack_words(words),
        np.arange(len(nets), dtype=np.int32)[:, None],
        0.01,
        gain,
        leak,
        clip,
        loss,
    )
    return losses, flat(unpack_group(gradient, nets.parameters))


@torch.no_grad()
def logits(nets: Networks, words: Words) -> np.ndarray:
    """PyTorch's logits of every run at every step, (runs, n, longest, outputs); NaN beyond the end of a word."""
    tokens = torch.from_numpy(words.tokens.astype(np.int64)).clamp(min=0)
    symbols = nn.functional.one_hot(tokens, words.symbols).to(torch.from_numpy(nets.parameters["output.bias"]).dtype)
    outputs = np.stack([nets.to_torch(run)(symbols).numpy() for run in range(len(nets))])
    outputs[:, words.tokens == PADDING] = np.nan
    return outputs


def first_wrong(outputs: np.ndarray, words: Words) -> np.ndarray:
    """First failure (runs, n) from logits as `logits` gives them."""
    wrong = ((outputs >= 0) != (words.targets == 1)) | np.isnan(outputs)
    wrong = wrong.any(axis=-1) & (words.tokens != PADDING)
    return np.where(wrong.any(axis=-1), wrong.argmax(axis=-1), words.lengths)


def bits(runs: Runs, run: int) -> list[bytes]:
    """Everything that a run left: losses, chosen networks and checkpoints."""
    stacks = [*runs.selected.values(), *runs.checkpoints.values()]
    arrays = [array[run] for stack in stacks for array in stack.parameters.values()]
    return [array.tobytes() for array in (runs.losses[:, run], *arrays)]


def same(a: Runs, b: Runs) -> bool:
    """Whether two sweeps are the same to the last bit, seeds and regimen included."""
    return (
        a.seeds == b.seeds
        and a.regimen == b.regimen
        and [*a.selected, *a.checkpoints] == [*b.selected, *b.checkpoints]
        and all(bits(a, run) == bits(b, run) for run in range(len(a)))
    )
