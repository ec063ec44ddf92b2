import warnings

import numpy as np
import pyarrow as pa
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from coterie.errors import NoVariationError, ParameterError, TooFewPeopleError
from coterie.evaluation.metrics import r2_of_groups
from coterie.features.catalog import CATALOG
from coterie.segments.clustering import KMeansSegments
from coterie.segments.evidence.validity import STABLE
from coterie.segments.lloyd import STARTED
from coterie.segments.people import read
from coterie.segments.view import VALUE, VALUE_WEIGHTS

COLUMNS = ("recency_days", "orders", "spend")


def test_it_is_sklearns_k_means_on_the_scaled_features(households):
    model = KMeansSegments(4, columns=VALUE, weights=VALUE_WEIGHTS).fit(households)
    X = model.matrix_.transform(households)
    with threadpool_limits(1):
        theirs = KMeans(4, n_init=20, random_state=7).fit(X)
    assert model.inertia_ == pytest.approx(theirs.inertia_, rel=1e-3)
    assert adjusted_rand_score(theirs.labels_, model.labels_) > 0.9
    np.testing.assert_array_equal(model.labels_, model.predict(households))
    distances = np.square(X[:, None, :] - model.centres_[None]).sum(axis=2)
    assert model.inertia_ == pytest.approx(distances.min(axis=1).sum(), rel=1e-4)


def test_the_value_view_names_nineteen_features_of_the_catalogue_and_no_outcomes():
    assert len(VALUE) == len(set(VALUE)) == 19
    assert set(VALUE_WEIGHTS) < set(VALUE)
    for name in VALUE:
        assert name in CATALOG
        assert CATALOG[name].on in ("order", CATALOG["products"].on, CATALOG["orders"].on)


def test_it_takes_as_many_segments_as_there_are_kinds():
    # round clouds of 600, 500 and 400 people in six dimensions: a fourth segment would be an arbitrary cut
    random = np.random.default_rng(0)
    clouds = [random.normal(middle, 1, (size, 6)) for middle, size in ((9, 600), (0, 500), (-9, 400))]
    model = KMeansSegments(scaling="standard", candidates=range(2, 6)).fit(np.concatenate(clouds))
    assert model.k_ == 3
    assert model.warning_ == ""
    assert [one.k for one in model.evidence_] == [2, 3, 4, 5]
    third, fourth = model.evidence_[1], model.evidence_[2]
    assert third.allowed
    assert third.smallest == 400
    assert third.jaccard == (1.0, 1.0, 1.0)
    assert not fourth.allowed
    assert fourth.smallest < 400
    assert [one.value for one in model.stability_] == [1.0, 1.0, 1.0]
    inertias = [one.inertia for one in model.evidence_]
    assert inertias == sorted(inertias, reverse=True)


def test_segments_below_the_minimum_are_not_taken(three_kinds):
    model = KMeansSegments(columns=COLUMNS, minimum_size=45, candidates=(2, 3)).fit(three_kinds)
    assert model.k_ == 2
    assert "fewer than 45" in model.evidence_[1].why
    with pytest.raises(TooFewPeopleError, match="Choosing the number of segments"):
        KMeansSegments(columns=COLUMNS, minimum_size=100).fit(three_kinds)


def test_a_cloud_without_kinds_carries_a_warning():
    cloud = np.random.default_rng(4).normal(size=(400, 8))
    model = KMeansSegments(scaling="standard", candidates=(4, 5, 6), resamples=10).fit(cloud)
    assert model.warning_
    assert min(one.value for one in model.stability_) < STABLE
    assert not any(one.allowed for one in model.evidence_)


