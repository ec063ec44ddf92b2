"""Who is who, the slow way: at each moment anew, from what was known by then, one edge after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

Edge = tuple[int, int, datetime]
KINDS = ("customer_id", "loyalty_id", "email", "phone", "device_id", "anonymous_id")


@dataclass(frozen=True)
class Decided:
    """A decision: number, ``separate``, ``join`` or ``undo``, the two subjects, what is taken back, and when."""

    number: int
    verb: str
    pair: tuple[int, int]
    undoes: int | None
    at: datetime


@dataclass(frozen=True)
class Guards:
    """The rules of the twin, by kind (no entry: unlimited), and of each subject its kind."""

    kind: Mapping[int, str] = field(default_factory=dict)
    limit: Mapping[str, int] = field(default_factory=dict)
    hub: Mapping[str, int] = field(default_factory=dict)
    priority: Sequence[str] = KINDS
    decisions: Sequence[Decided] = ()
    aside: Mapping[int, datetime] = field(default_factory=dict)

    def rank(self, subject: int) -> int:
        """How strong a subject is; 0 is the strongest."""
        kind = self.kind.get(subject)
        return self.priority.index(kind) if kind in self.priority else len(self.priority)


def in_force(decisions: Sequence[Decided], pair: tuple[int, int], as_of: datetime) -> Decided | None:
    """Return the newest decision on a pair that was made and not taken back by a moment."""
    mine = [decided for decided in decisions if decided.pair == pair and decided.at <= as_of]
    undone = {decided.undoes for decided in mine}
    standing = [decided for decided in mine if decided.verb != "undo" and decided.number not in undone]
    return max(standing, key=lambda decided: decided.number, default=None)


def since(decisions: Sequence[Decided], pair: tuple[int, int], as_of: datetime) -> datetime:
    """Return since when the decision on a pair that is in force at a moment has been in force without a break."""
    now = in_force(decisions, pair, as_of)
    moments = sorted({decided.at for decided in decisions if decided.pair == pair and decided.at <= as_of})
    while len(moments) > 1 and in_force(decisions, pair, moments[-2]) == now:
        moments.pop()
    return moments[-1]


def hubs_at(edges: Iterable[Edge], guards: Guards, as_of: datetime) -> set[int]:
    """Return the subjects that join nobody at a moment."""
    seen: dict[int, set[int]] = {}
    for one, other, at in edges:
        blocked = any(guards.aside.get(end, datetime.max) == datetime.min for end in (one, other))
        if at <= as_of and not blocked and guards.rank(one) != guards.rank(other):
            weak, strong = sorted((one, other), key=guards.rank, reverse=True)
            seen.setdefault(weak, set()).add(strong)
    found = {subject for subject, at in guards.aside.items() if at <= as_of}
    for weak, strong in seen.items():
        most = guards.hub.get(guards.kind.get(weak, ""))
        if most is not None and max(Counter(map(guards.rank, strong)).values()) > most:
            found.add(weak)
    return found


def persons_at(
    edges: Iterable[Edge],
    subjects: Mapping[int, datetime | None],
    as_of: datetime,
    guards: Guards | None = None,
) -> dict[int, int]:
    """Return the person of every subject at a moment: its first known member, then the smallest."""
    guards = guards or Guards()
    edges = list(edges)
    known: dict[int, datetime] = {subject: at or datetime.max for subject, at in subjects.items()}
    for one, other, at in edges:
        for subject in (one, other):
            known[subject] = min(known.get(subject, datetime.max), at)
    for subject, at in ((end, decided.at) for decided in guards.decisions for end in decided.pair):
        known[subject] = min(known.get(subject, datetime.max), at)
    for subject in guards.aside:
        known.setdefault(subject, datetime.max)
    out = hubs_at(edges, guards, as_of)
    first: dict[tuple[int, int], datetime] = {}
    for one, other, at in edges:
        pair = (min(one, other), max(one, other))
        first[pair] = min(first.get(pair, datetime.max), at)
    # what may join: when it was known, how strong it is, the keys, and whether a limit holds it back
    may = [
        (at, *sorted(map(guards.rank, pair)), *pair, True)
        for pair, at in first.items()
        if at <= as_of and not out & set(pair)
    ]
    foes: list[tuple[int, int]] = []
    for pair in {decided.pair for decided in guards.decisions}:
        decided = in_force(guards.decisions, pair, as_of)
        if decided is not None and decided.verb == "separate":
            foes.append(pair)
        elif decided is not None and not out & set(pair):
            may.append((since(guards.decisions, pair, as_of), -1, -1, *pair, False))
    person: dict[int, set[int]] = {subject: {subject} for subject in known}
    for _, _, _, one, other, held in sorted(may):
        mine, theirs = person[one], person[other]
        if mine is theirs:
            continue
        both = mine | theirs
        counts = [Counter(guards.kind.get(subject) for subject in part) for part in (mine, theirs)]
        too_many = any(
            counts[0][kind] and counts[1][kind] and counts[0][kind] + counts[1][kind] > most
            for kind, most in guards.limit.items()
        )
        if (held and too_many) or any(foe <= both for foe in map(set, foes)):
            continue
        for subject in both:
            person[subject] = both
    return {subject: min(members, key=lambda member: (known[member], member)) for subject, members in person.items()}
