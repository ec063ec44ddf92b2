"""Who is who, the slow way: at each moment search the graph anew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

Edge = tuple[int, int, datetime]


def persons_at(edges: Iterable[Edge], subjects: Mapping[int, datetime | None], as_of: datetime) -> dict[int, int]:
    """Return the person of every subject: of all it can be reached from by ``as_of`` the first known, then smallest."""
    known: dict[int, datetime] = {subject: at or datetime.max for subject, at in subjects.items()}
    neighbours: dict[int, set[int]] = {subject: set() for subject in known}
    for one, other, available_at in edges:
        for subject, neighbour in ((one, other), (other, one)):
            known.setdefault(subject, datetime.max)
            neighbours.setdefault(subject, set())
            if available_at <= as_of:
                known[subject] = min(known[subject], available_at)
                neighbours[subject].add(neighbour)
    person: dict[int, int] = {}
    for subject in known:
        reached, frontier = {subject}, [subject]
        while frontier:
            for neighbour in neighbours[frontier.pop()] - reached:
                reached.add(neighbour)
                frontier.append(neighbour)
        person[subject] = min(reached, key=lambda member: (known[member], member))
    return person
