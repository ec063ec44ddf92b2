"""Which subjects are one person, and since when the shop has known it: a pure function of the edges between them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt
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
            ("kind", pa.string()),  # what showed it, for example "same row" or "login"
            ("occurred_at", TIME),
            ("available_at", TIME),
            ("ingested_at", TIME),
        ]
    ),
    key=("subject_a", "subject_b", "source", "kind", "available_at"),
    subject="subject_a",
    meaning="Which two subjects were seen to be the same person, and when; the history is kept.",
    properties={"subjects": ("subject_a", "subject_b")},
)

PERSON_OF = pa.schema([("subject", KEY), ("person", KEY), ("valid_from", TIME), ("valid_until", TIME)])

# Open ends are these two, not null, so that `valid_from <= as_of AND as_of < valid_until` is the whole join.
BEGINNING = datetime(1, 1, 1)
END = datetime(9999, 12, 31)

_Keys = npt.NDArray[np.int64]


def canonical(edges: pa.Table) -> pa.Table:
    """Return edges as they are kept: the smaller key first, no loops, of each source and kind the earliest sighting.

    Parameters
    ----------
    edges
        The columns of :data:`EDGES` in any order of the two subjects; ``ingested_at`` may be absent.

    Raises
    ------
    MissingColumnError
        When a column is absent.
    DataError
        When anything but ``occurred_at`` is null: an edge without its time would rewrite the past.

    Examples
    --------
    >>> moment = datetime(2026, 1, 2)
    >>> one = {"source": "till", "subject_a": 9, "subject_b": 4, "kind": "same row", "occurred_at": moment}
    >>> canonical(EDGES.rows([{**one, "available_at": moment}]))["subject_a"].to_pylist()
    [4]
    """
    if missing := [name for name in EDGES.schema.names if name not in (*edges.column_names, "ingested_at")]:
        raise MissingColumnError.of("The table of edges", missing, edges.column_names)
    _filled(edges, EDGES.key)
    if "ingested_at" not in edges.column_names:
        edges = edges.append_column("ingested_at", pa.nulls(edges.num_rows, TIME))
    edges = edges.select(EDGES.schema.names).cast(EDGES.schema)
    one, other = edges["subject_a"], edges["subject_b"]
    edges = edges.set_column(1, "subject_a", pc.min_element_wise(one, other))
    edges = edges.set_column(2, "subject_b", pc.max_element_wise(one, other))
    edges = edges.filter(pc.not_equal(edges["subject_a"], edges["subject_b"]))
    same = ["subject_a", "subject_b", "source", "kind"]
    edges = edges.sort_by([(name, "ascending") for name in (*same, "available_at", "occurred_at", "ingested_at")])
    first = edges.group_by(same, use_threads=False).aggregate(
        [(name, "first") for name in ("occurred_at", "available_at", "ingested_at")]
    )
    return (
        first.rename_columns([name.removesuffix("_first") for name in first.column_names])
        .select(EDGES.schema.names)
        .cast(EDGES.schema)
    )


def link(ledger: Ledger, edges: pa.Table, *, now: datetime | None = None) -> int:
    """Keep edges; an edge that was seen at that moment before changes nothing. Returns how many different ones came.

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
    return ledger.put(EDGES, rows.set_column(rows.column_names.index("ingested_at"), "ingested_at", stored))


