"""Partials are monoids: halves merge to the whole in any order, nothing changes nothing, what went in comes out."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.features import partial
from coterie.features.online import Plane
from coterie.features.partial import Cell, Inexact, Partial
from coterie.store.sql import DAY, SECOND
from coterie.store.state import MemoryState
from oracles import features as naive
from oracles.definitions import POOL, combinations, hands
from oracles.features import History
from oracles.histories import AS_OF, histories
from oracles.stories import PERSONAL, complete

NOW = 20_000 * DAY
numbers = st.integers(-(2**62), 2**62)
reals = st.floats(-1e9, 1e9)
words = st.sampled_from(("a", "b", "ä", ""))
values = st.one_of(words, st.integers(-3, 3), st.sampled_from((0.0, -0.0, 0.5, math.nan)))
times = st.one_of(
    st.integers(0, 40).map(lambda n: NOW - n * DAY), st.integers(-(10**16), NOW), st.integers(0, 99).map(SECOND.__mul__)
)


def as_it_is(cell: Cell) -> Any:
    return cell


def counts(cell: Cell) -> Any:
    return cell if isinstance(cell, dict) else {} if cell is None else {cell: 1}


# kind → the partial, the values of facts, how a cell is read, whether it holds floats that are rounded
KINDS: dict[str, tuple[Partial, st.SearchStrategy[Any], Callable[[Cell], Any], bool]] = {
    "count": (partial.Count(), st.none(), as_it_is, False),
    "sum": (partial.Sum(), numbers, as_it_is, False),
    "squares": (partial.Squares(), numbers, as_it_is, False),
    "sum of floats": (partial.RealSum(), reals, as_it_is, True),
    "moments": (partial.Moments(), reals, as_it_is, True),
    "least": (partial.Extreme(partial.least), numbers, as_it_is, False),
    "greatest": (partial.Extreme(partial.greatest), numbers, as_it_is, False),
    "earliest": (partial.Moment(min), st.none(), as_it_is, False),
    "latest": (partial.Moment(max), st.none(), as_it_is, False),
    "values": (partial.Values(), values, counts, False),
    "times": (partial.Times(), st.none(), partial.Times.moments, False),
    "first": (partial.Ranked(last=False), words, as_it_is, False),
    "last": (partial.Ranked(last=True), words, as_it_is, False),
    "decayed": (partial.Decayed(30.0), reals, lambda cell: partial.Decayed(30.0).at(cell, NOW), True),
}


def test_every_partial_is_judged() -> None:
    defined = {kind for kind in vars(partial).values() if isinstance(kind, type) and issubclass(kind, Partial)}
    assert defined - {Partial} == {type(kind) for kind, *_ in KINDS.values()}


def cells(kind: Partial, facts: list[tuple[Any, int]]) -> list[Cell]:
    """The cells of facts, each of which has an id of its own."""
    return [
        1 if type(kind) is partial.Count else kind.of(value, occurred, ("shop", f"{number:03}"))
        for number, (value, occurred) in enumerate(facts)
    ]


def whole(kind: Partial, some: list[Cell]) -> Cell:
    return kind.total(copy.deepcopy(some))


def same(one: Any, other: Any, size: float) -> bool:
    """Equal, floats up to rounding that is relative to the size of what went in."""
    if isinstance(one, list):
        return len(one) == len(other) and all(same(a, b, size) for a, b in zip(one, other, strict=True))
    return bool(one == other or (isinstance(one, float) and math.isclose(one, other, abs_tol=1e-9 * size)))


@pytest.mark.parametrize("name", KINDS)
def test_halves_merge_to_the_whole_in_any_order(name: str) -> None:
    kind, drawn, read, floats = KINDS[name]
    facts = st.lists(st.tuples(drawn, times), min_size=1, max_size=12)

    @settings(max_examples=30, deadline=None)
    @given(facts, st.randoms(use_true_random=False))
    def claim(facts: list[tuple[Any, int]], chance: Any) -> None:
        made = cells(kind, facts)
        size = math.fsum(abs(value) ** 2 + abs(value) for value, _ in facts) if floats else 0.0
        wanted = read(whole(kind, made))

        def equal(cell: Cell) -> bool:
            return same(read(cell), wanted, size) if floats else read(cell) == wanted

        one_by_one = copy.deepcopy(made[0])
        for cell in made[1:]:
            one_by_one = kind.merge(one_by_one, copy.deepcopy(cell))
        assert equal(one_by_one)
        chance.shuffle(made)  # commutative
        assert equal(whole(kind, made))
        cuts = sorted(chance.randint(0, len(made)) for _ in range(2))  # associative, however it is bracketed
        thirds = [whole(kind, made[a:b]) for a, b in zip([0, *cuts], [*cuts, len(made)], strict=True)]
        assert equal(whole(kind, thirds))
        there = [third for third, a, b in zip(thirds, [0, *cuts], [*cuts, len(made)], strict=True) if a < b]
        tree = copy.deepcopy(there[-1])
        for third in reversed(there[:-1]):
            tree = kind.merge(copy.deepcopy(third), tree)
        assert equal(tree)
        assert equal(whole(kind, [kind.empty, *made, kind.empty]))  # nothing changes nothing
        assert equal(whole(kind, [None, *made]) if kind.empty is None else whole(kind, made))

    claim()


@pytest.mark.parametrize("name", KINDS)
def test_what_was_put_in_is_taken_out_exactly_or_not_at_all(name: str) -> None:
    kind, drawn, read, _ = KINDS[name]
    facts = st.lists(st.tuples(drawn, times), min_size=1, max_size=8)

    @settings(max_examples=30, deadline=None)
    @given(facts, st.tuples(drawn, times), st.integers(0, 8))
    def claim(facts: list[tuple[Any, int]], gone: tuple[Any, int], place: int) -> None:
        made = cells(kind, [*facts[:place], gone, *facts[place:]])
        part = made.pop(min(place, len(facts)))
        wanted = read(whole(kind, made))
        with_it = whole(kind, [*made, part])
        try:
            left = kind.unmerge(with_it, copy.deepcopy(part))
        except Inexact:
            assert name not in ("count", "sum", "squares", "values", "times")
            return
        assert read(left) == wanted

    claim()


HANDS = hands([f for f in POOL if f.on != "Order Completed"], 64)


@settings(max_examples=8, deadline=None)
@given(histories(), st.integers(0, len(HANDS) - 1), st.randoms(use_true_random=False))
def test_tiles_of_halves_are_together_those_of_the_whole(history: History, hand: int, chance: Any) -> None:
    features = [*HANDS[hand], *combinations("person", "Event")]
    halves, one = (Plane(MemoryState(), features, timezone="America/New_York") for _ in range(2))
    moments = [AS_OF]
    for table in PERSONAL:
        for row in getattr(history, table):
            fact = complete(table, row)
            one.update(table, [{**fact, "subject": 1}])
            halves.update(table, [{**fact, "subject": chance.choice((1, 2, 3))}])
            if row["occurred_at"] is not None:
                moments.append(max(row["occurred_at"], row["available_at"]))
    found, wanted = halves.values([3, 1, 2], max(moments)), one.values([1], max(moments))
    told = History(
        **{table: [{**row, "subject": 1} for row in getattr(history, table)] for table in PERSONAL},
        person_of=[{"subject": 1, "person": 1, "valid_from": None, "valid_until": None}],
    )
    for feature in features:
        _, slack = naive.judged(feature, told, 1, max(moments), "America/New_York")
        assert naive.agrees(feature, found[feature.name], wanted[feature.name], 2 * slack), feature
