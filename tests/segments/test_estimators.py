"""What every segmentation promises, whatever its method."""

import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.metrics import adjusted_rand_score

from coterie.errors import (
    EmptyShopError,
    IntegrityError,
    MissingColumnError,
    NotFittedError,
    NoVariationError,
    ParameterError,
    TooFewPeopleError,
)
from coterie.segments.clustering import KMeansSegments
from coterie.segments.hierarchy import WardSegments
from coterie.segments.rfm import RFMSegments

COLUMNS = ("recency_days", "orders", "spend")
METHODS = [
    pytest.param(lambda: RFMSegments(), id="rfm"),
    pytest.param(lambda: KMeansSegments(3, columns=COLUMNS, n_init=3), id="k-means"),
    pytest.param(lambda: WardSegments(3, columns=COLUMNS), id="ward"),
]
CLUSTERINGS = METHODS[1:]


@pytest.mark.parametrize("make", METHODS)
def test_it_follows_scikit_learns_laws(make, three_kinds):
    model = make()
    assert model.fit(three_kinds) is model
    assert model.labels_.dtype == np.int64
    assert model.labels_.shape == (150,)
    assert sorted(set(model.labels_)) == list(range(model.k_))
    again = clone(model)
    assert not hasattr(again, "labels_")
    np.testing.assert_array_equal(again.fit_predict(three_kinds), model.labels_)
    assert again.set_params(**model.get_params()).get_params() == model.get_params()
    assert model.fit(three_kinds).fingerprint == again.fingerprint  # fitting twice leaves no trace


@pytest.mark.parametrize("make", METHODS)
def test_any_dataframe_gives_the_same_segments(make, three_kinds):
    frames = [three_kinds, three_kinds.to_pandas(), pl.from_arrow(three_kinds)]
    expected = make().fit(three_kinds)
    for frame in frames:
        model = make().fit(frame)
        np.testing.assert_array_equal(model.labels_, expected.labels_)
        np.testing.assert_array_equal(expected.predict(frame), expected.predict(three_kinds))
        assert model.assign(frame).to_pydict()["person"] == list(range(1000, 1150))


@pytest.mark.parametrize("make", METHODS)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6))
def test_the_order_of_people_does_not_matter(make, three_kinds, seed):
    order = np.random.default_rng(seed).permutation(150)
    model, shuffled = make().fit(three_kinds), make().fit(three_kinds.take(order))
    np.testing.assert_array_equal(shuffled.labels_, model.labels_[order])
    assert shuffled.fingerprint == model.fingerprint


@pytest.mark.parametrize("make", CLUSTERINGS)
def test_real_people_in_another_order_get_the_same_segments(make, households):
    order = np.random.default_rng(8).permutation(len(households))
    model = make().set_params(k=6, columns=None).fit(households)
    shuffled = make().set_params(k=6, columns=None).fit(households.take(order))
    np.testing.assert_array_equal(shuffled.labels_, model.labels_[order])
    assert shuffled.fingerprint == model.fingerprint


@pytest.mark.parametrize("make", METHODS)
def test_segments_are_numbered_by_what_they_are_worth(make, households):
    model = make().fit(households)
    spend = households["spend"].to_numpy()
    worth = [spend[model.labels_ == segment].mean() for segment in range(model.k_)]
    assert worth == sorted(worth, reverse=True)


@pytest.mark.parametrize("make", METHODS)
def test_it_is_stored_as_json_and_predicts_as_before(make, households):
    model = make().fit(households)
    text = json.dumps(model.to_json())
    again = type(model).from_json(json.loads(text))
    newcomers = households.slice(0, 50)
    np.testing.assert_array_equal(again.predict(newcomers), model.predict(newcomers))
    assert again.fingerprint == model.fingerprint
    assert "person" not in text
    with pytest.raises(IntegrityError, match="another"):
        type(model).from_json({**model.to_json(), "kind": "another"})
    with pytest.raises(IntegrityError, match="lacks"):
        type(model).from_json({"kind": type(model).__name__})


@pytest.mark.parametrize("make", CLUSTERINGS)
def test_it_finds_kinds_that_are_there(make, three_kinds):
    model = make().fit(three_kinds)
    assert adjusted_rand_score(three_kinds["kind"].to_numpy(), model.labels_) == 1.0
    np.testing.assert_array_equal(model.labels_, three_kinds["kind"].to_numpy())  # the kinds are in order of worth
    np.testing.assert_array_equal(model.predict(three_kinds), model.labels_)


@pytest.mark.parametrize("make", CLUSTERINGS)
def test_a_stranger_goes_to_the_nearest_segment_whatever_the_company(make, three_kinds):
    model = make().fit(three_kinds)
    stranger = pa.table({"recency_days": [140.0, 1.0], "orders": [1, 55], "spend": [2_500, 130_000]})
    assert model.predict(stranger).tolist() == [2, 0]
    assert model.predict(stranger.slice(0, 1)).tolist() == [2]
    assert model.assign(stranger).to_pydict() == {"person": [0, 1], "segment": [2, 0]}


