"""The log of what was seen together: two identifiers that stood on one row, and when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from coterie.errors import DataError, MissingColumnError
from coterie.schema import KEY, TIME, Table, utc_now
from coterie.store.ports import Ledger

EDGES = Table(
    "edges",
    pa.schema(
        [
            ("source", pa.string()),
            ("subject_a", KEY),  # the smaller key of the two
            ("subject_b", KEY),
            ("kind_a", pa.string()),  # which kinds of identifiers the two are
            ("kind_b", pa.string()),
            ("kind", pa.string()),  # what showed it, for example "same row" or "login"
            ("occurred_at", TIME),
            ("available_at", TIME),
            ("ingested_at", TIME),
            ("import_id", pa.int64()),  # the import that brought it first; null for none
        ]
    ),
    key=("subject_a", "subject_b", "source", "kind", "available_at"),
    subject="subject_a",
    meaning="Which two subjects were seen to be the same person, and when; the history is kept.",
    properties={"subjects": ("subject_a", "subject_b")},
)


def canonical(edges: pa.Table) -> pa.Table:
    """Return edges as they are kept: the smaller key first, no loops, of each source and kind the earliest sighting.

    Parameters
    ----------
    edges
        The columns of :data:`EDGES` in any order of the two subjects; ``ingested_at`` and ``import_id`` may be absent.

    Raises
    ------
    MissingColumnError
        When a column is absent.
    DataError
        When anything that is needed is null: an edge without its time would rewrite the past, and one without its
        kinds could not be held to a limit.

    Examples
    --------
    >>> moment = datetime(2026, 1, 2)
    >>> one = {"source": "till", "subject_a": 9, "subject_b": 4, "kind_a": "email", "kind_b": "phone"}
    >>> rows = canonical(EDGES.rows([{**one, "kind": "same row", "available_at": moment}]))
    >>> rows.select(["subject_a", "kind_a", "subject_b", "kind_b"]).to_pylist()
    [{'subject_a': 4, 'kind_a': 'phone', 'subject_b': 9, 'kind_b': 'email'}]
    """
    own = ("ingested_at", "import_id")
    if missing := [name for name in EDGES.schema.names if name not in (*edges.column_names, *own)]:
        raise MissingColumnError.of("The table of edges", missing, edges.column_names)
    filled(edges, (*EDGES.key, "kind_a", "kind_b"))
    for name in own:
        if name not in edges.column_names:
            edges = edges.append_column(name, pa.nulls(edges.num_rows, EDGES.schema.field(name).type))
    edges = edges.select(EDGES.schema.names).cast(EDGES.schema)
    turned = pc.greater(edges["subject_a"], edges["subject_b"])
    for a, b in (("subject_a", "subject_b"), ("kind_a", "kind_b")):
        one, other = edges[a], edges[b]
        edges = edges.set_column(edges.column_names.index(a), a, pc.if_else(turned, other, one))
        edges = edges.set_column(edges.column_names.index(b), b, pc.if_else(turned, one, other))
    edges = edges.filter(pc.not_equal(edges["subject_a"], edges["subject_b"]))
    same = ["subject_a", "subject_b", "source", "kind"]
    edges = edges.sort_by([(name, "ascending") for name in (*same, "available_at", "occurred_at", "ingested_at")])
    others = [name for name in EDGES.schema.names if name not in same]
    first = edges.group_by(same, use_threads=False).aggregate([(name, "first") for name in others])
    return (
        first.rename_columns([name.removesuffix("_first") for name in first.column_names])
        .select(EDGES.schema.names)
        .cast(EDGES.schema)
    )


def link(ledger: Ledger, edges: pa.Table, *, now: datetime | None = None) -> int:
    """Keep edges; an edge that was seen at that moment before changes nothing. Returns how many are new.

    Parameters
    ----------
    ledger
        Where :data:`EDGES` is kept.
    edges
        As :func:`canonical` takes them.
    now
        When they are stored, naive UTC; None is the present.
    """
    rows = canonical(edges)
    stored = pa.array([now or utc_now()] * rows.num_rows, TIME)
    return ledger.add(EDGES, rows.set_column(rows.column_names.index("ingested_at"), "ingested_at", stored))


def unlink(ledger: Ledger, import_id: int) -> int:
    """Delete the edges that an import has brought, when it is undone; return how many.

    What another import has seen as well, at another moment, stays.
    """
    return ledger.delete(EDGES, "import_id", [import_id])


def filled(edges: pa.Table, names: Sequence[str]) -> None:
    """Raise DataError when a column has nulls."""
    for name in names:
        if edges[name].null_count:
            raise DataError(f"{edges[name].null_count:,} identity edges have no {name}.")
