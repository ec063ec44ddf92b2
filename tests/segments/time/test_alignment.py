"""Alignment finds the best matching, and hysteresis keeps what is promised of it."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from coterie.errors import ParameterError, TooFewPeopleError
from coterie.segments.time.alignment import align, hysteresis

PAIRS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60)


def most_in_common(table: np.ndarray) -> int:
    """The most people that any matching of rows and columns leaves together, by trying all."""
    wide = table if table.shape[0] <= table.shape[1] else table.T
    rows = range(wide.shape[0])
    return max(sum(wide[row, column] for row, column in zip(rows, columns, strict=True))
               for columns in permutations(range(wide.shape[1]), len(rows)))  # fmt: skip


@given(PAIRS)
def test_no_other_matching_leaves_more_people_in_their_segment(pairs: list[tuple[int, int]]) -> None:
    old, new = (np.array(side) for side in zip(*pairs, strict=True))
    found = align(old, new)
    table = np.array(found.overlaps)
    assert found.agreement * len(old) == pytest.approx(most_in_common(table))
    assert np.mean(found.apply(new) == old) == pytest.approx(found.agreement)


@given(PAIRS)
def test_every_segment_has_one_fate(pairs: list[tuple[int, int]]) -> None:
    old, new = (np.array(side) for side in zip(*pairs, strict=True))
    found = align(old, new)
    continued = [one for one in found.mapping if one is not None]
    assert len(continued) == len(set(continued))
    assert sorted([*continued, *found.gone]) == list(range(old.max() + 1))
    assert [j for j, one in enumerate(found.mapping) if one is None] == list(found.born)
    assert len(set(found.renumbered)) == len(found.renumbered)
    assert not set(found.renumbered) & set(found.gone)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=50), st.permutations(range(6)))
def test_the_same_segments_under_other_numbers_are_recognised(labels: list[int], order: list[int]) -> None:
    new = np.array(order)[labels]
    found = align(labels, new)
    assert found.agreement == 1
    assert found.apply(new).tolist() == labels
    assert not found.dissolved


@given(PAIRS, st.randoms(use_true_random=False))
def test_the_order_of_people_changes_nothing(pairs: list[tuple[int, int]], random) -> None:
    shuffled = random.sample(pairs, len(pairs))
    assert align(*map(list, zip(*pairs, strict=True))) == align(*map(list, zip(*shuffled, strict=True)))


def test_a_born_a_gone_and_a_dissolved_segment() -> None:
    more = align([0, 0, 0, 1, 1, 1, 1], [0, 0, 2, 1, 1, 1, 1])
    assert (more.mapping, more.born, more.gone, more.renumbered) == ((0, 1, None), (2,), (), (0, 1, 2))
    fewer = align([0, 0, 1, 1, 2], [0, 0, 1, 1, 1])
    assert (fewer.mapping, fewer.born, fewer.gone) == ((0, 1), (), (2,))
    scattered = align([0] * 4 + [1] * 4, [0, 0, 0, 1, 1, 1, 0, 0])
    assert scattered.jaccard == (0.5, 0.4)
    assert align([0] * 4 + [1] * 4, [0, 0, 1, 1, 0, 0, 1, 1]).dissolved == (0, 1)


def test_equal_matchings_are_decided_by_likeness_not_by_place() -> None:
    # old 0 shares two people with either new segment; new 1 has nobody else
    assert align([0, 0, 0, 0], [0, 0, 1, 1]).mapping in ((0, None), (None, 0))
    assert align([0, 0, 0, 0, 1], [0, 0, 1, 1, 0]).mapping == (1, 0)


def test_an_empty_segment_is_born_or_gone() -> None:
    found = align([0, 0, 2], [0, 0, 1], old_k=4, new_k=3)
    assert (found.mapping, found.gone, found.born) == ((0, 2, None), (1, 3), (2,))
    assert align([0, 0], [0, 0]).mapping == (0,)


def test_what_cannot_be_aligned_is_refused() -> None:
    with pytest.raises(TooFewPeopleError):
        align(np.array([], dtype=int), np.array([], dtype=int))
    with pytest.raises(ParameterError, match="same people"):
        align([0, 1], [0])
    for wrong in ([0.5, 1.0], [-1, 0], ["a", "b"]):
        with pytest.raises(ParameterError, match="ids from 0"):
            align(wrong, [0, 1])
    with pytest.raises(ParameterError, match="below 2"):
        align([0, 1], [0, 1]).apply([2])


@st.composite
def people(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where people were, how far they are from each segment, and how often each was held."""
    shape = draw(st.integers(1, 15)), draw(st.integers(1, 5))
    far = draw(arrays.arrays(np.float64, shape, elements=st.sampled_from([0.0, 0.5, 1.0, 1.05, 1.1, 1.3, 2.0, 9.0])))
    previous = draw(arrays.arrays(np.int64, shape[0], elements=st.integers(-1, shape[1] - 1)))
    held = draw(arrays.arrays(np.int64, shape[0], elements=st.integers(0, 4)))
    return previous, far, held


