"""Which subjects are one person, and since when the shop knows it: a pure function of edges, decisions and rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coterie.profiles import hubs, merging
from coterie.profiles.decision import Turn, Verb, turns
from coterie.profiles.graph import END, FIRST, LAST, Flags, Graph, Subjects, bounds, times
from coterie.profiles.guards import NEVER, Change, Guarded
from coterie.profiles.merging import Keys, Nodes
from coterie.profiles.rules import IdentityRules
from coterie.schema import KEY, TIME

PERSON_OF = pa.schema([("subject", KEY), ("person", KEY), ("valid_from", TIME), ("valid_until", TIME)])
REFUSED = pa.schema(
    [
        ("subject_a", KEY),
        ("subject_b", KEY),
        ("kind_a", pa.string()),
        ("kind_b", pa.string()),
        ("available_at", TIME),
        ("reason", pa.string()),
    ]
)
HUBS = pa.schema([("subject", KEY), ("kind", pa.string()), ("since", TIME), ("seen_with", pa.int64())])


@dataclass(frozen=True)
class Resolution:
    """Who is who, and what was held back.

    Parameters
    ----------
    persons
        ``subject, person, valid_from, valid_until``, sorted by subject and time: of each subject the intervals
        ``[valid_from, valid_until)``, without gaps from :data:`BEGINNING` to :data:`END`.
    refused
        ``subject_a, subject_b, kind_a, kind_b, available_at, reason``: the pairs that were seen together and yet are
        two persons today, sorted; the reason is ``limit KIND`` or ``separated``.
    hubs
        ``subject, kind, since, seen_with``: the identifiers that join nobody because they were seen with too many
        (``seen_with``, of one stronger kind), sorted.
    """

    persons: pa.Table
    refused: pa.Table
    hubs: pa.Table

    @property
    def today(self) -> pa.Table:
        """``subject, person``: who is who at the end of what is known, sorted by subject."""
        now = self.persons.filter(pc.equal(self.persons["valid_until"], pa.scalar(END, TIME)))
        return now.select(["subject", "person"])


def person_of(
    edges: pa.Table,
    subjects: Subjects = None,
    *,
    rules: IdentityRules | None = None,
    decisions: pa.Table | None = None,
    aside: pa.Table | None = None,
) -> pa.Table:
    """Return which person each subject was, as far as the shop knew at each moment (:func:`resolve`).

    Examples
    --------
    >>> from datetime import datetime
    >>> edges = pa.table({"subject_a": [1], "subject_b": [2], "available_at": pa.array([datetime(2026, 1, 2)], TIME)})
    >>> [(row["subject"], row["person"], row["valid_from"].year) for row in person_of(edges).to_pylist()]
    [(1, 1, 1), (2, 2, 1), (2, 1, 2026)]
    """
    return resolve(edges, subjects, rules=rules, decisions=decisions, aside=aside).persons


def resolve(
    edges: pa.Table,
    subjects: Subjects = None,
    *,
    rules: IdentityRules | None = None,
    decisions: pa.Table | None = None,
    aside: pa.Table | None = None,
) -> Resolution:
    """Find out who was who at each moment, under the guard of rules and decisions.

    At ``as_of``, subjects joined by edges with ``available_at <= as_of`` are one person, unless the rules or a decision
    speak against it (:mod:`coterie.profiles.guards` says in which order edges are joined). A person's key is an anchor:
    the member that was known first (ties: the smaller key), so a person keeps the key when subjects are added, and when
    two persons turn out to be one, the older key stays. The order of the edges does not matter, and what becomes
    known later does not change what was the case before.

    Parameters
    ----------
    edges
        Columns ``subject_a, subject_b`` (int64), ``available_at`` and ``kind_a, kind_b``; others are ignored. Without
        the kinds nothing is limited.
    subjects
        Subjects to include though they may have no edge: keys, or a table ``subject, known_at`` that says when each was
        first known. Without that, a subject is known from its first edge.
    rules
        Limits, hubs and priorities; the usual ones by default.
    decisions
        What people have decided: the columns of :data:`coterie.profiles.decision.DECISIONS`.
    aside
        ``subject, since``: subjects that join nobody from a moment on, whatever they were seen with.

    Notes
    -----
    Components in which nothing can be held back are joined at once, vectorised; only the others go edge by edge, at
    some microseconds each.
    """
    rules = rules or IdentityRules()
    graph = Graph.of(edges, subjects, rules, decisions, aside)
    turned = turns(decisions) if decisions is not None else []
    component, risky = graph.components(turned, rules)
    slow = risky[component[graph.a]]
    a, b, time = (graph.a, graph.b, graph.time) if not slow.any() else _where(graph, ~slow)
    changes = [merging.steps(*merging.anchors(component, a, b, time, graph.known))]
    refused = REFUSED.empty_table()
    if risky.any():
        moved, refused = _guarded(graph, np.flatnonzero(risky[component]), slow, turned, rules)
        changes.append(moved)
    node, at, anchor, number = (np.concatenate(parts) for parts in zip(*changes, strict=True))
    subject, person, start, until = merging.intervals(graph.keys, node, at, anchor, number, FIRST, LAST)
    columns = [pa.array(subject), pa.array(person), times(start), times(until)]
    return Resolution(pa.table(columns, schema=PERSON_OF), refused, _hubs(graph, rules))


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
    >>> from datetime import datetime
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


def _where(graph: Graph, chosen: Flags) -> tuple[Nodes, Nodes, Keys]:
    """Return the chosen edges."""
    return graph.a[chosen], graph.b[chosen], graph.time[chosen]


def _hubs(graph: Graph, rules: IdentityRules) -> pa.Table:
    """Return the hubs, blocked subjects left out, as a table."""
    found = np.flatnonzero((graph.hub_since > FIRST) & (graph.hub_since < NEVER))
    with_ = hubs.seen_with(graph.kind, found, *graph.seen) if len(found) else np.zeros(0, dtype=np.int64)
    columns = [pa.array(graph.keys[found], KEY), graph.names(found, rules), times(graph.hub_since[found])]
    return pa.table([*columns, pa.array(with_, pa.int64())], schema=HUBS)


def _guarded(
    graph: Graph, nodes: Nodes, slow: Flags, turned: Sequence[Turn], rules: IdentityRules
) -> tuple[tuple[Nodes, Keys, Nodes, Nodes], pa.Table]:
    """Join what may be held back edge by edge; return the changes as ``merging.steps`` does, and the refused edges."""
    nodes = nodes[np.lexsort((nodes, graph.known[nodes]))]  # by seniority, as the guards number them
    local = np.full(len(graph.keys), -1, dtype=np.intp)
    local[nodes] = np.arange(len(nodes))
    a, b, time = _where(graph, slow)
    a, b, time = hubs.first(np.minimum(a, b), np.maximum(a, b), time)
    kinds = np.sort(np.stack([graph.kind[a], graph.kind[b]]).astype(np.int64), axis=0)
    strength = kinds[0] * (len(rules.priority) + 1) + kinds[1]
    inside = [turn for turn in turned if min(local[[graph.node(end) for end in turn.pair]]) >= 0]
    joints = [(*map(graph.node, turn.pair), turn.at) for turn in inside if turn.verb is Verb.JOIN]
    more = np.array(joints, dtype=np.int64).reshape(-1, 3).T
    a, b, time = np.append(a, more[0]), np.append(b, more[1]), np.append(time, more[2])
    strength = np.append(strength, np.full(len(joints), -1))
    order = np.lexsort((b, a, strength, time))
    numbers = np.argsort(order)[len(order) - len(joints) :].tolist()  # of the joints, among all edges
    guarded = Guarded(
        kind=graph.kind[nodes].tolist(),
        limit=bounds(rules, rules.limit),
        one=local[a[order]].tolist(),
        other=local[b[order]].tolist(),
        since=time[order].tolist(),
        joints=frozenset(numbers),
    )
    pairs = [(int(local[graph.node(turn.pair[0])]), int(local[graph.node(turn.pair[1])])) for turn in inside]
    found_out = nodes[graph.hub_since[nodes] < NEVER]
    guarded.run(
        [
            *(Change(int(graph.hub_since[node]), node=int(local[node])) for node in found_out),
            *_turning(inside, pairs, numbers),
        ]
    )
    moved = np.array(guarded.moved, dtype=np.int64).reshape(-1, 3)
    moved = moved[np.argsort(moved[:, 0], kind="stable")]
    which = hubs.places(moved[:, 0])
    held = guarded.refused()
    edge = order[np.array([number for number, _ in held], dtype=np.intp)]
    reasons = ["separated" if kind is None else f"limit {rules.priority[kind]}" for _, kind in held]
    columns = [pa.array(graph.keys[end[edge]], KEY) for end in (a, b)]
    columns += [graph.names(end[edge], rules) for end in (a, b)]
    refused = pa.table([*columns, times(time[edge]), pa.array(reasons, pa.string())], schema=REFUSED)
    refused = refused.sort_by([(name, "ascending") for name in ("subject_a", "subject_b", "available_at")])
    return (nodes[moved[:, 0]], moved[:, 1], nodes[moved[:, 2]], which), refused


def _turning(inside: Sequence[Turn], pairs: Sequence[tuple[int, int]], joints: Sequence[int]) -> Iterator[Change]:
    """Yield what the turns of decisions change; ``joints`` are the numbers of the edges that decisions make."""
    number = iter(joints)
    before: dict[tuple[int, int], tuple[Verb | None, int]] = {}
    for turn, pair in zip(inside, pairs, strict=True):
        verb, joint = before.get(pair, (None, -1))
        new = next(number) if turn.verb is Verb.JOIN else -1
        yield Change(
            turn.at,
            apart=pair if turn.verb is Verb.SEPARATE else None,
            free=pair if verb is Verb.SEPARATE else None,
            begins=new if turn.verb is Verb.JOIN else None,
            ends=joint if verb is Verb.JOIN else None,
        )
        before[pair] = turn.verb, new
