"""A network from a file or a module that someone brings, with what was taken from it in words. No code is run.

The recurrent layer is found by its parameters' names, whatever stands before them (`rnn.weight_ih_l0`,
`model.lstm.weight_ih_l0`, a cell's `weight_ih`), its kind by their shapes, the read-out as the one other matrix of
one column. Whatever else a network would compute with is an error that names it: what is not used is never passed
over. What a state_dict does not say is an option with a default that is stated.
"""

from __future__ import annotations

import io
import os
import re
import stat
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors import safe_open

from counting import pickled
from counting.cells import GATES, Networks
from counting.pickled import Tensor, Thing

if TYPE_CHECKING:
    from torch import nn

LARGEST = 2**28
"""Bytes of a file that is read at all: such a network has 24 numbers, a checkpoint around it may have more."""

LARGEST_NPZ = 2**24

DEEPEST = 32
"""Containers inside containers that are looked through."""

LONGEST_NAME = 200
"""Characters of a tensor's full name: the patterns below take as long as the square of it."""

MOST_ENTRIES = 10_000
"""Tensors and containers that are looked at, though they be the same again and again."""

PARAMETERS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
RECURRENT = re.compile(r"(?P<owner>.*?)(?P<name>(weight|bias)_(ih|hh))(?P<layer>_l\d+)?(?P<reverse>_reverse)?")

BOOKKEEPING = re.compile(
    r"(optim|lr_sched|sched|rng|.*_rng|random|callbacks|loops|loss|.*_loss|.*losses|epoch|step"
    r"|global_step|history|metrics|hyper_parameters|hparams|config|args)\w*",
    re.IGNORECASE,
)
"""Branches of a checkpoint, beside the state_dict, that a network does not compute with."""

RECORDED = re.compile(r"(.*_)?(loss|losses|epoch|step|rng_state|history|metrics)", re.IGNORECASE)
"""Of single tensors beside the state_dict only these."""

SAYS = re.compile(r".*(nonlinearity|activation|rnn_type|cell_type|rnn|cell)", re.IGNORECASE)
"""Names under which a checkpoint says of a plain RNN whether it is a ReLU or a tanh."""

BEFORE = re.compile(
    r"(.*\.)?(\w*emb\w*|wte|pre|pre_\w*|in|inp|input\w*|in_proj\w*|proj_in|encoder)\.weight", re.IGNORECASE
)
"""Names of what stands before a recurrent layer, so is no read-out though it may have its shape."""

OTHERS = {
    b"\x89HDF": "is HDF5, perhaps of Keras",
    b"GGUF": "is GGUF",
    b"\x93NUMPY": "is a single NumPy array",
    b"\x1f\x8b": "is compressed by gzip, to be unpacked first",
    b"<": "is a page of HTML or XML, perhaps what a failed download gave",
    b"{": "is JSON or other text",
}
"""How files begin that are not read, and what they are."""

KINDS = [
    (r"weight_hr|.*weight_hr_l\d", "a projection (proj_size)"),
    (r".*(running_mean|running_var|num_batches_tracked)", "a batch normalization"),
    (r".*(norm|ln|bn)\d*\.(weight|bias)", "a normalization"),
    (r".*emb\w*(\.\d+)*\.weight", "an embedding"),
    (r".*(peephole|weight_c[ifo]|w_c[ifo]).*", "peephole weights"),
    (r"(.*\.)?\w*(h_?0|c_?0|init|hidden|state)\w*", "a learned initial state"),
    (r".*(attn|attention).*", "an attention"),
    (r".*scale.*", "a scale"),
    (r".*\.weight", "another layer's weight"),
    (r".*\.bias", "another layer's bias"),
]
"""What a tensor that is not used may be, by its name."""


class BadModel(ValueError):
    """A file or module that holds no network of the kind this package is about."""


