"""What `torch.save` wrote, read without running anything: a pickle is followed opcode by opcode, objects stay names.

No function that a pickle names is called and no class is made, and nothing is copied again and again: memory and time
grow with the file alone.
The opcodes are decoded by the standard library's `pickletools`.
"""

from __future__ import annotations

import io
import math
import pickletools
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

LARGEST_PICKLE = 2**20
"""Bytes of a pickle that is followed: the state_dict of a small network has a few thousand."""

MOST_COPIED = 2**20
"""Entries that are copied out of one container into another, as a pickle can ask for many times in a few bytes each."""

LARGEST_TENSOR = 2**12
"""Numbers of a tensor that is read; of a larger one only the shape is known."""

STORAGES = {
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "ByteStorage": "uint8",
    "CharStorage": "int8",
    "ShortStorage": "int16",
    "IntStorage": "int32",
    "LongStorage": "int64",
    "BoolStorage": "bool",
}


LONGEST_NAME = 200
"""Characters of the name of a class or function."""


class BadModel(ValueError):
    """A file or module that holds no network of the kind this package is about."""


@dataclass(eq=False)
class Tensor:
    """Shape and dtype of a tensor, and how to get its numbers; dtype "unknown" for a kind that is not read."""

    shape: tuple[int, ...]
    dtype: str
    numbers: Callable[[], np.ndarray]


@dataclass(eq=False)
class Thing:
    """An object that is not made: the name of its class or function, and what would have been put into it."""

    name: str
    content: dict[object, object] = field(default_factory=dict)


@dataclass(eq=False)
class _Storage:
    dtype: str
    data: Callable[[], bytes]


def load(data: bytes) -> object:
    """Read the content of a file of `torch.save`, of its present or its former format. Raises BadModel."""
    if not zipfile.is_zipfile(io.BytesIO(data)):
        return _former(data)
    archive = zipfile.ZipFile(io.BytesIO(data))
    members = {member.filename.partition("/")[2]: member for member in archive.infolist()}
    if any(name.endswith("archive_format") or name.startswith("models/") for name in members):
        raise BadModel("is of torch.export, which holds a program: save module.state_dict() instead")
    if {"config.json", "model.weights.h5"} & {member.filename for member in archive.infolist()}:
        raise BadModel("is of Keras, which is not read: put its weights into an nn.LSTM, nn.GRU or nn.RNN")
    if "constants.pkl" in members:
        raise BadModel("is TorchScript, which holds code: save module.state_dict() instead")
    if len(members) < len(archive.infolist()):
        raise BadModel("is an archive with two files of one name, of which PyTorch may read the other")
    if "data.pkl" not in members:
        raise BadModel("is an archive without a data.pkl, so not of torch.save")
    if any(member.compress_type != zipfile.ZIP_STORED for member in members.values()):
        raise BadModel("is a compressed archive, which torch.save does not write")
    if "byteorder" in members and archive.read(members["byteorder"]) != b"little":
        raise BadModel("was written on a machine of another byte order: load and save it again there")

    def storage(kind: str, key: str) -> _Storage:
        return _Storage(STORAGES.get(kind, "unknown"), lambda: archive.read(members[f"data/{key}"]))

    return _Machine(storage).follow(io.BytesIO(archive.read(members["data.pkl"])))


def _former(data: bytes) -> object:
    """Five pickles one after another (magic number, version, machine, content, keys), then the storages."""
    file, dtypes = io.BytesIO(data), {}
    found: dict[str, bytes] = {}

    def storage(kind: str, key: str) -> _Storage:
        dtypes[key] = STORAGES.get(kind, "unknown")
        return _Storage(dtypes[key], lambda: found[key])

    if _Machine(storage).follow(file) != 0x1950A86A20F9469CFC6C:
        raise BadModel("is a pickle, but not of torch.save: save module.state_dict() with torch.save")
    _version, _system, content, keys = [_Machine(storage).follow(file) for _ in range(4)]
    for key in keys if isinstance(keys, list) else []:
        if not isinstance(key, str) or key not in dtypes:
            raise BadModel("is a pickle, but not of torch.save: it lists storages that no tensor has")
        width = 2 if dtypes[key] == "bfloat16" else np.dtype(dtypes[key]).itemsize
        found[key] = file.read(width * int.from_bytes(file.read(8), "little"))
    return content


