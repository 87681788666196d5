"""The decision on one network: which proof is tried when, and what a failed one leaves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from counting import cells, dyck, evaluation
from counting.cells import Networks
from counting.certificate import band, cycle, extremes, reachability, search
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

REPLAYED = 100_000
"""PyTorch takes about 10 µs a symbol; longer counterexamples are not replayed."""

FEW_SWEEPS, SWEPT, COARSE = 6, 2**18, 2**20
"""Sweeps for a band that may close at once; boxes swept where one that may not is looked for; the depth from
which on the deepest band is found to within a factor of 2."""

FEWEST_SLOTS, BOXES = 4, 2**23
"""Slots of a cell in the largest tables; boxes in a table where refinement stops, about half a second of work."""

RETURNING, ZIGZAGS, FARTHEST = 2**20, 2**21, 2 * MAX_DEPTH + 2
"""Symbols read: to find `(^n` and `(^m` that leave the same state; in the longest zigzag; in the longest tower."""

PEAKS = (1, 2, 4, 8, 16, 32, 64, 128)
"""Depths to which zigzags climb."""


@dataclass(frozen=True)
class _Subject:
    """A network ready for the kernels. bounded: no preactivation can overflow, so boxes of states make sense."""

    network: Networks
    cell: int
    block: np.ndarray
    numbers: Numbers
    bounded: bool


@dataclass(frozen=True)
class _Wrong:
    """A prefix, int8 (t,), after which the network is wrong, and how it was found."""

    prefix: np.ndarray
    argument: str

    @property
    def length(self) -> int:
        """Of the shortest word that begins with the prefix."""
        return int(2 * np.count_nonzero(self.prefix == 0))


@dataclass(frozen=True)
class _Decision:
    """What is decided in the engine's arithmetic. bound: no shorter word fails. depth: to which a band closes."""

    proved: bool
    bound: int
    argument: str
    wrong: _Wrong | None
    depth: int
    collision: tuple[int, int] | None


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
    found = _decide(subject, max_length)
    proved_however, lower_however = _however(subject, found.bound, found.proved, max_length)
    wrong = found.wrong
    certificate = Certificate(
        cell=subject.network.cell,
        dtype=subject.network.dtype.name,
        max_length=None if max_length is None else int(max_length),
        max_depth=MAX_DEPTH if max_length is None else None,
        proved=found.proved,
        lower=found.bound,
        argument=f"{found.argument} {wrong.argument}".strip() if wrong else found.argument,
        counterexample=_word(wrong) if wrong else None,
        failing_step=len(wrong.prefix) - 1 if wrong else None,
        any_length_to_depth=found.depth,
        collision=found.collision,
        proved_however=proved_however,
        lower_however=lower_however,
    )
    if replay and wrong and wrong.length <= REPLAYED:
        return certificate.replayed(subject.network)
    return certificate


def is_proved(network: Networks, max_length: int | None) -> bool:
    """Tell what `certify(…).proved` tells, for a finite network, in half the time: in the engine's arithmetic alone."""
    return _decide(_subject(network), max_length).proved


