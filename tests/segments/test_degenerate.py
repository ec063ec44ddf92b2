"""Tables that are hardly any: every estimator gives sound segments or refuses in plain words, and never stumbles."""

import json
import warnings

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import adjusted_rand_score

from coterie.errors import CoterieError, NoVariationError, ParameterError, TooFewPeopleError
from coterie.segments.clustering import KMeansSegments
from coterie.segments.goal import GoalSegments
from coterie.segments.hierarchy import WardSegments
from coterie.segments.rfm import RFMSegments
from coterie.segments.taste import TasteSegments

MADE = {
    "rfm": lambda: RFMSegments(),
    "k-means": lambda: KMeansSegments(3),
    "k-means, own k": lambda: KMeansSegments(candidates=(2, 3), minimum_size=5, resamples=3, n_init=1),
    "ward": lambda: WardSegments(3),
    "ward, small groups": lambda: WardSegments(3, exact=10),
    "ward, polished": lambda: WardSegments(3, polish=True),
    "goal": lambda: GoalSegments(3, minimum_size=5),
    "taste": lambda: TasteSegments(3, n_init=3, minimum_size=5),
}
EVERY = pytest.mark.parametrize("make", MADE.values(), ids=MADE)
CLUSTERING = pytest.mark.parametrize("make", [MADE[name] for name in MADE if name not in ("rfm", "goal", "taste")])
COLUMNS = ("recency_days", "orders", "spend")


def people(count=120, seed=0):
    """Three kinds of people, far apart, a third each."""
    random = np.random.default_rng(seed)
    kind = np.arange(count) % 3
    return kind, {
        "recency_days": np.array([2.0, 20.0, 150.0])[kind] * random.uniform(0.8, 1.2, count),
        "orders": np.rint(np.array([40.0, 10.0, 2.0])[kind] * random.uniform(0.8, 1.2, count)),
        "spend": np.rint(np.array([90_000.0, 20_000.0, 3_000.0])[kind] * random.uniform(0.8, 1.2, count)),
    }


def outcome(count):
    return np.arange(count) % 5 * 100.0


def tried(make, columns):
    """A sound model of the columns, or None where it refused as it should."""
    frame = columns if isinstance(columns, pa.Table) else pa.table(columns)
    model, refusal = attempt(lambda: make().fit(frame, outcome(len(frame))))
    if model is None:
        assert refusal.hint
        assert len(refusal.message) > 20
        return None
    labels = model.labels_
    assert labels.dtype == np.int64
    assert labels.shape == (len(frame),)
    assert sorted(set(labels.tolist())) == list(range(model.k_))
    again = type(model).from_json(json.loads(json.dumps(model.to_json(), allow_nan=False)))
    np.testing.assert_array_equal(again.predict(frame), model.predict(frame))
    return model