class _Machine:
    """The pickle's stack and memo. Values are numbers, text, bytes, tuples, lists, dicts, Tensors and Things."""

    def __init__(self, storage: Callable[[str, str], _Storage]) -> None:
        self.storage = storage
        self.stack: list = []
        self.marked: list[list] = []
        self.memo: dict[int, object] = {}
        self.copied = 0
        self.unnamed = 0

    def follow(self, file: io.BytesIO) -> object:
        start = file.tell()
        for opcode, argument, place in pickletools.genops(file):
            if (place or 0) - start > LARGEST_PICKLE:
                raise BadModel(f"holds a pickle of more than {LARGEST_PICKLE:,} bytes, too many for one unit")
            if opcode.name == "STOP":
                return self.stack.pop()
            self._step(opcode.name, argument)
        raise BadModel("ends before its end")

    def _step(self, name: str, argument: Any) -> None:
        stack = self.stack
        match name:
            case "PROTO" | "FRAME":
                pass
            case "NONE":
                stack.append(None)
            case "NEWTRUE" | "NEWFALSE":
                stack.append(name == "NEWTRUE")
            case "MARK":
                self.marked.append(stack)
                self.stack = []
            case "POP":
                stack.pop()
            case "POP_MARK":
                self._marked()
            case "DUP":
                stack.append(stack[-1])
            case "MEMOIZE":
                self.memo[len(self.memo)] = stack[-1]
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                self.memo[argument] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(self.memo[argument])
            case "EMPTY_DICT" | "EMPTY_LIST" | "EMPTY_TUPLE":
                stack.append({"EMPTY_DICT": {}, "EMPTY_LIST": [], "EMPTY_TUPLE": ()}[name])
            case "EMPTY_SET":
                stack.append(Thing("set"))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = int(name[-1])
                stack[-count:] = [tuple(stack[-count:])]
            case "TUPLE" | "LIST" | "DICT" | "FROZENSET":
                items = self._marked()
                made: dict[str, Callable] = {
                    "TUPLE": tuple,
                    "LIST": list,
                    "DICT": self._dict,
                    "FROZENSET": lambda _: Thing("frozenset"),
                }
                self.stack.append(made[name](items))
            case "APPEND" | "APPENDS" | "ADDITEMS":
                items = [stack.pop()] if name == "APPEND" else self._marked()
                if isinstance(self.stack[-1], list):
                    self.stack[-1].extend(items)
            case "SETITEM" | "SETITEMS":
                items = [stack.pop(-2), stack.pop()] if name == "SETITEM" else self._marked()
                _put(self.stack[-1], self._dict(items))
            case "GLOBAL":
                stack.append(Thing(argument.replace(" ", ".")))
            case "STACK_GLOBAL":
                module, function = stack.pop(-2), stack.pop()
                known = (
                    isinstance(module, str) and isinstance(function, str) and len(module) + len(function) < LONGEST_NAME
                )
                stack.append(Thing(f"{module}.{function}" if known else "?"))
            case "REDUCE" | "NEWOBJ":
                arguments = stack.pop()
                stack.append(self._made(stack.pop(), arguments))
            case "NEWOBJ_EX":
                del stack[-2:]
                stack.append(self._made(stack.pop(), ()))
            case "OBJ":
                items = self._marked()
                self.stack.append(self._made(items[0], tuple(items[1:])))
            case "INST":
                self._marked()
                self.stack.append(Thing(argument.replace(" ", ".")))
            case "BUILD":
                state = stack.pop()
                # A dict's own attributes (`_metadata`) are no entries of it.
                if isinstance(stack[-1], Thing):
                    _put(stack[-1], self._once(state) if isinstance(state, dict) else {"state": state})
            case "BINPERSID":
                kind, storage, key, _place, _size, *view = stack.pop()
                if kind != "storage" or not isinstance(key, str):
                    raise BadModel("names something outside itself that is no storage of torch")
                if any(view):
                    raise BadModel("holds a view of a storage, as PyTorch no longer writes: load and save it again")
                stack.append(self.storage(storage.name.rpartition(".")[2], key))
            case _ if isinstance(argument, str | bytes | bytearray | int | float):
                stack.append(argument)
            case _:
                raise BadModel(f"holds the pickle opcode {name}, which torch.save does not write")

    def _marked(self) -> list:
        items, self.stack = self.stack, self.marked.pop()
        return items

    def _dict(self, items: list) -> dict:
        """Keys and values in turn. A key that is no text or number cannot name a tensor; its kind and a number do."""
        found: dict = {}
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not (isinstance(key, str | float) or (isinstance(key, int) and abs(key) < 2**63)):
                self.unnamed += 1
                key = f"<{type(key).__name__} {self.unnamed}>"
            found[key] = value
        return found

    def _once(self, items: Any) -> Any:
        """Give items that are about to be copied. Raises BadModel where that was done too often."""
        self.copied += len(items)
        if self.copied > MOST_COPIED:
            raise BadModel("copies more than a state_dict of one unit holds")
        return items

    def _made(self, function: object, arguments: Any) -> object:
        """Give what a call gives: a dict or a tensor where it is one of those that a state_dict needs, else a Thing."""
        name = function.name if isinstance(function, Thing) else "?"
        if name == "collections.OrderedDict":
            pairs = self._once(arguments[0]) if isinstance(arguments, tuple) and arguments else []
            return self._dict([part for key, value in pairs for part in (key, value)])
        if name in ("torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor"):
            # A seventh argument says that the numbers stand there negated or conjugated.
            plain = not any(arguments[6:])
            return _tensor(*arguments[:4]) if plain else Tensor((), "unknown", lambda: np.zeros(()))
        if name in ("torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state"):
            return arguments[0]
        pair = isinstance(arguments, tuple) and len(arguments) == 2
        if name.endswith(".getattr") and pair and isinstance(arguments[1], str):  # torch.tanh is named so
            return Thing(f"{getattr(arguments[0], 'name', '?')}.{printable(arguments[1])}"[-LONGEST_NAME:])
        if name.startswith(("torch._utils._rebuild", "torch._tensor")) or name.endswith("multiarray._reconstruct"):
            return Tensor((), "unknown", lambda: np.zeros(()))
        return Thing(name, {"arguments": arguments})


