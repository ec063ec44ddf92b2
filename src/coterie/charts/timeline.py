"""How much there was, period by period, with the periods marked that are not as usual."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from coterie.charts.drawing import box, extent, figure, line, part, text


@dataclass(frozen=True)
class Period:
    """One period of a timeline.

    Parameters
    ----------
    height
        How much, not negative; None where it may not be told (drawn as a low hollow bar).
    words
        What it is and how much, said when it is pointed at.
    tick
        What is written under it; empty for most.
    odd
        Whether it is marked: nothing or too little, where there usually is something.
    """

    height: float | None
    words: str
    tick: str = ""
    odd: bool = False


def timeline(
    periods: Sequence[Period], *, title: str, description: str, most: str, width: int = 860, height: int = 150
) -> Markup:
    """Draw one bar a period, in order of time.

    Parameters
    ----------
    periods
        The periods, without gaps.
    title, description
        For those who cannot see it.
    most
        What the highest bar stands for, in words.
    width, height
        Pixels.
    """
    top, base = 22.0, height - 24.0
    highest = max((period.height or 0.0 for period in periods), default=0.0) or 1.0
    pitch = width / max(len(periods), 1)
    wide = min(pitch - 2, 48.0) if pitch > 5 else pitch * 0.8
    bars, marks = [], []
    body = [
        line(0, top, width, top, "line"),
        text(0, top - 7, most, classes="muted small"),
        line(0, base + 0.5, width, base + 0.5, "axis"),
    ]
    free = 0.0
    for index, period in enumerate(periods):
        x = index * pitch + (pitch - wide) / 2
        if period.height is None:
            bars.append(box(x, base - 5, wide, 5, "fill tint", period.words))
        elif period.height > 0:
            bars.append(
                box(
                    x,
                    base - (base - top) * period.height / highest,
                    wide,
                    (base - top) * period.height / highest,
                    "fill",
                    period.words,
                )
            )
        if period.odd:
            side = max(wide, 4.0)
            marks.append(box(x + wide / 2 - side / 2, base + 2, side, 4, "fill", period.words))
        if period.tick and index * pitch >= free and index * pitch + extent(period.tick, 12) <= width:
            body.append(text(index * pitch, base + 20, period.tick, classes="muted small"))
            free = index * pitch + extent(period.tick, 12) + 10
    return figure(
        [part(bars, "plain"), part(marks, "warn"), *body],
        width=width,
        height=height,
        title=title,
        description=description,
    )
