"""The page on the data: complete in itself, in words that fit what was found, and silent about the few."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from datetime import date, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.charts.matrix import matrix
from coterie.charts.timeline import Period, timeline
from coterie.collect.expectation import Outcome
from coterie.collect.history import FileQuality, ImportQuality
from coterie.collect.measures import Lateness, TableQuality
from coterie.collect.quality import Quality, Reason, RefundQuality
from coterie.config import Config
from coterie.report.checkup import render

CHECKED = datetime(2026, 3, 2, 9)
CONFIG = Config("Teas & Cups", "test", "EUR", "Europe/Berlin", 50)
DAYS = {date(2026, 1, 1) + timedelta(days=number): 100 + number for number in range(60)}


def table(**said: Any) -> TableQuality:
    """Order lines of two months."""
    given: dict[str, Any] = {
        "source": "webshop",
        "table": "order_lines",
        "rows": sum(DAYS.values()),
        "subjects": 700,
        "first": datetime(2026, 1, 1),
        "last": datetime(2026, 3, 1, 20),
        "ingested_at": CHECKED,
        "completeness": {"order_id": 1.0, "product_id": 0.75, "place": 0.0},
        "months": {"2026-01": 3500, "2026-02": 4000},
        "completeness_by_month": {
            "2026-01": {"order_id": 1.0, "product_id": 1.0, "place": 0.0},
            "2026-02": {"order_id": 1.0, "product_id": 0.5, "place": 0.0},
        },
        "days": DAYS,
        "missing_days": (),
        "scarce_days": (),
        "known": 0.9,
        "lateness": None,
        "currencies": {"EUR": 7000},
        "converted": {},
    }
    return TableQuality(**{**given, **said})


def quality(**said: Any) -> Quality:
    given: dict[str, Any] = {
        "checked_at": CHECKED,
        "files": (
            FileQuality("webshop", "orders.csv", "order_line", 1, 8000, 7770, 130, 100, 130, CHECKED, True),
        ),
        "reasons": (
            Reason("webshop", "bad_time", "quarantine", "has a time that cannot be understood", "say how.", 130),
            Reason("webshop", "zero_price", "warn", "is a completed order line that cost nothing", "", 7),
        ),
        "tables": (table(),),
        "history": (
            ImportQuality(1, "webshop", "orders.csv", "order_line", CHECKED, True, 8000, 7770, 130, 100),
            ImportQuality(2, "webshop", "late.csv", "order_line", CHECKED, False, None, None, None, None),
        ),
        "people": 650,
        "identified": {"webshop": 1.0},
        "currencies": ("EUR",),
        "unknown_products": 0,
        "incomplete": {"webshop": 12},
        "refunds": RefundQuality(10, 2, 3, 5),
        "assumed": ("7,770 order lines count as known from the moment they occurred; the source does not say",),
        "problems": ("130 of 8,000 rows of orders.csv are set aside.",),
        "expectations": (
            Outcome("webshop", "fresh", "at most 2 days", "13 hours", True, 46800.0),
            Outcome("webshop", "enough", "more than 9,000 rows", "7,770 rows", False, 7770.0),
        ),
        "running": ("late.csv",),
    }  # fmt: skip
    return Quality(**{**given, **said})


class Page(HTMLParser):
    """The page's words, elements and what its style and script hold."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.bodies: dict[str, list[str]] = {"style": [], "script": []}
        self.inside: list[str] = []
        self.feed(html)
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self.inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while tag in self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self.inside[-1:] in (["style"], ["script"]):
            self.bodies[self.inside[-1]].append(data)
        else:
            self.words.append(data)


