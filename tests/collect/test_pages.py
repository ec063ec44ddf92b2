"""The page of facts says what the code does: it is whole, and its examples come out as printed."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

import pytest

from coterie.collect.facts import EVENTS, LAKE_TABLES, OFFERS, ORDER_LINES, PRODUCTS, TRAITS
from coterie.govern.consent import CONSENTS
from coterie.schema import CONSENT, IdentifierKind, Kind, Purpose
from pages import DOCS, blocks

PAGE = DOCS / "reference" / "events.md"
SECTIONS = {part.split("\n", 1)[0]: part for part in PAGE.read_text("utf-8").split("\n## ")[1:]}
TABLES = (ORDER_LINES, PRODUCTS, TRAITS, OFFERS, CONSENTS, EVENTS)
HIDDEN = {"source", "subject", "ingested_at", "import_id", "row", "consent_id"}


def columns(section: str) -> list[str]:
    head = SECTIONS[section].split("```")[0]
    return re.findall(r"^\| `(\w+)` \|", head.split("The rules are these")[0], flags=re.M)


@pytest.mark.parametrize("table", LAKE_TABLES, ids=lambda table: table.name)
def test_every_column_is_explained_in_order(table: Any) -> None:
    assert columns(table.name) == table.schema.names


def test_consents_kinds_and_identifiers_are_whole() -> None:
    assert columns("consents") == CONSENT.names
    assert re.findall(r"^### (.+)$", SECTIONS["events"], flags=re.M) == list(Kind)
    assert re.findall(r"^\| `(\w+)` \|", SECTIONS["Identifiers"], flags=re.M) == list(IdentifierKind)
    assert all(f"`{purpose}`" in SECTIONS["consents"] for purpose in Purpose)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_an_example_comes_out_as_printed(shop: Any, table: Any) -> None:
    text = PAGE.read_text("utf-8")
    first = text[: text.index(f"\n## {table.name}\n")].count("\n")
    last = first + SECTIONS[table.name].count("\n") + 1
    found = [block for block in blocks(PAGE) if first < block.line <= last]
    file, mapping, *facts = [block.text for block in found]
    reads = tomllib.loads(mapping)["read"]
    shop.write(reads[0]["file"], file)
    receipt = shop.ingest(*reads)
    assert receipt.accepted == receipt.received
    rows = shop.ledger.read(CONSENTS).to_pylist() if table is CONSENTS else shop.rows(table)
    shown = [
        {name: value.isoformat() if name.endswith("_at") else value for name, value in row.items()
         if value is not None and name not in HIDDEN}
        for row in rows
    ]  # fmt: skip
    printed = [json.loads(text) for text in facts]
    assert shown == (printed if table is EVENTS else printed[0])
