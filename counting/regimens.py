"""How a network is trained: a `Regimen`, the paper's three, and those of the chapter on learning to count."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from decimal import Decimal, localcontext
from types import MappingProxyType
from typing import Any

from counting import cells
from counting.engine.readout import LOSSES


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _check(fine: bool, name: str, value: object, wanted: str) -> None:
    if not fine:
        raise ValueError(f"{name} must be {wanted}; got {value!r}")


@dataclass(frozen=True)
class Schedule:
    """A number that changes from epoch to epoch: `start` up to epoch `first`, then on to `end` at epoch `last`.

    Between the two it moves geometrically, or linearly where `end` is 0. Epochs count from 1.
    """

    start: float
    end: float
    first: int
    last: int

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            value = getattr(self, name)
            _check(_is_number(value) and 0 <= value < float("inf"), f"a schedule's {name}", value, "finite, ≥ 0")
        _check(self.start > 0 or self.end == 0, "a schedule's start", self.start, "positive, unless its end is 0 too")
        epochs = (self.first, self.last)
        fine = all(map(_is_whole, epochs)) and 1 <= self.first < self.last
        _check(fine, "a schedule's first and last", epochs, "epochs, 1 ≤ first < last")

    def at(self, epoch: int) -> float:
        """Give the value in an epoch. Computed in decimal arithmetic: libm's pow differs between machines."""
        if epoch <= self.first:
            return self.start
        if epoch >= self.last:
            return self.end
        with localcontext() as context:
            context.prec = 30
            start, end = Decimal(self.start), Decimal(self.end)
            share = Decimal(epoch - self.first) / Decimal(self.last - self.first)
            value = start * (end / start) ** share if self.end > 0 else start * (1 - share)
        return float(value)


def value_at(value: float | Schedule, epoch: int) -> float:
    """Give a constant, or a schedule's value in an epoch."""
    return value.at(epoch) if isinstance(value, Schedule) else value


