"""Online = the naive twin, whatever arrives in whatever order, is taken out again, forgotten, or asked later."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from coterie.features import batch
from coterie.features.aggregation import GROUPED
from coterie.features.feature import ORDER_LINE
from coterie.store.state import LmdbState, MemoryState
from coterie.store.warehouse import Warehouse
from oracles import features as naive
from oracles.definitions import OF_OWNERS, OWNED, POOL, combinations, hands
from oracles.features import History
from oracles.histories import AS_OF, PEOPLE, histories, spine
from oracles.stories import PERSONAL, Ask, Later, Step, Withdraw, complete, stories
from oracles.told import Told

Shop = Callable[[History], Warehouse]
ZONE = "America/New_York"
HANDS = hands(POOL, 64)


def few(examples: int) -> pytest.MarkDecorator:
    """Some examples in every run, and eight times as many in the slow one."""
    return pytest.mark.parametrize("examples", [examples, pytest.param(8 * examples, marks=pytest.mark.slow)])


def holds(examples: int, *strategies: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], None]:
    """Judge a property by that many examples, at once."""
    phases = [phase for phase in Phase if phase is not Phase.explain]  # which would take many times as long
    quiet = list(HealthCheck)
    thorough = settings(max_examples=examples, deadline=None, suppress_health_check=quiet, phases=phases)
    return lambda claim: thorough(given(*strategies)(claim))()


@few(25)
def test_online_equals_the_twin_after_every_arrival(examples: int) -> None:
    @holds(examples, stories(calm=True), st.integers(0, len(HANDS) - 1))
    def claim(story: list[Step], hand: int) -> None:
        state = MemoryState()
        told = Told([*HANDS[hand], *combinations()], lambda: state, ZONE)
        for step in story:
            told.take(step)


@few(25)
def test_online_equals_the_twin_through_undos_deletions_and_restarts(examples: int) -> None:
    @holds(examples, stories(), st.integers(0, len(HANDS) - 1), st.sampled_from((None, "JPY", "KWD")))
    def claim(story: list[Step], hand: int, currency: str | None) -> None:
        with tempfile.TemporaryDirectory() as folder:
            told = Told([*HANDS[hand], *combinations()], lambda: LmdbState(Path(folder)), ZONE, currency)
            for step in story:
                told.take(step)
            told.state.close()


KEPT = ("count", "none", "sum", "mean", "variance", "std", "gap_std", *GROUPED)
EXACT = hands([f for f in POOL if f.aggregation.kind in KEPT and f.value != "quantity"], 64)


@few(25)
def test_what_is_taken_out_exactly_leaves_the_twin(examples: int) -> None:
    @holds(examples, histories(), st.integers(0, len(EXACT) - 1), st.lists(st.integers(0, 40), max_size=6))
    def claim(history: History, hand: int, withdrawn: list[int]) -> None:
        state = MemoryState()
        told = Told(EXACT[hand], lambda: state, ZONE)
        facts = [(table, complete(table, row)) for table in PERSONAL for row in getattr(history, table)]
        told.arrive([(table, {**row, "subject": 1}) for table, row in facts])
        for number in withdrawn:
            told.take(Withdraw([number]))
            told.take(Ask((1, 1, 1, 1), [Later()]))


@few(15)
def test_online_equals_the_twin_for_other_owners(examples: int) -> None:
    features = [feature for per in OWNED for feature in [*OWNED[per][::7], *combinations(per, ORDER_LINE)]]

    @holds(examples, stories(calm=True), st.randoms(use_true_random=False))
    def claim(story: list[Step], chance: Any) -> None:
        state = MemoryState()
        named = [replace(feature, name=f"f{number}") for number, feature in enumerate(features)]
        told = Told(named, lambda: state, ZONE)
        for step in story:
            told.take(step)
            if isinstance(step, Ask):
                per = chance.choice(sorted(OWNED))
                for owner in OF_OWNERS[per]:
                    told.judge_owned(per, owner, step.people()[0], step.later[0])


@few(6)
def test_the_spine_has_what_online_would_have_answered_at_each_moment(shop: Shop, examples: int) -> None:
    @holds(examples, histories(), st.integers(0, len(HANDS) - 1))
    def claim(history: History, hand: int) -> None:
        features: list[Any] = [*HANDS[hand], *combinations()]
        state = MemoryState()
        told = Told(features, lambda: state, ZONE)
        if history.products:
            told.shelve([complete("products", row) for row in history.products])
        facts = [(table, complete(table, row)) for table in PERSONAL for row in getattr(history, table)]
        told.arrive([fact for fact in facts if fact[1]["occurred_at"] is None])
        moments = sorted({row["available_at"] for _, row in facts if row["occurred_at"] is not None} | {AS_OF})
        wanted = []
        for moment in moments:
            known = [fact for fact in facts if fact[1]["occurred_at"] and fact[1]["available_at"] == moment]
            told.arrive(known)
            for person in PEOPLE:
                subjects = naive.subjects(features[0], history, naive.Asked(person, moment, ZONE)) or ()
                wanted.append(told.plane.values(sorted(subjects), moment))
        rows = spine(*[(person, moment) for moment in moments for person in PEOPLE])
        answer = batch.table(shop(history), features, rows, timezone=ZONE).to_pylist()
        for got, want in zip(answer, wanted, strict=True):
            for feature in features:
                _, slack = naive.judged(feature, history, got["person"], got["as_of"], ZONE)
                value = want[feature.name]
                assert naive.agrees(feature, got[feature.name], value, 2 * slack), (feature, got, value)
