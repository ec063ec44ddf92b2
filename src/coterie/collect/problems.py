"""What in a shop's data needs a look, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from coterie.collect.contract import Contract
from coterie.collect.facts import ORDER_LINES, PRODUCTS
from coterie.collect.history import History, broken
from coterie.collect.measures import TableQuality
from coterie.collect.reasons import reasons
from coterie.collect.volume import runs

NOTEWORTHY = 0.001
"""Share of a file's rows set aside, or of order lines without a product row, above which it is a problem."""

LONG = 3
"""Days without a row, one after the other, from which on they are a problem; a holiday is none."""

EMPTIED, ENOUGH = 0.5, 100
"""A column that keeps less than this share of its former completeness in a month of so many rows is a problem."""


def of_files(past: Sequence[History], contracts: Mapping[str, Contract], *, busy: bool) -> list[str]:
    """Say which files need a look; while another process is ``busy`` writing, an import without an end is running."""
    found = []
    filled = {(file.source, file.file) for each in past if (file := each.quality()).received}
    for history in past:
        file, last = history.quality(), history.imports[-1]
        among = sum(row["received"] for row in history.standing)
        # Who asked to be forgotten is kept out on purpose.
        aside = file.set_aside - sum(broken(row).get("suppressed", 0) for row in history.standing)
        if not file.finished:
            if not busy:
                found.append(f"The import of {file.file} was cut off; ingest it again, it goes on where it stopped.")
        elif among and aside / among > NOTEWORTHY:
            why_not = [one for one in reasons([], history.standing, contracts) if one.rule != "suppressed"]
            why = "; ".join(f"{each.rows:,} × {each.wrong}" for each in why_not[:3])
            found.append(f"{aside:,} of {among:,} rows of {file.file} are set aside: {why}.")
        elif not last["received"] and (file.source, file.file) not in filled:  # other reads may take all of its rows
            found.append(f"{file.file} has a header and no rows.")
    return found


def of_tables(tables: Sequence[TableQuality], unknown: int, incomplete: Mapping[str, int]) -> list[str]:
    """Say which facts need a look.

    Parameters
    ----------
    tables
        What was measured of them.
    unknown
        Order lines whose product is in no table of products.
    incomplete
        Source → orders that lack a line, because it is set aside.
    """
    said = []
    lines = sum(each.rows for each in tables if each.table == ORDER_LINES.name)
    known = any(each.table == PRODUCTS.name for each in tables)
    if lines and known and unknown / lines > 10 * NOTEWORTHY:
        said.append(f"{unknown:,} order lines ({unknown / lines:.0%}) name a product that no table of products has.")
    for source, orders in incomplete.items():
        among = sum(each.rows for each in tables if (each.source, each.table) == (source, ORDER_LINES.name))
        if orders / among > NOTEWORTHY:
            said.append(f"{orders:,} orders of {source} are incomplete: a line of theirs is set aside.")
    for table in tables:
        what = f"{table.table.replace('_', ' ')} of {table.source}"
        if (late := table.lateness) and late.early / late.rows > 10 * NOTEWORTHY:
            share = f"{late.early / late.rows:.0%}"
            said.append(f"{late.early:,} {what} ({share}) were available before they happened: two clocks disagree.")
        for first, last in runs(table.missing_days, LONG):
            said.append(f"There are no {what} from {first} to {last}, on days that usually have some.")
        said += [f"Since {month} most {what} lack {name}." for name, month in _emptied(table)]
    return said


def _emptied(table: TableQuality) -> list[tuple[str, str]]:
    """Return the columns that stopped being filled, each with the first month of the months that lack it."""
    months = [month for month, rows in table.months.items() if rows >= ENOUGH]
    found = []
    for name in table.completeness:
        shares = [table.completeness_by_month[month][name] for month in months]
        since = len(shares)
        while since > 0 and shares[since - 1] < EMPTIED * max(shares[:since], default=0.0):
            since -= 1
        if 0 < since < len(shares):
            found.append((name, months[since]))
    return found