def attempt(ask):
    """What comes of it, or the refusal; sums may overflow, but nothing may become undefined on the way."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "invalid value|divide by zero", RuntimeWarning)
        warnings.filterwarnings("ignore", "overflow", RuntimeWarning)
        try:
            return ask(), None
        except CoterieError as refusal:
            return None, refusal


@EVERY
def test_columns_in_which_all_are_alike_change_nothing(make):
    _, columns = people()
    plain = tried(make, columns)
    if "Taste" not in type(plain).__name__:  # an item that all buy alike is taste, too
        with_constants = tried(make, {**columns, "always": np.full(120, 7.0), "zero": np.zeros(120)})
        np.testing.assert_array_equal(with_constants.labels_, plain.labels_)


@EVERY
def test_people_of_whom_nothing_differs_are_refused(make):
    for columns in (
        {name: np.full(60, 3.0) for name in COLUMNS},
        {name: np.zeros(60) for name in COLUMNS},
        {name: values[:1].repeat(60) for name, values in people()[1].items()},  # one person, sixty times
    ):
        assert tried(make, columns) is None


@CLUSTERING
def test_few_people_who_differ_among_many_who_do_not(make):
    """Two kinds of people, each many times over: never more than two segments, and none cuts people who are alike."""
    columns = {
        "recency_days": np.repeat([1.0, 90.0], 40),
        "orders": np.repeat([9.0, 1.0], 40),
        "spend": np.repeat([90.0, 5.0], 40),
    }
    model = tried(make, columns)
    assert model is None or model.k_ == 2
    model = tried(lambda: make().set_params(k=2), columns)
    np.testing.assert_array_equal(model.labels_, np.repeat([0, 1], 40))


@CLUSTERING
@pytest.mark.parametrize("factor", [1e3, 1e6, 1e12])
def test_one_person_far_from_all_does_not_take_a_segment_from_the_others(make, factor):
    """One in two hundred may be pulled in; so a giant leaves the kinds of everybody else as they were."""
    kind, columns = people(400)
    columns = {name: values.copy() for name, values in columns.items()}
    columns["spend"][0] *= factor
    columns["orders"][0] *= factor
    model = tried(lambda: make().set_params(k=3), columns)
    assert adjusted_rand_score(kind[1:], model.labels_[1:]) > 0.98
    assert np.bincount(model.labels_).min() > 100
    assert model.labels_[0] == 0


@EVERY
@pytest.mark.parametrize("count", [1, 2, 3])
def test_one_two_or_three_people(make, count):
    _, columns = people(3)
    model = tried(make, {name: values[:count] for name, values in columns.items()})
    assert model is None or model.k_ <= count


def test_three_people_can_be_three_segments_or_two():
    _, columns = people(3)
    for make in (KMeansSegments, WardSegments):
        assert make(3).fit(pa.table(columns)).labels_.tolist() == [0, 1, 2]
        assert make(2).fit(pa.table(columns)).k_ == 2


@EVERY
def test_more_columns_than_people(make):
    """200 features of 100 people, of which three tell kinds apart."""
    _, columns = people(100)
    random = np.random.default_rng(1)
    noise = {f"noise_{number}": random.normal(0, 1, 100) for number in range(197)}
    model = tried(make, {**columns, **noise})
    assert model is None or model.k_ >= 2


@EVERY
def test_nothing_known_of_anybody_is_refused(make):
    for kind in (pa.float64(), pa.int64(), pa.null()):
        assert tried(make, pa.table({name: pa.nulls(50, kind) for name in COLUMNS})) is None
    assert tried(make, {name: np.full(50, np.nan) for name in COLUMNS}) is None


@EVERY
def test_nothing_known_of_one_column(make):
    _, columns = people()
    plain = tried(make, columns)
    frame = pa.table(columns).append_column("unknown", pa.nulls(120, pa.float64()))
    model = tried(make, frame)
    np.testing.assert_array_equal(model.labels_, plain.labels_)


@EVERY
@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf, 1e300, -1e300, 1e-300, 1.7e308, 2.0**63])
def test_odd_values(make, odd):
    """One odd value in each column in turn, in fit; and in predict, where nobody else may move."""
    _, columns = people()
    usual = make().fit(pa.table(columns), outcome(120))
    labels = usual.predict(pa.table(columns))
    for name in COLUMNS:
        odder = {**columns, name: np.concatenate([[odd], columns[name][1:]])}
        tried(make, odder)
        told, refusal = attempt(lambda odder=odder: usual.predict(pa.table(odder)))
        assert refusal is None or refusal.hint
        if told is not None:
            np.testing.assert_array_equal(told[1:], labels[1:])


@EVERY
def test_whole_numbers_that_no_float_can_hold(make):
    _, columns = people()
    large = np.array([2**62 + n for n in range(120)])
    tried(make, {**columns, "spend": large})


HUGE = 5.99231045e307  # of which three are more than a float can hold


@settings(max_examples=25, deadline=None)
@example(name="taste", values=np.array([[HUGE, 0, 0], *[[0, 0, 0]] * 14], dtype=float))
@example(name="taste", values=np.array([[0, HUGE, HUGE], [HUGE, 0, HUGE], *[[HUGE, HUGE, HUGE]] * 3]))
@example(name="taste", values=np.array([[5e-324, 0, 1], [0, 5e-324, 1], *[[1, 1, 0]] * 5]))
@example(name="taste", values=np.array([[5e-324, 0, 0], [5e-324, 1e308, 0], *[[1e308, 0, 1e308]] * 5]))
@given(
    name=st.sampled_from(sorted(MADE)),
    values=arrays(
        np.float64,
        st.tuples(st.integers(1, 30), st.just(3)),
        elements=st.one_of(st.floats(-1e308, 1e308), st.sampled_from([0.0, 1.0, np.nan, np.inf, -np.inf])),
    ),
)
def test_whatever_the_numbers_are(name, values):
    tried(MADE[name], dict(zip(COLUMNS, values.T, strict=True)))


def test_refusals_are_of_their_kind():
    _, columns = people()
    with pytest.raises(NoVariationError):
        KMeansSegments(3).fit(pa.table({"spend": [5.0] * 20}))
    with pytest.raises(TooFewPeopleError, match="only 2 do"):
        KMeansSegments(3).fit(pa.table({"spend": [5.0, 6.0] * 20}))
    with pytest.raises(TooFewPeopleError):
        GoalSegments(3, minimum_size=100).fit(pa.table(columns), outcome(120))
    with pytest.raises(ParameterError, match="known for every person"):
        RFMSegments().fit(pa.table({**columns, "orders": np.full(120, np.nan)}))
    for exact in (20_000, 10):  # over small groups, too
        with pytest.raises(NoVariationError):
            WardSegments(3, exact=exact).fit(pa.table({"spend": [5.0] * 20}))
        with pytest.raises(TooFewPeopleError):
            WardSegments(3, exact=exact).fit(pa.table({"spend": [5.0, 6.0] * 20}))
