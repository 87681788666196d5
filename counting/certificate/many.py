"""Many networks at once: a certificate for each, or only which are proved right. On threads, or any executor's workers.

`proved` does not look for the words on which the others fail, and is a shorter way to what `certify` proves: a whole stack is searched for *exact counters*, networks that climb the first
rungs of their ladder and come down to the bit, and whose arithmetic is exact from there on; and a network that is wrong
on a plain tower needs no certificate.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor

import numpy as np

from counting import evaluation, workers
from counting.cells import Networks
from counting.certificate import decide
from counting.certificate.decide import MAX_DEPTH
from counting.certificate.verdict import Certificate
from counting.dyck import Words

RUNGS = 64
"""Rungs that are climbed; exactness from half of them on carries the rest."""


DEPTHS = (2**10, 2**16, MAX_DEPTH)
"""A band to MAX_DEPTH is looked for where one to these smaller depths was found: it needs them."""

TOWER = 2**16
"""Height of the tower that sorts out most wrong networks."""


SHARD = 64
"""Networks that one worker of an executor decides on at a time."""


def certify_all(
    networks: Networks,
    max_length: int | None = 1000,
    *,
    replay: bool = True,
    threads: int | None = None,
    executor: Executor | None = None,
) -> list[Certificate]:
    """A certificate for each run of a stack, in order. max_length, replay: as for `certify`.

    threads: None takes every core. executor: decides shards of `SHARD` networks on its workers, each on one thread if
    `threads` is None; see `workers`. Raises as `certify` does, and WorkersLost where a worker died.
    """
    decide.check_length(max_length)
    if executor is not None:
        return [c for part in _in_shards(executor, _certify_all, networks, max_length, replay, threads) for c in part]
    with ThreadPoolExecutor(threads or workers.cores()) as pool:
        runs = [networks[run] for run in range(len(networks))]
        return list(pool.map(lambda network: decide.certify(network, max_length, replay=replay), runs))


def _certify_all(
    networks: Networks, max_length: int | None, replay: bool, threads: int | None
) -> list[Certificate]:
    return certify_all(networks, max_length, replay=replay, threads=threads or 1)


def _in_shards(executor: Executor, task: Callable, networks: Networks, *arguments: object) -> list:
    """What `task(shard, *arguments)` gives for each shard of the networks, in order."""
    calls = ((networks[part], *arguments) for part in workers.slices(len(networks), SHARD))
    return [result for _, result in sorted(workers.finished(executor, task, calls), key=lambda found: found[0])]


def proved(
    networks: Networks,
    max_length: int | None = None,
    *,
    threads: int | None = None,
    executor: Executor | None = None,
) -> np.ndarray:
    """Which runs are right on all Dyck-1 words of up to `max_length` symbols: bool (runs,).

    max_length: None asks for words of any length to depth `MAX_DEPTH`. The same answers as `certify(…).proved`; a
    network that diverged is not proved. threads, executor: as for `certify_all`. Raises ValueError for a length
    below 2.
    """
    if max_length is not None and max_length < 2:
        raise ValueError(f"max_length must be at least 2, or None for any length; got {max_length!r}")
    if executor is not None:
        parts = _in_shards(executor, _proved, networks, max_length, threads)
        return np.concatenate([np.zeros(0, bool), *parts])
    right = np.zeros(len(networks), bool)
    finite = np.flatnonzero(networks.finite)
    if len(finite):
        right[finite] = exact_counters(networks[finite])
    # A network that is wrong on a plain tower is wrong, and most that are wrong are wrong there.
    tower = _tower(TOWER if max_length is None else min(TOWER, max_length // 2))
    open_cases = [run for run in finite if not right[run]]
    if open_cases:
        stands = evaluation.first_failure(networks[open_cases], tower)[:, 0] == tower.longest
        open_cases = [run for run, fine in zip(open_cases, stands, strict=True) if fine]

    def decided(run: int) -> bool:
        network = networks[int(run)]
        if max_length is None:
            return decide.band_closes(network, DEPTHS)
        return decide.certify(network, max_length, replay=False).proved

    with ThreadPoolExecutor(threads or workers.cores()) as pool:
        right[open_cases] = list(pool.map(decided, open_cases))
    return right


def _proved(networks: Networks, max_length: int | None, threads: int | None) -> np.ndarray:
    return proved(networks, max_length, threads=threads or 1)


def exact_counters(networks: Networks) -> np.ndarray:
    """Runs that are shown to count exactly to depth `MAX_DEPTH`, on words of any length: bool (runs,).

    The state after `(^n` and, coming down from RUNGS, after any `)` is the same to the bit at each depth, so by
    induction it is a function of depth on every word that stays below RUNGS. Above RUNGS / 2

    - an LSTM has i = f = 1, |g| = 1, an integer c with |c| ≤ depth and tanh(c) = ±1: c ± 1 is exact as long as
      |c| < 2^24, and h, hence every gate, stays as it is;
    - a ReLU has u = 1, no recurrent bias and A = −B a power of two: every state is exactly depth · A.

    So the ladder goes on, and the read-out, affine in h, is right above if it is right at both ends. Other networks
    may be right too; no GRU is found here.
    """
    if networks.cell == "gru":
        return np.zeros(len(networks), bool)
    tower = _tower(RUNGS)
    seen = evaluation.trace(networks, tower)
    climbs = evaluation.first_failure(networks, tower)[:, 0] == tower.longest
    for state in (seen.h, seen.c):
        # Depths RUNGS − 1 … 1 on the way up, and the same on the way down; then depth 0.
        climbs &= (state[:, RUNGS - 2 :: -1] == state[:, RUNGS : 2 * RUNGS - 1]).all(axis=1) & (state[:, -1] == 0)
    exact = _lstm_goes_on(seen) if networks.cell == "lstm" else _relu_goes_on(networks)
    return climbs & exact


def _lstm_goes_on(seen: evaluation.Trace) -> np.ndarray:
    # Steps of the tower that start and end at a depth of at least RUNGS / 2.
    high = slice(RUNGS // 2, 2 * RUNGS - RUNGS // 2)
    c, h = seen.c[:, high], seen.h[:, high]
    saturated = np.all([np.abs(seen.gates[name][:, high]) == 1 for name in "ifg"], axis=(0, 2))
    depth = np.minimum(np.arange(1, 2 * RUNGS + 1), 2 * RUNGS - np.arange(1, 2 * RUNGS + 1))[high]
    whole = ((c == np.round(c)) & (np.abs(c) <= depth) & (np.abs(c) >= RUNGS // 4)).all(axis=1)
    return saturated & whole & (h == h[:, :1]).all(axis=1)


def _relu_goes_on(networks: Networks) -> np.ndarray:
    p = networks.parameters
    drive = p["weight_ih_l0"][:, 0] + p["bias_ih_l0"]
    opening = drive[:, 0]
    power = (opening > 0) & (np.frexp(np.abs(opening))[0] == 0.5)
    plain = (drive[:, 1] == -opening) & (p["weight_hh_l0"][:, 0, 0] == 1) & (p["bias_hh_l0"][:, 0] == 0)
    with np.errstate(over="ignore", invalid="ignore"):
        top = (p["output.weight"][:, :, 0] * (opening * networks.dtype.type(MAX_DEPTH))[:, None]) + p["output.bias"]
    return power & plain & (top >= 0).all(axis=1)


def _tower(height: int) -> Words:
    return Words(np.repeat(np.array([[0, 1]], np.int8), height, axis=1), [2 * height])
