"""Why identifiers are one person: the chain of what was seen together, from each of them to the anchor."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from coterie.errors import ParameterError
from coterie.profiles.decision import Verb, turns
from coterie.profiles.identity import Identity
from coterie.profiles.resolution import Resolution
from coterie.schema import KEY


@dataclass(frozen=True, order=True)
class Step:
    """Two identifiers that were seen together, or that somebody has joined.

    Parameters
    ----------
    one, other
        The subjects; ``other`` is nearer to where the path leads.
    kind_one, kind_other
        Which kinds of identifiers they are.
    sources
        Where they were seen together, sorted; empty for a decision.
    since
        When that became known first, naive UTC.
    decision
        The number of the decision; 0 for what was seen.
    """

    one: int
    other: int
    kind_one: str
    kind_other: str
    sources: tuple[str, ...]
    since: datetime
    decision: int = 0

    def __str__(self) -> str:
        """Say it in words; identifiers are told by kind and subject key, never by value."""
        how = f"joined by decision {self.decision}" if self.decision else f"seen together in {', '.join(self.sources)}"
        return (
            f"{self.kind_one} {self.one} and {self.kind_other} {self.other}: {how}, known since {self.since:%Y-%m-%d}"
        )


@dataclass(frozen=True)
class Why:
    """Why some identifiers are one person, and what was held back around it.

    Parameters
    ----------
    person
        The person's key, which is the subject of the anchor: the identifier that was known first.
    subjects
        Of each identifier of the person, its kind.
    paths
        Of each of them the chain to the anchor, or, when two identifiers were asked about, of the first one the chain
        to the second; the strongest one.
    other
        The key of the other person when two identifiers were asked about that are two persons; else None.
    held_back
        What was seen together with an identifier of the person and yet joins nobody, in words.
    """

    person: int
    subjects: dict[int, str]
    paths: dict[int, tuple[Step, ...]]
    other: int | None
    held_back: tuple[str, ...]

    def lines(self) -> list[str]:
        """Return the answer in words."""
        many = len(self.subjects)
        found = [f"Person {self.person}: {many} identifier{'s' if many != 1 else ''}."]
        if self.other is not None:
            found.append(f"The two are not one person: the other one is {self.other}.")
        for subject, path in self.paths.items():
            if path:
                found.append(f"{self.subjects[subject]} {subject}:")
                found += [f"  {step}" for step in path]
        return [*found, *(f"Held back: {words}" for words in self.held_back)]

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        body = asdict(self)
        for path in body["paths"].values():
            for step in path:
                step["since"] = step["since"].isoformat() + "Z"
        return body


def why(identity: Identity, resolution: Resolution, subject: int, other: int | None = None) -> Why:
    """Explain today's person of a subject, or why two subjects are one person or two.

    Parameters
    ----------
    identity, resolution
        What is known, and who is who by it.
    subject, other
        Subject keys.

    Raises
    ------
    ParameterError
        When both are the same.
    """
    if subject == other:
        raise ParameterError("why: both are the same identifier.", hint="name two different ones, or only one.")
    today = dict(zip(*(column.to_pylist() for column in resolution.today.columns), strict=True))
    person = today.get(subject, subject)
    members = {key for key, its in today.items() if its == person} | {subject}
    apart = other is not None and other not in members
    ends = members | {key for key, its in today.items() if apart and its == today.get(other, other)}
    steps = list(_steps(identity, ends | ({other} if other is not None else set())))
    kinds = {end: kind for step in steps for end, kind in ((step.one, step.kind_one), (step.other, step.kind_other))}
    subjects = {key: kinds.get(key, "identifier") for key in sorted(members)}
    hubs = set(resolution.hubs["subject"].to_pylist()) | set(identity.aside["subject"].to_pylist())
    inside = [step for step in steps if {step.one, step.other} <= members and not hubs & {step.one, step.other}]
    goal = other if other is not None and not apart else person
    chains = _chains(inside, goal, identity.rules.priority)
    wanted: Iterable[int] = [subject] if other is not None else subjects
    return Why(
        person,
        subjects,
        {} if apart else {key: chains.get(key, ()) for key in wanted},
        today.get(other, other) if apart else None,
        tuple(_held_back(identity, resolution, members, steps)),
    )


def _steps(identity: Identity, members: set[int]) -> Iterable[Step]:
    """Yield what was seen together with one of the members, each pair once, and the joints of decisions in force."""
    keys = pa.array(sorted(members), KEY)
    edges = identity.edges
    near = edges.filter(pc.or_(pc.is_in(edges["subject_a"], keys), pc.is_in(edges["subject_b"], keys)))
    found: dict[tuple[int, int], Step] = {}
    for row in near.sort_by([("available_at", "ascending"), ("source", "ascending")]).to_pylist():
        pair = row["subject_a"], row["subject_b"]
        old = found.get(pair)
        sources = tuple(sorted({*(old.sources if old else ()), row["source"]}))
        since = old.since if old else row["available_at"]
        found[pair] = Step(*pair, row["kind_a"], row["kind_b"], sources, since)
    yield from found.values()
    decided = {row["decision"]: row for row in identity.decisions.to_pylist()}
    for turn in {turn.pair: turn for turn in turns(identity.decisions)}.values():
        if turn.verb is Verb.JOIN and set(turn.pair) & members:
            row = decided[turn.decision]
            yield Step(*turn.pair, row["kind_a"], row["kind_b"], (), row["decided_at"], turn.decision)


def _chains(steps: list[Step], goal: int, priority: Iterable[str]) -> dict[int, tuple[Step, ...]]:
    """Return from each subject the strongest chain to the goal (Dijkstra): few steps, between strong identifiers."""
    rank = {kind: place for place, kind in enumerate(priority, start=1)}
    neighbours: dict[int, list[tuple[int, Step]]] = {}
    for step in steps:
        cost = (
            0
            if step.decision
            else max(rank.get(step.kind_one, len(rank) + 1), rank.get(step.kind_other, len(rank) + 1))
        )
        turned = Step(step.other, step.one, step.kind_other, step.kind_one, step.sources, step.since, step.decision)
        neighbours.setdefault(step.other, []).append((cost, step))
        neighbours.setdefault(step.one, []).append((cost, turned))
    found: dict[int, tuple[Step, ...]] = {}
    frontier: list[tuple[int, int, int, tuple[Step, ...]]] = [(0, 0, goal, ())]
    while frontier:
        cost, length, here, path = heapq.heappop(frontier)
        if here in found:
            continue
        found[here] = path
        for more, step in neighbours.get(here, ()):
            if step.one not in found:
                heapq.heappush(frontier, (cost + more, length + 1, step.one, (step, *path)))
    return found


def _held_back(identity: Identity, resolution: Resolution, members: set[int], steps: list[Step]) -> Iterable[str]:
    """Yield in words what joins nobody though it was seen with a member."""
    keys = pa.array(sorted(members), KEY)
    refused = resolution.refused
    mine = refused.filter(pc.or_(pc.is_in(refused["subject_a"], keys), pc.is_in(refused["subject_b"], keys)))
    for row in mine.to_pylist():
        because = "somebody has separated them"
        if row["reason"] != "separated":
            kind = row["reason"].removeprefix("limit ")
            because = f"one person would have more than {identity.rules.limit[kind]} {kind}"
        yield f"{row['kind_a']} {row['subject_a']} and {row['kind_b']} {row['subject_b']}: {because}."
    beside = {end for step in steps for end in (step.one, step.other) if {step.one, step.other} & members}
    for row in resolution.hubs.filter(pc.is_in(resolution.hubs["subject"], pa.array(sorted(beside), KEY))).to_pylist():
        yield (
            f"{row['kind']} {row['subject']} joins nobody: since {row['since']:%Y-%m-%d} it is a hub, "
            f"seen with {row['seen_with']:,} of one stronger kind."
        )
    blocked = identity.aside.filter(
        pc.and_(
            identity.aside["seen_with"].is_null(), pc.is_in(identity.aside["subject"], pa.array(sorted(beside), KEY))
        )
    )
    for row in blocked.to_pylist():
        yield f"{row['kind']} {row['subject']} joins nobody: it is blocked."
