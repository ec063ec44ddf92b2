"""Advice: everybody on one list, by the first rule that fits, with a reason; and whether the lists are of use."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.errors import (
    DataError,
    EmptyShopError,
    IntegrityError,
    MissingColumnError,
    NotFittedError,
    ParameterError,
)
from coterie.predict.advice import ADVICE, Adviser
from coterie.predict.lifetime.bg_nbd import MBGNBD
from coterie.predict.lifetime.gamma_gamma import GammaGamma
from coterie.predict.lifetime.next_order import lateness
from coterie.predict.lifetime.value import CustomerValue
from coterie.predict.tiers import Tiers

COLUMNS = (
    "person", "value", "active", "lateness", "frequency", "days_since", "orders_90d", "orders_365d", "T",
)  # fmt: skip
CASES = [
    ((1, 3000.0, 0.6, 0.2, 0, 12.0, 1, 1, 12.0), "new", "too early to say"),
    ((2, 200.0, 0.5, 0.1, 5, 9.0, 2, 6, 400.0), "little to win", "leave"),
    ((3, 5000.0, 0.2, 0.99, 7, 200.0, 0, 3, 900.0), "gone", "win back"),
    ((4, 9000.0, 0.9, 0.97, 7, 60.0, 2, 8, 900.0), "late", "retain"),
    ((5, 4000.0, 0.4, 0.5, 7, 60.0, 2, 8, 900.0), "in doubt", "retain"),
    ((6, 9000.0, 0.9, 0.5, 40, 20.0, 3, 41, 900.0), "slower", "retain"),
    ((7, 9000.0, 0.9, 0.5, 40, 2.0, 25, 41, 900.0), "faster", "upsell"),
    ((8, 9000.0, 0.9, 0.5, 40, 2.0, 10, 41, 900.0), "on pace", "upsell"),
    ((9, 9000.0, 0.9, 0.6, 0, 60.0, 1, 1, 60.0), "on pace", "upsell"),
    ((10, 3000.0, 0.2, 0.99, 0, 300.0, 0, 1, 300.0), "only once", "leave"),
]
PEOPLE = pa.Table.from_pylist([dict(zip(COLUMNS, case[0], strict=True)) for case in CASES])


def fitted(**options):
    # in a shop without seasons
    adviser = Adviser(1000.0, **options).fit(PEOPLE)
    adviser.season_ = 1.0
    return adviser


def test_each_rule_finds_its_people():
    found = fitted().advise(PEOPLE)
    assert found["rule"].to_pylist() == [case[1] for case in CASES]
    assert found["advice"].to_pylist() == [case[2] for case in CASES]
    assert found["person"].to_pylist() == PEOPLE["person"].to_pylist()


def test_reasons_are_sentences_with_the_figures_of_the_person():
    tiers = Tiers.of([100_000.0, 5000.0, 100.0], cuts=(0.3, 0.6), names=["gold", "silver", "bronze"])
    reasons = [one.replace("\u00a0", " ") for one in fitted().advise(PEOPLE, tiers=tiers)["reason"].to_pylist()]
    assert reasons == [
        "One order, 12 days ago: of those who order again, most take longer.",
        "Worth $4.00 in the next year if they order at all: below the $10.00 that is worth an effort.",
        "Last order 200 days ago: a longer wait than 99% of their usual ones, and the chance of an order in the next "
        "year is 20%; worth $250 if they come back.",
        "Last order 60 days ago: a longer wait than 97% of their usual ones; worth $90.00 in the next year (silver).",
        "Last order 60 days ago: the chance of one in the next year is 40%; worth $100 if they order at all.",
        "Slower than usual: 3 of the 41 orders of a year came in the last 90 days; worth $90.00 in the next year "
        "(silver).",
        "Faster than usual: 25 of the 41 orders of a year came in the last 90 days; worth $90.00 in the next year "
        "(silver).",
        "Comes as usual, last 2 days ago; worth $90.00 in the next year (silver).",
        "Comes as usual, last 60 days ago; worth $90.00 in the next year (silver).",
        "One order, 300 days ago, and the chance of another in the next year is 20%.",
    ]
    in_yen = Adviser(1000.0, currency="JPY", horizon_days=90).fit(PEOPLE).advise(PEOPLE)["reason"][4].as_py()
    assert "¥10,000" in in_yen
    assert "the next 90" in in_yen


def test_rules_are_told_with_the_thresholds_in_force():
    rules = fitted(late=0.9, unlikely=0.3).rules()
    assert [rule.name for rule in rules] == [
        "new", "little to win", "only once", "gone", "late", "in doubt", "slower", "faster", "on pace",
    ]  # fmt: skip
    assert {rule.advice for rule in rules} == set(ADVICE)
    assert "30%" in rules[2].when
    assert "90%" in rules[4].when
    assert "30%" in rules[5].when
    assert "10%" in rules[6].when
    assert "$10.00" in rules[1].when


PERSON = st.tuples(
    st.integers(0, 10**6),
    st.sampled_from([0.0, -5.0]) | st.floats(0, 1e8),
    st.sampled_from([0.0, 1.0]) | st.floats(0, 1),
    st.sampled_from([0.0, 1.0]) | st.floats(0, 1),
    st.integers(0, 300),
    st.floats(0, 4000),
    st.none() | st.integers(0, 90),
    st.none() | st.integers(0, 365),
    st.none() | st.floats(0, 4000),
)


@given(st.lists(PERSON, min_size=1, max_size=12), st.none() | st.floats(0, 1e6), st.randoms(use_true_random=False))
def test_everybody_is_on_one_list_whatever_the_order(people, worth, random):
    table = pa.table(dict(zip(COLUMNS, map(list, zip(*people, strict=True)), strict=True)))
    adviser = Adviser(worth).fit(table)
    found = adviser.advise(table)
    assert set(found["advice"].to_pylist()) <= set(ADVICE)
    assert all(reason.endswith(".") and len(reason) > 20 for reason in found["reason"].to_pylist())
    rows = list(range(len(people)))
    random.shuffle(rows)
    assert Adviser(worth).fit(table.take(rows)).worth_ == adviser.worth_
    again = adviser.advise(table.take(rows))
    assert again.equals(found.take(rows))
    kept = Adviser.from_json(json.loads(json.dumps(adviser.to_json())))
    assert kept.advise(table).equals(found)


def test_nobody_worth_nothing_is_worth_an_effort():
    nothing = PEOPLE.set_column(1, "value", pa.array([0.0] * len(PEOPLE)))
    found = Adviser().fit(nothing).advise(nothing)
    assert found["advice"].to_pylist() == ["too early to say"] + ["leave"] * (len(PEOPLE) - 1)


def test_what_is_worth_an_effort_is_learnt_from_the_people_who_make_most_of_the_value():
    people = pa.table(
        {
            "value": [600.0, 250.0, 100.0, 50.0],
            "active": [1.0, 0.5, 1.0, 1.0],
            "lateness": [0.1] * 4,
            "frequency": [3] * 4,
            "days_since": [3.0] * 4,
        }
    )
    adviser = Adviser(value_share=0.8).fit(people)
    assert adviser.worth_ == 500  # 250, if they order at all: with 600 more than four fifths
    assert adviser.advise(people)["advice"].to_pylist() == ["upsell", "upsell", "leave", "leave"]


def test_without_a_trend_nobody_is_slower_or_faster():
    plain = fitted().advise(PEOPLE.drop_columns(["orders_90d", "orders_365d", "T"]))
    assert plain["rule"].to_pylist()[5:8] == ["on pace"] * 3
    assert plain["rule"].to_pylist()[:5] == [case[1] for case in CASES[:5]]


def test_a_quiet_season_is_nobodys_own():
    # all order half as often as usual in the last 90 days
    people = pa.table(
        {
            **{name: [value] * 200 for name, value in zip(COLUMNS[1:6], (9000.0, 0.9, 0.5, 40, 2.0), strict=True)},
            "orders_90d": [6] * 199 + [0],
            "orders_365d": [48] * 200,
            "T": [900.0] * 200,
        }
    )
    adviser = Adviser().fit(people)
    assert adviser.season_ == pytest.approx(0.5, abs=0.01)
    assert adviser.advise(people)["rule"].to_pylist() == ["on pace"] * 199 + ["slower"]


@pytest.mark.parametrize(
    ("name", "value"), [("value", None), ("active", 1.2), ("lateness", -0.1), ("frequency", None), ("days_since", -1)]
)
def test_unknown_or_impossible_figures_are_refused(name, value):
    column = [value, *PEOPLE[name].to_pylist()[1:]]
    wrong = PEOPLE.set_column(COLUMNS.index(name), name, pa.array(column, pa.float64()))
    with pytest.raises(DataError, match=f"'{name}' holds something else than .* in 1 rows"):
        fitted().advise(wrong)


@pytest.mark.parametrize("name", ["orders_90d", "orders_365d", "T"])
def test_of_a_trend_less_than_nothing_is_refused(name):
    column = [-1.0, *PEOPLE[name].to_pylist()[1:]]
    with pytest.raises(DataError, match=f"'{name}' is below 0 in 1 rows"):
        fitted().advise(PEOPLE.set_column(COLUMNS.index(name), name, pa.array(column)))


def test_what_else_is_refused():
    with pytest.raises(MissingColumnError, match="lateness"):
        Adviser().fit(PEOPLE.drop_columns("lateness"))
    with pytest.raises(EmptyShopError):
        fitted().advise(PEOPLE.slice(0, 0))
    with pytest.raises(NotFittedError):
        Adviser().advise(PEOPLE)
    for options in ({"late": 1.0}, {"unlikely": 0}, {"early": 2}, {"value_share": -1}, {"worth": -1.0}):
        with pytest.raises(ParameterError, match=next(iter(options))):
            Adviser(**options).fit(PEOPLE)
    for body in ({}, {**fitted().to_json(), "version": 2}, {**fitted().to_json(), "late": "much"}):
        with pytest.raises(IntegrityError):
            Adviser.from_json(body)


PAST = """
    SELECT person, count(DISTINCT time::DATE) FILTER (time >= $moment - INTERVAL 90 DAY) AS orders_90d,
           count(DISTINCT time::DATE) AS orders_365d, sum(amount)::DOUBLE AS spend,
           coalesce(sum(amount) FILTER (time >= $moment - INTERVAL 90 DAY), 0)::DOUBLE AS spend_90d
    FROM orders WHERE time < $moment GROUP BY person ORDER BY person
