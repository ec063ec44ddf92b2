"""Batch = the naive twin, over random histories, identities, owners and moments."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from coterie.features import batch
from coterie.features.aggregation import KINDS
from coterie.features.combination import Declared
from coterie.features.feature import ORDER_LINE
from coterie.store.warehouse import Warehouse
from oracles import features as naive
from oracles.definitions import FUTURE, OF_OWNERS, OWNED, POOL, WINDOWS, combinations, hands, rules
from oracles.features import History
from oracles.histories import AS_OF, MICROSECOND, PEOPLE, TENTHS, histories, moments

ZONE = "America/New_York"
Shop = Callable[[History], Warehouse]
MOMENTS = (AS_OF, AS_OF - MICROSECOND, datetime(2026, 3, 8, 6, 59, 59), AS_OF + timedelta(days=800))
LATER = AS_OF + timedelta(days=2000)
HANDS = hands(POOL, 48)


def few(examples: int) -> pytest.MarkDecorator:
    """Some examples in every run, and ten times as many in the slow one."""
    return pytest.mark.parametrize("examples", [examples, pytest.param(10 * examples, marks=pytest.mark.slow)])


def holds(examples: int, *strategies: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], None]:
    """Judge a property by that many examples, at once."""
    phases = [phase for phase in Phase if phase is not Phase.explain]  # which would take many times as long
    quiet = list(HealthCheck)
    thorough = settings(max_examples=examples, deadline=None, suppress_health_check=quiet, phases=phases)
    return lambda claim: thorough(given(*strategies)(claim))()


def spine(per: str, owners: Iterable[tuple[Any, ...]], moments: Iterable[datetime]) -> pa.Table:
    schema = batch.spine_schema(per)
    names, rows = schema.names, [(*owner, moment) for moment in moments for owner in owners]
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows], schema=schema)


def judge(
    features: list[Any], answer: pa.Table, history: History, currency: str | None = None, among: Any = None
) -> None:
    """Every value of the answer is the twin's."""
    for row in answer.to_pylist():
        owner = tuple(row[name] for name in features[0].owner)
        for feature in features:
            want, slack = naive.judged(feature, history, owner, row["as_of"], ZONE, currency, among)
            got = row[feature.name]
            assert naive.agrees(feature, got, want, slack), (owner, row["as_of"], feature, got, want, slack)


def test_every_aggregation_is_judged_in_every_window_under_every_rule() -> None:
    judged = {(f.aggregation.kind, f.window) for f in POOL}
    assert judged == set(product(KINDS, WINDOWS))
    under = {(f.on, f.where) for f in POOL}
    assert under == {(on, rule) for on, _ in under for rule in rules(on)}
    assert {f.name for f in POOL} == {f.name for hand in HANDS for f in hand}


@few(7)
def test_batch_equals_the_twin(shop: Shop, examples: int) -> None:
    asked = st.lists(st.one_of(st.sampled_from(MOMENTS), moments()), min_size=1, max_size=3)
    money = st.sampled_from((None, "EUR", "JPY", "KWD"))

    @holds(examples, histories(), st.integers(0, len(HANDS) - 1), asked, money)
    def claim(history: History, hand: int, when: list[datetime], currency: str | None) -> None:
        for row in (*history.order_lines, *history.events):
            row["currency"] = currency or "EUR"
        features = [*HANDS[hand], *combinations(), *FUTURE]
        rows = spine("person", [(person,) for person in PEOPLE], [AS_OF, *when])
        answer = batch.table(shop(history), features, rows, timezone=ZONE, currency=currency, until=LATER)
        judge(features, answer, history, currency)


@few(6)
def test_batch_equals_the_twin_for_other_owners(shop: Shop, examples: int) -> None:
    @holds(
        examples, histories(), st.sampled_from(sorted(OWNED)), st.integers(0, 5),
        st.lists(st.one_of(st.sampled_from(MOMENTS), moments()), min_size=1, max_size=2),
        st.none() | st.lists(st.sampled_from((1, 2, 3, 4, 9)), max_size=3, unique=True),
    )  # fmt: skip
    def claim(history: History, per: str, hand: int, when: list[datetime], among: list[int] | None) -> None:
        features: list[Any] = [*OWNED[per][hand::6], *combinations(per, ORDER_LINE)]
        warehouse = shop(history)
        warehouse.attach("chosen", pa.table({"subject": pa.array(among or [], pa.int64())}))
        chosen = None if among is None else "chosen"
        pair = per.startswith("person")
        owners = [(*person, *owner) for person in ([(1,), (2,)] if pair else [()]) for owner in OF_OWNERS[per]]
        answer = batch.table(warehouse, features, spine(per, owners, when), timezone=ZONE, among=chosen)
        judge(features, answer, history, None, None if pair else among)


FLOATS = [
    feature
    for feature in POOL
    if feature.value == "quantity" and "quantity" not in (feature.where.columns if feature.where else ())
]


@few(5)
def test_batch_is_as_near_to_the_twin_as_floats_allow(shop: Shop, examples: int) -> None:
    @holds(examples, histories(TENTHS), st.sampled_from(hands(FLOATS, 30)))
    def claim(history: History, features: list[Declared]) -> None:
        rows = spine("person", [(person,) for person in PEOPLE], [AS_OF])
        judge(features, batch.table(shop(history), features, rows, timezone=ZONE), history)
