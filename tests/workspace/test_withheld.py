"""Segments with one person in one of them: nothing of that person is told, on the page, as JSON or by ``assign``."""

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
from coterie import Mapping, Workspace
from coterie.segments.evidence.validity import judge
from coterie.workspace.segmentation import Segmentation

MINIMUM = 10
BOSS = 999_999_999_999  # minor units of each of three orders
MAPPING = Mapping.from_json(
    {
        "source": "till",
        "currency": "USD",
        "lawful_basis": {"segmentation": "legitimate interest: we group customers by what they bought"},
        "read": [
            {
                "file": "orders.csv",
                "to": "order_line",
                "id": ["order"],
                "identify": {"customer_id": "customer"},
                "fields": {"order_id": "order", "amount": "total", "occurred_at": "at"},
            }
        ],
    }
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    folder = tmp_path_factory.mktemp("exports")
    random = np.random.default_rng(3)
    lines = [
        f"c{person},{random.lognormal(3, 0.7):.2f},2025-0{random.integers(1, 6)}-{random.integers(10, 29)} 10:00:00"
        for person in range(120)
        for _ in range(random.choice([1, 3, 6, 20]))
    ]
    lines += [f"boss,{BOSS / 100:.2f},2025-02-02 09:11:00"] * 3
    numbered = [f"{number},{line}" for number, line in enumerate(lines)]
    (folder / "orders.csv").write_text("\n".join(["order,customer,total,at", *numbered]), "utf-8")
    with coterie.open(None, minimum_group=MINIMUM) as shop:
        shop.ingest(MAPPING, folder)
        yield shop


@pytest.fixture(scope="module")
def made(shop: Workspace) -> Segmentation:
    made = shop.segment(k=3, horizon_days=30)
    assert sorted(one.size for one in made.segments)[0] == 1
    return made


def test_what_one_person_paid_does_not_follow_from_the_page(made: Segmentation, tmp_path: Path) -> None:
    page = made.report(tmp_path / "page.html").read_text("utf-8")
    text = html.unescape(re.sub(r"<(style|script)[^>]*>.*?</\1>|<[^>]+>", " ", page, flags=re.DOTALL))
    assert not re.search(r"\$3\d(\.\d+)?\s*(bn|B|M)|\$(29|30),\d{3},\d{3}", text)
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
    assert assigned.people == 121
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
