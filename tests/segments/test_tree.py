"""The tree of segments as data."""

import json
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster
from sklearn.metrics import adjusted_rand_score

from coterie.errors import IntegrityError, ParameterError, TooFewPeopleError
from coterie.segments.hierarchy import WardSegments
from coterie.segments.linkage import weighted_ward
from coterie.segments.tree import SegmentTree


def grown(seed: int, leaves: int = 30, people: int = 40) -> SegmentTree:
    """A tree over made-up leaves of 1 to ``people`` people."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(leaves, 3)).astype(np.float32)
    weights = random.integers(1, people + 1, leaves).astype(float)
    return SegmentTree(
        centres,
        weights,
        random.uniform(0, 100, leaves).round(2),
        weighted_ward(centres, weights),
        ("orders", "recency_days"),
        random.normal(size=(leaves, 2)),
        random.integers(1, 9, (leaves, 2)).astype(float),
        np.array([3.0, 4.0]),
    )


@pytest.fixture
def tree():
    return grown(0)


SEEDS = st.integers(0, 2**32)


@settings(deadline=None, max_examples=25)
@given(SEEDS, st.integers(2, 40), st.data())
def test_it_is_one_tree(seed, leaves, data):
    tree = grown(seed, leaves)
    nodes = range(2 * leaves - 1)
    assert (tree.leaves, tree.people) == (leaves, tree.weights.sum())
    assert sorted(tree.inside(0)) == list(range(leaves))
    for node in nodes:
        kids = tree.children(node)
        assert all(tree.parent(kid) == node < kid for kid in kids)
        if kids:
            both = np.concatenate([tree.inside(kid) for kid in kids])
            np.testing.assert_array_equal(np.sort(both), np.sort(tree.inside(node)))
        else:
            assert len(tree.inside(node)) == 1
    node = data.draw(st.sampled_from(nodes))
    path = tree.path(node)
    assert (path[0], path[-1]) == (0, node)
    assert all(tree.parent(below) == above for above, below in pairwise(path))
    assert tree.parent(0) is None
    with pytest.raises(ParameterError):
        tree.children(2 * leaves - 1)


@settings(deadline=None, max_examples=25)
@given(SEEDS, st.integers(2, 40), st.data())
def test_cuts_are_scipys(seed, leaves, data):
    tree = grown(seed, leaves)
    k = data.draw(st.integers(1, leaves))
    groups = tree.cut(k)
    theirs = tree.linkage.copy()  # counting leaves in place of people
    theirs[:, 3] = [len(tree.inside(2 * leaves - 2 - group)) for group in range(leaves, 2 * leaves - 1)]
    assert adjusted_rand_score(fcluster(theirs, k, "maxclust"), groups) == 1.0
    assert len(np.unique(groups)) == k == groups.max() + 1
    height = data.draw(st.floats(0, float(tree.linkage[-1, 2]) * 1.1))
    assert adjusted_rand_score(fcluster(theirs, height, "distance"), tree.cut(height=height)) == 1.0
    worth = [np.average(tree.worth[groups == group], weights=tree.weights[groups == group]) for group in range(k)]
    assert worth == sorted(worth, reverse=True)


@settings(deadline=None, max_examples=60)
@given(SEEDS, st.integers(2, 40), st.integers(1, 400))
def test_a_cut_by_size_leaves_no_small_group(seed, leaves, least):
    tree = grown(seed, leaves)
    if least > tree.people:
        with pytest.raises(TooFewPeopleError):
            tree.cut(minimum_size=least)
        return
    if least == 1:
        assert len(np.unique(tree.cut(leaves, minimum_size=1))) == leaves
        return
    groups = tree.cut(minimum_size=least)
    sizes = np.bincount(groups, weights=tree.weights)
    assert sizes.min() >= least
    halves = [tree.inside(kid) for kid in tree.children(0)]
    if min(tree.weights[half].sum() for half in halves) >= least:
        assert len(sizes) >= 2


def test_an_outlier_neither_is_a_segment_nor_keeps_the_others_together():
    random = np.random.default_rng(0)
    centres = np.concatenate([random.normal(0, 0.1, (10, 2)), random.normal(5, 0.1, (10, 2)), [[1000, 1000]]])
    weights = np.append(np.full(20, 30.0), 1.0)
    nothing = np.zeros((21, 0))
    tree = SegmentTree(
        centres.astype(np.float32), weights, np.arange(21.0), weighted_ward(centres, weights), (), nothing, nothing,
        np.zeros(0),
    )  # fmt: skip
    assert sorted(np.bincount(tree.cut(2), weights=weights)) == [1, 600]
    assert sorted(np.bincount(tree.cut(minimum_size=200), weights=weights)) == [300, 301]
    assert np.bincount(tree.cut(2, minimum_size=200), weights=weights).tolist() == [301, 300]
    with pytest.raises(TooFewPeopleError):
        tree.cut(3, minimum_size=300)


@pytest.mark.parametrize(
    "where", [{}, {"k": 0}, {"k": 2.5}, {"height": -1.0}, {"height": np.nan}, {"minimum_size": 0}, {"minimum_size": 1}]
)
def test_a_cut_that_says_nothing_is_refused(tree, where):
    with pytest.raises(ParameterError):
        tree.cut(**where)


def test_more_groups_than_leaves_are_refused(tree):
    with pytest.raises(TooFewPeopleError, match=r"it tells [0-9]+ groups apart"):
        tree.cut(31)


@settings(deadline=None, max_examples=25)
@given(SEEDS, st.integers(3, 40), st.data())
def test_what_is_divided_was_joined(seed, leaves, data):
    tree = grown(seed, leaves)
    k = data.draw(st.integers(1, leaves - 1))
    groups = tree.cut(k)
    split = max(range(k), key=lambda group: int((groups == group).sum()))
    inside = np.flatnonzero(groups == split)
    parts = tree.divide(inside, 2)
    assert set(parts) == {0, 1}
    again = groups.copy()
    again[inside[parts == 1]] = k
    finer = {tuple(np.flatnonzero(tree.cut(j) == group)) for j in range(1, leaves + 1) for group in range(j)}
    assert {tuple(np.flatnonzero(again == group)) for group in range(k + 1)} <= finer
    worth = [
        np.average(tree.worth[inside[parts == part]], weights=tree.weights[inside[parts == part]]) for part in (0, 1)
    ]
    assert worth[0] >= worth[1]


@settings(deadline=None, max_examples=25)
@given(SEEDS, st.integers(4, 40))
def test_what_was_merged_by_hand_comes_apart_again(seed, leaves):
    tree = grown(seed, leaves)
    groups = tree.cut(4)
    merged = np.flatnonzero(np.isin(groups, [0, 3]))
    parts = tree.divide(merged)
    assert adjusted_rand_score(groups[merged], parts) == 1.0
    with pytest.raises(TooFewPeopleError):
        tree.divide(merged[:1])


@settings(deadline=None, max_examples=20)
@given(SEEDS, st.integers(2, 30), st.data())
def test_levels_of_detail_agree(seed, leaves, data):
    tree = grown(seed, leaves)
    held = np.eye(2)[tree.cut(2)] * tree.weights[:, None]
    fine = {node.node: node for node in tree.nodes(leaves, held)}
    assert len(fine) == 2 * leaves - 1
    coarse = tree.nodes(data.draw(st.integers(1, leaves)), held)
    assert coarse[0].name == "Everybody"
    assert len({node.name for node in coarse}) == len(coarse)
    for node in coarse:
        other = fine[node.node]
        assert (node.parent, node.height, node.size, node.segment) == (
            other.parent,
            other.height,
            other.size,
            other.segment,
        )
        assert node.size == tree.weights[tree.inside(node.node)].sum()
    assert {node.segment for node in coarse[1:3]} <= {0, 1}


def test_names_say_what_is_true(households):
    nodes = WardSegments(5).fit(households).tree(40)
    assert len(nodes) == 79
    assert len({node.name for node in nodes}) == 79
    assert not any("(2)" in node.name for node in nodes)


def test_nodes_are_named_by_what_the_tree_sees(households):
    """Two ages and two kinds of homes, whoever buys how much; a tree of purchases does not speak of them."""
    random = np.random.default_rng(3)
    people = households.append_column("age", pa.array(random.choice(["19-24", "65+"], len(households))))
    people = people.append_column("home_ownership", pa.array(random.choice(["Homeowner", "Renter"], len(households))))
    model = WardSegments(4, columns=["age", "home_ownership"]).fit(people)
    names = {node.name for node in model.tree(4) if node.height == 0 or node.segment is not None}
    assert names >= {"Homeowners, 19-24", "Homeowners, 65+", "Renters, 19-24", "Renters, 65+"}
    again = WardSegments.from_json(json.loads(json.dumps(model.to_json(), allow_nan=False)))
    assert again.tree() == model.tree()
    plain = WardSegments(4, columns=["recency_days", "spend"]).fit(people).tree(4)
    assert not any(word in node.name for node in plain for word in ("19", "65", "Homeowner", "Renter"))


def test_a_tree_of_before_is_named_by_purchases(households):
    body = WardSegments(4).fit(households).tree_.to_json()
    names = [node.name for node in SegmentTree.from_json(body).nodes()]
    del body["seen"], body["levels"]
    assert [node.name for node in SegmentTree.from_json(body).nodes()] == names


def test_people_alike_are_not_told_apart():
    same = np.zeros((3, 2), dtype=np.float32)
    nothing = np.zeros((3, 0))
    tree = SegmentTree(same, np.ones(3), np.zeros(3), weighted_ward(same), (), nothing, nothing, np.zeros(0))
    assert tree.distinct == 1
    assert [node.size for node in tree.nodes(3)] == [3]
    with pytest.raises(TooFewPeopleError):
        tree.cut(2)


@settings(deadline=None, max_examples=20)
@given(SEEDS, st.integers(1, 40))
def test_it_comes_back_as_it_was(seed, leaves):
    tree = grown(seed, leaves)
    tree.typical[0] = np.nan
    again = SegmentTree.from_json(json.loads(json.dumps(tree.to_json(), allow_nan=False)))
    for name in ("centres", "weights", "worth", "linkage", "effects", "typical", "base"):
        ours, theirs = getattr(again, name), getattr(tree, name)
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    assert again.nodes(leaves) == tree.nodes(leaves)


def test_what_is_no_tree_is_refused(tree):
    body = tree.to_json()
    del body["linkage"]
    with pytest.raises(IntegrityError, match="linkage"):
        SegmentTree.from_json(body)
