"""Levels of text that set segments apart: true of most of them, more often than of everybody, of no few people."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.segments.people import read
from coterie.segments.words.levels import COVERS, LIFT, in_words, levels_of

AGES = ("19-24", "25-34", "35-44", "45-54", "65+")


def told(labels, minimum=1, **columns):
    data = read(pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()}))
    return levels_of(data, np.asarray(labels), tuple(columns), minimum)


def test_a_level_of_most_people_that_others_seldom_have():
    labels = [0] * 100 + [1] * 100
    (first,), (second,) = told(labels, gender=["f"] * 80 + ["m"] * 120)
    assert (first.words, first.part, first.known, first.base) == ("f", 80, 100, 0.4)
    assert first.effect == pytest.approx((0.8 - 0.4) / np.sqrt(0.24))
    assert second.words == "m"


@pytest.mark.parametrize(
    ("column", "here", "words"),
    [
        ("age", ["25-34", "35-44"], "25-44"),
        ("age", ["19-24", "25-34"], "up to 34"),
        ("age", ["45-54", "65+"], "45+"),
        ("kids_count", ["1", "2", "3+"], "with kids"),
        ("kids_count", ["2", "3+"], "with 2+ kids"),
        ("kids_count", ["0"], "without kids"),
        ("kids_count", ["0", "1"], "with at most 1 kids"),
        ("household_size", ["1"], "living alone"),
        ("household_size", ["2", "3"], "in households of 2-3"),
        ("income", ["35-49K", "50-74K"], "income 35-74K"),
        ("income", ["Under 15K", "35-49K"], "income up to 49K"),
        ("income", ["75K+"], "income 75K+"),
        ("home_ownership", ["Homeowner"], "Homeowners"),
        ("club", ["gold"], "club gold"),
    ],
)
def test_levels_are_said_as_people_say_them(column, here, words):
    every = {
        "age": AGES,
        "kids_count": ("0", "1", "2", "3+"),
        "household_size": ("1", "2", "3", "4"),
        "income": ("Under 15K", "35-49K", "50-74K", "75K+"),
        "home_ownership": ("Homeowner", "Renter"),
        "club": ("gold", "plain"),
    }[column]
    others = [level for level in every if level not in here]
    (first, *_) = told([0] * 120 + [1] * 120, **{column: (here * 120)[:120] + (others * 120)[:120]})
    assert [one.words for one in first] == [words]


def test_what_is_unknown_of_most_is_said_first():
    labels = [0] * 100 + [1] * 100
    first, second = told(
        labels, age=["65+"] * 100 + [None] * 60 + ["19-24"] * 40, gender=["f"] * 100 + ["Unknown"] * 100
    )
    assert [one.column for one in first] == ["age"]  # gender is known of this segment only: it tells it from nobody
    assert second[0].column == ""
    assert in_words(second) == "It is not known what most of them are like (everyone: 30%)."


def test_one_thing_is_said_once():
    """Size and kids of a household say much the same."""
    labels = [0] * 100 + [1] * 100
    (first, _) = told(labels, household_size=["4"] * 100 + ["1"] * 100, kids_count=["2"] * 100 + ["0"] * 100)
    assert [one.words for one in first] == ["with 2 kids"]


def test_nothing_is_told_of_few_people():
    labels, gender = [0] * 40 + [1] * 400, ["f"] * 40 + ["m"] * 400
    first, second = told(labels, 50, gender=gender)
    assert first == ()
    assert [one.words for one in second] == []  # so common that it is no tenth more often here
    mixed = ["f"] * 30 + ["m"] * 170
    ((most,), _) = told([0] * 200 + [1] * 200, 50, gender=[*mixed, *["f"] * 200])
    assert in_words((most,), 50) == "What they have in common, where it is known: m (most; everyone: 42%)."
    assert in_words((most,), 30) == "What they have in common, where it is known: m (85%; everyone: 42%)."


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from((*AGES, None, "unknown")), st.sampled_from(("f", "m", "", None))),
        min_size=8, max_size=80,
    )
)  # fmt: skip
def test_each_level_is_true(rows):
    labels, ages, genders = zip(*rows, strict=True)
    found = told(labels, 2, gender=genders)
    for segment, levels in zip(sorted(set(labels)), found, strict=True):
        size = labels.count(segment)
        for one in levels:
            if one.column:
                here = [gender for label, gender in zip(labels, genders, strict=True) if label == segment]
                known = [gender for gender in here if gender]
                everybody = [gender for gender in genders if gender]
                assert (one.part, one.known) == (here.count(one.words), len(known))
                assert one.part >= max(COVERS * size, 2)
                assert one.part / one.known >= LIFT * everybody.count(one.words) / len(everybody)
    assert told(labels, 2, age=ages, gender=genders) == told(labels, 2, age=ages, gender=genders)


def test_any_dataframe_in_any_order_tells_the_same():
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 900)
    ages = np.array(AGES)[np.clip(labels + random.integers(0, 3, 900), 0, 4)]
    table, order = pa.table({"age": ages.tolist(), "n": labels}), random.permutation(900)
    expected = levels_of(read(table), labels, ("age", "n"))
    assert any(expected)
    for frame in (table.to_pandas().astype({"age": "category"}), pl.from_arrow(table), pd.DataFrame({"age": ages})):
        assert levels_of(read(frame), labels, ("age", "n")) == expected
    assert levels_of(read(table.take(order)), labels[order], ("age", "n")) == expected
