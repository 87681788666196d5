"""The command: what it prints, and what it tells the shell."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from counting import __main__ as command
from counting import cells
from counting.cells import Networks


@pytest.fixture
def exact(tmp_path: Path) -> str:
    return saved(tmp_path / "exact.pt", cells.exact("relu"))


@pytest.fixture
def leaky(tmp_path: Path) -> str:
    """Closes a little less than it opens: fails at 100 symbols."""
    network = cells.exact("relu")
    network.parameters["weight_ih_l0"][0, 0, 1] = -0.99
    return saved(tmp_path / "leaky.pt", network)


def saved(path: Path, network: Networks) -> str:
    torch.save(network.to_torch(0).state_dict(), path)
    return str(path)


def test_proved_is_0(exact, capsys):
    assert command.main(["certify", exact]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("layer     rnn.weight_hh_l0: ReLU, 1 unit; nonlinearity relu is assumed")
    assert "\nProved: this ReLU network is right on every Dyck-1 word of up to 1,000" in printed


def test_refuted_is_1(leaky, capsys):
    assert command.main(["certify", leaky]) == 1
    printed = capsys.readouterr().out
    assert "wrong on a word of 100 symbols, and on no shorter one" in printed
    assert "its own module fails at the same step" in printed


def test_a_shorter_length_may_be_proved(leaky):
    assert command.main(["certify", leaky, "--max-length", "98"]) == 0


def test_any_length(exact, capsys):
    assert command.main(["certify", exact, "--max-length", "any", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["verdict"], found["max_length"], found["max_depth"]) == ("proved", None, 2**24)


def test_json(leaky, capsys):
    assert command.main(["certify", leaky, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["verdict"], found["upper"], found["shortest"]) == ("refuted", 100, True)
    assert len(found["counterexample"]) == 100


def test_undecided_is_3(exact, monkeypatch, capsys):
    """No network at hand is undecided for certain: one is made so."""
    from dataclasses import replace

    certify = command.certificate.certify
    monkeypatch.setattr(
        command.certificate, "certify", lambda *a: replace(certify(*a), proved=False, lower=500)
    )
    assert command.main(["certify", exact]) == 3
    assert "on those of fewer than 500 symbols it is" in capsys.readouterr().out


def broken(folder: Path) -> dict[str, str]:
    """Files that are no network that can be certified, by what the error says."""
    not_finite = cells.exact("relu")
    not_finite.parameters["output.bias"][0, 0] = float("inf")
    torch.save(nn.Sequential(nn.LSTM(2, 2), nn.Linear(2, 2)).state_dict(), folder / "wide.pt")
    torch.save(nn.LSTM(2, 1), folder / "code.pt")
    (folder / "text.pt").write_text("(())")
    return {
        "not all finite": saved(folder / "inf.pt", not_finite),
        "hidden size must be 1": str(folder / "wide.pt"),
        "not run": str(folder / "code.pt"),
        "neither safetensors nor": str(folder / "text.pt"),
        "no such file": str(folder / "none.pt"),
    }


def test_bad_input_is_2_and_says_why(tmp_path, capsys):
    for reason, path in broken(tmp_path).items():
        assert command.main(["certify", path]) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.startswith("error: ")
        assert printed.err.count("\n") == 1
        assert reason in printed.err


@pytest.mark.parametrize(
    "arguments",
    [[], ["certify"], ["guess", "x"], *(["certify", "x", "--max-length", n] for n in ("1", "-4", "²", "x"))],
)
def test_bad_arguments_are_2(arguments, capsys):
    with pytest.raises(SystemExit) as error:
        command.main(arguments)
    assert error.value.code == 2
    assert "usage: python -m counting" in capsys.readouterr().err


def test_as_a_command(leaky):
    run = subprocess.run([sys.executable, "-m", "counting", "certify", leaky], capture_output=True, text=True)
    assert run.returncode == 1, run.stderr
    assert "\nRefuted: " in run.stdout


def test_many_files_give_a_table_and_the_worst_code(exact, leaky, tmp_path, capsys):
    assert command.main(["certify", exact, leaky]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == ["Proved:", "Refuted:"]
    assert command.main(["certify", exact, leaky, str(tmp_path / "none.pt"), "--csv"]) == 2
    printed = capsys.readouterr()
    assert [line.split(",")[1] for line in printed.out.splitlines()] == ["verdict", "proved", "refuted", "error"]
    assert "no such file" in printed.err
    assert command.main(["certify", exact, exact, "--json"]) == 0
    assert [one["verdict"] for one in json.loads(capsys.readouterr().out)] == ["proved"] * 2


@pytest.mark.parametrize(("flip", "hint"), [("weight_ih_l0", "--symbols ')('"), ("output.", "--outputs ')('")])
def test_swapped_columns_or_rows_get_a_hint(flip, hint, tmp_path, capsys):
    network = cells.exact("relu")
    for name, array in network.parameters.items():
        if name.startswith(flip):
            array[0] = array[0][..., ::-1] if flip == "weight_ih_l0" else array[0][::-1]
    path = saved(tmp_path / "swapped.pt", network)
    assert command.main(["certify", path]) == 1
    assert hint in capsys.readouterr().out
    assert command.main(["certify", path, *hint.replace("'", "").split()]) == 0


@pytest.mark.parametrize("error", [RuntimeError("no locator"), PermissionError(13, "denied"), MemoryError()])
def test_a_crash_is_2(error, exact, monkeypatch, capsys):
    def crash(*_: object) -> None:
        raise error

    monkeypatch.setattr(command.certificate, "certify", crash)
    monkeypatch.setattr(command, "_drop_output", lambda: None)
    assert command.main(["certify", exact]) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)


@pytest.mark.parametrize("sink", ["> /dev/full", "| true", ">&-"])
def test_what_cannot_be_printed_is_2(sink, leaky):
    script = f'set -o pipefail; "{sys.executable}" -m counting certify "{leaky}" {sink}'
    run = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert run.returncode == 2
    assert "Traceback" not in run.stderr
    assert "Exception ignored" not in run.stderr


@pytest.mark.parametrize("form", ["svg", "png", "html"])
def test_show_writes_a_picture_or_a_page(form, leaky, tmp_path, capsys):
    path = tmp_path / f"drawn.{form}"
    assert command.main(["show", leaky, "--output", str(path), *["--html"] * (form == "html")]) == 0
    assert "fails at  step 99 of 100" in capsys.readouterr().out
    content = path.read_bytes()
    assert content.startswith({"svg": b"<?xml", "png": b"\x89PNG", "html": b"<!doctype html>"}[form])
    assert form != "svg" or b"first wrong: 99" in content


def test_show_takes_a_word_and_says_where_none_is_known(exact, leaky, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert command.main(["show", leaky, "(())"]) == 0
    assert "fails at  no step" in capsys.readouterr().out
    assert (tmp_path / "leaky.svg").exists()
    assert command.main(["show", exact, "--shortest"]) == 0
    assert "no word on which it fails is known" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [(["(()x"], "x"), (["--output", "a.gif"], ".svg or .png"), (["--html", "--output", "a.png"], ".html")],
)
def test_show_refuses_in_words(arguments, reason, leaky, capsys):
    assert command.main(["show", leaky, *arguments]) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert reason in printed.err


def test_the_recipe_of_the_readme_as_it_stands(tmp_path):
    """Its Python saves a network, its command certifies it; of the example it says what is printed first."""
    root = Path(__file__).parent.parent
    readme = (root / "README.md").read_text("utf-8")
    section = re.search(r"## Certify your own network\n(.*?)\n## ", readme, re.DOTALL)[1]
    recipe, command_line, example, says = re.findall(r"```\w*\n(.*?)```", section, re.DOTALL)
    environment = {**os.environ, "PYTHONPATH": str(root), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    run = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True}
    assert subprocess.run([sys.executable, "-c", recipe], **run).returncode == 0
    certified = subprocess.run(["bash", "-c", command_line], **run)
    assert certified.returncode in (0, 1, 3), certified.stderr
    assert certified.stdout.startswith("layer     rnn.weight_hh_l0: LSTM, 1 unit\n")
    printed = subprocess.run(["bash", "-c", example], **{**run, "cwd": root}).stdout
    assert printed.startswith(says)
