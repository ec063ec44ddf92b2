"""Spines: of whom or what, and as of when, the rows of a table of features are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from coterie.collect.identifiers import normalise
from coterie.errors import DataError, EmptyShopError, MissingColumnError, ParameterError
from coterie.features import versions
from coterie.schema import KEY, TIME, IdentifierKind
from coterie.store.ports import Vault
from coterie.store.shape import quoted
from coterie.store.sql import Expression

if TYPE_CHECKING:
    import narwhals as nw

    from coterie.workspace.facts import Facts

Moment = Callable[[str | date], datetime]
UNKNOWN = "unknown to the shop"


@dataclass(frozen=True)
class Spine:
    """The rows of a table of features.

    Parameters
    ----------
    rows
        The columns that name whom or what the features are about, and ``as_of`` (naive UTC).
    given
        The rows that the user gave, those that were left out taken off; None where nobody gave any.
    refused
        How many were left out, by reason: rows where rows were given, else persons.
    """

    rows: pa.Table
    given: nw.DataFrame[Any] | None = None
    refused: dict[str, int] = field(default_factory=dict)


def occurring(seen: Facts, owner: tuple[str, ...], moments: Sequence[datetime]) -> Spine:
    """Return everybody, or everything, that features can be about at each moment, in order.

    Persons are those who had bought by then; products, categories and pairs those that occur in a line or an event
    that was known then.

    Parameters
    ----------
    seen
        What may be seen.
    owner
        The columns that name one, as of ``Feature.owner``.
    moments
        Naive UTC.

    Raises
    ------
    EmptyShopError
        There is none.
    """
    if owner == ("person",):
        return Spine(seen.spine(moments), refused=seen.refused)
    names = [name for name in owner if name != "person"]
    shelved = not {"source", "product_id"}.issuperset(names)
    columns = [f"{'p' if shelved else 'f'}.{quoted(name)}" for name in names]
    keys = ["who.person"] * ("person" in owner) + columns
    # one row a product, subject and moment that it counts from: a shop has far fewer of these than of facts
    facts = " UNION ALL ".join(
        "SELECT subject, source, product_id, EPOCH_US(occurred_at) AS occurred, "
        f"MIN(GREATEST(occurred_at, available_at)) AS known_at FROM {table} WHERE product_id IS NOT NULL GROUP BY ALL"
        for table in ("order_lines", "events")
    )
    shelf = priced = ""
    if shelved:
        shelf = f"versions AS ({_text(versions.versions())}), shelf AS ({_text(versions.shelf())}), "
        priced = f"JOIN shelf AS p ON {_text(exp.and_(*versions.held('p', 'f')))}"
    who = (
        "JOIN person_of AS who ON who.subject = f.subject AND who.valid_from <= m.as_of AND m.as_of < who.valid_until "
        "JOIN permitted ON permitted.person = who.person"
        if "person" in owner
        else "JOIN among ON among.subject = f.subject"
    )
    found: pa.Table
    with (
        seen.warehouse.temporary("permitted", pa.table({"person": seen.permitted})),
        seen.warehouse.temporary("among", pa.table({"subject": seen.subjects})),
        seen.warehouse.temporary("moments", pa.table({"as_of": pa.array(moments, TIME)})),
    ):
        found = seen.warehouse.query(
            f"WITH {shelf}facts AS ({facts}) SELECT DISTINCT {', '.join(keys)}, m.as_of FROM facts AS f "
            f"JOIN moments AS m ON f.known_at <= m.as_of {priced} {who} "
            f"WHERE {' AND '.join(f'{name} IS NOT NULL' for name in columns)} ORDER BY ALL"
        )
    if not found.num_rows:
        raise EmptyShopError(
            f"No {names[-1].replace('_', ' ')} occurs by {max(moments):%Y-%m-%d %H:%M} UTC.",
            hint="map it in the source's mapping, or choose a later as_of.",
        )
    return Spine(found, refused=seen.refused)


def given(
    data: nw.DataFrame[Any],
    owner: tuple[str, ...],
    as_of: datetime | None,
    *,
    seen: Facts,
    vault: Vault,
    moment: Moment,
) -> Spine:
    """Return the rows of a dataframe that may be processed, in its order.

    Parameters
    ----------
    data
        Has ``as_of`` (dates, times or text) unless that is given besides, and the columns of ``owner``. In place of
        ``person`` it may have a column named as a kind of identifier, such as ``customer_id``; of several, the
        strongest is read. Other columns stay the user's.
    owner
        The columns that name whom or what the features are about.
    as_of
        One moment for all rows, naive UTC; None where the frame has the column.
    seen
        What may be seen.
    vault
        Knows whose an identifier is.
    moment
        Makes naive UTC of a date (start of that local day) or of a text.

    Raises
    ------
    ParameterError, MissingColumnError, DataError
        It lacks a column, has values of another type in one, or rows without a moment.
    EmptyShopError
        No row is left.
    """
    if not len(data):
        raise EmptyShopError("The spine has no rows.", hint="give it a row for each person (or product …) and moment.")
    when = _moments(data, as_of, moment)
    columns: dict[str, pa.Array] = {}
    reasons: pa.Array | None = None
    for name in owner:
        if name == "person":
            columns[name] = _persons(data, when, seen, vault)
            reasons = _reasons(columns[name], seen)
        elif name == "source" and name not in data.columns and len(seen.sources) == 1:
            columns[name] = pa.repeat(seen.sources[0], len(data))
        else:
            columns[name] = _column(data, name, pa.string())
    rows = pa.table({**columns, "as_of": when})
    if reasons is None:
        return Spine(rows, data, seen.refused)
    kept = pc.is_null(reasons)
    refused = {row["values"]: row["counts"] for row in pc.value_counts(reasons.drop_null()).to_pylist()}
    if not pc.any(kept).as_py():
        told = "; ".join(f"{reason}: {number:,}" for reason, number in refused.items())
        raise EmptyShopError(
            f"None of the {len(data):,} rows of the spine is left ({told}).",
            hint="name people as the shop's sources do, by customer_id, email or another identifier.",
        )
    return Spine(rows.filter(kept), data.filter(kept.to_pylist()) if refused else data, refused)


def _moments(data: nw.DataFrame[Any], as_of: datetime | None, moment: Moment) -> pa.Array:
    """Return the rows' moments as naive UTC."""
    if as_of is not None:
        if "as_of" in data.columns:
            raise ParameterError("build: as_of is both a column of the spine and given besides.", hint="leave one out.")
        return pa.repeat(pa.scalar(as_of, TIME), len(data))
    values = _arrow(data, "as_of")
    if values.null_count:
        raise DataError(f"{values.null_count:,} rows of the spine have no as_of.", hint="leave these rows out.")
    if pa.types.is_timestamp(values.type):  # with a zone or naive: the numbers are UTC either way
        return pc.cast(values, pa.timestamp("us", values.type.tz), safe=False).cast(TIME)
    if pa.types.is_date(values.type) or pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        coded = pc.dictionary_encode(values)
        known = pa.array([moment(value) for value in coded.dictionary.to_pylist()], TIME)
        return known.take(coded.indices)
    raise ParameterError.of("The spine", "as_of", str(values.type), "dates, times or text such as 2017-06-01")


