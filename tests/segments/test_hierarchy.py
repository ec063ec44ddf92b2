import json

import numpy as np
import pyarrow as pa
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from sklearn.metrics import adjusted_rand_score

from coterie.errors import IntegrityError, NoVariationError, ParameterError, TooFewPeopleError
from coterie.segments.hierarchy import WardSegments
from coterie.segments.people import nearest

COLUMNS = ("recency_days", "orders", "spend")


@pytest.fixture(scope="module")
def tree(households):
    return WardSegments(5).fit(households)


@pytest.fixture(scope="module")
def crowd():
    """25,000 made-up people: too many for all pairs."""
    random = np.random.default_rng(1)
    kind = random.integers(0, 6, 25_000)
    return pa.table(
        {
            "orders": np.ceil(np.exp(random.normal(kind / 3, 0.4))).astype(int),
            "spend": (np.exp(random.normal(8 + kind % 3, 0.5))).astype(int),
            "recency_days": np.exp(random.normal(4 - kind % 2, 0.6)),
            "discount_share": random.beta(2 + kind, 6),
        }
    )


@pytest.fixture(scope="module")
def large(crowd):
    return WardSegments(6).fit(crowd)


def inertia(X, labels):
    groups = [X[labels == label].astype(float) for label in np.unique(labels)]
    return sum(np.square(group - group.mean(axis=0)).sum() for group in groups)


def test_every_cut_is_scipys(tree, households):
    theirs = linkage(tree.matrix_.transform(households).astype(float), "ward")
    for k in (2, 5, 9, 24, 200):
        cut = tree.cut(k)
        assert adjusted_rand_score(fcluster(theirs, k, "maxclust"), cut.labels_) == 1.0
        assert (cut.k_, len(np.unique(cut.labels_))) == (k, k)
    np.testing.assert_allclose(tree.tree_.linkage[:, 2], theirs[-len(tree.tree_.linkage) :, 2], rtol=1e-12)
    assert tree.method_ == "Ward on all pairs of 2,372 people"
    np.testing.assert_array_equal(tree.cut(5).labels_, tree.labels_)


def test_cuts_lie_within_one_another(tree):
    for coarse, fine in ((2, 5), (5, 24)):
        pairs = {*zip(tree.cut(coarse).labels_.tolist(), tree.cut(fine).labels_.tolist(), strict=True)}
        assert len(pairs) == fine


def test_cuts_by_height_and_by_size(tree, large):
    for model in (tree, large):
        heights = model.tree_.linkage[:, 2]
        assert model.cut(height=(heights[-4] + heights[-5]) / 2).fingerprint == model.cut(5).fingerprint
        by_size = model.cut(minimum_size=150)
        assert by_size.k_ > 2
        assert np.bincount(by_size.labels_).min() >= 150
        assert by_size.worth_.tolist() == sorted(by_size.worth_, reverse=True)


def test_the_tree_adds_up(tree):
    nodes = tree.tree()
    assert len(nodes) == 2 * 24 - 1
    root = nodes[0]
    assert (root.node, root.parent, root.name, root.segment) == (0, None, "Everybody", None)
    assert root.size == 2372
    names = [node.name for node in nodes]
    assert len(set(names)) == len(names)
    for node in nodes[1:]:
        assert node.parent < node.node
        assert node.height <= nodes[node.parent].height
    parents = {node.parent for node in nodes}
    for node in nodes:
        if node.node in parents:
            parts = [other for other in nodes if other.parent == node.node]
            assert sum(part.size for part in parts) == node.size
            if node.segment is not None:
                assert {part.segment for part in parts} == {node.segment}
    leaves = [node for node in nodes if node.node not in parents]
    assert len(leaves) == 24
    assert sorted(node.size for node in leaves) == sorted(np.bincount(tree.cut(24).labels_).tolist())
    sizes = np.bincount([node.segment for node in leaves], weights=[node.size for node in leaves])
    assert sizes.tolist() == np.bincount(tree.labels_).tolist()


def test_other_numbers_of_leaves(tree, three_kinds):
    assert len(tree.tree(3)) == 5
    assert [node.segment for node in tree.tree(1)] == [None]
    few = WardSegments(2, columns=COLUMNS).fit(three_kinds.take([0, 60, 90] * 5))
    assert len(few.tree()) == 5  # three who differ cannot be told apart further
    with pytest.raises(TooFewPeopleError):
        few.cut(4)
    with pytest.raises(ParameterError):
        tree.cut(0)


def test_nodes_tell_the_segments_of_another_origin(tree, large, crowd):
    own = tree.tree(labels=tree.labels_)
    assert [node.segment for node in own if node.segment is None or node.size > 0][:1] == [None]
    assert {node.node for node in tree.tree() if node.segment is not None} <= {
        node.node for node in own if node.segment is not None
    }
    named = large.tree(12, labels=large.predict(crowd))
    assert {node.segment for node in named} - {None} == set(range(6))
    with pytest.raises(ParameterError, match="labels"):
        tree.tree(labels=[0, 1])


