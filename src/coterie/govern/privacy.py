"""Counts that say nothing about single people: cells below the minimum are not shown, nor can they be computed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def shown(count: int, minimum: int = 50) -> str:
    """Return a count of people as it may be shown.

    Zero is a small count too: "nobody did" is a statement about everybody in the group.

    Examples
    --------
    >>> shown(1234), shown(49), shown(7, minimum=5)
    ('1,234', '<50', '7')
    """
    return f"{count:,}" if count >= minimum else f"<{minimum:,}"


def small(counts: Sequence[int], minimum: int = 50) -> list[bool]:
    """Say which cells of one published total must be withheld.

    The smallest cells are withheld until every shown cell has the minimum and what is withheld, which anybody can
    compute as total less shown cells, is at least two cells and at least the minimum together. A single withheld cell
    would follow from the total exactly; several tiny ones would be a small group themselves.

    Parameters
    ----------
    counts
        People in each cell, disjoint, of one total.
    minimum
        The smallest number that may be shown.

    Returns
    -------
    list of bool
        True for each cell to withhold. When all cells together stay below the minimum, all are withheld, and the total
        must not be shown either (use :func:`shown`).

    Examples
    --------
    >>> small([500, 20, 80, 300])  # 80 goes too: else 20 = 900 - 880
    [False, True, True, False]
    >>> small([500, 300])
    [False, False]
    """
    cells = np.asarray(counts, dtype=np.int64)
    order = np.argsort(cells, kind="stable")
    number, together = 0, 0
    for cell in cells[order]:
        if cell >= minimum and (number == 0 or (number >= 2 and together >= minimum)):
            break
        number, together = number + 1, together + int(cell)
    withheld = np.zeros(len(cells), dtype=bool)
    withheld[order[:number]] = True
    return [bool(cell) for cell in withheld]
