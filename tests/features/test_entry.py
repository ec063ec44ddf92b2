"""Facts as the online plane takes them: the local clock is that of the time zone database, at every moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.features import entry
from coterie.features.entry import Entries
from coterie.features.shelf import Shelf

EPOCH = datetime(1970, 1, 1)
ZONES = ("Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia", "America/St_Johns", "Africa/Monrovia")
# clocks go forward and back, half an hour at Lord Howe, a day is left out in Apia, and Monrovia leaves its local time
CHANGES = ("2026-03-29", "2026-10-25", "2026-04-04", "2026-10-03", "2011-12-30", "2026-03-08", "1972-01-07")
MOMENTS = st.one_of(
    st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29)),
    st.builds(
        lambda day, passed: datetime.fromisoformat(day) + timedelta(microseconds=passed),
        st.sampled_from(CHANGES), st.integers(-86_400_000_000, 2 * 86_400_000_000),
    ),
)  # fmt: skip


def clocks(zone: str, moments: list[datetime]) -> list[tuple[int, int, int]]:
    entries = Entries({"Event": frozenset(("local_day", "weekday", "hour"))}, Shelf(lambda _: []), ZoneInfo(zone), 2)
    rows = [
        {"subject": 1, "source": "web", "event_id": str(n), "kind": "seen", "occurred_at": at, "available_at": at}
        for n, at in enumerate(moments)
    ]
    return [(found.row["local_day"], found.row["weekday"], found.row["hour"]) for found in entries.of("events", rows)]


@given(st.lists(MOMENTS, min_size=1, max_size=20), st.sampled_from(ZONES))
def test_the_local_clock_is_that_of_the_zone(moments: list[datetime], zone: str) -> None:
    local = [at.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)) for at in moments]
    expected = [(at.toordinal() - EPOCH.toordinal(), at.weekday(), at.hour) for at in local]
    assert clocks(zone, moments) == expected


def test_days_that_are_forgotten_are_asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = [datetime(2026, 1, 1, 12) + timedelta(days=n % 97) for n in range(300)]
    remembered = clocks("Europe/Berlin", moments)
    monkeypatch.setattr(entry, "_DAYS", 3)
    assert clocks("Europe/Berlin", moments) == remembered
