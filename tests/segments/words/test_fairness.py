import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy.stats import binomtest

from coterie.errors import ParameterError
from coterie.segments.view import DEMOGRAPHICS
from coterie.segments.words.fairness import GROUNDS, bounds, fairness_notes


def people(*cells):
    """Labels and a table of traits from (segment, group, how many)."""
    labels = np.concatenate([np.full(count, segment) for segment, _, count in cells])
    return labels, pa.table({"gender": [group for _, group, count in cells for _ in range(count)]})


def test_a_segment_that_is_nearly_a_group_says_so_with_figures():
    labels, traits = people((0, "f", 900), (0, "m", 60), (1, "f", 100), (1, "m", 940))
    notes = fairness_notes(labels, traits)
    # that each leaves the other group out is said by that
    assert [(note.segment, note.group, note.kind) for note in notes] == [(0, "f", "equals"), (1, "m", "equals")]
    first = notes[0]
    assert first.column == "gender"
    assert (first.inside, first.reached, first.usual) == (0.94, 0.9, 0.5)
    assert first.words == (
        "Nearly the same people as gender f: 94% of the segment are of that group, and 90% of the group are in it."
    )
    assert first.plain == "Nearly the same people as gender f."


def test_a_segment_that_leaves_a_group_out_says_so():
    labels, traits = people((0, "a", 600), (0, "b", 60), (1, "a", 500), (1, "b", 440))
    (note,) = [note for note in fairness_notes(labels, traits) if note.segment == 0]
    assert (note.group, note.kind, note.inside, note.reached, note.usual) == ("b", "excludes", 0.09, 0.12, 0.31)
    assert note.words == "People of gender b are in it at most half as often as others: 12% of them, 41% of all."
    assert note.plain == "Hardly anybody of gender b."


def test_a_segment_that_gathers_a_group_without_being_it_says_so():
    labels, traits = people((0, "a", 300), (0, "b", 100), (1, "a", 700), (1, "b", 1900))
    (note,) = [note for note in fairness_notes(labels, traits) if note.segment == 0 and note.group == "a"]
    assert note.kind == "gathers"
    assert note.words == (
        "People of gender a are in it at least twice as often as others: "
        "75% of the segment are of that group, 33% of everybody."
    )


def test_three_quarters_are_not_nearly_all():
    labels, traits = people((0, "f", 750), (0, "m", 250), (1, "f", 250), (1, "m", 750))
    assert {note.kind for note in fairness_notes(labels, traits)} == {"gathers"}


def test_twice_as_often_is_not_told_where_it_is_neither_most_of_the_segment_nor_of_the_group():
    labels, traits = people((0, "a", 400), (0, "b", 400), (0, "c", 400), (1, "a", 600), (1, "b", 4600), (1, "c", 4600))
    assert fairness_notes(labels, traits) == ()


def test_a_large_group_alone_makes_no_note():
    """Nine in ten are women: nine in ten of every segment are, and a segment of nearly everybody holds nearly all."""
    labels, traits = people((0, "f", 1530), (0, "m", 170), (1, "f", 270), (1, "m", 30))
    assert fairness_notes(labels, traits, minimum_group=20) == ()


def test_chance_makes_no_notes():
    """60 shops whose segments have nothing to do with 12 groups: 95 of 100 must be silent, and the rest by a hair."""
    loud = 0
    for shop in range(60):
        random = np.random.default_rng(shop)
        labels = random.integers(0, 8, 600)
        traits = pa.table({"age": random.integers(0, 8, 600), "gender": random.choice(["f", "m", "x"], 600)})
        loud += bool(fairness_notes(labels, traits, minimum_group=10))
    assert loud <= 1


def test_a_rate_at_the_line_is_said_in_few_shops():
    """People of the group come half as often as others, exactly: to say "at most half" would be a coin's toss."""
    said = 0
    for shop in range(100):
        random = np.random.default_rng(shop)
        member = random.random(1000) < 0.4
        labels = (random.random(1000) >= np.where(member, 0.3, 0.59)).astype(int)
        notes = fairness_notes(labels, pa.table({"member": member}), level=0.9)
        said += any(note.kind == "excludes" and note.segment == 0 and note.group == "true" for note in notes)
    assert said <= 0.1 * 100


def test_more_groups_looked_at_make_it_harder_to_be_told():
    labels, traits = people((0, "a", 8), (0, "b", 292), (1, "a", 142), (1, "b", 558))
    few = fairness_notes(labels, traits, minimum_group=20)
    noise = np.random.default_rng(0)
    more = traits
    for number in range(40):
        more = more.append_column(f"trait {number}", pa.array(noise.integers(0, 5, len(labels)).astype(str)))
    many = fairness_notes(labels, more, minimum_group=20)
    assert [(note.segment, note.group) for note in few] == [(0, "a")]
    assert many == ()


