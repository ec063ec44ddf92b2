"""A table whose cells are the darker the larger their figure is; the figure stands in each cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from coterie.charts.drawing import extent, figure, fit, hint, number, part, text, wrap
from coterie.charts.palette import group

_DARKEST = 0.42  # of the colour at most, so that words on it keep 4.5 : 1 on light and on dark paper
_ROW = 30.0


@dataclass(frozen=True)
class Cell:
    """One figure of a table.

    Parameters
    ----------
    amount
        From 0 to 1, how dark it is; None where it may not be told.
    words
        The figure in words.
    tip
        What is said when it is pointed at.
    framed
        Whether it is set off, as what stays as it was.
    """

    amount: float | None
    words: str
    tip: str = ""
    framed: bool = False


def heat(
    rows: Sequence[tuple[str, int | None, Sequence[Cell]]],
    columns: Sequence[tuple[str, int | None]],
    *,
    title: str,
    description: str,
    corner: str = "",
    width: int = 860,
) -> Markup:
    """Draw a table of figures.

    Parameters
    ----------
    rows
        Of each row its name, its segment (None for what is no segment) and a cell a column.
    columns
        Of each column its name and its segment.
    title, description
        For those who cannot see it.
    corner
        What rows and columns are, in words.
    width
        Pixels; columns are told by their numbers alone, and rows too below 600, where names do not fit.
    """
    narrow = width < 600
    names = [_named(label, segment) for label, segment, _ in rows]
    room = width * (0.26 if narrow else 0.3)
    named = min(max((extent(name) for name in names), default=0.0) + 14, room)
    pitch = min((width - named) / max(len(columns), 1), 110.0)
    heads = [_head(label, segment, pitch) for label, segment in columns]
    deep = max((len(head) for head in heads), default=1)
    above = wrap(corner, width, 12)
    top = 16.0 * len(above) + 16.0 * deep + 12
    body = [text(0, 13 + 16 * index, said, classes="muted small") for index, said in enumerate(above)]
    for place, head in enumerate(heads):
        middle = named + place * pitch + pitch / 2
        first = top - 10 - 16 * (len(head) - 1)
        body += [
            text(middle, first + 16 * index, said, classes="strong", anchor="middle") for index, said in enumerate(head)
        ]
    for index, ((_, segment, cells), name) in enumerate(zip(rows, names, strict=True)):
        y = top + _ROW * index
        said = fit(name, named - 10)
        body.append(text(0, y + 19, said, classes="strong" if segment is not None else "muted"))
        shapes = [
            _cell(cell, named + place * pitch, y, pitch, f"{name} → {_named(*columns[place])}")
            for place, cell in enumerate(cells)
        ]
        body.append(part(shapes, "plain" if segment is None else group(segment), segment=segment))
    return figure(body, width=width, height=top + _ROW * len(rows) + 4, title=title, description=description)


def _cell(cell: Cell, x: float, y: float, pitch: float, where: str) -> Markup:
    """Draw a cell: its shade, its frame where it has one, and its figure."""
    tip = hint(cell.tip or f"{where}: {cell.words}")
    place = Markup('x="{}" y="{}" width="{}" height="{}"').format(
        number(x + 1), number(y + 1), number(pitch - 2), number(_ROW - 2)
    )
    if cell.amount is None:
        shade = Markup('<rect class="line" {}>{}</rect>').format(place, tip)
    else:
        dark = f"{_DARKEST * min(max(cell.amount, 0.0), 1.0):.3f}"
        shade = Markup('<rect class="fill" fill-opacity="{}" {}>{}</rect>').format(dark, place, tip)
    frame = Markup()
    if cell.framed:
        frame = Markup('<rect class="stroke" stroke-width="1.5" {}/>').format(place)
    words = cell.words if extent(cell.words, 12) <= pitch - 2 else ""  # the table beside the figure has it
    classes = "small" if cell.amount is not None else "muted small"
    return shade + frame + text(x + pitch / 2, y + 19, words, classes=classes, anchor="middle")


def _named(label: str, segment: int | None) -> str:
    return label if segment is None else f"{segment + 1} {label}"


def _head(label: str, segment: int | None, pitch: float) -> list[str]:
    """Return a column's name, or its number where the name does not fit."""
    if segment is not None and pitch < 84:
        return [str(segment + 1)]
    return wrap(_named(label, segment), pitch - 6)