def _put(target: object, items: dict) -> None:
    if isinstance(target, dict):
        target.update(items)
    elif isinstance(target, Thing):
        target.content.update(items)


def _tensor(storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> Tensor:
    numbers = (*shape, *strides, offset)
    if not isinstance(storage, _Storage) or len(shape) != len(strides) or len(shape) > 64:
        raise BadModel("holds a tensor as torch.save does not write it: save module.state_dict() with torch.save")
    if not all(type(n) is int and 0 <= n < 2**48 for n in numbers):
        raise BadModel("holds a tensor whose shape or strides are no whole numbers")

    def read() -> np.ndarray:
        if math.prod(shape) > LARGEST_TENSOR:
            raise BadModel(f"holds a tensor of shape {shape} where a few numbers are needed")
        flat = np.frombuffer(storage.data(), storage.dtype)
        if offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True)) >= len(flat):
            raise BadModel("holds a tensor that is larger than its storage")
        steps = [stride * flat.itemsize for stride in strides]
        return np.lib.stride_tricks.as_strided(flat[offset:], shape, steps).copy()

    return Tensor(shape, storage.dtype, read)


def printable(text: object, longest: int = 80) -> str:
    """Text from a file as it may be printed: on one line, without control characters, cut."""
    line = "".join(c if c.isprintable() else "�" for c in str(text)[: longest + 1])
    return line if len(line) <= longest else f"{line[:longest]}…"