def test_small_groups_and_small_counts_are_withheld():
    labels, traits = people((0, "f", 990), (0, "m", 8), (1, "f", 20), (1, "m", 940), (1, "x", 40), (0, "x", 1))
    notes = fairness_notes(labels, traits)
    assert {note.group for note in notes} == {"f", "m"}  # 41 people of group x are too few to be told of
    by_group = {(note.segment, note.group): note for note in notes}
    equal = by_group[0, "f"]
    assert (equal.inside, equal.reached) == (None, None)
    assert "at least 94% of the segment" in equal.words  # 999 people less 50
    assert "at least 95% of the group" in equal.words
    for note in notes:
        assert note.plain == "".join(letter for letter in note.plain if not letter.isdigit())
    few, traits = people((0, "f", 45), (1, "m", 400), (1, "f", 55))
    assert all(note.segment == 1 for note in fairness_notes(few, traits))


def test_small_counts_of_a_group_left_out_are_withheld():
    labels, traits = people((0, "a", 700), (0, "b", 8), (0, "c", 300), (1, "a", 300), (1, "b", 300), (1, "c", 300))
    (note,) = [note for note in fairness_notes(labels, traits) if note.group == "b" and note.segment == 0]
    assert (note.kind, note.inside, note.reached) == ("excludes", None, None)
    assert "at most 17% of them" in note.words  # 8 of 308 are told as fewer than 50


def test_two_levels_of_which_one_is_small_are_not_told_at_all():
    labels, traits = people((0, "f", 30), (1, "m", 470))
    assert fairness_notes(labels, traits) == ()


def test_people_whose_group_is_not_known_are_left_out():
    labels, traits = people((0, "f", 400), (1, "m", 400))
    gaps = pa.chunked_array([pa.array([None, "Unknown", "", "n/a"] * 100)])
    wider = pa.table({"gender": pa.chunked_array([*traits["gender"].chunks, *gaps.chunks])})
    notes = fairness_notes(np.concatenate([labels, np.arange(400) % 2]), wider)
    assert {(note.segment, note.group, note.kind) for note in notes} >= {(0, "f", "equals"), (1, "m", "equals")}
    assert {note.group for note in notes} == {"f", "m"}
    assert {note.usual for note in notes} == {0.5}


def test_numbers_are_groups_or_quarters():
    random = np.random.default_rng(1)
    age = random.integers(18, 90, 2000)
    old = age >= np.quantile(age, 0.75)
    table = pa.table({"age_years": age, "children": (old * 2).astype(float), "person": np.arange(2000)})
    notes = fairness_notes((~old).astype(int), table)
    named = {(note.segment, note.column, note.group, note.kind) for note in notes}
    assert (0, "children", "2", "equals") in named
    (quarter,) = [note for note in notes if note.column == "age_years" and note.kind == "equals"]
    assert quarter.group == "73 to 89"
    assert "age years 73 to 89" in quarter.words
    assert {note.column for note in notes} == {"age_years", "children"}


def test_any_dataframe_in_any_order_gives_the_same_notes():
    labels, traits = people((0, "f", 900), (0, "m", 60), (1, "f", 100), (1, "m", 940))
    order = np.random.default_rng(0).permutation(len(labels))
    expected = fairness_notes(labels, traits)
    for frame in (traits.to_pandas(), traits.to_pandas().astype("category"), pl.from_arrow(traits)):
        assert fairness_notes(labels, frame) == expected
    assert fairness_notes(labels[order], traits.take(order)) == expected


def test_bounds_are_those_of_clopper_and_pearson():
    for part, whole in ((0, 40), (7, 40), (40, 40), (300, 1000)):
        theirs = binomtest(part, whole).proportion_ci(0.99, method="exact")
        assert bounds(part, whole, 0.005) == pytest.approx((theirs.low, theirs.high))


def test_what_cannot_be_judged_says_so():
    labels, traits = people((0, "f", 60), (1, "m", 60))
    with pytest.raises(ParameterError, match="labels"):
        fairness_notes(labels[1:], traits)
    for wrong in (0, 1, 1.5):
        with pytest.raises(ParameterError, match="level"):
            fairness_notes(labels, traits, level=wrong)
    with pytest.raises(ParameterError, match="minimum_group"):
        fairness_notes(labels, traits, minimum_group=0)
    with pytest.raises(ParameterError, match="column born"):
        fairness_notes(labels, pd.DataFrame({"born": pd.to_datetime(["2000-01-01"] * 120)}))


def test_protected_columns_are_those_of_a_ground_in_law():
    """Age, sex, marriage and family are; what people own, earn, and where they live, is not."""
    assert {name for name in DEMOGRAPHICS if name in GROUNDS} == {
        "age", "age_band", "gender", "marital_status", "household_comp", "kids_count",
    }  # fmt: skip
    assert not {"income", "home_ownership", "region", "country", "education"} & set(GROUNDS)
    assert all(GROUNDS.values())