def test_the_rule_on_real_people_holds_what_it_says(households):
    given = {"columns": VALUE, "weights": VALUE_WEIGHTS, "resamples": 12, "n_init": 5}
    model = KMeansSegments(candidates=(2, 3, 4, 10), **given).fit(households)
    chosen = {one.k: one for one in model.evidence_}[model.k_]
    assert chosen.allowed
    assert min(chosen.jaccard) >= STABLE
    assert np.bincount(model.labels_).min() == chosen.smallest >= 50
    assert not any(one.allowed for one in model.evidence_ if one.k > model.k_)
    assert [one.value for one in model.stability_] == pytest.approx(chosen.jaccard, abs=1e-4)
    # near the line a candidate is looked at four times as closely
    assert any(model.stability_ == model.stability(households, resamples=resamples) for resamples in (12, 48))


def test_scaling_is_what_keeps_people_from_falling_into_one_heap(households):
    plain = np.nan_to_num(households.select(VALUE).to_pandas().to_numpy(dtype=float))
    with threadpool_limits(1):
        heap = np.bincount(KMeans(5, n_init=3, random_state=0).fit(plain).labels_)
    model = KMeansSegments(5, columns=VALUE, weights=VALUE_WEIGHTS).fit(households)
    assert np.bincount(model.labels_).min() > heap.min()
    assert np.bincount(model.labels_).max() < heap.max()


def test_segments_tell_the_next_summer_apart(households, summer_spend):
    # features end on 1 June, outcomes lie in June to August: a window for development, not the reported one
    logged = np.log1p(summer_spend / 100)
    model = KMeansSegments(6, columns=VALUE, weights=VALUE_WEIGHTS).fit(households)
    assert r2_of_groups(logged, model.labels_) > 0.42
    stayed_away = np.array([(summer_spend[model.labels_ == one] == 0).mean() for one in range(6)])
    assert stayed_away[0] < 0.01
    assert stayed_away[-1] > 0.1


@pytest.mark.parametrize(
    "wrong", [{"candidates": ()}, {"candidates": (1, 2)}, {"resamples": 1}, {"n_init": 0}, {"seed": -1}]
)
def test_wrong_parameters_are_refused(wrong, three_kinds):
    with pytest.raises(ParameterError):
        KMeansSegments(columns=COLUMNS, minimum_size=20, **wrong).fit(three_kinds)


def test_progress_is_reported(three_kinds):
    class Seen:
        steps: list[tuple[str, int, int | None]]

        def __init__(self):
            self.steps = []

        def step(self, name, done, total=None):
            self.steps.append((name, done, total))

    seen = Seen()
    KMeansSegments(columns=COLUMNS, minimum_size=20, candidates=(2, 3), resamples=5, progress=seen).fit(three_kinds)
    assert seen.steps == [("segments", 0, 2), ("segments", 1, 2), ("segments", 2, 2)]


def test_text_counts_as_a_feature_too(three_kinds):
    channel = pa.array(["web", "store", "app"]).take(pa.array(three_kinds["kind"].to_pylist()))
    people = pa.table({"channel": channel, "spend": three_kinds["spend"]})
    model = KMeansSegments(3).fit(people)
    np.testing.assert_array_equal(model.labels_, three_kinds["kind"].to_numpy())


def test_starts_are_tried_on_the_first_of_many_people_and_the_best_goes_on_with_all():
    # more people than starts are tried on: as good as scikit-learn on all, and still the same in any order
    random = np.random.default_rng(3)
    people = STARTED + 30_000
    X = (
        random.normal(size=(people, 4))
        + np.array([[3, 0, 0, 0], [0, 3, 0, 0], [0, 0, 3, 0]])[random.integers(0, 3, people)]
    )
    model = KMeansSegments(3, scaling="standard", n_init=3).fit(X)
    scaled = model.matrix_.transform(read(X).to_native())
    with threadpool_limits(1):
        theirs = KMeans(3, n_init=3, random_state=1, tol=0).fit(scaled)
    assert model.inertia_ == pytest.approx(theirs.inertia_, rel=1e-5)
    np.testing.assert_array_equal(model.labels_, model.predict(X))
    order = random.permutation(people)
    shuffled = KMeansSegments(3, scaling="standard", n_init=3).fit(X[order])
    np.testing.assert_array_equal(shuffled.labels_, model.labels_[order])
    assert shuffled.fingerprint == model.fingerprint


