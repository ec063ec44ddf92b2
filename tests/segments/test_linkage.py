"""Ward's tree over weighted points, beside SciPy's and fastcluster's."""

import fastcluster
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.cluster.hierarchy import fcluster, is_valid_linkage, linkage
from sklearn.metrics import adjusted_rand_score

from coterie.errors import ParameterError
from coterie.segments.linkage import topmost, weighted_ward
from oracles.ward import cheapest, joined

GRIDS = arrays.arrays(
    np.float64, st.tuples(st.integers(2, 11), st.integers(1, 3)), elements=st.sampled_from([0.0, 1, 2])
)
SCALES = st.sampled_from([1e-6, 1.0, 1e6])


def made_up(seed: int, count: int, columns: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, columns))


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32), st.integers(2, 60), st.integers(1, 8), SCALES)
def test_with_unit_weights_it_is_scipys_and_fastclusters(seed, count, columns, scale):
    points = made_up(seed, count, columns) * scale
    ours = weighted_ward(points)
    for theirs in (linkage(points, "ward"), fastcluster.linkage(points, "ward")):
        np.testing.assert_allclose(ours[:, 2], theirs[:, 2], rtol=1e-12, atol=0)
        np.testing.assert_array_equal(ours[:, [0, 1, 3]], np.column_stack([np.sort(theirs[:, :2]), theirs[:, 3]]))


@settings(deadline=None, max_examples=60)
@given(GRIDS)
def test_at_ties_it_joins_what_is_cheapest_too(points):
    """Where several pairs cost alike, any may come first; each join is still one that nothing beats."""
    ours, theirs = weighted_ward(points), fastcluster.linkage(points, "ward")
    assert is_valid_linkage(ours)
    for height, groups in zip(ours[:, 2], joined(ours), strict=True):
        assert height == pytest.approx(cheapest(points, np.ones(len(points)), groups), rel=1e-7, abs=1e-6)
    distinct = len(np.unique(points, axis=0))
    for found in (ours, theirs):
        assert (found[:, 2] > 1e-9).sum() == distinct - 1  # those who are alike join first, at height 0
    np.testing.assert_allclose(
        ours[: len(points) - distinct + 1, 2], theirs[: len(points) - distinct + 1, 2], atol=1e-12
    )


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32), st.integers(2, 25), st.integers(1, 4), st.data())
def test_weights_are_repeated_points(seed, count, columns, data):
    points = made_up(seed, count, columns)
    times = np.array(data.draw(st.lists(st.integers(1, 6), min_size=count, max_size=count)))
    ours = weighted_ward(points, times)
    repeated = fastcluster.linkage(np.repeat(points, times, axis=0), "ward")
    np.testing.assert_allclose(ours[:, 2], repeated[len(repeated) - count + 1 :, 2], rtol=1e-12, atol=0)
    assert ours[-1, 3] == times.sum()
    for k in range(2, count):
        theirs = fcluster(repeated, k, "maxclust")
        assert adjusted_rand_score(theirs, np.repeat(topmost(ours, k)[1], times)) == 1.0


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32), st.integers(3, 15))
def test_any_weights_follow_the_criterion(seed, count):
    points = made_up(seed, count, 3)
    weights = np.random.default_rng(seed + 1).uniform(0.1, 1000, count)
    ours = weighted_ward(points, weights)
    for height, groups in zip(ours[:, 2], joined(ours), strict=True):
        assert height == pytest.approx(cheapest(points, weights, groups), rel=1e-6)
    assert ours[-1, 3] == pytest.approx(weights.sum())


def test_a_common_weight_only_raises_heights():
    points = made_up(0, 300, 4)
    np.testing.assert_allclose(
        weighted_ward(points, np.full(300, 9.0))[:, :3] / [1, 1, 3], weighted_ward(points)[:, :3], rtol=1e-12
    )


def test_large_ones_are_alike_too():
    points = made_up(7, 900, 12)
    ours, theirs = weighted_ward(points), fastcluster.linkage(points, "ward")
    np.testing.assert_allclose(ours[:, 2], theirs[:, 2], rtol=1e-12)
    np.testing.assert_array_equal(ours[:, :2], np.sort(theirs[:, :2]))


def test_points_far_from_nought_lose_nothing():
    points = made_up(3, 80, 3)
    np.testing.assert_allclose(weighted_ward(points + 1e4)[:, 2], weighted_ward(points)[:, 2], rtol=1e-9)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32), st.integers(2, 40), st.data())
def test_the_top_of_a_tree_is_its_cut(seed, count, data):
    whole = weighted_ward(made_up(seed, count, 2))
    leaves = data.draw(st.integers(1, count))
    top, leaf = topmost(whole, leaves)
    assert top.shape == (leaves - 1, 4)
    np.testing.assert_array_equal(top[:, 2:], whole[count - leaves :, 2:])
    if leaves > 1:
        assert adjusted_rand_score(fcluster(whole, leaves, "maxclust"), leaf) == 1.0
        again, _ = topmost(top, leaves)
        np.testing.assert_array_equal(again, top)
        halves = topmost(whole, 2)[1]
        assert adjusted_rand_score(halves, topmost(top, 2)[1][leaf]) == 1.0


def test_one_point_is_a_tree_without_joins():
    assert weighted_ward([[1.0, 2.0]]).shape == (0, 4)


@pytest.mark.parametrize(
    ("points", "weights"),
    [
        ([1.0, 2.0], None),
        (np.empty((0, 2)), None),
        ([[1.0], [np.nan]], None),
        ([[1.0], [2.0]], [1.0]),
        ([[1.0], [2.0]], [1.0, 0.0]),
        ([[1.0], [2.0]], [1.0, np.inf]),
    ],
)
def test_what_is_no_table_of_weighted_points_is_refused(points, weights):
    with pytest.raises(ParameterError):
        weighted_ward(points, weights)
