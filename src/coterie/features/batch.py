"""Features of many owners at many moments, computed in one SQL statement."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from uuid import uuid4
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from coterie.config import minor_units
from coterie.errors import CurrencyError, DataError, MissingColumnError, ParameterError
from coterie.features.buckets import Bucket, buckets, joined
from coterie.features.combination import Declared, parts_of
from coterie.features.feature import OWNERS, Feature, relation
from coterie.features.outcome import Outcome, check_observed, observed_until
from coterie.features.spine import Spine, among_subjects
from coterie.features.statement import statement
from coterie.features.versions import OF_PRODUCT, shelved
from coterie.progress import SILENT, Progress
from coterie.schema import KEY, TIME
from coterie.store.ports import Engine
from coterie.store.sql import Expression, column, known, lint, named

SPINE = pa.schema([("person", KEY), ("as_of", TIME)])
"""The spine of features of persons."""

_TYPES = {
    "money": pa.int64(),
    "count": pa.int64(),
    "days": pa.float64(),
    "share": pa.float64(),
    "number": pa.float64(),
    "text": pa.string(),
}
_AMOUNTS = {"amount", "discount", "gross", "price_band"}


def table(
    engine: Engine,
    features: Sequence[Declared],
    spine: pa.Table,
    *,
    timezone: str,
    currency: str | None = None,
    until: datetime | None = None,
    among: str | None = None,
    progress: Progress = SILENT,
) -> pa.Table:
    """Return features and outcomes of owners at moments: a training set and "today" are the same call.

    Parameters
    ----------
    engine
        Shows ``order_lines``, ``events``, ``products``, ``traits`` (shapes in ``coterie.schema``) and ``person_of``
        (subject, person, valid_from, valid_until: one row for every subject and interval; no bound is open).
    features
        Definitions with different names and one owner (``per``); outcomes among them are checked against the end of
        the data.
    spine
        The owner's columns (``person`` int64, all others text) and ``as_of`` (naive UTC timestamp): any rows in any
        order, several moments an owner and repeated rows included. A person is who it was known to be at ``as_of``.
    timezone
        IANA name of the shop's zone, for local days, weekdays and hours.
    currency
        ISO 4217 code that all amounts have to be in; when not given, they have to be in one. Says what a price band is.
    until
        When the data end, for outcomes; the latest fact when not given.
    among
        The name of a relation whose column ``subject`` says whose facts count for owners that are no persons (products,
        categories …); all facts when not given.
    progress
        Where the step ``features`` is reported, in rows of the spine.

    Returns
    -------
    pa.Table
        The owner's columns, ``as_of`` and one column a feature (money and count int64, text string, all else float64),
        one row for every row of the spine, in its order. Of no fact, counts are 0 and others null.

    Raises
    ------
    ParameterError
        Two features share a name or are about different owners, there is none, or the time zone is unknown.
    MissingColumnError, DataError
        The spine lacks a column, has nulls in it, an outcome's horizon ends after the data, or a sum of whole numbers
        is too large for 64 bits.
    CurrencyError
        Amounts are in several currencies, or in another one.
    """
    _check(features, timezone)
    rows = _spine(spine, features[0].per)
    if not rows.num_rows:
        return schema(features).empty_table()
    progress.step("features", 0, rows.num_rows)
    moments = pc.min_max(rows["as_of"]).as_py()
    outcomes = [feature for feature in features if isinstance(feature, Outcome)]
    if outcomes:
        check_observed(outcomes, moments["max"], until or observed_until(engine))
    name = f"spine_{uuid4().hex}"  # its own, for an engine may be asked from several threads
    asked = Spine(
        first=moments["min"],
        last=moments["max"],
        timezone=timezone,
        relation=name,
        per=features[0].per,
        among=among,
        exponent=2 if currency is None else minor_units(currency),
    )
    parts = parts_of(tuple(features)).values()
    _check_currencies(engine, parts, currency)
    numbered = rows.append_column("position", pa.array(np.arange(rows.num_rows)))
    split = [Bucket(np.arange(rows.num_rows))]
    if asked.about_persons:
        tables = (relation(part.on).table for part in parts)
        split = buckets(engine, rows["person"], tables, moments=_moments(rows, asked.per))
    answers: list[pa.Table] = []
    with ExitStack() as shown:
        if len(split) > 1 and any(set(OF_PRODUCT) & (part.columns | set(part.owner)) for part in parts):
            goods = engine.query(shelved())
            asked = replace(asked, shelf=shown.enter_context(engine.temporary(f"shelf_{uuid4().hex}", goods)))
        tree = None
        for bucket in split:
            if tree is None or bucket.subjects is None:
                tree = statement(features, replace(asked, subjects=bucket.subjects))
                lint(tree)
            else:  # the same statement of other subjects
                among_subjects(tree, bucket.subjects)
            with engine.temporary(name, numbered if len(split) == 1 else numbered.take(pa.array(bucket.positions))):
                answers.append(_answer(engine, tree, schema(features)))
            progress.step("features", sum(answer.num_rows for answer in answers), rows.num_rows)
    return joined(split, answers)


def _moments(rows: pa.Table, per: str) -> int:
    """Return how many moments are asked of all persons; several rows of a pair share one."""
    if per == "person":
        return int(rows.num_rows)
    return int(rows.group_by(["person", "as_of"]).aggregate([]).num_rows)


def _answer(engine: Engine, tree: Expression, shape: pa.Schema) -> pa.Table:
    try:
        return engine.query(tree).cast(shape)
    except DataError:  # the facts have their types already: what can fail is a sum
        what = "a sum of whole numbers is too large for 64 bits"
        raise DataError(f"The features cannot be computed: {what}.", hint="look for amounts that are wrong.") from None


def schema(features: Sequence[Declared]) -> pa.Schema:
    """Return the columns and types of a table of features, which have one owner."""
    owner = spine_schema(features[0].per if len(features) else "person")
    return pa.schema([*owner, *((feature.name, _TYPES[feature.unit]) for feature in features)])


def spine_schema(per: str) -> pa.Schema:
    """Return the columns and types of a spine of such owners (one of ``OWNERS``).

    >>> spine_schema("person-category").names
    ['person', 'category', 'as_of']
    """
    if per not in OWNERS:
        raise ParameterError.of("A spine", "per", per, f"one of {', '.join(OWNERS)}")
    return pa.schema([*((name, KEY if name == "person" else pa.string()) for name in OWNERS[per]), ("as_of", TIME)])


def _check(features: Sequence[Declared], timezone: str) -> None:
    names = [feature.name for feature in features]
    if not names:
        raise ParameterError.of("A table of features", "features", "none", "at least one")
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ParameterError.of("A table of features", "names", ", ".join(repeated), "different from each other")
    owners = {feature.per: feature.name for feature in features}
    if len(owners) > 1:
        shown = ", ".join(f"{per} ({name})" for per, name in owners.items())
        raise ParameterError.of(
            "A table of features", "owners", shown, "one for all", hint="ask for the features of each in a call."
        )
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ParameterError.of("A table of features", "timezone", timezone, "an IANA name") from error


def _spine(spine: pa.Table, per: str) -> pa.Table:
    shape = spine_schema(per)
    if lost := [name for name in shape.names if name not in spine.column_names]:
        raise MissingColumnError.of(f"The spine of features per {per}", lost, spine.column_names)
    kind = spine.schema.field("as_of").type
    if not pa.types.is_timestamp(kind) or kind.tz is not None:
        raise ParameterError.of("The spine", "as_of", str(kind), "naive UTC timestamps")
    try:
        rows = spine.select(shape.names).cast(shape)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        kinds = ", ".join(f"{name} {spine.schema.field(name).type}" for name in shape.names)
        allowed = ", ".join(f"{field.name} {field.type}" for field in shape)
        # the cause would show values of the spine
        raise ParameterError.of("The spine", "columns", kinds, allowed) from None
    if lost := [name for name in shape.names if rows[name].null_count]:
        shown = " or ".join(f"without a {'moment' if name == 'as_of' else name}" for name in lost)
        raise DataError(f"The spine has rows {shown}.", hint="leave these rows out.")
    return rows.combine_chunks()


def _check_currencies(engine: Engine, parts: Collection[Feature], currency: str | None) -> None:
    for facts in sorted({relation(part.on).table for part in parts if part.columns & _AMOUNTS}):
        query = exp.select(column("currency")).distinct().from_(named(facts)).where(known(column("currency")))
        currencies = sorted(engine.query(query).column(0).to_pylist())
        allowed = [currency] if currency else currencies[:1]
        if [one for one in currencies if one not in allowed]:
            wanted = f"all in {currency}" if currency else "all in one currency"
            raise CurrencyError(
                f"Amounts of {facts} are in {', '.join(currencies)}; they have to be {wanted}.",
                hint="convert them in the source's mapping.",
            )
