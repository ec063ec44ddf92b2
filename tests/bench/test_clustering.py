"""The benchmark of k-means at a small size: both peers find the same, and what is told apart adds up."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from threadpoolctl import threadpool_limits

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sys.path.insert(0, str(BENCH))
    path = tmp_path_factory.mktemp("clustering") / "people.parquet"
    assert importlib.import_module("clustering").step("write", str(path), "3000") == {}
    return path


def test_peers_group_the_same_people_equally_well(people: Path) -> None:
    bench = importlib.import_module("clustering")
    table = pq.read_table(people)
    assert table.num_rows == 3_000
    assert len(table.column_names) == 21
    with threadpool_limits(1):
        theirs, ours = (bench.step("fit", peer, str(people), "4") for peer in ("sklearn", "coterie"))
    assert ours["inertia"] == pytest.approx(theirs["inertia"], rel=0.01)
    assert ours["cpu"] == pytest.approx(ours["matrix"] + ours["beyond"])
    assigned = [bench.step("assign", peer, "500", "40")["sum"] for peer in ("sklearn", "coterie")]
    assert assigned[0] == assigned[1]
    with pytest.raises(ValueError, match="no step"):
        bench.step("fit")
