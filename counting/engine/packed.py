"""Between the arrays that people use and the arrays that kernels read: words to bits, parameters to rows of lanes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from counting.engine.lanes import LANES

PARAMETERS = ("output.weight", "output.bias", "weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
"""A network's parameters in the order of a block's rows (`counting.engine.layout`)."""


class PackedWords(NamedTuple):
    """Words for training: 32 symbols to an integer, the first in the lowest bit."""

    brackets: np.ndarray
    """uint32 (n, chunks): 1 is `)`."""
    depths: np.ndarray
    """uint32 (n, chunks): 1 where the depth after the symbol is positive."""
    lengths: np.ndarray
    """int32 (n,)"""


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


def _columns(parameters: dict[str, np.ndarray]) -> np.ndarray:
    runs = len(parameters["output.bias"])
    flat = [parameters[name] for name in PARAMETERS]
    return np.concatenate([array.reshape(runs, array[:1].size) for array in flat], axis=1)


def pack_blocks(parameters: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Parameters of many runs as one flat array (rows · LANES,) for each block of runs.

    A last block that is not full repeats its first run in the idle lanes: work that is done and thrown away.
    """
    columns = _columns(parameters)
    blocks = []
    for start in range(0, len(columns), LANES):
        block = columns[start : start + LANES]
        idle = np.repeat(block[:1], LANES - len(block), axis=0)
        blocks.append(np.ascontiguousarray(np.concatenate([block, idle]).T).reshape(-1))
    return blocks


def unpack_block(block: np.ndarray, gates: int) -> dict[str, np.ndarray]:
    """The inverse of `pack_blocks` for one block, idle lanes included: each parameter as (LANES, ...)."""
    columns = block.reshape(-1, LANES).T
    shapes = {
        "output.weight": (2, 1),
        "output.bias": (2,),
        "weight_ih_l0": (gates, 2),
        "weight_hh_l0": (gates, 1),
        "bias_ih_l0": (gates,),
        "bias_hh_l0": (gates,),
    }
    ends = np.cumsum([np.prod(shape) for shape in shapes.values()])
    parts = np.split(columns, ends[:-1], axis=1)
    return {
        name: np.ascontiguousarray(part.reshape(LANES, *shape))
        for part, (name, shape) in zip(parts, shapes.items(), strict=True)
    }
