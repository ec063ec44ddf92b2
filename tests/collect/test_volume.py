"""Unusual days, beside a naive count of the same."""

from __future__ import annotations

from datetime import date, timedelta
from statistics import median

from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.collect.volume import least, runs, unusual, weekly

FIRST = date(2026, 1, 1)


def naive(days: dict[date, int]) -> tuple[tuple[date, ...], tuple[date, ...]]:
    first, last = min(days), max(days)
    missing, few = [], []
    if (last - first).days + 1 <= 28:
        return (), ()
    for number in range((last - first).days):
        day = first + timedelta(days=number)
        before = [day - timedelta(days=7 * week) for week in range(1, 9)]
        former = [days.get(each, 0) for each in before if each >= first]
        rows = days.get(day, 0)
        if len(former) < 4:
            continue
        usual = median(former)
        if rows == 0 and usual >= 20:
            missing.append(day)
        if rows > 0 and rows < usual / 2 and usual - rows > 4 * usual**0.5:
            few.append(day)
    return tuple(missing), tuple(few)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([0, 0, 3, 20, 21, 40, 100, 1000]), min_size=1, max_size=90))
def test_unusual_days_are_those_that_a_naive_count_finds(counts: list[int]) -> None:
    days = {FIRST + timedelta(days=number): rows for number, rows in enumerate(counts) if rows}
    if days:
        assert unusual(days) == naive(days)


def test_a_shop_that_is_closed_on_sundays_lacks_nothing() -> None:
    days = {FIRST + timedelta(days=n): 50 for n in range(100) if (FIRST + timedelta(days=n)).weekday() < 6}
    assert unusual(days) == ((), ())


def test_nothing_is_usual_without_days() -> None:
    assert unusual({}) == ((), ())
    assert weekly({}, 4) is None
    assert least({}, 1) is None
    assert runs((), 1) == []


def test_the_newest_day_counts_as_begun() -> None:
    days = {FIRST + timedelta(days=number): 10 for number in range(30)} | {FIRST + timedelta(days=30): 1}
    assert least(days, 30) == 10
    assert least(days, 31) is None
    assert weekly(days, 3) == 100.0


def test_runs_are_days_that_follow_one_another() -> None:
    days = tuple(FIRST + timedelta(days=number) for number in (0, 2, 3, 4, 9, 10))
    assert runs(days, 2) == [(days[1], days[3]), (days[4], days[5])]
