"""Numbers and money: how they are written, what is taken off, which share of a unit's amount a line bears.

Money becomes a whole number of minor units of the row's own currency, exactly; ``shared`` and ``converted`` then work
on whole numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from coterie.collect.cells import ELEMENT, OF, Cells, literal
from coterie.collect.field import Field
from coterie.collect.read import Read
from coterie.collect.staged import ROW
from coterie.config import EXPONENTS, minor_units
from coterie.store.warehouse import quoted

EXACT, REAL = "DECIMAL(18, 6)", "DOUBLE"
SHARE, OWN = "#share:", "#own:"
"""Begin the names of columns with what a unit states, and with whether the row says anything itself."""

_BOUND = 10**15  # of what is shared or converted: far above the largest amount that the contract lets in
_SPACES = " \u00a0\u202f"
_USUAL = ".'" + _SPACES  # between thousands, where a comma is the decimal mark


class Numbers:
    """The numbers of one read.

    Parameters
    ----------
    cells
        The cells that they are made of.
    currency
        The shop's, ISO 4217.
    own
        SQL for the currency of a row, when amounts may be in several; None when all are in the shop's.
    """

    def __init__(self, cells: Cells, currency: str, own: str | None) -> None:
        self.cells = cells
        self.currency = currency
        self.own = own

    def number(self, field: Field) -> str:
        """Return SQL for a floating-point number; null where it cannot be understood or is not finite."""
        value = self._value(field, REAL)
        return f"CASE WHEN ISFINITE({value}) THEN {value} END"

    def money(self, field: Field) -> str:
        """Return SQL for whole minor units, halves rounded away from zero; null where it cannot be understood."""
        return self._minor(self._value(field, EXACT), field)

    def stated(self, field: Field) -> str:
        """Return SQL for the amount in minor units that a unit states and its rows share; 0 where none is stated."""
        cell = self.cells.stated[field.share or ""]
        value = self.cells.once(self._parsed(cell, self.cells.kind(field.share or ""), EXACT))
        return f"CASE WHEN {cell} IS NULL THEN 0 ELSE {self._minor(value, field)} END"

    def says(self, field: Field) -> str:
        """Return SQL that tells whether a row says anything of a field itself."""
        return " OR ".join(f"{self._cell(name, field)[0]} IS NOT NULL" for name in field.columns) or "TRUE"

    def given(self, field: Field) -> str:
        """Return SQL that tells whether the source says anything of a field, in the row or in its unit."""
        stated = f" OR {self.cells.stated[field.plus_share]} IS NOT NULL" if field.plus_share else ""
        return self.says(field) + stated

    def exact(self, field: Field, exact: str) -> str:
        """Return SQL for a number as a decimal of a type; null where it cannot be understood."""
        return self._value(field, exact)

    def _minor(self, value: str, field: Field) -> str:
        if field.unit == "minor":
            return f"TRY_CAST(ROUND({value}, 0) AS BIGINT)"
        if self.own is None:
            return _scaled(value, minor_units(self.currency))
        unlike = [
            f"WHEN {self.own} IN ({', '.join(literal(code) for code, each in EXPONENTS.items() if each == decimals)}) "
            f"THEN {_scaled(value, decimals)}"
            for decimals in sorted(set(EXPONENTS.values()))
        ]
        return f"CASE {' '.join(unlike)} ELSE {_scaled(value, 2)} END"

    def _value(self, field: Field, exact: str) -> str:
        """Return SQL for a number of a type."""
        if field.how == "value":
            value = f"TRY_CAST({literal(field.value or '')} AS {exact})"
        elif field.how in ("column", "first"):
            cell, kind = self.cells.value(field)
            value = self.cells.once(self._parsed(cell, kind, exact))
        elif field.how == "multiply":
            value = _product([self._part(name, field, exact) for name in field.columns], exact)
        else:
            value = self._sum(field, field.columns, exact)
        if field.less:
            value = f"{value} - ({self._sum(field, field.less, exact, empty='0')})"
        return f"ABS({value})" if field.absolute else value

    def _cell(self, name: str, field: Field) -> tuple[str, pa.DataType]:
        """Return SQL and type of a cell without what the field cuts off."""
        if field.strip:
            return self.cells.stripped(self.cells.text(name), field), pa.string()
        return self.cells[name], self.cells.kind(name)

    def _part(self, name: str, field: Field, exact: str) -> str:
        return self.cells.once(self._parsed(*self._cell(name, field), exact))

    def _sum(self, field: Field, columns: Sequence[str], exact: str, empty: str = "NULL") -> str:
        """Return the sum of columns: null where one cannot be understood; gaps count as 0 unless all are gaps."""
        parts = [self._part(name, field, exact) for name in columns]
        cells = [self._cell(name, field)[0] for name in columns]
        bad = " OR ".join(f"({cell} IS NOT NULL AND {part} IS NULL)" for cell, part in zip(cells, parts, strict=True))
        nothing = " AND ".join(f"{cell} IS NULL" for cell in cells)
        total = " + ".join(f"COALESCE({part}, 0)" for part in parts)
        return f"CASE WHEN {bad} THEN NULL WHEN {nothing} THEN {empty} ELSE {total} END"

    def _parsed(self, cell: str, kind: pa.DataType, exact: str) -> str:
        """Return SQL for a number in a cell; null where it cannot be understood."""
        if not pa.types.is_string(kind) and not pa.types.is_large_string(kind):
            return f"TRY_CAST({cell} AS {exact})"
        read = self.cells.read
        marks = read.thousands or (_USUAL if read.decimal == "," else "")
        marks = _SPACES if marks == " " else marks
        value = cell
        if marks:
            within = "".join(f"\\x{{{ord(mark):x}}}" for mark in marks)
            grouped = f"[+-]?\\d{{1,3}}([{within}]\\d{{2,3}})*[{within}]\\d{{3}}([{read.decimal}]\\d*)?"
            bare = f"TRANSLATE({cell}, {literal(marks)}, '')"
            value = (
                f"CASE WHEN {bare} = {cell} THEN {cell} "
                f"WHEN REGEXP_FULL_MATCH({cell}, {literal(grouped)}) THEN {bare} END"
            )
        if read.decimal == ",":
            value = f"CASE WHEN NOT CONTAINS({value}, '.') THEN REPLACE({value}, ',', '.') END"
        # DuckDB reads 1_000 as a thousand.
        return f"CASE WHEN NOT CONTAINS({cell}, '_') THEN TRY_CAST({value} AS {exact}) END"


def _scaled(value: str, decimals: int) -> str:
    return f"TRY_CAST(ROUND({value}, {decimals}) * {10**decimals} AS BIGINT)"


def _product(parts: list[str], exact: str) -> str:
    """Return a product: exact of two or three numbers, beyond to twelve decimals; null where it is too large."""
    if exact == REAL:
        return " * ".join(parts)
    value = " * ".join(parts[:2])
    for part in parts[2:]:
        value = f"TRY_CAST({value} AS DECIMAL(24, 12)) * TRY_CAST({part} AS DECIMAL(14, 6))"
    return f"TRY_CAST({value} AS DECIMAL(30, 12))" if parts[2:] else value


def shared(read: Read, relation: str) -> str:
    """Return the query of rows whose amounts bear their shares of what their units state.

    A share is in proportion to the size of the line's own amount; where all are 0, lines bear alike. The line up to
    which a unit's lines have borne so much bears what is left of the rounded running total, so that the shares add up
    exactly, and each is within one minor unit of its exact value.

    Parameters
    ----------
    read
        What the rows are.
    relation
        The query of the rows, in minor units, with ``#share:<field>`` and ``#of``.
    """
    fields = [(name, field) for name, field in read.fields if field.share]
    if not fields:
        return relation
    alone = f"CASE WHEN {quoted(OF)} IS NULL THEN {quoted(ROW)} END"
    unit = f"PARTITION BY {quoted(OF)}, {alone}"
    running = f"{unit} ORDER BY {quoted(ROW)}, {quoted(ELEMENT)} ROWS UNBOUNDED PRECEDING"
    # LEAST passes over nulls.
    weight = f"CAST(CASE WHEN amount IS NOT NULL THEN LEAST(ABS(amount), {_BOUND}) END AS HUGEINT)"
    weighed = (
        f'SELECT *, {weight} AS "#weight", SUM({weight}) OVER ({unit}) AS "#total", '
        f'SUM({weight}) OVER ({running}) AS "#running", COUNT(amount) OVER ({unit}) AS "#lines", '
        f'COUNT(amount) OVER ({running}) AS "#line" FROM ({relation})'
    )
    alike = '"#total" = 0'
    upto = f'CASE WHEN {alike} THEN "#line" ELSE "#running" END'
    before = f'CASE WHEN {alike} THEN "#line" - 1 ELSE "#running" - "#weight" END'
    total = f'NULLIF(CASE WHEN {alike} THEN "#lines" ELSE "#total" END, 0)'
    put, helpers = [], ['"#weight"', '"#total"', '"#running"', '"#lines"', '"#line"', quoted(OF)]
    for name, field in fields:
        stated, own = quoted(SHARE + name), quoted(OWN + name)
        helpers += [stated, own]
        size = f"CAST(CASE WHEN ABS({stated}) <= {_BOUND} THEN ABS({stated}) END AS HUGEINT)"
        bounds = (f"(2 * {size} * ({bound}) + {total}) // (2 * {total})" for bound in (upto, before))
        borne = f"CAST(SIGN({stated}) * ({' - '.join(bounds)}) AS BIGINT)"
        share = f"CASE WHEN {stated} = 0 THEN 0 WHEN amount IS NOT NULL THEN {borne} END"
        if field.plus_share:
            put.append(
                f"CASE WHEN {own} THEN TRY({name} + {share}) WHEN {quoted(name + '#given')} THEN {share} END AS {name}"
            )
        else:
            put.append(f"TRY({name} - {share}) AS {name}")
    return f"SELECT * EXCLUDE ({', '.join(helpers)}) REPLACE ({', '.join(put)}) FROM ({weighed})"
