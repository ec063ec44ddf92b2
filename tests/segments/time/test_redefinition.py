"""Who moved by behaving differently is told from who moved because segments were made anew, and it adds up."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.errors import DataError
from coterie.segments.time.redefinition import tell_apart

# person → (segment before, or None where unknown then; by the old and by the new model now, or None where gone)
SEGMENT = st.integers(0, 3)
PEOPLE = st.dictionaries(
    st.integers(0, 40),
    st.one_of(
        st.tuples(SEGMENT, SEGMENT, SEGMENT),
        st.tuples(SEGMENT, st.none(), st.none()),
        st.tuples(st.none(), SEGMENT, SEGMENT),
    ),
    min_size=1,
    max_size=40,
)


def members(people: dict, side: int) -> pa.Table:
    here = {person: fate[side] for person, fate in people.items() if fate[side] is not None}
    return pa.table({"person": pa.array(list(here), pa.int64()), "segment": pa.array(list(here.values()), pa.int64())})


@given(PEOPLE)
def test_the_parts_add_up_to_the_whole(people: dict) -> None:
    found = tell_apart(*(members(people, side) for side in range(3)), k=4)
    known = [fate for fate in people.values() if None not in fate]
    assert found.people == len(known)
    assert found.unmoved + found.behaved + found.redefined + found.both + found.returned == found.people
    assert found.moved == sum(a != c for a, _, c in known)
    assert found.behaved + found.both + found.returned == sum(a != b for a, b, _ in known)
    for one in found.segments:
        assert one.before - one.left + one.entered + one.behaviour + one.definition == one.after
    assert sum(one.behaviour for one in found.segments) == sum(one.definition for one in found.segments) == 0


@given(PEOPLE)
def test_each_segment_before_between_and_after(people: dict) -> None:
    found = tell_apart(*(members(people, side) for side in range(3)), k=4)
    for side, part in enumerate(("before", "between", "after")):
        sizes = [sum(fate[side] == segment for fate in people.values()) for segment in range(4)]
        assert [getattr(one, part) for one in found.segments] == sizes


def test_the_same_model_is_all_behaviour_and_the_same_date_all_definition() -> None:
    before, after = {1: (0, 1, 1), 2: (0, 0, 0), 3: (1, 0, 0)}, {1: (0, 0, 1), 2: (0, 0, 0), 3: (1, 1, 0)}
    moved = tell_apart(*(members(before, side) for side in range(3)))
    assert (moved.behaved, moved.redefined, moved.both) == (2, 0, 0)
    renamed = tell_apart(*(members(after, side) for side in range(3)))
    assert (renamed.behaved, renamed.redefined, renamed.both) == (0, 2, 0)


def test_moved_twice_and_moved_back() -> None:
    found = tell_apart(*(members({1: (0, 1, 2), 2: (0, 1, 0)}, side) for side in range(3)), names=["Best"])
    assert (found.both, found.returned, found.moved) == (1, 1, 1)
    assert [one.name for one in found.segments] == ["Best", "segment 2", "segment 3"]


def test_two_models_are_asked_about_the_same_people() -> None:
    with pytest.raises(DataError, match="same people"):
        tell_apart(*(pa.table({"person": people, "segment": [0]}) for people in ([1], [1], [2])))
