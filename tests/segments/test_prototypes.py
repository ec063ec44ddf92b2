"""Whoever is asked, alone or among millions, the nearest prototype answers alike; segments are merged and split."""

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from coterie.errors import MissingColumnError, NotFittedError, ParameterError, TooFewPeopleError
from coterie.segments.clustering import KMeansSegments
from coterie.segments.people import distinct, fixed_order, nearest, row_keys, teller
from coterie.segments.view import VALUE, VALUE_WEIGHTS

CHANNELS = ["web", "store", "app", None, "phone"]


@pytest.fixture(scope="module")
def value_model(households):
    return KMeansSegments(6, columns=VALUE, weights=VALUE_WEIGHTS, n_init=3).fit(households)


@pytest.fixture(scope="module")
def mixed(households):
    """Real people with made-up text and truth values, and holes in all of them."""
    random = np.random.default_rng(5)
    count = len(households)
    recency = pa.array(households["recency_days"].to_numpy(), mask=random.random(count) < 0.1)
    channel = pa.array(CHANNELS).take(pa.array(random.choice(5, count, p=[0.4, 0.3, 0.19, 0.1, 0.01])))
    member = pa.array(random.random(count) < 0.3, mask=random.random(count) < 0.05)
    table = households.set_column(households.column_names.index("recency_days"), "recency_days", recency)
    return table.append_column("channel", channel).append_column("member", member)


@pytest.fixture(scope="module")
def mixed_model(mixed):
    return KMeansSegments(5, columns=(*VALUE, "channel", "member"), n_init=3).fit(mixed)


def by_differences(matrix, centres):
    """The nearest centre as the naive one finds it: differences in float64, one column after the other."""
    distance = np.zeros((len(matrix), len(centres)))
    for column, middle in zip(matrix.T.astype(float), centres.T.astype(float), strict=True):
        distance += (column[:, None] - middle) ** 2
    return distance.argmin(axis=1)


@given(
    seed=st.integers(0, 10**6),
    people=st.integers(1, 300),
    centres=st.integers(1, 40),
    columns=st.integers(1, 30),
    scale=st.sampled_from([1e-3, 1.0, 1e4]),
    offset=st.sampled_from([0.0, 1.0, 1e3]),
    steps=st.sampled_from([0.5, 1e-6]),
)
@settings(max_examples=60, deadline=None)
def test_the_nearest_is_that_of_float64_also_where_float32_cannot_tell(
    seed, people, centres, columns, scale, offset, steps
):
    random = np.random.default_rng(seed)  # on a grid, so that ties and doubles come often
    X = ((np.rint(random.normal(size=(people, columns)) / steps) * steps + offset) * scale).astype(np.float32)
    C = X[random.integers(0, people, centres)] + np.float32(steps * scale) * random.integers(-1, 2, (centres, columns))
    C = C.astype(np.float32)
    found = nearest(X, C)
    np.testing.assert_array_equal(found, by_differences(X, C))
    alone = [int(nearest(row[None], C)[0]) for row in X[:20]]
    assert alone == found[:20].tolist()
    if centres > 1:
        tell = teller(C)
        assert [tell(row) for row in X[:20]] == alone


def test_thousands_of_prototypes_are_told_apart_block_by_block():
    random = np.random.default_rng(2)
    X = random.normal(size=(3_000, 20)).astype(np.float32)
    C = np.concatenate([X[:900], X[:100]])  # the last are doubles: the first at a tie is told
    found = nearest(X, C)
    np.testing.assert_array_equal(found[:900], np.arange(900))
    np.testing.assert_array_equal(found, by_differences(X, C))
    order = random.permutation(len(X))
    np.testing.assert_array_equal(nearest(X[order], C), found[order])
    assert nearest(X[:0], C).shape == (0,)


@given(seed=st.integers(0, 10**6), people=st.integers(1, 60), levels=st.integers(1, 3))
@settings(max_examples=30, deadline=None)
def test_people_have_one_order_and_are_counted_once(seed, people, levels):
    random = np.random.default_rng(seed)
    X = random.integers(0, levels, (people, 3)).astype(np.float32)
    worth = random.integers(0, 2, people).astype(float)
    shuffled = random.permutation(people)
    order, other = fixed_order(X, worth), fixed_order(X[shuffled], worth[shuffled])
    assert sorted(order) == list(range(people))
    np.testing.assert_array_equal(X[order], X[shuffled][other])
    np.testing.assert_array_equal(worth[order], worth[shuffled][other])
    kinds = len(np.unique(X, axis=0))
    assert len(np.unique(row_keys(X))) == kinds
    assert distinct(X, 1000) == kinds
    assert min(distinct(X, 2), 2) == min(kinds, 2)
    np.testing.assert_array_equal(row_keys(-np.zeros((2, 3), np.float32)), row_keys(np.zeros((2, 3), np.float32)))


