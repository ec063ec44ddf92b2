"""Purchase histories: read from anything, counted as the literature counts, and never impossible."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.errors import DataError, EmptyShopError, MissingColumnError, ParameterError
from coterie.predict.lifetime.histories import Histories, coded, counted, distinct, keyed

SHOP = {"person": ["b", "a", "a", "a", "b", "c"], "time": [3.0, 1.0, 8.0, 8.4, 5.5, 40.0], "paid": [9.0, 1, 2, 4, 7, 3]}


def naive(orders, until, unit):
    """Each person's x, t_x, T, mean spend and log gaps, by dictionaries."""
    days: dict[str, dict[int, float]] = {}
    for who, when, paid in orders:
        if math.floor(when) <= math.floor(until):
            mine = days.setdefault(who, {})
            mine[math.floor(when)] = mine.get(math.floor(when), 0.0) + paid
    for who in sorted(days):
        at = sorted(days[who])
        gaps = [(later - sooner) / unit for sooner, later in pairwise(at)]
        x = len(at) - 1
        yield (
            who,
            x,
            (at[-1] - at[0]) / unit,
            (math.floor(until) - at[0]) / unit,
            sum(days[who][day] for day in at[1:]) / x if x else math.nan,
            sum(math.log(gap) for gap in gaps),
        )


@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.floats(0, 60), st.integers(-50, 900).map(float)), min_size=1, max_size=40
    ),
    st.floats(0, 70),
    st.sampled_from([1.0, 7.0]),
)
def test_orders_become_the_histories_that_one_would_count_by_hand(orders, until, unit):
    table = pa.table(dict(zip(("who", "at", "paid"), map(list, zip(*orders, strict=True)), strict=True)))
    expected = list(naive(orders, until, unit))
    if not expected:
        with pytest.raises(EmptyShopError, match="Nobody bought"):
            Histories.of_orders(table, until=until, person="who", time="at", amount="paid", unit=unit)
        return
    people, found = Histories.of_orders(table, until=until, person="who", time="at", amount="paid", unit=unit)
    assert people.to_pylist() == [row[0] for row in expected]
    columns = [found.frequency, found.recency, found.T, found.spend, found.log_gaps]
    np.testing.assert_allclose(np.column_stack(columns), [row[1:] for row in expected], rtol=1e-12, atol=1e-12)


def test_any_dataframe_and_any_kind_of_time_give_the_same_histories():
    start = datetime(1997, 1, 1)
    moments = [start + timedelta(days=day) for day in SHOP["time"]]
    until = start + timedelta(days=10)
    numbers = Histories.of_orders(pa.table(SHOP), until=10.0, amount="paid")[1]
    frames = [
        (pa.table({**SHOP, "time": moments}), until),
        (pd.DataFrame({**SHOP, "time": moments}), "1997-01-11"),
        (pl.DataFrame({**SHOP, "time": [moment.date() for moment in moments]}), date(1997, 1, 11)),
        (pl.DataFrame({**SHOP, "time": [moment.replace(tzinfo=UTC) for moment in moments]}), until),
    ]
    for frame, moment in frames:
        found = Histories.of_orders(frame, until=moment, amount="paid")[1]
        for name in ("frequency", "recency", "T", "spend", "log_gaps"):
            np.testing.assert_array_equal(getattr(found, name), getattr(numbers, name))
    assert numbers.frequency.tolist() == [1, 1]  # a's two purchases of the ninth day are one; c came later


def test_a_day_is_a_day_of_the_orders_time_zone():
    late = [datetime(2024, 5, 1, 3, tzinfo=UTC), datetime(2024, 5, 1, 14, tzinfo=UTC)]  # the evening before, and noon
    times = pa.array(late, pa.timestamp("us", "America/New_York"))
    orders = pa.table({"person": [1, 1], "time": times})
    assert Histories.of_orders(orders, until="2024-05-02")[1].frequency.tolist() == [1.0]


def test_without_days_only_the_same_moment_is_one_purchase():
    orders = pa.table({"person": [1, 1, 1], "time": [0.0, 0.25, 0.25]})
    found = Histories.of_orders(orders, until=0.5, collapse=False)[1]
    assert (found.frequency[0], found.recency[0], found.T[0]) == (1.0, 0.25, 0.5)


def test_the_order_of_rows_changes_nothing():
    random = np.random.default_rng(0)
    who, when = random.integers(0, 40, 500), random.integers(0, 90, 500)
    paid = random.gamma(2.0, 9.0, 500)
    orders = pd.DataFrame({"person": who, "time": when, "paid": paid})
    first = Histories.of_orders(orders, until=80, amount="paid")[1]
    again = Histories.of_orders(orders.sample(frac=1, random_state=3), until=80, amount="paid")[1]
    np.testing.assert_array_equal(first.spend, again.spend)
    np.testing.assert_array_equal(first.unique().count, again.unique().count)


