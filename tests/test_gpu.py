"""The GPU's path: the kernels as the CPU compiles them, their code for the GPU, and, where there is one, the GPU."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
from numba.np.numpy_support import as_dtype
from oracles import bits

from counting import cells, dyck, evaluation, gpu, regimens, training
from counting.cells import Networks
from counting.dyck import Words
from counting.engine.lanes import LANES
from counting.gpu import compiled, threads
from counting.regimens import Regimen, Schedule


class OnDevice(np.ndarray):
    """An array in the pretended GPU's memory."""

    def copy_to_host(self, into: np.ndarray | None = None) -> np.ndarray:
        if into is None:
            return np.array(self)
        assert into.flags.c_contiguous and into.dtype == self.dtype
        into[:] = self
        return into


@dataclass
class PretendedGPU:
    """What `counting.gpu` uses of `numba.cuda`, on the CPU: threads one after the other, memory full of rubbish."""

    free: int = 10**9
    threadIdx: SimpleNamespace = field(default_factory=SimpleNamespace)  # noqa: N815
    blockIdx: SimpleNamespace = field(default_factory=SimpleNamespace)  # noqa: N815
    launched: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)

    @property
    def local(self) -> SimpleNamespace:
        return SimpleNamespace(array=lambda size, kind: self.device_array(size, as_dtype(kind)).view(np.ndarray))

    def device_array(self, shape: tuple[int, ...], dtype: np.dtype) -> OnDevice:
        rubbish = np.nan if np.issubdtype(dtype, np.floating) else 77
        return np.full(shape, rubbish, dtype).view(OnDevice)

    def to_device(self, array: np.ndarray) -> OnDevice:
        return np.array(array).view(OnDevice)

    def current_context(self) -> SimpleNamespace:
        return SimpleNamespace(get_memory_info=lambda: SimpleNamespace(free=self.free))

    def launch(self, name: str, kind: tuple[str, ...], grid: tuple[int, ...], *arguments: object) -> None:
        GridOf(self, name, threads.kernel_functions(*kind)[name], threads.signatures(kind[1])[name])[grid](*arguments)


@dataclass
class GridOf:
    """A kernel, to be launched as `kernel[grid](*arguments)`."""

    gpu: PretendedGPU
    name: str
    thread: Callable
    signature: tuple

    def __getitem__(self, grid: tuple[int, ...]) -> Callable:
        gpu = self.gpu
        assert all(1 <= side <= 65_535 for side in grid[1:])

        def launch(*arguments: object) -> None:
            gpu.launched.append((self.name, grid))
            for array, kind in zip(arguments, self.signature, strict=True):
                if isinstance(array, np.ndarray):
                    assert isinstance(array, OnDevice) and array.flags.c_contiguous
                    assert (array.ndim, array.dtype) == (kind.ndim, as_dtype(kind.dtype))
            arrays = [a.view(np.ndarray) if isinstance(a, OnDevice) else a for a in arguments]
            for (x, *y), lane in product(np.ndindex(*grid), range(LANES)):
                gpu.blockIdx.x, gpu.blockIdx.y, gpu.threadIdx.x = x, *(y or [0]), lane
                self.thread(*arrays)

        return launch


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> PretendedGPU:
    device = PretendedGPU()
    for module in (gpu, threads):
        monkeypatch.setattr(module, "cuda", device)
    monkeypatch.setattr(gpu, "launch", device.launch)
    monkeypatch.setattr(gpu, "check", lambda: None)
    return device


@pytest.fixture(scope="module")
def few_words() -> Words:
    return dyck.pcfg(20, (2, 50), seed=5)


@pytest.fixture(scope="module")
def validation() -> Words:
    return dyck.pcfg(6, (2, 70), seed=6)


def everything(cell: str, **changes: object) -> Regimen:
    """A regimen in which all that a kernel takes is other than usual."""
    special = {"gate_gain": Schedule(1.0, 3.0, 1, 3), "clip_norm": 0.05, "learning_rate": Schedule(0.02, 0.01, 1, 3)}
    if cell == "relu":
        special["leak"] = Schedule(0.1, 0.0, 1, 3)
    return regimens.PAPER[cell].but(epochs=3, **{**special, **changes})


