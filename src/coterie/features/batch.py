"""Features of many people at many moments, computed in one SQL statement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import uuid4
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from coterie.errors import CurrencyError, DataError, MissingColumnError, ParameterError
from coterie.features.feature import Feature, relation
from coterie.features.outcome import Outcome, check_observed, observed_until
from coterie.features.statement import statement
from coterie.schema import KEY, TIME
from coterie.store.sql import column, render

if TYPE_CHECKING:
    from coterie.store.warehouse import Warehouse

SPINE = pa.schema([("person", KEY), ("as_of", TIME)])

_TYPES = {
    "money": pa.int64(),
    "count": pa.int64(),
    "days": pa.float64(),
    "share": pa.float64(),
    "number": pa.float64(),
    "text": pa.string(),
}


def table(
    warehouse: Warehouse,
    features: Sequence[Feature],
    spine: pa.Table,
    *,
    timezone: str,
    currency: str | None = None,
    until: datetime | None = None,
) -> pa.Table:
    """Return features and outcomes of people at moments: a training set and "today" are the same call.

    Parameters
    ----------
    warehouse
        Views ``order_lines``, ``events``, ``products``, ``traits`` (shapes in ``coterie.schema``) and ``person_of``
        (subject, person, valid_from, valid_until: one row for every subject and interval; no bound is open).
    features
        Definitions with different names; outcomes among them are checked against the end of the data.
    spine
        Columns ``person`` (int64) and ``as_of`` (naive UTC timestamp), shape (rows, 2): any rows in any order, several
        moments a person and repeated rows included. A person is who it was known to be at ``as_of``.
    timezone
        IANA name of the shop's zone, for local days, weekdays and hours.
    currency
        ISO 4217 code that all amounts have to be in; when not given, they have to be in one.
    until
        When the data end, for outcomes; the latest fact when not given.

    Returns
    -------
    pa.Table
        ``person``, ``as_of`` and one column a feature (money and count int64, text string, all else float64), one row
        for every row of the spine, in its order. Of no fact, counts are 0 and others null.

    Raises
    ------
    ParameterError
        Two features share a name, there is none, or the time zone is unknown.
    MissingColumnError, DataError
        The spine lacks a column, has nulls in it, or an outcome's horizon ends after the data.
    CurrencyError
        Amounts are in several currencies, or in another one.
    """
    _check(features, timezone)
    rows = _spine(spine)
    if not rows.num_rows:
        return schema(features).empty_table()
    moments = pc.min_max(rows["as_of"]).as_py()
    outcomes = [feature for feature in features if isinstance(feature, Outcome)]
    if outcomes:
        check_observed(outcomes, moments["max"], until or observed_until(warehouse))
    name = f"spine_{uuid4().hex}"  # its own, for a warehouse may be asked from several threads
    tree = statement(features, timezone=timezone, first=moments["min"], last=moments["max"], spine=name)
    for facts in sorted({relation(feature.on).table for feature in features if feature.unit == "money"}):
        _check_currency(warehouse, facts, currency)
    numbered = rows.append_column("position", pa.array(np.arange(rows.num_rows)))
    with warehouse.temporary(name, numbered):
        return warehouse.query(render(tree)).cast(schema(features))


def schema(features: Iterable[Feature]) -> pa.Schema:
    """Return the columns and types of a table of features."""
    return pa.schema([*SPINE, *((feature.name, _TYPES[feature.unit]) for feature in features)])


def _check(features: Sequence[Feature], timezone: str) -> None:
    names = [feature.name for feature in features]
    if not names:
        raise ParameterError.of("A table of features", "features", "none", "at least one")
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ParameterError.of("A table of features", "names", ", ".join(repeated), "different from each other")
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ParameterError.of("A table of features", "timezone", timezone, "an IANA name") from error


def _spine(spine: pa.Table) -> pa.Table:
    if lost := [name for name in SPINE.names if name not in spine.column_names]:
        raise MissingColumnError.of("The spine", lost, spine.column_names)
    kind = spine.schema.field("as_of").type
    if not pa.types.is_timestamp(kind) or kind.tz is not None:
        raise ParameterError.of("The spine", "as_of", str(kind), "naive UTC timestamps")
    rows = spine.select(SPINE.names).cast(SPINE)
    if rows["person"].null_count or rows["as_of"].null_count:
        raise DataError("The spine has rows without a person or without a moment.", hint="leave these rows out.")
    return rows.combine_chunks()


def _check_currency(warehouse: Warehouse, name: str, currency: str | None) -> None:
    known = exp.not_(exp.Is(this=column("currency"), expression=exp.null()))
    found = warehouse.query(exp.select(column("currency")).distinct().from_(exp.table_(name, quoted=True)).where(known))
    currencies = sorted(found.column(0).to_pylist())
    allowed = [currency] if currency else currencies[:1]
    if [one for one in currencies if one not in allowed]:
        wanted = f"all in {currency}" if currency else "all in one currency"
        raise CurrencyError(
            f"Amounts of {name} are in {', '.join(currencies)}; they have to be {wanted}.",
            hint="convert them in the source's mapping.",
        )
