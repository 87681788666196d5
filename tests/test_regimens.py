"""Regimens and schedules: values epoch by epoch, copies, manifests, and every impossible field."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from counting import cells, regimens
from counting.regimens import Regimen, Schedule, value_at

INF, NAN = float("inf"), float("nan")


def regimen(cell: str = "relu", **changes: object) -> Regimen:
    return Regimen(**{"cell": cell, "learning_rate": 0.01, "epochs": 10, **changes})


class TestSchedule:
    def test_geometric(self):
        schedule = Schedule(1.0, 200.0, 5, 26)
        assert [schedule.at(epoch) for epoch in (1, 4, 5)] == [1, 1, 1]
        assert [schedule.at(epoch) for epoch in (26, 27, 1000)] == [200, 200, 200]
        for epoch in range(5, 27):
            assert schedule.at(epoch) == pytest.approx(200 ** ((epoch - 5) / 21), rel=1e-15)

    def test_linear_where_it_ends_at_0(self):
        assert [Schedule(0.4, 0.0, 2, 6).at(epoch) for epoch in range(1, 9)] == pytest.approx(
            [0.4, 0.4, 0.3, 0.2, 0.1, 0, 0, 0]
        )
        assert Schedule(0.4, 0.0, 2, 6).at(6) == 0

    @given(
        st.floats(1e-12, 1e12),
        st.floats(1e-12, 1e12) | st.just(0.0),
        st.integers(1, 50),
        st.integers(1, 50),
    )
    def test_from_start_to_end_without_turning(self, start, end, first, steps):
        schedule = Schedule(start, end, first, first + steps)
        values = [schedule.at(epoch) for epoch in range(1, first + steps + 3)]
        assert values[:first] == [start] * first
        assert values[first + steps - 1 :] == [end] * 3
        assert values == sorted(values, reverse=start > end)

    def test_a_constant_is_its_own_schedule(self):
        assert value_at(0.5, 7) == 0.5
        assert value_at(Schedule(1.0, 4.0, 1, 3), 2) == 2

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ((-1, 1, 1, 2), "a schedule's start must be finite, ≥ 0; got -1"),
            ((NAN, 1, 1, 2), "a schedule's start must be finite, ≥ 0; got nan"),
            (("1", 1, 1, 2), "a schedule's start must be finite, ≥ 0; got '1'"),
            ((1, INF, 1, 2), "a schedule's end must be finite, ≥ 0; got inf"),
            ((1, None, 1, 2), "a schedule's end must be finite, ≥ 0; got None"),
            ((0, 1, 1, 2), "a schedule's start must be positive, unless its end is 0 too; got 0"),
            ((1, 1, 2, 2), "a schedule's first and last must be epochs, 1 ≤ first < last; got (2, 2)"),
            ((1, 1, 0, 2), "a schedule's first and last must be epochs, 1 ≤ first < last; got (0, 2)"),
            ((1, 1, 1, 2.5), "a schedule's first and last must be epochs, 1 ≤ first < last; got (1, 2.5)"),
        ],
    )
    def test_impossible_ones(self, fields, message):
        with pytest.raises(ValueError) as caught:
            Schedule(*fields)
        assert str(caught.value) == message


GOOD = [
    {"learning_rate": 1e-9},
    {"learning_rate": 1},
    {"learning_rate": Schedule(0.01, 1e-6, 10, 30)},
    {"epochs": 1},
    {"dtype": "float64"},
    {"gate_gain": Schedule(1.0, 200.0, 5, 26)},
    {"initial_scale": 0.1},
    {"cell": "lstm", "forget_bias": 2.0},
    {"cell": "lstm", "forget_bias": -2},
    {"hidden_bias": 0.3},
    {"recurrent_weight": "identity"},
    {"recurrent_weight": "positive"},
    {"leak": Schedule(0.1, 0.0, 2, 10)},
    {"clip_norm": 1.0},
    {"loss": "bce"},
]

# Field -> values that it cannot have, and what the message says it must be.
BAD = {
    "epochs": ([0, -1, 1.0, 2.5, "3", None, True, NAN], "an integer ≥ 1"),
    "dtype": (["float16", "double", float, None, ""], "'float32' or 'float64'"),
    "loss": (["mae", "", None, nn.MSELoss, ["mse"]], "'mse' or 'bce'"),
    "learning_rate": ([0, -0.1, INF, NAN, "0.01", None, True, Schedule(0.1, 0.0, 1, 5)], "finite and > 0"),
    "gate_gain": ([0, -1, INF, NAN, "1", None, Schedule(0.1, 0.0, 1, 5)], "finite and > 0"),
    "initial_scale": ([0, -1, INF, NAN, "1", None, Schedule(0.1, 1.0, 1, 5)], "finite and > 0"),
    "hidden_bias": ([INF, -INF, NAN, "0", None], "finite"),
    "recurrent_weight": (["one", "", None, 1.0, ["default"]], "one of ('default', 'identity', 'positive')"),
    "leak": (
        [0.1, -0.1, NAN, "0", None, Schedule(0.3, 0.1, 1, 5), Schedule(0.3, 0.0, 1, 11)],
        "0, or a schedule that reaches 0 by the last epoch",
    ),
    "clip_norm": ([0, -1, INF, NAN, "1", False], "None, or finite and > 0"),
}


class TestRegimen:
    @pytest.mark.parametrize("changes", GOOD, ids=str)
    def test_possible_ones(self, changes):
        made = regimen(**changes)
        assert all(getattr(made, name) == value for name, value in changes.items())
        assert made == regimen(**changes)
        assert hash(made) == hash(regimen(**changes))

    @pytest.mark.parametrize(
        ("name", "value"), [(name, value) for name, (values, _) in BAD.items() for value in values], ids=repr
    )
    def test_impossible_fields(self, name, value):
        with pytest.raises(ValueError) as caught:
            regimen(**{name: value})
        assert str(caught.value) == f"{name} must be {BAD[name][1]}; got {value!r}"

    @pytest.mark.parametrize("value", [INF, NAN, "1", None])
    def test_impossible_forget_bias(self, value):
        with pytest.raises(ValueError) as caught:
            regimen("lstm", forget_bias=value)
        assert str(caught.value) == f"forget_bias must be finite; got {value!r}"

    @pytest.mark.parametrize(
        ("cell", "name", "value"),
        [
            ("gru", "forget_bias", 1.0),
            ("relu", "forget_bias", 1.0),
            ("lstm", "hidden_bias", 0.3),
            ("gru", "recurrent_weight", "identity"),
            ("lstm", "leak", Schedule(0.3, 0.0, 1, 5)),
        ],
    )
    def test_fields_of_another_cell(self, cell, name, value):
        with pytest.raises(
            ValueError, match=f"{name} must be .*(only an LSTM forgets|belongs to the ReLU); got"
        ):
            regimen(cell, **{name: value})

    @pytest.mark.parametrize("name", ["LSTM", "", None, ["lstm"]])
    def test_unknown_cell(self, name):
        with pytest.raises(cells.UnknownCell, match="unknown cell .*: the cells are 'lstm', 'gru', 'relu'"):
            regimen(name)

    def test_frozen(self):
        with pytest.raises(dataclasses.FrozenInstanceError):
            regimen().epochs = 3

    def test_manifests_older_than_the_choice_of_a_loss(self):
        """The paper's loss has no entry, so that its regimens have the keys that they had."""
        assert "loss" not in regimen().to_dict() and Regimen.from_dict(regimen().to_dict()).loss == "mse"
        assert regimen(loss="bce").to_dict()["loss"] == "bce"

    def test_every_other_field_stands_in_a_manifest(self):
        fields = {field.name for field in dataclasses.fields(Regimen)}
        assert set(regimen().to_dict()) == fields - {"loss", "units"}
        assert set(regimen(loss="bce", units=2).to_dict()) == fields

    def test_but(self):
        made = regimen()
        changed = made.but(epochs=3, clip_norm=1.0)
        assert (changed.epochs, changed.clip_norm, changed.learning_rate) == (3, 1.0, made.learning_rate)
        assert made == regimen()
        assert made.but() == made
        with pytest.raises(ValueError, match="epochs must be"):
            made.but(epochs=0)
        with pytest.raises(
            ValueError, match=r"field must be one of \['cell', 'learning_rate', .*; got \['momentum'\]"
        ):
            made.but(momentum=0.9)

    @pytest.mark.parametrize("changes", GOOD, ids=str)
    def test_there_and_back_through_json(self, changes):
        made = regimen(**changes)
        assert Regimen.from_dict(json.loads(json.dumps(made.to_dict()))) == made

    @pytest.mark.parametrize(
        "entries",
        [
            {},
            {"cell": "lstm"},
            {**regimen().to_dict(), "momentum": 0.9},
            {**regimen().to_dict(), "learning_rate": {"start": 1.0}},
            {
                **regimen().to_dict(),
                "learning_rate": {"start": 1.0, "end": 1.0, "first": 1, "last": 2, "x": 0},
            },
        ],
        ids=["nothing", "too little", "too much", "half a schedule", "more than a schedule"],
    )
    def test_entries_of_something_else(self, entries):
        with pytest.raises(ValueError, match="these are no regimen's fields: "):
            Regimen.from_dict(entries)

    def test_entries_with_an_impossible_value(self):
        with pytest.raises(ValueError, match="epochs must be an integer ≥ 1; got 0"):
            Regimen.from_dict({**regimen().to_dict(), "epochs": 0})


class TestThePapers:
    def test_values(self):
        assert set(regimens.PAPER) == set(cells.CELLS)
        rates = {
            cell: (paper.cell, paper.learning_rate, paper.epochs) for cell, paper in regimens.PAPER.items()
        }
        assert rates == {"lstm": ("lstm", 0.01, 30), "gru": ("gru", 0.001, 30), "relu": ("relu", 0.01, 30)}

    def test_nothing_but_the_papers_ways(self):
        for paper in regimens.PAPER.values():
            assert paper == Regimen(paper.cell, paper.learning_rate, paper.epochs)

    def test_read_only(self):
        with pytest.raises(TypeError):
            regimens.PAPER["lstm"] = regimen()


class TestThoseThatCount:
    def test_one_a_cell(self):
        assert {cell: counting.cell for cell, counting in regimens.COUNTING.items()} == {
            c: c for c in cells.CELLS
        }

    def test_ingredients_are_what_differs(self, cell):
        paper, counting = regimens.PAPER[cell], regimens.COUNTING[cell]
        names = regimens.ingredients(cell)
        assert names
        assert paper.but(**{name: getattr(counting, name) for name in names}) == counting
        assert all(getattr(paper, name) != getattr(counting, name) for name in names)
