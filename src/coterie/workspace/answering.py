"""The verb ``profile``: one customer's features now, in milliseconds, and how they are kept up to date."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from coterie.errors import GateRefusedError, ParameterError, ShopLockedError, StoreError
from coterie.features import batch
from coterie.features.combination import Declared
from coterie.govern.consent import purpose_of
from coterie.govern.holders import Holder
from coterie.ops.runs import Run
from coterie.profiles.graph import END
from coterie.profiles.identity import Identity
from coterie.progress import SILENT, Progress
from coterie.schema import TIME, Purpose, utc_now
from coterie.workspace.alone import Alone
from coterie.workspace.belonging import Belonging, Belongings
from coterie.workspace.building import Building
from coterie.workspace.finding import subject_of
from coterie.workspace.tiles import Tiles

_LONG = 50_000  # facts: to take in more takes seconds, which somebody who asks about one person does not wait
_WRITING = "another process is writing to the shop"
_LATE = "too much has come in for the question to wait until it is kept ready"
_FOLLOWED = ("record", "forget", "undo_import")  # verbs after which the tiles are brought up to date at once


@dataclass(frozen=True)
class ProfileNow:
    """One person's features at a moment.

    Parameters
    ----------
    person
        The person's key.
    as_of
        The moment, naive UTC.
    values
        Name of the feature → its value (money in whole minor units of ``currency``), None where it is missing.
    features
        The definitions, in the order of the values: title, unit and meaning.
    currency
        ISO code of the shop's currency.
    online
        Whether the answer came from what is kept ready; else it was computed from the facts. Both are the same.
    why
        Where it was computed: why.
    hint
        What would make the next answer quicker, where something would.
    missing
        Features that the shop has no facts for, with what would bring them.
    segments
        The person's segments at the moment, by the newest model of each kind whose features are among the values. There
        are none of somebody who may not be used for segmentation now, whatever the answer is for.
    """

    person: int
    as_of: datetime
    values: Mapping[str, int | float | str | None] = field(repr=False)
    features: tuple[Declared, ...] = field(repr=False)
    currency: str
    online: bool
    why: str | None = None
    hint: str | None = None
    missing: Mapping[str, str] = field(default_factory=dict, repr=False)
    segments: tuple[Belonging, ...] = ()

    def __getitem__(self, name: str) -> int | float | str | None:
        """Return the value of a feature."""
        return self.values[name]

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        told = [
            {"name": one.name, "value": self.values[one.name], "unit": one.unit, "title": one.title}
            | {"meaning": one.meaning}
            for one in self.features
        ]
        return {
            "person": self.person,
            "as_of": self.as_of.isoformat() + "Z",
            "currency": self.currency,
            "online": self.online,
            "why": self.why,
            "hint": self.hint,
            "segments": [asdict(one) for one in self.segments],
            "features": told,
            "missing": dict(self.missing),
        }


@dataclass(frozen=True)
class _Asked:
    """A question for the profile of one person."""

    subject: int
    purpose: Purpose
    as_of: datetime
    features: tuple[Declared, ...]
    chosen: bool


class Answering(Building):
    """A shop that is asked about one customer at a time, now."""

    def profile(
        self,
        identifier: str,
        *,
        purpose: Purpose | str = Purpose.PERSONALISATION,
        as_of: str | date | datetime | None = None,
        features: Sequence[Declared | str] | None = None,
        progress: Progress = SILENT,
    ) -> ProfileNow:
        """Return one person's features now, those that :meth:`build` would give, and the segments that follow.

        They are kept ready in small pieces (tiles), so that the answer takes milliseconds and has what was recorded a
        moment ago. The first question after a small import waits until the tiles have it, too. After a large one, while
        another process writes to the shop, and for moments before the person's newest fact, the answer is computed from
        the facts: in about a second, and the same. :meth:`keep_up` makes the tiles ready after a large import.

        Parameters
        ----------
        identifier
            One identifier of the person, such as ``customer_id=1234``.
        purpose
            What the answer is used for; decides whether the person, and which sources, may be used.
        as_of
            Another moment, as in :meth:`build`; None is now.
        features
            Names from the catalogue, or own definitions about persons; None is every feature whose inputs the shop has.
        progress
            Where steps are reported while the tiles are brought up to date.

        Raises
        ------
        ParameterError
            When nobody in the shop has the identifier, or a feature is unknown or not about persons.
        EmptyShopError
            When nothing was ingested yet.
        GateRefusedError
            When the person has said no, or has not said yes, or no source has a lawful basis for the purpose.
        """
        asked = _Asked(
            subject=subject_of(self.vault, identifier),
            purpose=purpose_of(purpose),
            as_of=utc_now() if as_of is None else self.config.moment(as_of),
            features=self._wanted(features) if features is not None else self.tiles.features,
            chosen=features is not None,
        )
        sources = self.gate.sources(asked.purpose)
        why = self._ready(asked, sources, progress)
        if why is None:
            found = self._from_tiles(asked)
            if isinstance(found, ProfileNow):
                return found
            why = found
        return self._from_facts(asked, sources, why)

    def keep_up(self, *, progress: Progress = SILENT) -> dict[str, int]:
        """Bring up to date what :meth:`profile` answers from, however long it takes.

        It is worth its while after a large import, before many customers are asked about. Small imports, and what is
        recorded, need none of it. Broken off, it has changed no answer: the questions are answered from the facts, and
        the next call makes everything ready.

        Parameters
        ----------
        progress
            Where the step ``tiles`` is reported, in facts.

        Returns
        -------
        dict
            How many rows were taken in, by table; empty when there was nothing to do.

        Raises
        ------
        GateRefusedError
            When no source has a lawful basis for personalisation.
        ShopLockedError
            When another process is writing to the shop.
        """
        if self.tiles.complete(self.gate.sources(Purpose.PERSONALISATION)):
            return {}
        with self._writing("keep_up", {}) as run:
            run.facts = self.tiles.catch_up(progress)
        return dict(run.facts)

    def holders(self) -> list[Holder]:
        """Return the owners of every table and file of the shop, in the order in which they forget."""
        return [self.tiles, *super().holders()]

    def close(self) -> None:
        """Release the stores; a closed workspace is opened anew by :func:`coterie.open`."""
        self.tiles.close()
        super().close()

    @cached_property
    def tiles(self) -> Tiles:
        """What is kept ready of every person."""
        return Tiles(self, lambda: self._chosen(None))

    @contextmanager
    def _writing(self, verb: str, arguments: dict[str, Any]) -> Iterator[Run]:
        with super()._writing(verb, arguments) as run:
            kept = False
            if verb in _FOLLOWED:
                with suppress(StoreError):  # they are a cache, and say themselves that they are behind
                    kept = self.tiles.follow()
            yield run
            if kept:
                with suppress(StoreError):
                    self.tiles.follow(erased=verb == "forget")

    def _going(self, imports: list[int]) -> None:
        self.tiles.losing(imports)

    @cached_property
    def _belongings(self) -> Belongings:
        return Belongings(self.ledger, self.registry)

    def _with_segments(self, found: ProfileNow, members: list[int]) -> ProfileNow:
        """Add the segments of a person who consists of these today; none of whoever may not be segmented now."""
        segments = self._belongings.of(found.values)
        if segments and self._may(found.person, members, Purpose.SEGMENTATION):
            return replace(found, segments=segments)
        return found

    def _wanted(self, features: Sequence[Declared | str] | None) -> tuple[Declared, ...]:
        wanted = self._chosen(features)
        for one in wanted:
            if one.per != "person" or one.future:
                raise ParameterError.of("profile", "a feature", one.name, "a feature of persons, of the past")
        if not wanted:
            raise ParameterError.of("profile", "features", "none", "at least one")
        return wanted

    def _ready(self, asked: _Asked, sources: list[str], progress: Progress) -> str | None:
        """Bring the tiles up to date, and say why they cannot answer; None when they can."""
        if not self.tiles.keeps(asked.features):
            return "a feature that was asked for is not kept ready"
        lawful = sources if asked.purpose is Purpose.PERSONALISATION else self.tiles.supply.sources()
        if sources != lawful:
            return f"what is kept ready is for {Purpose.PERSONALISATION}, which other sources may be used for"
        try:
            if waiting := self.tiles.waiting(lawful):
                if self.ledger.held("writer"):
                    return _WRITING
                if waiting > _LONG:
                    return _LATE
                with self._writing("profile", {"what": "bring the tiles up to date"}) as run:
                    run.facts = self.tiles.catch_up(progress)
        except ShopLockedError:
            return _WRITING
        except StoreError as error:
            return f"what is kept ready cannot be used: {error.message}"
        return None

    def _from_tiles(self, asked: _Asked) -> ProfileNow | str:
        """Answer from the tiles, or say why that cannot be done."""
        try:
            before = self.tiles.reading()
            if before is None:
                return "what is kept ready is just being changed"
            identity = Identity.near(self.ledger, asked.subject)
            person, mine, today = asked.subject, [asked.subject], [asked.subject]
            if identity.edges.num_rows or identity.decisions.num_rows:
                subjects = sorted({asked.subject, *identity.kinds()["subject"].to_pylist()})
                resolved = identity.resolve(self.tiles.known(subjects)).persons
                person, mine = _whose(resolved, asked)
                today = _members(resolved, person)
            self._permit(person, today, asked)
            values = self.tiles.values(mine, asked.as_of)
            missing = self.tiles.missing
            if self.tiles.reading() != before:
                return "what is kept ready was just changed"
        except ParameterError:
            return "the moment lies before the person's newest fact"
        except StoreError:
            return "what is kept ready cannot be read"
        shown = tuple(one for one in asked.features if asked.chosen or one.name not in missing)
        found = ProfileNow(
            person=person,
            as_of=asked.as_of,
            values={one.name: values[one.name] for one in shown},
            features=shown,
            currency=self.config.currency,
            online=True,
            missing={} if asked.chosen else missing,
        )
        return self._with_segments(found, today)

    def _from_facts(self, asked: _Asked, sources: list[str], why: str) -> ProfileNow:
        """Answer from the facts, of which those of this one person are read."""
        alone = Alone(self, sources)
        identity = Identity.near(self.ledger, asked.subject)
        person, mine, today = asked.subject, [asked.subject], [asked.subject]
        if identity.edges.num_rows or identity.decisions.num_rows:
            resolved = identity.resolve(alone.known(sorted({asked.subject, *identity.kinds()["subject"].to_pylist()})))
            person, mine = _whose(resolved.persons, asked)
            today = _members(resolved.persons, person)
        self._permit(person, today, asked)
        missing = {} if asked.chosen else self.tiles.lacking(sources)
        wanted = tuple(one for one in asked.features if one.name not in missing)
        zone, currency = self.config.timezone, self.config.currency
        spine = pa.table({"person": [person], "as_of": pa.array([asked.as_of], TIME)})
        with alone.facts(person, mine) as engine:
            [row] = batch.table(engine, wanted, spine, timezone=zone, currency=currency).to_pylist()
        found = ProfileNow(
            person=person,
            as_of=asked.as_of,
            values={one.name: row[one.name] for one in wanted},
            features=wanted,
            currency=currency,
            online=False,
            why=why,
            hint="`coterie keep-up` makes everybody's answer ready." if why == _LATE else None,
            missing=missing,
        )
        return self._with_segments(found, today)

    def _permit(self, person: int, subjects: list[int], asked: _Asked) -> None:
        """Raise GateRefusedError unless the person, who consists of these today, may be used for the purpose now."""
        members = pa.table({"person": [person] * len(subjects), "subject": subjects})
        [verdict] = self.gate.permitted(members, asked.purpose).to_pylist()
        if not verdict["permitted"]:
            said = verdict["reason"].partition(" on ")[0]  # when, is the person's own affair
            raise GateRefusedError(
                f"This person may not be used for {asked.purpose}: {said}.",
                hint="leave them out; only a new choice of their own, brought in as a consent, changes it.",
            )


def _whose(persons: pa.Table, asked: _Asked) -> tuple[int, list[int]]:
    """Return the person that a subject was at the moment, and whom that person consisted of then."""
    moment = pa.scalar(asked.as_of, TIME)
    valid = pc.and_(pc.less_equal(persons["valid_from"], moment), pc.less(moment, persons["valid_until"]))
    then = persons.filter(valid)
    found = then.filter(pc.equal(then["subject"], asked.subject))["person"].to_pylist()
    if not found:
        return asked.subject, [asked.subject]
    mine: list[int] = then.filter(pc.equal(then["person"], found[0]))["subject"].to_pylist()
    return found[0], mine


def _members(persons: pa.Table, person: int) -> list[int]:
    """Return of whom a person consists today, as :func:`coterie.profiles.resolution.members` says it of everybody."""
    rows = persons.to_pylist()
    today = {row["subject"]: row["person"] for row in rows if row["valid_until"] == END}
    meant = {today[row["subject"]] for row in rows if row["person"] == person}
    return [subject for subject, now in today.items() if now in meant] or [person]
