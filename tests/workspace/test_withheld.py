"""Segments with few people in one of them: nothing of them is told, on the page, as JSON or by ``assign``."""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import coterie
from coterie import Workspace
from coterie.errors import ParameterError
from coterie.segments.evidence.validity import judge
from coterie.workspace.segmentation import Segmentation
from till import mapping

MINIMUM = 10
BOSS, BOSSES = 999_999_999_999, 5  # minor units of each of three orders, and who pay them
MAPPING = mapping()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    folder = tmp_path_factory.mktemp("exports")
    random = np.random.default_rng(3)
    lines = [
        f"c{person},{random.lognormal(3, 0.7):.2f},2025-0{random.integers(1, 6)}-{random.integers(10, 29)} 10:00:00"
        for person in range(120)
        for _ in range(random.choice([1, 3, 6, 20]))
    ]
    lines += [f"boss{one},{BOSS / 100:.2f},2025-02-0{one + 1} 09:11:00" for one in range(BOSSES) for _ in range(3)]
    numbered = [f"{number},{line}" for number, line in enumerate(lines)]
    (folder / "orders.csv").write_text("\n".join(["order,customer,total,at", *numbered]), "utf-8")
    with coterie.open(None, minimum_group=MINIMUM) as shop:
        shop.ingest(MAPPING, folder)
        yield shop


@pytest.fixture(scope="module")
def made(shop: Workspace) -> Segmentation:
    made = shop.segment(k=3, horizon_days=30)
    assert sorted(one.size for one in made.segments)[0] == BOSSES
    return made


def test_what_one_person_paid_does_not_follow_from_the_page(made: Segmentation, tmp_path: Path) -> None:
    page = made.report(tmp_path / "page.html").read_text("utf-8")
    text = html.unescape(re.sub(r"<(style|script)[^>]*>.*?</\1>|<[^>]+>", " ", page, flags=re.DOTALL))
    assert not re.search(r"\$(3\d|1[45]\d)(\.\d+)?\s*(bn|B|M)|\$(29|30|149|150),\d{3},\d{3}", text)
    figures = {float(each) for each in re.findall(r'data-value="([\d.]+)"', page)}
    spent = sum(one.value for one in made.segments)
    shown = [one.value for one in made.segments if one.size >= MINIMUM]
    assert set(shown) <= figures  # so that the next lines look at something
    shares = [part for part in figures if 0 < part < 1]
    assert not [part for part in shares for value in shown if math.isclose(value / part, spent, rel_tol=0.01)]


def test_json_tells_no_size_that_a_small_one_follows_from(made: Segmentation) -> None:
    body = made.to_json()
    sizes = [one["size"] for one in body["segments"]]
    assert sizes.count(None) == 2
    assert {node["size"] for node in body["tree"]} == {None}
    assert [one["value_share"] for one in body["segments"]] == [None] * 3
    small = body["segments"].index(next(one for one in body["segments"] if one["size"] is None))
    assert body["relations"]["distance"][small] is None
    assert body["relations"]["between"] is None
    assert body["card"]["rows"][0]["smallest"] is None
    assert str(made.segments[0].value) not in json.dumps(body)


def test_typical_people_are_told_in_rounded_figures(made: Segmentation) -> None:
    told = [one for one in made.to_json()["segments"] if one["exemplars"]]
    values = [value for one in told for figure in one["exemplars"] for value in figure["values"] if value]
    assert len(values) > 5
    assert all(value == float(f"{value:.2g}") for value in values)
    assert all(len(one["exemplars"]) <= 6 for one in told)


def test_who_was_left_out_is_told_as_groups_are(made: Segmentation) -> None:
    assert made.to_json()["features"]["refused"] == list(made.left_out)


def test_assigning_tells_no_size_that_a_small_one_follows_from(shop: Workspace, made: Segmentation) -> None:
    assigned = shop.assign(made.as_of)
    assert assigned.people == 120 + BOSSES
    assert str(BOSSES) not in re.findall(r"\d+", repr(assigned).split("published as")[1])
    assert sorted(one.isdigit() for one in assigned.told) == [False, False, True]
    assert "<10" in assigned.told
    assert [one["size"] for one in assigned.to_json()["segments"]].count(None) == 2


