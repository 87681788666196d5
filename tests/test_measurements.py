"""Measurements come back as they were kept, and a broken file says so."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from counting import measurements


def test_tables_come_back_with_the_machine(tmp_path: Path) -> None:
    table = pd.DataFrame({"cell": ["lstm", "gru"], "nanoseconds": [1.5, 2.0], "runs": [1, 2]})
    measurements.record("x", {"times": table}, folder=tmp_path)
    found = measurements.load("x", folder=tmp_path)
    pd.testing.assert_frame_equal(found.tables["times"], table, check_dtype=False)
    assert found.machine["cores"] >= 1 and found.machine["numpy"]
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_what_was_not_measured_says_how_to(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="benchmarks/x.py --record"):
        measurements.load("x", folder=tmp_path)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"tables": 3, "machine": {}}'])
def test_a_broken_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(ValueError, match="x.json holds no measurements"):
        measurements.load("x", folder=tmp_path)


def test_every_committed_measurement_can_be_read() -> None:
    for path in measurements.FOLDER.glob("*.json"):
        assert measurements.load(path.stem).tables
