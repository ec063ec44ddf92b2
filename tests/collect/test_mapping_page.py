"""The page of the mapping names every key, and its examples come out as printed."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

import pytest

from coterie.collect import mapping, read
from coterie.collect.facts import EVENTS, ORDER_LINES
from coterie.collect.mapping import Mapping
from coterie.errors import MappingError
from pages import DOCS, Block, blocks

PAGE = DOCS / "reference" / "mapping.md"
SECTIONS = {part.split("\n", 1)[0]: part for part in PAGE.read_text("utf-8").split("\n## ")[1:]}


def examples() -> list[Any]:
    """The examples of the page: each is its files, the mapping and, as JSON, the facts."""
    found: list[Any] = []
    files: list[str] = []
    meant: Block | None = None
    for block in blocks(PAGE):
        if block.language in ("csv", "jsonl"):
            files.append(block.text)
        elif block.language == "toml":
            meant = block
        elif block.language == "json" and meant is not None:
            found.append(
                pytest.param(files, tomllib.loads(meant.text), json.loads(block.text), id=f"line {block.line}")
            )
            files = []
    return found


def test_every_key_is_explained() -> None:
    for section, keys in {
        "The whole source": mapping.KEYS,
        "A read": read.KEYS,
        "A field": _allowed("order_line", "amount") | _allowed("event", "occurred_at") | _allowed("event", "order_id"),
        "Other currencies": ("file", "date", "currency", "rate", "days", "format"),
    }.items():
        named = set(re.findall(r"`\[*(\w+)\]*`", "".join(re.findall(r"^\| (`.*?) \|", SECTIONS[section], flags=re.M))))
        assert named - {"amount", "plus_share"} == set(keys) - {"plus_share"}, section


def _allowed(target: str, field: str) -> set[str]:
    """The keys of a field, as an error about a wrong one lists them."""
    fields = {"order_id": "o", "amount": "a", "occurred_at": "t"} | {field: {"wrong key": 1}}
    block = {"file": "x", "to": target, "kind": "Order Completed", "identify": {"email": "m"}, "fields": fields}
    with pytest.raises(MappingError) as caught:
        Mapping.of({"source": "s", "read": [block]})
    return set(caught.value.message.split("allowed are ")[1].rstrip(".").split(", "))


@pytest.mark.parametrize(("files", "body", "facts"), examples())
def test_an_example_comes_out_as_printed(
    shop: Any, files: list[str], body: dict[str, Any], facts: list[dict[str, Any]]
) -> None:
    reads = body.pop("read")
    joins = reads[0].get("join", [])
    names = [reads[0]["file"], *(join["file"] for join in joins)]
    names += [body["conversion"]["file"]] if "conversion" in body else []
    for name, text in zip(names, files, strict=True):
        shop.write(name, text)
    shop.ingest(*reads, **body)
    rows = shop.rows({"event": EVENTS, "order_line": ORDER_LINES}[reads[0]["to"]])
    printed = [fact for fact in facts if "quarantined" not in fact]
    shown = [{**row, "occurred_at": row["occurred_at"].isoformat()} for row in rows]
    assert [{name: row[name] for name in fact} for row, fact in zip(shown, printed, strict=True)] == printed
    bad = {fact["quarantined"]: fact["reasons"].split("; ") for fact in facts if "quarantined" in fact}
    assert {row: reasons for row, reasons in shop.quarantined() if row in bad} == bad


def test_there_are_examples() -> None:
    assert len(examples()) >= 9