@pytest.mark.parametrize("make", METHODS)
def test_wrong_data_is_refused_in_plain_words(make, three_kinds):
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        make().predict(three_kinds)
    with pytest.raises(EmptyShopError, match="nobody"):
        make().fit(three_kinds.slice(0, 0))
    with pytest.raises(EmptyShopError):
        make().fit(pd.DataFrame())
    with pytest.raises(TooFewPeopleError, match="there is 1"):
        make().fit(three_kinds.slice(0, 1))
    with pytest.raises(TooFewPeopleError):
        make().fit(three_kinds.slice(0, 2))
    with pytest.raises(NoVariationError, match="look the same"):
        make().fit(three_kinds.take([5] * 20))
    with pytest.raises(MissingColumnError, match="spend"):
        make().fit(three_kinds.drop(["spend"]))
    with pytest.raises(MissingColumnError, match="orders"):
        make().fit(three_kinds).predict(three_kinds.drop(["orders"]))
    with pytest.raises(ParameterError, match="table of people"):
        make().fit([1, 2, 3])
    dates = pa.array([0] * 150, pa.timestamp("us"))
    with pytest.raises(ParameterError, match="orders"):
        make().fit(three_kinds.drop(["orders"]).append_column("orders", dates))


@pytest.mark.parametrize("make", METHODS)
def test_tables_that_are_none_are_refused_by_name(make, three_kinds):
    frame = three_kinds.select(COLUMNS)
    twice = frame.append_column("orders", frame["orders"])
    for table in (twice, pd.concat([frame.to_pandas(), frame.to_pandas()[["orders"]]], axis=1)):
        with pytest.raises(ParameterError, match=r"the name of a column must be unlike all others, got 'orders'"):
            make().fit(table)
    with pytest.raises(ParameterError, match="the name of a column must be text, got 0"):
        make().fit(pd.DataFrame(frame.to_pandas().to_numpy()))
    with pytest.raises(ParameterError, match="collect a lazy table first"):
        make().fit(pl.from_arrow(frame).lazy())
    model = make().fit(three_kinds)
    words = frame.set_column(1, "orders", pa.array(["many"] * len(frame)))
    with pytest.raises(ParameterError, match="column orders must be numbers, got 'String'"):
        model.predict(words)
    for person in (["c-1"] * len(frame), [None] * len(frame)):
        with pytest.raises(ParameterError, match="column person must be whole numbers without gaps"):
            model.assign(frame.append_column("person", pa.array(person, pa.string())))
    with pytest.raises(IntegrityError, match="of kind 'str'"):
        type(model).from_json("kind")


@pytest.mark.parametrize("make", CLUSTERINGS)
def test_wrong_numbers_of_segments_are_refused(make, three_kinds):
    for wrong in (0, 1, -3, 2.5, True, "three"):
        with pytest.raises(ParameterError, match="whole number of at least 2"):
            make().set_params(k=wrong).fit(three_kinds)
    with pytest.raises(TooFewPeopleError, match="200"):
        make().set_params(k=200).fit(three_kinds)
    with pytest.raises(TooFewPeopleError, match="only 4 do"):
        make().set_params(k=5).fit(three_kinds.take([0, 60, 90, 120] * 10))
    with pytest.raises(MissingColumnError, match="worth"):
        make().set_params(value="worth").fit(three_kinds)


@pytest.mark.parametrize("make", CLUSTERINGS)
def test_numpy_and_tables_without_spend_are_numbered_by_all_features(make):
    random = np.random.default_rng(0)
    X = np.concatenate([random.normal(0, 1, (40, 3)), random.normal(9, 1, (40, 3)), random.normal(20, 1, (40, 3))])
    model = make().set_params(columns=None).fit(X)
    assert model.labels_[[0, 50, 100]].tolist() == [2, 1, 0]
    assert model.predict(X[:1]).tolist() == [2]
    with pytest.raises(ParameterError):
        make().set_params(columns=None).fit(X[:, 0])
    with pytest.raises(ParameterError):
        make().set_params(columns=None).fit(X.astype(object))


@pytest.mark.parametrize("make", CLUSTERINGS)
def test_unknown_values_do_not_stop_it(make, three_kinds):
    recency = three_kinds["recency_days"].to_numpy().copy()
    recency[:3] = [np.nan, np.inf, -np.inf]
    holed = three_kinds.set_column(1, "recency_days", pa.array(recency))
    labels = make().fit(holed).labels_
    np.testing.assert_array_equal(labels[3:], three_kinds["kind"].to_numpy()[3:])
