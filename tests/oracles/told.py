"""A plane that is told a story, beside the list of the facts that it was told: what the naive twin is asked about."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from coterie.features.online import Plane
from coterie.store.ports import State
from oracles import features as naive
from oracles.features import History, Row
from oracles.histories import AS_OF, SCHEMAS
from oracles.stories import (
    PERSONAL,
    Arrive,
    Ask,
    Fact,
    Forget,
    Later,
    Rebuild,
    Reopen,
    Restore,
    Shelve,
    Step,
    Undo,
    Withdraw,
    products_table,
)


class Told:
    """A plane and what it was told.

    Parameters
    ----------
    features
        What it answers.
    opened
        Opens the state, again and again the same one.
    timezone, currency
        Of the shop.
    """

    def __init__(
        self, features: Sequence[Any], opened: Callable[[], State], timezone: str, currency: str | None = None
    ) -> None:
        self.features, self.timezone, self.currency = list(features), timezone, currency
        self._opened = opened
        self.facts: list[Fact] = []
        self.gone: list[Fact] = []
        self.products: list[Row] = []
        self.reached: dict[int, datetime] = {}
        self.state = opened()
        self.plane = self._made()

    def _made(self) -> Plane:
        return Plane(self.state, self.features, timezone=self.timezone, currency=self.currency)

    def of(self, subjects: Iterable[int]) -> list[Fact]:
        """Return the facts of subjects that are there."""
        return [fact for fact in self.facts if fact[1]["subject"] in subjects]

    def history(self, subjects: Sequence[int] = ()) -> History:
        """Return the facts that are there as the twin reads them; the subjects are one person, named as the first."""
        found = History(products=self.products)
        for table, row in self.facts:
            getattr(found, table).append(row)
        for subject in subjects:
            who = {"subject": subject, "person": subjects[0], "valid_from": None, "valid_until": None}
            found.person_of.append(who)
        return found

    def newest(self, subjects: Iterable[int]) -> datetime:
        """Return the latest moment that the plane was told of about subjects."""
        return max((self.reached[subject] for subject in subjects if subject in self.reached), default=AS_OF)

    def take(self, step: Step) -> None:
        """Let a step of the story happen; an Ask is judged."""
        match step:
            case Arrive(facts):
                self.arrive(facts)
            case Undo(import_id):
                self.withdraw([fact for fact in self.facts if fact[1]["import_id"] == import_id])
            case Withdraw(numbers):
                chosen = {number % len(self.facts) for number in numbers} if self.facts else set()
                self.withdraw([self.facts[number] for number in sorted(chosen)])
            case Restore():
                gone, self.gone = self.gone, []
                self.arrive(gone)
            case Forget(subject):
                self.plane.erase([subject])
                self.facts = [fact for fact in self.facts if fact[1]["subject"] != subject]
                self.gone = [fact for fact in self.gone if fact[1]["subject"] != subject]
                self.reached.pop(subject, None)
            case Shelve(products):
                self.shelve(products)
            case Reopen():
                self.state.close()
                self.state = self._opened()
                self.plane = self._made()
            case Rebuild():
                self.rebuild()
            case Ask():
                self.judge(step)

    def arrive(self, facts: list[Fact]) -> None:
        self.facts = self.facts + facts
        for _, row in facts:
            self._reach(row)
        self._changed(facts, self.plane.update)

    def _changed(self, facts: list[Fact], change: Callable[[str, list[Row]], list[int]]) -> None:
        """Tell the plane of facts, table by table, and replay the subjects for which it asks."""
        again: set[int] = set()
        for table in PERSONAL:
            rows = [row for name, row in facts if name == table]
            if rows:
                again |= set(change(table, rows))
        assert self.plane.waiting() == sorted(again)
        for subject in sorted(again):
            self.replay(subject)
        assert self.plane.waiting() == []

    def _reach(self, row: Row) -> None:
        if row["occurred_at"] is not None:
            latest = max(row["occurred_at"], row["available_at"])
            self.reached[row["subject"]] = max(self.reached.get(row["subject"], latest), latest)

    def withdraw(self, facts: list[Fact]) -> None:
        self.facts = [fact for fact in self.facts if not any(fact is other for other in facts)]
        self.gone = facts
        self._changed(facts, self.plane.undo)

    def replay(self, subject: int) -> None:
        own = self.of([subject])
        self.plane.replay(subject, {table: [row for name, row in own if name == table] for table in PERSONAL})

    def shelve(self, products: list[Row]) -> None:
        """Tell the plane of products, and replay whoever had to do with one from when on it reads otherwise."""
        self.products = products
        changed = self.plane.shelve(products_table(products))
        again = set()
        for _, row in self.facts:
            key = (row["source"], row.get("product_id"))
            if key in changed and (changed[key] is None or row["occurred_at"] >= changed[key]):
                again.add(row["subject"])
        for subject in sorted(again):
            self.replay(subject)

    def rebuild(self) -> None:
        """Have the state made anew from all facts that are there, in batches sorted by subject."""
        facts = {}
        for table in PERSONAL:
            rows = [row for name, row in self.facts if name == table]
            rows.sort(key=lambda row: row["subject"])
            facts[table] = pa.Table.from_pylist(rows, schema=SCHEMAS[table]).to_batches(max_chunksize=3)
        self.plane.rebuild(facts, products=products_table(self.products))

    def judge(self, ask: Ask) -> None:
        for subjects in ask.people():
            for later in ask.later:
                self.judge_person(subjects, later)

    def judge_person(self, subjects: tuple[int, ...], later: Later) -> None:
        moment = later.moment(self.newest(subjects), self.of(subjects))
        answer = self.plane.values(subjects, moment)
        history = self.history(subjects)
        wanted = [feature for feature in self.features if feature.per == "person"]
        assert list(answer) == [feature.name for feature in wanted]
        for feature in wanted:
            self._judge(feature, answer[feature.name], history, subjects[0], moment)

    def judge_owned(self, per: str, owner: tuple[Any, ...], subjects: tuple[int, ...], later: Later) -> None:
        """Judge the features of something, or of the person of these subjects with something."""
        about_person = per.startswith("person-")
        told = self.of(subjects) if about_person else self.facts
        whose = subjects if about_person else list(self.reached)
        moment = later.moment(self.newest(whose), told)
        if about_person:
            answer = self.plane.pair(per, subjects, owner, moment)
            owner = (subjects[0], *owner)
        else:
            answer = self.plane.owned(per, owner, moment)
        history = self.history(subjects)
        wanted = [feature for feature in self.features if feature.per == per]
        assert list(answer) == [feature.name for feature in wanted]
        for feature in wanted:
            self._judge(feature, answer[feature.name], history, owner, moment)

    def _judge(self, feature: Any, got: Any, history: History, owner: Any, moment: datetime) -> None:
        want, slack = naive.judged(feature, history, owner, moment, self.timezone, self.currency)
        assert naive.agrees(feature, got, want, slack), (owner, moment, feature, got, want, slack)
