"""Many networks at once: a certificate for each, or only which are proved right. On threads, or any executor's workers.

`proved` does not look for the words on which the others fail: exact counters are found first, and a network that is
wrong on a plain tower needs no certificate.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor

import numpy as np

from counting import dyck, evaluation, workers
from counting.cells import Networks
from counting.certificate import procedure
from counting.certificate.exact import exact_counters
from counting.certificate.procedure import MAX_DEPTH
from counting.certificate.verdict import Certificate

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
    procedure.check_length(max_length)
    if executor is not None:
        return [c for part in _in_shards(executor, _certify_all, networks, max_length, replay, threads) for c in part]
    with ThreadPoolExecutor(threads or workers.cores()) as pool:
        runs = [networks[run] for run in range(len(networks))]
        return list(pool.map(lambda network: procedure.certify(network, max_length, replay=replay), runs))


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
    procedure.check_length(max_length)
    if executor is not None:
        parts = _in_shards(executor, _proved, networks, max_length, threads)
        return np.concatenate([np.zeros(0, bool), *parts])
    right = np.zeros(len(networks), bool)
    finite = np.flatnonzero(networks.finite)
    if len(finite) and (max_length is None or max_length // 2 <= MAX_DEPTH):  # deeper than that they do not count
        right[finite] = exact_counters(networks[finite])
    # A network that is wrong on a plain tower is wrong, and most that are wrong are wrong there.
    tower = dyck.tower(TOWER if max_length is None else min(TOWER, max_length // 2))
    open_cases = [int(run) for run in finite if not right[run]]
    if open_cases:
        stands = evaluation.first_failure(networks[open_cases], tower)[:, 0] == tower.longest
        open_cases = [run for run, fine in zip(open_cases, stands, strict=True) if fine]

    def decided(run: int) -> bool:
        network = networks[int(run)]
        if max_length is None:
            return procedure.band_closes(network, DEPTHS)
        return procedure.is_proved(network, max_length)

    with ThreadPoolExecutor(threads or workers.cores()) as pool:
        right[open_cases] = list(pool.map(decided, open_cases))
    return right


def _proved(networks: Networks, max_length: int | None, threads: int | None) -> np.ndarray:
    return proved(networks, max_length, threads=threads or 1)