def person_of(edges: pa.Table, subjects: pa.Table | pa.Array | Sequence[int] | None = None) -> pa.Table:
    """Return which person each subject was, as far as the shop knew at each moment.

    At ``as_of``, subjects joined by edges with ``available_at <= as_of`` are one person. A person's key is an anchor:
    the member that was known first (ties: the smaller key), so a person keeps the key when subjects are added, and when
    two persons turn out to be one, the older key stays. The order of the edges does not matter.

    Parameters
    ----------
    edges
        Columns ``subject_a, subject_b`` (int64) and ``available_at``; others are ignored.
    subjects
        Subjects to include though they may have no edge: keys, or a table ``subject, known_at`` that says when each was
        first known. Without that, a subject is known from its first edge.

    Returns
    -------
    pa.Table
        ``subject, person, valid_from, valid_until``, sorted by subject and time: of each subject the intervals
        ``[valid_from, valid_until)``, without gaps from :data:`BEGINNING` to :data:`END`.

    Notes
    -----
    Components that came together at one moment (most are one edge) are found at once by sparse connected components.
    For the others edges are joined in the order of time, the newer person into the older: a Python loop over those
    edges, about two microseconds each, and one interval for each subject that changes its person.

    Examples
    --------
    >>> edges = pa.table({"subject_a": [1], "subject_b": [2], "available_at": pa.array([datetime(2026, 1, 2)], TIME)})
    >>> [(row["subject"], row["person"], row["valid_from"].year) for row in person_of(edges).to_pylist()]
    [(1, 1, 1), (2, 2, 1), (2, 1, 2026)]
    """
    one, other, time = _joins(edges)
    keys, known = _known(one, other, time, subjects)
    # Nodes are numbered by seniority, so that the anchor of a component is its smallest number.
    order = np.lexsort((keys, known))
    seniority = np.empty(len(keys), dtype=np.int64)
    seniority[order] = np.arange(len(keys))
    a, b = seniority[np.searchsorted(keys, one)], seniority[np.searchsorted(keys, other)]
    component = _components(len(keys), a, b)
    first, last = _span(component, a, time, len(keys))
    at_once = first == last
    node = np.flatnonzero(at_once[component])
    anchor = _anchors(component)[component[node]]
    moved = node != anchor
    changes = [(node[moved], first[component[node[moved]]], anchor[moved])]
    later = ~at_once[component[a]] if len(a) else np.zeros(0, dtype=bool)
    changes.append(_merges(a[later], b[later], time[later]))
    return _intervals(keys[order], *(np.concatenate(parts) for parts in zip(*changes, strict=True)))


def members(resolved: pa.Table) -> pa.Table:
    """Return of whom each person consists today, for every key that a person ever had.

    This is what the gate is asked with: rows of the past carry the keys of their time, and an objection that was made
    with any identifier of a person holds for all of them, also those that were not yet known to belong together.

    Parameters
    ----------
    resolved
        As :func:`person_of` returns it; rows of more subjects may have been added.

    Returns
    -------
    pa.Table
        ``person, subject``, sorted; each pair once.

    Examples
    --------
    >>> edges = pa.table({"subject_a": [1], "subject_b": [2], "available_at": pa.array([datetime(2026, 1, 2)], TIME)})
    >>> [tuple(row.values()) for row in members(person_of(edges)).to_pylist()]
    [(1, 1), (1, 2), (2, 1), (2, 2)]
    """
    pairs = resolved.select(["subject", "person"])
    today = pairs.filter(pc.equal(resolved["valid_until"], pa.scalar(END, TIME)))
    ever = (
        pairs.rename_columns(["subject", "former"]).join(today, "subject").group_by(["former", "person"]).aggregate([])
    )
    found = ever.join(today, "person").select(["former", "subject"]).rename_columns(["person", "subject"])
    return (
        found.group_by(["person", "subject"])
        .aggregate([])
        .sort_by([(name, "ascending") for name in found.schema.names])
    )


def _joins(edges: pa.Table) -> tuple[_Keys, _Keys, _Keys]:
    """Return the two ends and the time of each edge, none of them null."""
    names = ("subject_a", "subject_b", "available_at")
    if missing := [name for name in names if name not in edges.column_names]:
        raise MissingColumnError.of("The table of edges", missing, edges.column_names)
    _filled(edges, names)
    time = edges["available_at"].cast(TIME).cast(pa.int64()).to_numpy()
    return edges["subject_a"].cast(KEY).to_numpy(), edges["subject_b"].cast(KEY).to_numpy(), time


def _filled(edges: pa.Table, names: Sequence[str]) -> None:
    """Raise when a column has nulls."""
    for name in names:
        if edges[name].null_count:
            raise DataError(f"{edges[name].null_count:,} identity edges have no {name}.")


