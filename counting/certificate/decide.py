"""The decision on one network: which proof is tried when, and what a failed one leaves."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from counting import cells
from counting.cells import Networks
from counting.certificate import arguments, band, lower, search, tall
from counting.certificate.gates import Numbers, numbers
from counting.certificate.verdict import Certificate
from counting.dyck import Words
from counting.engine.packed import pack_blocks

if TYPE_CHECKING:
    import torch

MAX_DEPTH = 2**24
"""As deep as a count in steps of 1 goes in float32, and as deep as any proof here."""

LONGEST = {"relu": 30_000, "lstm": 10_000, "gru": 10_000}
"""Tables over lengths and depths grow with the square of the length; this is as far as they go."""

USUAL = {"relu": 10_000, "lstm": 1_000, "gru": 1_000}
"""How far they go where no length is asked for."""

REPLAYED = 100_000
"""PyTorch takes about 10 µs a symbol; longer counterexamples are not replayed."""

FEW_SWEEPS, SWEPT = 6, 2**18
"""Sweeps for a band that may close at once; boxes swept where the deepest band is looked for."""

FEWEST_SLOTS, BOXES, FAR = 4, 2**23, 2**20
"""Slots of a cell where memory is short; boxes in a table where refinement stops, about half a second of
work; steps of `(` in which a state may come back."""


def _nothing() -> np.ndarray:
    return np.empty(0, np.int8)


@dataclass(frozen=True)
class _Subject:
    """A network ready for the kernels. bounded: no preactivation can overflow, so boxes of states make
    sense."""

    network: Networks
    cell: int
    block: np.ndarray
    numbers: Numbers
    bounded: bool


@dataclass
class _Findings:
    """What is known so far: no word below `lower` fails; after `prefix`, unless it is empty, the network is
    wrong."""

    lower: int
    argument: str
    prefix: np.ndarray = field(default_factory=_nothing)
    collision: tuple[int, int] | None = None

    @property
    def found(self) -> bool:
        return len(self.prefix) > 0


def certify(
    network: Networks | torch.nn.Module, max_length: int | None = 1000, *, replay: bool = True
) -> Certificate:
    """Decide whether a network is right on all Dyck-1 words of up to `max_length` symbols, or find one that
    fails.

    network: a stack of one, or a module that `Networks.from_torch` takes. max_length: None asks for words of
    any length up to depth `MAX_DEPTH`. replay: have PyTorch read the counterexample too.
    Raises ValueError for a stack of several, for NaN or infinite parameters, and for a length below 2.
    """
    subject = _subject(network)
    _check_length(max_length)
    cell = subject.network.cell
    depth = MAX_DEPTH if max_length is None else min(MAX_DEPTH, max_length // 2)
    closed, widest = _band(subject, depth, FEW_SWEEPS)
    if closed:
        findings = _Findings(2 * depth + 2, arguments.band(depth, widest))
    else:
        findings = _tables(subject, min(max_length or USUAL[cell], LONGEST[cell]))
        depth = _deepest_band(subject) if max_length is None else 0
    proved = closed if max_length is None else findings.lower > max_length
    if cell == "gru" or not (proved or max_length or findings.found):
        findings.collision = _collision(subject)
    if not (proved or findings.found):
        _look_far(subject, findings, max_length)
    certificate = _certificate(subject, max_length, findings, depth, proved)
    if replay and certificate.refuted and certificate.upper <= REPLAYED:
        return certificate.replayed(subject.network)
    return certificate


def certify_all(
    networks: Networks, max_length: int | None = 1000, *, replay: bool = True, threads: int | None = None
) -> list[Certificate]:
    """A certificate for each run of a stack, in order. threads: None takes every core."""
    _check_length(max_length)
    with ThreadPoolExecutor(threads or len(os.sched_getaffinity(0))) as pool:
        runs = [networks[run] for run in range(len(networks))]
        return list(pool.map(lambda network: certify(network, max_length, replay=replay), runs))


def _subject(network: Networks | torch.nn.Module) -> _Subject:
    if not isinstance(network, Networks):
        network = Networks.from_torch([network])
    if len(network) != 1:
        raise ValueError(f"a certificate is for one network, not {len(network)}: networks[3] is one")
    if not network.finite[0]:
        raise ValueError("the parameters are not all finite: this network diverged, or is damaged")
    p = network.parameters
    with np.errstate(over="ignore"):
        largest = np.abs(p["weight_ih_l0"]).max(axis=2) + np.abs(p["bias_ih_l0"])
        largest = largest + np.abs(p["weight_hh_l0"][:, :, 0]) * 2 + np.abs(p["bias_hh_l0"])
        bounded = bool(np.isfinite(largest).all()) or network.cell == "relu"
    return _Subject(network, cells.CELLS.index(network.cell), pack_blocks(p)[0], numbers(p), bounded)


def _check_length(max_length: int | None) -> None:
    whole = isinstance(max_length, (int, np.integer)) and not isinstance(max_length, bool)
    if max_length is not None and not (whole and max_length >= 2):
        raise ValueError(f"max_length must be a whole number, at least 2, or None; got {max_length!r}")


def _band(subject: _Subject, depth: int, sweeps: int) -> tuple[bool, float]:
    """Whether a band over depths 0 to `depth` closes and is read rightly, and how wide it is at its
    widest."""
    if not subject.bounded:
        return False, 0.0
    ending, _, boxes = band.close_band(subject.cell, subject.numbers, depth, sweeps)
    if ending != band.CLOSED:
        return False, 0.0
    return True, float(max((boxes[row + 1] - boxes[row]).max() for row in range(0, len(boxes), 2)))


def band_closes(network: Networks, depths: Iterable[int]) -> bool:
    """Whether a band is found to each of these depths: words of any length are right up to there."""
    subject = _subject(network)
    return all(_band(subject, depth, FEW_SWEEPS)[0] for depth in depths)


def _deepest_band(subject: _Subject) -> int:
    """The largest depth, short of MAX_DEPTH, to which a band was found to close: words of any length are
    right there."""

    def closes(depth: int) -> bool:
        return _band(subject, depth, max(FEW_SWEEPS, SWEPT // depth))[0]

    good, bad = 0, 1
    while bad < MAX_DEPTH and closes(bad):
        good, bad = bad, 2 * bad
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if closes(middle) else (good, middle)
    return good


def _tables(subject: _Subject, longest: int) -> _Findings:
    """Decide on words of up to `longest` symbols by tables over length and depth, refined until their bounds
    meet."""
    if subject.network.cell == "relu":
        prefix = search.search(subject.cell, subject.block, subject.numbers, longest, 2)
        bound = _needs(prefix) if len(prefix) else longest - longest % 2 + 2
        return _Findings(bound, arguments.monotone(bound), prefix)
    bound, shortest, prefix = 2, longest - longest % 2 + 2, _nothing()
    slots = int(np.clip(BOXES // (longest**2 // 8 + 1), FEWEST_SLOTS, 16))
    while bound < shortest:
        if slots <= search.MOST_SLOTS:
            found = search.search(subject.cell, subject.block, subject.numbers, shortest - 2, slots)
            shortest, prefix = (_needs(found), found) if len(found) else (shortest, prefix)
        if subject.bounded:
            bound = max(bound, int(lower.lower_bound(subject.cell, subject.numbers, shortest - 2, slots)))
        slots *= 4
        if slots * shortest**2 // 8 > BOXES or (slots > search.MOST_SLOTS and not subject.bounded):
            break
    return _Findings(bound, arguments.boxes(bound, len(prefix) > 0), prefix)


def _collision(subject: _Subject) -> tuple[int, int] | None:
    """The least n < m, n ≥ 1, such that `(^n` and `(^m` leave the same state, if one is found."""
    n, m = (int(k) for k in tall.collision(subject.cell, subject.numbers, FAR))
    if m < 0:
        return None
    # Where the start itself comes back: the same is true one `(` later, and `(` is the start of a word.
    return (n, m) if n else (1, m + 1)


def _look_far(subject: _Subject, findings: _Findings, max_length: int | None) -> None:
    """Look for a word beyond the tables: where a state comes back, else straight up and down."""
    highest = 2 * MAX_DEPTH if max_length is None else max_length // 2
    if findings.collision and findings.collision[1] <= highest:
        heights, findings.argument = findings.collision, arguments.collision(*findings.collision)
    else:
        first = findings.lower // 2
        heights = [first * 2**k for k in range(25) if first * 2**k <= highest]
    for height in heights:
        step = int(tall.tower(subject.cell, subject.numbers, height))
        if step >= 0:
            findings.prefix = (np.arange(step + 1) >= height).astype(np.int8)
            return


def _needs(prefix: np.ndarray) -> int:
    """Length of the shortest word that begins with this prefix."""
    return int(2 * np.count_nonzero(prefix == 0))


def _certificate(
    subject: _Subject, max_length: int | None, findings: _Findings, depth: int, proved: bool
) -> Certificate:
    prefix, wrong = findings.prefix, findings.found
    word = np.concatenate([prefix, np.ones(_needs(prefix) - len(prefix), np.int8)])
    return Certificate(
        cell=subject.network.cell,
        dtype=subject.network.dtype.name,
        max_length=None if max_length is None else int(max_length),
        max_depth=MAX_DEPTH if max_length is None else None,
        proved=proved,
        lower=findings.lower,
        argument=findings.argument,
        counterexample=Words(word[None], [len(word)]) if wrong else None,
        failing_step=len(prefix) - 1 if wrong else None,
        any_length_to_depth=depth,
        collision=findings.collision,
    )
