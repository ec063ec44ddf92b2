"""Every figure is well-formed, holds any text, and its shapes are as long, as high and as far as its numbers say."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from coterie.charts.bars import Difference, Tile, columns, diverging, fate, meter, mosaic
from coterie.charts.dendrogram import Branch, dendrogram
from coterie.charts.drawing import extent, fit, stack, standalone, wrap
from coterie.charts.flow import Band, Block, flow
from coterie.charts.heat import Cell, heat
from coterie.charts.intervals import Dot, Strip, dots, strips
from coterie.charts.profile import Profile, profile
from coterie.charts.scatter import Cloud, scatter
from coterie.errors import ParameterError

SVG = "{http://www.w3.org/2000/svg}"


def _tiles(name: str) -> list[Tile]:
    return [
        Tile(name, 0.5, 40.0, name, name, 0),
        Tile(name, 0.3, 10.0, name, name, 1),
        Tile(name, None, None, "", "", 2),
    ]


def _branches(name: str) -> list[Branch]:
    heights = {0: (None, 10.0, None), 1: (0, 4.0, 0), 2: (1, 0.0, 0), 3: (1, 0.0, 0), 4: (0, 0.0, 1)}
    return [Branch(node, parent, height, name, "12", segment) for node, (parent, height, segment) in heights.items()]


def _blocks(name: str, *others: str) -> list[Block]:
    blocks = [Block("0", name, 60.0, name, 0), Block("1", name, 0.0, name, 1)]
    return [*blocks, *(Block(key, name, 9.0, name, None) for key in others)]


_BANDS = [
    Band("0", "0", 40.0, "stay"),
    Band("0", "1", 10.0, "move"),
    Band("new", "1", 9.0, ""),
    Band("0", "gone", 9.0, ""),
]


def _panel(name: str, width: int) -> Markup:
    return dots([Dot(name, 0.5, 0.4, 0.6, name, "view")], title=name, description=name, width=width)


DRAWN: dict[str, Callable[[str, int], Markup]] = {
    "mosaic": lambda name, width: mosaic(_tiles(name), title=name, description=name, across=name, width=width),
    "diverging": lambda name, width: diverging(
        [Difference(name, 1.0, (name, name), name), Difference(name, -9.0, ("1", "2"))],
        title=name,
        description=name,
        ends=(name, name),
        segment=9,
        reach=2.0,
        width=width,
    ),
    "columns": lambda name, width: columns(
        [(name, 3.0, name), (name, 1.0, "")], title=name, description="", width=width
    ),
    "scatter": lambda name, width: scatter(
        [Cloud(name, 0, np.array([0.0, 1.0, math.nan]), np.array([0.0, 2.0, 1.0])), Cloud(name, 1, *np.zeros((2, 4)))],
        axes=(name, name),
        title=name,
        description=name,
        width=width,
    ),
    "dendrogram": lambda name, width: dendrogram(
        _branches(name), title=name, description=name, scale=name, cut=6.0, width=width
    ),
    "dots": lambda name, width: dots(
        [Dot(name, 0.5, 0.4, 0.6, name), Dot(name, 0.9, 0.8, 1.0, name, "ceiling"), Dot(name, math.nan, 0, 0, name)],
        title=name,
        description=name,
        marks=[(0.45, name)],
        width=width,
    ),
    "strips": lambda name, width: strips(
        [Strip(name, (0.2, 0.9), name, True), Strip(name, (), name)],
        title=name,
        description=name,
        heads=(name, name, name),
        marks=[(0.6, name)],
        width=width,
    ),
    "profile": lambda name, width: profile(
        [Profile(name, index, (1.0, -0.4, math.nan)) for index in range(12)],
        [name, "Orders", ""],
        title=name,
        description=name,
        width=width,
    ),
    "flow": lambda name, width: flow(
        [(name, _blocks(name, "new")), (name, _blocks(name, "new", "gone")), (name, _blocks(name, "gone"))],
        [_BANDS, _BANDS],
        title=name,
        description=name,
        width=width,
    ),
    "heat": lambda name, width: heat(
        [(name, 0, [Cell(0.9, name, name, framed=True), Cell(None, name)]), (name, None, [Cell(0.1, ""), Cell(2, "")])],
        [(name, 0), (name, None)],
        title=name,
        description=name,
        corner=name,
        width=width,
    ),
    "stack": lambda name, width: stack([(name, _panel(name, width)), (name, _panel(name, width))], title=name),
}
HOSTILE = ["<script>alert(1)</script>\"'&", "x" * 400, "\u202eعملاء\u202c", "週末のお客様" * 9, "a\x00\x1b\ud800b", ""]


@pytest.mark.parametrize("width", [360, 860])
@pytest.mark.parametrize("kind", list(DRAWN))
class TestAnyFigure:
    @pytest.mark.parametrize("name", HOSTILE, ids=["markup", "long", "right-to-left", "wide", "unprintable", "empty"])
    def test_holds_hostile_text(self, kind: str, width: int, name: str) -> None:
        drawn = DRAWN[kind](name, width)
        drawn.encode()
        tree = ElementTree.fromstring(drawn)
        assert {element.tag.removeprefix(SVG) for element in tree.iter()} <= {
            *("svg", "title", "desc", "g", "path", "rect", "circle", "text", "tspan")
        }

    def test_has_a_name_and_a_description(self, kind: str, width: int) -> None:
        tree = ElementTree.fromstring(DRAWN[kind]("Regulars", width))
        title, description = tree[0], tree[1]
        assert tree.get("role") == "img"
        assert (title.tag, title.text, title.get("id")) == (f"{SVG}title", "Regulars", tree.get("aria-labelledby"))
        assert (description.tag, description.get("id")) == (f"{SVG}desc", tree.get("aria-describedby"))

    @pytest.mark.parametrize("dark", [False, True])
    def test_stands_alone(self, kind: str, width: int, dark: bool) -> None:
        file = standalone(DRAWN[kind]("Regulars & Co", width), dark=dark)
        ElementTree.fromstring(file)
        used = set(re.findall(r"var\((--\w+)\)", file))
        assert used <= set(re.findall(r"(--\w+):", file)), "every colour is in the file"
        assert "http" not in file.replace("http://www.w3.org/2000/svg", ""), "nothing is fetched"

    def test_is_the_same_each_time(self, kind: str, width: int) -> None:
        assert DRAWN[kind]("Regulars", width) == DRAWN[kind]("Regulars", width)


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=60), st.sampled_from(list(DRAWN)))
def test_any_text_gives_well_formed_svg(name: str, kind: str) -> None:
    ElementTree.fromstring(DRAWN[kind](name, 360))


def test_only_figures_stand_alone() -> None:
    with pytest.raises(ParameterError, match="standalone"):
        standalone(Markup("<svg></svg>"))


def _boxes(drawn: Markup, classes: str) -> list[dict[str, float]]:
    tree = ElementTree.fromstring(drawn)
    found = [box for box in tree.iter(f"{SVG}rect") if box.get("class") == classes]
    return [{key: float(box.get(key, "nan")) for key in ("x", "y", "width", "height")} for box in found]


def test_area_of_a_mosaic_is_the_product() -> None:
    tiles = [Tile("a", 0.5, 20.0, "", "", 0), Tile("b", 0.25, 40.0, "", "", 1), Tile("c", 0.25, 10.0, "", "", 2)]
    a, b, c = _boxes(mosaic(tiles, title="", description="", across=""), "fill tint")
    assert a["width"] == pytest.approx(2 * b["width"], abs=0.3)
    assert b["height"] == pytest.approx(2 * a["height"], abs=0.3)
    assert a["width"] * a["height"] == pytest.approx(b["width"] * b["height"], rel=0.01)
    assert a["x"] + a["width"] < b["x"] < c["x"]
    assert a["y"] + a["height"] == pytest.approx(c["y"] + c["height"])


def test_what_may_not_be_told_has_the_same_tile_whatever_it_is() -> None:
    one = mosaic(_tiles("a"), title="", description="", across="")
    hidden = _boxes(one, "fill tint")[2]
    other = mosaic(
        [Tile("b", 0.9, 3.0, "", "", 0), Tile("c", None, None, "", "", 2)], title="", description="", across=""
    )
    assert (hidden["width"], hidden["height"]) == (
        _boxes(other, "fill tint")[1]["width"],
        _boxes(other, "fill tint")[1]["height"],
    )


@given(st.lists(st.floats(-4, 4), min_size=1, max_size=9), st.sampled_from([360, 520]))
@settings(deadline=None)
def test_bars_go_to_their_side_as_far_as_their_effect(effects: list[float], width: int) -> None:
    rows = [Difference("", effect, ("", "")) for effect in effects]
    drawn = diverging(rows, title="", description="", ends=("", ""), segment=0, reach=2.0, width=width)
    boxes = _boxes(drawn, "fill")
    middles = {
        round(box["x"] + (0 if effect >= 0 else box["width"]), 1) for box, effect in zip(boxes, effects, strict=True)
    }
    assert max(middles) - min(middles) <= 0.21, "all bars start at one middle"
    full = max(
        box["width"]
        for box in _boxes(
            diverging(
                [Difference("", 2.0, ("", ""))],
                title="",
                description="",
                ends=("", ""),
                segment=0,
                reach=2.0,
                width=width,
            ),
            "fill",
        )
    )
    for box, effect in zip(boxes, effects, strict=True):
        assert box["width"] == pytest.approx(full * min(abs(effect), 2.0) / 2.0, abs=0.11)


def test_columns_are_as_high_as_their_figures() -> None:
    boxes = _boxes(columns([("a", 10.0, ""), ("b", 5.0, ""), ("c", 0.0, "")], title="", description=""), "fill")
    assert [box["height"] / boxes[0]["height"] for box in boxes] == pytest.approx([1, 0.5, 0], abs=0.01)


def test_a_whisker_spans_its_interval() -> None:
    rows = [Dot("a", 0.5, 0.25, 0.75, ""), Dot("b", 0.0, 0.0, 1.0, "")]
    tree = ElementTree.fromstring(dots(rows, title="", description="", span=(0.0, 1.0)))
    paths = [path.get("d", "") for path in tree.iter(f"{SVG}path") if path.get("class") == "stroke"]
    (start, end), (left, right) = ([float(x) for x in re.findall(r"M([\d.]+) .*H([\d.]+)", path)[0]] for path in paths)
    assert (start - left) / (right - left) == pytest.approx(0.25, abs=0.01)
    assert (end - left) / (right - left) == pytest.approx(0.75, abs=0.01)
    circles = [float(circle.get("cx", "nan")) for circle in tree.iter(f"{SVG}circle")]
    assert (circles[0] - left) / (right - left) == pytest.approx(0.5, abs=0.01)


def test_heights_of_a_tree_are_to_scale() -> None:
    tree = ElementTree.fromstring(dendrogram(_branches("a"), title="", description="", scale="", cut=7.0))
    stems = [path.get("d", "") for path in tree.iter(f"{SVG}path")]
    joins = [float(x) for stem in stems for x in re.findall(r"^M([\d.]+) [\d.]+V", stem)]
    (cut,) = (
        float(re.findall(r"M([\d.]+) ", path.get("d", ""))[0])
        for path in tree.iter(f"{SVG}path")
        if "dash" in str(path.get("class"))
    )
    root, part = joins
    # Heights 10, 7 and 4: the cut lies in the middle between the two joins.
    assert cut == pytest.approx((root + part) / 2, abs=0.11)


def test_a_tree_of_one_and_a_very_deep_one_are_drawn() -> None:
    dendrogram(_branches("a")[:1], title="", description="", scale="")
    chain = [Branch(0, None, 3000.0, "all", "", None)]
    for depth in range(1500):
        inner = chain[-2] if depth else chain[0]
        chain += [
            Branch(2 * depth + 1, inner.node, 2999.0 - depth, "in", "", 0),
            Branch(2 * depth + 2, inner.node, 0.0, "out", "", 0),
        ]
    ElementTree.fromstring(dendrogram(chain, title="", description="", scale=""))


def test_a_map_draws_each_place_once_and_labels_do_not_meet() -> None:
    generator = np.random.default_rng(1)
    clouds = [Cloud(f"Segment number {index}", index, *generator.normal(size=(2, 500))) for index in range(8)]
    drawn = scatter(clouds, axes=("", ""), title="", description="")
    assert len(drawn) < 45_000, "a dot takes some ten bytes"
    tree = ElementTree.fromstring(drawn)
    plates = [
        tuple(float(box.get(key, "nan")) for key in ("x", "y", "width", "height"))
        for box in tree.iter(f"{SVG}rect")
        if box.get("class") == "plate"
    ]
    assert len(plates) == 8
    for index, (x, y, width, height) in enumerate(plates):
        for left, top, wide, high in plates[index + 1 :]:
            assert x + width <= left or left + wide <= x or y + height <= top + 0.5 or top + high <= y + 0.5
    for dot in tree.iter(f"{SVG}path"):
        if dot.get("class") == "points":
            places = re.findall(r"M(\d+) (\d+)h0", dot.get("d", ""))
            assert all(0 <= int(x) <= 860 and 0 <= int(y) <= 520 for x, y in places)
            assert len(places) == len(set(places)) > 400


@given(st.text(max_size=80), st.floats(20, 400))
def test_fitted_words_fit(words: str, room: float) -> None:
    assert extent(fit(words, room)) <= room
    assert all(extent(line) <= room for line in wrap(words, room, lines=3))
    assert len(wrap(words, room, lines=3)) <= 3


def test_cells_of_tables() -> None:
    assert 'width="48"' in meter(0.2, 0.4)
    assert 'aria-hidden="true"' in meter(0.0, 0.0)
    assert "nan" not in meter(math.nan, 1.0)
    shown = ElementTree.fromstring(fate([("a", 10**6, "plain"), ("b", 1, "warn"), ("c", 0, "accent")]))
    widths = [float(box.get("width", "nan")) for box in shown.iter("rect")]
    assert widths == pytest.approx([238, 2], abs=0.1), "one row in a million is still seen"
