"""Features that other rooms publish (a segment, a score), dated and versioned; and snapshots of computed tables."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from coterie.errors import DataError, MissingColumnError, ParameterError
from coterie.features import batch
from coterie.features.combination import Declared
from coterie.progress import SILENT, Progress
from coterie.schema import KEY, TIME, Table, utc_now
from coterie.store.ports import Commit, Engine, Lake
from coterie.store.sql import alias, column, moment, render, text, whole

if TYPE_CHECKING:
    from coterie.store.warehouse import Warehouse

PUBLISHED = Table(
    "published",
    pa.schema(
        [
            ("person", KEY),
            ("feature", pa.string()),
            ("version", pa.string()),
            ("as_of", TIME),
            ("available_at", TIME),
            ("number", pa.float64()),
            ("label", pa.string()),
        ]
    ),
    ("person", "feature", "version", "as_of", "available_at"),
    "Segments, scores and memberships of people, dated and versioned.",
    subject="person",
)
SNAPSHOTS = Table(
    "snapshots",
    pa.schema(
        [
            ("person", KEY),
            ("as_of", TIME),
            ("snapshot", pa.string()),
            ("position", pa.int64()),
            ("numbers", pa.list_(pa.field("element", pa.float64()))),
            ("labels", pa.list_(pa.field("element", pa.string()))),  # Delta's own name for what is in a list
        ]
    ),
    ("snapshot", "position"),
    "Tables of features that were computed before, to be read back instead of computed again.",
    subject="person",
)
_VALUES = 20_000_000  # a table with more of them is not kept: it would take much room for a little time
_ROWS = 2_000_000  # so many are kept of all tables together


def publish(
    lake: Lake,
    feature: str,
    version: str,
    values: pa.Table,
    *,
    as_of: datetime,
    available_at: datetime | None = None,
    commit: Commit | None = None,
) -> bool:
    """Keep one value a person under a name, for other rooms to read.

    Parameters
    ----------
    lake
        Where it is kept; ``PUBLISHED`` is made when it is not there.
    feature
        The name, such as ``segment`` or ``churn_90d``.
    version
        What made it, such as a model's SHA-256.
    values
        ``person`` with ``number``, ``label`` or both; no person twice.
    as_of
        The moment that the values speak of, naive UTC.
    available_at
        From when on they can be read; now, when not given.
    commit
        Names the write, so that repeating it does nothing.

    Returns
    -------
    bool
        False when the commit was applied before.
    """
    if not feature or not version:
        raise ParameterError.of("publish", "feature and version", (feature, version), "not empty")
    if "person" not in values.column_names or not {"number", "label"} & set(values.column_names):
        raise MissingColumnError.of("The values to publish", ["person", "number"], values.column_names)
    people = values.num_rows
    if pc.count_distinct(values["person"], mode="all").as_py() != people or values["person"].null_count:
        raise DataError(f"The values of {feature} have a person twice, or none.", hint="publish one row a person.")
    columns = {
        "person": values["person"],
        "feature": pa.repeat(feature, people),
        "version": pa.repeat(version, people),
        "as_of": pa.repeat(pa.scalar(as_of, TIME), people),
        "available_at": pa.repeat(pa.scalar(available_at or utc_now(), TIME), people),
        "number": values["number"] if "number" in values.column_names else pa.nulls(people),
        "label": values["label"] if "label" in values.column_names else pa.nulls(people),
    }
    lake.create(PUBLISHED)
    return lake.append(PUBLISHED, pa.table(columns).cast(PUBLISHED.schema), commit)


def read(warehouse: Warehouse, feature: str, *, at: datetime, version: str | None = None) -> pa.Table:
    """Return each person's latest value of a published feature that was known at a moment.

    Parameters
    ----------
    warehouse
        A warehouse of the lake that it was published to.
    feature
        The name.
    at
        Naive UTC; values that speak of a later moment, or became available later, are not read.
    version
        Read that one only; any when not given.

    Returns
    -------
    pa.Table
        ``person, version, as_of, available_at, number, label``, a row a person, sorted by person.
    """
    warehouse.attach_tables(PUBLISHED)
    names = ["person", "version", "as_of", "available_at", "number", "label"]
    conditions = [
        exp.EQ(this=column("feature"), expression=text(feature)),
        exp.LTE(this=column("as_of"), expression=moment(at)),
        exp.LTE(this=column("available_at"), expression=moment(at)),
    ]
    if version is not None:
        conditions.append(exp.EQ(this=column("version"), expression=text(version)))
    latest = [exp.Ordered(this=column(name), desc=True) for name in ("as_of", "available_at", "version")]
    rank = exp.Window(this=exp.RowNumber(), partition_by=[column("person")], order=exp.Order(expressions=latest))
    ranked = exp.select(*(column(name) for name in names), alias(rank, "rank"))
    ranked = ranked.from_(exp.table_(PUBLISHED.name, quoted=True)).where(*conditions)
    chosen = exp.select(*(column(name) for name in names)).from_(ranked.subquery("ranked"))
    newest = exp.EQ(this=column("rank"), expression=whole(1))
    return warehouse.query(render(chosen.where(newest).order_by(column("person"))))


def of_person(warehouse: Warehouse, person: int, *, at: datetime) -> pa.Table:
    """Return the latest value of everything published of one person that was known at a moment.

    Parameters
    ----------
    warehouse
        A warehouse of the lake that it was published to.
    person
        The person's key.
    at
        Naive UTC; values that speak of a later moment, or became available later, are not read.

    Returns
    -------
    pa.Table
        ``feature, version, as_of, available_at, number, label``, a row a feature, by name.
    """
    warehouse.attach_tables(PUBLISHED)
    return warehouse.query(
        f"""
        SELECT feature, version, as_of, available_at, number, label FROM "{PUBLISHED.name}"
        WHERE person = $person AND as_of <= $at AND available_at <= $at
        QUALIFY ROW_NUMBER() OVER (PARTITION BY feature ORDER BY as_of DESC, available_at DESC, version DESC) = 1
        ORDER BY feature
        """,
        {"person": person, "at": at},
    )


def fingerprint(
    features: Sequence[Declared],
    spine: pa.Table,
    *,
    timezone: str,
    currency: str | None,
    data: Mapping[str, int | str],
    among: pa.Array | None = None,
) -> str:
    """Return the SHA-256, in hexadecimal, of everything that a table of features depends on.

    ``data`` says which data the warehouse's views show: the version of each table in the lake, of the edges between
    subjects, and of what the gate lets through. Names of features count, for they name the table's columns. Which
    engine computes it does not: all give the same.
    """
    asked = {
        "features": [(feature.name, feature.fingerprint) for feature in features],
        "timezone": timezone,
        "currency": currency,
        "data": dict(data),
    }
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True, separators=(",", ":")).encode())
    for name in _keys(features):
        digest.update(_bytes_of(spine[name]))
    if among is not None:
        digest.update(b"among")
        digest.update(_bytes_of(among))
    return digest.hexdigest()


def table(
    warehouse: Warehouse,
    lake: Lake,
    features: Sequence[Declared],
    spine: pa.Table,
    *,
    timezone: str,
    data: Mapping[str, int | str],
    currency: str | None = None,
    until: datetime | None = None,
    among: pa.Array | None = None,
    engine: Engine | None = None,
    progress: Progress = SILENT,
) -> tuple[pa.Table, str, bool]:
    """Return ``batch.table`` of the same arguments, read back where the same was computed on the same data before.

    Tables about persons (and pairs) of up to 20 million values are kept, until there would be more than 2 million rows
    of them: then all are thrown away, and what is asked for is kept anew. Tables about products and the like are
    computed each time: a person who is erased could not be found in them.

    Parameters
    ----------
    warehouse
        Of ``lake``; reads what was kept.
    lake
        Where snapshots are kept; ``SNAPSHOTS`` is made when it is not there.
    features, spine, timezone, currency, until, progress
        As in ``batch.table``.
    data
        Which data the views show, see ``fingerprint``.
    among
        The subjects whose facts are counted for products and the like, int64; None for those of everybody.
    engine
        What computes; the warehouse, when not given.

    Returns
    -------
    tuple
        The table, its fingerprint, and whether it was read back.
    """
    lake.create(SNAPSHOTS)
    shape = batch.schema(features)
    state = dict(data) if until is None else {**data, "until": until.isoformat()}
    snapshot = fingerprint(features, spine, timezone=timezone, currency=currency, data=state, among=among)
    rows = spine.num_rows
    keeps = "person" in shape.names and 0 < rows <= _ROWS and rows * len(features) <= _VALUES
    if keeps and (kept := _read_snapshot(warehouse, snapshot, shape, spine)) is not None:
        return kept, snapshot, True
    runs = engine or warehouse
    with ExitStack() as shown:
        name = None
        if among is not None:
            name = shown.enter_context(runs.temporary(f"among_{uuid4().hex}", pa.table({"subject": among})))
        fresh = batch.table(
            runs, features, spine, timezone=timezone, currency=currency, until=until, among=name, progress=progress,
        )  # fmt: skip
    if keeps and (kept := _as_snapshot(fresh, snapshot)) is not None:
        if lake.count(SNAPSHOTS) + rows > _ROWS:
            lake.delete(SNAPSHOTS, "position", range(_ROWS))
        lake.append(SNAPSHOTS, kept)
    return fresh, snapshot, False


def _keys(features: Sequence[Declared]) -> tuple[str, ...]:
    """Return the columns that are not features: whom or what, and when."""
    return (*(features[0].owner if features else ()), "as_of")


def _bytes_of(values: pa.ChunkedArray | pa.Array) -> bytes:
    if pa.types.is_timestamp(values.type):
        values = values.cast(TIME).cast(pa.int64())
    if pa.types.is_integer(values.type):
        return bytes(values.cast(pa.int64()).to_numpy(zero_copy_only=False).astype("<i8").tobytes())
    return json.dumps(values.to_pylist()).encode()


def _parts(shape: pa.Schema) -> tuple[list[str], list[str]]:
    """Return the columns of numbers and those of text; the last of the keys is ``as_of``."""
    names = shape.names[shape.get_field_index("as_of") + 1 :]
    labels = [name for name in names if shape.field(name).type == pa.string()]
    return [name for name in names if name not in labels], labels


def _as_snapshot(fresh: pa.Table, snapshot: str) -> pa.Table | None:
    """Return a table as it is kept; None where a whole number is too large to be kept as a float."""
    numbers, labels = _parts(fresh.schema)
    try:
        floats = [fresh[name].cast(pa.float64()) for name in numbers]
    except pa.ArrowInvalid:
        return None
    rows = {
        "person": fresh["person"],
        "as_of": fresh["as_of"],
        "snapshot": pa.repeat(snapshot, fresh.num_rows),
        "position": pa.array(np.arange(fresh.num_rows)),
        "numbers": _lists(floats, pa.float64(), fresh.num_rows),
        "labels": _lists([fresh[name] for name in labels], pa.string(), fresh.num_rows),
    }
    return pa.table(rows).cast(SNAPSHOTS.schema)


def _lists(columns: list[pa.ChunkedArray], kind: pa.DataType, rows: int) -> pa.ListArray:
    """Return columns of the same length as one column of lists, row by row."""
    width = len(columns)
    flat = pa.chunked_array([chunk for one in columns for chunk in one.chunks], kind).combine_chunks()
    by_row = np.arange(width * rows).reshape(width, rows).T.ravel()
    return pa.ListArray.from_arrays(np.arange(rows + 1, dtype=np.int32) * width, flat.take(pa.array(by_row)))


def _read_snapshot(warehouse: Warehouse, snapshot: str, shape: pa.Schema, spine: pa.Table) -> pa.Table | None:
    """Return the table as it was kept; None where it was not, or not all of it: somebody was erased since."""
    warehouse.attach_tables(SNAPSHOTS)
    wanted = exp.select(*(column(name) for name in ("numbers", "labels")))
    wanted = wanted.from_(exp.table_(SNAPSHOTS.name, quoted=True))
    same = exp.EQ(this=column("snapshot"), expression=text(snapshot))
    rows = warehouse.query(wanted.where(same).order_by(column("position")))
    if rows.num_rows != spine.num_rows:
        return None
    numbers, labels = _parts(shape)
    columns = {name: spine[name] for name in shape.names if name not in (*numbers, *labels)}
    for field, names in (("numbers", numbers), ("labels", labels)):
        for index, name in enumerate(names):
            columns[name] = pc.list_element(rows[field], index)
    return pa.table({name: columns[name] for name in shape.names}).cast(shape)
