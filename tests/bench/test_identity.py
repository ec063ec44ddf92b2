"""The benchmark of identity at a small size: what it claims about guards and about plain union-find."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture(scope="module")
def edges(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sys.path.insert(0, str(BENCH))
    path = tmp_path_factory.mktemp("identity") / "edges.parquet"
    importlib.import_module("identity").write_edges(path, 30_000, 0.02, 0)
    return path


def test_guards_keep_customers_apart_that_union_find_throws_together(edges: Path) -> None:
    bench = importlib.import_module("identity")
    said = {peer: bench.run(peer, edges) for peer in ("coterie", "components", "union_find")}
    assert said["coterie"]["two_customer_ids"] == 0
    assert said["union_find"]["two_customer_ids"] > 100
    assert {name: said["union_find"][name] for name in ("persons", "largest")} == {
        name: said["components"][name] for name in ("persons", "largest")
    }
    assert said["union_find"]["largest"] > 10 * said["coterie"]["largest"]
    assert said["coterie"]["hubs"] > 0
    assert said["coterie"]["refused"] > 0


def test_the_edges_are_as_a_ledger_gives_them(edges: Path) -> None:
    table = pq.read_table(edges)
    assert table.num_rows == 30_000
    assert table.equals(table.sort_by([("subject_a", "ascending"), ("subject_b", "ascending")]))
    assert set(table["kind_a"].unique().to_pylist()) <= set(importlib.import_module("identity").KINDS)