@dataclass(frozen=True)
class Regimen:
    """Everything that decides how a run is trained, but its seed and its words.

    The defaults are the paper's ways: Adam with PyTorch's default betas, batch size 1, words shuffled each epoch,
    mean squared error of both outputs' sigmoids, float32, PyTorch's initialization, nothing scheduled, nothing clipped.

    Raises ValueError for a value that no regimen can have.
    """

    cell: str
    """"lstm", "gru" or "relu"."""
    learning_rate: float | Schedule
    """Adam's step size."""
    epochs: int
    """Passes over the training words."""
    dtype: str = "float32"
    """Arithmetic of training and of the network: "float32" or "float64"."""
    gate_gain: float | Schedule = 1.0
    """Gate temperature: the recurrent layer's weights and biases act times this, which is then folded into them."""
    initial_scale: float = 1.0
    """The initial parameters are PyTorch's times this."""
    forget_bias: float = 0.0
    """Added to the LSTM's initial forget-gate bias (Gers et al. 2000; Jozefowicz et al. 2015)."""
    hidden_bias: float = 0.0
    """Added to the ReLU's initial bias, so that it starts alive."""
    recurrent_weight: str = "default"
    """The ReLU's initial recurrent weight u: "default", "identity" (u = 1; Le et al. 2015), "positive" (|u|, u drawn
    as by default, not scaled)."""
    leak: float | Schedule = 0.0
    """Slope of the ReLU for negative inputs while training; the trained network has none, so it must end at 0."""
    clip_norm: float | None = None
    """Largest Euclidean norm of a word's gradient (Pascanu et al. 2013)."""

    loss: str = "mse"
    """What is minimized: "mse", the squared error of the sigmoids, or "bce", the cross-entropy of the logits."""

    units: int = 1
    """Size of the recurrent layer."""

    def __post_init__(self) -> None:
        cells.gates(self.cell)
        most = cells.MOST["units"]
        _check(_is_whole(self.units) and 1 <= self.units <= most, "units", self.units, f"an integer from 1 to {most}")
        _check(_is_whole(self.epochs) and self.epochs >= 1, "epochs", self.epochs, "an integer ≥ 1")
        _check(self.dtype in ("float32", "float64"), "dtype", self.dtype, "'float32' or 'float64'")
        _check(self.loss in LOSSES, "loss", self.loss, "'mse' or 'bce'")
        for name in ("learning_rate", "gate_gain", "initial_scale"):
            value = getattr(self, name)
            fine = isinstance(value, Schedule) and value.end > 0 or _is_number(value) and 0 < value < float("inf")
            _check(fine and (name != "initial_scale" or _is_number(value)), name, value, "finite and > 0")
        for name in ("forget_bias", "hidden_bias"):
            value = getattr(self, name)
            _check(_is_number(value) and abs(value) < float("inf"), name, value, "finite")
        _check(self.forget_bias == 0 or self.cell == "lstm", "forget_bias", self.forget_bias, "0: only an LSTM forgets")
        for name, default in (("hidden_bias", 0.0), ("recurrent_weight", "default"), ("leak", 0.0)):
            value = getattr(self, name)
            _check(value == default or self.cell == "relu", name, value, f"{default!r}: it belongs to the ReLU")
        known = ("default", "identity", "positive")
        _check(self.recurrent_weight in known, "recurrent_weight", self.recurrent_weight, f"one of {known}")
        leaks = self.leak.at(self.epochs) if isinstance(self.leak, Schedule) else self.leak
        _check(_is_number(leaks) and leaks == 0, "leak", self.leak, "0, or a schedule that reaches 0 by the last epoch")
        clip = self.clip_norm
        fine = clip is None or _is_number(clip) and 0 < clip < float("inf")
        _check(fine, "clip_norm", clip, "None, or finite and > 0")

    def but(self, **changes: Any) -> Regimen:
        """Change some fields. Raises ValueError for unknown ones and impossible values."""
        unknown = set(changes) - {f.name for f in fields(self)}
        _check(not unknown, "field", sorted(unknown), f"one of {[f.name for f in fields(self)]}")
        return replace(self, **changes)

    def to_dict(self) -> dict[str, object]:
        """Give plain numbers and strings, for a manifest. A schedule becomes a dict of its four fields.

        The loss and the units stand there only where they are others than the paper's: manifests older than this
        choice lack them.
        """
        paper = {"loss": "mse", "units": 1}
        return {name: value for name, value in asdict(self).items() if name not in paper or paper[name] != value}

    @staticmethod
    def from_dict(entries: dict[str, Any]) -> Regimen:
        """Make a regimen of what `to_dict` gives. Raises ValueError for entries that are no regimen's."""
        try:
            values: dict[str, Any] = {k: Schedule(**v) if isinstance(v, dict) else v for k, v in entries.items()}
            return Regimen(**values)
        except TypeError as error:
            raise ValueError(f"these are no regimen's fields: {entries!r} ({error})") from None


PAPER = MappingProxyType(
    {
        "lstm": Regimen("lstm", learning_rate=0.01, epochs=30),
        "gru": Regimen("gru", learning_rate=0.001, epochs=30),
        "relu": Regimen("relu", learning_rate=0.01, epochs=30),
    }
)
"""The paper's regimens. It trains for 20 epochs and goes on for 10; so 30, and every epoch is kept."""

COUNTING = MappingProxyType(
    {
        "lstm": Regimen(
            "lstm", learning_rate=0.01, epochs=30, gate_gain=Schedule(1.0, 200.0, 5, 26), initial_scale=0.1
        ),
        "gru": Regimen("gru", learning_rate=0.01, epochs=30, gate_gain=Schedule(1.0, 200.0, 5, 26), initial_scale=0.1),
        "relu": Regimen(
            "relu", learning_rate=Schedule(0.003, 3e-7, 10, 30), epochs=30, initial_scale=0.1, hidden_bias=1.0
        ),
    }
)
"""Regimens that learn to count (but for the GRU, which cannot: it gets the LSTM's, as the control).

Chosen on development seeds and words only; what each ingredient does is in the chapter on learning to count.
"""


def ingredients(cell: str) -> tuple[str, ...]:
    """Name the fields in which `COUNTING` differs from `PAPER`."""
    return tuple(f.name for f in fields(Regimen) if getattr(COUNTING[cell], f.name) != getattr(PAPER[cell], f.name))
