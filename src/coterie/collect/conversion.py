"""Conversion: amounts in other currencies become the shop's, by a table of rates that the source brings along."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from coterie.collect.amounts import Numbers
from coterie.collect.cells import Cells, literal
from coterie.collect.field import Field
from coterie.collect.moments import moment
from coterie.collect.notation import Block
from coterie.collect.read import Read
from coterie.collect.staged import Staged
from coterie.collect.targets import NOTHING
from coterie.config import EXPONENTS, minor_units
from coterie.errors import DataError, UnreadableSourceError
from coterie.store.warehouse import Warehouse, quoted

RATES = "intake_rates"
"""``currency, day, factor``: what one minor unit of a currency is worth, on a local day, in those of the shop."""

_RATE, _FACTOR, _WHOLE = "DECIMAL(24, 12)", "DECIMAL(23, 15)", "DECIMAL(15, 0)"


@dataclass(frozen=True)
class Conversion:
    """A file of exchange rates: one row a day and currency.

    Parameters
    ----------
    file
        The file, relative to the folder of the data.
    date, currency, rate
        Its columns. A rate is what one unit of ``currency`` is worth in units of the shop's currency.
    days
        How many days after its own a rate still counts, when there is no newer one.
    format
        How its dates are written; None is ISO 8601.
    """

    file: str
    date: str = "date"
    currency: str = "currency"
    rate: str = "rate"
    days: int = 7
    format: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the conversion as it is written in a mapping, every default spelt out."""
        body = {"file": self.file, "date": self.date, "currency": self.currency, "rate": self.rate, "days": self.days}
        return {**body, "format": self.format} if self.format else body

    @classmethod
    def of(cls, block: Block) -> Conversion | None:
        """Make it of the table ``conversion`` of a mapping; None where there is none."""
        if "conversion" not in block.body:
            return None
        inner = block.inner("conversion")
        inner.only("file", "date", "currency", "rate", "days", "format")
        formats = inner.time_formats("format")
        if len(formats) > 1:
            raise inner.fail("'format' must be one notation, so that a day is never in doubt.")
        return cls(
            file=inner.path("file"),
            date=inner.text("date", "date", needed=True),
            currency=inner.text("currency", "currency", needed=True),
            rate=inner.text("rate", "rate", needed=True),
            days=inner.whole("days", 7, 0, 366),
            format=formats[0] if formats else None,
        )

    def prepare(self, warehouse: Warehouse, staged: Staged, currency: str) -> str:
        """Make the table ``RATES`` of the file and return its name.

        Parameters
        ----------
        warehouse
            Gets the table.
        staged
            The file of rates.
        currency
            The shop's, ISO 4217.

        Raises
        ------
        DataError
            When a row cannot be understood, or two give a rate of one day and currency.
        """
        staged.require((self.date, self.currency, self.rate))
        if staged.broken.num_rows:
            first = staged.broken["row"][0].as_py()
            raise UnreadableSourceError.of(staged.name, f"row {first:,} cannot be parsed, and rates must be whole")
        said = self._said(staged)
        found = warehouse.query(
            f"""
            SELECT COUNT(CASE WHEN bad THEN 1 END) AS bad, MIN(CASE WHEN bad THEN "#row" END) AS first,
                COUNT(*) - COUNT(DISTINCT (currency, day)) AS repeated
            FROM (
                SELECT *, NOT COALESCE(rate > 0, FALSE) OR day IS NULL OR currency IS NULL AS bad FROM ({said})
            )
            """
        ).to_pylist()[0]
        if found["bad"]:
            raise DataError(
                f"The rates {staged.name}: row {found['first']:,} has no day, currency or rate above 0 "
                f"({found['bad']:,} such rows).",
                hint="mend them, or say in [conversion] which columns they are and how days are written.",
            )
        if found["repeated"]:
            raise DataError(
                f"The rates {staged.name} give more than one rate of a day and currency ({found['repeated']:,} times).",
                hint="keep one row a day and currency.",
            )
        codes = " ".join(
            f"WHEN {literal(code)} THEN {_tenfold(minor_units(currency) - decimals)}"
            for code, decimals in EXPONENTS.items()
        )
        factor = f"CASE currency {codes} ELSE {_tenfold(minor_units(currency) - 2)} END"
        last = f"day + {self.days + 1}"
        start, end = "CAST(day AS TIMESTAMP)", f"CAST(LEAST(COALESCE(following, {last}), {last}) AS TIMESTAMP)"
        warehouse.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE {RATES} AS
            SELECT currency, CAST(UNNEST(RANGE({start}, {end}, INTERVAL 1 DAY)) AS DATE) AS day,
                TRY_CAST(rate * {factor} AS {_FACTOR}) AS factor
            FROM (SELECT *, LEAD(day) OVER (PARTITION BY currency ORDER BY day) AS following FROM ({said}))
            WHERE currency <> {literal(currency)}
            """
        )
        return RATES

    def _said(self, staged: Staged) -> str:
        """Return the query of ``#row, day, currency, rate`` as the file says."""
        fields = (
            ("date", Field("column", (self.date,), formats=(self.format,) if self.format else ())),
            ("currency", Field("column", (self.currency,), case="upper")),
            ("rate", Field("column", (self.rate,))),
        )
        read = Read(self.file, NOTHING, fields=fields)
        cells = Cells(read, staged)
        day, _ = moment(cells, dict(fields)["date"])
        rate = Numbers(cells, "", None).exact(dict(fields)["rate"], _RATE)
        words = cells.words(dict(fields)["currency"])
        return (
            f'SELECT "#row", CAST({day} AS DATE) AS day, {words} AS currency, {rate} AS rate FROM ({cells.relation()})'
        )


