"""Many networks at once: a certificate for each, or only which are proved right. On threads, or any executor's workers.

`proved` does not look for the words on which the others fail, and is a shorter way to what `certify` proves: a whole
stack is searched for *exact counters*, networks that climb the first rungs of their ladder and come down to the bit,
and whose arithmetic is exact from there on; and a network that is wrong on a plain tower needs no certificate.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor

import numpy as np

from counting import cells, evaluation, workers
from counting.cells import Networks
from counting.certificate import band, decide
from counting.certificate.decide import MAX_DEPTH
from counting.certificate.gates import SPREAD, Numbers, numbers
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
    """Return a certificate for each run of a stack, in order. max_length, replay: as for `certify`.

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
    """Return what `task(shard, *arguments)` gives for each shard of the networks, in order."""
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
    decide.check_length(max_length)
    if executor is not None:
        parts = _in_shards(executor, _proved, networks, max_length, threads)
        return np.concatenate([np.zeros(0, bool), *parts])
    right = np.zeros(len(networks), bool)
    finite = np.flatnonzero(networks.finite)
    if len(finite) and (max_length is None or max_length // 2 <= MAX_DEPTH):  # deeper than that they do not count
        right[finite] = exact_counters(networks[finite])
    # A network that is wrong on a plain tower is wrong, and most that are wrong are wrong there.
    tower = _tower(TOWER if max_length is None else min(TOWER, max_length // 2))
    open_cases = [int(run) for run in finite if not right[run]]
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


def exact_counters(networks: Networks, *, however: bool = False) -> np.ndarray:
    """Return which runs are shown to count exactly to depth `MAX_DEPTH`, on words of any length: bool (runs,).

    A band over the depths 0 to RUNGS closes, so on every word that stays within RUNGS the state is in it.
    Above RUNGS / 2

    - an LSTM has i = f = 1, |g| = 1, an integer c with |c| ≤ depth and tanh(c) = ±1: c ± 1 is exact as long as
      |c| < 2^24, and h, hence every gate, stays where it is;
    - a ReLU has u = 1, no recurrent bias and A = −B a power of two: every state is exactly depth · A.

    So the band goes on, and the read-out, affine in h, is right above if it is right at both ends. Other networks
    may be right too; no GRU is found here. however: whether all this holds however the network is computed.
    """
    goes_on = {"lstm": _lstm_goes_on, "relu": _relu_goes_on}.get(networks.cell)
    exact = np.zeros(len(networks), bool)
    if goes_on is None:
        return exact
    for run in np.flatnonzero(networks.finite):
        network = networks[int(run)]
        found = numbers(network.parameters, however)
        ending, _, boxes = band.close_band(cells.CELLS.index(networks.cell), found, RUNGS, decide.FEW_SWEEPS)
        exact[run] = ending == band.CLOSED and goes_on(network, found, boxes)
    return exact


def _lstm_goes_on(network: Networks, found: Numbers, boxes: np.ndarray) -> bool:
    h_low, h_high, c_low, c_high = boxes[:, RUNGS // 2 :]
    depth = np.arange(RUNGS // 2, RUNGS + 1)
    whole = (c_low == c_high) & (c_low == np.round(c_low)) & (np.abs(c_low) <= depth) & (np.abs(c_low) >= RUNGS // 4)
    constant = (h_low == h_low[0]) & (h_high == h_high[0])
    return bool(whole.all() and constant.all() and band.saturated(found, h_low[0], h_high[0]))


def _relu_goes_on(network: Networks, found: Numbers, boxes: np.ndarray) -> bool:
    p = network.parameters
    drive = p["weight_ih_l0"][:, 0] + p["bias_ih_l0"]
    opening = drive[:, 0]
    power = (opening > 0) & (np.frexp(np.abs(opening))[0] == 0.5)
    plain = (drive[:, 1] == -opening) & (p["weight_hh_l0"][:, 0, 0] == 1) & (p["bias_hh_l0"][:, 0] == 0)
    highest = np.float64(opening[0]) * MAX_DEPTH
    if not highest <= np.finfo(network.dtype).max:
        return False
    with np.errstate(over="ignore"):
        pull, bias = p["output.weight"][0, :, 0] * network.dtype.type(highest), p["output.bias"][0]
        # A read-out that is right beyond what other arithmetic can change; nothing else is there to order or to fuse.
        clear = (pull + bias >= found.error[0] * (np.abs(pull) + np.abs(bias) + 1)).all()
    steady = not found.gates[:, SPREAD:].any()
    return bool(power[0] and plain[0] and clear and steady)


def _tower(height: int) -> Words:
    return Words(np.repeat(np.array([[0, 1]], np.int8), height, axis=1), np.array([2 * height]))
