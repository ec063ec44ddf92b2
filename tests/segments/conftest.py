"""A year's first months of a real shop, as a plain table of features; nothing of the outcome lies after August."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
import pytest

FEATURES = """
    WITH line AS (
        SELECT household_id AS person, basket_id, product_id, product_category, sales_value AS paid, retail_disc AS off,
               isodow(timezone('America/New_York', timezone('UTC', transaction_timestamp))) >= 6 AS weekend,
               date_diff('second', transaction_timestamp, TIMESTAMP '2017-06-01') / 86400 AS age
        FROM '{folder}/transactions.parquet' LEFT JOIN '{folder}/products.parquet' USING (product_id)
        WHERE transaction_timestamp <= TIMESTAMP '2017-06-01'
    ), basket AS (
        SELECT person, basket_id, min(age) AS age, sum(paid) AS paid, sum(off) AS off, count(*) AS lines,
               bool_or(weekend) AS weekend
        FROM line GROUP BY ALL
    ), gap AS (
        SELECT person, age - lag(age) OVER (PARTITION BY person ORDER BY age) AS gap FROM basket
    ), category AS (
        SELECT person, n / sum(n) OVER (PARTITION BY person) AS part
        FROM (SELECT person, product_category, count(*) AS n FROM line WHERE product_category IS NOT NULL GROUP BY ALL)
    )
    SELECT person, recency_days, gap_mean_days, orders, orders_30d, orders_90d, active_days, active_days_90d, spend,
           spend_30d, spend_90d, basket_value, products, categories, category_entropy, basket_lines, discount_share,
           weekend_share, top_category_share, tenure_days
    FROM (
        SELECT person, min(age) AS recency_days, max(age) AS tenure_days, count(*) AS orders,
               count(*) FILTER (age < 30) AS orders_30d, count(*) FILTER (age < 90) AS orders_90d,
               count(DISTINCT floor(age)) AS active_days,
               count(DISTINCT floor(age)) FILTER (age < 90) AS active_days_90d,
               round(sum(paid) * 100)::BIGINT AS spend,
               coalesce(round(sum(paid) FILTER (age < 30) * 100), 0)::BIGINT AS spend_30d,
               coalesce(round(sum(paid) FILTER (age < 90) * 100), 0)::BIGINT AS spend_90d,
               round(avg(paid) * 100)::BIGINT AS basket_value, avg(lines) AS basket_lines,
               avg(weekend::INT) AS weekend_share,
               sum(off) / nullif(sum(paid) + sum(off), 0) AS discount_share
        FROM basket GROUP BY person
    )
    LEFT JOIN (SELECT person, avg(gap) AS gap_mean_days FROM gap GROUP BY person) USING (person)
    LEFT JOIN (SELECT person, count(DISTINCT product_id) AS products, count(DISTINCT product_category) AS categories
               FROM line GROUP BY person) USING (person)
    LEFT JOIN (SELECT person, -sum(part * ln(part)) AS category_entropy, max(part) AS top_category_share
               FROM category GROUP BY person) USING (person)
    ORDER BY person
"""
FUTURE = """
    SELECT household_id AS person, round(sum(sales_value) * 100)::BIGINT AS spend
    FROM '{folder}/transactions.parquet'
    WHERE transaction_timestamp > TIMESTAMP '2017-06-01' AND transaction_timestamp < TIMESTAMP '2017-08-31'
    GROUP BY household_id
"""


@pytest.fixture(scope="session")
def households(complete_journey_folder) -> pa.Table:
    """2,372 households with the features of the value view as of 2017-06-01."""
    with duckdb.connect() as warehouse:
        return warehouse.sql(FEATURES.format(folder=complete_journey_folder)).to_arrow_table()


@pytest.fixture(scope="session")
def summer_spend(complete_journey_folder, households) -> np.ndarray:
    """What each household spent from June to August, in cents; 0 for those who stayed away."""
    with duckdb.connect() as warehouse:
        table = warehouse.sql(FUTURE.format(folder=complete_journey_folder)).to_arrow_table()
    spent = dict(zip(table["person"].to_pylist(), table["spend"].to_pylist(), strict=True))
    return np.array([spent.get(person, 0) for person in households["person"].to_pylist()])


@pytest.fixture
def three_kinds() -> pa.Table:
    """150 made-up people of three well separated kinds: 60 regulars, 50 who come now and then, 40 who are gone."""
    random = np.random.default_rng(3)
    kind = np.repeat([0, 1, 2], [60, 50, 40])
    return pa.table(
        {
            "person": np.arange(1000, 1150),
            "recency_days": np.array([2.0, 20.0, 150.0])[kind] * random.uniform(0.8, 1.2, 150),
            "orders": np.rint(np.array([40, 10, 2])[kind] * random.uniform(0.8, 1.2, 150)).astype(int),
            "spend": (np.array([90_000, 20_000, 3_000])[kind] * random.uniform(0.8, 1.2, 150)).astype(int),
            "kind": kind,
        }
    )
