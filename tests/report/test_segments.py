"""The page: complete, closed to the outside, safe against any text, and sensible when parts are missing."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from datetime import datetime
from xml.etree import ElementTree

import numpy as np
import pytest

from coterie.errors import ParameterError
from coterie.report.figures import telling
from coterie.report.segments import SegmentReport, picture, render
from coterie.segments.words.description import SegmentDescription
from oracles.pages import Page

Report = Callable[..., SegmentReport]
Described = Callable[..., SegmentDescription]

_HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7 * 7 }}&amp;"


def test_page_is_complete_and_light(report: Report) -> None:
    html = render(report())
    page = Page(html)
    assert len(html.encode()) < 500_000
    for heading in (
        "Six kinds of customers",
        "Who they are",
        "Where they stand",
        "Why 6 segments",
        "Can you trust this?",
    ):
        assert heading in page.text
    identifiers = page.all("id")
    assert len(identifiers) == len(set(identifiers))
    for link in page.all("href"):
        assert link.startswith(("#", "data:")), "nothing is fetched"
        assert not link.startswith("#") or link[1:] in identifiers
    assert not page.all("src")
    assert "url(" not in html
    assert "@import" not in html


def test_policy_allows_exactly_what_is_inside(report: Report) -> None:
    page = Page(render(report()))
    (policy,) = (values["content"] for _, values in page.elements if "http-equiv" in values)
    assert policy.startswith("default-src 'none'; img-src data:;")
    for kind, bodies in page.bodies.items():
        assert len(bodies) == 1
        digest = base64.b64encode(hashlib.sha256(bodies[0].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}';" in policy
    assert not page.all("style"), "the policy forbids styles on elements"
    assert not [name for _, values in page.elements for name in values if name.startswith("on")]


def test_every_segment_says_its_figures_with_units(report: Report) -> None:
    page = Page(render(report()))
    for words in ("533", "$1.41\u202fM", "41%", "$2,637", "22%", "$45.64", "126\u00a0days", "Jaccard", "R²", "AUC"):
        assert words in " ".join(page.words)
    assert "They buy for the week: half of their baskets are worth $46 or more." in page.text
    assert "533 people, 41 % of what everybody spent." not in page.text, "the figures beside it say that already"


def test_bars_are_of_different_things_and_can_be_seen(described: Described) -> None:
    of = {index: [trait.feature for trait in telling(described(index).traits)] for index in range(6)}
    assert "orders_90d" in of[5]
    assert "orders" not in of[5], "one of orders and orders in 90 days is enough"
    assert of[3] == ["basket_value", "basket_lines", "discount_share", "recency_days"], "four, though the last is short"
    assert len(of[0]) <= 8


def test_picture_is_a_file_of_its_own(report: Report, described: Described) -> None:
    light, dark = (ElementTree.fromstring(picture(report(), dark=dark)) for dark in (False, True))
    assert light.tag == dark.tag == "{http://www.w3.org/2000/svg}svg"
    assert "#fdfcf9" in picture(report())
    assert "#fdfcf9" not in picture(report(), dark=True)
    picture(report(segments=(described(0),)))
    with pytest.raises(ParameterError, match="segments"):
        picture(report(segments=()))


def test_summary_names_who_brings_the_value_and_who_went_quiet(report: Report) -> None:
    text = Page(render(report())).text
    assert re.search(r"Big-basket families\s+and\s+Frequent regulars\s+are 42% of people and bring 79% of it", text)
    assert re.search(r"Drifted away\s+has gone quiet: half of them have not ordered for 126 days or more", text)
    assert "At stake is 0.5% of what was spent, $16.2 k" in text.replace("\u202f", " ")


def test_days_are_the_shops_own(report: Report) -> None:
    # Midnight of 1 September in London is still 31 August in UTC.
    page = render(report(as_of=datetime(2011, 8, 31, 23), timezone="Europe/London", card=None))
    assert "as of 1 September 2011" in page
    assert "31 August 2011, 23:00 UTC" in page


def test_quiet_is_measured_by_the_usual_gap(report: Report, described: Described) -> None:
    # Segment 2 orders every 16 days and was last seen 19 days ago: that is its rhythm, not its farewell.
    text = Page(render(report(segments=(described(0), described(2))))).text
    assert "gone quiet" not in text


def test_hostile_text_is_shown_and_not_run(report: Report, described: Described) -> None:
    segments = (
        described(0, name=_HOSTILE, sentences=(_HOSTILE,)),
        described(1, name="x" * 500),
        described(2, name="\u202e عملاء متكررون"),
        described(3, name="週末にまとめ買いをする家族"),
        described(4, name="a\x00b\ud800c\u2028"),
        described(5, name=""),
    )
    hostile = report(
        shop=_HOSTILE,
        method=_HOSTILE,
        refused=_HOSTILE,
        segments=segments,
        features=((_HOSTILE, _HOSTILE, _HOSTILE),),
        provenance={_HOSTILE: _HOSTILE},
    )
    html = render(hostile)
    page = Page(html)
    html.encode()
    assert not re.search("[\x00-\x08\x0b\x0e-\x1f\ud800-\udfff]", html)
    assert sum(tag == "script" for tag, _ in page.elements) == 1
    assert not [tag for tag, _ in page.elements if tag == "img"]
    assert _HOSTILE in "".join(page.words), "the reader sees what the name is"
    assert "x" * 500 in "".join(page.words), "its heading shows all of a long name"


@pytest.mark.parametrize("part", ["card", "evidence", "projection", "tree", "quality", "features", "provenance"])
def test_each_part_may_be_missing(report: Report, part: str) -> None:
    nothing = {"evidence": (), "tree": (), "features": (), "provenance": {}}.get(part)
    page = Page(render(report(**{part: nothing})))
    links = [link[1:] for link in page.all("href") if link.startswith("#")]
    assert set(links) <= set(page.all("id"))
    if part == "card":
        assert "These segments were not judged." in page.text


def test_one_segment_and_none(report: Report, described: Described) -> None:
    bare = {"card": None, "evidence": (), "projection": None, "tree": (), "quality": None}
    assert "One kind of customer" in Page(render(report(segments=(described(0),), **bare))).text
    none = Page(render(report(segments=(), people=0, **bare)))
    assert "No segments yet" in none.text
    assert "too few people" in none.text


def test_figures_that_are_missing_are_dashes(report: Report, described: Described) -> None:
    one = described(0)
    broken = tuple(type(trait)(trait.feature, trait.title, trait.unit, np.nan, np.nan, 0.1) for trait in one.traits)
    text = Page(render(report(segments=(described(0, traits=broken), described(1))))).text
    assert "nan" not in text.lower().replace("finan", "")


def test_rows_without_a_fate_raise_an_alarm(report: Report) -> None:
    quality = report().quality
    assert quality is not None
    lost = type(quality.files[0])("orders.csv", 10, 5, 2, 0)
    page = Page(render(report(quality=type(quality)(files=(lost,)))))
    assert "3 rows of orders.csv have no fate" in page.text.replace("  ", " ")
    assert "have no fate" not in Page(render(report())).text


def test_same_report_same_page(report: Report) -> None:
    assert render(report()) == render(report())
