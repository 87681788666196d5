"""Model files, and what may become of them: bytes changed, parts cut, moved and doubled, inside archives too."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable

import numpy as np
import torch
from safetensors.torch import save

from counting import cells

TELLING = (0, 1, 0x7F, 0x80, 0xFF)
"""Bytes at which lengths and signs change."""


class Call:
    """Pickled, it is a call."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[object, ...]:
        return self.call


def whole_files() -> list[bytes]:
    """Files that hold a network, in every format, and some that hold other things, or calls."""
    files = []
    for cell in cells.CELLS:
        state = cells.initialize(cell, [1]).to_torch(0).state_dict()
        checkpoint = {"epoch": 3, "state_dict": state, "best": [0.5, None, (True, "x")]}
        files += [save(state), torch_file(state), torch_file(state, zipped=False), torch_file(checkpoint)]
    files += [torch_file(Call(os.getcwd), zipped) for zipped in (True, False)]
    files += [pickle.dumps({"weight_ih_l0": Call(os.getcwd)}, protocol) for protocol in range(6)]
    return files


def torch_file(content: object, zipped: bool = True) -> bytes:
    """The bytes that `torch.save` writes."""
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def damaged(rng: np.random.Generator, files: list[bytes]) -> bytes:
    """One of the files with one to eight changes; in half of all archives and headers, inside what checksums
    and lengths protect."""
    whole = files[rng.integers(len(files))]
    if rng.random() < 0.5:
        if zipfile.is_zipfile(io.BytesIO(whole)):
            return _inside_zip(rng, whole)
        if whole[8:9] == b"{":
            return _inside_safetensors(rng, whole)
    return changed(rng, whole, files)


def changed(rng: np.random.Generator, whole: bytes, others: list[bytes]) -> bytes:
    """The bytes with one to eight changes."""
    data = bytearray(whole)
    for _ in range(rng.integers(1, 9)):
        at, size = int(rng.integers(len(data) + 1)), int(2 ** rng.uniform(0, 7))
        match rng.integers(7):
            case 0:
                data[at : at + 1] = rng.bytes(1)
            case 1 if at < len(data):
                data[at] ^= 1 << int(rng.integers(8))
            case 2:
                data[at : at + 8] = bytes([TELLING[rng.integers(len(TELLING))]]) * int(rng.integers(1, 9))
            case 3:
                del data[at : at + size]
            case 4:
                data[at:at] = data[at : at + size]
            case 5:
                other = others[rng.integers(len(others))]
                start = int(rng.integers(len(other) + 1))
                data[at : at + size] = other[start : start + size]
            case 6 if rng.random() < 0.1:
                del data[at:]
    return bytes(data)


def _inside_zip(rng: np.random.Generator, whole: bytes) -> bytes:
    """An archive that is sound, with changes in one of its members, or another compression."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(file, "w") as new:
        members = {name: old.read(name) for name in old.namelist()}
        pickles = [name for name in members if name.endswith("data.pkl")]
        which = pickles[0] if pickles and rng.random() < 0.7 else list(members)[rng.integers(len(members))]
        members[which] = changed(rng, members[which], list(members.values()))
        for name, content in members.items():
            kind = zipfile.ZIP_DEFLATED if rng.random() < 0.1 else zipfile.ZIP_STORED
            new.writestr(zipfile.ZipInfo(name), content, kind)
    return file.getvalue()


def _inside_safetensors(rng: np.random.Generator, whole: bytes) -> bytes:
    """A safetensors file whose header has another number or name somewhere, and the length it says it has."""
    end = 8 + int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8:end])
    for _ in range(rng.integers(1, 4)):
        entry = header[list(header)[rng.integers(len(header))]]
        values = ([], [1], [2, 1], [0], [2**62, 4], [-1], "F16", "F64", "I8", None, 3, {})
        entry[("shape", "dtype", "data_offsets")[rng.integers(3)]] = values[rng.integers(len(values))]
    text = json.dumps(header).encode()
    if rng.random() < 0.3:
        text = changed(rng, text, [text])
    return len(text).to_bytes(8, "little") + text + whole[end:]