@given(people())
def test_without_a_margin_everybody_goes_to_the_nearest(drawn: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    previous, far, held = drawn
    found = hysteresis(previous, far, 0.0, held=held)
    assert (found.labels == far.argmin(axis=1)).all()
    assert not found.held.any()


@given(people(), st.floats(0, 3), st.integers(0, 4))
def test_a_margin_keeps_what_it_promises(
    drawn: tuple[np.ndarray, np.ndarray, np.ndarray], margin: float, patience: int
) -> None:
    previous, far, held = drawn
    found = hysteresis(previous, far, margin, held=held, patience=patience)
    for person, (was, now, times) in enumerate(zip(previous, found.labels, found.held, strict=True)):
        own = far[person, now]
        assert own <= (1 + margin) * far[person].min()  # never sits farther off than the margin
        assert now in (was, far[person].argmin())
        if was >= 0 and margin > 0 and far[person, was] == far[person].min():
            assert now == was  # who is nearest to the old segment stays
        assert times <= max(patience, 0)
        assert (times > 0) == (own > far[person].min())
        if was < 0:
            assert now == far[person].argmin()


def test_nobody_is_held_for_longer_than_the_patience() -> None:
    labels, held, seen = np.array([0]), None, []
    for _ in range(6):
        found = hysteresis(labels, [[1.05, 1.0]], 0.1, held=held, patience=3)
        labels, held = found.labels, found.held
        seen.append(int(labels[0]))
    assert seen == [0, 0, 0, 1, 1, 1]


def test_a_person_at_a_border_no_longer_flickers() -> None:
    random = np.random.default_rng(0)
    walk = 1 + random.normal(0, 0.03, size=(40, 500))
    plain = kept = np.zeros(500, dtype=np.int64)
    changes, changes_kept, held = 0, 0, None
    for step in walk:
        far = np.column_stack([step, 2 - step])
        found = hysteresis(kept, far, 0.1, held=held)
        changes += int((far.argmin(axis=1) != plain).sum())
        changes_kept += int((found.labels != kept).sum())
        plain, kept, held = far.argmin(axis=1), found.labels, found.held
    assert changes_kept < changes / 2


def test_what_cannot_be_held_is_refused() -> None:
    far = [[1.0, 2.0]]
    for previous, margin, message in (
        ([2], 0.1, "previous"), ([-2], 0.1, "previous"), ([0, 1], 0.1, "previous"), ([0], -0.1, "margin"),
        ([0], float("nan"), "margin"),
    ):  # fmt: skip
        with pytest.raises(ParameterError, match=message):
            hysteresis(previous, far, margin)
    with pytest.raises(ParameterError, match="distances"):
        hysteresis([0], [[1.0, np.nan]], 0.1)
    with pytest.raises(ParameterError, match="patience"):
        hysteresis([0], far, 0.1, patience=-1)
    with pytest.raises(ParameterError, match="held"):
        hysteresis([0], far, 0.1, held=[0, 0])
