"""A network from a file that someone brings: safetensors, or a state_dict written by `torch.save`. No code is
run.

The recurrent layer is found by its parameters' names, whatever stands before them (`rnn.weight_ih_l0`,
`model.lstm.weight_ih_l0`, or a cell's `weight_ih`), its kind by their shapes, and the read-out as the one
other pair of `….weight` (outputs, 1) and `….bias` (outputs,). Checkpoints that hold the state_dict among
other things are fine.

A state_dict does not say which nonlinearity an `nn.RNN` has: ReLU is taken.
"""

from __future__ import annotations

import os
import pickle
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from counting import reference
from counting.cells import GATES, Networks

LARGEST = 2**28
"""Bytes of a file that is read at all: such a network has 24 numbers, a checkpoint around it may have
more."""

DEEPEST = 32
"""Dicts inside dicts that are looked through."""

RECURRENT = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class BadModel(ValueError):
    """A file that holds no network of the kind this package is about."""


def load(path: str | os.PathLike[str]) -> Networks:
    """The network in a file, as a stack of one. Raises BadModel, with a reason, for anything else."""
    path = Path(path)
    if not path.is_file():
        raise BadModel(f"{path}: no such file")
    if path.stat().st_size > LARGEST:
        raise BadModel(f"{path}: {path.stat().st_size:,} bytes is too large for a network of hidden size 1")
    try:
        return from_tensors(_read(path))
    except BadModel as error:
        raise BadModel(f"{path}: {error}") from error.__cause__


def from_tensors(tensors: Mapping[str, object]) -> Networks:
    """The network in a state_dict, or in nested dicts that contain one. Raises BadModel."""
    flat = dict(_flat(tensors))
    recurrent = _recurrent(flat)
    layer = _layer(recurrent)
    weight, bias = _readout(flat)
    dtypes = {tensor.dtype for tensor in (*recurrent.values(), weight, bias)}
    if not dtypes <= {torch.float32, torch.float64} or len(dtypes) != 1:
        names = ", ".join(sorted(str(dtype).removeprefix("torch.") for dtype in dtypes))
        raise BadModel(f"the parameters must all be float32 or all float64; they are {names}")
    layer, readout = layer.to(weight.dtype), nn.Linear(*weight.shape[::-1], dtype=weight.dtype)
    layer.load_state_dict({f"{name}_l0": tensor for name, tensor in recurrent.items()})
    readout.load_state_dict({"weight": weight, "bias": bias})
    return Networks.from_torch([nn.ModuleList([layer, readout])])


def _read(path: Path) -> Mapping[str, object]:
    """What the file holds. By its first bytes: a zip archive or a pickle is torch's, JSON behind a length
    safetensors."""
    with path.open("rb") as file:
        start = file.read(9)
    try:
        if start[8:9] == b"{":
            return load_file(path)
        if zipfile.is_zipfile(path) or start[:1] == b"\x80":
            _check_size(path)
            # weights_only: tensors and plain containers, and no function is called that a pickle may name.
            with warnings.catch_warnings(action="ignore"):
                content = torch.load(path, map_location="cpu", weights_only=True)
        else:
            raise BadModel("is neither safetensors nor a state_dict of torch.save")
    except BadModel:
        raise
    except pickle.UnpicklingError as error:
        raise BadModel(
            "holds pickled code or objects, which are not run: save module.state_dict() instead of the module"
        ) from error
    # Bytes of unknown origin: whatever the readers make of them, it is a bad file.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise BadModel(f"cannot be read as safetensors or as a state_dict of torch.save: {reason}") from error
    if not isinstance(content, Mapping):
        raise BadModel(f"holds a {type(content).__name__}, not a state_dict")
    return content


def _check_size(path: Path) -> None:
    """Raises BadModel for a file of torch that asks for more memory than its own size."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if any(member.compress_type != zipfile.ZIP_STORED for member in members):
                raise BadModel("is a compressed archive, which torch.save does not write")
            if sum(member.file_size for member in members) > path.stat().st_size:
                raise BadModel("is an archive whose members are larger than the file")
            pickled = b"".join(archive.read(member) for member in members if member.filename.endswith(".pkl"))
    else:
        pickled = path.read_bytes()
    # The one function that PyTorch calls for a pickle and that fills as much memory as it is told to.
    if b"bytearray" in pickled:
        raise BadModel("holds a bytearray, which no state_dict does")


def _flat(tensors: Mapping[object, object]) -> Iterator[tuple[str, torch.Tensor]]:
    """Tensors by their path. A dict that is reached twice, or inside itself, is read once."""
    waiting, seen = [("", 0, tensors)], set()
    while waiting:
        prefix, depth, level = waiting.pop()
        if id(level) in seen:
            continue
        seen.add(id(level))
        if depth > DEEPEST:
            raise BadModel(f"holds dicts nested more than {DEEPEST} deep")
        for name, value in level.items():
            if isinstance(value, Mapping):
                waiting.append((f"{prefix}{name}.", depth + 1, value))
            elif isinstance(value, torch.Tensor) and value.layout is torch.strided and value.device.type == "cpu":
                yield f"{prefix}{name}", value.detach()


def _recurrent(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The recurrent layer's four parameters."""
    found = {}
    for name in RECURRENT:
        matches = [full for full in tensors if full.rpartition(".")[2].startswith(name)]
        if not matches and name.startswith("bias") and found:
            raise BadModel(f"the recurrent layer has no {name}: one with bias=True is needed")
        if len(matches) != 1 or matches[0].rpartition(".")[2] not in (name, f"{name}_l0"):
            known = ", ".join(matches or tensors) or "no tensors at all"
            raise BadModel(f"needs one recurrent layer, in one direction, with {name}_l0; found {known}")
        found[name] = tensors[matches[0]]
    return found


def _layer(recurrent: Mapping[str, torch.Tensor]) -> nn.RNNBase:
    """A layer that these parameters fit."""
    shapes = {name: tuple(tensor.shape) for name, tensor in recurrent.items()}
    if len(shapes["weight_hh"]) != 2 or shapes["weight_hh"][1] != 1:
        raise BadModel(f"the hidden size must be 1; weight_hh has shape {shapes['weight_hh']}")
    gates = shapes["weight_hh"][0]
    cell = {number: cell for cell, number in GATES.items()}.get(gates)
    if cell is None:
        raise BadModel(f"an LSTM has 4 gates, a GRU 3, an RNN 1; weight_hh has shape {shapes['weight_hh']}")
    for name, shape in zip(RECURRENT, ((gates, 2), (gates, 1), (gates,), (gates,)), strict=True):
        if shapes[name] != shape:
            raise BadModel(f"{name} must have shape {shape}, for two symbols; it has {shapes[name]}")
    return reference.Counter(cell).rnn


def _readout(tensors: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight and bias of the one linear layer from 1 to 1 or 2."""
    pairs = [
        (tensor, tensors[f"{name[:-6]}bias"])
        for name, tensor in tensors.items()
        if name.endswith("weight") and f"{name[:-6]}bias" in tensors
    ]
    fitting = [(w, b) for w, b in pairs if w.shape in ((1, 1), (2, 1)) and b.shape == w.shape[:1]]
    if len(fitting) != 1:
        shapes = ", ".join(str(tuple(w.shape)) for w, _ in pairs) or "none"
        raise BadModel(
            f"needs one read-out, nn.Linear(1, 1) or (1, 2) with a bias; found linear layers: {shapes}"
        )
    return fitting[0]