@dataclass(frozen=True)
class Options:
    """What a state_dict does not say.

    nonlinearity: of a plain RNN, "relu" or "tanh".
    symbols: the input's columns, "()" or ")("; with "$" for a symbol that only ends words ("()$").
    outputs: the outputs, "()" or ")(": which may come next; or ")" for a single one.
    prefix: only tensors whose names begin so are looked at.
    """

    nonlinearity: str | None = None
    symbols: str = "()"
    outputs: str = "()"
    prefix: str = ""

    def __post_init__(self) -> None:
        if self.nonlinearity not in (None, "relu", "tanh"):
            raise BadModel(f"the nonlinearity is relu or tanh, not {printable(self.nonlinearity)}")
        if sorted(self.symbols.replace("$", "", 1)) != ["(", ")"]:
            raise BadModel(f"symbols are '()' or ')(', with $ for an end symbol; not {printable(self.symbols)}")
        if self.outputs not in ("()", ")("):
            raise BadModel(f"outputs are '()' or ')(': which symbol each allows; not {printable(self.outputs)}")


@dataclass(frozen=True)
class Model:
    """A stack of one network, and what was taken for what: subject -> sentence."""

    network: Networks
    taken: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return "\n".join(f"{subject:<9} {sentence}" for subject, sentence in self.taken.items())


def load(path: str | os.PathLike[str], options: Options | None = None) -> Networks:
    """Read the network in a file, as a stack of one. Raises BadModel, with a reason, for anything else."""
    return read(path, options).network


def read(path: str | os.PathLike[str], options: Options | None = None) -> Model:
    """Read the network in a file, and say what was taken. Raises BadModel, with a reason, for anything else."""
    path = Path(path)
    shown = printable(str(path), 200)
    try:
        return from_tensors(_content(path), options)
    except (BadModel, pickled.Unreadable) as error:
        raise BadModel(f"{shown}: {error}") from error.__cause__
    except OSError as error:
        raise BadModel(f"{shown}: {(error.strerror or str(error)).lower()}") from error
    # Bytes of unknown origin: whatever the readers make of them, it is a bad file.
    except Exception as error:
        reason = printable(str(error) or type(error).__name__, 200)
        raise BadModel(f"{shown}: cannot be read as safetensors or as a state_dict of torch.save: {reason}") from error


def from_module(module: nn.Module, options: Options | None = None) -> Model:
    """Take the network that a PyTorch module is, and say what was taken. Raises BadModel for another network."""
    import torch
    from torch import nn
    from torch.nn.utils import parametrize

    harmless: tuple = (nn.Sigmoid, nn.Dropout, nn.Identity, nn.Flatten, nn.Linear, nn.RNNBase, nn.RNNCellBase)
    for name, part in module.named_modules():
        leaf = type(part).__module__.startswith("torch.nn.modules.") and not any(part.children())
        if leaf and part is not module and ".parametrizations." not in f".{name}." and not isinstance(part, harmless):
            raise BadModel(f"the module has {name}, an nn.{type(part).__name__}, which would be passed over")
    nonlinearity = {part.nonlinearity for part in module.modules() if isinstance(part, nn.RNN | nn.RNNCell)}
    if len(nonlinearity) == 1:
        options = Options(**{**vars(options or Options()), "nonlinearity": nonlinearity.pop()})

    def tensor(one: torch.Tensor) -> Tensor:
        readable = not one.is_meta and one.layout is torch.strided
        dtype = str(one.dtype).removeprefix("torch.") if readable else f"{one.device} (without numbers)"
        return Tensor(tuple(one.shape), dtype, lambda: one.detach().cpu().numpy().copy())

    state = {**dict(module.named_buffers()), **module.state_dict()}
    # What a parametrization, of whatever kind, makes of its parameters stands in their place.
    for owner, part in module.named_modules():
        if parametrize.is_parametrized(part):
            before = f"{owner}." if owner else ""
            state = {name: one for name, one in state.items() if not name.startswith(f"{before}parametrizations.")}
            state |= {f"{before}{name}": getattr(part, name) for name in part.parametrizations}
    return from_tensors({name: tensor(one) for name, one in state.items() if isinstance(one, torch.Tensor)}, options)


