"""The whole catalogue on a few households of a real retailer, against the naive twin."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from coterie.features import batch
from coterie.features.catalog import CATALOG
from coterie.features.outcome import churned, future_orders, future_spend
from coterie.store.warehouse import Warehouse
from oracles import features as naive
from oracles.features import History
from oracles.histories import attach, spine

ZONE = "America/New_York"
HOUSEHOLDS = (1, 13, 718, 1228, 2469)
MOMENTS = (datetime(2017, 3, 12, 6, 30), datetime(2017, 9, 1))

LINES = """
SELECT 'grocer' AS source, basket_id || '/' || product_id AS line_id, basket_id::TEXT AS order_id,
  'Order Completed' AS kind, household_id AS subject, 'store' AS channel, store_id::TEXT AS place,
  product_id::TEXT AS product_id, quantity::DOUBLE AS quantity, round(sales_value * 100)::BIGINT AS amount,
  round(retail_disc * 100)::BIGINT AS discount, 'USD' AS currency, transaction_timestamp AS occurred_at,
  transaction_timestamp AS available_at, 1 AS import_id, 1 AS row
FROM read_parquet(?) WHERE household_id IN (SELECT unnest(?))
"""
PRODUCTS = """
SELECT 'grocer' AS source, product_id::TEXT AS product_id, brand, department, product_category AS category,
  product_type AS subcategory, NULL::TIMESTAMP AS available_at, 1 AS import_id, 1 AS row
FROM read_parquet(?) WHERE product_id::TEXT IN (SELECT unnest(?))
"""


@pytest.fixture(scope="module")
def history(complete_journey_folder: Path) -> History:
    """The lines of a few households with their products."""
    with duckdb.connect() as connection:

        def rows(sql: str, file: str, keys: list[object]) -> list[naive.Row]:
            answer = connection.execute(sql, [str(complete_journey_folder / file), keys])
            names = [column[0] for column in answer.description]
            return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]

        lines = rows(LINES, "transactions.parquet", list(HOUSEHOLDS))
        products = rows(PRODUCTS, "products.parquet", sorted({line["product_id"] for line in lines}))
    itself = [{"subject": key, "person": key, "valid_from": None, "valid_until": None} for key in HOUSEHOLDS]
    return History(order_lines=lines, products=products, person_of=itself)


def test_the_catalogue_equals_the_naive_twin(warehouse: Warehouse, history: History) -> None:
    attach(warehouse, history)
    features = [*CATALOG, churned(90), future_orders(90), future_spend(90)]
    rows = [(person, moment) for moment in MOMENTS for person in HOUSEHOLDS]
    until = datetime(2018, 1, 1)
    answer = batch.table(warehouse, features, spine(*rows), timezone=ZONE, currency="USD", until=until).to_pylist()
    for got, (person, moment) in zip(answer, rows, strict=True):
        own = [line for line in history.order_lines if line["subject"] == person]
        small = History(order_lines=own, products=history.products, person_of=history.person_of)
        for feature in features:
            want = naive.value(feature, small, person, moment, ZONE)
            near = pytest.approx(want, rel=1e-9, abs=1e-9) if isinstance(want, float) else want
            assert got[feature.name] == near, feature.name
