"""Ctrl-C keeps what is finished, and the progress bar says how far training is, or nothing."""

from __future__ import annotations

import signal
import sys
import threading
import time

import pytest
from oracles import bits
from tqdm.auto import tqdm

from counting import regimens, training
from counting.engine.lanes import LANES
from counting.regimens import Regimen


def short(cell: str, **changes: object) -> Regimen:
    return regimens.PAPER[cell].but(**{"epochs": 3, **changes})


class InterruptingBar(tqdm):
    """A progress bar during which somebody presses Ctrl-C, when `epochs_of_runs` are done."""

    epochs_of_runs = 0
    stop = threading.Event()
    """The event by which `train` stops its groups."""

    def update(self, n: int = 1) -> None:
        with self.get_lock():
            self.n += n
            reached = self.n >= type(self).epochs_of_runs > self.n - n
        if reached:
            # To the thread that a terminal would send it to, once that has handed out all groups and waits.
            time.sleep(0.2)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            assert type(self).stop.wait(60)


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no signals to a thread here")
class TestInterruption:
    @pytest.fixture(autouse=True)
    def bar(self, monkeypatch):
        assert threading.current_thread() is threading.main_thread()

        class KnownEvent(threading.Event):
            def __init__(self) -> None:
                super().__init__()
                InterruptingBar.stop = self

        monkeypatch.setattr(training, "Event", KnownEvent)
        monkeypatch.setattr(training, "tqdm", InterruptingBar)

    def interrupted(self, train, monkeypatch, epochs_of_runs: int, regimen: Regimen) -> training.Interrupted:
        monkeypatch.setattr(InterruptingBar, "epochs_of_runs", epochs_of_runs)
        monkeypatch.setattr(training, "GROUP", LANES)
        with pytest.raises(training.Interrupted) as caught:
            train(regimen, range(200), threads=1)
        return caught.value

    def test_finished_runs_are_kept(self, cell, train, monkeypatch):
        # The first group has all its 5 epochs, the second one of them.
        regimen = short(cell, epochs=5)
        error = self.interrupted(train, monkeypatch, LANES * 6, regimen)
        assert str(error) == f"stopped with {LANES} of 200 runs finished"
        assert error.runs.seeds == tuple(range(LANES))
        expected = train(regimen, [0, LANES - 1])
        assert [bits(error.runs, run) for run in (0, LANES - 1)] == [bits(expected, run) for run in (0, 1)]

    def test_none_is_finished(self, train, monkeypatch):
        error = self.interrupted(train, monkeypatch, LANES, short("relu", epochs=5))
        assert isinstance(error, KeyboardInterrupt)
        assert error.runs is None
        assert str(error) == "stopped with 0 of 200 runs finished"

    def test_no_thread_is_left_behind(self, train, monkeypatch):
        before = threading.active_count()
        self.interrupted(train, monkeypatch, LANES, short("relu", epochs=5))
        assert threading.active_count() == before


class TestProgress:
    class Terminal:
        """A stream that says it is one."""

        def __init__(self) -> None:
            self.text = ""

        def write(self, text: str) -> None:
            self.text += text

        def flush(self) -> None: ...

        def isatty(self) -> bool:
            return True

    @pytest.mark.parametrize("progress", [True, False])
    def test_a_bar_with_runs_and_epochs_or_silence(self, progress, train, monkeypatch):
        terminal = self.Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        train(short("relu"), range(70), progress=progress)
        assert ("70 relu runs" in terminal.text and "210/210" in terminal.text) == progress
        assert bool(terminal.text) == progress

    def test_silence_where_nobody_watches(self, train, capfd):
        train(short("relu"), range(3), progress=True)
        assert capfd.readouterr() == ("", "")
