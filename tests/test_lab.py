"""What the lab is given: every bit of the weights, and only what is proved."""

from __future__ import annotations

import json

import numpy as np
import pytest

from counting import cells, certificate, dyck, evaluation, lab, results, rounding
from counting.cells import Networks
from counting.dyck import Words


@pytest.fixture(scope="module")
def entries() -> list[dict[str, object]]:
    """The entries as the browser reads them."""
    text = lab.script().split(";\n")[0]
    return json.loads(text[text.index("= [") + 2 :])


def network(entry: dict[str, object]) -> Networks:
    return Networks(entry["cell"], {name: np.array([v], np.float32) for name, v in entry["parameters"].items()})


def word(runs: str) -> Words:
    return Words.from_strings(["".join("()"[n % 2] * int(run) for n, run in enumerate(runs.split(".")))])


def test_weights_are_those_of_the_results_to_the_bit(entries):
    for entry in entries:
        if entry["origin"] == "exact":
            assert network(entry) == cells.exact(entry["cell"])
            continue
        runs = results.load(results.FOLDER.parent / entry["file"])
        assert network(entry) == runs.networks[runs.seeds.index(entry["seed"])], entry["id"]


def test_there_are_networks_of_every_cell_and_origin_and_names_are_unique(entries):
    kinds = {(entry["cell"], entry["origin"]) for entry in entries}
    assert kinds == {(c, o) for c in cells.CELLS for o in ("exact", *lab.FILES)} - {("gru", "exact")}
    assert len({entry["id"] for entry in entries}) == len(entries)


def test_a_failing_word_fails_where_it_says(entries):
    refuted = [entry for entry in entries if entry["certificate"]["word"]]
    assert {entry["cell"] for entry in refuted} == set(cells.CELLS)
    for entry in refuted:
        claim = entry["certificate"]
        words = word(claim["word"])
        assert words.longest == claim["length"]
        assert evaluation.first_failure(network(entry), words)[0, 0] == claim["step"]


def test_what_is_called_exact_is_proved(entries):
    for entry in entries:
        if entry["exact"] is None:
            continue
        if entry["cell"] == "relu":
            made = rounding.in_steps(network(entry), **entry["exact"])
        else:
            made = rounding.gained(network(entry), entry["exact"]["gain"])
        assert certificate.proved(made)[0], entry["id"]
    assert all(entry["exact"] is None for entry in entries if entry["cell"] == "gru")
    assert all(entry["exact"]["gain"] == 1 for entry in entries if entry["id"].startswith("counting-lstm"))


def test_the_lab_opens_with_a_word_on_which_the_network_fails():
    shown, failing = lab.first_shown()
    assert evaluation.first_failure(shown, failing)[0, 0] < failing.longest


def test_runs_spell_a_word():
    for text in ("()", "(())()", "((()())())"):
        assert word(lab.runs_of(Words.from_strings([text]))).strings() == [text]
    padded = Words.from_strings(["()", "(())"])
    assert lab.runs_of(padded[0]) == "1.1"
    assert lab.runs_of(dyck.zigzag(length=12, peak=3)) == "3.3.3.3"