def from_tensors(content: object, options: Options | None = None) -> Model:
    """Take the network in a state_dict of `Tensor`, or in containers that hold one. Raises BadModel."""
    options = options or Options()
    tensors, said = _flat(content)
    if options.prefix:
        tensors = {name: t for name, t in tensors.items() if name.startswith(options.prefix)}
        if not tensors:
            raise BadModel(f"has no tensor whose name begins with {printable(options.prefix)}")
    for name, one in tensors.items():
        if one.dtype == "unknown":
            raise BadModel(
                f"holds {printable(name)}, of an unknown kind (quantized, sparse, 8 bits, a NumPy array, or without "
                "numbers): save module.float().state_dict()"
            )
    normalized = [name for name in tensors if name.endswith(("_g", ".original0"))]
    tensors = _unpruned(tensors)
    layer = _layer(tensors)
    readout = _readout({name: t for name, t in tensors.items() if name not in layer.values()})
    _all_used(tensors, {*layer.values(), *readout})
    used = [tensors[name] for name in (*layer.values(), *readout)]
    dtype = _dtype(used)
    cell = {number: cell for cell, number in GATES.items()}[tensors[layer["weight_hh"]].shape[0]]
    taken = {"layer": f"{printable(layer['weight_hh'])}: {'ReLU' if cell == 'relu' else cell.upper()}, 1 unit"}
    if cell == "relu":
        taken["layer"] += "; " + _nonlinearity(options, said)
    parameters, taken["symbols"] = _columns(cell, tensors, layer, options.symbols)
    rows, said_of_rows = _rows(tensors, readout, options.outputs)
    taken["outputs"] = f"{printable(readout[0])}: {said_of_rows}"
    missing = [name for name in PARAMETERS if name not in layer] + ["the read-out's bias"] * (len(readout) == 1)
    if normalized:
        taken["weights"] = f"{_names(dict.fromkeys(normalized))}: weight normalization is assumed"
    if missing:
        taken["biases"] = f"{', '.join(missing)} missing: zeros"
    taken["numbers"] = f"{dtype}, as the file has them"
    arrays = {f"{name}_l0": array for name, array in parameters.items()} | rows
    return Model(Networks(cell, {name: np.asarray(array, dtype)[None] for name, array in arrays.items()}), taken)


def _content(path: Path) -> object:
    """Read what the file holds: by its first bytes of torch (a zip archive, a pickle), safetensors or npz."""
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise BadModel("is a folder: name the files in it, such as FOLDER/*.pt")
    if not stat.S_ISREG(status.st_mode):
        raise BadModel("is no regular file: copy what it gives into one")
    if status.st_size > LARGEST:
        raise BadModel(f"{status.st_size:,} bytes is too large for a network of hidden size 1")
    data = path.read_bytes()
    if data[8:9] == b"{":
        return _safetensors(path)
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if any(name.endswith(".npy") for name in archive.namelist()):
                return _npz(archive)
        return pickled.load(data)
    if data[:1] == b"\x80":
        return pickled.load(data)
    if data.startswith(b"version https://git-lfs"):
        raise BadModel("is a Git LFS pointer, not the file itself: run `git lfs pull`")
    if path.suffix == ".onnx" or (data[:1] == b"\x08" and b"pytorch" in data[:64]):
        raise BadModel("is ONNX, which is not read: save module.state_dict() with torch.save")
    for start, what in OTHERS.items():
        if data.startswith(start):
            raise BadModel(f"{what}, which is neither safetensors nor a state_dict of torch.save")
    raise BadModel("is neither safetensors nor a state_dict of torch.save")


def _safetensors(path: Path) -> dict[str, Tensor]:
    names = {"F32": "float32", "F64": "float64", "F16": "float16", "BF16": "bfloat16"}
    tensors = {}
    with safe_open(path, "numpy") as file:
        for name in list(file.keys()):
            part = file.get_slice(name)
            shape, dtype = tuple(part.get_shape()), part.get_dtype()
            numbers = file.get_tensor(name) if names.get(dtype, "")[:5] == "float" and np.prod(shape) <= 64 else None
            tensors[name] = Tensor(shape, names.get(dtype, dtype.lower()), partial(np.asarray, numbers))
    return tensors


def _npz(archive: zipfile.ZipFile) -> dict[str, Tensor]:
    if sum(member.file_size for member in archive.infolist()) > LARGEST_NPZ:
        raise BadModel("holds arrays of more than 16 MB, too large for a network of hidden size 1")
    if any(m.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for m in archive.infolist()):
        raise BadModel("is compressed in a way that NumPy does not write: save it with numpy.savez")
    tensors = {}
    for name in archive.namelist():
        with archive.open(name) as member:
            # No more than it says, since a few bytes may unpack to many.
            array = np.load(io.BytesIO(member.read(LARGEST_NPZ)), allow_pickle=False)
        tensors[name.removesuffix(".npy")] = Tensor(array.shape, array.dtype.name, partial(np.asarray, array))
    return tensors