def converted(fields: tuple[str, ...], relation: str, rates: str, currency: str, zone: str) -> str:
    """Return the query of rows whose amounts are the shop's, with what the source said beside them.

    A row whose currency has no rate on the local day on which it happened stays as it is and is marked ``#no_rate``.

    Parameters
    ----------
    fields
        The columns that are money, ``amount`` first.
    relation
        The query of the rows, with ``currency`` and ``occurred_at``.
    rates
        The table ``RATES``.
    currency
        The shop's, ISO 4217.
    zone
        IANA zone of the local day.
    """
    foreign = f"rows.currency <> {literal(currency)}"
    known = "rates.factor IS NOT NULL"
    local = "rows.occurred_at"
    if zone != "UTC":
        local = f"TIMEZONE({literal(zone)}, TIMEZONE('UTC', {local}))"
    put = [
        f"CASE WHEN {known} THEN TRY_CAST(ROUND(TRY_CAST(rows.{name} AS {_WHOLE}) * rates.factor, 0) AS BIGINT) "
        f"ELSE rows.{name} END AS {name}"
        for name in fields
    ]
    put.append(f"CASE WHEN {known} THEN {literal(currency)} ELSE rows.currency END AS currency")
    return (
        f"SELECT rows.* REPLACE ({', '.join(put)}), CASE WHEN {known} THEN rows.amount END AS original_amount, "
        f"CASE WHEN {known} AND rows.amount IS NOT NULL THEN rows.currency END AS original_currency, "
        f"({foreign} AND NOT ({known}) AND REGEXP_FULL_MATCH(rows.currency, '[A-Z]{{3}}') "
        f'AND rows.amount IS NOT NULL AND rows.occurred_at IS NOT NULL) AS "#no_rate" '
        f"FROM ({relation}) AS rows LEFT JOIN {quoted(rates)} AS rates "
        f"ON {foreign} AND rates.currency = rows.currency AND rates.day = CAST({local} AS DATE)"
    )


def _tenfold(power: int) -> str:
    return str(10**power) if power >= 0 else f"0.{'0' * (-power - 1)}1"
