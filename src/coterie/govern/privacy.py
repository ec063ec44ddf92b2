"""Counts that say nothing about single people: cells below the minimum are not shown, nor can they be computed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from coterie.errors import MissingColumnError


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


def withhold(
    table: pa.Table, count: str, *, within: Sequence[str] = (), values: Sequence[str] = (), minimum: int = 50
) -> pa.Table:
    """Return a table of counts with the small cells null, safe beside one published total per group.

    Parameters
    ----------
    table
        One row a cell; cells do not overlap.
    count
        The column with the number of people.
    within
        Columns whose combinations have a published total each; none means one grand total. Totals in a second
        direction (rows *and* columns) must not be published beside it: they would allow a system of equations.
    values
        Further columns of numbers about the same people (spend, orders), null where the count is.
    minimum
        The smallest number that may be shown.

    Raises
    ------
    MissingColumnError
        When a column is not in the table.

    Examples
    --------
    >>> cells = pa.table({"segment": ["a", "b", "c"], "people": [400, 12, 90]})
    >>> withhold(cells, "people")["people"].to_pylist()
    [400, None, None]
    """
    if missing := [name for name in (count, *within, *values) if name not in table.column_names]:
        raise MissingColumnError.of("The table of counts", missing, table.column_names)
    groups: dict[tuple[object, ...], list[int]] = {}
    for position, group in enumerate(zip(*(table[name].to_pylist() for name in within), strict=True)):
        groups.setdefault(group, []).append(position)
    if not within:
        groups[()] = list(range(table.num_rows))
    cells = np.asarray(table[count].combine_chunks().fill_null(0), dtype=np.int64)
    hidden = np.zeros(table.num_rows, dtype=bool)
    for positions in groups.values():
        hidden[positions] = small([int(cell) for cell in cells[positions]], minimum)
    for name in (count, *values):
        column = table[name].combine_chunks()
        kept = pa.array(np.where(hidden, -1, np.arange(table.num_rows)), pa.int64(), mask=hidden)
        table = table.set_column(table.column_names.index(name), name, column.take(kept))
    return table
