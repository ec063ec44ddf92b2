import math
import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.charts.axis import Axis
from coterie.charts.drawing import standalone
from coterie.charts.lines import Line, lines
from coterie.charts.raster import png
from coterie.charts.reliability import Spot, reliability
from coterie.charts.surface import surface

TEXT = {"title": "T", "description": "D"}
spans = st.tuples(st.floats(0, 1e6), st.floats(1e-3, 1e6), st.floats(40, 900), st.booleans())


@given(spans, st.floats(10, 200))
def test_ticks_are_round_apart_and_on_the_axis(span, apart):
    low, size, length, root = span
    axis = Axis(0.0 if root else low, (0.0 if root else low) + size, 0.0, length, root)
    ticks = axis.ticks(apart)
    places = [axis.at(one) for one in ticks]
    assert all(axis.low - 1e-6 * size <= one <= axis.high + 1e-6 * size for one in ticks)
    assert all(second - first >= apart * (1 - 1e-6) for first, second in pairwise(places))
    for one in ticks:
        if one and (root or low == 0):
            digits = one / 10 ** math.floor(math.log10(one))
            assert math.isclose(digits * 4, round(digits * 4), rel_tol=1e-6), "quarters of a power of ten"


@given(spans)
def test_values_keep_their_order_and_ends_are_ends(span):
    low, size, length, root = span
    axis = Axis(low, low + size, 0.0, length, root)
    assert (axis.at(low), axis.at(low + size)) == (0.0, pytest.approx(length))
    assert axis.at(low - 1) == 0.0
    assert axis.at(low + size / 4) == pytest.approx(length * (0.5 if root else 0.25), rel=1e-3, abs=1e-3 * length)


def test_an_axis_of_one_value_has_a_middle():
    axis = Axis(3.0, 3.0, 0.0, 100.0)
    assert (axis.at(3.0), axis.ticks(40)) == (50.0, [3.0])


def test_a_line_is_parted_where_nothing_is_known():
    drawn = lines([Line("a", (0, 1, 2, 3), (1, math.nan, 2, 3))], axes=("x", "y"), **TEXT)
    (path,) = re.findall(r'stroke-width="2" stroke-linejoin="round" d="([^"]*)"', drawn)
    assert (path.count("M"), path.count("L")) == (2, 1)


def test_every_line_is_named_and_tells_itself_apart_without_colour():
    drawn = lines([Line("one", (0, 1), (0, 1)), Line("two", (0, 1), (1, 0), dash=1)], axes=("x", "y"), **TEXT)
    assert "one</text>" in drawn
    assert "two</text>" in drawn
    assert drawn.count('stroke-dasharray="7 4"') == 2, "on the line and in its name"


def test_words_of_dates_that_have_no_room_are_left_out():
    ticks = [(float(day), f"day {day}") for day in range(300)]
    drawn = lines([Line("", (0, 300), (0, 1))], axes=("x", "y"), ticks=ticks, width=360, **TEXT)
    assert 3 <= len(re.findall(r">day \d+<", drawn)) <= 8


def test_what_the_diagonal_misses_is_a_warning():
    spots = [Spot(0.1, 0.1, 0.05, 0.15, "first"), Spot(0.4, 0.2, 0.15, 0.25, "second")]
    drawn = reliability(spots, axes=("predicted", "happened"), **TEXT)
    assert re.search(r'class="accent">(?:(?!</g>).)*first', drawn)
    assert re.search(r'class="warn">(?:(?!</g>).)*second', drawn)


def test_one_scale_for_both_sides():
    drawn = reliability([Spot(4.0, 4.0, 3.0, 4.0, "s")], axes=("p", "h"), root=True, width=400, **TEXT)
    (diagonal,) = re.findall(r'class="axis dash" d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)"', drawn)
    x1, y1, x2, y2 = map(float, diagonal)
    ((x, y),) = re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', drawn)
    assert x2 - x1 == pytest.approx(y1 - y2, abs=0.15), "coordinates have one decimal"
    assert (float(x), float(y)) == pytest.approx((x2, y2))


def test_larger_values_are_darker_and_unknown_ones_blank():
    values = np.array([[0.0, 1.0], [np.nan, 2.0]])
    drawn = surface(values, [1, 2], [1, 2], axes=("x", "y", "z"), width=400, **TEXT)
    shades = re.findall(r'fill-opacity="([\d.]+)" d="M\d+ (\d+)H\d+V(\d+)H\d+z"', drawn)
    cells = [float(opacity) for opacity, top, _ in shades if top != "20"]
    assert len(cells) == 3
    assert cells[0] < cells[1] < cells[2] == 1.0


def test_cells_of_a_surface_leave_no_seams():
    drawn = surface(np.ones((7, 9)), list(range(1, 10)), list(range(1, 8)), axes=("x", "y", "z"), width=360, **TEXT)
    runs = re.findall(r"M(\d+) (\d+)H(\d+)V(\d+)H\1z", drawn)
    rows = sorted((int(top), int(bottom)) for _, bottom, _, top in runs if bottom != "20")
    assert len(rows) == 7
    assert all(first[1] == second[0] for first, second in pairwise(rows))


@pytest.mark.parametrize("width", [360, 860])
@pytest.mark.parametrize("dark", [False, True])
def test_all_are_files_and_pictures_also_of_nothing(width, dark):
    figures = [
        lines([], axes=("x", "y"), width=width, **TEXT),
        lines(
            [Line("<b>&", (0, 1), (0, 0), "g1")],
            axes=("x", "y"),
            marks=[(1, "m")],
            events=[(0, "e")],
            width=width,
            **TEXT,
        ),
        reliability([], axes=("p", "h"), width=width, **TEXT),
        surface(np.zeros((1, 1)), [1], [1], axes=("x", "y", "z"), root=True, width=width, **TEXT),
    ]
    for one in figures:
        assert "<b>" not in one
        assert standalone(one, dark=dark).startswith("<svg")
        assert png(one, dark=dark, scale=0.5).startswith(b"\x89PNG")
