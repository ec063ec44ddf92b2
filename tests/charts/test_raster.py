"""A PNG file shows what the SVG says: its size, its colours, light and dark, and its words without any system font."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from markupsafe import Markup

from coterie.charts.drawing import box, extent, figure, part, text
from coterie.charts.palette import DARK, GROUPS, LIGHT, group
from coterie.charts.raster import png
from coterie.errors import ParameterError
from oracles.png import pixels


def _drawn(*body: Markup, width: float = 120, height: float = 40) -> Markup:
    return figure(body, width=width, height=height, title="t", description="d")


def _colour(name: str, *, dark: bool) -> tuple[int, ...]:
    code = (DARK if dark else LIGHT)[name]
    return tuple(int(code[at : at + 2], 16) for at in (1, 3, 5))


def _inked(drawn: Markup, **options: float) -> npt.NDArray[np.bool_]:
    """Which pixels are not paper."""
    found = pixels(png(drawn, **options))[..., :3].astype(int)
    return np.abs(found - np.array(_colour("paper", dark=False))).max(axis=2) > 60


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
class TestColours:
    def test_paper_and_every_group(self, dark: bool) -> None:
        shapes = [part([box(10 * index, 0, 10, 10)], group(index), segment=index) for index in range(GROUPS)]
        found = pixels(png(_drawn(*shapes), dark=dark, scale=1, margin=5))
        assert tuple(found[0, 0, :3]) == _colour("paper", dark=dark)
        for index in range(GROUPS):
            assert tuple(found[10, 10 + 10 * index, :3]) == _colour(f"g{index}", dark=dark)

    def test_a_shape_takes_the_colour_of_the_group_nearest_around_it(self, dark: bool) -> None:
        inner = part([box(0, 0, 20, 20)], "g2")
        found = pixels(png(_drawn(part([inner, box(40, 0, 20, 20)], "warn")), dark=dark, scale=1, margin=0))
        assert tuple(found[10, 10, :3]) == _colour("g2", dark=dark)
        assert tuple(found[10, 50, :3]) == _colour("warn", dark=dark)

    def test_words_are_ink(self, dark: bool) -> None:
        found = pixels(png(_drawn(text(0, 30, "MMM", size=30)), dark=dark, scale=4))
        assert (found[..., :3] == _colour("ink", dark=dark)).all(axis=2).sum() > 500


def test_size_follows_scale_and_margin() -> None:
    assert pixels(png(_drawn(), scale=1, margin=0)).shape[:2] == (40, 120)
    assert pixels(png(_drawn(), scale=2.5, margin=4)).shape[:2] == (120, 320)


@pytest.mark.parametrize("words", ["Regulars, 24 people", "Ωραία −→≈ €₹", "Жёлтый", "Łódź ș ğ", "שלום"])
def test_words_are_drawn_without_fonts_of_the_system(words: str) -> None:
    # All these letters are in the font that we bring, so the fonts of the system are not looked at.
    inked = _inked(_drawn(text(0, 28, words, size=20), width=300))
    columns = np.flatnonzero(inked.any(axis=0))
    assert len(columns) > 40, "there is something"
    assert columns[-1] - columns[0] < 2 * 1.25 * extent(words, 20), "and it takes about the room that figures leave it"


def test_strong_words_are_stronger() -> None:
    weak, strong = (_inked(_drawn(text(0, 25, "Regulars", classes=classes))).sum() for classes in ("", "strong"))
    assert strong > 1.2 * weak


@pytest.mark.parametrize("words", ["var(--c) var(--none)", "font-family:x;}</style><style>", "a{b}", "週末のお客様"])
def test_any_words_are_only_words(words: str) -> None:
    assert len(png(_drawn(text(0, 25, words), part([box(0, 0, 9, 9)], "g0")))) > 200


def test_same_figure_same_file() -> None:
    drawn = _drawn(text(0, 25, "Regulars"), part([box(0, 0, 9, 9)], "g0"))
    assert png(drawn) == png(drawn)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), 500.0])
def test_scales_that_make_no_picture_are_refused(scale: float) -> None:
    with pytest.raises(ParameterError, match="scale"):
        png(_drawn(), scale=scale)


def test_only_figures_become_pictures() -> None:
    with pytest.raises(ParameterError):
        png(Markup("<svg></svg>"))
