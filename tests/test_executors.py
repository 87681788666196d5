"""Shards on other people's executors: the same bits, and what is finished is not lost when a worker dies."""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import signal
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
from oracles import same

from counting import cells, certificate, dyck, regimens, training, workers
from counting.cells import Networks
from counting.training import Runs

REGIMEN = regimens.PAPER["relu"].but(epochs=2)


def seven_times(number: int) -> int:
    return 7 * number


def killed(number: int) -> int:
    """The first call is done, the second kills its worker."""
    if number:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def wrong(number: int) -> int:
    raise ValueError(f"shard {number}")


@pytest.fixture(scope="module")
def processes() -> Iterator[Executor]:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


@pytest.fixture(params=["threads", "processes"])
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    if request.param == "processes":
        yield request.getfixturevalue("processes")
    else:
        with ThreadPoolExecutor(2) as pool:
            yield pool


def test_training_gives_the_same_bits(executor, train, monkeypatch):
    alone = train(REGIMEN, range(7))
    monkeypatch.setattr(training, "SHARD", 3)
    assert same(train(REGIMEN, range(7), executor=executor), alone)


def test_certificates_are_the_same(executor, monkeypatch):
    monkeypatch.setattr(certificate.many, "SHARD", 2)
    networks = Networks.concatenate([cells.exact("relu"), cells.initialize("relu", range(4))])
    options = {"replay": False}
    assert [c.verdict for c in certificate.certify_all(networks, 20, executor=executor, **options)] == [
        c.verdict for c in certificate.certify_all(networks, 20, **options)
    ]
    assert np.array_equal(certificate.proved(networks, 20, executor=executor), certificate.proved(networks, 20))


def test_results_of_every_call_with_its_number(executor):
    calls = [(number,) for number in range(5)]
    assert dict(workers.finished(executor, seven_times, calls)) == {n: 7 * n for n in range(5)}


def test_a_shard_that_fails_names_itself(executor):
    with pytest.raises(ValueError, match="shard 0"):
        list(workers.finished(executor, wrong, [(0,)]))


def test_a_killed_worker_says_what_was_finished():
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        done = []
        with pytest.raises(workers.WorkersLost, match="with 1 of 3 shards finished"):
            for number, _ in workers.finished(pool, killed, [(0,), (1,), (2,)]):
                done.append(number)
    assert done == [0]


def test_words_are_sent_as_bits():
    words = dyck.paper_splits()["train"]
    sent = pickle.dumps(words)
    back = pickle.loads(sent)
    assert back.sha256 == words.sha256 and back.tokens.dtype == words.tokens.dtype
    assert len(sent) < words.lengths.sum() / 8 + len(words) + 1000


def shard_or_killed(regimen, words, validation, seeds, *rest):
    """What a worker does whom the system kills at the second shard."""
    if seeds[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    return train_group(regimen, words, validation, seeds, *rest)


train_group = training._train_group


def test_runs_that_were_finished_come_with_the_error(train, monkeypatch):
    training_alone = train(REGIMEN, range(3))
    monkeypatch.setattr(training, "SHARD", 3)
    monkeypatch.setattr(training, "_train_group", shard_or_killed)
    with (
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool,
        pytest.raises(workers.WorkersLost, match="with 1 of 3 shards finished") as lost,
    ):
        train(REGIMEN, range(7), executor=pool)
    assert same(lost.value.finished, training_alone)


def test_threads_are_this_processs(train):
    with ThreadPoolExecutor(1) as pool, pytest.raises(ValueError, match="leave threads out"):
        train(REGIMEN, [0], executor=pool, threads=2)


def test_a_dask_worker_killed_in_the_middle_changes_no_bit(train_words, validation_words, train):
    distributed = pytest.importorskip("distributed")
    quiet = {"silence_logs": logging.CRITICAL, "dashboard_address": None}
    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, **quiet)
    with cluster, cluster.get_client() as client:
        processes = client.run(os.getpid).values()
        shards = training.train_shards(
            REGIMEN, train_words, validation_words, range(40), executor=client.get_executor(), shard=2, progress=False
        )
        parts = dict([next(shards)])
        os.kill(min(processes), signal.SIGKILL)
        parts |= dict(shards)
    assert same(Runs.concatenate(parts[number] for number in range(20)), train(REGIMEN, range(40)))


SHARD = {"runs": 100, "seconds": 35.0, "overhead_seconds": 1.0, "bytes_sent": 7, "bytes_returned": 5}


@pytest.mark.parametrize(
    ("runs", "cores", "expected"),
    [
        (100, 1, workers.Cost(1, 0.01, 0.01, 7, 5)),
        (101, 1, workers.Cost(2, 0.02, 0.02, 14, 10)),
        (1000, 4, workers.Cost(10, 0.1, 0.03, 70, 50)),
        (36_000, 360, workers.Cost(360, 3.6, 0.1, 2520, 1800)),  # waits for the sender: 360 times a second
    ],
)
def test_cost_of_many_runs(runs, cores, expected):
    assert workers.cost(runs, cores, SHARD) == expected


@pytest.mark.parametrize(("runs", "cores"), [(0, 1), (1, 0)])
def test_cost_of_nothing(runs, cores):
    with pytest.raises(ValueError, match="at least one run and one core"):
        workers.cost(runs, cores, SHARD)
