"""Migration: who went where, how sure that is, and where it would end."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from coterie.errors import DataError, MissingColumnError, ParameterError, TooFewPeopleError
from coterie.segments import drawings
from coterie.segments.time.migration import Migration, migration, steady_state, wilson

MEMBERS = st.dictionaries(st.integers(0, 30), st.integers(0, 3), min_size=1, max_size=25)


def members(segments: dict[int, int]) -> pa.Table:
    people = list(segments)
    return pa.table({"person": pa.array(people, pa.int64()), "segment": pa.array(list(segments.values()), pa.int64())})


def walked(counts: list[list[int]]) -> Migration:
    """The migration of so many people from each segment to each."""
    pairs = [(i, j) for i, row in enumerate(counts) for j, n in enumerate(row) for _ in range(n)]
    before, after = ({person: pair[side] for person, pair in enumerate(pairs)} for side in (0, 1))
    return migration(members(before), members(after), k=len(counts))


@given(MEMBERS, MEMBERS.filter(bool))
def test_everybody_is_counted_once(before: dict[int, int], after: dict[int, int]) -> None:
    both = set(before) & set(after)
    if not both:
        with pytest.raises(TooFewPeopleError):
            migration(members(before), members(after))
        return
    moved = migration(members(before), members(after), k=4)
    for i in range(4):
        for j in range(4):
            assert moved.counts[i][j] == sum(before[one] == i and after[one] == j for one in both)
    assert moved.before == tuple(sum(one == i for one in before.values()) for i in range(4))
    assert moved.after == tuple(sum(one == j for one in after.values()) for j in range(4))
    assert moved.left == tuple(sum(before[one] == i for one in set(before) - both) for i in range(4))
    assert moved.entered == tuple(sum(after[one] == j for one in set(after) - both) for j in range(4))
    assert moved.stayed.value == pytest.approx(sum(before[one] == after[one] for one in both) / len(both))
    for row, shares in zip(moved.counts, moved.probabilities, strict=True):
        if sum(row):
            assert sum(one.value for one in shares if one) == pytest.approx(1)
            assert all(one and 0 <= one.low <= one.value <= one.high <= 1 for one in shares)
        else:
            assert set(shares) == {None}


@given(MEMBERS, st.randoms(use_true_random=False))
def test_the_order_of_rows_and_the_kind_of_dataframe_change_nothing(before: dict[int, int], random) -> None:
    people = random.sample(list(before), len(before))
    after = {one: (segment + one) % 4 for one, segment in before.items()}
    shuffled = pd.DataFrame({"segment": [before[one] for one in people], "person": people})
    assert migration(shuffled, pl.from_arrow(members(after)), k=4) == migration(members(before), members(after), k=4)


def test_the_same_date_twice_moves_nobody() -> None:
    same = members({1: 0, 2: 0, 3: 1, 4: 2})
    moved = migration(same, same)
    assert moved.stayed.value == 1
    assert moved.counts == ((2, 0, 0), (0, 1, 0), (0, 0, 1))
    assert moved.entered == moved.left == (0, 0, 0)


def test_new_and_gone_people_other_k_and_an_empty_segment() -> None:
    moved = migration(members({1: 0, 2: 1, 3: 1}), members({2: 1, 3: 3, 4: 0}), names=["Best", "Good"])
    assert moved.names == ("Best", "Good", "segment 3", "segment 4")
    assert (moved.left, moved.entered) == ((1, 0, 0, 0), (1, 0, 0, 0))
    assert moved.probabilities[0] == (None,) * 4  # the only one who was in it is gone
    assert moved.steady is None
    assert "nobody was in Best, segment 3" in moved.caveat
    one = migration(members({1: 0}), members({1: 0}))
    assert (one.counts, one.steady, one.caveat) == (((1,),), None, "There is only one segment.")


def test_it_is_plain_json() -> None:
    body = json.loads(json.dumps(dataclasses.asdict(walked([[8, 2], [3, 7]]))))
    assert body["counts"] == [[8, 2], [3, 7]]
    assert body["steady"][0]["value"] == pytest.approx(0.6)


def test_what_cannot_be_compared_is_refused() -> None:
    good = members({1: 0, 2: 1})
    with pytest.raises(DataError, match="twice"):
        migration(pa.table({"person": [1, 1], "segment": [0, 1]}), good)
    with pytest.raises(MissingColumnError):
        migration(pa.table({"person": [1], "group": [0]}), good)
    for segments in ([-1, 0], [0.5, 1.0], [None, 1]):
        with pytest.raises(ParameterError, match="ids from 0"):
            migration(pa.table({"person": [1, 2], "segment": segments}), good)
    with pytest.raises(ParameterError, match="0 to 0"):
        migration(good, good, k=1)
    with pytest.raises(TooFewPeopleError):
        migration(good.slice(0, 0), good)


@pytest.mark.parametrize(("few", "of"), [(0, 1), (0, 30), (3, 10), (49, 50), (50, 50), (700, 2000)])
def test_an_interval_equals_scipys(few: int, of: int) -> None:
    low, high = wilson(few, of)
    theirs = binomtest(few, of).proportion_ci(method="wilson")
    assert (float(low), float(high)) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@pytest.mark.parametrize("people", [10, 50, 400])
def test_intervals_cover_the_truth_as_often_as_they_say(people: int) -> None:
    """Exactly, by summing over all outcomes, for shares from 1 to 99 %."""
    low, high = wilson(np.arange(people + 1), people)
    covered = []
    for p in np.linspace(0.01, 0.99, 197):
        chance = binom.pmf(np.arange(people + 1), people, p)
        covered.append(chance[(low <= p) & (p <= high)].sum())
    assert 0.94 < np.mean(covered) < 0.96
    assert min(covered) > 0.83  # near 0 and 1 with few people, as Brown, Cai and DasGupta found


def test_intervals_of_a_simulated_chain_cover_its_probabilities() -> None:
    truth = np.array([[0.85, 0.13, 0.02], [0.2, 0.7, 0.1], [0.05, 0.15, 0.8]])
    random = np.random.default_rng(5)
    start = np.repeat([0, 1, 2], [120, 300, 80])
    hits = np.zeros((3, 3))
    for _ in range(400):
        end = (random.random(500)[:, None] > truth.cumsum(axis=1)[start]).sum(axis=1)
        found = migration(members(dict(enumerate(start))), members(dict(enumerate(end))), k=3).probabilities
        hits += [[one is not None and one.low <= p <= one.high for one, p in zip(*rows, strict=True)]
                 for rows in zip(found, truth, strict=True)]  # fmt: skip
    assert (hits / 400 > 0.9).all()
    assert 0.93 < (hits / 400).mean() < 0.975


CHAINS = st.integers(2, 7).flatmap(
    lambda k: st.lists(st.lists(st.floats(0.01, 1), min_size=k, max_size=k), min_size=k, max_size=k)
)


@given(CHAINS)
def test_the_steady_state_is_the_left_eigenvector_of_one(weights: list[list[float]]) -> None:
    P = np.array(weights) / np.array(weights).sum(axis=1, keepdims=True)
    values, vectors = np.linalg.eig(P.T)
    theirs = np.real(vectors[:, np.argmin(abs(values - 1))])
    assert steady_state(P) == pytest.approx(theirs / theirs.sum(), abs=1e-9)
    assert steady_state(P) @ P == pytest.approx(steady_state(P), abs=1e-12)


def test_nearly_separate_segments_lose_no_digits() -> None:
    e = 1e-13
    P = [[1 - e, e, 0], [3 * e, 0.5, 0.5 - 3 * e], [0, 0.5, 0.5]]
    assert steady_state(P) == pytest.approx([0.6, 0.2, 0.2], rel=1e-2)
    assert steady_state(np.stack([P, P])).shape == (2, 3)


def test_the_steady_state_is_told_with_its_interval_and_its_caveat() -> None:
    moved = walked([[80, 20], [10, 90]])
    assert moved.steady is not None
    assert moved.steady[0].value == pytest.approx(1 / 3)
    assert moved.steady[0].low < 1 / 3 < moved.steady[0].high
    assert "seasons" in moved.caveat


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ([[5, 5], [0, 7]], "nobody went from segment 2 to any other"),
        ([[5, 0], [0, 7]], "nobody went from segment 1; segment 2 to any other"),
        ([[5, 5, 0], [5, 5, 1], [0, 0, 4]], "nobody went from segment 3"),
    ],
)
def test_a_chain_in_parts_has_no_steady_state_and_says_why(counts: list[list[int]], words: str) -> None:
    moved = walked(counts)
    assert moved.steady is None
    assert words in moved.caveat


def test_a_chain_that_swings_says_so() -> None:
    moved = walked([[0, 9], [9, 0]])
    assert moved.steady is not None
    assert moved.steady[0].value == 0.5
    assert "swing" in moved.caveat
    assert "swing" not in walked([[1, 9], [9, 0]]).caveat


def test_many_segments_that_all_reach_each_other_do_not_swing() -> None:
    with np.errstate(all="raise"):  # there are more ways through them than a float can count
        moved = walked((3 * np.ones((24, 24), dtype=int)).tolist())
    assert moved.steady is not None
    assert "swing" not in moved.caveat


def test_draws_in_which_the_chain_falls_apart_are_told() -> None:
    assert "left out" in walked([[30, 1], [1, 30]]).caveat


def _moved(away: int, gone: int = 0, size: int = 500) -> Migration:
    """Two segments of ``size`` people, of whom so many go over to the other one and so many away."""
    before = np.repeat([0, 1], size)
    after = before.copy()
    after[:away] = 1
    who = np.arange(2 * size)
    stays = who >= gone
    return migration(
        pa.table({"person": who, "segment": before}),
        pa.table({"person": who[stays][::-1], "segment": after[stays][::-1]}),
    )


def test_how_few_changed_does_not_follow_from_the_shares() -> None:
    few, more = _moved(3), _moved(41)
    assert repr(few.stayed_told()) == repr(more.stayed_told())
    assert repr(few.probabilities_told()) == repr(more.probabilities_told())
    assert drawings.stayed(few, 50) == drawings.stayed(more, 50) == "Fewer than 50 people changed their segment."
    assert str(drawings.moved(few, 50).wide) == str(drawings.moved(more, 50).wide)
    many = _moved(150)
    assert many.stayed_told(0) == many.stayed, "where all cells are told, shares are exact"


def test_how_few_are_gone_does_not_follow_from_a_share_beside_its_count() -> None:
    """A count of a row, and its exact share, make the row; less the size before, that is who is gone."""
    few, more = _moved(200, gone=1), _moved(200, gone=40)
    assert few.stayed_told() != few.stayed
    assert repr(few.probabilities_told()[1]) == repr(more.probabilities_told()[1])
    assert few.stayed_told().value == more.stayed_told().value


def test_a_size_that_is_withheld_is_not_the_sum_of_a_row() -> None:
    """A size of 20 takes one of 240 along; the cells of that one, all large, would add up to it."""
    before = np.repeat([0, 1, 2], [20, 240, 900])
    after = np.concatenate([np.repeat(0, 20), np.repeat([0, 1, 2], 80), np.repeat([0, 1, 2], 300)])
    tables = (pa.table({"person": np.arange(1160), "segment": side}) for side in (before, after))
    hidden = np.array(migration(*tables).withheld(50))
    assert hidden[0].all()
    assert hidden[1].all()
