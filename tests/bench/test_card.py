"""The benchmark of the report card at a small size: both judge the same grouping alike."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.mark.slow
def test_both_judge_the_same_grouping_alike(tmp_path: Path) -> None:
    sys.path.insert(0, str(BENCH))
    importlib.import_module("clustering").write_people(tmp_path / "people.parquet", 20_000, 0)
    bench = importlib.import_module("card")
    ours, theirs = bench.coterie(tmp_path / "people.parquet"), bench.sklearn(tmp_path / "people.parquet")
    assert ours["people"] == theirs["people"] == 20_000
    assert ours["r2"] == pytest.approx(theirs["r2"], abs=0.01)
    assert ours["auc"] == pytest.approx(theirs["auc"], abs=0.01)
    assert ours["rows"] > 5
