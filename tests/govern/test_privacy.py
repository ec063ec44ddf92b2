"""Small cells: not shown, and not to be computed from what is shown."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.govern.privacy import shown, small

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