def test_a_number_of_segments_is_judged_without_saying_how_few_are_in_one() -> None:
    found = judge(2, np.array([[0.9, 0.95]]), 12, 1.0, minimum_size=50)
    assert not found.allowed
    assert found.why == "its smallest segment has fewer than 50 people"


def test_following_tells_no_equation_for_the_sizes_that_it_withholds(shop: Workspace, made: Segmentation) -> None:
    """PSI and Jaccard to sixteen digits, with the total, leave one way in which a few people can be divided."""
    found = shop.follow(made.model_id, dates=["2025-04-01", made.as_of], retrained=True).to_json()
    for moment, again in zip(found["moments"], found["remade"], strict=True):
        assert None in moment["sizes"]
        told = [*again["jaccard"], *(moment["drift_of_sizes"][name] for name in ("psi", "js"))]
        assert [one for one in told if one is not None] == [round(one, 1) for one in told if one is not None]


def test_few_people_are_described_nowhere(made: Segmentation) -> None:
    body = made.to_json()
    few = next(one.segment for one in made.segments if one.size < MINIMUM)
    told = next(one for one in body["segments"] if one["segment"] == few)
    assert {name for name, value in told.items() if value is not None} == {"segment", "name"}
    assert body["card"]["stability"][few] is None
    assert not [row for row in body["relations"]["distance"] if row and row[few] is not None]
    assert str(BOSSES) not in repr(made).split()
    assert repr(made).count("<10 people") == 1
    assert repr(made).count("– people") == 1, "what the few follow from is not told either"


