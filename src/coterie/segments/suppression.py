"""Suppression: which cells of a table of people may not be told, nor be computed from those that are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from coterie.segments.people import Ints


def withheld(table: npt.ArrayLike, minimum: int = 50) -> tuple[tuple[bool, ...], ...]:
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
