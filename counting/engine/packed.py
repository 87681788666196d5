"""Between the arrays that people use and the arrays that kernels read: words to bits, parameters to rows of lanes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from counting.engine.lanes import LANES

PARAMETERS = ("output.weight", "output.bias", "weight_hh_l0", "bias_hh_l0", "weight_ih_l0", "bias_ih_l0")
"""A network's parameters in the order of a block's rows (`counting.engine.layout`)."""


def check_array(name: str, array: np.ndarray, shape: tuple[int | None, ...], *dtypes: type) -> None:
    """Raise ValueError unless an array has this shape (None: any length) and one of these dtypes.

    Kernels do not look: an array that is too short would be written to beyond its end.
    """
    fits = len(array.shape) == len(shape) and all(
        wanted in (None, found) for wanted, found in zip(shape, array.shape, strict=True)
    )
    if not fits or array.dtype not in dtypes:
        wanted = f"({', '.join('any' if n is None else str(n) for n in shape)})"
        kinds = " or ".join(np.dtype(kind).name for kind in dtypes)
        raise ValueError(f"{name} must be {kinds} of shape {wanted}; got {array.dtype} of shape {array.shape}")


def check_indices(name: str, indices: np.ndarray, below: int) -> None:
    """Raise ValueError unless all indices are from 0 and below a number."""
    if indices.size and not 0 <= indices.min() <= indices.max() < below:
        raise ValueError(f"{name} must be from 0 and below {below}; got {indices.min()} to {indices.max()}")


class PackedWords(NamedTuple):
    """Words for training: 32 symbols to an integer, the first in the lowest bit."""

    brackets: np.ndarray
    """uint32 (n, chunks): 1 is `)`."""
    depths: np.ndarray
    """uint32 (n, chunks): 1 where the depth after the symbol is positive."""
    lengths: np.ndarray
    """int32 (n,)"""


def check_words(words: PackedWords) -> None:
    """Raise ValueError for words whose arrays do not fit each other."""
    n, chunks = len(words.lengths), words.brackets.shape[-1]
    check_array("lengths", words.lengths, (n,), np.int32)
    for name in ("brackets", "depths"):
        check_array(name, getattr(words, name), (n, chunks), np.uint32)
    check_indices("lengths of words", words.lengths, 32 * chunks + 1)


def _pack_bits(flags: np.ndarray) -> np.ndarray:
    """bool (n, longest) to uint32 (n, chunks)."""
    n, longest = flags.shape
    chunks = -(-longest // 32)
    padded = np.zeros((n, chunks, 32), np.uint32)
    padded.reshape(n, -1)[:, :longest] = flags
    return np.bitwise_or.reduce(padded << np.arange(32, dtype=np.uint32), axis=2)


def pack_words(tokens: np.ndarray, depth: np.ndarray, lengths: np.ndarray) -> PackedWords:
    """Words as `PackedWords`. tokens: int8 (n, longest), 1 for `)`; depth: after each symbol; lengths: (n,)."""
    return PackedWords(_pack_bits(tokens == 1), _pack_bits(depth > 0), lengths.astype(np.int32))


def pack_group(parameters: dict[str, np.ndarray]) -> np.ndarray:
    """Parameters of a group of runs as one array (rows, runs), see `counting.engine.layout`."""
    runs = len(parameters["output.bias"])
    flat = [parameters[name] for name in PARAMETERS]
    columns = np.concatenate([array.reshape(runs, array[:1].size) for array in flat], axis=1)
    return np.ascontiguousarray(columns.T)


def unpack_group(group: np.ndarray, gates: int) -> dict[str, np.ndarray]:
    """The inverse of `pack_group`: each parameter as (runs, ...), a copy."""
    shapes = {
        "output.weight": (2, 1),
        "output.bias": (2,),
        "weight_ih_l0": (gates, 2),
        "weight_hh_l0": (gates, 1),
        "bias_ih_l0": (gates,),
        "bias_hh_l0": (gates,),
    }
    ends = np.cumsum([np.prod(shapes[name]) for name in PARAMETERS])
    rows = dict(zip(PARAMETERS, np.split(group, ends[:-1]), strict=True))
    return {
        name: np.array(rows[name].T, order="C").reshape(group.shape[1], *shape) for name, shape in shapes.items()
    }


def blocks_of(group: np.ndarray) -> list[np.ndarray]:
    """A group as one flat array (rows · LANES,) for each block of LANES runs.

    A last block that is not full repeats its first run in the idle lanes: work that is done and thrown away.
    """
    blocks = []
    for start in range(0, group.shape[1], LANES):
        block = group[:, start : start + LANES]
        idle = np.repeat(block[:, :1], LANES - block.shape[1], axis=1)
        blocks.append(np.concatenate([block, idle], axis=1).reshape(-1))
    return blocks


def pack_blocks(parameters: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Parameters of many runs as blocks."""
    return blocks_of(pack_group(parameters))