def test_a_model_that_is_kept_describes_no_single_person(shop: Workspace, made: Segmentation) -> None:
    """The middle of a segment of one is that one: it would stay in the shop after the person was forgotten."""
    before = shop.registry.models("segments-kmeans")
    with pytest.raises(ParameterError, match="fewer than 5 people") as refused:
        shop.segment(k=60, horizon_days=30)
    assert "smaller k" in (refused.value.hint or "")
    few = next(one.segment for one in made.segments if one.size < MINIMUM)
    with pytest.raises(ParameterError, match="fewer than 5 people") as refused:
        shop.segment(model=made.model_id, split=few)
    assert refused.value.hint == "split another segment."
    assert shop.registry.models("segments-kmeans") == before


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A shop in which one of many regulars has paid nearly everything."""
    folder = tmp_path_factory.mktemp("rich")
    random = np.random.default_rng(5)
    lines = []
    for person in range(120):
        for _ in range(20 if person % 2 else 2):
            paid = 5e7 if person == 1 else random.lognormal(3, 0.4)
            day = f"2025-0{random.integers(1, 6)}-{random.integers(10, 29)} 10:00:00"
            lines.append(f"{len(lines)},c{person},{paid:.2f},{day}")
    (folder / "orders.csv").write_text("\n".join(["order,customer,total,at", *lines]), "utf-8")
    with coterie.open(None, minimum_group=MINIMUM) as shop:
        shop.ingest(MAPPING, folder)
        yield shop


def test_what_one_of_many_paid_is_told_by_nobody(rich: Workspace, tmp_path: Path) -> None:
    """A segment of many, whose spend is that of one: the mean times the size would tell it."""
    made = rich.segment(k=2, horizon_days=30)
    [theirs] = [one for one in made.segments if one.dominated]
    other = next(one for one in made.segments if one.segment != theirs.segment)
    assert min(theirs.size, other.size) >= MINIMUM
    body = json.dumps(made.to_json())
    told = made.to_json()["segments"]
    assert [one["size"] for one in told] == [one.size for one in made.segments]
    assert [one["value"] is None for one in told] == [one.dominated for one in made.segments]
    assert {one["value_share"] for one in told} == {None}, "a share of the total tells the total, and so the one"
    assert str(theirs.value) not in body
    assert not re.search(r"\$(1\.0\s*bn|1\.0B|1,000,\d{3},\d{3}|999,\d{3},\d{3})", body)
    page = made.report(tmp_path / "page.html").read_text("utf-8")
    text = html.unescape(re.sub(r"<(style|script)[^>]*>.*?</\1>|<[^>]+>", " ", page, flags=re.DOTALL))
    assert "one or two of its people spent nearly all" in text
    assert not re.search(r"\$\s?(1(\.0)?|999)\s*(bn|B|M)\b", text)
    figures = {float(each) for each in re.findall(r'data-value="([\d.]+)"', page)}
    assert float(theirs.value) not in figures
    assert float(other.value) in figures
    drawn = "".join(path.read_text("utf-8") for path in made.figures(tmp_path / "figures"))
    assert "not told" in drawn
    assert not re.search(r"\$[\d,.]+\s*(bn|B)|\$\d{2},\d{3},\d{3} a head|\$1[67],\d{3},\d{3}", drawn)


def test_a_goal_that_one_person_made_is_not_told(rich: Workspace) -> None:
    made = rich.segment(method="goal", k=2, horizon_days=30)
    assert made.goal is not None
    assert made.goal.dominated
    told = made.to_json()["goal"]["means"]
    assert [one is None for one in told] == [number in made.goal.dominated for number in range(2)]


def test_followed_spend_of_one_is_not_told(rich: Workspace) -> None:
    made = rich.segment(k=2, horizon_days=30)
    found = rich.follow(made.model_id, dates=["2025-04-01", made.as_of])
    dominated = [one.segment for one in made.segments if one.dominated]
    for moment, told in zip(found.moments, found.to_json()["moments"], strict=True):
        assert set(dominated) <= set(moment.dominated)
        assert [value is None for value in told["values"]] == [number in moment.dominated for number in range(2)]


def test_spend_told_at_two_moments_does_not_tell_what_one_person_spent_between(tmp_path: Path) -> None:
    """Nothing is odd about either sum; their difference is one person's bill."""
    random = np.random.default_rng(8)
    lines = [
        f"{person}-{visit},c{person},{random.lognormal(4, 0.3):.2f},2025-0{1 + visit % 4}-{10 + visit} 10:00:00"
        for person in range(120)
        for visit in range(16 if person % 2 else 2)
    ]
    lines.append("late,c1,77.77,2025-05-20 10:00:00")  # nobody else has bought since April
    (tmp_path / "orders.csv").write_text("\n".join(["order,customer,total,at", *lines]), "utf-8")
    with coterie.open(None, minimum_group=MINIMUM) as shop:
        shop.ingest(MAPPING, tmp_path)
        made = shop.segment("2025-05-15", k=2, horizon_days=5)
        assert not any(one.dominated for one in made.segments)
        found = shop.follow(made.model_id, dates=["2025-05-15", "2025-05-25"])
        changed = [after - before for before, after in zip(*(one.values for one in found.moments), strict=True)]
        assert sorted(changed) == [0, 7777]
        told = [one["values"] for one in found.to_json()["moments"]]
        assert None not in told[0]
        assert [value is None for value in told[1]] == [change == 7777 for change in changed]


def test_following_tells_no_share_that_few_people_follow_from(shop: Workspace, made: Segmentation) -> None:
    found = shop.follow(made.model_id, dates=["2025-04-01", "2025-05-01", made.as_of], retrained=True)
    body = found.to_json()
    for moment in body["moments"]:
        for one in (*moment["drift_of_features"], moment["drift_of_sizes"]):
            assert all(figure == round(figure, 2) for figure in (one["psi"], one["js"], one["chance"]))
        for one in moment["drift_of_features"]:
            lacking = [part * moment["people"] for part in one["missing"] if part]
            assert all(count >= MINIMUM / 2 for count in lacking)
    for reason in body["review"]["reasons"]:
        assert reason["figure"] == round(reason["figure"], 2)
    for told, moved in zip(body["migrations"], found.migrations, strict=True):
        assert told["caveat"].startswith("Not told")
        if told["stayed"]["value"] not in (0, 1):
            assert told["stayed"]["value"] != moved.stayed.value
    for again in body["remade"][1:]:
        assert again["stayed"]["value"] in (0, 1) or again["stayed"]["value"] == round(again["stayed"]["value"], 1)
