"""Which tensors are the recurrent layer, the read-out and an embedding: by their names and shapes. None is passed over.

The layer is found by its parameters' names, whatever stands before them (`rnn.weight_ih_l0`, `model.lstm.weight_ih_l0`,
a cell's `weight_ih`), its kind by their shapes, the read-out as the one other matrix with a column for each unit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from counting.cells import GATES
from counting.formats import RECURRENT
from counting.pickled import LARGEST_TENSOR, BadModel, Tensor, printable

PARAMETERS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")

BEFORE = re.compile(
    r"(.*\.)?(\w*emb\w*|wte|pre|pre_\w*|in|inp|input\w*|in_proj\w*|proj_in|encoder)\.weight", re.IGNORECASE
)
"""Names of what stands before a recurrent layer, so is no read-out though it may have its shape."""

EMBEDDING = r"(.*\.)?(\w*emb\w*(\.\d+)*|wte)\.weight"

KINDS = [
    (r"weight_hr|.*weight_hr_l\d", "a projection (proj_size)"),
    (r".*(running_mean|running_var|num_batches_tracked)", "a batch normalization"),
    (r".*(norm|ln|bn)\d*\.(weight|bias)", "a normalization"),
    (EMBEDDING, "an embedding"),
    (r".*(peephole|weight_c[ifo]|w_c[ifo]).*", "peephole weights"),
    (r"(.*\.)?\w*(h_?0|c_?0|init|hidden|state)\w*", "a learned initial state"),
    (r".*(attn|attention).*", "an attention"),
    (r".*scale.*", "a scale"),
    (r".*\.weight", "another layer's weight"),
    (r".*\.bias", "another layer's bias"),
]
"""What a tensor that is not used may be, by its name."""


@dataclass(frozen=True)
class Parts:
    """The parts of one network, by their names in `tensors`."""

    tensors: dict[str, Tensor]
    layer: dict[str, str]
    """Of `PARAMETERS`, those it has -> full names."""
    readout: list[str]
    """Weight and, where it has one, bias."""
    embedding: str | None
    """Whose vectors the layer reads."""
    gates: int
    units: int
    dtype: str


def find(tensors: Mapping[str, Tensor], most: int) -> Parts:
    """Find the parts. most: units that the layer may have. Raises BadModel where one is missing, or more is there."""
    for name, one in tensors.items():
        if one.dtype == "unknown":
            raise BadModel(
                f"holds {printable(name)}, of an unknown kind (quantized, sparse, 8 bits, a NumPy array, or without "
                "numbers): save module.float().state_dict()"
            )
    tensors = _unpruned(tensors)
    layer = _layer(tensors)
    gates, units = _size(tensors, layer, most)
    readout = _readout({name: t for name, t in tensors.items() if name not in layer.values()}, units)
    embedding = _embedding(tensors, layer)
    used = [*layer.values(), *readout, *filter(None, [embedding])]
    for name in tensors:
        if name not in used:
            kind = next((kind for pattern, kind in KINDS if re.fullmatch(pattern, name, re.IGNORECASE)), "a tensor")
            raise BadModel(
                f"holds {printable(name)} {tensors[name].shape}, {kind} that would be passed over: only a recurrent "
                "layer and one read-out are decided on (--prefix leaves out what is no part of the network)"
            )
        if math.prod(tensors[name].shape) > LARGEST_TENSOR:
            raise BadModel(f"holds {printable(name)} of shape {tensors[name].shape} where a few numbers are needed")
    return Parts(tensors, layer, readout, embedding, gates, units, _dtype([tensors[name] for name in used]))


def _unpruned(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """With the product, PyTorch's own, in place of what `torch.nn.utils.prune` or weight normalization keeps."""
    tensors = dict(tensors)
    for name in list(tensors):
        for first, second in (("_orig", "_mask"), ("_g", "_v"), (".original0", ".original1")):
            stem = name.removesuffix(first)
            if name == stem or stem + second not in tensors:
                continue
            one, other = tensors.pop(name), tensors.pop(stem + second)
            fits = one.shape == other.shape if first == "_orig" else one.shape == (*other.shape[:1], 1)
            if not fits or {one.dtype, other.dtype} - {"float32", "float64"}:
                raise BadModel(f"has {printable(name)} and {printable(stem + second)}, whose shapes do not fit")
            numbers = _times if first == "_orig" else _normalized
            stem = stem.replace("parametrizations.", "")
            if stem in tensors:
                raise BadModel(f"has {printable(stem)} and, under other names, what it is made of")
            tensors[stem] = Tensor(other.shape, other.dtype, partial(numbers, one, other))
    return tensors


