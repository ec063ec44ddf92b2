"""``build`` on Spark: the same table, from the same facts, through the same gate."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv
from sqlglot import exp

import coterie
from coterie.errors import ParameterError, StoreError
from coterie.features.published import SNAPSHOTS
from coterie.store.spark import Spark
from coterie.store.sql import column, named
from coterie.workspace.engines import computing
from oracles.agreement import assert_same

MAPPING = """
source = {source}
currency = "EUR"

[lawful_basis]
{purpose} = "legitimate interest: we group customers by what they bought"

[[read]]
file = "orders.csv"
to = "order_line"
id = ["order"]
identify = {{ customer_id = "customer" }}
fields = {{ order_id = "order", amount = "total", occurred_at = "at" }}
"""
NAMES = ["orders", "orders_90d", "last_order_value", "decayed_orders", "gap_std_days", "weekday_entropy"]
SOURCES = {"till": "segmentation", "the 'web': ä": "segmentation", "mail order": "marketing"}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[coterie.Workspace]:
    """Three sources, of which two may be used to group customers, in a folder with an odd name."""
    random = np.random.default_rng(3)
    with coterie.open(tmp_path / "our shop's folder", create=True, currency="EUR", timezone="Europe/Berlin") as made:
        for number, (source, purpose) in enumerate(SOURCES.items()):
            folder = tmp_path / f"from {number}"
            folder.mkdir()
            days = random.integers(0, 300, 400)
            orders = {
                "order": [f"o{row}" for row in range(400)],
                "customer": [f"c{customer}" for customer in random.integers(0, 80, 400)],
                "total": [f"{amount:.2f}" for amount in random.lognormal(3, 0.5, 400)],
                "at": [(datetime(2025, 1, 1) + timedelta(days=int(day), seconds=1)).isoformat() for day in days],
            }
            csv.write_csv(pa.table(orders), folder / "orders.csv")
            mapping = MAPPING.format(source=f'"{source}"', purpose=purpose)
            (folder / "mapping.toml").write_text(mapping, "utf-8")
            made.ingest(folder / "mapping.toml", folder)
        yield made


def test_an_engine_that_is_none_is_refused(shop: coterie.Workspace) -> None:
    with pytest.raises(ParameterError, match="engine must be one of duckdb, spark"):
        shop.build("2025-09-01", engine="sparc")


@pytest.mark.slow
@pytest.mark.parametrize("own", [True, False], ids=["a session of mine", "by name"])
def test_both_engines_build_the_same(shop: coterie.Workspace, spark: Spark, own: bool) -> None:
    on_spark = shop.build("2025-09-01", features=NAMES, engine=spark if own else "spark")
    assert not on_spark.reused
    shop.lake.delete(SNAPSHOTS, "position", range(1000))
    by_default = shop.build("2025-09-01", features=NAMES)
    assert not by_default.reused
    assert on_spark.snapshot == by_default.snapshot
    assert_same(by_default.table, on_spark.table)
    assert max(on_spark.table["orders"].to_pylist()) > 5
    with pytest.raises(StoreError):
        spark.query("SELECT subject FROM order_lines")


@pytest.mark.slow
def test_spark_sees_the_sources_that_the_purpose_may_use(shop: coterie.Workspace, spark: Spark) -> None:
    with computing(spark, shop.facts("segmentation"), shop.inbox) as engine:
        told = engine.query(exp.select(column("source")).distinct().from_(named("order_lines")))
    assert set(told["source"].to_pylist()) == {"till", "the 'web': ä"}
