"""Measure how far PyTorch's sigmoid and tanh, and the engine's, are from the exact ones, over all float32.

    python benchmarks/activations.py                 every float32 in [2^-30, 128), both signs; some minutes a path
    python benchmarks/activations.py --every 101     a sample

The paths: the functions on contiguous and on strided tensors, and inside `nn.LSTM` and `nn.GRU`, in batches, with
oneDNN and without; once for each set of instructions that PyTorch can be told to use. A row gives the largest relative
error in half units in the last place (2^-24), and from where on the result is 1. `certificate/gates.py` allows for
more.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import numba
import numpy as np
import torch
from torch import Tensor, nn

from counting.engine import activations

LOW, HIGH = (int(np.float32(x).view(np.uint32)) for x in (2.0**-30, 128.0))
CHUNK = 1 << 21
CAPABILITIES = ("default", "avx2", "avx512")


def engine(function: str) -> Callable[[Tensor], Tensor]:
    """Return the engine's function, for tensors."""
    vectorized = numba.vectorize(["float32(float32)"])(getattr(activations, function))

    def read(x: Tensor) -> Tensor:
        with np.errstate(invalid="ignore"):
            return torch.from_numpy(vectorized(x.numpy()))

    return read


def strided(x: Tensor) -> Tensor:
    """Return the numbers with gaps between them."""
    return torch.stack([x, x], dim=1)[:, 0]


def layer(kind: type[nn.RNNBase], biases: list[float], reading: int) -> nn.RNNBase:
    """One unit that ignores its state; its gate number `reading` sees the input, the others their biases alone."""
    module = kind(1, 1)
    for name, parameter in module.named_parameters():
        nn.init.zeros_(parameter)
        if name == "bias_ih_l0":
            parameter.data = torch.tensor(biases, dtype=torch.float32)
        if name == "weight_ih_l0":
            parameter.data[reading] = 1
    return module


LSTM_INPUT = layer(nn.LSTM, [0, -200, 200, 200], 0)  # c = i
LSTM_CANDIDATE = layer(nn.LSTM, [200, -200, 0, 200], 2)  # c = g
LSTM_OUTPUT = layer(nn.LSTM, [200, 200, 200, 0], 3)  # h = o, once c is far enough from 0
GRU_UPDATE = layer(nn.GRU, [0, 0, 0], 1)  # h = z · (the state before), 1
GRU_CANDIDATE = layer(nn.GRU, [0, -200, 0], 2)  # h = n


def cell(module: nn.RNNBase, batch: int | None) -> Callable[[Tensor], Tensor]:
    """Return what the module makes of each input: one step in one batch of all, or `batch` words side by side."""

    def read(x: Tensor) -> Tensor:
        inputs = x.reshape(1, -1, 1) if batch is None else x[: len(x) // batch * batch].reshape(-1, batch, 1)
        ones = torch.ones(1, inputs.shape[1], 1)
        if isinstance(module, nn.GRU):
            return module(inputs, ones)[0].reshape(-1)
        states, (_, c) = module(inputs, (ones, 20 * ones))
        return c.reshape(-1) if batch is None else states.reshape(-1)

    return read


def paths() -> Iterator[tuple[str, str, Callable[[Tensor], Tensor]]]:
    """Give each path: which function it computes, a name, and the path itself."""
    for name, function in (("sigmoid", torch.sigmoid), ("tanh", torch.tanh)):
        yield name, "engine", engine(name)
        yield name, "contiguous", function
        yield name, "strided", lambda x, function=function: function(strided(x))
    yield "sigmoid", "nn.LSTM, i", cell(LSTM_INPUT, None)
    yield "tanh", "nn.LSTM, g", cell(LSTM_CANDIDATE, None)
    yield "sigmoid", "nn.GRU, z", cell(GRU_UPDATE, None)
    yield "tanh", "nn.GRU, n", cell(GRU_CANDIDATE, None)
    for batch in (7, 64):
        yield "sigmoid", f"nn.LSTM, o, {batch} words", cell(LSTM_OUTPUT, batch)
        yield "tanh", f"nn.GRU, n, {batch} words", cell(GRU_CANDIDATE, batch)


def chunks(every: int) -> Iterator[Tensor]:
    """Give the numbers, some millions at a time."""
    for start in range(LOW, HIGH, CHUNK * every):
        bits = np.arange(start, min(start + CHUNK * every, HIGH), every, dtype=np.uint32)
        for sign in (0, 1 << 31):
            yield torch.from_numpy((bits | np.uint32(sign)).view(np.float32))


def measured(exact: Callable[[Tensor], Tensor], path: Callable[[Tensor], Tensor], every: int) -> tuple[float, float]:
    """Largest relative error in 2^-24, of results that are normal numbers, and the largest x that does not give 1."""
    error, last = 0.0, 0.0
    with torch.no_grad():
        for x in chunks(every):
            y = path(x)
            x = x[: len(y)]
            right = exact(x.double())
            normal = right.abs() >= 2.0**-126
            error = max(error, ((y.double() - right) / right)[normal].abs().max().item())
            below = x[y != 1]
            last = max(last, below.max().item() if len(below) else 0.0)
    return error * 2**24, last


def main() -> None:
    """Read the command line, measure, print a row a path."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="only every so manyth number")
    parser.add_argument("--here", action="store_true", help="only the instructions that this process uses")
    options = parser.parse_args()
    if not options.here:
        for capability in CAPABILITIES:
            command = [sys.executable, __file__, "--here", "--every", str(options.every)]
            subprocess.run(command, env=os.environ | {"ATEN_CPU_CAPABILITY": capability}, check=True)
        return
    torch.set_num_threads(1)
    for one_dnn in (True, False):
        torch.backends.mkldnn.set_flags(_enabled=one_dnn)
        for function, name, path in paths():
            if one_dnn or name.startswith("nn."):
                error, last = measured(getattr(torch, function), path, options.every)
                instructions = torch.backends.cpu.get_cpu_capability()
                path_name = f"{instructions:8} oneDNN {'on ' if one_dnn else 'off'} {function:8} {name:22}"
                print(f"{path_name} {error:6.2f} {last:9.4f}", flush=True)


if __name__ == "__main__":
    main()