def _flat(content: object) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors by their path, without a checkpoint's bookkeeping; and what the file says of nonlinearities."""
    tensors: dict[str, Tensor] = {}
    said: dict[str, str] = {}
    waiting, seen, looked_at = [("", 0, content, False)], set(), 0
    while waiting:
        prefix, depth, level, beside = waiting.pop()
        if (id(level), beside) in seen:
            continue
        seen.add((id(level), beside))
        state_dict = any(isinstance(v, Tensor) and RECURRENT.fullmatch(name) for name, v in _entries(level))
        for name, value in _entries(level):
            if not isinstance(value, Tensor | Thing | dict | list | tuple | str):
                continue
            path, looked_at = f"{prefix}{name}", looked_at + (not isinstance(value, str))
            if depth > DEEPEST or len(path) > LONGEST_NAME or looked_at > MOST_ENTRIES:
                raise BadModel("holds containers nested too deep, or too many tensors or too long names, for a network")
            kept = RECORDED if isinstance(value, Tensor) else BOOKKEEPING
            aside = beside or (not state_dict and bool(kept.fullmatch(name)))
            if isinstance(value, Tensor) and not aside:
                if path in tensors:
                    raise BadModel(f"has two tensors named {printable(path)}")
                tensors[path] = value
            elif _is_module(value):
                raise BadModel(
                    "holds pickled code or objects, which are not run: save module.state_dict() instead of the module"
                )
            elif isinstance(value, dict | list | tuple | Thing):
                waiting.append((f"{path}.", depth + 1, value, aside))
            elif isinstance(value, str) and SAYS.fullmatch(name):
                said[path] = value[:20].lower().removeprefix("rnn_")
    return tensors, said


def _is_module(value: object) -> bool:
    return isinstance(value, Thing) and value.content.keys() >= {"_parameters", "_modules"}


def _entries(level: object) -> Iterator[tuple[str, object]]:
    if isinstance(level, Tensor) or _is_module(level):
        yield "", level
    elif isinstance(level, Mapping | Thing):
        for name, value in (level.content if isinstance(level, Thing) else level).items():
            yield str(name)[: LONGEST_NAME + 1], value
    elif isinstance(level, list | tuple):
        yield from ((str(n), value) for n, value in enumerate(level))


def _unpruned(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
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
            f"needs one recurrent layer, found {len(owners)}, in {_names(owners)}: choose with --prefix if they are "
            "several networks"
        )
    if not owners or not {"weight_ih", "weight_hh"} <= set(*owners.values()):
        raise BadModel(f"needs one recurrent layer with weight_ih_l0 and weight_hh_l0; found {_names(tensors)}")
    (layer,) = owners.values()
    shape = tensors[layer["weight_hh"]].shape
    if len(shape) != 2 or shape[1] != 1:
        raise BadModel(f"the hidden size must be 1; weight_hh has shape {shape}")
    if shape[0] not in GATES.values():
        raise BadModel(f"an LSTM has 4 gates, a GRU 3, an RNN 1; weight_hh has shape {shape}")
    for name in {"bias_ih", "bias_hh"} & set(layer):
        if tensors[layer[name]].shape != shape[:1]:
            raise BadModel(f"{name} must have shape {shape[:1]}; it has {tensors[layer[name]].shape}")
    return layer


def _readout(tensors: Mapping[str, Tensor]) -> list[str]:
    """Names of the read-out's weight and, where it has one, its bias."""
    matrices = [name for name, t in tensors.items() if name.endswith("weight") and len(t.shape) == 2]
    fitting = [name for name in matrices if tensors[name].shape[1] == 1 and not BEFORE.fullmatch(name)]
    if len(fitting) != 1:
        shapes = ", ".join(f"{printable(name)} {tensors[name].shape}" for name in matrices[:6]) or "none"
        raise BadModel(f"needs one read-out, nn.Linear(1, 1) or (1, 2); found linear layers: {shapes}")
    weight = fitting[0]
    bias = f"{weight.removesuffix('weight')}bias"
    if bias in tensors and tensors[bias].shape != tensors[weight].shape[:1]:
        raise BadModel(
            f"the read-out's {printable(bias)} has shape {tensors[bias].shape}, which does not fit its weight"
        )
    return [weight, bias] if bias in tensors else [weight]


