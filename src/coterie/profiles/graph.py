"""Subjects as the nodes of a graph, and what was seen together as its edges: arrays, ready to be joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coterie.errors import MissingColumnError
from coterie.profiles import hubs, merging
from coterie.profiles.decision import Turn, Verb
from coterie.profiles.edges import filled
from coterie.profiles.guards import NEVER
from coterie.profiles.merging import Keys, Nodes
from coterie.profiles.rules import IdentityRules
from coterie.schema import KEY, TIME

# Open ends are these two, not null, so that `valid_from <= as_of AND as_of < valid_until` is the whole join.
BEGINNING = datetime(1, 1, 1)
END = datetime(9999, 12, 31)
FIRST, LAST = (int(moment) for moment in np.array([BEGINNING, END], dtype="datetime64[us]").astype(np.int64))

Subjects: TypeAlias = pa.Table | pa.Array | Sequence[int] | None
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Graph:
    """Nodes in the order of their keys, and edges between them.

    Parameters
    ----------
    keys, kind, known
        Of each node: the subject, the number of its kind (0 is the strongest; one more than the last where it is not
        told), and the microsecond from which it is known.
    hub_since
        The microsecond from which it joins nobody; ``NEVER`` for most.
    a, b, time
        The edges that ever joined anybody: known before either end was a hub.
    seen
        The same of all edges, those of blocked subjects left out.
    """

    keys: Keys
    kind: npt.NDArray[np.int8]
    known: Keys
    hub_since: Keys
    a: Nodes
    b: Nodes
    time: Keys
    seen: tuple[Nodes, Nodes, Keys]

    @classmethod
    def of(
        cls,
        edges: pa.Table,
        subjects: Subjects,
        rules: IdentityRules,
        decisions: pa.Table | None = None,
        aside: pa.Table | None = None,
    ) -> Graph:
        """Read the tables that :func:`coterie.profiles.resolution.resolve` takes."""
        names = ("subject_a", "subject_b", "available_at")
        if missing := [name for name in names if name not in edges.column_names]:
            raise MissingColumnError.of("The table of edges", missing, edges.column_names)
        filled(edges, names)
        one, other, time = _keys(edges["subject_a"]), _keys(edges["subject_b"]), _times(edges["available_at"])
        extra, since = _subjects(subjects)
        named = [] if decisions is None else [_keys(decisions[name]) for name in names[:2]]
        out = [] if aside is None else [_keys(aside["subject"])]
        keys, (a, b, more, *rest) = merging.numbered([one, other, extra, *named, *out])
        known = np.full(len(keys), NEVER)
        for node, at in ((a, time), (b, time), (more, since)):
            np.minimum.at(known, node, at)
        kind = np.full(len(keys), len(rules.priority), dtype=np.int8)
        if decisions is not None:
            for node, name in zip(rest, ("kind_a", "kind_b"), strict=False):
                kind[node] = _kinds(decisions[name], rules)
                np.minimum.at(known, node, _times(decisions["decided_at"]))
        for node, name in ((a, "kind_a"), (b, "kind_b")):
            if name in edges.column_names:
                kind[node] = _kinds(edges[name], rules)
        if (loop := a == b).any():
            a, b, time = a[~loop], b[~loop], time[~loop]
        hub_since = np.full(len(keys), NEVER)
        if aside is not None:
            np.minimum.at(hub_since, rest[-1], _times(aside["since"]))
            if (free := np.minimum(hub_since[a], hub_since[b]) > FIRST).sum() < len(a):
                a, b, time = a[free], b[free], time[free]
        seen = a, b, time
        np.minimum(hub_since, hubs.since(kind, np.array(bounds(rules, rules.hub)), *seen), out=hub_since)
        if hub_since.min(initial=NEVER) < NEVER:
            before = time < np.minimum(hub_since[a], hub_since[b])
            a, b, time = a[before], b[before], time[before]
        return cls(keys, kind, known, hub_since, a, b, time, seen)

    def node(self, subject: int) -> int:
        """Return the node of a subject that is one."""
        return int(np.searchsorted(self.keys, subject))

    def components(self, turned: Sequence[Turn], rules: IdentityRules) -> tuple[Nodes, Flags]:
        """Return the component of each node, and of each component whether anything in it might be held back."""
        pairs = np.array([[self.node(end) for end in turn.pair] for turn in turned], dtype=np.intp).reshape(-1, 2)
        joint = np.array([turn.verb is Verb.JOIN for turn in turned], dtype=bool)
        a, b = self.a, self.b
        if joint.any():
            a, b = np.append(a, pairs[joint, 0]), np.append(b, pairs[joint, 1])
        component = merging.components(len(self.keys), a, b)
        count = int(component.max(initial=-1)) + 1
        risky = np.zeros(count, dtype=bool)
        for kind, most in enumerate(bounds(rules, rules.limit)):
            risky |= np.bincount(component[self.kind == kind], minlength=count) > most
        risky[component[self.hub_since < NEVER]] = True
        one, other = component[pairs[:, 0]], component[pairs[:, 1]]
        risky[one[one == other]] = True
        return component, risky & (np.bincount(component, minlength=count) > 1)

    def names(self, nodes: Nodes, rules: IdentityRules) -> pa.Array:
        """Return the kinds of nodes in words; null where it is not told."""
        return pa.array([*rules.priority, None], pa.string()).take(pa.array(self.kind[nodes]))


def bounds(rules: IdentityRules, given: Mapping[str, int | None]) -> list[int]:
    """Return the bounds of all kinds, in the order of their strength, and none for what is no kind."""
    return [NEVER if given[kind] is None else int(given[kind] or 0) for kind in rules.priority] + [NEVER]


def times(values: Keys) -> pa.Array:
    """Return microseconds as a column."""
    return pa.array(values, pa.int64()).cast(TIME)


def _keys(column: pa.ChunkedArray) -> Keys:
    found: Keys = column.cast(KEY).to_numpy()
    return found


def _times(column: pa.ChunkedArray | pa.Array) -> Keys:
    found: Keys = column.cast(TIME).cast(pa.int64()).fill_null(NEVER).to_numpy()
    return found


def _kinds(column: pa.ChunkedArray, rules: IdentityRules) -> npt.NDArray[np.int8]:
    place = pc.index_in(column.cast(pa.string()), value_set=pa.array(rules.priority, pa.string()))
    found: npt.NDArray[np.int8] = place.fill_null(len(rules.priority)).cast(pa.int8()).to_numpy()
    return found


def _subjects(subjects: Subjects) -> tuple[Keys, Keys]:
    """Return further subjects and the microsecond from which each is known."""
    if subjects is None:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    if isinstance(subjects, pa.Table):
        return _keys(subjects["subject"]), _times(subjects["known_at"])
    extra = np.asarray(subjects, dtype=np.int64)
    return extra, np.full(len(extra), NEVER)
