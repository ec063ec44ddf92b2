import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.errors import ParameterError
from coterie.segments.rfm import NAMES, RFMSegments

PEOPLE = st.lists(
    st.tuples(st.integers(0, 400), st.integers(1, 30), st.integers(0, 9_999)), min_size=5, max_size=40
).filter(lambda rows: len(set(rows)) > 1)


def frame(rows):
    recency, orders, spend = zip(*rows, strict=True)
    return pa.table({"recency_days": recency, "orders": orders, "spend": spend})


@given(PEOPLE)
def test_scores_rise_with_what_is_good_and_are_equal_where_values_are(rows):
    scores = RFMSegments().fit(frame(rows)).scores(frame(rows))
    assert scores.min() >= 1
    assert scores.max() <= 5
    for column, sign in enumerate((-1, 1, 1)):
        values = sign * np.array([row[column] for row in rows])
        order = np.argsort(values, kind="stable")
        assert (np.diff(scores[order, column]) >= 0).all()
        for value in set(values):
            assert len(set(scores[values == value, column])) == 1


def test_distinct_values_make_even_fifths():
    random = np.random.default_rng(1)
    people = frame(list(zip(*(random.permutation(100) for _ in range(3)), strict=True)))
    scores = RFMSegments().fit(people).scores(people)
    for column in range(3):
        assert np.bincount(scores[:, column])[1:].tolist() == [20] * 5


def test_the_best_are_champions_and_the_worst_lost(households):
    rfm = RFMSegments().fit(households)
    scores = rfm.scores(households)
    names = np.array(rfm.names_)[rfm.labels_]
    assert set(names[(scores == 5).all(axis=1)]) == {"Champions"}
    assert set(names[(scores == 1).all(axis=1)]) == {"Lost"}
    assert set(names[(scores[:, 0] == 5) & (scores[:, 1:] == 1).all(axis=1)]) == {"New customers"}
    assert set(names[(scores[:, 0] == 1) & (scores[:, 1:] == 5).all(axis=1)]) <= {"Cannot lose them"}
    assert sorted(rfm.names_) == sorted(NAMES)
    assert rfm.names_[0] == "Champions"


def test_own_cuts_are_kept_and_others_are_learnt(households):
    rfm = RFMSegments(cuts={"recency_days": [7, 30, 60, 90]}).fit(households)
    recency = households["recency_days"].to_numpy()
    expected = 5 - (recency[:, None] > [7, 30, 60, 90]).sum(axis=1)
    np.testing.assert_array_equal(rfm.scores(households)[:, 0], expected)
    assert rfm.cuts_["recency_days"] == (7, 30, 60, 90)


def test_other_numbers_of_steps_fill_the_same_grid(households):
    for steps in (2, 3, 10):
        rfm = RFMSegments(steps=steps).fit(households)
        scores = rfm.scores(households)
        assert scores.max() == steps
        names = np.array(rfm.names_)[rfm.labels_]
        assert set(names[(scores == steps).all(axis=1)]) == {"Champions"}
        assert set(names[(scores == 1).all(axis=1)]) == {"Lost"}


def test_a_name_that_nobody_had_can_be_given_later():
    people = frame([(1, 9, 900), (2, 8, 800), (1, 7, 700), (200, 1, 100), (201, 1, 90), (202, 2, 95)])
    rfm = RFMSegments().fit(people)
    newcomer = frame([(1, 1, 1)])
    assert rfm.predict(newcomer)[0] >= rfm.k_
    assert rfm.names_[rfm.predict(newcomer)[0]] == "New customers"


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"steps": 1}, "steps"),
        ({"steps": 2.5}, "steps"),
        ({"cuts": {"orders": [3, 2]}}, "rise"),
        ({"cuts": {"orders": [1, float("nan")]}}, "finite"),
        ({"cuts": {"visits": [1]}}, "visits"),
    ],
)
def test_wrong_parameters_are_refused(parameters, match, three_kinds):
    with pytest.raises(ParameterError, match=match):
        RFMSegments(**parameters).fit(three_kinds)


def test_unknown_values_are_refused(three_kinds):
    holed = three_kinds.set_column(2, "orders", pa.array([None, *three_kinds["orders"].to_pylist()[1:]]))
    with pytest.raises(ParameterError, match="known for every person"):
        RFMSegments().fit(holed)
