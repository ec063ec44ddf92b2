"""What notebooks show of results: figures and words, without a script, and nothing of small groups."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from coterie.segments.hierarchy import WardSegments
from coterie.segments.time.migration import migration
from oracles.full_journey import everything, judged, whole


def _tree() -> str:
    random = np.random.default_rng(2)
    people = pa.table({"orders": random.poisson(9, 400) + 1, "spend": random.lognormal(9, 1, 400).astype(int)})
    return WardSegments(4).fit(people).tree_._repr_html_()


def _card() -> str:
    return judged()._repr_html_()


def _migration() -> str:
    return everything().migrations[-1]._repr_html_()


def _rule() -> str:
    rule = whole(0).rule
    assert rule is not None
    return rule._repr_html_()


@pytest.mark.parametrize("shown", [_card, _tree, _migration, _rule])
def test_it_is_markup_of_its_own(shown: Callable[[], str]) -> None:
    html = shown()
    assert html.startswith('<div class="coterie"><style>')
    assert html.endswith("</div>")
    assert "<script" not in html
    assert not re.search(r"url\(|src=|href=|@import", html)
    assert html == shown(), "the same result is shown in the same way"


def test_a_card_says_in_words_what_it_draws() -> None:
    html = _card()
    assert html.count('<svg xmlns="http://www.w3.org/2000/svg" class="figure"') == 4, "three panels in one figure"
    assert "<td>.53 (.50 to .56)</td><td>.86 (.83 to .89)</td><td>.021 (.015 to .028)</td>" in html
    assert "Silhouette says how far apart groups lie" in html


def test_a_tree_is_told_at_several_levels() -> None:
    html = _tree()
    assert "Tree of 400 people" in html or "Tree of ≈400 people" in html
    assert [int(k) for k in re.findall(r"<tr><td>(\d+)</td>", html)][:3] == [2, 3, 4]
    told = re.findall(r"\(≈?(\d+)\)(?=;|</td>)", html)
    assert len(told) >= 9
    assert min(map(int, told)) >= 50, "no group of fewer people is told"


def test_small_movements_are_not_shown() -> None:
    before = np.repeat([0, 1, 2], 250)
    after = before.copy()
    after[:7], after[250:370] = 2, 2
    tables = [pa.table({"person": np.arange(750), "segment": labels}) for labels in (before, after)]
    html = migration(*tables)._repr_html_()
    assert "1 segment 1 → 3 segment 3: –" in html
    assert "7 people" not in re.sub(r"\d7 people", "", html)
    assert "2 segment 2 → 3 segment 3: ≈100 people" in html


def test_no_rule_is_said_to_be_none() -> None:
    rule = whole(3).rule
    assert rule is not None
    assert "No rule this short tells it from the others." in rule._repr_html_()
