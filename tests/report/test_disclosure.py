"""Small groups: their size is not told, nor anything that it could be computed from."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.report.segments import SegmentReport, render
from coterie.segments.disclosure import Disclosure
from coterie.segments.projection import Projection
from coterie.segments.tree import TreeNode
from coterie.segments.words.description import SegmentDescription

Report = Callable[..., SegmentReport]
Described = Callable[..., SegmentDescription]


def _page(report: Report, described: Described, small: int) -> str:
    """A page with a sixth segment of ``small`` people; nothing else about that segment changes."""
    people = 2297 + small
    segments = [described(index, share=described(index).size / people) for index in range(5)]
    hidden = described(5, size=small, share=small / people)
    sizes = [segment.size for segment in segments] + [small]
    labels = np.repeat(np.arange(6), sizes)
    places = np.random.default_rng(3).normal(size=(3000, 2))[: len(labels)]
    tree = tuple(
        TreeNode(node.node, node.parent, node.height, people if node.node == 0 else small, node.name, node.segment)
        if node.node in (0, 15)
        else node
        for node in report().tree
    )
    return render(
        report(
            people=people,
            segments=(*segments, hidden),
            projection=Projection(places[:, 0], places[:, 1], labels, ("right", "up"), people),
            tree=tree,
            quality=None,
            evidence=(),
        )
    )


def test_no_reader_can_tell_one_small_size_from_another(report: Report, described: Described) -> None:
    # The strongest statement there is: pages that differ in nothing but the small size are the same page.
    one, other = _page(report, described, 4), _page(report, described, 26)
    assert one == other
    assert "&lt;50" in one


def test_a_small_group_is_named_and_not_described(report: Report, described: Described) -> None:
    html = _page(report, described, 12)
    assert "Drifted away" in html
    assert "They ordered three times in spring" not in html
    assert "126\u00a0days" not in html
    assert "Their figures are withheld" in html
    assert 'class="g5" data-segment="5"' in html, "its tile stands in the mosaic"
    assert not re.search(r'class="g5" data-segment="5"><path class="points"', html), "its people are not on the map"


def test_sentences_with_figures_do_not_undo_the_rounding(report: Report, described: Described) -> None:
    html = _page(report, described, 12)
    assert "They come seldom and fill the cart when they do." in html
    assert "533 people" not in html
    assert "≈550" in html


def test_large_groups_are_told_exactly(report: Report) -> None:
    html = render(report())
    assert "≈" not in html
    assert "Their figures are withheld" not in html


def test_trees_do_not_single_out_a_few(report: Report) -> None:
    html = render(report())
    assert "Weekend carts" in html, "a split into large groups is shown"
    assert "Every day" not in html, "a split into 444 and 41 is not, since 485 is told"


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=12), st.integers(1, 100))
def test_sizes_are_exact_or_rounded_or_hidden(sizes: list[int], minimum: int) -> None:
    disclosure = Disclosure(sizes, minimum)
    for size in sizes:
        told = disclosure.size(size)
        if 0 < size < minimum:
            assert told is None
            assert disclosure.words(size) == f"<{minimum}"
        elif disclosure.coarse:
            assert told is not None
            assert told % minimum == 0
            assert abs(told - size) <= minimum / 2
        else:
            assert told == size


@pytest.mark.parametrize("count", [0, 49, 50, 149, 4000])
def test_points_cannot_be_counted(count: int) -> None:
    coarse, exact = Disclosure([10, 100], 50), Disclosure([100], 50)
    assert exact.points(count) == count
    assert coarse.points(count) % 50 == 0
    assert 0 <= count - coarse.points(count) < 50
