"""Rows in the quarantine that name a person without being filed under them."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.collect.facts import QUARANTINE
from coterie.collect.mentions import Mentions, withheld
from coterie.schema import IDENTIFIER
from coterie.store.lake import MemoryLake
from coterie.store.vault import MemoryVault

MINE = {"customer_id": "c17", "loyalty_id": "LOYAL-0017", "email": "ann@example.org", "phone": "+442079460958"}


def holder(*rows: tuple[bytes, int | None]) -> tuple[Mentions, list[int]]:
    """A quarantine with such rows, and the person's subjects; who has the row is a place among these, or another."""
    vault, lake = MemoryVault(bytes(32)), MemoryLake()
    lake.create(QUARANTINE)
    subjects = vault.subjects(pa.table([list(MINE), list(MINE.values())], schema=IDENTIFIER)).to_pylist()
    sealed = vault.seal([raw for raw, _ in rows])
    made = [
        {"import_id": 1, "row": number, "raw": raw, "subject": subjects[whose] if whose == 0 else whose}
        for number, (raw, (_, whose)) in enumerate(zip(sealed, rows, strict=True))
    ]
    lake.append(QUARANTINE, QUARANTINE.rows([*made, {"import_id": 2, "row": 0, "reasons": "expired"}]))
    return Mentions(lake, vault), subjects


NAMED = [
    "x,c17",
    "c17",
    'broken "c17 never closed',
    "Ann@Example.ORG;1",
    "write to ANN@example.org.",
    "LOYAL-0017|3",
    "call +44 (0)20 7946 0958 back",
    "0044 20 7946-0958",
    '{"user": "c17", "x": ',
    r'{"mail": "ann\u0040example.org", "x": ',
    json.dumps({"nested": [{"mail": "ann@example.org"}]}),
]
OTHERS = ["x,c171", "xc17", "joann@example.org", "ann@example.org2", "LOYAL-00170", "20794609", "7946 0958", "", "é"]


@pytest.mark.parametrize("text", NAMED)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_a_row_of_nobody_that_names_the_person_goes(text: str, encoding: str) -> None:
    mentions, subjects = holder((text.encode(encoding), None), (b"other", None))
    found = mentions.export(subjects)["mentions"]
    assert found["row"].to_pylist() == [0]
    assert {"raw", "subject"}.isdisjoint(found.column_names)
    assert mentions.erase(subjects) == 1
    assert mentions.erase(subjects) == 0
    assert mentions.lake.count(QUARANTINE) == 2


@pytest.mark.parametrize("text", OTHERS)
def test_rows_that_name_others_stay(text: str) -> None:
    mentions, subjects = holder((text.encode(), None), (text.encode("latin-1"), None), (b"\xff\xfe", None))
    assert mentions.erase(subjects) == 0


def test_of_rows_of_somebody_else_only_what_cannot_be_mistaken_counts() -> None:
    texts = ["c17", "LOYAL-0017", "ann@example.org", "+44 20 7946 0958"]
    mentions, subjects = holder(*((text.encode(), 99) for text in texts), (b"ann@example.org", 0))
    found = mentions.export(subjects)["mentions"]
    assert found["row"].to_pylist() == [1, 2, 3]  # the last row is the person's own: the lake's holder has it


def test_nobody_is_named_by_nobodys_identifiers() -> None:
    mentions, _ = holder((b"c17", None))
    assert mentions.erase([12345]) == 0
    assert mentions.export([])["mentions"].num_rows == 0


def test_what_comes_in_about_the_forgotten_is_not_kept() -> None:
    mentions, subjects = holder()
    vault = mentions.vault
    raws: list[bytes | None] = [text.encode() for text in [*NAMED, *OTHERS]]
    assert withheld(vault, raws, [True] * len(raws)) == raws  # nobody is kept out yet
    vault.erase(subjects)
    kept = withheld(vault, [*raws, None], [True] * (len(raws) + 1))
    gone = [raw for raw, after in zip(raws, kept, strict=False) if after is None]
    assert gone == [text.encode() for text in NAMED if "c17" not in text]  # that may be a quantity
    assert kept[len(NAMED) : len(raws)] == raws[len(NAMED) :]
    assert withheld(vault, raws, [False] * len(raws)) == raws


@given(st.binary(max_size=80))
def test_any_bytes_can_be_searched(raw: bytes) -> None:
    mentions, subjects = holder((raw, None))
    mentions.export(subjects)
    mentions.vault.erase(subjects)
    withheld(mentions.vault, [raw], [True])
