"""Bars: how parts compare (mosaic), what sets a part apart (diverging), how a total went by month (columns)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from coterie.charts.drawing import box, extent, figure, fit, hint, line, part, text, wrap
from coterie.charts.palette import group


@dataclass(frozen=True)
class Tile:
    """A column of a mosaic.

    Parameters
    ----------
    label
        Its name.
    width
        Its share of all widths, not negative; None where it may not be told (drawn as a thin hatched column).
    height
        Its height, not negative; None where it may not be told.
    above
        What the height means, in words, such as "$2,637 a head".
    inside
        What the area means, in words, such as "41% of value".
    segment
        Its id, from 0.
    """

    label: str
    width: float | None
    height: float | None
    above: str
    inside: str
    segment: int


def mosaic(tiles: Sequence[Tile], *, title: str, description: str, across: str, width: int = 860) -> Markup:
    """Draw columns whose width and height both speak, so that their area is the product of the two.

    Parameters
    ----------
    tiles
        The columns, from left to right.
    title, description
        For those who cannot see it.
    across
        What width means, in words, written under the columns.
    width
        Pixels; below 600 names are left to the table beside it and columns carry their numbers only.
    """
    narrow = width < 600
    top, base = (30.0, 240.0) if narrow else (66.0, 340.0)
    gap, hidden = 3.0, 14.0
    known = sum(tile.width or 0.0 for tile in tiles) or 1.0
    secret = sum(tile.width is None for tile in tiles)
    free = width - gap * max(len(tiles) - 1, 0) - hidden * secret
    tallest = max((tile.height or 0.0 for tile in tiles), default=0.0) or 1.0
    body, x = [line(0, base + 0.5, width, base + 0.5, "axis")], 0.0
    unnamed: list[str] = []
    for tile in tiles:
        wide = hidden if tile.width is None else free * tile.width / known
        high = 10.0 if tile.height is None else (base - top) * tile.height / tallest
        tip = f"{tile.segment + 1} {tile.label}: {tile.above}; {tile.inside}"
        shapes = [box(x, base - high, wide, high, "fill tint", tip), box(x, base - high, wide, 3)]
        y, name = base - high - 10, f"{tile.segment + 1} {tile.label}"
        if not narrow and wide > 84:
            shapes.append(text(x, y, fit(tile.above, wide), classes="muted"))
            for row, said in enumerate(reversed(wrap(name, wide))):
                shapes.append(text(x, y - 17 * (row + 1), said, classes="strong"))
        else:
            # A narrow column carries its number; what it says stands below, or in the table beside a phone's figure.
            shapes.append(text(x + wide / 2, y, str(tile.segment + 1), classes="strong", anchor="middle"))
            unnamed.append(tip)
        if high > 34 and extent(tile.inside) + 18 < wide:
            shapes.append(text(x + 9, base - 11, tile.inside, classes="strong"))
        body.append(part(shapes, group(tile.segment), segment=tile.segment))
        x += wide + gap
    below = wrap(across, width, 12, lines=3)
    for said in [] if narrow else unnamed:
        below.append(fit(said, width, 12))
    body += [text(0, base + 20 + 16 * row, words, classes="muted small") for row, words in enumerate(below)]
    return figure(body, width=width, height=base + 12 + 16 * len(below), title=title, description=description)


@dataclass(frozen=True)
class Difference:
    """A row of a diverging bar chart.

    Parameters
    ----------
    label
        What is compared.
    effect
        Signed length, in the unit of ``scale``.
    words
        Both figures in their own unit, such as "14" and "5".
    tip
        What is said when it is pointed at.
    """

    label: str
    effect: float
    words: tuple[str, str]
    tip: str = ""


def diverging(
    rows: Sequence[Difference],
    *,
    title: str,
    description: str,
    ends: tuple[str, str],
    segment: int,
    reach: float,
    width: int = 560,
) -> Markup:
    """Draw bars to the left and right of a common middle, with both figures written out.

    Parameters
    ----------
    rows
        From top to bottom.
    title, description
        For those who cannot see it.
    ends
        What left and right mean, in words.
    segment
        Whose colour the bars take.
    reach
        The effect at which a bar is as long as there is room; equal in all figures that will be compared.
    width
        Pixels; below 480 each label stands above its bar.
    """
    stacked = width < 480
    figures = max((extent(words) for row in rows for words in row.words), default=0.0) + 14
    figures = max(figures, 66.0)
    named = min(max((extent(row.label) for row in rows), default=0.0) + 12, width * 0.34)
    named = max(named, width * 0.28)
    left, right = (0.0, float(width)) if stacked else (named, width - 2 * figures - 6)
    pitch, thick, top = (42.0, 9.0, 48.0) if stacked else (28.0, 14.0, 30.0)
    middle, scale = (left + right) / 2, (right - left) / 2 / (reach or 1.0)
    height = top + pitch * len(rows) + 4
    body = [
        text(left, 13, f"← {ends[0]}", classes="muted small"),
        text(right, 13, f"{ends[1]} →", classes="muted small", anchor="end"),
        text(width - figures, 32 if stacked else 13, "segment", classes="small", anchor="end"),
        text(width, 32 if stacked else 13, "everyone", classes="muted small", anchor="end"),
    ]
    shapes = []
    for index, row in enumerate(rows):
        y = top + pitch * index
        length = min(abs(row.effect), reach) * scale
        start = middle if row.effect >= 0 else middle - length
        body += [
            text(0, y + 12, fit(row.label, width - 2 * figures - 8 if stacked else named - 8)),
            text(width - figures, y + 12, row.words[0], classes="strong", anchor="end"),
            text(width, y + 12, row.words[1], classes="muted", anchor="end"),
        ]
        shapes.append(box(start, y + (20 if stacked else 1), length, thick, "fill", row.tip))
        if stacked:
            body.append(line(middle, y + 17, middle, y + 32, "axis"))
    if not stacked:
        body.append(line(middle, top - 6, middle, height - 4, "axis"))
    return figure(
        [part(shapes, group(segment)), *body], width=width, height=height, title=title, description=description
    )


def columns(
    values: Sequence[tuple[str, float, str]],
    *,
    title: str,
    description: str,
    width: int = 860,
    height: int = 150,
    written: bool = False,
) -> Markup:
    """Draw one column a period, in order of time.

    Parameters
    ----------
    values
        Each period's label, figure (not negative) and figure in words.
    title, description
        For those who cannot see it.
    width, height
        Pixels.
    written
        Whether each figure is written out; else only the highest and the last.
    """
    top, base = 26.0, height - 24.0
    most = max((value for _, value, _ in values), default=0.0) or 1.0
    pitch = width / max(len(values), 1)
    wide = min(pitch - 3, 64.0) if pitch > 6 else pitch * 0.7
    body = [line(0, base + 0.5, width, base + 0.5, "axis")]
    every = max(1, -(-int(max((extent(label, 12) for label, _, _ in values), default=1) + 10) // max(int(pitch), 1)))
    peak = max(range(len(values)), key=lambda index: values[index][1], default=0)
    for index, (label, value, words) in enumerate(values):
        x = index * pitch + (pitch - wide) / 2
        high = (base - top) * value / most
        body.append(box(x, base - high, wide, high, "fill", f"{label}: {words}"))
        if index % every == 0:
            under = max(index * pitch + pitch / 2, extent(label, 12) / 2)
            body.append(text(under, base + 18, label, classes="muted small", anchor="middle"))
        if written:
            body.append(text(x + wide / 2, base - high - 7, words, classes="small", anchor="middle"))
        elif index in (peak, len(values) - 1) and (index == peak or abs(index - peak) * pitch > extent(words, 12) + 8):
            anchor = "end" if index == len(values) - 1 else "start" if index == 0 else "middle"
            at = {"end": x + wide, "start": x, "middle": x + wide / 2}[anchor]
            body.append(text(at, base - high - 7, words, classes="small", anchor=anchor))
    return figure([part(body, "plain")], width=width, height=height, title=title, description=description)


def meter(amount: float, most: float, *, segment: int | None = None, width: int = 96) -> Markup:
    """Draw one bar for a cell of a table, beside the figure in words; it says nothing that the figure does not."""
    length = width * min(max(amount / most, 0.0), 1.0) if most > 0 and math.isfinite(amount) else 0.0
    body = part([box(0, 0, max(length, 1.0 if amount > 0 else 0.0), 8)], "plain" if segment is None else group(segment))
    return Markup('<svg class="meter" viewBox="0 0 {w} 8" width="{w}" height="8" aria-hidden="true">{}</svg>').format(
        body, w=width
    )


def fate(parts: Sequence[tuple[str, int, str]], *, width: int = 240) -> Markup:
    """Draw for a cell of a table what became of all rows of a file.

    Parameters
    ----------
    parts
        Each part's name, its rows, and the class that colours it; a part that is there is at least 2 pixels wide.
    width
        Pixels.
    """
    present = [(name, rows, look) for name, rows, look in parts if rows > 0]
    total = sum(rows for _, rows, _ in present) or 1
    least = 2.0
    free = width - least * len(present)
    shapes, x = [], 0.0
    for name, rows, look in present:
        wide = least + free * rows / total
        shapes.append(
            Markup('<g class="{}"><rect class="fill" x="{:.1f}" y="0" width="{:.1f}" height="10">{}</rect></g>').format(
                look, x, wide, hint(f"{name}: {rows:,}")
            )
        )
        x += wide
    return Markup('<svg class="meter" viewBox="0 0 {w} 10" width="{w}" height="10" aria-hidden="true">{}</svg>').format(
        Markup().join(shapes), w=width
    )
