"""The batch by example: identity, boundaries, moments, spines, outcomes, errors. Properties are in ``test_planes``."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coterie.errors import CurrencyError, DataError, MissingColumnError, ParameterError
from coterie.features import batch
from coterie.features.aggregation import Aggregation
from coterie.features.catalog import CATALOG
from coterie.features.feature import ORDER, ORDER_LINE, Feature, Window
from coterie.features.outcome import churned, future_orders, future_spend
from coterie.features.rule import Compare
from coterie.store.warehouse import Warehouse
from oracles import features as naive
from oracles.definitions import POOL
from oracles.features import History
from oracles.histories import AS_OF, MICROSECOND, PEOPLE, event, histories, itself, order_line, spine

ZONE = "America/New_York"
Shop = Callable[[History], Warehouse]

LATER = AS_OF + timedelta(days=400)


PRUNED = [feature for feature in POOL if feature.window in (Window(7), Window(30)) and feature.on != ORDER]


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    history=histories(),
    features=st.lists(st.sampled_from(PRUNED), min_size=1, max_size=5, unique_by=lambda f: f.name),
    moments=st.lists(st.sampled_from((AS_OF, datetime(2025, 12, 24), datetime(2026, 3, 8))), min_size=1, max_size=3),
)
def test_facts_outside_of_all_windows_are_left_out_for_each_moment(
    shop: Shop, history: History, features: list[Feature], moments: list[datetime]
) -> None:
    answer = batch.table(shop(history), features, spine(*[(p, m) for m in moments for p in PEOPLE]), timezone=ZONE)
    for row in answer.to_pylist():
        for feature in features:
            want, slack = naive.judged(feature, history, row["person"], row["as_of"], ZONE)
            assert naive.agrees(feature, row[feature.name], want, slack), (feature, row, want)


def counts(shop: Shop, lines: list[dict[str, Any]], days: float, on: str = ORDER) -> int:
    feature = Feature("n", on, Aggregation("count"), window=Window(days), unit="count")
    history = History(order_lines=lines, person_of=[itself(1)])
    number: int = batch.table(shop(history), [feature], spine((1, AS_OF)), timezone="UTC")["n"][0].as_py()
    return number


@pytest.mark.parametrize("on", [ORDER, ORDER_LINE])  # lines outside of all windows are left out early, orders are not
@pytest.mark.parametrize("days", [30, 7, 0.25])
def test_windows_hold_their_first_and_last_moment(shop: Shop, days: float, on: str) -> None:
    tail = Window(days).tail(AS_OF)
    assert tail is not None
    assert counts(shop, [order_line(1, 1, tail)], days, on) == 1
    assert counts(shop, [order_line(1, 1, tail - MICROSECOND)], days, on) == 0
    assert counts(shop, [order_line(1, 1, AS_OF)], days, on) == 1
    assert counts(shop, [order_line(1, 1, AS_OF + MICROSECOND)], days, on) == 0


def test_a_product_is_what_it_was_when_it_was_sold(shop: Shop) -> None:
    changed = datetime(2026, 2, 1)
    product = {"source": "shop", "product_id": "p", "import_id": 1}
    products = [
        {**product, "available_at": datetime(2026, 1, 1), "category": "old", "row": 1},
        {**product, "available_at": changed, "category": "mended", "row": 2},
        {**product, "available_at": changed, "category": "new", "row": 3},
    ]
    category = Feature("kind_of_product", ORDER_LINE, Aggregation("last"), "category", unit="text")
    number = Feature("number", ORDER_LINE, Aggregation("count"), unit="count")
    sold = {datetime(2025, 1, 1): "old", changed - MICROSECOND: "old", changed: "new", changed + MICROSECOND: "new"}
    for moment, expected_category in sold.items():
        lines = [order_line(1, 1, moment, product_id="p")]
        warehouse = shop(History(order_lines=lines, products=products, person_of=[itself(1)]))
        answer = batch.table(warehouse, [category, number], spine((1, AS_OF)), timezone="UTC").to_pylist()[0]
        assert (answer["kind_of_product"], answer["number"]) == (expected_category, 1)


def test_what_was_not_yet_known_does_not_count(shop: Shop) -> None:
    before = AS_OF - timedelta(days=2)
    assert counts(shop, [order_line(1, 1, before, available_at=AS_OF)], 30) == 1
    assert counts(shop, [order_line(1, 1, before, available_at=AS_OF + MICROSECOND)], 30) == 0


def test_identity_is_the_one_known_at_the_moment(shop: Shop) -> None:
    merged = datetime(2026, 3, 1)
    history = History(
        order_lines=[order_line(1, 1, datetime(2026, 1, 1)), order_line(2, 2, datetime(2026, 1, 2))],
        person_of=[
            itself(1),
            {"subject": 2, "person": 2, "valid_from": None, "valid_until": merged},
            {"subject": 2, "person": 1, "valid_from": merged, "valid_until": None},
        ],
    )
    rows = spine((1, merged - MICROSECOND), (2, merged - MICROSECOND), (1, merged), (2, merged))
    answer = batch.table(shop(history), [CATALOG["orders"]], rows, timezone=ZONE)
    assert answer["orders"].to_pylist() == [1, 1, 2, 0]


@pytest.mark.parametrize(
    ("moment", "weekday", "hour"),
    [
        (datetime(2026, 3, 8, 4, 59, 59), 5, 23),  # Saturday before midnight in New York
        (datetime(2026, 3, 8, 5, 0), 6, 0),
        (datetime(2026, 3, 8, 6, 59, 59), 6, 1),
        (datetime(2026, 3, 8, 7, 0), 6, 3),  # clocks went forward
        (datetime(2026, 11, 1, 5, 30), 6, 1),  # the first 1:30 of that night
        (datetime(2026, 11, 1, 6, 30), 6, 1),  # and the second
        (datetime(1969, 12, 31, 23, 0), 2, 18),
    ],
)
def test_clocks_are_local(shop: Shop, moment: datetime, weekday: int, hour: int) -> None:
    features = [
        Feature("weekday", ORDER, Aggregation("last"), "weekday"),
        Feature("hour", ORDER, Aggregation("last"), "hour"),
        Feature("line_hour", ORDER_LINE, Aggregation("last"), "hour"),
    ]
    history = History(order_lines=[order_line(1, 1, moment)], person_of=[itself(1)])
    answer = batch.table(shop(history), features, spine((1, datetime(2027, 1, 1))), timezone=ZONE)
    assert answer.to_pylist()[0] == {
        "person": 1, "as_of": datetime(2027, 1, 1), "weekday": weekday, "hour": hour, "line_hour": hour
    }  # fmt: skip


def test_a_person_without_facts_has_a_row(shop: Shop) -> None:
    answer = batch.table(shop(History()), CATALOG, spine((5, AS_OF)), timezone=ZONE).to_pylist()[0]
    for feature in CATALOG:
        assert answer[feature.name] == (0 if feature.unit == "count" else None), feature.name


def test_a_spine_keeps_its_order_and_repeated_rows(shop: Shop) -> None:
    history = History(order_lines=[order_line(1, 2, datetime(2026, 1, 1))], person_of=[itself(1), itself(2)])
    rows = spine((2, AS_OF), (1, AS_OF), (2, AS_OF))
    answer = batch.table(shop(history), [CATALOG["orders"]], rows, timezone=ZONE)
    assert answer["person"].to_pylist() == [2, 1, 2]
    assert answer["orders"].to_pylist() == [1, 0, 1]
    assert batch.table(shop(history), CATALOG, rows.slice(0, 0), timezone=ZONE).schema == batch.schema(CATALOG)


def test_orders_are_the_sums_of_their_lines(shop: Shop) -> None:
    moment = datetime(2026, 3, 1)
    lines = [order_line(number, 1, moment, 150, order_id="one", discount=50) for number in (1, 2)]
    answer = batch.table(
        shop(History(order_lines=lines, person_of=[itself(1)])),
        CATALOG.select(["orders", "spend", "basket_value", "basket_lines", "discount_share"]),
        spine((1, AS_OF)),
        timezone=ZONE,
    ).to_pylist()[0]
    assert answer == {
        "person": 1, "as_of": AS_OF, "orders": 1, "spend": 300, "basket_value": 300, "basket_lines": 2.0,
        "discount_share": 0.25,
    }  # fmt: skip


def test_outcomes_start_after_the_moment_and_end_with_the_horizon(shop: Shop) -> None:
    end = AS_OF + timedelta(days=7)
    for moment, orders in ((AS_OF, 0), (AS_OF + MICROSECOND, 1), (end, 1), (end + MICROSECOND, 0)):
        late = order_line(1, 1, moment, 500, available_at=moment + timedelta(days=50))
        warehouse = shop(History(order_lines=[late], person_of=[itself(1)]))
        answer = batch.table(
            warehouse, [future_orders(7), churned(7), future_spend(7)], spine((1, AS_OF)), timezone=ZONE, until=LATER
        ).to_pylist()[0]
        assert (answer["future_orders_7d"], answer["churned_7d"]) == (orders, 1 - orders)
        assert answer["future_spend_7d"] == 500 * orders


def test_an_outcome_is_refused_where_the_data_end_before_it(shop: Shop) -> None:
    last = AS_OF + timedelta(days=29)
    warehouse = shop(History(order_lines=[order_line(1, 1, last)], person_of=[itself(1)]))
    batch.table(warehouse, [churned(30)], spine((1, AS_OF)), timezone=ZONE)
    with pytest.raises(DataError, match="churned_30d at 2026-04-01 is decided on 2026-05-01") as error:
        batch.table(warehouse, [churned(30)], spine((1, AS_OF + timedelta(days=1))), timezone=ZONE)
    assert error.value.hint == "ask for a moment up to 2026-03-31, or for fewer days."


def test_spines_that_cannot_be_read(shop: Shop) -> None:
    warehouse = shop(History())
    good = spine((1, AS_OF))
    with pytest.raises(MissingColumnError, match="as_of"):
        batch.table(warehouse, CATALOG, good.select(["person"]), timezone=ZONE)
    with pytest.raises(DataError, match="without a person"):
        batch.table(
            warehouse,
            CATALOG,
            pa.concat_tables([good, pa.table({"person": pa.nulls(1, pa.int64()), "as_of": good["as_of"]})]),
            timezone=ZONE,
        )
    aware = good.set_column(1, "as_of", good["as_of"].cast(pa.timestamp("us", "UTC")))
    with pytest.raises(ParameterError, match="naive UTC"):
        batch.table(warehouse, CATALOG, aware, timezone=ZONE)
    with pytest.raises(ParameterError, match="timezone"):
        batch.table(warehouse, CATALOG, good, timezone="Mars/Olympus")
    with pytest.raises(ParameterError, match="different from each other"):
        batch.table(warehouse, [CATALOG["orders"]] * 2, good, timezone=ZONE)
    with pytest.raises(ParameterError, match="at least one"):
        batch.table(warehouse, [], good, timezone=ZONE)


def test_unlike_currencies_are_not_added_up(shop: Shop) -> None:
    lines = [order_line(1, 1, datetime(2026, 1, 1)), order_line(2, 1, datetime(2026, 1, 2), currency="USD")]
    warehouse = shop(History(order_lines=lines, person_of=[itself(1)]))
    for currency in (None, "EUR"):
        with pytest.raises(CurrencyError, match="EUR, USD"):
            batch.table(warehouse, [CATALOG["spend"]], spine((1, AS_OF)), timezone=ZONE, currency=currency)
    answer = batch.table(warehouse, [CATALOG["orders"]], spine((1, AS_OF)), timezone=ZONE)
    assert answer["orders"].to_pylist() == [2]


def test_refunds_are_lines_of_their_own(shop: Shop) -> None:
    moment = datetime(2026, 3, 1)
    lines = [order_line(1, 1, moment), order_line(2, 1, moment, kind="Order Refunded", order_id="o1")]
    answer = batch.table(
        shop(History(order_lines=lines, person_of=[itself(1)])),
        CATALOG.select(["orders", "spend", "basket_lines", "refunded_lines_365d"]),
        spine((1, AS_OF)),
        timezone=ZONE,
    ).to_pylist()[0]
    assert (answer["orders"], answer["spend"], answer["refunded_lines_365d"]) == (1, 100, 1)


def test_kinds_of_events_are_counted_apart(shop: Shop) -> None:
    moment = AS_OF - timedelta(days=1)
    events = [event(n, 1, kind, moment) for n, kind in enumerate(("Product Viewed", "Product Viewed", "Product Added"))]
    answer = batch.table(
        shop(History(events=events, person_of=[itself(1)])),
        CATALOG.select(["product_views_30d", "cart_adds_30d", "searches_30d"]),
        spine((1, AS_OF)),
        timezone=ZONE,
    ).to_pylist()[0]
    assert (answer["product_views_30d"], answer["cart_adds_30d"], answer["searches_30d"]) == (2, 1, 0)


def test_gaps_are_between_facts_that_count(shop: Shop) -> None:
    days = ((1, "web"), (2, "store"), (3, "web"), (8, "store"), (9, "web"))
    lines = [order_line(day, 1, datetime(2026, 3, day), channel=channel) for day, channel in days]
    web = Compare("channel", "=", "web")
    features = [
        Feature("mean", ORDER, Aggregation("gap_mean"), where=web, unit="days"),
        Feature("std", ORDER, Aggregation("gap_std"), where=web, unit="days"),
        Feature("recent", ORDER, Aggregation("gap_std"), window=Window(25), where=web, unit="days"),
        Feature("all", ORDER, Aggregation("gap_std"), unit="days"),
    ]
    answer = batch.table(
        shop(History(order_lines=lines, person_of=[itself(1)])), features, spine((1, AS_OF)), timezone="UTC"
    ).to_pylist()[0]
    assert answer["mean"] == 4
    assert answer["std"] == pytest.approx(math.sqrt(8))  # of 2 and 6 days
    assert answer["recent"] is None  # the window begins on 6 March: one order, no gap
    assert answer["all"] == pytest.approx(2)  # of 1, 1, 5 and 1 days


def test_a_trait_without_a_date_holds_from_the_start_until_a_dated_one(shop: Shop) -> None:
    age = {"source": "shop", "subject": 1, "trait": "age", "import_id": 1}
    dated = datetime(2026, 2, 1)
    traits = [
        {**age, "value": "30", "row": 9},
        {**age, "value": "31", "row": 1, "import_id": 2},
        {**age, "value": "32", "row": 3, "occurred_at": dated, "available_at": dated + timedelta(days=1)},
    ]
    warehouse = shop(History(traits=traits, person_of=[itself(1)]))
    rows = spine((1, datetime(2020, 1, 1)), (1, dated), (1, dated + timedelta(days=1)))
    answer = batch.table(warehouse, [CATALOG["age"]], rows, timezone="UTC")
    assert answer["age"].to_pylist() == ["31", "31", "32"]  # the later import, then the dated one once it is known
