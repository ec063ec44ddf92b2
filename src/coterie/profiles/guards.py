"""Joining edge by edge, where limits, hubs or decisions have something to say.

What holds at a moment is defined without regard to the past: of the edges known by then, leave out those of hubs (as
known then), and go through the others in the order of (known since, strength, keys); an edge joins its two persons
unless they would have too many identifiers of a kind together, or hold two subjects that somebody has separated. As
time goes on, edges come last in that order, so the next state is the old one and a little more. Only where a hub
is found out or a decision turns, what hangs together there is gone through anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

NEVER = int(np.iinfo(np.int64).max)
"""The time of what does not happen."""


@dataclass(frozen=True)
class Change:
    """At a moment a hub is found out, or two subjects become separate or free again, or a joint comes or goes.

    Parameters
    ----------
    at
        Microseconds.
    node
        The new hub; None for a decision.
    apart
        The pair that is separate from now on.
    free
        The pair that is separate no longer.
    begins, ends
        The joint (a number of an edge) that holds from now on, or no longer.
    """

    at: int
    node: int | None = None
    apart: tuple[int, int] | None = None
    free: tuple[int, int] | None = None
    begins: int | None = None
    ends: int | None = None


@dataclass
class Guarded:
    """Persons among some nodes, edge by edge.

    Nodes are numbered by seniority: the smallest number of a person is its anchor.

    Parameters
    ----------
    kind
        Of each node, the number of its kind.
    limit
        Of each kind, how many of it a person may have.
    one, other, since
        The edges in the order in which they are joined: two nodes and the microsecond from which they are known.
    joints
        Which of them are decisions of people: these hold only between their changes, and no limit holds them back.
    """

    kind: Sequence[int]
    limit: Sequence[int]
    one: Sequence[int]
    other: Sequence[int]
    since: Sequence[int]
    joints: frozenset[int] = frozenset()
    moved: list[tuple[int, int, int]] = field(default_factory=list, init=False)  # node, moment, anchor
    _came: int = field(default=0, init=False)  # how many edges are known by now

    def __post_init__(self) -> None:
        """Begin with everybody a person of their own."""
        count = len(self.kind)
        self._parent = list(range(count))
        self._members: dict[int, list[int]] = {}
        self._counts: dict[int, list[int]] = {}
        self._edges: list[list[int]] = [[] for _ in range(count)]
        self._hubs: set[int] = set()
        self._holding: set[int] = set()
        self._foes: dict[int, set[int]] = {}
        self._marked: dict[int, set[int]] = {}  # of an anchor, its members that have foes

    def run(self, changes: Iterable[Change]) -> None:
        """Go through all edges and changes, in the order of time."""
        at: dict[int, list[Change]] = {}
        for change in changes:
            at.setdefault(change.at, []).append(change)
        for moment in sorted(at):
            self._until(moment)
            self._turn(moment, at[moment])
        self._until(NEVER)

    def refused(self) -> list[tuple[int, int | None]]:
        """Return the edges that are held back at the end: the number, and which kind's limit; None where separated."""
        found = []
        for edge in range(self._came):
            a, b = self.find(self.one[edge]), self.find(self.other[edge])
            if a != b and self._active(edge):
                found.append((edge, None if edge in self.joints else self._exceeded(a, b)))
        return found

    def find(self, node: int) -> int:
        """Return the anchor of a node."""
        parent = self._parent
        while parent[node] != node:
            parent[node] = node = parent[parent[node]]
        return node

    def _active(self, edge: int) -> bool:
        if self._hubs and (self.one[edge] in self._hubs or self.other[edge] in self._hubs):
            return False
        return edge in self._holding if edge in self.joints else True

    def _until(self, moment: int) -> None:
        """Join the edges that came before a moment."""
        while self._came < len(self.since) and self.since[self._came] < moment:
            edge = self._arrived()
            if self._active(edge):
                self._join(edge, self.since[edge])

    def _arrived(self) -> int:
        """Take in the next edge."""
        edge = self._came
        self._came += 1
        self._edges[self.one[edge]].append(edge)
        self._edges[self.other[edge]].append(edge)
        return edge

    def _join(self, edge: int, moment: int | None) -> None:
        """Make one person of the two ends of an edge, unless something speaks against it; None keeps it unrecorded."""
        a, b = self.find(self.one[edge]), self.find(self.other[edge])
        if a == b:
            return
        if edge not in self.joints and self._exceeded(a, b) is not None:
            return
        if self._foes and self._apart(a, b):
            return
        older, newer = (a, b) if a < b else (b, a)
        moving = self._members.pop(newer, None) or [newer]
        mine = self._members.setdefault(older, [older])
        counts, more = self._count(older), self._count(newer)
        self._counts[older] = [one + other for one, other in zip(counts, more, strict=True)]
        mine += moving
        self._parent[newer] = older
        if self._foes and (marked := self._marked.pop(newer, None)):
            self._marked.setdefault(older, set()).update(marked)
        if moment is not None:
            self.moved += [(node, moment, older) for node in moving]

    def _count(self, anchor: int) -> list[int]:
        """Return how many of each kind a person has."""
        counts = self._counts.get(anchor)
        if counts is None:
            counts = [0] * len(self.limit)
            counts[self.kind[anchor]] = 1
            self._counts[anchor] = counts
        return counts

    def _exceeded(self, a: int, b: int) -> int | None:
        """Return the first kind of which two persons, both having some, would have too many together."""
        for kind, (one, other, most) in enumerate(zip(self._count(a), self._count(b), self.limit, strict=True)):
            if one and other and one + other > most:
                return kind
        return None

    def _apart(self, a: int, b: int) -> bool:
        """Say whether two persons hold two subjects that were separated."""
        mine, theirs = self._marked.get(a), self._marked.get(b)
        return bool(mine and theirs and any(self._foes[node] & theirs for node in mine))

    def _turn(self, moment: int, changes: Sequence[Change]) -> None:
        """Go through everything anew that hangs together with what changes at a moment."""
        first = self._came
        while self._came < len(self.since) and self.since[self._came] == moment:
            self._arrived()
        region = self._region(changes)
        before = {node: self.find(node) for node in region}
        for change in changes:
            self._apply(change)
        for node in region:
            self._parent[node] = node
            self._members.pop(node, None)
            self._counts.pop(node, None)
            self._marked.pop(node, None)
        for node in region & self._foes.keys():
            self._marked[node] = {node}
        for edge in sorted({edge for node in region for edge in self._edges[node]}):
            if self._active(edge):
                self._join(edge, None)
        self.moved += [(node, moment, now) for node in sorted(region) if (now := self.find(node)) != before[node]]
        for edge in range(first, self._came):
            if self.one[edge] not in region and self._active(edge):
                self._join(edge, moment)

    def _region(self, changes: Sequence[Change]) -> set[int]:
        """Return all nodes that edges, held back or not, connect with what changes; old hubs connect nothing."""
        seeds: set[int] = set()
        for change in changes:
            seeds |= set() if change.node is None else {change.node}
            seeds.update(change.apart or (), change.free or ())
            for joint in (change.begins, change.ends):
                seeds.update(() if joint is None else (self.one[joint], self.other[joint]))
        region, frontier = set(seeds), list(seeds)
        while frontier:
            node = frontier.pop()
            if node in self._hubs:
                continue
            for edge in self._edges[node]:
                for end in (self.one[edge], self.other[edge]):
                    if end not in region:
                        region.add(end)
                        if end not in self._hubs:
                            frontier.append(end)
        return region

    def _apply(self, change: Change) -> None:
        if change.node is not None:
            self._hubs.add(change.node)
        if change.free is not None:
            for one, other in (change.free, change.free[::-1]):
                self._foes[one].discard(other)
                if not self._foes[one]:
                    del self._foes[one]
        if change.apart is not None:
            for one, other in (change.apart, change.apart[::-1]):
                self._foes.setdefault(one, set()).add(other)
        if change.ends is not None:
            self._holding.discard(change.ends)
        if change.begins is not None:
            self._holding.add(change.begins)
