"""What was predicted beside what happened: dots that should lie on the diagonal, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from coterie.charts.axis import Axis
from coterie.charts.drawing import extent, figure, hint, line, number, part, text, wrap
from coterie.charts.numbers import count


@dataclass(frozen=True)
class Spot:
    """People of about the same prediction.

    Parameters
    ----------
    predicted
        What was predicted for them.
    happened, low, high
        What happened, and the ends of its interval.
    words
        What is said when it is pointed at.
    """

    predicted: float
    happened: float
    low: float
    high: float
    words: str


def reliability(
    spots: Sequence[Spot],
    *,
    axes: tuple[str, str],
    title: str,
    description: str,
    words: Callable[[float], str] = count,
    root: bool = False,
    width: int = 400,
) -> Markup:
    """Draw each prediction to the right and what happened upwards, on one scale.

    Parameters
    ----------
    spots
        In any order; intervals that the diagonal does not cross are drawn as a warning.
    axes
        What grows to the right, and what grows upwards, in words.
    title, description
        For those who cannot see it.
    words
        How values are written.
    root
        Whether axes are of roots, so that small values can be told apart beside large ones.
    width
        Pixels; it is about as high.

    References
    ----------
    Murphy & Winkler (1977), Reliability of subjective probability forecasts (reliability diagrams).
    """
    most = max((max(one.predicted, one.happened, one.high) for one in spots), default=0.0) or 1.0
    said = wrap(f"↑ {axes[1]}", width, 12)
    above = 8.0 + 16 * len(said)
    trial = Axis(0.0, most, 0.0, width, root).ticks(48)
    left = max(extent(words(one), 12) for one in trial) + 10
    side = width - left - extent(words(most), 12) / 2
    x_axis, y_axis = Axis(0.0, most, left, left + side, root), Axis(0.0, most, above + side, above, root)
    body = [text(0, 13 + 16 * row, one, classes="muted small") for row, one in enumerate(said)]
    apart = max(extent(words(most), 12) + 20, 34.0)
    for value in y_axis.ticks(apart):
        y = y_axis.at(value)
        body.append(line(left, y, left + side, y, "axis" if value == 0 else "line"))
        body.append(text(left - 8, y + 4, words(value), classes="muted small", anchor="end"))
    body += [
        text(x_axis.at(value), above + side + 18, words(value), classes="muted small", anchor="middle")
        for value in x_axis.ticks(apart)
    ]
    below = wrap(f"{axes[0]} →", width, 12)
    body += [
        text(width, above + side + 38 + 16 * row, one, classes="muted small", anchor="end")
        for row, one in enumerate(below)
    ]
    body.append(line(left, above + side, left + side, above, "axis dash"))
    for one in sorted(spots, key=lambda spot: spot.predicted):
        x = x_axis.at(one.predicted)
        whisker = f"M{number(x)} {number(y_axis.at(one.low))}V{number(y_axis.at(one.high))}"
        shapes = [
            Markup('<path class="stroke" stroke-width="2" d="{}"/>').format(whisker),
            Markup('<circle class="fill" cx="{}" cy="{}" r="4.5">{}</circle>').format(
                number(x), number(y_axis.at(one.happened)), hint(one.words)
            ),
        ]
        body.append(part(shapes, "accent" if one.low <= one.predicted <= one.high else "warn"))
    height = above + side + 30 + 16 * len(below)
    return figure(body, width=width, height=height, title=title, description=description)