"""


def test_households_to_retain_fall_away_more_than_those_who_come_as_usual(journey_at, journey_orders):
    moment = datetime(2017, 6, 1)
    households, histories, future = journey_at(moment)
    with duckdb.connect() as warehouse:
        warehouse.register("orders", journey_orders)
        past = warehouse.sql(PAST, params={"moment": moment}).to_arrow_table()
    assert past["person"].to_pylist() == households.tolist()
    worth = CustomerValue(MBGNBD(), GammaGamma(), horizon_days=90).fit(histories)
    scored = worth.predict(histories, intervals=False)
    since = histories.T - histories.recency
    people = past.append_column("value", scored["value"]).append_column("active", scored["active"])
    for name, column in (("lateness", lateness(worth.orders, histories)), ("frequency", histories.frequency),
                         ("days_since", since), ("T", histories.T)):  # fmt: skip
        people = people.append_column(name, pa.array(column))
    advice = np.array(Adviser(horizon_days=90).fit(people).advise(people)["advice"].to_pylist())
    churned, before = future["orders"] == 0, past["spend_90d"].to_numpy()

    def fall(rows):
        return 1 - future["spend"][rows].sum() / before[rows].sum()

    retain, upsell = advice == "retain", advice == "upsell"
    assert 40 < retain.sum() < 120
    assert churned[retain].mean() > 5 * churned[upsell].mean()
    assert fall(retain) > fall(upsell) + 0.1
    # beside the rule of thumb: of the two fifths who spent most, as many who have been silent for longest
    spend = past["spend"].to_numpy()
    most = np.flatnonzero(spend >= np.quantile(spend, 0.6))
    thumb = most[np.argsort(-since[most], kind="stable")[: retain.sum()]]
    assert fall(retain) > fall(thumb)


def test_moments_are_before_the_reported_holdout(journey_orders):
    assert max(journey_orders["time"].to_pylist()) < datetime(2017, 6, 1) + timedelta(days=90) < datetime(2017, 9, 1)