def test_predict_goes_by_the_nearest_leaf(tree, households):
    X = tree.matrix_.transform(households)
    leaf = nearest(X, tree.tree_.centres)
    np.testing.assert_array_equal(tree.predict(households), tree.owners_[leaf])
    assert (tree.predict(households) == tree.labels_).mean() > 0.95
    assert tree.tree_.leaves == 237
    assert tree.tree_.people == 2372


def test_more_people_than_all_pairs_allow(large, crowd):
    assert large.method_.startswith("Ward on 1,9")
    assert large.method_.endswith("small groups of 25,000 people")
    np.testing.assert_array_equal(large.predict(crowd), large.labels_)
    np.testing.assert_array_equal(
        np.bincount(large.labels_), [large.weights_[large.owners_ == k].sum() for k in range(6)]
    )
    X = large.matrix_.transform(crowd)
    assert large.inertia_ == pytest.approx(inertia(X, large.labels_), rel=0.002)
    sizes = {node.segment: 0 for node in large.tree() if node.segment is not None}
    assert len(sizes) == 6
    assert len({node.name for node in large.tree(60)}) == 119


def test_the_order_of_many_people_changes_nothing(large, crowd):
    order = np.random.default_rng(0).permutation(len(crowd))
    other = WardSegments(6).fit(crowd.take(order))
    np.testing.assert_array_equal(other.labels_, large.labels_[order])
    assert other.fingerprint == large.fingerprint
    assert other.tree(40) == large.tree(40)


def test_seeds_give_cuts_about_as_tight(large, crowd):
    other = WardSegments(6, seed=1).fit(crowd)
    assert other.fingerprint != large.fingerprint
    assert other.inertia_ == pytest.approx(large.inertia_, rel=0.05)


@pytest.mark.parametrize("model", ["tree", "large"])
def test_polish_tightens_a_cut(request, model, households, crowd):
    rough, people = request.getfixturevalue(model), households if model == "tree" else crowd
    X = rough.matrix_.transform(people)
    smooth = WardSegments(rough.k_, polish=True).fit(people)
    assert smooth.prototypes_.shape == smooth.centres_.shape == (rough.k_, X.shape[1])
    np.testing.assert_array_equal(smooth.predict(people), smooth.labels_)
    assert inertia(X, smooth.labels_) < 0.99 * inertia(X, rough.labels_)
    assert smooth.inertia_ < rough.inertia_
    finer = smooth.cut(8)
    assert (finer.k_, len(finer.prototypes_)) == (8, 8)
    again = WardSegments(8, polish=True).fit(people)
    np.testing.assert_array_equal(finer.predict(people), again.labels_)
    np.testing.assert_array_equal(smooth.cut(8, frame=people).labels_, again.labels_)
    if model == "tree":
        np.testing.assert_array_equal(finer.labels_, again.labels_)
    else:
        assert not hasattr(finer, "labels_")


@pytest.mark.parametrize("polish", [False, True])
def test_segments_are_merged_and_split_by_hand(households, polish):
    model = WardSegments(5, polish=polish).fit(households)
    labels = model.predict(households)
    one = model.merge(1, 3)
    new = np.array(one.renumbered_)
    np.testing.assert_array_equal(one.predict(households), new[labels])
    np.testing.assert_array_equal(one.labels_, new[model.labels_])
    assert one.inertia_ > model.inertia_ > model.split(0).inertia_
    parts = one.split(int(new[1]))
    assert parts.k_ == 5
    assert parts.worth_.tolist() == sorted(parts.worth_, reverse=True)
    assert len(np.unique(parts.labels_)) == 5
    others = one.predict(households) != new[1]
    np.testing.assert_array_equal(
        parts.predict(households)[others], np.array(parts.renumbered_)[one.predict(households)[others]]
    )
    if not polish:  # it comes apart where it was joined
        assert adjusted_rand_score(parts.predict(households), labels) == 1.0
    told = model.split(0, households, parts=3)
    np.testing.assert_array_equal(told.labels_, told.predict(households))
    assert told.k_ == 7
    with pytest.raises(ParameterError):
        model.split(9)
    with pytest.raises(TooFewPeopleError):
        model.split(0, parts=2_000)


def test_one_split_is_the_next_cut(tree):
    finer = tree.cut(6)
    split = [segment for segment in range(5) if len(np.unique(finer.labels_[tree.labels_ == segment])) == 2]
    assert adjusted_rand_score(tree.split(split[0]).labels_, finer.labels_) == 1.0


