"""Kernels are kept by what they were compiled from, or not at all, and never stale."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import pytest

from counting import compiled, files, sources


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(files, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    files.say_not_kept.cache_clear()
    return tmp_path / "cache"


def kernel() -> numba.core.dispatcher.Dispatcher:
    """Defined and compiled now."""
    return numba.njit("int64(int64)", cache=compiled.keeping())(lambda x: x + 1)


def kept(folder: Path) -> list[str]:
    return [path.suffix for path in folder.rglob("*.nb[ci]")]


def test_kernels_are_kept_in_the_folder_of_their_code(cache):
    before = numba.config.CACHE_DIR
    with compiled.kept_by("counting.sources"):
        assert kernel()(1) == 2
    (folder,) = cache.iterdir()
    assert folder.name == sources.digest("import counting.sources")[:16]
    assert sorted(kept(folder)) == [".nbc", ".nbi"]
    assert before == numba.config.CACHE_DIR and not compiled.keeping()


def test_numbas_own_folder_is_used_where_it_is_set(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "own"))
    with compiled.kept_by("counting.sources"):
        kernel()
    assert kept(tmp_path / "own") and not cache.exists()


@pytest.mark.parametrize("numbas", [False, True])
def test_a_folder_that_cannot_be_written_is_said_and_no_matter(numbas, cache, tmp_path, monkeypatch, capsys):
    place = tmp_path / "own" if numbas else cache
    place.write_text("a file, no folder")
    if numbas:
        monkeypatch.setenv("NUMBA_CACHE_DIR", str(place))
    for _ in range(2):
        with compiled.kept_by("counting.sources"):
            assert kernel()(1) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"counting: compiled kernels are not kept, {place} cannot be written")


def test_a_full_disk_too(cache, monkeypatch, capsys):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9 - 1000, 1000))
    with compiled.kept_by("counting.sources"):
        assert kernel()(1) == 2
    assert not kept(cache) and "full" in capsys.readouterr().err


def test_without_a_compiler_one_sentence_says_so():
    done = subprocess.run(
        [sys.executable, "-m", "counting", "certify", "any"], capture_output=True, text=True, check=False,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
    )  # fmt: skip
    assert done.stderr == (
        "error: counting computes in compiled kernels, and NUMBA_DISABLE_JIT forbids them: unset it\n"
    )
    assert done.returncode == 2  # 1 would mean refuted


def test_no_kernel_of_the_library_is_kept_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").touch()
    code = (
        "import numpy, sys; from counting import training, certificate; from counting.anatomy import functions, gru;"
        "from numba.core.dispatcher import Dispatcher; assert list(training.word_order(0, 1, 3));"
        "assert functions.tanh(numpy.float32(0)) == 0;"
        "print([d for m in list(sys.modules.values()) if getattr(m, '__name__', '').startswith('counting')"
        "       for d in vars(m).values() if isinstance(d, Dispatcher) and d._cache.cache_path])"
    )
    environment = {key: value for key, value in os.environ.items() if key != "NUMBA_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**environment, "XDG_CACHE_HOME": str(tmp_path / "file")},
    )  # fmt: skip
    assert done.stdout == "[]\n"
    (line,) = done.stderr.splitlines()
    assert "not kept" in line


def test_what_is_only_linked_has_the_same_answers_from_compiled_code_and_from_python():
    @compiled.linkable(error_model="numpy")
    def half(x):
        return x / 2

    @compiled.linkable(forceinline=True)
    def quarter(x):
        return half(half(x))

    use = numba.njit(lambda x: quarter(x) + half(x))
    assert use(8.0) == quarter(8.0) + half(8.0) == 6.0
    assert use(3) == 2.25 and not half.overloads.keys() - {(numba.float64,), (numba.int64,)}
    with pytest.raises(TypeError, match="str"):  # an error of Python, not a crash
        half("8")
