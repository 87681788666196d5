"""Between the arrays that people use and the arrays that kernels read: words to bits, parameters to rows of lanes."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from counting.engine.block import CELLS, GATES, symbol_bits
from counting.engine.lanes import LANES
from counting.engine.layout import Shape, parameter_rows, shape

PARAMETERS = ("output.weight", "output.bias", "weight_hh_l0", "bias_hh_l0", "weight_ih_l0", "bias_ih_l0")
"""A network's parameters in the order of a block's rows (`counting.engine.layout`)."""


def check_array(name: str, array: np.ndarray, shape: tuple[int | None, ...], *dtypes: type | np.dtype) -> None:
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


class Readable(Protocol):
    """Words as people have them, such as `dyck.Words`."""

    @property
    def symbols(self) -> int:
        """Number of symbols of the alphabet."""

    @property
    def tokens(self) -> np.ndarray:
        """int8 (n, longest): a symbol's number, and anything beyond the end of the word."""

    @property
    def lengths(self) -> np.ndarray:
        """int32 (n,)"""

    @property
    def targets(self) -> np.ndarray:
        """int8 (n, longest, outputs): 1 where an output must say yes after the symbol, else 0."""


class PackedWords(NamedTuple):
    """Words for training: 32 symbols to an integer, the first in the lowest bit."""

    symbols: np.ndarray
    """uint32 (n, chunks, bits): the bits of the symbols, the lowest first."""
    targets: np.ndarray
    """uint32 (n, chunks, outputs)"""
    lengths: np.ndarray
    """int32 (n,)"""


def check_block(block: np.ndarray, shape: Shape) -> None:
    """Raise ValueError unless an array is a block of parameters of networks of this shape."""
    size = parameter_rows(shape) * LANES
    check_array("a block of parameters", block, (size,), np.float32, np.float64)


def check_tokens(tokens: np.ndarray, targets: np.ndarray, lengths: np.ndarray, shape: Shape) -> None:
    """Raise ValueError for words whose arrays do not fit each other, or networks of this shape."""
    check_array("tokens", tokens, (len(lengths), None), np.int8)
    check_array("targets", targets, (*tokens.shape, len(shape.outputs)), np.int8)
    check_array("lengths", lengths, (len(tokens),), np.int32)
    check_indices("lengths of words", lengths, tokens.shape[1] + 1)
    inside = np.arange(tokens.shape[1]) < lengths[:, None]
    check_indices("symbols", tokens[inside], len(shape.symbols))


def check_words(words: PackedWords, shape: Shape) -> None:
    """Raise ValueError for words whose arrays do not fit each other, or networks of this shape."""
    n, chunks = len(words.lengths), words.targets.shape[1]
    check_array("lengths", words.lengths, (n,), np.int32)
    check_array("targets", words.targets, (n, chunks, len(shape.outputs)), np.uint32)
    check_array("symbols", words.symbols, (n, chunks, symbol_bits(len(shape.symbols))), np.uint32)
    check_indices("lengths of words", words.lengths, 32 * chunks + 1)


def _pack_bits(flags: np.ndarray) -> np.ndarray:
    """Pack 0 and 1, (n, longest, any), to uint32 (n, chunks, any)."""
    n, longest, kinds = flags.shape
    chunks = -(-longest // 32)
    padded = np.zeros((n, chunks * 32, kinds), np.uint32)
    padded[:, :longest] = flags
    shifts = np.arange(32, dtype=np.uint32)[:, None]
    return np.bitwise_or.reduce(padded.reshape(n, chunks, 32, kinds) << shifts, axis=2)


def pack_words(words: Readable) -> PackedWords:
    """Pack words for training. Raises ValueError for symbols that are not in the alphabet."""
    inside = np.arange(words.tokens.shape[1]) < words.lengths[:, None]
    check_indices("symbols", words.tokens[inside], words.symbols)
    symbols = np.where(inside, words.tokens, 0)[..., None] >> np.arange(symbol_bits(words.symbols)) & 1
    return PackedWords(_pack_bits(symbols), _pack_bits(words.targets), words.lengths.astype(np.int32))


def shape_of(cell: str, parameters: dict[str, np.ndarray]) -> Shape:
    """Give the shape of networks of a cell with these parameters, (runs, ...) each."""
    sizes = (parameters[name].shape[-1] for name in ("weight_hh_l0", "weight_ih_l0", "output.bias"))
    return shape(GATES[CELLS.index(cell)], *sizes)


def pack_group(parameters: dict[str, np.ndarray]) -> np.ndarray:
    """Parameters of a group of runs as one array (rows, runs), see `counting.engine.layout`."""
    runs = len(parameters["output.bias"])
    flat = [parameters[name] for name in PARAMETERS]
    columns = np.concatenate([array.reshape(runs, array[:1].size) for array in flat], axis=1)
    return np.ascontiguousarray(columns.T)


def unpack_group(group: np.ndarray, like: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Undo `pack_group`: each parameter as (runs, ...), a copy. like: parameters of such networks, however many."""
    ends = np.cumsum([like[name][:1].size for name in PARAMETERS])
    rows = dict(zip(PARAMETERS, np.split(group, ends[:-1]), strict=True))
    return {
        name: np.array(rows[name].T, order="C").reshape(group.shape[1], *array.shape[1:])
        for name, array in like.items()
    }


def blocks_of(group: np.ndarray) -> list[np.ndarray]:
    """Cut a group into blocks: one flat array (rows · LANES,) for each LANES runs.

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
