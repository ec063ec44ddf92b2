"""Identity under guard: the same as the slow way at every moment, and the laws that it keeps."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.profiles import merging
from coterie.profiles.decision import DECISIONS
from coterie.profiles.graph import BEGINNING, END
from coterie.profiles.resolution import Resolution, resolve
from coterie.profiles.rules import UNLIMITED, IdentityRules
from coterie.schema import KEY, TIME
from oracles.identity import KINDS, Decided, Edge, Guards, hubs_at, persons_at

START = datetime(2026, 1, 1)
DAY = timedelta(days=1)
DAYS = 8

subjects = st.integers(1, 14)
moments = st.integers(0, DAYS - 1).map(lambda day: START + day * DAY)
edge_lists = st.lists(st.tuples(subjects, subjects, moments).filter(lambda edge: edge[0] != edge[1]), max_size=30)
small = st.sampled_from(KINDS[:4])


@dataclass(frozen=True)
class World:
    """Edges, the rules that guard them, and what was decided."""

    edges: list[Edge]
    guards: Guards

    def resolve(self, **more: Any) -> Resolution:
        """Return what coterie makes of it."""
        guards = self.guards
        bounds = {
            name: {kind: getattr(guards, name).get(kind, UNLIMITED) for kind in KINDS} for name in ("limit", "hub")
        }
        rules = IdentityRules.of({**bounds, "priority": list(guards.priority)})
        return resolve(edge_table(self), rules=rules, decisions=decision_table(self), aside=aside_table(self), **more)


def edge_table(world: World) -> pa.Table:
    """The edges as they are kept."""
    one, other, at = zip(*world.edges, strict=True) if world.edges else ((), (), ())
    kinds = [[world.guards.kind.get(end) for end in ends] for ends in (one, other)]
    return pa.table(
        {
            "subject_a": pa.array(one, KEY),
            "subject_b": pa.array(other, KEY),
            "kind_a": pa.array(kinds[0], pa.string()),
            "kind_b": pa.array(kinds[1], pa.string()),
            "available_at": pa.array(at, TIME),
        }
    )


def decision_table(world: World) -> pa.Table:
    """The decisions as they are kept."""
    kind = world.guards.kind
    return DECISIONS.rows(
        [
            {
                "decision": decided.number,
                "verb": decided.verb,
                "subject_a": decided.pair[0],
                "subject_b": decided.pair[1],
                "kind_a": kind.get(decided.pair[0]),
                "kind_b": kind.get(decided.pair[1]),
                "undoes": decided.undoes,
                "decided_at": decided.at,
            }
            for decided in world.guards.decisions
        ]
    )


def aside_table(world: World) -> pa.Table:
    """What joins nobody, whatever is seen."""
    aside = world.guards.aside
    return pa.table({"subject": pa.array(list(aside), KEY), "since": pa.array(list(aside.values()), TIME)})


@st.composite
def decided(draw: st.DrawFn) -> list[Decided]:
    """Some decisions on few subjects, each at its moment, some taken back."""
    made: list[Decided] = []
    for number, at in enumerate(sorted(draw(st.lists(moments, max_size=4))), start=1):
        standing = [one for one in made if one.verb != "undo" and one.number not in {two.undoes for two in made}]
        if standing and draw(st.booleans()):
            old = draw(st.sampled_from(standing))
            made.append(Decided(number, "undo", old.pair, old.number, at))
        else:
            a = draw(st.integers(1, 5))
            made.append(Decided(number, draw(st.sampled_from(["separate", "join"])), (a, a + 1), None, at))
    return made


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A small shop with strict rules."""
    guards = Guards(
        kind=draw(st.fixed_dictionaries(dict.fromkeys(range(1, 15), small))),
        limit=draw(st.dictionaries(small, st.integers(1, 3), max_size=4)),
        hub=draw(st.dictionaries(small, st.integers(1, 2), max_size=3)),
        priority=draw(st.permutations(KINDS)),
        decisions=draw(decided()),
        aside=draw(st.dictionaries(subjects, st.just(BEGINNING) | moments, max_size=2)),
    )
    return World(draw(edge_lists), guards)


def at(resolved: Resolution, as_of: datetime) -> dict[int, int]:
    """Who is who at a moment."""
    rows = [row for row in resolved.persons.to_pylist() if row["valid_from"] <= as_of < row["valid_until"]]
    assert len(rows) == len({row["subject"] for row in rows}), "two persons at one moment"
    return {row["subject"]: row["person"] for row in rows}


def every_moment() -> list[datetime]:
    """Moments between which something changes."""
    return [START + day * DAY + off for day in range(-1, DAYS + 1) for off in (timedelta(0), DAY / 2)]


@settings(deadline=None, max_examples=200)
@given(world=worlds(), known=st.dictionaries(subjects, st.none() | moments, max_size=6))
def test_persons_are_those_of_the_slow_way_at_every_moment(world: World, known: dict[int, datetime | None]) -> None:
    table = pa.table({"subject": pa.array(list(known), KEY), "known_at": pa.array(list(known.values()), TIME)})
    resolved = world.resolve(subjects=table)
    for as_of in every_moment():
        assert at(resolved, as_of) == persons_at(world.edges, known, as_of, world.guards), as_of


