"""The same person's identifiers become the same text, and junk becomes none."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.collect.identifiers import BLOCKED, LONGEST, normalise, normalised
from coterie.schema import IdentifierKind


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("email", "Ada.Lovelace@Example.org", " ada.lovelace@example.ORG\n"),
        ("email", "jos\u00e9@example.org", "JOSE\u0301@example.org"),
        ("phone", "+49 (0)30 901820", "0049 30 90-18-20"),
        ("phone", "030/901820", "030 901820"),
        ("customer_id", "A-17", "\ufeffA-17\u00a0"),
    ],
)
def test_spellings_of_one_identifier(kind: str, one: str, other: str) -> None:
    assert normalised(kind, one) == normalised(kind, other) is not None


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("customer_id", "a17", "A17"),
        ("customer_id", "007", "7"),
        ("email", "ada@example.org", "ada@example.com"),
        ("phone", "+4930901820", "030901820"),
    ],
)
def test_different_identifiers_stay_different(kind: str, one: str, other: str) -> None:
    assert normalised(kind, one) != normalised(kind, other)


@pytest.mark.parametrize("kind", list(IdentifierKind))
def test_junk_is_no_identifier(kind: IdentifierKind) -> None:
    junk = [
        *BLOCKED,
        *(word.upper() for word in BLOCKED),
        *(f" {word}\t" for word in BLOCKED),
        "",
        "  ",
        "x" * (LONGEST + 1),
    ]
    assert normalise(kind, pa.array([*junk, None], pa.string())).null_count == len(junk) + 1


@pytest.mark.parametrize("value", ["ada", "ada@", "@example.org", "ada at example.org", "a b@example.org"])
def test_what_is_no_address_identifies_nobody(value: str) -> None:
    assert normalised("email", value) is None


@pytest.mark.parametrize("value", ["1234", "00000000", "+000000", "call me", "1" * 16])
def test_what_is_no_number_identifies_nobody(value: str) -> None:
    assert normalised("phone", value) is None


@given(st.sampled_from(list(IdentifierKind)), st.text(max_size=40))
def test_normalising_twice_changes_nothing(kind: IdentifierKind, value: str) -> None:
    once = normalised(kind, value)
    assert once is None or normalised(kind, once) == once
