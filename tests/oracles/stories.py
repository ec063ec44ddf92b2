"""Stories: the facts of a small shop as they arrive, one after another in any order, and what happens in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from oracles.definitions import WINDOWS
from oracles.features import EPOCH, History, Row
from oracles.histories import MICROSECOND, SCHEMAS, SUBJECTS, histories

PERSONAL = ("order_lines", "events", "traits")
Fact = tuple[str, Row]


@dataclass(frozen=True)
class Arrive:
    """Facts come in, together."""

    facts: list[Fact]


@dataclass(frozen=True)
class Undo:
    """The facts of an import are taken out again."""

    import_id: int


@dataclass(frozen=True)
class Withdraw:
    """Some of the facts that are there are taken out again, by their numbers."""

    numbers: list[int]


@dataclass(frozen=True)
class Restore:
    """What was taken out last comes in again."""


@dataclass(frozen=True)
class Forget:
    """A subject goes, with all its facts."""

    subject: int


@dataclass(frozen=True)
class Shelve:
    """The shop hears of versions of products."""

    products: list[Row]


@dataclass(frozen=True)
class Reopen:
    """The state is closed and opened again."""


@dataclass(frozen=True)
class Rebuild:
    """The state is made anew from the facts that are there."""


@dataclass(frozen=True)
class Later:
    """A moment at or after the newest fact: so much later, or when a fact leaves a window, or a hop before."""

    after: timedelta = timedelta(0)
    fact: int | None = None
    window: int = 0
    off: int = 0

    def moment(self, newest: datetime, known: Sequence[Fact]) -> datetime:
        """Return it, for facts of which the newest became known then."""
        window = WINDOWS[1:][self.window % (len(WINDOWS) - 1)]
        times: list[datetime] = [row["occurred_at"] for _, row in known if row["occurred_at"] is not None]
        if self.fact is None or not times or window.hop is None or window.length is None:
            return newest + self.after
        hop = timedelta(microseconds=window.hop)
        next_hop = EPOCH + ((times[self.fact % len(times)] - EPOCH) // hop + 1) * hop
        leaves = next_hop + timedelta(microseconds=window.length) + self.off * MICROSECOND
        return max(leaves, newest)


@dataclass(frozen=True)
class Ask:
    """Somebody asks: which subjects are one person, and when."""

    persons: tuple[int, ...]
    later: list[Later]

    def people(self) -> list[tuple[int, ...]]:
        """Return the subjects of each person."""
        groups: dict[int, list[int]] = {}
        for subject, person in zip(SUBJECTS, self.persons, strict=True):
            groups.setdefault(person, []).append(subject)
        return [tuple(subjects) for subjects in groups.values()]


Step = Arrive | Undo | Withdraw | Restore | Forget | Shelve | Reopen | Rebuild | Ask


def complete(table: str, row: Row) -> Row:
    """Return a row with all columns of its canonical shape."""
    return {name: row.get(name) for name in SCHEMAS[table].names}


def laters() -> st.SearchStrategy[Later]:
    """Moments to ask at."""
    numbers = st.integers(0, 40)
    some = (
        timedelta(0),
        MICROSECOND,
        timedelta(minutes=5),
        timedelta(days=1),
        timedelta(days=40),
        timedelta(days=1100),
    )
    return st.one_of(
        st.sampled_from(some).map(Later), st.builds(Later, st.just(timedelta(0)), numbers, numbers, st.integers(-1, 1))
    )


def asks() -> st.SearchStrategy[Ask]:
    """Questions."""
    return st.builds(Ask, st.tuples(*[st.integers(1, 3)] * 4), st.lists(laters(), min_size=1, max_size=3))


@st.composite
def stories(draw: st.DrawFn, history: st.SearchStrategy[History] | None = None, *, calm: bool = False) -> list[Step]:
    """The facts of a history in any order and any groups; unless calm, with undos, deletions and restarts between."""
    told = draw(histories() if history is None else history)
    facts = [(table, complete(table, row)) for table in PERSONAL for row in getattr(told, table)]
    facts = draw(st.permutations(facts))
    products = [complete("products", row) for row in told.products]
    known = len(products) if calm else draw(st.integers(0, len(products)))
    steps: list[Step] = [Shelve(products[:known])] if known else []
    breaks: list[st.SearchStrategy[Any]] = [asks(), asks()]
    if not calm:
        breaks += [
            st.integers(1, 3).map(Undo),
            st.lists(st.integers(0, 40), min_size=1, max_size=3, unique=True).map(Withdraw),
            st.sampled_from(SUBJECTS).map(Forget),
            st.sampled_from((Restore(), Reopen(), Rebuild())),
        ]
    if known < len(products):
        breaks.append(st.just(Shelve(products)))
    while facts:
        size = draw(st.integers(1, 8))
        steps.append(Arrive(facts[:size]))
        facts = facts[size:]
        steps += draw(st.lists(st.one_of(breaks), max_size=2))
    return [*steps, draw(asks())]


def products_table(rows: list[Row]) -> pa.Table:
    """Return versions of products as they lie in the lake."""
    return pa.Table.from_pylist(rows, schema=SCHEMAS["products"])