def test_whole_arrays_join_as_the_plain_loop_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "_FEW", 0)

    @settings(deadline=None)
    @given(edges=edge_lists)
    def judge(edges: list[Edge]) -> None:
        resolved = World(edges, Guards()).resolve()
        for as_of in every_moment():
            assert at(resolved, as_of) == persons_at(edges, {}, as_of)

    judge()


@settings(deadline=None)
@given(world=worlds(), seed=st.integers(0, 9))
def test_neither_order_nor_direction_nor_repetition_of_edges_matters(world: World, seed: int) -> None:
    generator = random.Random(seed)
    edges = [(b, a, time) if generator.random() < 0.5 else (a, b, time) for a, b, time in world.edges * 2]
    generator.shuffle(edges)
    assert replace(world, edges=edges).resolve() == world.resolve()


@settings(deadline=None)
@given(world=worlds())
def test_limits_are_never_exceeded_and_hubs_join_nobody(world: World) -> None:
    guards = replace(world.guards, decisions=[one for one in world.guards.decisions if one.verb != "join"])
    made = {one.number for one in guards.decisions if one.verb == "separate"}
    guards = replace(guards, decisions=[one for one in guards.decisions if one.verb != "undo" or one.undoes in made])
    resolved = replace(world, guards=guards).resolve()
    for as_of in every_moment():
        persons = at(resolved, as_of)
        counts = Counter((person, guards.kind[subject]) for subject, person in persons.items())
        assert all(count <= guards.limit.get(kind, count) for (_, kind), count in counts.items())
        sizes = Counter(persons.values())
        assert all(sizes[persons[hub]] == 1 for hub in hubs_at(world.edges, guards, as_of) if hub in persons)


@settings(deadline=None)
@given(world=worlds(), later=edge_lists)
def test_what_becomes_known_later_leaves_the_past(world: World, later: list[Edge]) -> None:
    shift = DAYS * DAY
    grown = replace(world, edges=world.edges + [(a, b, time + shift) for a, b, time in later])
    before = world.resolve()
    after = grown.resolve()
    for as_of in every_moment():
        if as_of < START + shift:
            now = at(after, as_of)
            assert {subject: now[subject] for subject in at(before, as_of)} == at(before, as_of)


@settings(deadline=None)
@given(world=worlds(), pair=st.tuples(subjects, subjects).filter(lambda pair: pair[0] < pair[1]), join=st.booleans())
def test_a_decision_holds_from_its_moment_and_its_undoing_restores(
    world: World, pair: tuple[int, int], join: bool
) -> None:
    made = [one for one in world.guards.decisions if one.pair != pair]
    number = max((one.number for one in made), default=0) + 1
    decision = Decided(number, "join" if join else "separate", pair, None, START + DAYS * DAY)
    undone = Decided(number + 1, "undo", pair, number, START + (DAYS + 2) * DAY)

    def known(decisions: list[Decided]) -> Resolution:
        guards = replace(world.guards, decisions=decisions)
        return replace(world, guards=guards).resolve(subjects=list(pair))

    before, during, after = known(made), known([*made, decision]), known([*made, decision, undone])
    for as_of in every_moment():
        if as_of < decision.at:
            assert at(before, as_of) == at(during, as_of) == at(after, as_of)
    today = at(during, END - DAY)
    if not join:
        assert today[pair[0]] != today[pair[1]]
    assert at(after, decision.at) == at(during, decision.at)
    assert at(after, END - DAY) == at(before, END - DAY)
    assert after.refused == before.refused


@settings(deadline=None)
@given(world=worlds())
def test_what_is_refused_are_the_pairs_that_were_seen_and_are_two_persons(world: World) -> None:
    resolved = world.resolve()
    today = at(resolved, END - DAY)
    hubs = hubs_at(world.edges, world.guards, END)
    seen = {(min(a, b), max(a, b)) for a, b, _ in world.edges}
    expected = {pair for pair in seen if today[pair[0]] != today[pair[1]] and not hubs & set(pair)}
    found = {(row["subject_a"], row["subject_b"]): row for row in resolved.refused.to_pylist()}
    assert expected <= set(found)
    for pair in set(found) - expected:  # what somebody has joined, and what was separated elsewhere
        assert any(one.verb == "join" and one.pair == pair for one in world.guards.decisions)
    for row in found.values():
        kind = row["reason"].removeprefix("limit ")
        persons = [
            [key for key, person in today.items() if person == today[row[end]]] for end in ("subject_a", "subject_b")
        ]
        counts = [sum(world.guards.kind[key] == kind for key in person) for person in persons]
        assert row["reason"] == "separated" or (min(counts) > 0 and sum(counts) > world.guards.limit[kind])
    listed = {row["subject"] for row in resolved.hubs.to_pylist()}
    assert listed == {hub for hub in hubs if world.guards.aside.get(hub) != BEGINNING}
