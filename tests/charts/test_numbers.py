"""Numbers as words: exact enough to be read back, with their unit."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.charts import numbers

_SCALE = {"": 1.0, "k": 1e3, "M": 1e6, "bn": 1e9}


def _read(words: str) -> float:
    """Read an amount of dollars back."""
    found = re.fullmatch(r"(−?)\$([\d,.]+)\u202f?(k|M|bn)?", words)
    assert found, words
    return (-1 if found[1] else 1) * float(found[2].replace(",", "")) * _SCALE[found[3] or ""]


@given(st.integers(-(10**13), 10**13))
def test_compact_money_keeps_three_digits(minor: int) -> None:
    amount = minor / 100
    assert _read(numbers.money(minor, "USD", compact=True)) == pytest.approx(amount, rel=0.0051, abs=0.0051)


@given(st.integers(-(10**9), 10**9))
def test_money_is_right_to_the_unit_it_shows(minor: int) -> None:
    amount = minor / 100
    assert abs(_read(numbers.money(minor, "USD")) - amount) <= (0.0051 if abs(amount) < 100 else 0.5)


def test_money_follows_the_currency() -> None:
    assert numbers.money(1234, "JPY") == "¥1,234"
    assert numbers.money(1234, "KWD") == "KWD\u00a01.234"
    assert numbers.money(99999, "CHF") == "CHF\u00a01,000"
    assert numbers.money(0, "USD") == "$0"


@pytest.mark.parametrize(
    ("minor", "words"),
    [(99_949, "$999"), (99_950, "$1 k"), (99_999_900, "$1 M"), (123_456_789_00, "$123 M"), (10**12, "$10 bn")],
)
def test_compact_money_at_the_edges_of_its_scales(minor: int, words: str) -> None:
    assert numbers.money(minor, "USD", compact=True).replace("\u202f", " ") == words


@given(st.floats(0, 1))
def test_shares_are_within_half_a_step(part: float) -> None:
    words = numbers.share(part)
    if words == "<0.1%":
        assert 0 < part < 0.001
    else:
        assert float(words.removesuffix("%")) == pytest.approx(part * 100, abs=0.5001)
    assert (words == "0%") == (part == 0)


def test_all_but_everything_does_not_read_as_everything() -> None:
    assert numbers.share(0.9963) == "99.6%"
    assert numbers.share(1.0) == "100%"


@pytest.mark.parametrize("unit", ["money", "share", "days", "count", "number"])
@pytest.mark.parametrize("missing", [math.nan, math.inf, -math.inf])
def test_what_is_not_a_number_is_a_dash(unit: str, missing: float) -> None:
    assert numbers.quantity(missing, unit, "USD") == numbers.MISSING


def test_nothing_is_negative_zero() -> None:
    words = (numbers.count(-0.01), numbers.share(-0.0), numbers.money(-0.0, "USD"), numbers.ratio(-0.001))
    assert words == ("0", "0%", "$0", ".00")


def test_units_are_said() -> None:
    assert numbers.quantity(14, "days", "USD") == "14\u00a0days"
    assert numbers.quantity(0.35, "share", "USD") == "35%"
    assert numbers.quantity(1405733, "money", "EUR") == "€14.1\u202fk"
    assert numbers.deviations(-2.72) == "−2.7\u00a0SD"
