"""Purchase histories of a shop: what a loop over the lines finds, as it was known at a moment."""

from __future__ import annotations

import itertools
import math
import shutil
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

import coterie
from coterie import Workspace
from coterie.errors import EmptyShopError
from coterie.schema import Purpose
from coterie.workspace.histories import days_of, histories
from till import mapping

MOMENTS = [datetime(2025, 5, 31, 22), datetime(2025, 10, 1, 10, 30)]


@pytest.fixture(scope="module")
def shop(taken_in: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """One shop for all tests here, which only read it."""
    folder = tmp_path_factory.mktemp("histories")
    shutil.copytree(taken_in, folder, dirs_exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        with coterie.open(folder / "shop") as opened:
            yield opened


def day(moment: datetime, zone: str) -> int:
    return moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).date().toordinal()


def by_hand(shop: Workspace, known: datetime) -> dict[int, tuple[float, ...]]:
    """Find each person's history as it was known at a moment, order by order."""
    seen, zone = shop.facts(Purpose.SEGMENTATION), shop.config.timezone
    allowed = set(seen.permitted.to_pylist())
    who = {}
    for row in seen.warehouse.query("SELECT subject, person, valid_from, valid_until FROM person_of").to_pylist():
        if row["valid_from"] <= known < row["valid_until"]:
            who[row["subject"]] = row["person"]
    orders: dict[tuple, list] = defaultdict(list)
    lines = seen.warehouse.query("SELECT * FROM order_lines WHERE kind = 'Order Completed'").to_pylist()
    for line in lines:
        if line["occurred_at"] <= known and line["available_at"] <= known and who.get(line["subject"]) in allowed:
            orders[who[line["subject"]], line["subject"], line["source"], line["order_id"]].append(line)
    bought: dict[int, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for (person, *_), found in orders.items():
        first = min(line["occurred_at"] for line in found)
        bought[person][day(first, zone)] += sum(line["amount"] for line in found)
    told = {}
    for person, days in bought.items():
        at = sorted(days)
        gaps = [later - earlier for earlier, later in itertools.pairwise(at)]
        told[person] = (
            len(at) - 1, at[-1] - at[0], day(known, zone) - at[0],
            statistics.fmean(days[one] for one in at[1:]) if gaps else math.nan,
            sum(math.log(gap) for gap in gaps), days[at[0]],
            statistics.median(gaps) if gaps else math.nan, gaps[-1] if gaps else math.nan,
        )  # fmt: skip
    return told


def test_histories_are_what_a_loop_over_orders_finds(shop):
    table = histories(shop.facts("segmentation"), MOMENTS, timezone=shop.config.timezone)
    assert [row["person"] for row in table.to_pylist()] == sorted(table["person"].to_pylist())
    for moment in MOMENTS:
        found = {
            row.pop("person"): tuple(math.nan if value is None else value for value in row.values())
            for row in table.to_pylist()
            if row.pop("as_of") == moment
        }
        wanted = by_hand(shop, moment)
        assert found.keys() == wanted.keys()
        for person, values in wanted.items():
            assert found[person] == pytest.approx(values, rel=1e-12, nan_ok=True), person
    assert len(wanted) > 100


def test_purchases_are_the_days_that_the_catalogue_counts(shop):
    table = histories(shop.facts("segmentation"), MOMENTS[1:], timezone=shop.config.timezone)
    built = shop.build(MOMENTS[1], features=["active_days", "spend"]).table
    assert table["person"].to_pylist() == built["person"].to_pylist()
    assert [x + 1 for x in table["frequency"].to_pylist()] == built["active_days"].to_pylist()
    total = [
        first + (x * mean if x else 0)
        for first, x, mean in zip(
            *(table[name].to_pylist() for name in ("first_spend", "frequency", "spend_per_order")), strict=True
        )
    ]
    assert total == pytest.approx(built["spend"].to_pylist(), rel=1e-12)


def test_nobody_yet(shop):
    with pytest.raises(EmptyShopError, match="Nobody had bought anything by 2020-01-01"):
        histories(shop.facts("segmentation"), [datetime(2020, 1, 1)], timezone="UTC")


def test_days_are_counted_as_a_loop_counts_them(shop):
    zone, known = shop.config.timezone, MOMENTS[1]
    table = days_of(shop.facts("segmentation"), known, timezone=zone)
    past = histories(shop.facts("segmentation"), [known], timezone=zone)
    assert table["day"].to_pylist() == sorted(set(table["day"].to_pylist()))
    assert table["day"][-1].as_py() <= 0
    assert sum(table["repeats"].to_pylist()) == sum(past["frequency"].to_pylist())
    born = Counter(-one for one in past["T"].to_pylist())
    first = {row["day"]: row["first"] for row in table.to_pylist() if row["first"]}
    assert first == born


@pytest.fixture(scope="module")
def clocks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workspace, list[datetime]]]:
    """A shop of customers with one order each, around the hours in which clocks were changed somewhere."""
    changes = [
        datetime(2025, 3, 9, 7), datetime(2025, 11, 2, 6),  # New York
        datetime(2006, 10, 29, 2, 31),  # St. John's: at a minute past midnight, back into the day before
        datetime(2025, 4, 5, 15), datetime(2025, 10, 4, 15, 30),  # Lord Howe: by half an hour
        datetime(2018, 2, 18, 2), datetime(2017, 10, 15, 3),  # São Paulo: there was no midnight
        datetime(2011, 12, 30, 10),  # Apia: there was no 30 December
        datetime(1975, 2, 23, 7), datetime(1986, 4, 27, 7),  # before the decades that are written down
    ]  # fmt: skip
    steps = [timedelta(minutes=minutes) for hour in range(-26, 27) for minutes in (60 * hour - 1, 60 * hour + 15)]
    times = sorted({change + step for change in changes for step in steps})
    folder = tmp_path_factory.mktemp("clocks")
    lines = [f"{number},c{number},1.00,{at:%Y-%m-%d %H:%M:%S}" for number, at in enumerate(times)]
    (folder / "orders.csv").write_text("\n".join(["order,customer,total,at", *lines]), "utf-8")
    with coterie.open(None) as opened:
        opened.ingest(mapping(), folder)
        yield opened, times


@pytest.mark.parametrize(
    "zone",
    [
        *("UTC", "America/New_York", "America/St_Johns", "Australia/Lord_Howe", "America/Sao_Paulo", "Pacific/Apia"),
        *("Asia/Kathmandu", "Europe/Berlin"),
    ],
)
def test_days_are_those_of_the_clock_on_the_wall_even_where_it_was_changed(
    clocks: tuple[Workspace, list[datetime]], zone: str
) -> None:
    shop, times = clocks
    for known in (datetime(2025, 11, 2, 5, 30), datetime(2025, 12, 1), datetime(1990, 1, 1)):
        table = histories(shop.facts(Purpose.SEGMENTATION), [known], timezone=zone)
        assert sorted(table["T"].to_pylist()) == sorted(day(known, zone) - day(at, zone) for at in times if at <= known)
