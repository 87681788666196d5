"""What several files of tests share: words, networks and trained runs, small and from fixed seeds; a browser."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator

import pytest
import torch
from hypothesis import settings
from playwright.sync_api import Browser, sync_playwright

from counting import cells, dyck, regimens, training
from counting.cells import Networks
from counting.dyck import Words
from counting.regimens import Regimen
from counting.training import Runs
from pipeline.browser import NoBrowser, launch

# The same examples on every run and machine: what fails fails for everyone. No deadline: kernels compile.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")

# A job in the background (`make test &`, nohup, cron) ignores Ctrl-C, and so would all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def one_torch_thread() -> Iterator[None]:
    """Tensors this small only lose by more, and pytest's workers take every core already."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=cells.CELLS)
def cell(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="session")
def train_words() -> Words:
    return dyck.pcfg(150, (2, 50), seed=11)


@pytest.fixture(scope="session")
def validation_words() -> Words:
    return dyck.pcfg(25, (2, 80), seed=12)


@pytest.fixture(scope="session")
def test_words() -> Words:
    """Words of 2 symbols up to several chunks of 32, in no order, deep ones and ones with many returns."""
    strings = [
        *dyck.pcfg(60, (2, 50), seed=13).strings(),
        *dyck.pcfg(30, (52, 100), seed=13).strings(),
        *dyck.pcfg(3, (500, 500), seed=13).strings(),
        *dyck.with_returns(5, 64, 16, seed=13).strings(),
        *dyck.zigzag(length=160, peak=80).strings(),
        *dyck.zigzag(length=96, peak=1).strings(),
        "()",
        "(" * 16 + ")" * 16,
        "(" * 17 + ")" * 17,
    ]
    return Words.from_strings(strings[::2] + strings[1::2])


@pytest.fixture(scope="session")
def trained_networks(train_words: Words, validation_words: Words) -> dict[str, Networks]:
    """100 trained networks of each cell, from good to useless, behind 100 untrained ones."""
    networks = {}
    for cell in cells.CELLS:
        regimen = regimens.PAPER[cell].but(epochs=40, learning_rate=0.02)
        runs = training.train(regimen, train_words, validation_words, range(100), progress=False)
        networks[cell] = Networks.concatenate([runs.checkpoints[0], runs.networks])
    return networks


@pytest.fixture
def train(train_words: Words, validation_words: Words) -> Callable[..., Runs]:
    """`training.train` on the shared words, without a progress bar."""

    def call(regimen: Regimen, seeds: Iterable[int], **options: object) -> Runs:
        return training.train(regimen, train_words, validation_words, seeds, **{"progress": False, **options})

    return call


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a window; where there is none the tests are skipped, or fail with BROWSER_REQUIRED."""
    with sync_playwright() as playwright:
        try:
            started = launch(playwright)
        except NoBrowser as error:
            message = f"no page was looked at: {error}"
            if os.environ.get("BROWSER_REQUIRED"):
                pytest.fail(message)
            pytest.skip(message)
        yield started
        started.close()
