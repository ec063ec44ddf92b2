import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from sklearn.metrics import adjusted_rand_score

from coterie.errors import ParameterError, TooFewPeopleError
from coterie.segments import hierarchy
from coterie.segments.hierarchy import WardSegments

COLUMNS = ("recency_days", "orders", "spend")


@pytest.fixture(scope="module")
def tree(households):
    return WardSegments(5).fit(households)


def test_every_cut_is_scipys(tree, households):
    theirs = linkage(tree.matrix_.transform(households).astype(float), "ward")
    for k in (1, 2, 5, 9, 24, 200):
        assert adjusted_rand_score(fcluster(theirs, k, "maxclust"), tree.cut(k)) == 1.0
        assert len(np.unique(tree.cut(k))) == k
    np.testing.assert_array_equal(tree.cut(5), tree.labels_)


def test_cuts_lie_within_one_another(tree):
    for coarse, fine in ((2, 5), (5, 24)):
        pairs = {*zip(tree.cut(coarse).tolist(), tree.cut(fine).tolist(), strict=True)}
        assert len(pairs) == fine


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
    assert sorted(node.size for node in leaves) == sorted(np.bincount(tree.cut(24)).tolist())
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


def test_predict_goes_by_the_nearest_centre(tree, households):
    X = tree.matrix_.transform(households)
    nearest = np.square(X[:, None, :] - tree.centres_[None]).sum(axis=2).argmin(axis=1)
    np.testing.assert_array_equal(tree.predict(households), nearest)
    assert (tree.predict(households) == tree.labels_).mean() > 0.7


def test_kinds_that_are_there_come_back(three_kinds):
    model = WardSegments(3, columns=COLUMNS).fit(three_kinds)
    assert [one.value for one in model.stability(resamples=10)] == [1.0, 1.0, 1.0]
    arbitrary = WardSegments(6, columns=COLUMNS).fit(three_kinds).stability(resamples=10)
    assert min(one.value for one in arbitrary) < 0.7


def test_a_stored_tree_shows_itself_but_is_not_cut(tree, households):
    again = WardSegments.from_json(tree.to_json())
    assert again.tree() == tree.tree()
    np.testing.assert_array_equal(again.predict(households), tree.predict(households))
    for use in (lambda: again.cut(3), lambda: again.tree(5), again.stability):
        with pytest.raises(ParameterError, match="top of its tree"):
            use()


def test_too_many_people_are_refused_with_a_way_out(three_kinds, monkeypatch):
    monkeypatch.setattr(hierarchy, "LIMIT", 149)
    with pytest.raises(ParameterError, match="at most 149") as refused:
        WardSegments(3).fit(three_kinds)
    assert "KMeansSegments" in refused.value.hint
