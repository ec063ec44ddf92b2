"""The verb that takes events in as they happen."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from coterie.collect import shops
from coterie.collect.inbox import MOVED
from coterie.collect.read import Read
from coterie.collect.receipt import Receipt
from coterie.govern.consent import declared
from coterie.progress import SILENT, Progress
from coterie.schema import utc_now
from coterie.workspace.people import People

_CALLS = "segment"  # the ready mapping that says what they mean


class Recording(People):
    """A shop that is told what happens."""

    def record(
        self,
        source: str,
        events: Iterable[Mapping[str, Any] | str],
        *,
        now: datetime | None = None,
        progress: Progress = SILENT,
    ) -> Receipt:
        """Take in events as they happen: calls in the shape of Segment's ``track``, ``identify`` and ``page``.

        When this returns, what it accepted is durable: it lies in the ledger, or in the lake already. A call that comes
        again, with its ``messageId``, is a duplicate; so whoever is in doubt whether a call arrived sends it again.
        Every call is accepted, quarantined with its reasons, or known already, as in an import.

        Parameters
        ----------
        source
            The source that they are from; its lawful bases were declared by an earlier import.
        events
            The calls, as dictionaries or JSON texts: ``type`` (``track`` when there is an ``event``), ``event``,
            ``userId``, ``anonymousId``, ``messageId``, ``timestamp`` (ISO 8601), ``properties``, ``context``,
            ``traits``. A call without a ``messageId`` gets one, and counts twice when it is sent twice.
        now
            When they were received, naive UTC; None is the present. The shop knows them from then on.
        progress
            Where steps are reported.

        Returns
        -------
        Receipt
            What came in and what became of it.

        Raises
        ------
        GateRefusedError
            When the source has declared no lawful basis.
        ShopLockedError
            When another process is writing to the shop.
        """
        bases = declared(self.ledger, source)
        meant = shops.adapted(shops.ready(_CALLS), source=source, lawful_basis=bases, currency=self.config.currency)
        waiting = iter(events)
        receipts: list[Receipt] = []
        with self._writing("record", {"source": source}) as run:
            self.gate.admit(source, bases, now=now)
            while batch := list(islice(waiting, MOVED)):
                moment = now or utc_now()
                calls = [_call(event, moment) for event in batch]
                concerned = tuple(read for read in meant.reads if any(_takes(read, call) for call in calls))
                intake = self._intake(moment)
                intake.stores = replace(intake.stores, lake=self.inbox)
                with TemporaryDirectory(dir=self._scratch.name) as folder:
                    _write(Path(folder) / f"live-{moment:%Y%m%dT%H%M%S%f}-{uuid4().hex[:8]}.jsonl", calls)
                    with self.inbox.recording():
                        mapping = replace(meant, reads=concerned or meant.reads)
                        receipts.append(intake.ingest(mapping, folder, now=moment, progress=progress))
                self.inbox.move()
            receipt = Receipt(source, tuple(file for each in receipts for file in each.files))
            run.facts = receipt.to_json()
        return receipt


def _call(event: Mapping[str, Any] | str, now: datetime) -> dict[str, Any] | str:
    """Return a call with what it may lack; a text that is no JSON object stays as it is, to be set aside."""
    if isinstance(event, str):
        try:
            event = json.loads(event)
        except ValueError:
            return str(event)
        if not isinstance(event, dict):
            return json.dumps(event)
    call = {key: value for key, value in event.items() if value is not None} | {"receivedAt": now.isoformat() + "Z"}
    call.setdefault("messageId", uuid4().hex)
    if "event" in call:
        call.setdefault("type", "track")
    return call


def _takes(read: Read, call: dict[str, Any] | str) -> bool:
    """Say whether a read may take a call, by what the call is; a read that takes none leaves no trace in the books."""
    if isinstance(call, str):
        return False
    return all(
        (str(call.get(condition.column, "")) in condition.words) is not condition.negated
        for condition in read.where
        if condition.column in ("type", "event")
    )


def _write(path: Path, calls: Iterable[dict[str, Any] | str]) -> None:
    """Write calls as JSON Lines, a line each."""
    with path.open("w", encoding="utf-8", errors="replace") as file:
        for call in calls:
            text = call.replace("\n", " ").replace("\r", " ") if isinstance(call, str) else _text(call)
            file.write(text + "\n")


def _text(call: dict[str, Any]) -> str:
    def plain(value: object) -> str:
        return value.isoformat() if isinstance(value, datetime) else str(value)

    return json.dumps(call, ensure_ascii=False, default=plain)
