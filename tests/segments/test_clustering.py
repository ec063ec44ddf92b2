import numpy as np
import pyarrow as pa
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from coterie.errors import ParameterError, TooFewPeopleError
from coterie.evaluation.metrics import r2_of_groups
from coterie.features.catalog import CATALOG
from coterie.segments.clustering import KMeansSegments
from coterie.segments.validity import STABLE
from coterie.segments.view import VALUE, VALUE_WEIGHTS

COLUMNS = ("recency_days", "orders", "spend")


def test_it_is_sklearns_k_means_on_the_scaled_features(households):
    model = KMeansSegments(4, columns=VALUE, weights=VALUE_WEIGHTS).fit(households)
    X = model.matrix_.transform(households)
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
    model = KMeansSegments(columns=VALUE, weights=VALUE_WEIGHTS, resamples=12, candidates=(2, 3, 4, 6, 10)).fit(
        households
    )
    chosen = {one.k: one for one in model.evidence_}[model.k_]
    assert chosen.allowed
    assert min(chosen.jaccard) >= STABLE
    assert np.bincount(model.labels_).min() == chosen.smallest >= 50
    assert not any(one.allowed for one in model.evidence_ if one.k > model.k_)
    assert [one.value for one in model.stability_] == pytest.approx(chosen.jaccard, abs=1e-4)
    again = [one.value for one in model.stability(households, resamples=12)]
    assert again == pytest.approx([one.value for one in model.stability_], abs=0.02)


def test_scaling_is_what_keeps_people_from_falling_into_one_heap(households):
    plain = np.nan_to_num(households.select(VALUE).to_pandas().to_numpy(dtype=float))
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
