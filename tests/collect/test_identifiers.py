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


@pytest.mark.parametrize("value", ["-1", "0000", "00000000-0000-0000-0000-000000000000"])
@pytest.mark.parametrize("kind", list(IdentifierKind))
def test_a_field_full_of_zeros_identifies_nobody(kind: IdentifierKind, value: str) -> None:
    assert normalised(kind, value) is None


def test_what_a_shop_has_blocked_identifies_nobody() -> None:
    nobody = {"email": ["till@shop.example", "*@market.example"], "phone": ["+43*"]}
    mails = pa.array(["Till@Shop.example ", "ada@market.example", "ada@market.example.org", "xtill@shop.example", None])
    assert normalise("email", mails, nobody).to_pylist() == [
        None,
        None,
        "ada@market.example.org",
        "xtill@shop.example",
        None,
    ]
    assert normalise("phone", pa.array(["0043 1 234567", "+44 1 234567"]), nobody).to_pylist() == [None, "+441234567"]
    assert normalise("loyalty_id", pa.array(["till@shop.example"]), nobody).null_count == 0


@given(st.sampled_from(list(IdentifierKind)), st.text(max_size=40))
def test_normalising_twice_changes_nothing(kind: IdentifierKind, value: str) -> None:
    once = normalised(kind, value)
    assert once is None or normalised(kind, once) == once