def test_a_rare_kind_among_very_many_is_found_though_the_starts_may_not_see_it():
    X = np.zeros((150_000, 2))
    X[:60_000, 0] = 5
    X[-900:, 1] = 90  # enough to lie within what is not pulled in
    model = KMeansSegments(3, scaling="standard").fit(X)
    assert sorted(np.bincount(model.labels_).tolist()) == [900, 60_000, 89_100]


def test_fits_do_not_depend_on_columns_that_only_tell_what_people_are_worth(households):
    order = np.random.default_rng(4).permutation(len(households))
    names = [name for name in VALUE if "spend" not in name]
    model = KMeansSegments(5, columns=names, value="spend").fit(households)
    shuffled = KMeansSegments(5, columns=names, value="spend").fit(households.take(order))
    np.testing.assert_array_equal(shuffled.labels_, model.labels_[order])
    assert shuffled.fingerprint == model.fingerprint
    assert "spend" not in [part.name for part in model.matrix_.parts_]
    assert model.worth_.tolist() == sorted(model.worth_, reverse=True)


def test_one_dominant_outlier_does_not_take_a_segment_of_its_own(three_kinds):
    spend = three_kinds["spend"].to_numpy().copy()
    spend[7] = 10**15
    table = three_kinds.set_column(three_kinds.column_names.index("spend"), "spend", pa.array(spend))
    labels = KMeansSegments(3, columns=COLUMNS).fit(table).labels_
    np.testing.assert_array_equal(labels, three_kinds["kind"].to_numpy())


def test_doubles_of_few_people_weigh_as_many(three_kinds):
    table = three_kinds.take([0] * 500 + [70] * 300 + [120] * 200)
    model = KMeansSegments(3, columns=COLUMNS).fit(table)
    assert np.bincount(model.labels_).tolist() == [500, 300, 200]
    assert model.inertia_ == pytest.approx(0, abs=1e-6)
    searched = KMeansSegments(columns=COLUMNS, candidates=(2, 3, 4), resamples=5).fit(table)
    assert searched.k_ == 3
    assert [one.k for one in searched.evidence_] == [2, 3]


def test_features_that_tell_nothing_are_left_out_and_named(three_kinds):
    table = three_kinds.append_column("same", pa.array([7.0] * 150)).append_column("none", pa.nulls(150, pa.float64()))
    model = KMeansSegments(3, columns=(*COLUMNS, "same", "none")).fit(table)
    assert set(model.matrix_.dropped_) == {"same", "none"}
    np.testing.assert_array_equal(model.labels_, three_kinds["kind"].to_numpy())
    with pytest.raises(NoVariationError, match="none: nobody has a value"):
        KMeansSegments(2, columns=("same", "none")).fit(table)


def test_two_hundred_features_of_a_hundred_people_are_not_called_kinds():
    X = np.random.default_rng(1).normal(size=(100, 200))
    model = KMeansSegments(4).fit(X)
    assert np.bincount(model.labels_, minlength=4).min() > 0
    searched = KMeansSegments(candidates=(2, 3), minimum_size=10, resamples=10).fit(X)
    assert searched.warning_


def test_resamples_without_some_kind_of_people_say_nothing_aside():
    """Where a resample holds fewer kinds of people than segments, its groups are the kinds, and k-means has no say."""
    people = pa.table({"spend": [1, 1, 1, 1, 1, 50, 50, 50, 50, 900], "orders": [1] * 5 + [3] * 4 + [9]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = KMeansSegments(candidates=(3,), minimum_size=1, resamples=10, n_init=1).fit(people)
    assert model.labels_.tolist() == [2] * 5 + [1] * 4 + [0]
    assert [one.value for one in model.stability_] == [1.0, 1.0, 1.0]
