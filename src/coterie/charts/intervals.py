"""Figures with their intervals (dots and whiskers), and many figures in a row (strips)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from coterie.charts.drawing import extent, figure, fit, hint, line, number, part, text
from coterie.charts.numbers import ratio

_LOOKS = {"model": "accent", "view": "accent", "baseline": "plain", "ceiling": "plain"}


@dataclass(frozen=True)
class Dot:
    """A figure with its interval.

    Parameters
    ----------
    label
        Whose figure it is.
    value, low, high
        The figure and the ends of its interval.
    words
        The figure in words.
    look
        ``model`` (filled, accented), ``view`` (hollow, accented), ``baseline`` (filled, grey), ``ceiling`` (a hollow
        diamond), or the class of a group.
    """

    label: str
    value: float
    low: float
    high: float
    words: str
    look: str = "baseline"


def dots(
    rows: Sequence[Dot],
    *,
    title: str,
    description: str,
    span: tuple[float, float] | None = None,
    marks: Sequence[tuple[float, str]] = (),
    width: int = 400,
) -> Markup:
    """Draw figures as dots with their intervals as whiskers, each label above its row.

    Parameters
    ----------
    rows
        From top to bottom.
    title, description
        For those who cannot see it.
    span
        What the axis shows; by default all intervals and marks.
    marks
        Values to be marked by a line, with their meaning.
    width
        Pixels.
    """
    ends = [end for row in rows for end in (row.low, row.high, row.value) if math.isfinite(end)]
    ends += [value for value, _ in marks]
    low, high = span or (min(ends, default=0.0), max(ends, default=1.0))
    if high <= low:
        low, high = low - 0.5, high + 0.5
    left, right, top, pitch = 8.0, width - 64.0, 26.0, 40.0
    height = top + pitch * len(rows) + 6

    def at(value: float) -> float:
        return left + (min(max(value, low), high) - low) / (high - low) * (right - left)

    body: list[Markup] = []
    for value, words in marks:
        body += [
            line(at(value), top + pitch * row + 19, at(value), top + pitch * row + 33, "axis")
            for row in range(len(rows))
        ]
        near = at(value) - left < extent(words, 12) / 2
        over = right - at(value) < extent(words, 12) / 2
        anchor = "start" if near else "end" if over else "middle"
        body.append(text(at(value), 13, words, classes="muted small", anchor=anchor))
    for index, row in enumerate(rows):
        y = top + pitch * index
        strong = row.look == "model"
        body.append(text(0, y + 12, fit(row.label, width - 4), classes="strong" if strong else ""))
        middle = y + 26
        body.append(line(left, middle, right, middle, "line"))
        if not math.isfinite(row.value):
            body.append(text(width, middle + 4, row.words, classes="muted", anchor="end"))
            continue
        thick = "2.5" if strong else "2"
        whisker = f"M{number(at(row.low))} {number(middle)}H{number(at(row.high))}"
        shapes = [Markup('<path class="stroke" stroke-width="{}" d="{}"/>').format(thick, whisker)]
        shapes.append(_spot(at(row.value), middle, row))
        body.append(part(shapes, _LOOKS.get(row.look, row.look)))
        body.append(text(width, middle + 4, row.words, classes="strong" if strong else "", anchor="end"))
    return figure(body, width=width, height=height, title=title, description=description)


def _spot(x: float, y: float, row: Dot) -> Markup:
    """Draw the figure: a dot, a ring for what stands beside the model, a hollow diamond for what no model can reach."""
    tip = hint(f"{row.label}: {row.words}")
    if row.look == "ceiling":
        shape = f"M{number(x)} {number(y - 6.5)}l6.5 6.5-6.5 6.5-6.5-6.5z"
        return Markup('<path class="stroke hollow" stroke-width="2" d="{}">{}</path>').format(shape, tip)
    if row.look == "view":
        return Markup('<circle class="stroke hollow" stroke-width="2" cx="{}" cy="{}" r="5">{}</circle>').format(
            number(x), number(y), tip
        )
    return Markup('<circle class="fill" cx="{}" cy="{}" r="{}">{}</circle>').format(
        number(x), number(y), number(6 if row.look == "model" else 5), tip
    )


@dataclass(frozen=True)
class Strip:
    """Figures of one kind that belong together.

    Parameters
    ----------
    label
        What they belong to.
    values
        The figures.
    words
        What is said at the end of the row.
    chosen
        Whether this row is the one that was taken.
    """

    label: str
    values: tuple[float, ...]
    words: str
    chosen: bool = False


def strips(
    rows: Sequence[Strip],
    *,
    title: str,
    description: str,
    heads: tuple[str, str, str],
    marks: Sequence[tuple[float, str]] = (),
    span: tuple[float, float] = (0.0, 1.0),
    width: int = 860,
) -> Markup:
    """Draw one row of dots for each candidate, with lines that they should stay above.

    Parameters
    ----------
    rows
        From top to bottom.
    title, description
        For those who cannot see it.
    heads
        What the label, the dots and the words at the end are.
    marks
        Values to be marked by a line, with their meaning.
    span
        What the axis shows; figures outside lie on its edge.
    width
        Pixels.
    """
    narrow = width < 600
    left, right = (44.0, width - 96.0) if narrow else (110.0, width - 190.0)
    top, pitch = (58.0 if narrow else 48.0), 28.0
    height = top + pitch * len(rows) + 2
    low, high = span

    def at(value: float) -> float:
        return left + (min(max(value, low), high) - low) / (high - low) * (right - left)

    first, second, third = heads
    body = [
        text(0, 13, first, classes="muted small"),
        text(left, 13 if not narrow else 30, second, classes="muted small"),
        text(width, 13, third, classes="muted small", anchor="end"),
    ]
    for value in span:
        anchor = "start" if value == low else "end"
        body.append(text(at(value), top - 12, ratio(value), classes="muted small", anchor=anchor))
    for value, words in marks:
        body.append(line(at(value), top - 8, at(value), height - 4, "axis dash"))
        body.append(text(at(value), top - 12, words, classes="muted small", anchor="middle"))
    for index, row in enumerate(rows):
        y = top + pitch * index + 14
        strong = "strong" if row.chosen else ""
        shapes = [line(left, y, right, y, "line")]
        for value in row.values:
            if math.isfinite(value):
                spot = Markup('<circle class="fill see" cx="{}" cy="{}" r="5">{}</circle>').format(
                    number(at(value)), number(y), hint(f"{row.label}: {value:.2f}")
                )
                shapes.append(spot)
        body.append(text(0, y + 4, fit(row.label, left - 8), classes=strong))
        body.append(part(shapes, "accent" if row.chosen else "plain"))
        body.append(text(width, y + 4, fit(row.words, width - right - 12), classes=strong, anchor="end"))
    return figure(body, width=width, height=height, title=title, description=description)
