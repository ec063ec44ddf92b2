import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.errors import MissingColumnError, ParameterError
from coterie.features.matrix import Matrix
from coterie.segments.clustering import KMeansSegments
from coterie.segments.view import VALUE, VALUE_WEIGHTS
from coterie.segments.words.exemplars import exemplars

ABOUT = {"orders": ("Orders", "count"), "spend": ("Spend", "money")}


@pytest.fixture(scope="module")
def model(households):
    return KMeansSegments(5, columns=VALUE, weights=VALUE_WEIGHTS).fit(households)


def test_they_are_the_nearest_to_the_centre_in_their_own_figures(households, model):
    found = exemplars(households, model.labels_, model.matrix_, ABOUT, count=4)
    X = model.matrix_.transform(households).astype(float)
    keys = households["person"].to_pylist()
    assert [one.segment for one in found.people] == [segment for segment in range(5) for _ in range(4)]
    assert len(found.persons) == len(set(found.persons)) == 20
    for segment in range(5):
        here = np.flatnonzero(model.labels_ == segment)
        away = np.linalg.norm(X[here] - X[here].mean(axis=0), axis=1)
        typical = found.of(segment)
        rows = [keys.index(found.persons[found.people.index(one)]) for one in typical]
        assert set(rows) <= set(here.tolist())
        assert [one.distance for one in typical] == pytest.approx(np.sort(away)[:4].tolist(), abs=1e-6)
        for one, row in zip(typical, rows, strict=True):
            assert {figure.feature: figure.value for figure in one.figures} == {
                "orders": households["orders"][row].as_py(),
                "spend": households["spend"][row].as_py(),
            }
            assert [(figure.title, figure.unit) for figure in one.figures] == list(ABOUT.values())


def test_nothing_in_an_exemplar_says_who_it_is(households, model):
    shifted = households.set_column(0, "person", pa.array(households["person"].to_numpy() + 10**12))
    found = exemplars(shifted, model.labels_, model.matrix_, ABOUT)
    assert all(str(person) not in repr(found.people) for person in found.persons)
    assert all(person > 10**12 for person in found.persons)


@settings(max_examples=15, deadline=None)
@given(st.randoms(use_true_random=False), st.lists(st.integers(1, 4), min_size=12, max_size=30))
def test_the_order_of_rows_does_not_matter_not_even_among_twins(random, orders):
    people = pa.table({"person": range(50, 52 + len(orders)), "orders": [1, 9, *orders]})
    labels = np.array([0, 1, *(order > 2 for order in orders)]).astype(int)
    matrix = Matrix(scaling="standard").fit(people)
    order = list(range(len(people)))
    random.shuffle(order)
    expected = exemplars(people, labels, matrix, {"orders": ABOUT["orders"]})
    assert exemplars(people.take(order), labels[order], matrix, {"orders": ABOUT["orders"]}) == expected
    assert exemplars(people.to_pandas(), labels, matrix, {"orders": ABOUT["orders"]}) == expected


def test_a_small_segment_has_fewer_and_text_and_gaps_are_told_as_they_are():
    people = pa.table({"orders": [1, 2, None, 40], "channel": ["web", None, "web", "store"]})
    matrix = Matrix(scaling="standard").fit(people)
    about = {"orders": ABOUT["orders"], "channel": ("Channel", "text")}
    found = exemplars(people, np.array([1, 1, 1, 0]), matrix, about)
    assert [len(found.of(segment)) for segment in (0, 1)] == [1, 3]
    values = {tuple(figure.value for figure in one.figures) for one in found.of(1)}
    assert values == {(1.0, "web"), (2.0, None), (None, "web")}
    orders = people["orders"].to_pylist()  # rows, where there is no column person
    assert [orders[row] for row in found.persons] == [one.figures[0].value for one in found.people]
    assert found.of(7) == ()


def test_what_cannot_be_found_says_so(households, model):
    with pytest.raises(ParameterError, match="labels"):
        exemplars(households, model.labels_[1:], model.matrix_, ABOUT)
    for wrong in (0, True, 1.5):
        with pytest.raises(ParameterError, match="count"):
            exemplars(households, model.labels_, model.matrix_, ABOUT, count=wrong)
    with pytest.raises(MissingColumnError, match="visits"):
        exemplars(households, model.labels_, model.matrix_, {"visits": ("Visits", "count")})