def _all_used(tensors: Mapping[str, Tensor], used: set[str]) -> None:
    for name in tensors:
        if name not in used:
            kind = next((kind for pattern, kind in KINDS if re.fullmatch(pattern, name, re.IGNORECASE)), "a tensor")
            raise BadModel(
                f"holds {printable(name)} {tensors[name].shape}, {kind} that would be passed over: only a recurrent "
                "layer and one read-out are decided on (--prefix leaves out what is no part of the network)"
            )


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


def _nonlinearity(options: Options, said: Mapping[str, str]) -> str:
    """Which one is taken, in words. Raises BadModel for tanh, and where file and option differ."""
    for name, value in said.items():
        named = name.rpartition(".")[2] in ("nonlinearity", "activation")
        if (named or value in ("relu", "tanh")) and value != (options.nonlinearity or "relu"):
            raise BadModel(f"says {printable(name)} = {value}, where {options.nonlinearity or 'relu'} would be taken")
    if options.nonlinearity == "tanh":
        raise BadModel("is a tanh RNN: only those with nonlinearity='relu', LSTMs and GRUs are decided on")
    if options.nonlinearity or "relu" in said.values():
        return "nonlinearity relu"
    return "nonlinearity relu is assumed, which a state_dict does not say (nn.RNN's own default is tanh)"


def _columns(
    cell: str, tensors: Mapping[str, Tensor], layer: Mapping[str, str], symbols: str
) -> tuple[dict[str, np.ndarray], str]:
    """Give the layer's numbers with `(` in column 0 and `)` in column 1, zeros for missing biases, and a sentence."""
    gates, width = GATES[cell], len(symbols)
    shape = tensors[layer["weight_ih"]].shape
    if shape != (gates, width):
        more = "; for an end symbol in column 2 give --symbols '()$'" if shape == (gates, 3) else ""
        raise BadModel(
            f"weight_ih must have shape {(gates, width)}, for two symbols one-hot ({symbols}); it has {shape}{more}"
        )
    parameters = {name: tensors[full].numbers() for name, full in layer.items()}
    parameters["weight_ih"] = parameters["weight_ih"][:, [symbols.index("("), symbols.index(")")]]
    zeros = {name: np.zeros(gates) for name in ("bias_ih", "bias_hh") if name not in layer}
    columns = ", ".join(f"column {n} is {'read only after the word' if s == '$' else s}" for n, s in enumerate(symbols))
    return parameters | zeros, f"one-hot: {columns}; the state starts at zero"


def _rows(tensors: Mapping[str, Tensor], readout: list[str], outputs: str) -> tuple[dict[str, np.ndarray], str]:
    """Give the read-out with "may `(` come next" in row 0 and "may `)`" in row 1; and a sentence."""
    weight = tensors[readout[0]].numbers()
    bias = tensors[readout[1]].numbers() if len(readout) == 2 else np.zeros(len(weight))
    rule = "yes iff the logit is 0 or more (sigmoid 0.5 or more)"
    if len(weight) == 1:
        said = f"a single one: may ) come next; {rule}; ( is always allowed"
        return {"output.weight": np.concatenate([np.zeros((1, 1)), weight]), "output.bias": np.append(1, bias)}, said
    if len(weight) != 2:
        raise BadModel(
            f"the read-out has {len(weight)} outputs; two are decided on, which of ( and ) may come next. Save it "
            "without the others, such as linear.weight[:2] and linear.bias[:2] where the third is for the word's end"
        )
    order = [outputs.index("("), outputs.index(")")]
    said = f"output {order[0]}: may ( come next; output {order[1]}: may ) come next; {rule}"
    return {"output.weight": weight[order], "output.bias": bias[order]}, said


def _names(names: Mapping[str, object]) -> str:
    shown = [printable(name or "(no prefix)", 60) for name in list(names)[:8]]
    return (", ".join(shown) + ", …" * (len(names) > 8)) or "no tensors at all"


def printable(text: object, longest: int = 80) -> str:
    """Text from a file as it may be printed: on one line, without control characters, cut."""
    line = "".join(c if c.isprintable() else "�" for c in str(text)[: longest + 1])
    return line if len(line) <= longest else f"{line[:longest]}…"