def _decide(subject: _Subject, max_length: int | None) -> _Decision:
    check_length(max_length)
    # A band that closes says all there is to say; where tables decide, a failed attempt should be short.
    depth, widest = (
        _deepest_band(subject)
        if max_length is None
        else _band(subject, min(MAX_DEPTH, max_length // 2), FEW_SWEEPS)
    )
    bound, argument = 2 * depth + 2, band.argument(depth, widest) if depth else "There is no shorter word."
    proved = depth == MAX_DEPTH if max_length is None else bound > max_length
    collision, wrong = None, None
    if subject.network.cell == "gru" or not (proved or max_length):
        collision = _collision(subject)
    if not proved:
        bound, argument, wrong = _examine(subject, bound, argument, collision, max_length)
        proved = max_length is not None and bound > max_length
    return _Decision(proved, bound, argument, wrong, depth, collision)


def _subject(network: Networks | torch.nn.Module) -> _Subject:
    if not isinstance(network, Networks):
        network = Networks.from_torch([network])
    if len(network) != 1:
        raise ValueError(f"a certificate is for one network, not {len(network)}: networks[3] is one")
    if not network.finite[0]:
        raise ValueError("the parameters are not all finite: this network diverged, or is damaged")
    p = network.parameters
    return _Subject(network, cells.CELLS.index(network.cell), pack_blocks(p)[0], numbers(p), bool(bounded(network)[0]))


def bounded(networks: Networks) -> np.ndarray:
    """Tell of which runs no preactivation can overflow, in whatever order it is summed: bool (runs,).

    Of the ReLU, whose states have no bound, it is the proofs that look for infinity.
    """
    p = networks.parameters
    with np.errstate(over="ignore"):
        largest = np.abs(p["weight_ih_l0"]).max(axis=2) + np.abs(p["bias_ih_l0"])
        largest = largest + np.abs(p["weight_hh_l0"][:, :, 0]) * 2 + np.abs(p["bias_hh_l0"])
    return np.isfinite(largest).all(axis=1) | (networks.cell == "relu")


def check_length(max_length: int | None) -> None:
    """Raise ValueError unless this is a length of words, or None."""
    whole = isinstance(max_length, (int, np.integer)) and not isinstance(max_length, bool)
    if max_length is not None and not (whole and max_length >= 2):
        raise ValueError(f"max_length must be a whole number, at least 2, or None; got {max_length!r}")


def _band(subject: _Subject, depth: int, sweeps: int) -> tuple[int, float]:
    """`depth` and how wide the band is at its widest, where one over depths 0 to `depth` closes; else (0, 0)."""
    if not subject.bounded:
        return 0, 0.0
    ending, _, boxes = band.close_band(subject.cell, subject.numbers, depth, sweeps)
    if ending != band.CLOSED:
        return 0, 0.0
    return depth, float(max((boxes[row + 1] - boxes[row]).max() for row in range(0, len(boxes), 2)))


def band_closes(network: Networks, depths: Iterable[int]) -> bool:
    """Whether a band is found to each of these depths: words of any length are right up to there."""
    subject = _subject(network)
    return all(_band(subject, depth, FEW_SWEEPS)[0] for depth in depths)


def _deepest_band(subject: _Subject) -> tuple[int, float]:
    """Return the largest depth to which a band was found to close, and how wide it is. Words of any length are right
    there.
    """

    def tried(depth: int) -> tuple[int, float]:
        return _band(subject, depth, max(FEW_SWEEPS, SWEPT // depth))

    best, bad = (0, 0.0), 1
    while bad <= MAX_DEPTH and (found := tried(bad))[0]:
        best, bad = found, 16 * bad
    while bad <= MAX_DEPTH and bad - best[0] > (1 if bad <= COARSE else best[0]):
        middle = (best[0] + bad) // 2
        found = tried(middle)
        best, bad = (found, bad) if found[0] else (best, middle)
    return best


def _examine(
    subject: _Subject, bound: int, argument: str, collision: tuple[int, int] | None, max_length: int | None
) -> tuple[int, str, _Wrong | None]:
    """Return what is to be found without a band: a length below which no word fails, why, and a prefix that is
    wrong.

    bound, argument: the length that is known already, and why.
    """
    reach = LONGEST[subject.network.cell]
    wrong = None
    if max_length is None or max_length > reach:
        # No table goes there, and a long word that fails may spare most of it.
        wrong = _long_word(subject, collision, bound, max_length)
    longest = min(max_length or reach, reach, wrong.length - 2 if wrong else reach)
    if longest >= bound:
        table_bound, table_argument, found = _tables(subject, longest)
        if table_bound >= bound:
            bound, argument = table_bound, table_argument
        wrong = found or wrong
    if not wrong and max_length == longest and bound <= max_length:
        wrong = _long_word(subject, collision, bound, max_length)
    return bound, argument, wrong


def _tables(subject: _Subject, longest: int) -> tuple[int, str, _Wrong | None]:
    """Decide on words of up to `longest` symbols by tables over length and depth, refined until their bounds
    meet.

    Returns a length below which no word fails, at most that of the shortest word longer than `longest`; why;
    and a prefix that is wrong, if one was found.
    """
    wrong, bound, shortest = None, 2, longest - longest % 2 + 2
    if subject.network.cell == "relu":
        finite, prefix = extremes.shortest_failure(subject.numbers, longest)
        if not finite:
            prefix = search.search(subject.cell, subject.block, subject.numbers, longest, 2)
        if len(prefix):
            wrong = _Wrong(prefix, "")
            shortest = wrong.length
        return shortest, extremes.ARGUMENT.format(bound=shortest), wrong
    slots = _slots(longest)
    while bound < shortest:
        if slots <= search.MOST_SLOTS:
            prefix = search.search(subject.cell, subject.block, subject.numbers, shortest - 2, slots)
            if len(prefix):
                wrong = _Wrong(prefix, search.ARGUMENT)
                shortest = wrong.length
        if subject.bounded:
            bound = max(bound, int(reachability.lower_bound(subject.cell, subject.numbers, shortest - 2, slots)))
        slots *= 4
        if slots * shortest**2 // 8 > BOXES or (slots > search.MOST_SLOTS and not subject.bounded):
            break
    return bound, reachability.ARGUMENT.format(bound=bound), wrong


def _collision(subject: _Subject) -> tuple[int, int] | None:
    """Return the least n < m, n ≥ 1, such that `(^n` and `(^m` leave the same state, if one is found."""
    n, m = (int(k) for k in cycle.collision(subject.cell, subject.numbers, RETURNING))
    if m < 0:
        return None
    # Where the start itself comes back: the same is true one `(` later, and `(` is the start of a word.
    return (n, m) if n else (1, m + 1)


def _long_word(
    subject: _Subject, collision: tuple[int, int] | None, bound: int, max_length: int | None
) -> _Wrong | None:
    """Return a word that fails, of at most `max_length` symbols, where no table need reach; none below `bound` does."""
    longest = min(max_length or FARTHEST, FARTHEST)
    wrong = _zigzag(subject, min(longest, ZIGZAGS))
    if collision and (not wrong or 2 * collision[1] < wrong.length):
        n, m = collision
        argument = cycle.ARGUMENT.format(n=n, m=m, apart=m - n)
        wrong = next(filter(None, (_tower(subject, height, argument) for height in collision)))
    height = bound // 2
    while not wrong and 2 * height <= longest:
        wrong = _tower(subject, height, f"The word goes straight up to depth {height:,} and down.")
        height *= 2
    return wrong if wrong and wrong.length <= longest else None


def _tower(subject: _Subject, height: int, argument: str) -> _Wrong | None:
    """Return the prefix of `(^height )^height` after which the network is wrong, if it is."""
    step = int(cycle.tower(subject.cell, subject.numbers, height))
    return _Wrong((np.arange(step + 1) >= height).astype(np.int8), argument) if step >= 0 else None


def _zigzag(subject: _Subject, length: int) -> _Wrong | None:
    """Return the shortest word that fails of those that go up and down between depth 0 and a peak again and again."""
    wrong: _Wrong | None = None
    for peak in PEAKS:
        if rounds := (wrong.length if wrong else length) // (2 * peak):
            argument = f"The word goes up and down between the depths 0 and {peak:,} until the network fails."
            word = dyck.zigzag(rounds * 2 * peak, peak)
            step = int(evaluation.first_failure(subject.network, word)[0, 0])
            found = _Wrong(word.tokens[0, : step + 1], argument)
            if step < word.longest and (wrong is None or found.length < wrong.length):
                wrong = found
    return wrong


def _however(subject: _Subject, bound: int, proved: bool, max_length: int | None) -> tuple[bool, int]:
    """Return what holds however the network is computed: whether all that is proved does, and what is the `lower`.

    bound: what holds in the engine's arithmetic.
    """
    loose = replace(subject, numbers=numbers(subject.network.parameters, however=True))
    if max_length is None:
        depth = MAX_DEPTH if proved else bound // 2 - 1
    else:
        depth = min(MAX_DEPTH, max_length // 2)
    closed, _ = _band(loose, depth, FEW_SWEEPS) if depth else (0, 0.0)
    if closed:
        return proved, bound
    longest = min(bound - 2, LONGEST[subject.network.cell])
    lower_however = _lower_bound(loose, longest) if longest >= 2 else 2
    return proved and max_length is not None and lower_however > max_length, lower_however


def _lower_bound(subject: _Subject, longest: int) -> int:
    """Return a length below which no word fails, at most longest + 2."""
    if not subject.bounded:
        return 2
    if subject.network.cell == "relu":
        finite, prefix = extremes.shortest_failure(subject.numbers, longest)
        return (2 * int(np.count_nonzero(prefix == 0)) or longest + 2) if finite else 2
    bound, slots = 2, _slots(longest)
    while bound < longest + 2 and slots * longest**2 // 8 <= BOXES:
        bound = max(bound, int(reachability.lower_bound(subject.cell, subject.numbers, longest, slots)))
        slots *= 4
    return bound


def _slots(longest: int) -> int:
    """Slots that a first table over so many lengths has room for."""
    return int(np.clip(BOXES // (longest**2 // 8 + 1), FEWEST_SLOTS, 16))


def _word(wrong: _Wrong) -> Words:
    """Return the shortest word that begins with the prefix."""
    closing = np.ones(wrong.length - len(wrong.prefix), np.int8)
    return Words(np.concatenate([wrong.prefix, closing])[None], np.array([wrong.length]))
