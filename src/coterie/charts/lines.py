"""Lines on axes: how something grows or falls, several beside each other."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from coterie.charts.axis import Axis
from coterie.charts.drawing import extent, figure, fit, hint, line, number, part, text, wrap
from coterie.charts.numbers import count

_DASHES = ("", "7 4", "2 4", "9 3 2 3", "5 2", "1 3")
_LEGEND, _SWATCH = 20.0, 26.0


@dataclass(frozen=True)
class Line:
    """A line.

    Parameters
    ----------
    label
        What it is.
    x, y
        Its points, from left to right; points that are not finite part it.
    look
        ``accent``, ``plain``, ``warn`` or the class of a group.
    dash
        Which pattern of dashes it has, so that colour is not needed to find it; 0 is none.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    look: str = "plain"
    dash: int = 0


def lines(
    drawn: Sequence[Line],
    *,
    axes: tuple[str, str],
    title: str,
    description: str,
    words: tuple[Callable[[float], str], Callable[[float], str]] = (count, count),
    across: tuple[float, float] | None = None,
    up: tuple[float, float] | None = None,
    marks: Sequence[tuple[float, str]] = (),
    events: Sequence[tuple[float, str]] = (),
    ticks: Sequence[tuple[float, str]] = (),
    width: int = 860,
    height: int = 340,
) -> Markup:
    """Draw lines.

    Parameters
    ----------
    drawn
        The lines, the last on top.
    axes
        What grows to the right, and what grows upwards, in words.
    title, description
        For those who cannot see it.
    words
        How values to the right and upwards are written.
    across, up
        What the axes show; by default all points, upwards from 0.
    marks
        Values to be marked by a dashed upright line, with their meaning.
    events
        Values at which something happened, drawn as dots on the lower axis, with what is said when they are pointed at.
    ticks
        What to write under the lower axis, where round values will not do, as with dates; those without room are left
        out.
    width, height
        Pixels; the legend and the axes' words come on top of the height.
    """
    xs = [one for each in drawn for one in each.x if math.isfinite(one)] + [one for one, _ in (*marks, *events)]
    ys = [one for each in drawn for one in each.y if math.isfinite(one)]
    low, high = across or (min(xs, default=0.0), max(xs, default=1.0))
    bottom, top = up or (0.0, max([*ys, 0.0]) or 1.0)
    named = _legend(drawn, width)
    above = 13.0 + _LEGEND * (len(named) + 1) + (16 if marks else 0)
    base = above + height
    y_axis = Axis(bottom, top, base, above)
    levels = y_axis.ticks(44)
    left = max(extent(words[1](one), 12) for one in levels) + 10
    last = 8.0 if ticks else max(extent(words[0](high), 12) / 2, 8.0)
    x_axis = Axis(low, high, left, width - last)
    body = [*_head(named), text(0, above - 14 - (16 if marks else 0), f"↑ {axes[1]}", classes="muted small")]
    for value in levels:
        y = y_axis.at(value)
        body.append(line(left, y, x_axis.end, y, "axis" if value == bottom else "line"))
        body.append(text(left - 8, y + 4, words[1](value), classes="muted small", anchor="end"))
    body += _below(x_axis, base + (10 if events else 0), words[0], ticks)
    body += [
        text(width, base + (48 if events else 38) + 16 * row, said, classes="muted small", anchor="end")
        for row, said in enumerate(wrap(f"{axes[0]} →", width, 12))
    ]
    for value, said in marks:
        at = x_axis.at(value)
        body.append(line(at, above - 6, at, base, "axis dash"))
        half = extent(said, 12) / 2
        at = min(max(at, left + half), width - half)
        body.append(text(at, above - 11, said, classes="muted small", anchor="middle"))
    body += [part([_line(one, x_axis, y_axis)], one.look) for one in drawn]
    spots = [
        Markup('<circle class="fill" cx="{}" cy="{}" r="4">{}</circle>').format(
            number(x_axis.at(value)), number(base), hint(said)
        )
        for value, said in events
    ]
    body.append(part(spots, "accent"))
    high_ = base + (56 if events else 46)
    return figure(body, width=width, height=high_, title=title, description=description)


def _below(axis: Axis, base: float, words: Callable[[float], str], ticks: Sequence[tuple[float, str]]) -> list[Markup]:
    """Write the values under the lower axis."""
    if not ticks:
        widest = max(extent(words(one), 12) for one in (axis.low, axis.high))
        ticks = [(value, words(value)) for value in axis.ticks(widest + 26)]
    body, free = [], -math.inf
    for value, said in ticks:
        at, half = axis.at(value), extent(said, 12) / 2
        if at - half >= free:
            body.append(text(at, base + 18, said, classes="muted small", anchor="middle"))
            free = at + half + 14
    return body


def _line(one: Line, x_axis: Axis, y_axis: Axis) -> Markup:
    """Draw a line, parted where nothing is known."""
    path, pen = "", False
    for x, y in zip(one.x, one.y, strict=True):
        known = math.isfinite(x) and math.isfinite(y)
        if known:
            path += f"{'L' if pen else 'M'}{number(x_axis.at(x))} {number(y_axis.at(y))}"
        pen = known
    return Markup('<path class="stroke" stroke-width="2" stroke-linejoin="round"{} d="{}">{}</path>').format(
        _dashes(one), path, hint(one.label)
    )


def _dashes(one: Line) -> Markup:
    pattern = _DASHES[one.dash % len(_DASHES)]
    return Markup(' stroke-dasharray="{}"').format(pattern) if pattern else Markup()


def _legend(drawn: Sequence[Line], width: float) -> list[list[tuple[float, Line, str]]]:
    """Lay the lines' names out in as few rows as they fit into."""
    rows: list[list[tuple[float, Line, str]]] = []
    free = width + 1.0
    for one in drawn:
        if not one.label:
            continue
        said = fit(one.label, width - _SWATCH - 8)
        wide = _SWATCH + 7 + extent(said) + 22
        if free + wide - 22 > width:
            rows.append([])
            free = 0.0
        rows[-1].append((free, one, said))
        free += wide
    return rows


def _head(rows: Sequence[Sequence[tuple[float, Line, str]]]) -> list[Markup]:
    """Draw the names with a piece of each line."""
    body = []
    for row, named in enumerate(rows):
        y = 13 + _LEGEND * row
        for x, one, said in named:
            piece = Markup('<path class="stroke" stroke-width="2.5"{} d="M{} {}h{}"/>').format(
                _dashes(one), number(x), number(y - 4), number(_SWATCH)
            )
            body.append(part([piece, text(x + _SWATCH + 7, y, said)], one.look))
    return body
