"""The networks: one recurrent layer with a linear read-out; for Dyck-1 one unit, two symbols, two outputs.

A `Networks` is a stack of runs of one cell and size, under PyTorch's parameter names, shapes and gate order. The input
is one-hot; of Dyck-1 `(` first, output 0 says whether `(` may come next, output 1 whether `)` may.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

GATES = {"lstm": 4, "gru": 3, "relu": 1}
"""Gates of each cell, in PyTorch's order: i, f, g, o · r, z, n · the cell itself."""

CELLS = tuple(GATES)

MOST = {"units": 6, "symbols": 12, "outputs": 12}
"""The largest networks that the engine takes; the smallest have one unit, two symbols, one output."""


class UnknownCell(ValueError):
    """A cell's name that is not one of `CELLS`."""


def gates(cell: str) -> int:
    """Count the gates of a cell. Raises UnknownCell."""
    if cell not in CELLS:
        raise UnknownCell(f"unknown cell {cell!r}: the cells are {', '.join(map(repr, CELLS))}")
    return GATES[cell]


def shapes(cell: str, units: int = 1, symbols: int = 2, outputs: int = 2) -> dict[str, tuple[int, ...]]:
    """Shape of each parameter of one network, in the order in which PyTorch initializes them.

    Raises UnknownCell, and ValueError for sizes beyond `MOST`.
    """
    for (name, most), size in zip(MOST.items(), (units, symbols, outputs), strict=True):
        if not 1 <= size <= most:
            raise ValueError(f"{name} must be from 1 to {most}; got {size}")
    rows = gates(cell) * units
    return {
        "weight_ih_l0": (rows, symbols),
        "weight_hh_l0": (rows, units),
        "bias_ih_l0": (rows,),
        "bias_hh_l0": (rows,),
        "output.weight": (outputs, units),
        "output.bias": (outputs,),
    }


@dataclass(frozen=True, eq=False)
class Networks:
    """A stack of trained or untrained runs of one cell.

    cell: "lstm", "gru" or "relu".
    parameters: name -> array (runs, *shape), float32 (or all float64), keys and shapes as in `shapes(cell, …)` for
    some number of units, symbols and outputs.
    The arrays are copies.

    Raises ValueError for missing, unknown or misshapen parameters and for mixed or other dtypes. Values may be
    infinite or NaN, since training may diverge: see `finite`.
    """

    cell: str
    parameters: dict[str, np.ndarray]

    def __post_init__(self) -> None:
        expected = shapes(self.cell)
        given = self.parameters
        if set(given) != set(expected):
            raise ValueError(f"a {self.cell} has the parameters {sorted(expected)}, not {sorted(given)}")
        arrays = {name: np.array(given[name], order="C") for name in expected}
        expected = shapes(self.cell, *_sizes(arrays))
        dtypes = {array.dtype.name for array in arrays.values()}
        if len(dtypes) != 1 or not dtypes <= {"float32", "float64"}:
            raise ValueError(f"parameters must all be float32 or all float64, not {', '.join(sorted(dtypes))}")
        runs = {array.shape[:1] for array in arrays.values()}
        for name, array in arrays.items():
            if array.shape[1:] != expected[name] or len(runs) != 1:
                raise ValueError(
                    f"{name} of a {self.cell} has shape (runs, {', '.join(map(str, expected[name]))}), "
                    f"the same runs for every parameter; got {array.shape}"
                )
        object.__setattr__(self, "parameters", arrays)

    def __len__(self) -> int:
        return len(self.parameters["output.bias"])

    def __getitem__(self, runs: int | slice | np.ndarray | Sequence[int]) -> Networks:
        """Choose runs, always as a stack: `nets[7]` is a stack of one."""
        if isinstance(runs, (int, np.integer)):
            runs = [range(len(self))[runs]]
        return Networks(self.cell, {name: array[runs] for name, array in self.parameters.items()})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Networks):
            return NotImplemented
        return self.cell == other.cell and all(
            np.array_equal(array, other.parameters[name], equal_nan=True)
            and array.dtype == other.parameters[name].dtype
            for name, array in self.parameters.items()
        )

    def __repr__(self) -> str:
        return f"Networks({self.cell!r}, {len(self)} runs, {self.dtype.name})"

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Numbers of units, symbols and outputs."""
        return _sizes(self.parameters)

    @property
    def dtype(self) -> np.dtype:
        """Floating point of all parameters: float32 or float64."""
        return self.parameters["output.bias"].dtype

    @property
    def finite(self) -> np.ndarray:
        """Tell whether no parameter is NaN or infinite: bool (runs,)."""
        return np.all(
            [np.isfinite(a).all(axis=tuple(range(1, a.ndim))) for a in self.parameters.values()], axis=0
        )

    def astype(self, dtype: str | np.dtype) -> Networks:
        """Give the same networks with parameters rounded to float32, or widened to float64."""
        return Networks(self.cell, {name: array.astype(dtype) for name, array in self.parameters.items()})

    def to_torch(self, run: int) -> torch.nn.Module:
        """Run `run` as a `reference.Counter`: `nn.LSTM`, `nn.GRU` or `nn.RNN` with an `nn.Linear`."""
        from counting import reference

        return reference.from_parameters(self.cell, {name: a[run] for name, a in self.parameters.items()})

    @staticmethod
    def from_torch(modules: Iterable[torch.nn.Module]) -> Networks:
        """Networks of `reference.Counter`s, or any PyTorch modules with a recurrent layer of one unit and a read-out.

        Raises ValueError where a module is not such a network, or is one with more to it.
        """
        # Imported by name, which `sources` does not follow: how strangers' models are read trains nothing.
        return importlib.import_module("counting.modelfile").from_modules(modules)

    @staticmethod
    def concatenate(parts: Iterable[Networks]) -> Networks:
        """All runs of several stacks of one cell. Raises ValueError for none, or for different cells or dtypes."""
        parts = list(parts)
        kinds = {(part.cell, part.dtype.name, *part.sizes) for part in parts}
        if len(kinds) != 1:
            raise ValueError(f"networks of one cell, dtype and size are needed, got {sorted(kinds) or 'none at all'}")
        return Networks(
            parts[0].cell,
            {name: np.concatenate([part.parameters[name] for part in parts]) for name in parts[0].parameters},
        )


def initialize(cell: str, seeds: Iterable[int], units: int = 1, symbols: int = 2, outputs: int = 2) -> Networks:
    """PyTorch's default initialization, U(−1, 1) / √units, one run for each seed.

    Run by run the same numbers as `torch.manual_seed(seed)` followed by the construction of the recurrent layer and
    of the `nn.Linear`; the global generator is left alone.
    """
    from counting import reference

    seeds, expected = checked_seeds(seeds), shapes(cell, units, symbols, outputs)
    runs = [reference.default_parameters(expected, seed) for seed in seeds]
    return Networks(cell, {name: np.stack([run[name] for run in runs]) for name in expected})


def _sizes(parameters: dict[str, np.ndarray]) -> tuple[int, int, int]:
    """Read units, symbols and outputs off the shapes of parameters; Dyck-1's where an array has no such shape."""
    recurrent, drive, bias = (parameters[name].shape for name in ("weight_hh_l0", "weight_ih_l0", "output.bias"))
    fine = (len(recurrent), len(drive), len(bias)) == (3, 3, 2)
    return (recurrent[-1], drive[-1], bias[-1]) if fine else (1, 2, 2)


