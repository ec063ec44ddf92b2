"""Flows: bands as thick as the people in them, inside their blocks, without loss."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.charts.flow import Band, Block, flow

SVG = "{http://www.w3.org/2000/svg}"
_BAND = re.compile(r"M([\d.]+) ([\d.]+)C\S+ \S+ \S+ (\S+) ([\d.]+) ([\d.]+)V([\d.]+)")


def _drawn(counts: list[list[int]], width: int = 860) -> str:
    table = np.array(counts)
    before = [Block(str(i), f"part {i}", float(size), str(size), i) for i, size in enumerate(table.sum(axis=1))]
    after = [Block(str(j), f"part {j}", float(size), str(size), j) for j, size in enumerate(table.sum(axis=0))]
    bands = [
        Band(str(i), str(j), float(table[i, j]), f"{i} to {j}")
        for i in range(len(table))
        for j in range(len(table))
        if table[i, j]
    ]
    return flow([("then", before), ("now", after)], [bands], title="", description="", width=width)


def _bands(drawn: str) -> dict[str, tuple[float, float, float]]:
    """Return, by its words, where a band begins, where it ends and how thick it is."""
    found = {}
    for path in ElementTree.fromstring(drawn).iter(f"{SVG}path"):
        match = _BAND.match(path.get("d", ""))
        assert match
        found[path[0].text or ""] = (float(match[2]), float(match[3]), float(match[6]) - float(match[3]))
    return found


def _blocks(drawn: str) -> dict[tuple[float, str], tuple[float, float]]:
    boxes = ElementTree.fromstring(drawn).iter(f"{SVG}rect")
    return {
        (float(box.get("x", "nan")), (box[0].text or "").split(":")[0]): (
            float(box.get("y", "nan")),
            float(box.get("height", "nan")),
        )
        for box in boxes
    }


_TABLES = st.integers(2, 6).flatmap(
    lambda k: st.lists(st.lists(st.integers(0, 900), min_size=k, max_size=k), min_size=k, max_size=k)
)


@given(_TABLES.filter(lambda table: sum(map(sum, table)) > 0), st.sampled_from([360, 860]))
@settings(deadline=None, max_examples=40)
def test_bands_fill_their_blocks_and_are_to_scale(counts: list[list[int]], width: int) -> None:
    drawn = _drawn(counts, width)
    bands, blocks = _bands(drawn), _blocks(drawn)
    people = {f"{i} to {j}": count for i, row in enumerate(counts) for j, count in enumerate(row) if count}
    assert bands.keys() == people.keys()
    thickest = max(people, key=lambda way: people[way])
    for way, (_, _, thick) in bands.items():
        assert thick == pytest.approx(bands[thickest][2] * people[way] / people[thickest], abs=0.21)
    left, right = min(x for x, _ in blocks), max(x for x, _ in blocks)
    for way, (start, end, thick) in bands.items():
        i, j = (int(one) for one in way.split(" to "))
        for at, x, place in ((start, left, i), (end, right, j)):
            y, high = blocks[x, f"{place + 1} part {place}"]
            assert y - 0.2 <= at
            assert at + thick <= y + high + 0.3


def test_who_stays_is_paler_and_below_who_moves() -> None:
    drawn = _drawn([[50, 20], [10, 60]])
    shades = re.findall(r'fill-opacity="([\d.]+)" d="M[^"]+"><title>(\d) to (\d)', drawn)
    assert [start == end for _, start, end in shades] == [True, True, False, False]
    stay, move = {float(shade) for shade, a, b in shades if a == b}, {float(shade) for shade, a, b in shades if a != b}
    assert max(stay) < min(move)


def test_names_of_thin_blocks_do_not_touch() -> None:
    sizes = [1000, 1, 1, 1, 1, 1]
    blocks = [Block(str(i), f"part {i}", float(size), "", i) for i, size in enumerate(sizes)]
    drawn = flow([("a", blocks), ("b", blocks)], [[]], title="", description="")
    rows = sorted(
        float(word.get("y", "nan"))
        for word in ElementTree.fromstring(drawn).iter(f"{SVG}text")
        if (word.text or "").endswith(tuple("012345")) and word.get("text-anchor") == "end"
    )
    assert len(rows) == 6
    assert min(np.diff(rows)) >= 15


def test_who_came_and_who_went_are_grey_and_named() -> None:
    one = [Block("0", "part", 50.0, "50", 0)]
    new, gone = Block("new", "new", 9.0, "9 people", None), Block("gone", "gone", 9.0, "9 people", None)
    bands = [[Band("new", "0", 9.0, "came"), Band("0", "gone", 9.0, "went")]] * 2
    drawn = flow([("a", [*one, new]), ("b", [*one, new, gone]), ("c", [*one, gone])], bands, title="", description="")
    tree = ElementTree.fromstring(drawn)
    words = [word.text for word in tree.iter(f"{SVG}text")]
    assert words.count("new") == words.count("gone") == 2
    grey = [group for group in tree.iter(f"{SVG}g") if group.get("class") == "plain"]
    assert sum(path[0].text == "came" for group in grey for path in group.iter(f"{SVG}path")) == 2


def test_no_moment_and_one_are_drawn() -> None:
    ElementTree.fromstring(flow([], [], title="", description=""))
    ElementTree.fromstring(flow([("a", [Block("0", "part", 5.0, "5", 0)])], [], title="", description=""))
