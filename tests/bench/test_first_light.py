"""First light compares only equal work."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import first_light
import measure
from coterie.segments.view import VALUE

PEER = Path(first_light.__file__).parent / "peers" / "pandas_first_light.py"


def features(path: Path, **changed: object) -> Path:
    people = 50
    columns = {name: np.linspace(1, 2, people) for name in first_light.FEATURES}
    table = {"customer_id": [f"C{i}" for i in range(people)], **columns, **changed}
    pq.write_table(pa.table(table), path)
    return path


def test_the_features_are_those_that_segments_are_made_of() -> None:
    assert first_light.FEATURES == VALUE


def test_equal_features_pass_in_any_order_of_people(tmp_path: Path) -> None:
    ours = features(tmp_path / "a.parquet")
    pq.write_table(pq.read_table(ours).take(np.random.default_rng(0).permutation(50)), tmp_path / "b.parquet")
    assert first_light.unequal(ours, tmp_path / "b.parquet") == []


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("recency_days", np.linspace(1, 2.0001, 50), "recency_days: 49 of 50 differ"),
        ("gap_mean_days", np.full(50, np.nan), "gap_mean_days: 50 of 50 differ"),
        ("customer_id", [f"D{i}" for i in range(50)], "50 only in the peer, 50 only in coterie"),
    ],
)
def test_unequal_features_are_told(tmp_path: Path, name: str, value: object, words: str) -> None:
    ours, theirs = features(tmp_path / "a.parquet"), features(tmp_path / "b.parquet", **{name: value})
    assert any(words in line for line in first_light.unequal(ours, theirs))


def test_the_peer_drops_bad_rows_and_makes_the_nineteen_features(tmp_path: Path) -> None:
    (tmp_path / "products.csv").write_text("product_id,category\nP1,a\nP2,b\n")
    head = "line_id,order_id,customer_id,kind,ordered_at,recorded_at,product_id,quantity,amount,discount"
    good = "2024-12-01 02:00:00.000000"  # Saturday evening, 30 November, 21 h in New York
    rows = [
        f"1,o1,A,Order Completed,{good},{good},P1,1,10.00,2.5",
        f"1,o1,A,Order Completed,{good},{good},P1,1,10.00,2.5",
        f"2,o1,A,Order Completed,{good},{good},P2,1,n/a,0",
        "3,o2,A,Order Completed,2024-12-31 12:00:00.000000,2024-12-31 12:00:00.000000,P2,1,5.05,0",
        "4,o2,A,Order Completed,2024-12-31 12:00:00.000000,2025-01-01 12:00:00.000000,P2,1,7.00,0",
        "5,o2,A,Order Completed,31.02. 25:61,2024-12-31 12:00:00.000000,P2,1,7.00,0",
        f"6,o3,,Order Completed,{good},{good},P2,1,7.00,0",
        f"7,o1,A,Order Refunded,{good},{good},P1,1,10.00,0",
    ]
    (tmp_path / "orders.csv").write_text("\n".join([head, *rows]) + "\n")
    out = tmp_path / "features.parquet"
    said = measure.run([sys.executable, str(PEER), str(tmp_path), "--k", "0", "--write", str(out)]).said
    assert (said["people"], said["lines"]) == (1, 2)
    (row,) = pq.read_table(out).to_pylist()
    assert set(first_light.FEATURES) <= set(row)
    assert (row["orders"], row["spend"], row["basket_value"], row["products"]) == (2, 1505, 753, 2)
    assert row["recency_days"] == pytest.approx(0.5)
    assert row["gap_mean_days"] == pytest.approx(30 + 10 / 24)
    assert row["discount_share"] == pytest.approx(250 / 1755)
    assert row["category_entropy"] == pytest.approx(np.log(2))
    assert (row["weekend_share"], row["orders_30d"], row["active_days"], row["active_days_90d"]) == (0.5, 1, 2, 2)
