"""A surface seen from above: a value at each place of two axes, the darker the larger."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from coterie.charts.axis import Axis
from coterie.charts.drawing import extent, figure, hint, line, part, text, wrap
from coterie.charts.numbers import count

_SHADES = 24
_FAINTEST = 0.04


def surface(
    values: npt.NDArray[np.float64],
    x: Sequence[float],
    y: Sequence[float],
    *,
    axes: tuple[str, str, str],
    title: str,
    description: str,
    words: tuple[Callable[[float], str], Callable[[float], str], Callable[[float], str]] = (count, count, count),
    span: tuple[float, float] | None = None,
    root: bool = False,
    width: int = 400,
) -> Markup:
    """Draw values by shades of one colour, with the scale of the shades above.

    Parameters
    ----------
    values
        Shape (y, x); what is not finite stays blank.
    x, y
        The middles of the columns from left to right, and of the rows from bottom to top, at equal steps.
    axes
        What grows to the right, what grows upwards and what is shaded, in words.
    title, description
        For those who cannot see it.
    words
        How x, y and values are written.
    span
        The values of the faintest and the darkest shade; by default 0 and the largest.
    root
        Whether shades grow with the root, so that small values can be told apart beside large ones.
    width
        Pixels; it is about as high.
    """
    finite = values[np.isfinite(values)]
    low, high = span or (0.0, float(finite.max(initial=0.0)) or 1.0)
    said = wrap(f"↑ {axes[1]}", width, 12)
    above = 62.0 + 16 * len(said)
    half_x, half_y = _half(x), _half(y)
    trial = Axis(y[0] - half_y, y[-1] + half_y, 0.0, width).ticks(40)
    left = max(extent(words[1](one), 12) for one in trial) + 10
    side = width - left - 8
    deep = side * 0.8
    x_axis = Axis(x[0] - half_x, x[-1] + half_x, left, left + side)
    y_axis = Axis(y[0] - half_y, y[-1] + half_y, above + deep, above)
    shade = Axis(low, high, 0.0, float(_SHADES), root)
    body = _scale(axes[2], words[2], shade, width)
    body += [
        text(0, above - 10 - 16 * (len(said) - 1 - row), one, classes="muted small") for row, one in enumerate(said)
    ]
    edges = [round(left + side * place / len(x)) for place in range(len(x) + 1)]  # whole pixels leave no seams
    tops = [round(above + deep * (1 - place / len(y))) for place in range(len(y) + 1)]
    shades: dict[int, list[str]] = {}
    for row in range(len(y)):
        level = [_shade(float(one), shade) for one in values[row]]
        start = 0
        for column in range(1, len(x) + 1):
            if column == len(x) or level[column] != level[start]:
                run = f"M{edges[start]} {tops[row]}H{edges[column]}V{tops[row + 1]}H{edges[start]}z"
                shades.setdefault(level[start], []).append(run)
                start = column
    cells = [
        Markup('<path class="fill" shape-rendering="crispEdges" fill-opacity="{}" d="{}"/>').format(
            _opacity(level), "".join(paths)
        )
        for level, paths in sorted(shades.items())
        if level >= 0
    ]
    body.append(part([*cells, hint(axes[2])], "accent"))
    body.append(line(left, above + deep + 0.5, left + side, above + deep + 0.5, "axis"))
    for value in y_axis.ticks(36):
        body.append(text(left - 8, y_axis.at(value) + 4, words[1](value), classes="muted small", anchor="end"))
    for value in x_axis.ticks(extent(words[0](x[-1]), 12) + 22):
        at = x_axis.at(value)
        body.append(text(at, above + deep + 18, words[0](value), classes="muted small", anchor="middle"))
    below = wrap(f"{axes[0]} →", width, 12)
    body += [
        text(width, above + deep + 38 + 16 * row, one, classes="muted small", anchor="end")
        for row, one in enumerate(below)
    ]
    height = above + deep + 30 + 16 * len(below)
    return figure(body, width=width, height=height, title=title, description=description)


def _scale(name: str, words: Callable[[float], str], shade: Axis, width: float) -> list[Markup]:
    """Draw which shade is which value."""
    long = min(width * 0.5, 200.0)
    axis = replace(shade, end=long)
    edges = [round(level * long / _SHADES) for level in range(_SHADES + 1)]
    cells = [
        Markup('<path class="fill" shape-rendering="crispEdges" fill-opacity="{}" d="M{} 20H{}V30H{}z"/>').format(
            _opacity(level), edges[level], edges[level + 1], edges[level]
        )
        for level in range(_SHADES)
    ]
    ticks = axis.ticks(max(extent(words(one), 12) for one in (shade.low, shade.high)) + 14)
    body = [text(0, 13, name, classes="strong"), part(cells, "accent")]
    for value in ticks:
        anchor = "start" if axis.at(value) < 8 else "middle"
        body.append(text(axis.at(value), 44, words(value), classes="muted small", anchor=anchor))
    return body


def _shade(value: float, shade: Axis) -> int:
    """Return a value's shade; -1 is blank."""
    return min(int(shade.at(value)), _SHADES - 1) if np.isfinite(value) else -1


def _opacity(level: int) -> str:
    return f"{_FAINTEST + (1 - _FAINTEST) * level / (_SHADES - 1):.3f}"


def _half(places: Sequence[float]) -> float:
    return (places[-1] - places[0]) / (len(places) - 1) / 2 if len(places) > 1 else 0.5
