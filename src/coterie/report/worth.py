"""What customers are worth, told in groups large enough: tiers, lists of advice, when the next order comes."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from coterie.charts import numbers
from coterie.charts.bars import Tile, columns, mosaic
from coterie.charts.drawing import Figure
from coterie.charts.lines import Line, lines
from coterie.predict.advice import ADVICE
from coterie.report.forecasts import listed
from coterie.segments.suppression import cells, dominated

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
WAITS = (7.0, 14.0, 30.0, 60.0, 90.0, 180.0)
"""Days that end the spans in which next orders are counted."""
_COUNT, _WHO = r"(\d[\d,]*)", r"(people|persons?|customers?)"
_MANY = {"person": "people", "persons": "people", "customer": "customers"}
_GRID = 20  # points of the curve of concentration at most


@dataclass(frozen=True)
class People:
    """What is expected of each person; who is who stands nowhere.

    Parameters
    ----------
    value, at_risk
        In minor units: shape (people,).
    tier
        The number of each person's tier, 0 for the most valuable: shape (people,).
    advice
        The number of each person's list in ``ADVICE``: shape (people,).
    wait
        Median days to the next order, NaN where none is likely in the time looked ahead: shape (people,).
    orders, active, spend
        In the horizon; None where there is no forecast. Shape (people,).
    """

    value: Floats
    at_risk: Floats
    tier: Ints
    advice: Ints
    wait: Floats
    orders: Floats | None = None
    active: Floats | None = None
    spend: Floats | None = None

    def __len__(self) -> int:
        return len(self.value)

    def tells(self, rows: npt.NDArray[np.bool_], minimum: int) -> bool:
        """Return whether these people may be told of together: they are many, and no one or two make up their sums."""
        if int(rows.sum()) < minimum:
            return False
        sums = [self.value[rows], self.at_risk[rows]]
        sums += [one[rows] for one in (self.orders, self.spend) if one is not None]
        # a sum of nothing but zeros is nobody's
        return not any(dominated(one) for one in sums)


@dataclass(frozen=True)
class Row:
    """A group of people as it is told.

    Parameters
    ----------
    name
        Of the group, or of the groups that are told together.
    parts
        The numbers of these groups.
    people
        How many; None where this is not told, and nothing else is then.
    share
        Of everybody.
    value, each, at_risk
        Of all of them together, of one in the mean, in minor units.
    value_share
        Of everybody's value; 0 where that is not above 0.
    """

    name: str
    parts: tuple[int, ...]
    people: int | None = None
    share: float = math.nan
    value: float = math.nan
    each: float = math.nan
    at_risk: float = math.nan
    value_share: float = math.nan


def tiers(people: People, names: Sequence[str], minimum: int) -> tuple[Row, ...]:
    """Return the tiers from the top; what is too small to be told of is told with its neighbour."""
    groups = _joined([people.tier == number for number in range(len(names))], people, minimum)
    return tuple(_row(listed([names[one] for one in parts]), parts, rows, people) for parts, rows in groups)


def lists(people: People, minimum: int) -> tuple[Row, ...]:
    """Return the lists of advice in their order; those that are too small are told together, as the last row.

    Parameters
    ----------
    people
        Everybody.
    minimum
        The smallest number of people that may be told.

    Returns
    -------
    Rows without figures are too small; nothing at all is told where there are too few people.
    """
    rows = [people.advice == number for number in range(len(ADVICE))]
    there = [number for number, one in enumerate(rows) if one.any()]
    sizes = [int(rows[number].sum()) for number in there]
    hidden = {
        number
        for number, hide in zip(there, cells(sizes, minimum), strict=True)
        if hide or not people.tells(rows[number], minimum)
    }
    shown = sorted(set(there) - hidden, key=lambda number: int(rows[number].sum()), reverse=True)
    # what is withheld follows from the total: it must be two lists and enough people as well
    while hidden and shown and not (len(hidden) > 1 and people.tells(_any(rows, hidden), minimum)):
        hidden.add(shown.pop())
    told = [
        Row(ADVICE[number], (number,)) if number in hidden else _row(ADVICE[number], (number,), rows[number], people)
        for number in there
    ]
    if hidden and people.tells(together := _any(rows, hidden), minimum):
        parts = tuple(sorted(hidden))
        told.append(_row(listed([ADVICE[number] for number in parts]) + ", together", parts, together, people))
    return tuple(told)


def overview(told: Sequence[Row], currency: str, span: str) -> Figure | None:
    """Draw lists of advice: people across, value of one upwards, so that the area is what a list is worth."""
    shown = [row for row in told if row.people is not None]
    if len(shown) < 2:
        return None
    tiles = [
        Tile(
            row.name,
            row.share,
            max(row.each, 0.0),
            f"{numbers.money(row.each, currency, compact=True)} each",
            f"{numbers.share(row.value_share)} of value",
            row.parts[0] if len(row.parts) == 1 else len(ADVICE),
        )
        for row in shown
    ]
    described = "; ".join(f"{tile.label}: {tile.above}, {tile.inside}" for tile in tiles)
    across = f"Width: share of people. Height: what one is worth in {span}. Area: what they are worth together."

    def draw(width: int) -> Markup:
        return mosaic(tiles, title="What to do, by people and value", description=described, across=across, width=width)

    return Figure(draw(860), draw(360))


def concentration(people: People, told: Sequence[Row], minimum: int) -> Figure | None:
    """Draw which share of all value the most valuable people have, through where tiers end."""
    count, worth = len(people), np.sort(np.maximum(people.value, 0))[::-1]
    if len(told) < 2 or not worth.any():
        return None
    ends = np.cumsum([row.people or 0 for row in told])[:-1]
    every = max(minimum, -(-count // _GRID))
    kept = [int(one) for one in ends]
    kept += [one for one in range(every, count - every + 1, every) if all(abs(one - end) >= minimum for end in ends)]
    kept = [0, *sorted(kept), count]
    made = np.concatenate([[0.0], np.cumsum(worth)])
    part = [float(made[one] / made[-1]) for one in kept]
    top, held = int(ends[0]), float(made[ends[0]] / made[-1])
    label = f"the top {numbers.share(top / count)} hold {numbers.share(held)}"
    drawn = [
        Line("everybody worth the same", (0.0, 1.0), (0.0, 1.0), "plain", dash=2),
        Line(label, [one / count for one in kept], part, "accent"),
    ]
    described = "; ".join(
        f"the top {numbers.share(one / count)} of people hold {numbers.share(float(made[one] / made[-1]))} of the value"
        for one in ends
    )

    def draw(width: int) -> Markup:
        return lines(
            drawn,
            axes=("share of people, the most valuable first", "share of all value"),
            title="Who holds the value",
            description=described,
            words=(numbers.share, numbers.share),
            across=(0.0, 1.0),
            up=(0.0, 1.0),
            width=width,
            height=min(width, 380),
        )

    return Figure(draw(620), draw(360))


def waits(people: People, days: float, minimum: int) -> tuple[tuple[str, int], ...]:
    """Return how many people's next order is expected when: spans of days, joined where there are too few.

    Parameters
    ----------
    people
        Everybody.
    days
        How far was looked ahead.
    minimum
        The smallest number that may be told.
    """
    ends = [0.0, *(end for end in WAITS if end < days), days]
    wait = np.where(np.isfinite(people.wait), people.wait, np.inf)
    rows = [(wait > low) & (wait <= high) for low, high in pairwise(ends)]
    rows[0] |= wait <= 0
    rows.append(np.isinf(wait) | (wait > days))
    if len(people) < minimum:
        return ()
    groups: list[tuple[tuple[int, ...], npt.NDArray[np.bool_]]] = []
    for number, one in enumerate(rows):
        groups.append(((number,), one))
        while len(groups) > 1 and (groups[-2][1].sum() < minimum):
            parts, last = groups.pop()
            groups[-1] = (groups[-1][0] + parts, groups[-1][1] | last)
    while len(groups) > 1 and groups[-1][1].sum() < minimum:
        parts, last = groups.pop()
        groups[-1] = (groups[-1][0] + parts, groups[-1][1] | last)

    def said(parts: tuple[int, ...]) -> str:
        low, last = ends[parts[0]] if parts[0] < len(ends) else days, parts[-1]
        if last == len(rows) - 1:
            return "later or never" if low else "any time or never"
        return f"{low + 1:g}–{ends[last + 1]:g}"

    return tuple((said(parts), int(one.sum())) for parts, one in groups)


def next_orders(told: Sequence[tuple[str, int]]) -> Figure | None:
    """Draw when next orders are expected."""
    if len(told) < 2:
        return None
    values = [(label, float(count), numbers.count(count)) for label, count in told]
    described = "; ".join(f"{label} days: {words} people" for label, _, words in values)

    def draw(width: int, height: int) -> Markup:
        title = "People by days until their next order"
        short = [(label.removesuffix(" or never"), count, words) for label, count, words in values]
        shown = values if width > 600 else short
        return columns(shown, title=title, description=described, width=width, height=height, written=True)

    return Figure(draw(860, 190), draw(360, 170))


def veiled(words: str, minimum: int) -> str:
    """Return what a model or a judgement says of itself without numbers of people that are too small.

    >>> veiled("12 of 2,357 people bought again", 50), veiled("2,340 of 2,357 people bought again", 50)
    ('<50 of 2,357 people bought again', 'nearly all of 2,357 people bought again')
    >>> veiled("there is no more than 1 person", 50), veiled("at least 10 people are needed, and there is 1", 50)
    ('there are no more than <50 people', 'at least 10 people are needed, and there are <50')
    """

    def number(digits: str) -> int:
        return int(digits.replace(",", ""))

    def part(found: re.Match[str]) -> str:
        some, whole = number(found[1]), number(found[2])
        told = f"<{minimum}" if some < minimum else "nearly all" if 0 < whole - some < minimum else found[1]
        return f"{told} of {f'<{minimum}' if whole < minimum else found[2]} {found[3]}"

    def alone(found: re.Match[str]) -> str:
        return f"<{minimum} {_MANY.get(found[2], found[2])}" if number(found[1]) < minimum else found[0]

    words = re.sub(rf"{_COUNT} of {_COUNT} {_WHO}", part, words)
    words = re.sub(rf"(?<!of )(?<!at least )(?<![<\d,.]){_COUNT} {_WHO}", alone, words)
    words = re.sub(
        rf"there (is|are) {_COUNT}\b",
        lambda found: f"there are <{minimum}" if number(found[2]) < minimum else found[0],
        words,
    )
    return re.sub(rf"there is no more than <{minimum}\b", f"there are no more than <{minimum}", words)


def _joined(
    groups: Sequence[npt.NDArray[np.bool_]], people: People, minimum: int
) -> list[tuple[tuple[int, ...], npt.NDArray[np.bool_]]]:
    """Join neighbours until each group may be told of; none are left where everybody together may not."""
    found: list[tuple[tuple[int, ...], npt.NDArray[np.bool_]]] = []
    for number, rows in enumerate(groups):
        if found and not people.tells(found[-1][1], minimum):
            found[-1] = (found[-1][0] + (number,), found[-1][1] | rows)
        elif rows.any():
            found.append(((number,), rows))
    while len(found) > 1 and not people.tells(found[-1][1], minimum):
        parts, rows = found.pop()
        found[-1] = (found[-1][0] + parts, found[-1][1] | rows)
    return found if found and people.tells(found[0][1], minimum) else []


def _row(name: str, parts: tuple[int, ...], rows: npt.NDArray[np.bool_], people: People) -> Row:
    count, value, whole = int(rows.sum()), float(people.value[rows].sum()), float(people.value.sum())
    return Row(
        name,
        parts,
        count,
        count / len(people),
        value,
        value / count,
        float(people.at_risk[rows].sum()),
        value / whole if whole > 0 else 0.0,
    )


def _any(rows: Sequence[npt.NDArray[np.bool_]], numbers_: set[int]) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = np.any([rows[number] for number in numbers_], axis=0)
    return found
