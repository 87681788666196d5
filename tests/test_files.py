"""Files are written whole or not at all. What kills and full disks do to them is in test_faults.py."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from counting import files


def test_text_and_bytes_replace_what_was_there(tmp_path):
    path = tmp_path / "new" / "file"
    files.write(path, b"\0\xff")
    files.write(path, "é\r\n")
    assert path.read_bytes() == "é\r\n".encode()
    assert list(path.parent.iterdir()) == [path]


def test_a_file_has_the_permissions_that_the_user_gives_files(tmp_path):
    (tmp_path / "other").touch()
    files.write(tmp_path / "file", "")
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_what_fails_leaves_all_as_it_was_and_says_what_to_do(step, tmp_path, monkeypatch):
    path = tmp_path / "file"
    files.write(path, "before")

    def fails(*arguments):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, step, fails)
    with pytest.raises(PermissionError, match=r"Permission denied: .*file was not written \(5 bytes\).*run this again"):
        files.write(path, "after")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_many_writers_at_once_leave_one_whole_file(tmp_path):
    contents = [bytes([n]) * 100_000 for n in range(32)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda content: files.write(tmp_path / "file", content), contents))
    assert (tmp_path / "file").read_bytes() in contents
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system has its own folder")
def test_the_users_cache_is_the_systems(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert files.cache_folder() == Path("/somewhere/counting")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert files.cache_folder() == Path("/home/someone/.cache/counting")


def test_what_is_not_kept_is_said_once_and_not_in_a_notebook(capsys, monkeypatch, tmp_path):
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    for _ in range(2):
        files.say_not_kept("runs are", tmp_path, "full")
    assert capsys.readouterr().err == f"counting: runs are not kept, {tmp_path} cannot be written (full)\n"
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    files.say_not_kept("others are", tmp_path, "full")
    assert capsys.readouterr() == ("", "")


def test_no_lock_is_needed_that_some_system_lacks():
    """What Windows has not."""
    code = "import sys; sys.modules['fcntl'] = None; from counting import files"
    subprocess.run([sys.executable, "-c", code], check=True)
