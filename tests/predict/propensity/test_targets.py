"""Targets: names that stay, outcomes that a shop can build, and the naive rules beside them."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import numpy as np
import pyarrow as pa
import pytest

import coterie
from coterie import Workspace
from coterie.errors import MissingColumnError, ParameterError
from coterie.features.availability import available
from coterie.features.catalog import CATALOG
from coterie.predict.propensity.targets import NAMES, target
from coterie.schema import Kind

WINDOW = """
    SELECT household_id AS person, {what} AS told FROM '{folder}/{file}.parquet'
    WHERE {time} > TIMESTAMP '2017-06-01 04:00' AND {time} <= TIMESTAMP '2017-06-01 04:00' + INTERVAL {days} DAY
      AND household_id IN (SELECT household_id FROM '{folder}/transactions.parquet'
                           WHERE transaction_timestamp <= TIMESTAMP '2017-06-01 04:00')
    GROUP BY household_id
"""
REDEEMED = "timezone('UTC', timezone('America/New_York', redemption_date::TIMESTAMP))"  # their days are the shop's


@pytest.fixture(scope="module")
def grocer() -> Iterator[Workspace]:
    """Complete Journey in memory; nothing is asked of it that lies after August."""
    with coterie.open(None, create=True, currency="USD", timezone="America/New_York") as shop:
        shop.ingest("complete_journey")
        shop.resolve()
        yield shop


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("days", [1, 30, 91])
def test_a_name_is_a_target(name: str, days: int) -> None:
    found = target(name, days)
    assert (found.name, found.days, found.outcome.window.days) == (name, days, days)
    assert found.naive.feature in CATALOG.names
    assert found.naive.words.endswith(".")
    assert found.title.startswith("the ")


@pytest.mark.parametrize("kind", Kind)
def test_any_event_is_a_target(kind: Kind) -> None:
    assert target(f"event:{kind.value.lower()}", 30).name == f"event:{kind.value}"
    assert target(f"event:{kind.value}", 30).kind == "binary"


@pytest.mark.parametrize(
    ("name", "days", "match"),
    [
        ("revenue", 90, "one of churn, purchase, orders"),
        ("churn_90", 90, "name churn, and the days beside it"),
        ("event:Dance", 90, "event: and one of Order Completed"),
        ("churn", 0, "a whole number from 1"),
        ("churn", 1.5, "a whole number from 1"),
        ("churn", True, "a whole number from 1"),
        (None, 90, "one of churn"),
    ],
)
def test_what_is_no_target_is_refused(name: str, days: int, match: str) -> None:
    with pytest.raises(ParameterError, match=match):
        target(name, days)


def test_labels_are_what_fit_takes() -> None:
    orders = pa.table({"future_orders_30d": [0, 2, None, 1]})
    assert target("purchase", 30).labels(orders).tolist() == [0.0, 1.0, 0.0, 1.0]
    assert target("orders", 30).labels(orders).tolist() == [0.0, 2.0, 0.0, 1.0]
    assert target("category", 30).labels(pa.table({"future_category_30d": ["a", None]})).tolist() == ["a", None]
    with pytest.raises(MissingColumnError, match="churned_30d"):
        target("churn", 30).labels(orders)


def test_the_naive_rule_says_something_of_each_person() -> None:
    people = pa.table({"recency_days": [3.0, None, 40.0], "orders_30d": [2, None, 0], "top_category": ["a", None, "b"]})
    scores = target("churn", 30).naive.scores(people)
    assert scores is not None
    assert scores.tolist() == [3.0, 40.0, 40.0]
    assert target("orders", 60).naive.scores(people).tolist() == [4.0, 0.0, 0.0]  # type: ignore[union-attr]
    assert target("category", 30).naive.scores(people).tolist() == ["a", None, "b"]  # type: ignore[union-attr]
    assert target("spend", 30).naive.scores(people) is None
    assert target("event:Product Viewed", 30).naive.scores(people) is None


@pytest.mark.slow
def test_a_shop_builds_what_happened(grocer: Workspace, complete_journey_folder: object) -> None:
    days = 60
    asked = {name: target(name, days) for name in (*NAMES, "event:Coupon Applied")}
    names = list({one.outcome.name: one.outcome for one in asked.values()}.values())
    built = grocer.build("2017-06-01", features=["orders"], outcomes=names)
    with duckdb.connect() as plain:

        def told(what: str, file: str, time: str) -> dict[int, float]:
            sql = WINDOW.format(what=what, folder=complete_journey_folder, file=file, time=time, days=days)
            return dict(plain.sql(sql).fetchall())

        lines = "transactions", "transaction_timestamp"
        orders, spend = told("count(DISTINCT basket_id)", *lines), told("round(sum(sales_value) * 100)", *lines)
        coupons = told("count(*)", "coupon_redemptions", REDEEMED)
    labels = {name: one.labels(built.table) for name, one in asked.items()}
    lacking = available(grocer.warehouse, [*names, target("event:Product Viewed", days).outcome])
    assert lacking == {"future_product_viewed_60d": "no Product Viewed in events: map a source that has them"}
    # people have keys of the shop's own, so totals and how often each number occurs are compared
    assert labels["orders"].sum() == sum(orders.values())
    assert sorted(labels["orders"][labels["orders"] > 0]) == sorted(orders.values())
    assert sorted(labels["spend"][labels["spend"] > 0]) == pytest.approx(sorted(one for one in spend.values() if one))
    assert labels["churn"].sum() == len(built.table) - len(orders)
    assert (labels["purchase"] == 1 - labels["churn"]).all()
    assert labels["response"].sum() == labels["event:Coupon Applied"].sum() == len(coupons)
    for name in ("category", "next_category"):
        known = np.array([one is not None for one in labels[name]])
        assert (known <= (labels["orders"] > 0)).all()
        assert known.sum() > 0.99 * len(orders)


@pytest.mark.slow
def test_the_next_category_is_told_better_than_by_the_favourite(grocer: Workspace) -> None:
    made = grocer.predict("next_category", "2017-06-01", horizon_days=30)
    assert made.judgement is not None
    assert made.judgement.gap is not None
    assert made.judgement.gap.low > 0
    assert not made.by_rule
    assert made.learner.evidence_ is not None
    assert made.learner.evidence_.loss < made.learner.evidence_.naive - 0.3
    assert len(made.learner.classes_) > 250