def assert_same_runs(regimen: Regimen, words: Words, validation: Words, seeds: range) -> None:
    here, there = (
        train(regimen, words, validation, seeds, progress=False) for train in (training.train, gpu.train)
    )
    assert there.seeds == here.seeds
    assert np.array_equal(there.losses, here.losses, equal_nan=True)
    assert all(there.selected[c] == here.selected[c] for c in here.selected)
    assert all(there.checkpoints[epoch] == here.checkpoints[epoch] for epoch in here.checkpoints)
    if not here.diverged.any():
        assert [bits(there, run) for run in range(len(seeds))] == [bits(here, run) for run in range(len(seeds))]


def strange_networks(cell: str) -> Networks:
    """Trained-like, right, saturated, infinite and undefined ones."""
    drawn = cells.initialize(cell, range(66)).parameters
    parameters = {name: 3 * array for name, array in drawn.items()}
    for run, value in enumerate((np.nan, np.inf, -np.inf, 1e38, -1e38, 1e-40, 0.0)):
        parameters["weight_hh_l0"][run] = value
        parameters["output.bias"][run + 10] = value
    strange = Networks(cell, {name: array.astype(np.float32) for name, array in parameters.items()})
    return strange if cell == "gru" else Networks.concatenate([strange, cells.exact(cell)])