def test_the_page_is_complete_in_itself() -> None:
    html = render(quality(), CONFIG)
    page = Page(html)
    assert len(html) < 200_000
    identifiers = [values["id"] for _, values in page.elements if "id" in values]
    assert len(identifiers) == len(set(identifiers))
    for _, values in page.elements:
        if "href" in values:
            assert values["href"].startswith(("#", "data:"))
            assert not values["href"].startswith("#") or values["href"][1:] in identifiers
        assert not {"src", "style"} & set(values)
    (policy,) = (values["content"] for _, values in page.elements if "http-equiv" in values)
    for kind, bodies in page.bodies.items():
        digest = base64.b64encode(hashlib.sha256("".join(bodies).encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy


def test_the_page_says_what_was_found() -> None:
    text = Page(render(quality(), CONFIG)).text
    for words in (
        "Teas & Cups",
        "2 things need a look",
        "8,000 rows came in from 1 file of 1 source. 130 rows (1.6%) are set aside; 100 rows had come in before.",
        "130 of 8,000 rows of orders.csv are set aside.",
        "expected more than 9,000 rows, got 7,770 rows",
        "The import of late.csv is running",
        "13 hours ago",
        "90%",
        "Filled in every row: order_id. Filled in none: place.",
        "12 orders of webshop are incomplete",
        "Of 10 lines of refunds and cancellations",
        "not finished",
        "Order lines by day",
        "product_id 75%",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"problems": (), "expectations": (), "running": ()}, "The data is in order"),
        ({"problems": ("One.",), "expectations": ()}, "One thing needs a look"),
        ({"files": (), "tables": (), "reasons": (), "history": (), "problems": (), "expectations": ()}, "No data yet"),
    ],
)
def test_the_headline_fits(said: dict[str, Any], words: str) -> None:
    assert words in Page(render(quality(**said), CONFIG)).text


def test_rows_that_name_nobody_lower_the_rate_though_they_are_no_facts() -> None:
    page = Page(render(quality(identified={"webshop": 0.99, "till": 0.75}), CONFIG)).text
    assert "Naming somebody 75%" in page
    assert "of the rows about people that came in, at till" in page


def test_notes_tell_lateness_money_and_quiet_days() -> None:
    odd = table(
        lateness=Lateness(100, 3600, 7200, 86_400 * 3, 2),
        converted={"USD": 60},
        currencies={"EUR": 7000, "GBP": 80},
        missing_days=tuple(date(2026, 1, day) for day in range(1, 11)),
        scarce_days=(date(2026, 2, 3),),
    )
    text = Page(render(quality(tables=(odd,)), CONFIG)).text
    assert "after 60 minutes (half of them), 2 hours (95% of them) and at most 3 days." in text
    assert "2 rows had been available before they happened." in text
    assert "Amounts were converted: 60 from USD." in text
    assert "Amounts are in several currencies: 7,000 in EUR, 80 in GBP." in text
    assert "and 2 earlier days, on days of the week that usually have some." in text
    assert "Less than half of the usual rows on 3 Feb 2026." in text


def test_few_people_and_few_rows_of_a_period_are_not_told() -> None:
    small = table(subjects=49, days={**DAYS, date(2026, 1, 20): 3})
    text = Page(render(quality(people=31, tables=(small,)), CONFIG)).text
    assert "<50 rows" in text
    assert "People <50 that the facts are about" in text
    assert "Identifiers <50" in text
    assert "20 Jan 2026: <50 rows" in text
    # Else the few would follow from the sum: the others are rounded.
    assert "≈100 rows" in text
    tiny = table(rows=20, subjects=4, known=0.5, days={date(2026, 1, 1): 20}, completeness={"product_id": 0.05})
    text = Page(render(quality(people=4, tables=(tiny,)), CONFIG)).text
    assert "5%" not in text.split("Odd rows")[0].split("webshop")[-1]


def test_long_histories_are_drawn_by_week_or_month() -> None:
    years = {date(2020, 1, 1) + timedelta(days=number): 100 for number in range(1500)}
    assert "Order lines by week" in Page(render(quality(tables=(table(days=years),)), CONFIG)).text
    few = {date(2020, 1, 1) + timedelta(days=7 * number): 20 for number in range(100)}
    assert "Order lines by month" in Page(render(quality(tables=(table(days=few),)), CONFIG)).text


@settings(max_examples=30, deadline=None)
@given(words=st.text(max_size=60))
def test_what_comes_from_data_stays_text(words: str) -> None:
    hostile = f"</script><b>{words}"
    found = quality(
        tables=(replace(table(), source=hostile),),
        problems=(hostile,),
        running=(hostile,),
        expectations=(Outcome(hostile, hostile, hostile, hostile, False),),
        reasons=(Reason(hostile, "x", "warn", hostile, hostile, 1),),
    )
    html = render(found, replace(CONFIG, name=hostile))
    assert "<b>" not in html
    assert len(Page(html).bodies["script"]) == 1
    json.dumps(found.to_json())


def test_charts_of_nothing_are_empty_figures() -> None:
    assert "<svg" in timeline([], title="x", description="y", most="0 rows")
    assert "<svg" in matrix([], [], title="x", description="y")
    drawn = timeline([Period(None, "few"), Period(0.0, "none", odd=True)], title="x", description="y", most="1 row")
    assert "few" in drawn
    assert "none" in drawn
