"""Offsets of zones: equal to the zone's own at any moment, in Python and inside a statement."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from coterie.store import sql
from coterie.store.offsets import YEARS, offsets
from coterie.store.sql import alias, column
from coterie.store.warehouse import Warehouse

# half hours, Ramadan, a day left out, changes a week apart, a zone that never changes its clocks
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia", "Asia/Gaza",
         "America/Boa_Vista", "Asia/Tokyo", "Asia/Kathmandu")  # fmt: skip
YEAR = 2026


def wall(moment: datetime, zone: str) -> int:
    """Return microseconds of the wall clock since its 1 January 1970."""
    shown = moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    return (shown - datetime(1970, 1, 1)) // timedelta(microseconds=1)


@given(
    zone=st.sampled_from(ZONES),
    moment=st.datetimes(datetime(YEAR + 1 - YEARS, 1, 1), datetime(YEAR + 1, 12, 31)),
)
def test_an_offset_is_that_of_the_zone(zone: str, moment: datetime) -> None:
    known = offsets(zone, YEAR)[:0:-1]
    seconds = (moment - datetime(1970, 1, 1)) // timedelta(seconds=1)
    offset = known[bisect_right([since for since, _ in known], seconds) - 1][1]
    assert offset is not None
    assert offset * 1_000_000 == wall(moment, zone) - (moment - datetime(1970, 1, 1)) // timedelta(microseconds=1)


def test_nothing_is_said_of_years_too_far_away() -> None:
    assert offsets("Europe/Berlin", 1900) == offsets("Europe/Berlin", 9999) == ()


@pytest.mark.parametrize("zone", ZONES)
def test_a_statement_shows_the_clock_of_the_zone_around_each_change(zone: str) -> None:
    changes = [datetime(1970, 1, 1) + timedelta(seconds=since) for since, _ in offsets(zone, YEAR)[1:]]
    times = [moment + timedelta(microseconds=by) for moment in changes for by in (0, 1, 3_600_000_000)]
    times += [moment - timedelta(microseconds=1) for moment in changes[:-1]]
    assert clocks(times, zone) == [wall(moment, zone) for moment in times]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Tokyo"])
def test_a_statement_asks_the_engine_about_times_outside(zone: str) -> None:
    outside = [datetime(year, month, 1, 12) for year in (1975, 1984, 1993, YEAR + 2, 2035) for month in (1, 7)]
    assert clocks(outside, zone) == [wall(moment, zone) for moment in outside]
    assert clocks([None], zone) == [None]


def clocks(times: list[datetime] | list[None], zone: str) -> list[int | None]:
    local = sql.local(column("t"), zone, datetime(YEAR, 6, 1))
    query = exp.select(alias(local, "local")).from_(sql.named("times")).order_by(column("id"))
    with Warehouse(threads=1) as warehouse:
        warehouse.attach("times", pa.table({"id": range(len(times)), "t": pa.array(times, pa.timestamp("us"))}))
        return warehouse.query(query)["local"].to_pylist()