class TestThreadsOnTheCPU:
    """Each thread's own function, compiled for the CPU and called for every thread of every launch."""

    def test_the_paper_regimen(self, cell, few_words, validation, pretended):
        assert_same_runs(regimens.PAPER[cell].but(epochs=2), few_words, validation, range(3, 73))
        assert pretended.launched[0] == ("losses", (2,))

    def test_all_that_a_regimen_can_change(self, cell, few_words, validation, pretended):
        assert_same_runs(everything(cell), few_words, validation, range(5))

    def test_float64(self, few_words, validation, pretended):
        assert_same_runs(everything("gru", dtype="float64"), few_words, validation, range(3))

    def test_the_other_loss(self, cell, few_words, validation, pretended):
        assert_same_runs(regimens.PAPER[cell].but(epochs=2, loss="bce"), few_words, validation, range(3))

    def test_divergence(self, few_words, validation, pretended):
        regimen = regimens.PAPER["relu"].but(epochs=2, initial_scale=1e18)
        assert training.train(regimen, few_words, validation, range(20), progress=False).diverged.any()
        assert_same_runs(regimen, few_words, validation, range(20))

    def test_as_many_runs_at_a_time_as_memory_holds(self, few_words, validation, pretended):
        pretended.free = 1
        assert_same_runs(regimens.PAPER["relu"].but(epochs=1), few_words, validation, range(130))
        assert [grid for name, grid in pretended.launched if name == "train_epoch"] == [(1,)] * 3

    def test_first_failure(self, cell, test_words, pretended):
        nets, words = strange_networks(cell), test_words[np.arange(0, len(test_words), 4)]
        expected = evaluation.first_failure(nets, words)
        assert np.array_equal(gpu.first_failure(nets, words), expected)
        assert len(np.unique(expected)) > 5
        assert pretended.launched == [("first_failure", (-(-len(words) // LANES), len(nets)))]

    def test_answers_on_as_many_runs_at_a_time_as_memory_holds(self, test_words, pretended):
        nets, words = cells.initialize("relu", range(7)), test_words[:70]
        pretended.free = 4 * len(words) * 8
        found = gpu.first_failure(nets, words)
        assert [grid for _, grid in pretended.launched] == [(2, 3), (2, 3), (2, 1)]
        assert np.array_equal(found, evaluation.first_failure(nets, words))

    def test_no_networks(self, test_words, pretended):
        nets = cells.initialize("gru", [0])[[]]
        assert gpu.first_failure(nets, test_words).shape == (0, len(test_words))


@pytest.fixture
def no_gpu_needed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The real compiler for an H100 that is not there: what is loaded is kept instead, as text."""
    if importlib.util.find_spec("numba_cuda") is None:
        pytest.skip("numba-cuda is not installed")
    from numba.cuda import codegen, dispatcher
    from numba.cuda.cudadrv import nvrtc, nvvm

    try:
        nvvm.NVVM()
        nvrtc.get_supported_ccs()
    except Exception as error:
        pytest.skip(f"NVIDIA's compiler is not installed: {type(error).__name__}")
    device = SimpleNamespace(compute_capability=(9, 0), id=0)
    loaded: list[str] = []

    def bind(kernel: dispatcher._Kernel) -> None:
        assert not kernel._codelibrary._lto
        loaded.extend(kernel._codelibrary.get_asm_strs())

    monkeypatch.setattr(dispatcher, "get_current_device", lambda: device)
    monkeypatch.setattr(codegen.devices, "get_context", lambda: SimpleNamespace(device=device))
    monkeypatch.setattr(dispatcher._Kernel, "bind", bind)
    return loaded


class TestCode:
    """What NVIDIA's compiler makes of the kernels, on the way to a GPU."""

    @pytest.mark.parametrize("name", threads.KERNELS)
    def test_rounds_as_the_cpu_does(self, cell, name, no_gpu_needed):
        compiled.compiled.__wrapped__(name, (cell, "float32"), 0)
        (code,) = no_gpu_needed
        assert "sm_90a" in code and all(f"{operation}.rn.f32" in code for operation in ("add", "mul"))
        # All that a thread works on stands in its registers.
        assert "__local_depot" not in code

    def test_rounds_as_the_cpu_does_in_float64(self, no_gpu_needed):
        compiled.compiled.__wrapped__("train_epoch", ("lstm", "float64", "bce"), 0)
        assert "sqrt.rn.f64" in no_gpu_needed[0]

    def test_other_code_is_refused_before_it_is_loaded(self, no_gpu_needed, monkeypatch):
        monkeypatch.setattr(compiled, "exactly", nullcontext)
        compiled.compiled.__wrapped__("first_failure", ("relu", "float32"), 0)
        with pytest.raises(RuntimeError, match=r"compiled '(add|fma|mul)\..*does not round as the CPU does"):
            compiled.check_ptx(no_gpu_needed.pop())

    def test_link_time_optimization_is_refused(self, no_gpu_needed):
        from numba.cuda.cudadrv import nvvm

        with compiled.exactly(), pytest.raises(RuntimeError, match="must not be compiled for link-time optimization"):
            nvvm.compile_ir("", **{"gen-lto": None})


@pytest.mark.parametrize(
    "line", ["div.full.f32 %f1, %f2, %f3;", "sqrt.approx.f32 %f1, %f2;", "add.f32 %f1, %f2, %f3;", "mad.rn.f32 %f1;",
             "add.rn.ftz.f32 %f1, %f2, %f3;", "fma.rn.f64 %fd1, %fd2, %fd3, %fd4;"]
)  # fmt: skip
def test_every_operation_that_rounds_otherwise_is_refused(line):
    with pytest.raises(RuntimeError, match=line[:8]):
        compiled.check_ptx(f"\tadd.rn.f32 %f4, %f5, %f6;\n\t{line}\n\tret;\n")
    compiled.check_ptx("\tdiv.rn.f32 %f4, %f5, %f6;\n\tmad.lo.s64 %rd1, %rd2;\n\tadd.s64 %rd1, %rd2, %rd3;\n")


def test_without_the_package(monkeypatch, test_words):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(gpu.NoGPU, match="needs the package numba-cuda: pip install"):
        gpu.first_failure(cells.exact("relu"), test_words)


def test_without_a_gpu(monkeypatch, few_words, validation):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(gpu, "cuda", SimpleNamespace(is_available=lambda: False, cuda_error=lambda: "no\n driver"))
    with pytest.raises(gpu.NoGPU, match=r"finds none \(no driver\)"):
        gpu.train(regimens.PAPER["relu"], few_words, validation, [0], progress=False)


def test_no_words(pretended, test_words):
    with pytest.raises(ValueError, match="at least one word"):
        gpu.first_failure(cells.exact("relu"), test_words[:0])


def missing() -> str:
    """Why there is no GPU to test on; empty if there is one."""
    try:
        gpu.check()
    except gpu.NoGPU as error:
        return str(error)
    return ""


@pytest.mark.skipif(bool(missing()), reason=missing())
class TestOnAGPU:
    @pytest.mark.parametrize("loss", ["mse", "bce"])
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_the_same_runs(self, cell, dtype, loss, train_words, validation_words):
        assert_same_runs(everything(cell, dtype=dtype, loss=loss), train_words, validation_words, range(200))

    def test_the_same_failures(self, cell, test_words):
        nets = strange_networks(cell)
        assert np.array_equal(gpu.first_failure(nets, test_words), evaluation.first_failure(nets, test_words))
