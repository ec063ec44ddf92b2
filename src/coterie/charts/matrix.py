"""Shares in rows and columns, each a cell that is the fuller the larger the share."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from coterie.charts.drawing import box, extent, figure, fit, hint, number, part, text
from coterie.charts.numbers import share

_ROW = 22.0


def matrix(
    rows: Sequence[tuple[str, Sequence[float | None], str]],
    columns: Sequence[str],
    *,
    title: str,
    description: str,
    width: int = 860,
) -> Markup:
    """Draw shares in [0, 1].

    Parameters
    ----------
    rows
        Of each row its name, a share a column (None where there is nothing to be a share of), and what stands at its
        end.
    columns
        What stands over each column; those without room are left out.
    title, description
        For those who cannot see it.
    width
        Pixels.
    """
    named = min(max((extent(name) for name, _, _ in rows), default=0.0) + 14, width * 0.36)
    end = max((extent(words, 12) for _, _, words in rows), default=0.0) + 12
    pitch = min((width - named - end) / max(len(columns), 1), 64.0)
    body, cells, free = [], [], 0.0
    for place, label in enumerate(columns):
        x = named + place * pitch
        if label and x >= free:
            body.append(text(x, 13, label, classes="muted small"))
            free = x + extent(label, 12) + 8
    for index, (name, shares, words) in enumerate(rows):
        y = 22 + index * _ROW
        body.append(text(0, y + 14, fit(name, named - 10)))
        body.append(text(named + len(columns) * pitch + 10, y + 14, words, classes="small"))
        for place, value in enumerate(shares):
            x, wide = named + place * pitch, max(pitch - 2, 1.0)
            over = f"{name}{f', {columns[place]}' if columns[place] else ''}: "
            if value is None:
                continue
            high = (_ROW - 4) * min(max(value, 0.0), 1.0)
            cells.append(box(x, y, wide, _ROW - 4, "fill tint", over + share(value)))
            cells.append(
                Markup('<rect class="fill" x="{}" y="{}" width="{}" height="{}">{}</rect>').format(
                    number(x), number(y + _ROW - 4 - high), number(wide), number(high), hint(over + share(value))
                )
            )
    return figure(
        [part(cells, "plain"), *body],
        width=width,
        height=24 + len(rows) * _ROW,
        title=title,
        description=description,
    )
