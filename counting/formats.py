"""Tensors by name, from a file of any format and from the containers of a checkpoint. No code is run.

A format is known by a file's first bytes. Of a checkpoint all tensors are taken but its bookkeeping (an optimizer's,
losses, counts of steps), which no network computes with.
"""

from __future__ import annotations

import io
import re
import stat
import zipfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from safetensors import safe_open

from counting import pickled
from counting.pickled import BadModel, Tensor, Thing, printable

LARGEST = 2**28
"""Bytes of a file that is read at all: such a network has 24 numbers, a checkpoint around it may have more."""

LARGEST_NPZ = 2**24

DEEPEST = 32
"""Containers inside containers that are looked through."""

LONGEST_NAME = 200
"""Characters of a tensor's full name: the patterns below take as long as the square of it."""

MOST_ENTRIES = 10_000
"""Tensors and containers that are looked at, though they be the same again and again."""

RECURRENT = re.compile(r"(?P<owner>.*?)(?P<name>(weight|bias)_(ih|hh))(?P<layer>_l\d+)?(?P<reverse>_reverse)?")
"""Names of a recurrent layer's or cell's parameters."""

PARAMETER = re.compile(r"(.*\.)?(weight|bias|_extra_state)|" + re.sub(r"\?P<\w+>", "", RECURRENT.pattern))
"""Names under which only a tensor is read."""

BOOKKEEPING = re.compile(
    r"(optim|optimi[sz]er|(lr_)?sched(uler)?|(\w+_)?rng|random|callback|loop|(\w+_)?loss(es)?|epoch|(global_)?step"
    r"|history|metric|hyper_parameter|hparam|config|cfg|arg)s?(_states?|_dict|_name|_type)*",
    re.IGNORECASE,
)
"""Branches of a checkpoint, beside the state_dict, that a network does not compute with."""

RECORDED = re.compile(r"(.*_)?(loss|losses|epoch|step|rng_state|history|metrics)", re.IGNORECASE)
"""Of single tensors beside the state_dict only these."""

SAYS = re.compile(r".*(nonlinearity|activation(_fn|_function)?|rnn_type|cell_type|rnn|cell|mode)", re.IGNORECASE)
"""Names under which a checkpoint says of a plain RNN whether it is a ReLU or a tanh."""

TANH = re.compile(r"(?<![a-z])tanh(?![a-z])", re.IGNORECASE)
"""What a text, whatever its name, says of one: in JSON, or as code."""

OTHERS = {
    b"version https://git-lfs": "is a Git LFS pointer, not the file itself: run `git lfs pull`",
    b"\x89HDF": "is HDF5, perhaps of Keras",
    b"GGUF": "is GGUF",
    b"\x93NUMPY": "is a single NumPy array",
    b"\x1f\x8b": "is compressed by gzip, to be unpacked first",
    b"<": "is a page of HTML or XML, perhaps what a failed download gave",
    b"{": "is JSON or other text",
}
"""How files begin that are not read, and what they are."""


def content(path: Path) -> object:
    """Read what a file holds: dicts, lists and tuples with tensors in them. Raises BadModel."""
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise BadModel("is a folder: name the files in it, such as FOLDER/*.pt")
    if not stat.S_ISREG(status.st_mode):
        raise BadModel("is no regular file: copy what it gives into one")
    if status.st_size > LARGEST:
        raise BadModel(f"{status.st_size:,} bytes is too large for a network of few units")
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
    if path.suffix == ".onnx" or (data[:1] == b"\x08" and b"pytorch" in data[:64]):
        raise BadModel("is ONNX, which is not read: save module.state_dict() with torch.save")
    what = [f"{what}, which is " for start, what in OTHERS.items() if data.startswith(start)]
    raise BadModel(f"{''.join(what) or 'is '}neither safetensors nor a state_dict of torch.save")


def _safetensors(path: Path) -> dict[str, object]:
    names = {"F32": "float32", "F64": "float64", "F16": "float16", "BF16": "bfloat16"}
    tensors: dict[str, object] = {}
    with safe_open(path, "numpy") as file:
        tensors["__metadata__"] = file.metadata()
        for name in list(file.keys()):
            part = file.get_slice(name)
            shape, dtype = tuple(part.get_shape()), names.get(part.get_dtype(), part.get_dtype().lower())
            numbers = None
            if dtype in ("float32", "float64") and np.prod(shape) <= pickled.LARGEST_TENSOR:
                numbers = file.get_tensor(name)
            tensors[name] = Tensor(shape, dtype, partial(np.asarray, numbers))
    return tensors


def _npz(archive: zipfile.ZipFile) -> dict[str, Tensor]:
    if sum(member.file_size for member in archive.infolist()) > LARGEST_NPZ:
        raise BadModel("holds arrays of more than 16 MB, too large for a network of few units")
    if any(m.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for m in archive.infolist()):
        raise BadModel("is compressed in a way that NumPy does not write: save it with numpy.savez")
    tensors = {}
    for name in archive.namelist():
        with archive.open(name) as member:
            # No more than it says, since a few bytes may unpack to many.
            array = np.load(io.BytesIO(member.read(LARGEST_NPZ)), allow_pickle=False)
        if (plain := name.removesuffix(".npy")) in tensors:
            raise BadModel(f"has two arrays named {printable(plain)}")
        tensors[plain] = Tensor(array.shape, array.dtype.name, partial(np.asarray, array))
    return tensors


def flat(content: object) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Give tensors by their path, without a checkpoint's bookkeeping; and what it says of nonlinearities.

    Raises BadModel.
    """
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
            path = f"{prefix}{name}"
            if not beside and PARAMETER.fullmatch(name) and not isinstance(value, Tensor | dict | str | bool | None):
                raise BadModel(f"holds {printable(path)}, which is no tensor, and would be passed over")
            if not isinstance(value, Tensor | Thing | dict | list | tuple | str):
                continue
            looked_at += not isinstance(value, str)
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
            # A function or class, torch.tanh say, is known by the last part of its name.
            if isinstance(value, str | Thing):
                says = value if isinstance(value, str) else value.name.rpartition(".")[2]
                if TANH.search(says):
                    said[path] = "tanh"
                elif SAYS.fullmatch(name):
                    said[path] = says[:20].lower().removeprefix("rnn_")
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
