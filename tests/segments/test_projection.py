import numpy as np
import pytest
from sklearn.decomposition import PCA

from coterie.errors import NoVariationError, ParameterError
from coterie.features.matrix import Matrix
from coterie.segments.projection import project
from coterie.segments.view import VALUE, VALUE_WEIGHTS


@pytest.fixture(scope="module")
def matrix(households):
    return Matrix(columns=VALUE, weights=VALUE_WEIGHTS).fit(households)


def test_the_map_is_sklearns_pca(households, matrix):
    drawn = project(households, np.zeros(len(households), dtype=int), matrix, points=len(households))
    pca = PCA(2).fit(matrix.transform(households).astype(float))
    theirs = pca.transform(matrix.transform(households).astype(float))
    theirs /= theirs.std(axis=0)
    assert drawn.shares == pytest.approx(tuple(pca.explained_variance_ratio_), rel=1e-6)
    for ours, other in ((drawn.x, theirs[:, 0]), (drawn.y, theirs[:, 1])):
        other = other * np.sign(np.dot(np.sort(ours), np.sort(other)))
        flipped = min(np.abs(np.sort(ours) - np.sort(other)).max(), np.abs(np.sort(ours) - np.sort(-other)).max())
        assert flipped < 1e-4


def test_more_spend_lies_to_the_right_in_any_order_of_people(households, matrix):
    labels = (households["spend"].to_numpy() < 50_000).astype(int)
    order = np.random.default_rng(2).permutation(len(labels))
    drawn, again = project(households, labels, matrix), project(households.take(order), labels[order], matrix)
    assert drawn.x[drawn.segment == 0].mean() > 0.5 > drawn.x[drawn.segment == 1].mean()
    np.testing.assert_allclose(again.x, drawn.x, atol=1e-9)
    np.testing.assert_array_equal(again.segment, drawn.segment)
    assert again.axes == drawn.axes
    assert drawn.axes[0].startswith("more ")
    assert "spend" in drawn.axes[0] or "orders" in drawn.axes[0]


def test_a_sample_keeps_every_segments_share(households, matrix):
    labels = np.zeros(len(households), dtype=int)
    labels[:400], labels[400] = 1, 2
    drawn = project(households, labels, matrix, points=500)
    sizes = np.bincount(drawn.segment)
    assert len(drawn.x) == len(drawn.y) == len(drawn.segment) <= 500
    assert drawn.people == 2372
    assert sizes[2] == 1
    assert sizes[1] == pytest.approx(500 * 400 / 2372, abs=1)
    assert len(project(households, labels, matrix, points=1).x) == 1


def test_nobody_is_drawn_of_a_small_segment(households, matrix):
    labels = np.zeros(len(households), dtype=int)
    labels[:400], labels[400:430] = 1, 2
    assert set(project(households, labels, matrix, minimum_group=31).segment) == {0, 1}
    assert set(project(households, labels, matrix, minimum_group=30, points=100).segment) == {0, 1, 2}
    assert not len(project(households, labels, matrix, minimum_group=5_000).x)


def test_the_first_points_of_a_segment_are_a_fair_part_of_it(households, matrix):
    """A page that may not tell how many there are draws the first so many."""
    drawn = project(households, np.zeros(len(households), dtype=int), matrix, points=2_000)
    assert abs(drawn.x[:1_000].mean() - drawn.x.mean()) < 0.1
    assert len(np.unique(np.sign(np.diff(drawn.x[:20])))) == 2


def test_one_feature_makes_a_line(three_kinds):
    drawn = project(three_kinds, np.zeros(150, dtype=int), Matrix(columns=["spend"]).fit(three_kinds))
    assert drawn.axes == ("more spend", "nothing else")
    assert (drawn.y == 0).all()
    assert drawn.shares == (1.0, 0.0)


def test_what_cannot_be_drawn_says_so(three_kinds):
    fitted = Matrix(columns=["spend"]).fit(three_kinds)
    with pytest.raises(ParameterError, match="labels"):
        project(three_kinds, np.zeros(3, dtype=int), fitted)
    with pytest.raises(ParameterError, match="points"):
        project(three_kinds, np.zeros(150, dtype=int), fitted, points=0)
    with pytest.raises(NoVariationError):
        project(three_kinds.take([1, 1, 1]), np.zeros(3, dtype=int), fitted)
