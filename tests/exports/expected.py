"""What an export should become: canonical facts with their owners in clear, and the reasons for what is set aside."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pyarrow as pa

from coterie.collect.facts import EVENTS, ORDER_LINES, QUARANTINE, TRAITS
from coterie.govern.consent import CONSENTS

Who = tuple[str, str]
"""Kind and normalised value of the strongest identifier."""

NOT_COMPARED = {"import_id", "row", "ingested_at", "line_id", "event_id", "consent_id", "subject"}


@dataclass
class Expected:
    """Facts as dictionaries of canonical columns, without ids, with ``who`` in place of ``subject``."""

    lines: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    traits: list[dict[str, Any]] = field(default_factory=list)
    consents: list[dict[str, Any]] = field(default_factory=list)
    quarantined: Counter[str] = field(default_factory=Counter)
    rows: int = 0


def utc(moment: datetime) -> datetime:
    """A moment with a zone as naive UTC, which is what is stored."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def minor(amount: Decimal) -> int:
    """An amount with two decimals as whole cents, halves away from zero."""
    return int((amount * 100).quantize(Decimal(1), ROUND_HALF_UP))


def shares(stated: int, weights: Sequence[int]) -> list[int]:
    """How much of a stated amount each line bears: the running total in proportion, halves rounded up."""
    total, running, borne, found = sum(weights), 0, 0, []
    for weight in weights:
        running += weight
        upto = int((Decimal(stated) * running / total).quantize(Decimal(1), ROUND_HALF_UP)) if total else 0
        found.append(upto - borne)
        borne = upto
    return found


def facts(shop: Any) -> Expected:
    """Everything that a shop holds, in the form of what is expected."""
    found = Expected()
    for table, rows in ((ORDER_LINES, found.lines), (EVENTS, found.events), (TRAITS, found.traits)):
        shop.warehouse.attach("looked_at", shop.lake.source(table))
        rows += shop.warehouse.query("SELECT * FROM looked_at").to_pylist()
    found.consents += shop.ledger.read(CONSENTS).to_pylist()
    shop.warehouse.attach("looked_at", shop.lake.source(QUARANTINE))
    for reasons in shop.warehouse.query("SELECT reasons FROM looked_at")["reasons"].to_pylist():
        found.quarantined[reasons] += 1
    return found


def comparable(rows: Sequence[dict[str, Any]], shop: Any, sources: str | None = None) -> Counter[str]:
    """Rows as texts that can be counted: ``who`` becomes the subject, empty columns and ids fall away."""
    owners = sorted({row["who"] for row in rows if "who" in row})
    keys: dict[Who, int] = {}
    for kind in {kind for kind, _ in owners}:
        values = [value for each, value in owners if each == kind]
        asked = pa.table({"kind": pa.array([kind] * len(values)), "value": pa.array(values)})
        keys |= {(kind, value): key for value, key in zip(values, shop.vault.subjects(asked).to_pylist(), strict=True)}
    found: Counter[str] = Counter()
    for row in rows:
        body = {name: value for name, value in row.items() if name not in NOT_COMPARED | {"who"} and value is not None}
        body["subject"] = keys[row["who"]] if "who" in row else row["subject"]
        if isinstance(body.get("properties"), str):
            body["properties"] = json.loads(body["properties"])
        body["properties"] = {name: str(value) for name, value in body.get("properties", {}).items()}
        found[json.dumps(body, sort_keys=True, default=str)] += 1
    return found


def check(shop: Any, expected: Expected) -> None:
    """Assert that a shop holds exactly what is expected, fact by fact."""
    held = facts(shop)
    for name in ("lines", "events", "traits", "consents"):
        there, wanted = comparable(getattr(held, name), shop), comparable(getattr(expected, name), shop)
        surplus, lacking = there - wanted, wanted - there
        assert not surplus, f"{name}: {sum(surplus.values())} surplus, {sum(lacking.values())} lacking: " + "\n".join(
            [*sorted(surplus)[:3], "lacking", *sorted(lacking)[:3]]
        )
        assert not lacking, f"{name}: {sum(lacking.values())} lacking: " + "\n".join(sorted(lacking)[:3])
    assert held.quarantined == expected.quarantined


def lawful(receipt: Any) -> None:
    """Assert the law of intake: each row has one fate, file by file."""
    assert receipt.files
    for file in receipt.files:
        assert file.received == file.accepted + file.quarantined + file.duplicates, file