def test_a_kind_that_comes_last_is_counted_too():
    X = np.zeros((100_000, 2), dtype=np.float32)
    X[-1] = 7
    assert distinct(X, 2) == 2
    assert distinct(X, 3) == 2


def test_distances_are_those_to_the_centres_and_the_least_is_the_segment(value_model, households):
    X = value_model.matrix_.transform(households)
    far = value_model.distances(households)
    assert far.dtype == np.float32
    assert far.shape == (len(households), 6)
    naive = np.sqrt(np.square(X[:, None].astype(float) - value_model.centres_[None]).sum(axis=2))
    np.testing.assert_allclose(far, naive, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(far.argmin(axis=1), value_model.predict(households))


def test_what_was_learnt_tells_how_many_people_and_what_they_are_worth(value_model, households):
    assert value_model.weights_.tolist() == np.bincount(value_model.labels_).tolist()
    spend = households["spend"].to_numpy()
    means = [spend[value_model.labels_ == one].mean() for one in range(6)]
    assert value_model.worth_.tolist() == pytest.approx(means)
    assert value_model.valued_ == "spend"
    np.testing.assert_array_equal(value_model.centres_, value_model.prototypes_)


@pytest.mark.parametrize("which", ["value", "mixed"])
def test_one_person_gets_the_segment_that_predict_tells(which, request, mixed):
    model = request.getfixturevalue(f"{which}_model")
    segment_of = model.assigner()
    assert [segment_of(person) for person in mixed.to_pylist()] == model.predict(mixed).tolist()


numbers = st.none() | st.floats() | st.sampled_from([1e308, -1e308, 1e150, 5e-324, -0.0]) | st.floats(0, 1e7)
changed = st.dictionaries(st.sampled_from([name for name in VALUE if name != "spend"]), numbers, max_size=19)


@settings(max_examples=75, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    row=st.integers(0, 2000),
    changes=changed,
    spend=st.none() | st.integers(-(2**63), 2**63 - 1),
    channel=st.sampled_from([*CHANNELS, "letter", "missing", "other", ""]) | st.text(max_size=3),
    member=st.none() | st.booleans(),
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_one_odd_person_gets_the_segment_that_predict_tells(mixed_model, mixed, row, changes, spend, channel, member):
    person = {**mixed.slice(row, 1).to_pylist()[0], **changes, "spend": spend, "channel": channel, "member": member}
    floats = {name: pa.float64() for name in changes}
    kinds = floats | {"spend": pa.int64(), "channel": pa.string(), "member": pa.bool_()}
    table = pa.table({name: pa.array([value], kinds.get(name)) for name, value in person.items()})
    expected = mixed_model.matrix_.transform(table)[0]
    np.testing.assert_array_equal(mixed_model.matrix_.row(person), expected)
    assert mixed_model.assigner()(person) == mixed_model.predict(table)[0]


def test_one_person_who_lacks_a_name_is_refused(value_model, mixed_model, mixed):
    person = mixed.slice(0, 1).to_pylist()[0]
    with pytest.raises(MissingColumnError, match="orders"):
        value_model.assigner()({name: value for name, value in person.items() if name != "orders"})
    with pytest.raises(MissingColumnError, match="channel"):
        mixed_model.assigner()({name: value for name, value in person.items() if name != "channel"})
    with pytest.raises(ParameterError, match="column orders must be numbers, got 'String'") as refused:
        value_model.assigner()({**person, "orders": "many"})
    assert "many" not in str(refused.value)
    with pytest.raises(NotFittedError):
        KMeansSegments(3).assigner()


def test_merged_segments_are_one_and_all_others_stay(value_model, households):
    before = value_model.fingerprint
    merged = value_model.merge(4, 1)
    assert merged.k_ == 5
    labels = merged.predict(households)
    np.testing.assert_array_equal(labels, np.array(merged.renumbered_)[value_model.labels_])
    np.testing.assert_array_equal(labels, merged.labels_)
    assert merged.renumbered_[4] == merged.renumbered_[1]
    others = [merged.renumbered_[one] for one in (0, 2, 3, 5)]
    assert others == sorted(set(others))
    spend = households["spend"].to_numpy()
    means = [spend[labels == one].mean() for one in range(5)]
    assert means == sorted(means, reverse=True)
    assert merged.worth_.tolist() == pytest.approx(means)
    assert value_model.fingerprint == before != merged.fingerprint
    one = merged.renumbered_[1]
    middle = np.average(value_model.centres_[[1, 4]], axis=0, weights=value_model.weights_[[1, 4]])
    np.testing.assert_allclose(merged.centres_[one], middle, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        merged.distances(households)[:, one], value_model.distances(households)[:, [1, 4]].min(axis=1)
    )

    again = merged.merge(one, 4)
    assert again.k_ == 4
    np.testing.assert_array_equal(again.predict(households), np.array(again.renumbered_)[labels])
    means = [spend[again.labels_ == each].mean() for each in range(4)]
    assert means == sorted(means, reverse=True)


@pytest.mark.parametrize("parts", [2, 3])
@pytest.mark.parametrize("segment", [0, 2, 5])
def test_a_split_parts_one_segment_and_merging_it_back_restores_the_partition(value_model, households, segment, parts):
    parted = value_model.split(segment, households, parts)
    assert parted.k_ == 5 + parts
    labels = parted.predict(households)
    assert np.bincount(labels, minlength=parted.k_).min() > 0
    inside = value_model.labels_ == segment
    np.testing.assert_array_equal(labels[~inside], np.array(parted.renumbered_)[value_model.labels_[~inside]])
    X = parted.matrix_.transform(households)[inside]
    with threadpool_limits(1):
        theirs = KMeans(parts, n_init=30, random_state=1).fit(X)
    ours = sum(
        np.square(X[labels[inside] == one] - X[labels[inside] == one].mean(0)).sum() for one in set(labels[inside])
    )
    assert ours <= 1.001 * theirs.inertia_
    spend = households["spend"].to_numpy()
    means = [spend[labels == one].mean() for one in range(parted.k_)]
    assert means == sorted(means, reverse=True)
    assert parted.worth_.tolist() == pytest.approx(means)
    assert parted.weights_[parted.owners_ >= 0].tolist() == pytest.approx(
        np.bincount(labels)[parted.owners_[parted.owners_ >= 0]].tolist()
    )
    np.testing.assert_array_equal(parted.distances(households).argmin(axis=1), labels)

    whole = parted.merge(*set(labels[inside].tolist()))
    np.testing.assert_array_equal(whole.predict(households), value_model.labels_)
    np.testing.assert_allclose(whole.distances(households), value_model.distances(households), rtol=1e-4, atol=1e-4)


def test_splits_and_merges_go_on_from_each_other(value_model, households):
    first = value_model.split(1, households)
    part = first.renumbered_[1]
    second = first.split(part, households)
    merged = second.merge(second.renumbered_[part], second.renumbered_[first.k_ - 1])
    final = merged.split(merged.renumbered_[second.k_ - 1], households)
    labels = final.predict(households)
    # only the last segment and the parts of 1 have changed: all others are who they were
    for segment in (0, 2, 3, 4):
        inside = value_model.labels_ == segment
        assert len(set(labels[inside])) == 1
        assert not set(labels[inside]) & set(labels[~inside])
    np.testing.assert_array_equal(final.distances(households).argmin(axis=1), labels)
    segment_of = final.assigner()
    assert [segment_of(person) for person in households.to_pylist()] == labels.tolist()
    stored = KMeansSegments.from_json(json.loads(json.dumps(final.to_json())))
    assert stored.fingerprint == final.fingerprint
    np.testing.assert_array_equal(stored.predict(households), labels)
    np.testing.assert_array_equal(stored.merge(0, 1).predict(households), final.merge(0, 1).predict(households))
    order = np.random.default_rng(1).permutation(len(households))
    shuffled = value_model.split(1, households.take(order))
    assert shuffled.fingerprint == first.fingerprint


def test_what_cannot_be_merged_or_split_is_refused(value_model, households):
    for wrong in ((), (1,), (1, 1), range(6)):
        with pytest.raises(ParameterError, match="two different ones or more"):
            value_model.merge(*wrong)
    for wrong in (6, -1, 1.5, True):
        with pytest.raises(ParameterError, match="a whole number from 0 to 5"):
            value_model.merge(0, wrong)
        with pytest.raises(ParameterError, match="a whole number from 0 to 5"):
            value_model.split(wrong, households)
    with pytest.raises(ParameterError, match="parts"):
        value_model.split(0, households, 1)
    top = households.filter(pa.array(value_model.labels_ == 0))
    with pytest.raises(TooFewPeopleError, match="Splitting segment 5"):
        value_model.split(5, top)
    with pytest.raises(TooFewPeopleError, match="only 1 do"):
        value_model.split(0, top.take([0] * 9))
    with pytest.raises(MissingColumnError, match="spend"):
        value_model.split(0, households.drop(["spend"]))
    assert value_model.comes_again
    assert not value_model.merge(0, 1).comes_again
    with pytest.raises(ParameterError, match="merged or split by hand"):
        KMeansSegments.from_json(value_model.merge(0, 1).to_json()).stability(households)