def checked_seeds(seeds: Iterable[int]) -> tuple[int, ...]:
    """Seeds as a tuple. Raises ValueError unless they are one or more different integers from 0 below 2^63."""
    seeds = tuple(seeds)
    if not seeds or not all(isinstance(s, (int, np.integer)) and 0 <= s < 2**63 for s in seeds):
        raise ValueError(f"seeds must be one or more integers from 0 below 2^63, such as range(100); got {seeds!r}")
    if len(set(seeds)) < len(seeds):
        raise ValueError("seeds must differ: two runs of one seed are one run")
    return tuple(int(seed) for seed in seeds)


def exact(cell: str, step: float = 1.0) -> Networks:
    """Make a network that counts, by hand.

    "relu": h = step · depth, read out at half a step; exact as long as step · depth is. "lstm": every gate
    saturated to exactly 1 in float32, c = depth; `step` must be 1. "gru": h = depth · 2⁻²³, exact to depth 2²¹ because
    float32 rounds what the update gate leaks, in the order of PyTorch's sums; in float64 it leaks. `step` must be 1.
    Raises ValueError for a step that the cell cannot take.
    """
    if cell == "relu" and 1e-30 <= step <= 1e30:
        return _stack(
            cell,
            weight_ih_l0=[[step, -step]],
            weight_hh_l0=[[1.0]],
            bias_ih_l0=[0.0],
            bias_hh_l0=[0.0],
            output_weight=[[0.0], [20.0 / step]],
            output_bias=[10.0, -10.0],
        )
    if cell == "lstm" and step == 1.0:
        # sigmoid(20) == 1 and tanh(±12) == ±1 in float32, so c is an integer, exact up to 2^24; h = tanh(c).
        # At depth 1 h = 0.76, at depth 0 it is 0: 0.38 lies between them.
        return _stack(
            cell,
            weight_ih_l0=[[0.0, 0.0], [0.0, 0.0], [12.0, -12.0], [0.0, 0.0]],
            weight_hh_l0=[[0.0]] * 4,
            bias_ih_l0=[20.0, 20.0, 0.0, 20.0],
            bias_hh_l0=[0.0] * 4,
            output_weight=[[0.0], [20.0]],
            output_bias=[10.0, -7.6],
        )
    if cell == "gru" and step == 1.0:
        # sigmoid(16) == 1 − 2^-23 in float32, and n = tanh(±12) = ±1: h moves on the grid of 2^-23, read out at half of
        # it.
        return _stack(
            cell,
            weight_ih_l0=[[0.0, 0.0], [0.0, 0.0], [12.0, -12.0]],
            weight_hh_l0=[[0.0]] * 3,
            bias_ih_l0=[0.0, 16.0, 0.0],
            bias_hh_l0=[0.0] * 3,
            output_weight=[[0.0], [2.0**24]],
            output_bias=[10.0, -1.0],
        )
    gates(cell)
    if cell == "relu":
        raise ValueError(f"step must be from 1e-30 to 1e30, so that float32 holds it and 1 / step; got {step}")
    raise ValueError(f"the exact {cell.upper()} counts in steps of its own; step must be 1, not {step}")


def _stack(cell: str, output_weight: list, output_bias: list, **parameters: list) -> Networks:
    parameters = {**parameters, "output.weight": output_weight, "output.bias": output_bias}
    return Networks(cell, {name: np.array([value], np.float32) for name, value in parameters.items()})
