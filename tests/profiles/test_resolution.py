"""Who is who: intervals against a search of the graph at each moment, and the laws that persons keep."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.errors import DataError, MissingColumnError
from coterie.profiles.edges import EDGES, canonical, link
from coterie.profiles.graph import BEGINNING, END
from coterie.profiles.resolution import PERSON_OF, members, person_of
from coterie.schema import KEY, TIME
from coterie.store.ledger import MemoryLedger
from oracles.identity import Edge, persons_at

START = datetime(2026, 1, 1)
DAY = timedelta(days=1)

subject_keys = st.integers(1, 12)
moments = st.integers(0, 6).map(lambda day: START + day * DAY)
edge_lists = st.lists(st.tuples(subject_keys, subject_keys, moments), max_size=25)
known_subjects = st.dictionaries(subject_keys, st.none() | moments, max_size=6)


def edge_table(edges: list[Edge]) -> pa.Table:
    one, other, time = zip(*edges, strict=True) if edges else ((), (), ())
    return pa.table(
        {"subject_a": pa.array(one, KEY), "subject_b": pa.array(other, KEY), "available_at": pa.array(time, TIME)}
    )


def known_table(subjects: dict[int, datetime | None]) -> pa.Table:
    return pa.table({"subject": pa.array(list(subjects), KEY), "known_at": pa.array(list(subjects.values()), TIME)})


def at(resolved: pa.Table, as_of: datetime) -> dict[int, int]:
    rows = [row for row in resolved.to_pylist() if row["valid_from"] <= as_of < row["valid_until"]]
    assert len(rows) == len({row["subject"] for row in rows}), "two persons at one moment"
    return {row["subject"]: row["person"] for row in rows}


@settings(deadline=None)
@given(edges=edge_lists, subjects=known_subjects)
def test_persons_are_those_of_a_search_at_every_moment(edges: list[Edge], subjects: dict[int, datetime | None]) -> None:
    resolved = person_of(edge_table(edges), known_table(subjects))
    for day in range(-1, 8):
        for as_of in (START + day * DAY, START + day * DAY + timedelta(microseconds=1)):
            assert at(resolved, as_of) == persons_at(edges, subjects, as_of)


@settings(deadline=None)
@given(edges=edge_lists, seed=st.integers(0, 5))
def test_neither_order_nor_direction_nor_repetition_of_edges_matters(edges: list[Edge], seed: int) -> None:
    generator = random.Random(seed)
    other = [(b, a, time) if generator.random() < 0.5 else (a, b, time) for a, b, time in edges + edges[::2]]
    generator.shuffle(other)
    assert person_of(edge_table(other)).equals(person_of(edge_table(edges)))


@settings(deadline=None)
@given(edges=edge_lists, subjects=known_subjects)
def test_intervals_are_sorted_cover_all_time_and_always_change_the_person(
    edges: list[Edge], subjects: dict[int, datetime | None]
) -> None:
    resolved = person_of(edge_table(edges), known_table(subjects))
    assert resolved.schema == PERSON_OF
    rows = resolved.to_pylist()
    assert rows == sorted(rows, key=lambda row: (row["subject"], row["valid_from"]))
    by_subject: dict[int, list[dict[str, object]]] = {}
    for row in rows:
        by_subject.setdefault(row["subject"], []).append(row)
    assert set(by_subject) == {key for edge in edges for key in edge[:2]} | set(subjects)
    for intervals in by_subject.values():
        assert intervals[0]["valid_from"] == BEGINNING
        assert intervals[-1]["valid_until"] == END
        for before, after in pairwise(intervals):
            assert before["valid_until"] == after["valid_from"]
            assert before["person"] != after["person"]


@settings(deadline=None)
@given(edges=edge_lists, later=edge_lists)
def test_later_edges_leave_the_past_and_the_key_of_the_older_person(edges: list[Edge], later: list[Edge]) -> None:
    since = START + 10 * DAY
    grown = person_of(edge_table(edges + [(a, b, time + (since - START)) for a, b, time in later]))
    before = person_of(edge_table(edges))
    subjects = set(before["subject"].to_pylist())
    just_before = since - timedelta(microseconds=1)
    past = {key: person for key, person in at(grown, just_before).items() if key in subjects}
    assert past == at(before, just_before)
    # Every later person's key is the key of one of the persons it was made of.
    former = at(grown, just_before)
    members: dict[int, set[int]] = {}
    for subject, person in at(grown, END - DAY).items():
        members.setdefault(person, set()).add(former[subject])
    assert all(person in made_of for person, made_of in members.items())


@settings(deadline=None)
@given(edges=edge_lists, subjects=known_subjects)
def test_members_of_any_key_a_person_ever_had_are_the_subjects_of_today(
    edges: list[Edge], subjects: dict[int, datetime | None]
) -> None:
    resolved = person_of(edge_table(edges), known_table(subjects))
    expected = set()
    today = at(resolved, END - DAY)
    for row in resolved.to_pylist():
        expected |= {(row["person"], key) for key, person in today.items() if person == today[row["subject"]]}
    found = [(row["person"], row["subject"]) for row in members(resolved).to_pylist()]
    assert found == sorted(expected)


def test_the_member_known_first_gives_the_person_its_key() -> None:
    edges = edge_table([(1, 2, START + 2 * DAY)])
    assert at(person_of(edges), END - DAY) == {1: 1, 2: 1}
    older = known_table({2: START, 1: START + DAY})
    assert at(person_of(edges, older), END - DAY) == {1: 2, 2: 2}


def test_a_merge_is_seen_from_the_moment_it_was_known() -> None:
    rows = person_of(edge_table([(1, 2, START), (3, 2, START + 5 * DAY)])).to_pylist()
    assert rows == [
        {"subject": 1, "person": 1, "valid_from": BEGINNING, "valid_until": END},
        {"subject": 2, "person": 2, "valid_from": BEGINNING, "valid_until": START},
        {"subject": 2, "person": 1, "valid_from": START, "valid_until": END},
        {"subject": 3, "person": 3, "valid_from": BEGINNING, "valid_until": START + 5 * DAY},
        {"subject": 3, "person": 1, "valid_from": START + 5 * DAY, "valid_until": END},
    ]


def test_subjects_without_edges_are_persons_of_their_own() -> None:
    assert person_of(EDGES.empty()).num_rows == 0
    assert person_of(EDGES.empty(), [8, 5, 8])["person"].to_pylist() == [5, 8]
    assert person_of(EDGES.empty(), pa.array([3], KEY))["subject"].to_pylist() == [3]


def test_an_edge_without_its_time_is_an_error_not_a_guess() -> None:
    edges = edge_table([(1, 2, START)])
    with pytest.raises(DataError, match="1 identity edges have no available_at"):
        person_of(edges.set_column(2, "available_at", pa.nulls(1, TIME)))
    with pytest.raises(MissingColumnError, match="subject_b"):
        person_of(edges.drop_columns("subject_b"))


def sighting(a: int, b: int, day: int, source: str = "till", kind: str = "same row") -> dict[str, object]:
    moment = START + day * DAY
    return {
        "source": source,
        "subject_a": a,
        "subject_b": b,
        "kind_a": "customer_id" if a == 9 else "email",
        "kind_b": "customer_id" if b == 9 else "email",
        "kind": kind,
        "occurred_at": moment,
        "available_at": moment,
    }


def test_edges_are_kept_small_key_first_once_and_from_the_first_sighting() -> None:
    rows = canonical(EDGES.rows([sighting(9, 4, 3), sighting(4, 9, 1), sighting(4, 4, 0), sighting(4, 9, 2, "web")]))
    kept = [(row["source"], row["subject_a"], row["subject_b"], row["available_at"]) for row in rows.to_pylist()]
    assert sorted(kept) == [("till", 4, 9, START + DAY), ("web", 4, 9, START + 2 * DAY)]
    assert {(row["kind_a"], row["kind_b"]) for row in rows.to_pylist()} == {("email", "customer_id")}
    assert rows.schema == EDGES.schema


@pytest.mark.parametrize("column", ["source", "subject_a", "kind_b", "kind", "available_at"])
def test_an_edge_that_is_not_whole_is_not_kept(column: str) -> None:
    with pytest.raises(DataError, match=f"1 identity edges have no {column}"):
        canonical(EDGES.rows([{**sighting(1, 2, 0), column: None}]))


def test_linking_again_changes_nothing_and_an_earlier_sighting_counts() -> None:
    ledger = MemoryLedger()
    ledger.create(EDGES)
    assert link(ledger, EDGES.rows([sighting(1, 2, 3)])) == 1
    link(ledger, EDGES.rows([sighting(2, 1, 3)]))
    assert ledger.read(EDGES).num_rows == 1
    link(ledger, EDGES.rows([sighting(1, 2, 1)]))
    resolved = person_of(ledger.read(EDGES))
    assert at(resolved, START + 2 * DAY)[2] == 1


def test_a_long_history_of_merges_in_one_component() -> None:
    edges = [(0, key, START + key * DAY) for key in range(1, 3000)]
    resolved = person_of(edge_table(edges))
    assert resolved.num_rows == 1 + 2 * 2999
    assert set(at(resolved, END - DAY).values()) == {0}