def _known(
    one: _Keys, other: _Keys, time: _Keys, subjects: pa.Table | pa.Array | Sequence[int] | None
) -> tuple[_Keys, _Keys]:
    """Return every subject, ascending, and the microsecond from which it was known."""
    never = np.iinfo(np.int64).max
    if subjects is None:
        extra, since = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    elif isinstance(subjects, pa.Table):
        extra = subjects["subject"].cast(KEY).to_numpy()
        since = subjects["known_at"].cast(TIME).cast(pa.int64()).fill_null(never).to_numpy()
    else:
        extra = np.asarray(subjects, dtype=np.int64)
        since = np.full(len(extra), never)
    keys, place = np.unique(np.concatenate([one, other, extra]), return_inverse=True)
    known = np.full(len(keys), never)
    np.minimum.at(known, place, np.concatenate([time, time, since]))
    return keys, known


def _components(count: int, a: _Keys, b: _Keys) -> _Keys:
    """Return the component of each node when all edges hold."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(a), dtype=np.int8), (a, b)), shape=(count, count))
    if count == 0:
        return np.zeros(0, dtype=np.int64)
    _, labels = connected_components(graph, directed=False)
    return np.asarray(labels, dtype=np.int64)


def _span(component: _Keys, a: _Keys, time: _Keys, count: int) -> tuple[_Keys, _Keys]:
    """Return the first and the last time of the edges of each component; the same where there are none."""
    first, last = np.full(count, np.iinfo(np.int64).max), np.full(count, np.iinfo(np.int64).min)
    np.minimum.at(first, component[a], time)
    np.maximum.at(last, component[a], time)
    lonely = first > last
    last[lonely] = first[lonely]
    return first, last


def _anchors(component: _Keys) -> _Keys:
    """Return the smallest node of each component."""
    _, anchor = np.unique(component, return_index=True)
    return anchor


def _merges(a: _Keys, b: _Keys, time: _Keys) -> tuple[_Keys, _Keys, _Keys]:
    """Join edges in the order of time; return node, time and new anchor of every change."""
    order = np.argsort(time, kind="stable")
    parent: dict[int, int] = {}
    members: dict[int, list[int]] = {}
    nodes: list[int] = []
    winners: list[int] = []
    moments: list[int] = []
    sizes: list[int] = []

    def root(node: int) -> int:
        top = parent.setdefault(node, node)
        while parent[top] != top:
            parent[top] = top = parent[parent[top]]
        return top

    for one, other, moment in zip(a[order].tolist(), b[order].tolist(), time[order].tolist(), strict=True):
        older, newer = sorted((root(one), root(other)))
        if older == newer:
            continue
        moving = members.pop(newer, [newer])
        members.setdefault(older, [older]).extend(moving)
        parent[newer] = older
        nodes.extend(moving)
        winners.append(older)
        moments.append(moment)
        sizes.append(len(moving))
    return (
        np.array(nodes, dtype=np.int64),
        np.repeat(np.array(moments, dtype=np.int64), sizes),
        np.repeat(np.array(winners, dtype=np.int64), sizes),
    )


def _intervals(keys: _Keys, node: _Keys, time: _Keys, anchor: _Keys) -> pa.Table:
    """Turn changes, in the order in which they happened to each node, into intervals that leave no gap."""
    beginning, end = (int(moment) for moment in np.array([BEGINNING, END], dtype="datetime64[us]").astype(np.int64))
    everyone = np.arange(len(keys))
    node = np.concatenate([everyone, node])
    start = np.concatenate([np.full(len(keys), beginning), time])
    anchor = np.concatenate([everyone, anchor])
    order = np.lexsort((np.arange(len(node)), start, keys[node]))
    node, start, anchor = node[order], start[order], anchor[order]
    until = np.append(start[1:], end)
    until[np.append(node[1:] != node[:-1], True)] = end
    lasting = start < until  # several merges at one moment leave only the last
    return pa.table(
        {
            "subject": pa.array(keys[node[lasting]], KEY),
            "person": pa.array(keys[anchor[lasting]], KEY),
            "valid_from": pa.array(start[lasting], pa.int64()).cast(TIME),
            "valid_until": pa.array(until[lasting], pa.int64()).cast(TIME),
        },
        schema=PERSON_OF,
    )