@pytest.mark.parametrize(
    ("orders", "until", "error", "words"),
    [
        ({"person": [None, 1], "time": [1.0, 2.0]}, 9, DataError, "no value of 'person' in 1 of 2"),
        ({"person": [2, 1], "time": [1.0, math.nan]}, 9, DataError, "no numbers"),
        ({"person": [2, 1], "time": ["yesterday", "today"]}, 9, ParameterError, "numbers of days"),
        ({"person": [2, 1], "time": [1.0, 2.0]}, "1997-01-01", ParameterError, "until must be a number"),
        ({"person": [1], "time": [date(1997, 1, 1)]}, "soon", ParameterError, "until must be a date"),
        ({"person": [1], "time": [date(1997, 1, 1)]}, datetime(1998, 1, 1, tzinfo=UTC), ParameterError, "naive"),
        ({"person": [1], "when": [1.0]}, 9, MissingColumnError, "'time'"),
    ],
)
def test_orders_that_cannot_be_read_say_why(orders, until, error, words):
    with pytest.raises(error, match=words):
        Histories.of_orders(pa.table(orders), until=until)


@pytest.mark.parametrize(
    ("x", "recency", "T", "words"),
    [
        (-1, 0, 9, "negative"),
        (1, 10, 9, "recency above T"),
        (0, 3, 9, "without a repeat purchase"),
        (2, 0, 9, "recency 0"),
        (1.5, 3, 9, "a fraction"),
        (math.nan, 3, 9, "no number"),
        (1, 3, math.inf, "no number"),
    ],
)
def test_an_impossible_history_says_which_row_and_why(x, recency, T, words):
    frame = pa.table({"frequency": [0.0, x], "recency": [0.0, recency], "T": [5.0, T]})
    with pytest.raises(DataError, match=rf"{words}.* in 1 of 2 rows, the first of them row 1"):
        Histories.of(frame)


def test_a_last_purchase_at_the_moment_may_be_off_by_the_last_digits():
    frame = pa.table({"frequency": [1.0, 2.0], "recency": [0.7 + 0.1, 3.0], "T": [0.8 - 1e-12, 3.0]})
    assert Histories.of(frame).recency[0] > Histories.of(frame).T[0]
    with pytest.raises(DataError, match="recency above T"):
        Histories.of(pa.table({"frequency": [1.0], "recency": [0.8], "T": [0.8 - 1e-6]}))


def test_what_is_no_table_of_histories_is_refused():
    with pytest.raises(MissingColumnError, match="'frequency', 'recency'"):
        Histories.of(pa.table({"T": [1.0]}))
    with pytest.raises(ParameterError, match="its type must be"):
        Histories.of([1, 2])
    with pytest.raises(EmptyShopError, match="nobody"):
        Histories.of(pa.table({"frequency": [], "recency": [], "T": []}))
    with pytest.raises(DataError, match="a covariate"):
        Histories.of(
            pa.table({"frequency": [0], "recency": [0], "T": [1], "age": pa.array([None], pa.float64())}),
            covariates=["age"],
        )


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from([1.5, 2.0, 1 / 7, 1e12])), min_size=1, max_size=30),
    st.booleans(),
)
def test_distinct_histories_are_those_that_sorting_finds(rows, traits):
    x, T = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    unknown, recency = np.full(len(x), np.nan), np.where(x > 0, T / 2, 0.0)
    z = np.column_stack([T]) if traits else np.empty((len(x), 0))
    found = Histories(x, recency, T, unknown, unknown, z).unique()
    expected, count = np.unique(np.column_stack([x, recency, T]), axis=0, return_counts=True)
    np.testing.assert_array_equal(np.column_stack([found.frequency, found.recency, found.T]), expected)
    np.testing.assert_array_equal(found.count, count)
    np.testing.assert_array_equal(found.T[found.inverse], T)


def test_many_columns_of_many_values_still_have_numbers():
    random = np.random.default_rng(1)
    columns = [random.normal(size=3000).repeat(2) for _ in range(7)]  # 3000 to the seventh does not fit into 64 bits
    place, one = distinct(*columns)
    assert len(one) == 3000
    np.testing.assert_array_equal(columns[6][one][place], columns[6])
    values = np.array([3.0, -1.0, 3.0])
    assert [part.tolist() for part in coded(values)] == [[1, 0, 1], [-1.0, 3.0]]


@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from([0.5, -1.0, 3.0, 2e9])), min_size=1, max_size=30))
def test_values_are_counted_and_rows_ordered_as_by_sorting(rows):
    whole, other = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    levels, count = counted(other)
    expected, times = np.unique(other, return_counts=True)
    np.testing.assert_array_equal(levels, expected)
    np.testing.assert_array_equal(count, times)
    order = np.argsort(keyed(coded(whole), coded(other)), kind="stable")
    assert [rows[place] for place in order] == sorted(rows)
