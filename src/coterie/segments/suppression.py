"""Suppression: what of a table of people, its shares and sums may not be told, nor be computed from what is told."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

from coterie.segments.people import Ints

P = 0.1
"""An amount is withheld that would tell what one person paid to within a tenth of it."""


def withheld(
    table: npt.ArrayLike, minimum: int = 50, *, rows: Collection[int] = (), columns: Collection[int] = ()
) -> tuple[tuple[bool, ...], ...]:
    """Say which cells of a two-way table of people must be withheld where its totals are known.

    Every cell below the minimum; and of each row, each column and the diagonal (whose sum is told as who stayed) the
    next larger ones, until what is withheld in it is at least two cells and the minimum together, and until no small
    cell follows from all totals at once by adding and subtracting. What is left are limits: a cell is no larger than
    what is withheld in its row.

    Parameters
    ----------
    table
        People by segment before (rows; the last one for new people) and after (columns; the last for those who are
        gone): shape (k + 1, k + 1). The last cell stands for nobody.
    minimum
        The smallest number that may be told.
    rows, columns
        Those whose total is told nowhere, as it is small or would tell another that is: all of their cells are
        withheld, else they could be added up.

    References
    ----------
    Cox (1980), Suppression methodology and statistical disclosure control.

    >>> withheld([[500, 20, 0], [90, 300, 0], [0, 0, 0]])[0]
    (True, True, True)
    """
    cells = np.asarray(table, dtype=np.int64)
    size = len(cells)
    number = np.arange(size * size).reshape(size, size)
    lines = [*number, *number.T, number.diagonal()[:-1]]
    flat = cells.ravel()
    hidden = flat < minimum
    hidden[number[sorted(rows)].ravel()] = True
    hidden[number[:, sorted(columns)].ravel()] = True
    nobody = number[-1, -1]
    lines = [line[line != nobody] for line in lines]
    hidden[nobody] = False
    while True:
        open_lines = [line for line in lines if hidden[line].any() and not hidden[line].all()]
        short = [line for line in open_lines if hidden[line].sum() == 1 or flat[line[hidden[line]]].sum() < minimum]
        short = short or _follows(flat, hidden, lines, minimum)
        if not short:
            break
        told = short[0][~hidden[short[0]]]
        hidden[told[np.argmin(flat[told])]] = True
    return tuple(tuple(bool(cell) for cell in row) for row in hidden.reshape(size, size))


def _follows(flat: Ints, hidden: npt.NDArray[np.bool_], lines: list[Ints], minimum: int) -> list[Ints]:
    """Return lines with a cell left to withhold if all totals together give a small one away, its own lines first."""
    out = np.flatnonzero(hidden)
    if not len(out):
        return []
    totals = np.array([np.isin(out, line) for line in lines], dtype=np.float64)
    _, strength, directions = np.linalg.svd(totals)
    free = directions[int((strength > 1e-9).sum()) :]  # what the withheld cells may do without changing any total
    known = out[(np.abs(free) < 1e-9).all(axis=0) & (flat[out] < minimum)]
    room = [line for line in lines if len(known) and not hidden[line].all()]
    return [line for line in room if np.isin(known, line).any()] or room


def cells(counts: Sequence[int], minimum: int = 50) -> tuple[bool, ...]:
    """Say which parts of one total are withheld, so that none follows from the others; that nobody is in one is told.

    >>> cells([0, 500, 33]), cells([0, 433, 100])
    ((False, True, True), (False, False, False))
    """
    hidden: list[int] = []
    for place in sorted((place for place, count in enumerate(counts) if count), key=lambda place: counts[place]):
        together = sum(counts[each] for each in hidden)
        if counts[place] >= minimum and (not hidden or (len(hidden) > 1 and together >= minimum)):
            break
        hidden.append(place)
    return tuple(place in hidden for place in range(len(counts)))


def dominated(amounts: npt.ArrayLike, p: float = P) -> bool:
    """Say whether a sum over people may not be told, as one or two of them made nearly all of it: the p % rule.

    Whoever made the second largest part of a sum knows it, and can take it off. The sum is withheld where what is left
    is the largest part to within ``p`` of it: where all others together made less than that.

    Parameters
    ----------
    amounts
        What each person contributed, in any unit; below 0 it counts by its size. NaN is nothing.
    p
        How near nobody may come to a single person's amount, as a part of it.

    References
    ----------
    Hundepool et al. (2012), Statistical Disclosure Control, chapter 4: the p % rule, which they prefer to the (n, k)
    rule of dominance.

    Examples
    --------
    >>> dominated([99_900, 50, 30, 20]), dominated([600, 200, 100, 100]), dominated([0, 0])
    (True, False, False)
    """
    parts = np.abs(np.nan_to_num(np.asarray(amounts, dtype=np.float64)))
    if not parts.any():
        return False
    largest = np.partition(parts, -2)[-2:] if len(parts) > 1 else np.array([0.0, parts[0]])
    parts = parts / largest[-1]  # sums of amounts as large as floats can be stay finite
    return bool(parts.sum() - largest.sum() / largest[-1] < p)


def dominated_groups(labels: npt.NDArray[np.int64], amounts: npt.ArrayLike, k: int) -> tuple[int, ...]:
    """Return the groups, of ``k``, the sum of whose people's amounts may not be told: see :func:`dominated`.

    >>> dominated_groups(np.array([0, 0, 0, 1, 1, 1]), [5, 6, 7, 1000, 2, 3], 2)
    (1,)
    """
    values = np.asarray(amounts, dtype=np.float64)
    return tuple(group for group in range(k) if dominated(values[labels == group]))


def in_steps(value: float, people: int, minimum: int = 50) -> float:
    """Return a figure from 0 to 1 over so many people, rounded so that no group below the minimum follows from it.

    The step (1, 2 or 5 times a power of ten) is worth at least the minimum of people.

    >>> in_steps(0.9876, 2500), in_steps(0.9876, 50_000), in_steps(0.31, 240, 10)
    (0.98, 0.988, 0.3)
    """
    least = minimum / people if people else 1.0
    if not math.isfinite(value) or least > 1:
        return math.nan
    scale = math.floor(math.log10(least))
    step = next(one for one in (1, 2, 5, 10) if one * 10.0**scale >= least * (1 - 1e-12))
    return round(round(value / (step * 10.0**scale)) * step * 10.0**scale, max(-scale, 0))


def told_share(value: float, people: int, minimum: int = 50) -> float:
    """Return a share of people as it may be told where the number of people is: in steps, see :func:`in_steps`.

    Where fewer than the minimum are meant it is 0, where they are all but fewer than the minimum 1, however many of
    them; NaN where there are so few people that this would always be so.

    >>> [told_share(one, 2500) for one in (0.999, 0.951, 0.004)], told_share(0.5, 90)
    ([1.0, 0.96, 0.0], nan)
    """
    if people < 2 * minimum or not math.isfinite(value):
        return math.nan
    if value * people < minimum:
        return 0.0
    return 1.0 if (1 - value) * people < minimum else in_steps(value, people, minimum)
