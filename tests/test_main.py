"""The command: what it prints, and what it tells the shell."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from counting import __main__ as command
from counting import cells, languages
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
        command.certificate, "certify", lambda *a, **k: replace(certify(*a, **k), proved=False, lower=500)
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


def with_rows(path: Path, weights: list[float], biases: list[float]) -> str:
    state = cells.exact("relu").to_torch(0).state_dict()
    torch.save(state | {"output.weight": torch.tensor(weights)[:, None], "output.bias": torch.tensor(biases)}, path)
    return str(path)


@pytest.mark.parametrize(("weights", "biases", "hint"), [
    ([-20.0], [10.0], "--outputs '$'"),
    ([-20.0, 0.0], [10.0, 10.0], "--outputs '$('"),
    ([1.0, 3.0], [11.0, 10.0], "--outputs '$)' and --decide argmax"),
])  # fmt: skip
def test_an_output_that_says_closed_gets_a_hint(weights, biases, hint, tmp_path, capsys):
    path = with_rows(tmp_path / "closed.pt", weights, biases)
    assert command.main(["certify", path]) == 1
    assert f"with {hint} it is right" in capsys.readouterr().out
    assert command.main(["certify", path, *hint.replace("'", "").replace("and ", "").split()]) == 0


@pytest.mark.parametrize(("end", "code"), [(-20.0, 0), (20.0, 1)])
def test_an_output_for_the_end_is_a_third_decision(end, code, tmp_path, capsys):
    path = with_rows(tmp_path / "ends.pt", [0.0, 20.0, end], [10.0, -10.0, 10.0])
    assert command.main(["certify", path, "--outputs", "()$"]) == code
    assert "output 2: may the word end" in capsys.readouterr().out
    assert command.main(["show", path, "()", "--outputs", "()$", "--html", "--output", str(tmp_path / "a.html")]) == 0
    assert ("no step" in capsys.readouterr().out) == (code == 0)


def test_a_language_of_several_counters(tmp_path, monkeypatch, capsys):
    """What it decides is tested elsewhere: here, what is printed of it."""
    word = languages.shuffle(2).words(["[()]"])
    for verdict, found, code in (("proved", None, 0), ("refuted", word, 1), ("undecided", None, 3)):
        said = SimpleNamespace(verdict=verdict, counterexample=found, failing_step=found and 2, argument="So it is.")
        monkeypatch.setattr(command.certificate, "certify_language", lambda *_, said=said: said)
        path = saved(tmp_path / "shuffle.pt", cells.initialize("lstm", [0], 2, 4, 4))
        assert command.main(["certify", path, "--language", "shuffle-2"]) == code
        printed = capsys.readouterr().out
        assert f"\n{verdict.capitalize()}: this network is " in printed and "So it is." in printed
        assert ("[()]  (4 symbols)\nfails at  step 2" in printed) == (code == 1)
        assert command.main(["certify", path, "--language", "shuffle-2", "--json"]) == code
        assert json.loads(capsys.readouterr().out)["counterexample"] == (found and "[()]")


@pytest.mark.parametrize(("arguments", "reason"), [
    (["--language", "dyck-2"], "the languages are dyck-1, shuffle-2"),
    (["--language", "shuffle-2", "--max-length", "8"], "--max-length is for dyck-1"),
    (["--outputs", "(x"], "outputs are () in any order"),
    (["--symbols", "(("], "symbols are () in any order"),
    (["--decide", "argmax"], "argmax takes one of two outputs"),
    (["--threshold", "1"], "a threshold is above 0 and below 1"),
    (["--prefix", "ema."], "no tensor whose name begins with ema."),
])  # fmt: skip
def test_options_that_make_no_sense_are_2(arguments, reason, exact, capsys):
    assert command.main(["certify", exact, *arguments]) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert reason in printed.err


def test_what_can_be_done_at_great_lengths_is_said_once(capsys):
    for cell in ("gru", "gru", "relu"):
        command._say_what_can_be_done(cell, 10**6)
    command._say_what_can_be_done("gru", 1000)
    assert capsys.readouterr().err.count("note: beyond ") == 2


@pytest.mark.parametrize("error", [RuntimeError("no locator"), PermissionError(13, "denied"), MemoryError()])
def test_a_crash_is_2(error, exact, monkeypatch, capsys):
    def crash(*_: object, **__: object) -> None:
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


@pytest.mark.parametrize("sinks", [("full", "full"), ("full", None), ("quiet", "full"), ("quiet", None)])
@pytest.mark.parametrize("more", [["--max-length", "30010"], ["nothing.pt"]])
def test_that_nobody_hears_what_is_said_changes_no_verdict(sinks, more, exact, monkeypatch):
    """A note that could not be written ended, while the error about it could not be either, as a refutation."""
    with ExitStack() as opened:
        for name, sink in zip(("stdout", "stderr"), sinks, strict=True):
            path = {"full": "/dev/full", "quiet": os.devnull}.get(sink)
            monkeypatch.setattr(sys, name, path and opened.enter_context(sink_of(path)))
        monkeypatch.setattr(command, "_drop_output", lambda: None)
        command._say_what_can_be_done.cache_clear()
        heard = sinks[0] == "quiet" and more[0] != "nothing.pt"
        assert command.main(["certify", exact, *more]) == (0 if heard else 2)


def sink_of(path: str) -> io.TextIOWrapper:
    """Open what says at each write whether it is full, and not when it is closed."""
    return io.TextIOWrapper(io.FileIO(os.open(path, os.O_WRONLY), "w"), write_through=True)


def test_an_environment_in_which_numba_cannot_begin_is_2(exact):
    environment = {**os.environ, "NUMBA_NUM_THREADS": "0"}
    arguments = [sys.executable, "-m", "counting", "certify", exact]
    run = subprocess.run(arguments, env=environment, capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.splitlines()[-1].startswith("error: ")


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
