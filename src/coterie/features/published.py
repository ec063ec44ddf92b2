"""Features that other rooms publish (a segment, a score), dated and versioned; and snapshots of computed tables."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from coterie.errors import DataError, MissingColumnError, ParameterError
from coterie.features import batch
from coterie.features.feature import Feature
from coterie.schema import KEY, TIME, Table, utc_now
from coterie.store.ports import Commit, Lake
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


def fingerprint(
    features: Sequence[Feature], spine: pa.Table, *, timezone: str, currency: str | None, data: Mapping[str, int | str]
) -> str:
    """Return the SHA-256, in hexadecimal, of everything that a table of features depends on.

    ``data`` says which data the warehouse's views show: the version of each table in the lake, of the edges between
    subjects, and of what the gate lets through. Names of features count, for they name the table's columns.
    """
    asked = {
        "features": [(feature.name, feature.fingerprint) for feature in features],
        "timezone": timezone,
        "currency": currency,
        "data": dict(data),
    }
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True, separators=(",", ":")).encode())
    for name in batch.SPINE.names:
        values = spine[name].cast(batch.SPINE.field(name).type).cast(pa.int64())
        digest.update(values.to_numpy().astype("<i8").tobytes())
    return digest.hexdigest()


def table(
    warehouse: Warehouse,
    lake: Lake,
    features: Sequence[Feature],
    spine: pa.Table,
    *,
    timezone: str,
    data: Mapping[str, int | str],
    currency: str | None = None,
    until: datetime | None = None,
) -> tuple[pa.Table, bool]:
    """Return ``batch.table`` of the same arguments, read back where the same was computed on the same data before.

    Parameters
    ----------
    warehouse, features, spine, timezone, currency, until
        As in ``batch.table``; ``warehouse`` is of ``lake``.
    lake
        Where snapshots are kept; ``SNAPSHOTS`` is made when it is not there.
    data
        Which data the views show, see ``fingerprint``.

    Returns
    -------
    tuple
        The table, and whether it was read back.
    """
    lake.create(SNAPSHOTS)
    shape = batch.schema(features)
    state = dict(data) if until is None else {**data, "until": until.isoformat()}
    snapshot = fingerprint(features, spine, timezone=timezone, currency=currency, data=state)
    kept = _read_snapshot(warehouse, snapshot, shape)
    if kept.num_rows == spine.num_rows and spine.num_rows:  # fewer rows: somebody was erased since
        return kept, True
    fresh = batch.table(warehouse, features, spine, timezone=timezone, currency=currency, until=until)
    if fresh.num_rows:
        lake.append(SNAPSHOTS, _as_snapshot(fresh, snapshot), Commit(f"snapshot-{snapshot}", 1))
    return fresh, False


def _parts(shape: pa.Schema) -> tuple[list[str], list[str]]:
    names = [name for name in shape.names if name not in batch.SPINE.names]
    labels = [name for name in names if shape.field(name).type == pa.string()]
    return [name for name in names if name not in labels], labels


def _as_snapshot(fresh: pa.Table, snapshot: str) -> pa.Table:
    numbers, labels = _parts(fresh.schema)
    rows = {
        "person": fresh["person"],
        "as_of": fresh["as_of"],
        "snapshot": pa.repeat(snapshot, fresh.num_rows),
        "position": pa.array(np.arange(fresh.num_rows)),
        "numbers": _lists([fresh[name].cast(pa.float64()) for name in numbers], pa.float64(), fresh.num_rows),
        "labels": _lists([fresh[name] for name in labels], pa.string(), fresh.num_rows),
    }
    return pa.table(rows).cast(SNAPSHOTS.schema)


def _lists(columns: list[pa.ChunkedArray], kind: pa.DataType, rows: int) -> pa.ListArray:
    """Return columns of the same length as one column of lists, row by row."""
    width = len(columns)
    flat = pa.chunked_array([chunk for one in columns for chunk in one.chunks], kind).combine_chunks()
    by_row = np.arange(width * rows).reshape(width, rows).T.ravel()
    return pa.ListArray.from_arrays(np.arange(rows + 1, dtype=np.int32) * width, flat.take(pa.array(by_row)))


def _read_snapshot(warehouse: Warehouse, snapshot: str, shape: pa.Schema) -> pa.Table:
    warehouse.attach_tables(SNAPSHOTS)
    wanted = exp.select(*(column(name) for name in ("person", "as_of", "numbers", "labels")))
    wanted = wanted.from_(exp.table_(SNAPSHOTS.name, quoted=True))
    same = exp.EQ(this=column("snapshot"), expression=text(snapshot))
    rows = warehouse.query(render(wanted.where(same).order_by(column("position"))))
    columns = {"person": rows["person"], "as_of": rows["as_of"]}
    for field, names in zip(("numbers", "labels"), _parts(shape), strict=True):
        for index, name in enumerate(names):
            columns[name] = pc.list_element(rows[field], index)
    return pa.table({name: columns[name] for name in shape.names}).cast(shape)
