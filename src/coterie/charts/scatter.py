"""The map: groups of points on a plane, each with its name at its middle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from coterie.charts.drawing import box, extent, figure, fit, line, number, part, text, wrap
from coterie.charts.palette import group

_PITCH = 19.0  # pixels between the baselines of two labels


@dataclass(frozen=True)
class Cloud:
    """The points of one segment.

    Parameters
    ----------
    label
        Its name.
    segment
        Its id, from 0.
    x, y
        Float arrays of shape (points,).
    """

    label: str
    segment: int
    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]


def scatter(
    clouds: Sequence[Cloud],
    *,
    axes: tuple[str, str],
    title: str,
    description: str,
    width: int = 860,
    height: int = 520,
) -> Markup:
    """Draw points with direct labels; points beyond the inner 99.4 % of an axis are drawn at its edge.

    Parameters
    ----------
    clouds
        The points of each segment, not necessarily in order of ids; points that are not finite are left out.
    axes
        What grows to the right, and what grows upwards, in words.
    title, description
        For those who cannot see it.
    width, height
        Pixels.

    Notes
    -----
    All points of a segment are one path of round dots ("M12 34h0"), a tenth of the size of one element a point.
    """
    right, up = wrap(f"{axes[0]} →", width - 10, 12), wrap(f"↑ {axes[1]}", width - 10, 12)
    pad, top, bottom = 10.0, 12.0 + 16 * len(up), height - 12.0 - 16 * len(right)
    kept = [_finite(cloud) for cloud in clouds]
    xs = np.concatenate([cloud.x for cloud in kept]) if kept else np.empty(0)
    ys = np.concatenate([cloud.y for cloud in kept]) if kept else np.empty(0)
    body = [
        line(0, bottom + 8, width, bottom + 8, "axis"),
    ]
    body += [
        text(width, bottom + 25 + 16 * row, words, classes="muted small", anchor="end")
        for row, words in enumerate(right)
    ]
    body += [text(0, 13 + 16 * row, words, classes="muted small") for row, words in enumerate(up)]
    labels: list[tuple[float, float, Cloud]] = []
    dot = 5 if width >= 600 else 3.6
    for cloud in kept:
        if not len(cloud.x):
            continue
        across = np.rint(_place(cloud.x, xs, pad, width - pad)).astype(int)
        down = np.rint(_place(cloud.y, ys, bottom, top)).astype(int)
        spots = sorted(set(zip(across.tolist(), down.tolist(), strict=True)))
        path = "".join(f"M{x} {y}h0" for x, y in spots)
        dots = Markup('<path class="points" stroke-width="{}" stroke-opacity=".72" d="{}"/>').format(number(dot), path)
        body.append(part([dots], group(cloud.segment), segment=cloud.segment))
        labels.append((float(np.median(across)), float(np.median(down)), cloud))
    for x, y, shown, cloud in _apart(labels, width, top, bottom):
        wide = extent(shown, 13.5)
        left = min(max(x - wide / 2, 2.0), width - wide - 2)
        plate = Markup('<rect class="plate" rx="3" x="{}" y="{}" width="{}" height="19"/>').format(
            number(left - 18), number(y - 14), number(wide + 24)
        )
        words = [
            plate,
            box(left - 13, y - 9, 9, 9),
            text(left, y, shown, classes="strong", size=13.5),
        ]
        body.append(part(words, group(cloud.segment), segment=cloud.segment))
    return figure(body, width=width, height=height, title=title, description=description)


def _finite(cloud: Cloud) -> Cloud:
    """Leave out points without a place."""
    keep = np.isfinite(cloud.x) & np.isfinite(cloud.y)
    return Cloud(cloud.label, cloud.segment, cloud.x[keep], cloud.y[keep])


def _place(
    values: npt.NDArray[np.float64], everyone: npt.NDArray[np.float64], start: float, end: float
) -> npt.NDArray[np.float64]:
    """Map values to pixels so that the inner 99.4 % of everyone fill the room, the rest at its edge."""
    low, high = np.quantile(everyone, [0.003, 0.997])
    if high <= low:
        return np.full(len(values), (start + end) / 2)
    placed: npt.NDArray[np.float64] = start + (np.clip(values, low, high) - low) / (high - low) * (end - start)
    return placed


def _apart(
    labels: list[tuple[float, float, Cloud]], width: int, top: float, bottom: float
) -> list[tuple[float, float, str, Cloud]]:
    """Move labels down, then up, until none covers another one."""
    placed: list[tuple[float, float, str, Cloud]] = []
    for x, y, cloud in sorted(labels, key=lambda label: label[1]):
        shown = f"{cloud.segment + 1} {fit(cloud.label, min(width * 0.5, 260), 13.5)}"
        half = extent(shown, 13.5) / 2 + 14
        options = sorted(np.arange(top + 14, bottom, 4.0).tolist(), key=lambda at: abs(at - y))
        free = (
            at
            for at in options
            if all(
                abs(at - other) >= _PITCH or abs(x - near) >= half + extent(words, 13.5) / 2 + 14
                for near, other, words, _ in placed
            )
        )
        placed.append((x, next(free, y), shown, cloud))
    return placed
