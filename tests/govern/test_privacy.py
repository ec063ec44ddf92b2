"""Small cells: not shown, and not to be computed from what is shown."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.errors import MissingColumnError
from coterie.govern.privacy import shown, small, withhold

cells = st.lists(st.integers(0, 200), max_size=12)


@settings(deadline=None)
@given(count=st.integers(0, 10**7), minimum=st.integers(1, 1000))
def test_a_shown_count_is_exact_or_says_only_that_it_is_small(count: int, minimum: int) -> None:
    text = shown(count, minimum)
    if count < minimum:
        assert text == f"<{minimum:,}"
    else:
        assert int(text.replace(",", "")) == count


@settings(deadline=None)
@given(counts=cells, minimum=st.integers(1, 60))
def test_what_can_be_computed_from_the_total_is_no_small_group(counts: list[int], minimum: int) -> None:
    hidden = small(counts, minimum)
    assert all(hidden[position] for position, count in enumerate(counts) if count < minimum)
    withheld = [count for count, hide in zip(counts, hidden, strict=True) if hide]
    if withheld and len(withheld) < len(counts):  # something is shown: its complement is known
        assert len(withheld) >= 2
        assert sum(withheld) >= minimum


@settings(deadline=None)
@given(counts=cells, minimum=st.integers(1, 60))
def test_no_more_is_withheld_than_that_needs(counts: list[int], minimum: int) -> None:
    hidden = small(counts, minimum)
    if all(count >= minimum for count in counts):
        assert not any(hidden)
    large = sorted(count for count, hide in zip(counts, hidden, strict=True) if hide and count >= minimum)
    if large:  # without the largest one of them, what is withheld would be one cell or a small group
        rest = sorted(count for count, hide in zip(counts, hidden, strict=True) if hide)[:-1]
        assert len(rest) < 2 or sum(rest) < minimum


def test_cells_are_withheld_within_their_own_total_with_all_their_numbers() -> None:
    table = pa.table(
        {
            "country": ["at", "at", "at", "de", "de"],
            "segment": [0, 1, 2, 0, 1],
            "people": [400, 12, 90, 70, 60],
            "spend": [4.0, 0.1, 0.9, 0.7, 0.6],
        }
    )
    safe = withhold(table, "people", within=["country"], values=["spend"])
    assert safe["people"].to_pylist() == [400, None, None, 70, 60]
    assert safe["spend"].to_pylist() == [4.0, None, None, 0.7, 0.6]
    assert safe.schema == table.schema
    assert safe.select(["country", "segment"]) == table.select(["country", "segment"])


def test_a_missing_count_counts_as_none_and_chunks_do_not_matter() -> None:
    table = pa.concat_tables([pa.table({"people": pa.array([None, 500])}), pa.table({"people": [300, 80]})])
    assert withhold(table, "people")["people"].to_pylist() == [None, 500, 300, None]


def test_a_column_that_is_not_there_is_an_error() -> None:
    with pytest.raises(MissingColumnError, match="spend"):
        withhold(pa.table({"people": [1]}), "people", values=["spend"])


def test_an_empty_table_stays_empty() -> None:
    assert withhold(pa.table({"people": pa.array([], pa.int64())}), "people").num_rows == 0