@pytest.mark.parametrize("polish", [False, True])
def test_a_stored_model_is_as_good_as_new(households, polish):
    model = WardSegments(5, polish=polish).fit(households)
    again = WardSegments.from_json(json.loads(json.dumps(model.to_json(), allow_nan=False)))
    assert again.fingerprint == model.fingerprint
    assert again.tree(9) == model.tree(9)
    for change in (
        lambda one: one,
        lambda one: one.cut(7),
        lambda one: one.cut(minimum_size=200),
        lambda one: one.merge(0, 2).split(1),
        lambda one: one.split(0).cut(3),
    ):
        np.testing.assert_array_equal(change(again).predict(households), change(model).predict(households))
    edited = model.split(2)
    kept = WardSegments.from_json(json.loads(json.dumps(edited.to_json())))
    np.testing.assert_array_equal(kept.predict(households), edited.predict(households))
    assert kept.inertia_ == edited.inertia_
    for use in (again.stability, lambda: again.tree(labels=model.labels_)):
        with pytest.raises(ParameterError, match="people of fit"):
            use()
    body = model.to_json()
    del body["tree"]
    with pytest.raises(IntegrityError):
        WardSegments.from_json(body)


def test_a_stored_model_holds_no_person(tree, large):
    for model, people in ((tree, 2372), (large, 25_000)):
        assert model.tree_.leaves < people / 9
        assert model.tree_.fewest >= 1
        assert len(json.dumps(model.to_json())) < 1_500_000


def test_kinds_that_are_there_come_back(three_kinds):
    model = WardSegments(3, columns=COLUMNS).fit(three_kinds)
    assert [one.value for one in model.stability(resamples=10)] == [1.0, 1.0, 1.0]
    assert model.comes_again
    assert not WardSegments.from_json(model.to_json()).comes_again  # a stored tree holds no people to resample
    arbitrary = WardSegments(6, columns=COLUMNS).fit(three_kinds).stability(resamples=10)
    assert min(one.value for one in arbitrary) < 0.7


def test_the_number_of_segments_is_found(three_kinds):
    model = WardSegments(None, columns=COLUMNS, minimum_size=30, resamples=20).fit(three_kinds)
    assert (model.k_, model.warning_) == (3, "")
    assert [one.k for one in model.evidence_] == [2, 3, 4, 5]
    assert [one.allowed for one in model.evidence_][1] is True
    assert [one.value for one in model.stability_] == [1.0, 1.0, 1.0]
    assert np.diff([one.inertia for one in model.evidence_]).max() < 0
    assert model.cut(2).stability_ == ()
    with pytest.raises(TooFewPeopleError):
        WardSegments(None, columns=COLUMNS, minimum_size=80).fit(three_kinds)
    with pytest.raises(ParameterError, match="candidates"):
        WardSegments(None, candidates=(1, 2)).fit(three_kinds)


def test_polish_is_judged_as_it_is_done(households):
    rough, smooth = (
        WardSegments(None, candidates=(2,), resamples=5, polish=polish).fit(households.slice(0, 1_200))
        for polish in (False, True)
    )
    weakest = [min(min(one.jaccard) for one in model.evidence_) for model in (rough, smooth)]
    assert weakest[1] > weakest[0] + 0.05


def test_long_work_tells_how_far_it_is(crowd, three_kinds):
    class Watched:
        def __init__(self):
            self.steps = []

        def step(self, name, done, total=None):
            self.steps.append(name)

    watched = Watched()
    WardSegments(3, progress=watched).fit(crowd)
    assert list(dict.fromkeys(watched.steps)) == ["small groups", "nearest groups"]
    silent = Watched()
    WardSegments(3, progress=silent).fit(three_kinds)
    assert silent.steps == []


@pytest.mark.parametrize("limit", [20_000, 10])
def test_degenerate_people(limit):
    """On all pairs, and on small groups."""
    twins = pa.table({"orders": [1, 1, 9, 9, 30, 30] * 5, "spend": [5, 5, 80, 80, 900, 900] * 5})
    model = WardSegments(3, exact=limit).fit(twins)
    assert model.labels_.tolist() == [2, 2, 1, 1, 0, 0] * 5
    np.testing.assert_array_equal(model.predict(twins), model.labels_)
    assert model.tree_.weights.tolist() == [10, 10, 10]
    with pytest.raises(TooFewPeopleError):
        WardSegments(4, exact=limit).fit(twins)
    one_apart = pa.table({"orders": [3] * 59 + [80], "spend": [100] * 59 + [9_000]})
    assert np.bincount(WardSegments(2, scaling="standard", exact=limit).fit(one_apart).labels_).tolist() == [1, 59]
    with pytest.raises(NoVariationError):
        WardSegments(2, exact=limit).fit(pa.table({"orders": [3] * 40}))
    three = WardSegments(2, exact=limit).fit(pa.table({"orders": [1, 2, 30], "spend": [1, 2, 900]}))
    assert three.labels_.tolist() == [1, 1, 0]
    assert three.cut(3).k_ == 3
    dominant = np.random.default_rng(0).normal(size=(500, 3))
    dominant[7, 0] = 1e9
    found = WardSegments(4, scaling="standard", exact=limit).fit(dominant)
    assert np.bincount(found.labels_).min() >= 1
    assert found.cut(4, minimum_size=20).labels_.shape == (500,)
