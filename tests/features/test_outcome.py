"""Outcomes: what happens after a moment, against the naive twin and by example."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings

from coterie.errors import ParameterError
from coterie.features import batch
from coterie.features.outcome import future_category, future_events, future_responses, next_category
from coterie.schema import Kind
from coterie.store.warehouse import Warehouse
from oracles import features as naive
from oracles.features import History
from oracles.histories import AS_OF, MICROSECOND, PEOPLE, event, histories, itself, order_line, spine

ZONE = "America/New_York"
Shop = Callable[[History], Warehouse]
LATER = datetime(2100, 1, 1)
DAY = timedelta(days=1)
KINDS = ("Product Viewed", "Order Refunded", "Email Link Clicked")
OUTCOMES = [
    make(days)
    for days in (7, 90)
    for make in (future_category, next_category, future_responses, *(lambda n, k=k: future_events(k, n) for k in KINDS))
]


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories())
def test_the_future_equals_the_naive_twin(shop: Shop, history: History) -> None:
    moments = (AS_OF, datetime(2025, 12, 24))
    rows = spine(*[(person, moment) for moment in moments for person in PEOPLE])
    for row in batch.table(shop(history), OUTCOMES, rows, timezone=ZONE, until=LATER).to_pylist():
        for outcome in OUTCOMES:
            want, slack = naive.judged(outcome, history, row["person"], row["as_of"], ZONE)
            assert naive.agrees(outcome, row[outcome.name], want, slack), (outcome, row, want)


def test_an_answer_names_its_campaign_and_comes_after_the_moment(shop: Shop) -> None:
    events = [
        event(1, 1, "Coupon Applied", AS_OF, campaign_id="c1"),  # too early
        event(2, 1, "Coupon Applied", AS_OF + MICROSECOND, campaign_id="c1"),
        event(3, 1, "Email Link Clicked", AS_OF + 30 * DAY, campaign_id="c2"),
        event(4, 1, "Email Opened", AS_OF + DAY, campaign_id="c2"),  # no answer
        event(5, 1, "Coupon Applied", AS_OF + DAY),  # of no campaign
        event(6, 1, "Coupon Applied", AS_OF + 30 * DAY + MICROSECOND, campaign_id="c3"),  # too late
    ]
    history = History(events=events, person_of=[itself(1), itself(2)])
    rows = batch.table(shop(history), [future_responses(30)], spine((1, AS_OF), (2, AS_OF)), timezone=ZONE, until=LATER)
    assert rows["future_responses_30d"].to_pylist() == [2, 0]


def test_the_next_category_is_that_of_the_next_line(shop: Shop) -> None:
    lines = [
        order_line(number, 1, AS_OF + days * DAY, product_id=product)
        for number, (days, product) in enumerate([(-1, "tea"), (2, "tea"), (5, "cake"), (6, "cake"), (20, "tea")])
    ]
    products = [
        {"source": "shop", "product_id": name, "category": name, "available_at": None, "import_id": 1, "row": row}
        for row, name in enumerate(("tea", "cake"))
    ]
    history = History(order_lines=lines, products=products, person_of=[itself(1), itself(2)])
    asked = [next_category(7), future_category(7), next_category(1), future_category(30)]
    rows = batch.table(shop(history), asked, spine((1, AS_OF), (2, AS_OF)), timezone=ZONE, until=LATER).to_pylist()
    assert [rows[0][one.name] for one in asked] == ["tea", "cake", None, "cake"]
    assert [rows[1][one.name] for one in asked] == [None] * 4


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_of_event_has_an_outcome(kind: Kind) -> None:
    outcome = future_events(kind.value, 30)
    assert (outcome.empty, outcome.future, outcome.window.days) == (0, True, 30)


@pytest.mark.parametrize("kind", ["Product viewed", "", None, 3])
def test_other_kinds_are_refused(kind: object) -> None:
    with pytest.raises(ParameterError):
        future_events(kind, 30)  # type: ignore[arg-type]
