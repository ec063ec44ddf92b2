"""Profiles beside each other: parts in columns, features in rows, each cell a bar to the left or right of the mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from coterie.charts.drawing import box, extent, figure, fit, line, part, text, wrap
from coterie.charts.numbers import deviations
from coterie.charts.palette import group

_ROW, _STACKED = 24.0, 40.0  # pixels a feature takes beside, and below, its name
_SAID = 62.0  # pixels of a cell from which it also says its figure
_APART = "\u00a0\u00a0 "  # between names on one line
_QUIET = 0.1  # standard deviations below which there is nothing to say


@dataclass(frozen=True)
class Profile:
    """One part's column.

    Parameters
    ----------
    label
        Its name.
    segment
        Its id, from 0.
    effects
        Of each feature, how far the part lies from everyone: in standard deviations; NaN where it is unknown.
    """

    label: str
    segment: int
    effects: tuple[float, ...]


def profile(
    profiles: Sequence[Profile],
    features: Sequence[str],
    *,
    title: str,
    description: str,
    reach: float | None = None,
    width: int = 860,
) -> Markup:
    """Draw how far each part lies from everyone, feature by feature, all on one scale.

    This is the snake plot of marketing with its lines laid side by side: lines of many parts that cross in one panel
    cannot be followed, bars in columns can, for 2 to 12 parts and 5 to 25 features.

    Parameters
    ----------
    profiles
        The parts, from left to right.
    features
        The features' names, from top to bottom.
    title, description
        For those who cannot see it.
    reach
        The effect at which a bar is as long as there is room; None takes the longest, at most 2.5.
    width
        Pixels; below 600 each feature's name stands above its bars.
    """
    stacked = width < 600
    named = 0.0 if stacked else min(max((extent(name) for name in features), default=0.0) + 16, width * 0.28)
    pitch = (width - named) / max(len(profiles), 1)
    longest = max((abs(one) for part_ in profiles for one in part_.effects if math.isfinite(one)), default=1.0)
    reach = reach or min(max(longest, 1.0), 2.5)
    heads = [wrap(f"{one.segment + 1} {one.label}", pitch - 8, lines=3) for one in profiles]
    spoken = pitch >= 92
    deep = max((len(head) for head in heads), default=1) if spoken else 1
    top = 16.0 * deep + 8
    row = _STACKED if stacked else _ROW
    bottom = top + row * len(features)
    body: list[Markup] = []
    for index, name in enumerate(features):
        y = top + row * index
        body.append(line(0, y, width, y))
        body.append(text(0, y + (14.5 if stacked else 16.5), fit(name, width if stacked else named - 10)))
    for place, one in enumerate(profiles):
        left = named + place * pitch
        body.append(_column(one, features, left, pitch, top, reach, stacked=stacked))
        if spoken:
            first = top - 10 - 16 * (len(heads[place]) - 1)
            body += [
                text(left + pitch / 2, first + 16 * index, said, classes="strong", anchor="middle")
                for index, said in enumerate(heads[place])
            ]
        else:
            body.append(text(left + pitch / 2, top - 10, str(one.segment + 1), classes="strong", anchor="middle"))
    below = [f"Bars to the right: more than everyone; full length: {deviations(reach)}."]
    below += [] if spoken else [f"{one.segment + 1} {one.label}" for one in profiles]
    body += _legend(below, width, bottom + 20)
    height = bottom + 10 + 17 * len(_lines(below, width))
    return figure(body, width=width, height=height, title=title, description=description)


def _column(
    one: Profile,
    features: Sequence[str],
    left: float,
    pitch: float,
    top: float,
    reach: float,
    *,
    stacked: bool,
) -> Markup:
    """Draw a part's bars around its own middle, each with its figure on the free side where there is room."""
    middle, half, row = left + pitch / 2, pitch / 2 - 4, _STACKED if stacked else _ROW
    shapes, words, axes = [], [], []
    for index, (name, effect) in enumerate(zip(features, one.effects, strict=True)):
        y = top + row * index
        at, thick = (y + 22, 12.0) if stacked else (y + 5, row - 10)
        axes.append(line(middle, at - 3 if stacked else y, middle, at + thick + 3 if stacked else y + row, "axis"))
        if not math.isfinite(effect):
            words.append(text(middle, at + thick - 2, "–", classes="muted small", anchor="middle"))
            continue
        length = max(min(abs(effect), reach) / reach * half, 0.75)
        tip = f"{one.segment + 1} {one.label}, {name}: {deviations(effect)}"
        shapes.append(box(middle if effect >= 0 else middle - length, at, length, thick, "fill", tip))
        if pitch >= _SAID and abs(effect) >= _QUIET:
            side = -1 if effect >= 0 else 1
            said = deviations(effect).split("\u00a0")[0]
            anchor = "end" if side < 0 else "start"
            words.append(text(middle + 5 * side, at + thick - 2.5, said, classes="muted small", anchor=anchor))
    return part([*shapes, *axes, *words], group(one.segment), segment=one.segment)


def _lines(words: Sequence[str], width: float) -> list[str]:
    """Lay words out in as few lines as they fit into."""
    lines: list[str] = []
    for said in words:
        joined = f"{lines[-1]}{_APART}{said}" if lines else said
        if lines and len(lines) > 1 and extent(joined, 12) <= width:
            lines[-1] = joined
        else:
            lines.append(fit(said, width, 12))
    return lines


def _legend(words: Sequence[str], width: float, y: float) -> list[Markup]:
    return [text(0, y + 17 * place, said, classes="muted small") for place, said in enumerate(_lines(words, width))]