def _persons(data: nw.DataFrame[Any], when: pa.Array, seen: Facts, vault: Vault) -> pa.Array:
    """Return who each row is about, as it was known at the row's moment; null where nobody has the identifier."""
    if "person" in data.columns:
        return _column(data, "person", KEY)
    kind = next((str(kind) for kind in IdentifierKind if kind in data.columns), None)
    if kind is None:
        raise MissingColumnError(
            f"The spine does not say whom it is about. Its columns: {', '.join(data.columns[:30])}.",
            missing=("person",),
            present=tuple(data.columns),
            hint=f"give it a column person, or one of {', '.join(IdentifierKind)}.",
        )
    coded = pc.dictionary_encode(_column(data, kind, pa.string()))
    found = {value: vault.find(kind, value) for value in set(normalise(kind, coded.dictionary).drop_null().to_pylist())}
    subjects = pa.array([found.get(value) for value in normalise(kind, coded.dictionary).to_pylist()], KEY)
    asked = pa.table(
        {"row": pa.array(np.arange(len(data))), "subject": subjects.take(coded.indices), "as_of": when}
    )  # fmt: skip
    with seen.warehouse.temporary("asked", asked.filter(pc.is_valid(asked["subject"]))):
        known = seen.warehouse.query(
            "SELECT asked.row, who.person FROM asked JOIN person_of AS who ON who.subject = asked.subject "
            "AND who.valid_from <= asked.as_of AND asked.as_of < who.valid_until"
        )
    persons = known["person"].combine_chunks()
    return persons.take(pc.index_in(asked["row"], known["row"].combine_chunks()).combine_chunks())


def _reasons(persons: pa.Array, seen: Facts) -> pa.Array:
    """Return why each row may not be used; null where it may."""
    place = pc.index_in(persons, seen.verdict["person"].combine_chunks())
    verdict = seen.verdict.combine_chunks().take(place)
    reason = pc.if_else(verdict["permitted"], pa.scalar(None, pa.string()), verdict["reason"])
    why = pc.if_else(pc.is_null(place), pa.scalar(UNKNOWN), reason.combine_chunks())
    return pc.if_else(pc.is_null(persons), pa.scalar(UNKNOWN), why)


def _column(data: nw.DataFrame[Any], name: str, kind: pa.DataType) -> pa.Array:
    """Return a column in a type of ours; whole numbers that a missing one made floats of are whole again."""
    values = _arrow(data, name)
    try:
        if pa.types.is_floating(values.type):
            values = pc.cast(pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values), pa.int64())
        return pc.cast(values, kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        # the cause would show values of the data
        allowed = "whole numbers" if kind == KEY else "text or whole numbers"
        raise ParameterError.of("The spine", name, str(values.type), allowed) from None


def _arrow(data: nw.DataFrame[Any], name: str) -> pa.Array:
    if name not in data.columns:
        raise MissingColumnError.of("The spine", [name], data.columns)
    try:
        values = data.get_column(name).to_arrow()
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        raise ParameterError.of("The spine", name, "values of several types", "of one type") from None
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def _text(tree: Expression) -> str:
    return str(tree.sql(dialect="duckdb"))
