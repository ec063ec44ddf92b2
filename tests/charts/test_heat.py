"""Tables of shades: the darker the more, words that can be read on every shade."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from coterie.charts.heat import _DARKEST, Cell, heat
from coterie.charts.palette import DARK, GROUPS, LIGHT

SVG = "{http://www.w3.org/2000/svg}"


def _shades(drawn: str) -> list[float]:
    boxes = ElementTree.fromstring(drawn).iter(f"{SVG}rect")
    return [float(box.get("fill-opacity", "nan")) for box in boxes if box.get("class") == "fill"]


def test_shades_follow_amounts() -> None:
    cells = [Cell(amount, "") for amount in (0.0, 0.25, 0.5, 1.0, 7.0, -1.0)]
    shades = _shades(heat([("row", 0, cells)], [("c", None)] * 6, title="", description=""))
    assert shades == pytest.approx([0, _DARKEST / 4, _DARKEST / 2, _DARKEST, _DARKEST, 0], abs=0.001)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_words_can_be_read_on_the_darkest_cell(colours: dict[str, str]) -> None:
    def light(colour: tuple[float, ...]) -> float:
        linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in colour]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def parts(name: str) -> tuple[float, ...]:
        return tuple(int(colours[name][at : at + 2], 16) / 255 for at in (1, 3, 5))

    ink, paper = parts("ink"), parts("paper")
    for name in [*(f"g{index}" for index in range(GROUPS)), "bar"]:
        shade = tuple(_DARKEST * one + (1 - _DARKEST) * other for one, other in zip(parts(name), paper, strict=True))
        darker, lighter = sorted((light(ink), light(shade)))
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, name


def test_what_may_not_be_told_has_no_shade_and_what_stays_has_a_frame() -> None:
    drawn = heat(
        [("row", 0, [Cell(None, "<50"), Cell(0.5, "50%", framed=True)])], [("a", 0), ("b", 1)], title="", description=""
    )
    kinds = [box.get("class") for box in ElementTree.fromstring(drawn).iter(f"{SVG}rect")]
    assert kinds == ["line", "fill", "stroke"]
    assert "&lt;50</text>" in drawn


def test_many_columns_keep_their_numbers() -> None:
    names = [(f"A kind of customer, number {index}", index) for index in range(12)]
    rows = [(name, index, [Cell(0.08, "8.3%")] * 12) for name, index in names]
    drawn = heat(rows, names, title="", description="", width=360)
    words = [word.text or "" for word in ElementTree.fromstring(drawn).iter(f"{SVG}text")]
    assert {str(index + 1) for index in range(12)} <= set(words)
    assert "8.3%" not in words, "what does not fit is left to the table beside it"
    assert "8.3%" in heat(rows, names, title="", description="")