def _times(original: Tensor, mask: Tensor) -> np.ndarray:
    return original.numbers() * mask.numbers()


def _normalized(size: Tensor, direction: Tensor) -> np.ndarray:
    import torch

    return torch._weight_norm(torch.from_numpy(direction.numbers()), torch.from_numpy(size.numbers()), 0).numpy()


def _layer(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Full names of the recurrent layer's two to four parameters."""
    owners: dict[str, dict[str, str]] = {}
    for full in tensors:
        match = RECURRENT.fullmatch(full)
        if match:
            if match["reverse"] or match["layer"] not in (None, "_l0"):
                raise BadModel(f"needs one recurrent layer, in one direction; {printable(full)} is of another")
            owners.setdefault(match["owner"], {})[match["name"]] = full
    if len(owners) > 1:
        raise BadModel(
            f"needs one recurrent layer, found {len(owners)}, in {listed(owners)}: choose with --prefix if they are "
            "several networks"
        )
    if not owners or not {"weight_ih", "weight_hh"} <= set(*owners.values()):
        raise BadModel(f"needs one recurrent layer with weight_ih_l0 and weight_hh_l0; found {listed(tensors)}")
    return next(iter(owners.values()))


def _size(tensors: Mapping[str, Tensor], layer: Mapping[str, str], most: int) -> tuple[int, int]:
    """Numbers of gates and units. Raises BadModel where there are others, or the layer's shapes do not fit them."""
    shape = tensors[layer["weight_hh"]].shape
    if len(shape) != 2 or not 1 <= shape[1] <= most:
        more = " (--language shuffle-2 and the like take several units)" if most == 1 else f" to {most}"
        raise BadModel(f"the hidden size must be 1{more}; weight_hh has shape {shape}")
    rows, units = shape
    if rows not in [gates * units for gates in GATES.values()]:
        raise BadModel(f"an LSTM has 4 gates, a GRU 3, an RNN 1, and none a proj_size; weight_hh has shape {shape}")
    for name, axes in {"weight_ih": 2, "bias_ih": 1, "bias_hh": 1}.items():
        if name in layer and ((found := tensors[layer[name]].shape)[:1] != (rows,) or len(found) != axes):
            raise BadModel(f"{name} must have shape ({rows},{' symbols' * (axes - 1)}); it has {found}")
    return rows // units, units


def _readout(tensors: Mapping[str, Tensor], units: int) -> list[str]:
    """Names of the read-out's weight and, where it has one, its bias."""
    matrices = [name for name, t in tensors.items() if name.endswith("weight") and len(t.shape) == 2]
    fitting = [name for name in matrices if tensors[name].shape[1] == units and not BEFORE.fullmatch(name)]
    if len(fitting) != 1:
        shapes = ", ".join(f"{printable(name)} {tensors[name].shape}" for name in matrices[:6]) or "none"
        raise BadModel(f"needs one read-out, such as nn.Linear({units}, 2); found linear layers: {shapes}")
    weight = fitting[0]
    bias = f"{weight.removesuffix('weight')}bias"
    if bias in tensors and tensors[bias].shape != tensors[weight].shape[:1]:
        raise BadModel(
            f"the read-out's {printable(bias)} has shape {tensors[bias].shape}, which does not fit its weight"
        )
    return [weight, bias] if bias in tensors else [weight]


def _embedding(tensors: Mapping[str, Tensor], layer: Mapping[str, str]) -> str | None:
    """Name of the one embedding whose vectors the layer reads, if there is one."""
    width = tensors[layer["weight_ih"]].shape[1]
    named = [name for name in tensors if re.fullmatch(EMBEDDING, name, re.IGNORECASE)]
    fits = len(named) == 1 and len(tensors[named[0]].shape) == 2 and tensors[named[0]].shape[1] == width
    return named[0] if fits else None


def _dtype(used: list[Tensor]) -> str:
    dtypes = {tensor.dtype for tensor in used}
    if dtypes & {"float16", "bfloat16"}:
        raise BadModel(
            f"the parameters are {', '.join(sorted(dtypes))}: save module.float().state_dict(), which keeps "
            "each number but computes in float32, so what is decided is that network and not the one of half precision"
        )
    if len(dtypes) != 1 or not dtypes <= {"float32", "float64"}:
        raise BadModel(f"the parameters must all be float32 or all float64; they are {', '.join(sorted(dtypes))}")
    return dtypes.pop()


def listed(names: Iterable[str]) -> str:
    """Give names as they may be printed, the first eight of them."""
    names = list(names)
    shown = [printable(name or "(no prefix)", 60) for name in names[:8]]
    return (", ".join(shown) + ", …" * (len(names) > 8)) or "no tensors at all"
