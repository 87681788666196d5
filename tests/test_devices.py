"""A device is there, or the error says what is missing."""

from __future__ import annotations

import importlib.util
from concurrent.futures import ThreadPoolExecutor

import numba.cuda
import pytest

from counting import cells, devices, evaluation, regimens, training
from counting.engine.group import Group


def test_the_cpu_is_always_there():
    assert devices.groups("cpu") is Group


@pytest.mark.parametrize("device", ["gpu", "cuda:0", "", None])
def test_unknown_devices(device, train_words, validation_words):
    with pytest.raises(ValueError, match="unknown device .*: the devices are 'cpu', 'cuda'"):
        training.train(regimens.PAPER["relu"], train_words, validation_words, [0], device=device, progress=False)
    with pytest.raises(ValueError, match="unknown device"):
        evaluation.first_failure(cells.exact("relu"), train_words, device=device)


def test_without_the_package(monkeypatch, train_words):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(devices.NoGPU, match="needs the package numba-cuda: pip install"):
        evaluation.first_failure(cells.exact("relu"), train_words, device="cuda")


def test_without_a_gpu(monkeypatch, train_words, validation_words):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(numba.cuda, "is_available", lambda: False)
    with pytest.raises(devices.NoGPU, match="finds none"):
        training.train(regimens.PAPER["relu"], train_words, validation_words, [0], device="cuda", progress=False)


def test_a_gpu_or_an_executor(train):
    with ThreadPoolExecutor(1) as executor, pytest.raises(ValueError, match="leave one out"):
        train(regimens.PAPER["relu"], [0], executor=executor, device="cuda")
