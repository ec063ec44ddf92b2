"""Small groups that stand for many people, and the tree over them beside the exact one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.cluster.hierarchy import ward
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from coterie.features.matrix import Matrix
from coterie.progress import SILENT
from coterie.segments.leaves import from_groups, polished
from coterie.segments.linkage import topmost
from coterie.segments.microclusters import drawn, hashed, means, microclusters
from coterie.segments.people import nearest


def made_up(people: int, columns: int = 12, seed: int = 0) -> np.ndarray:
    """People of eight kinds of unequal size, whose features hang together."""
    random = np.random.default_rng(seed)
    kind = random.choice(8, people, p=random.dirichlet(np.full(8, 2.0)))
    traits = random.normal(size=(8, 4))[kind] + random.normal(0, 0.6, (people, 4))
    return (traits @ random.normal(size=(4, columns)) + random.normal(0, 0.5, (people, columns))).astype(np.float32)


def inertia(X: np.ndarray, labels: np.ndarray) -> float:
    groups = [X[labels == label].astype(float) for label in np.unique(labels)]
    return sum(np.square(group - group.mean(axis=0)).sum() for group in groups)


@pytest.fixture(scope="module")
def people():
    return made_up(30_000)


@pytest.fixture(scope="module")
def small(people):
    return microclusters(people, 500)


def test_it_says_who_is_where(people, small):
    assert 400 < len(small.weights) <= 500
    assert (small.of_person.dtype, small.centres.dtype) == (np.int32, np.float32)
    np.testing.assert_array_equal(np.bincount(small.of_person), small.weights)
    assert small.weights.min() >= 1
    for group in (0, 17, 211):
        np.testing.assert_allclose(people[small.of_person == group].mean(axis=0), small.centres[group], atol=1e-5)


def test_nearly_all_are_in_the_nearest(people, small):
    away = np.square(people - small.centres[small.of_person]).sum()
    best = np.square(people - small.centres[nearest(people, small.centres)]).sum()
    assert away < 1.05 * best
    sample = people[:5_000]
    kmeans = KMeans(500, init="random", n_init=1, max_iter=5, random_state=0).fit(people[5_000:20_000]).cluster_centers_
    theirs = np.square(sample - kmeans[nearest(sample, kmeans)]).sum()
    ours = np.square(sample - small.centres[nearest(sample, small.centres)]).sum()
    assert ours < 1.06 * theirs  # though it looks at few of the centres


def test_the_order_of_people_changes_nothing(people, small):
    for seed in range(2):
        order = np.random.default_rng(seed).permutation(len(people))
        other = microclusters(people[order], 500)
        np.testing.assert_array_equal(other.of_person, small.of_person[order])
        np.testing.assert_array_equal(other.centres, small.centres)


def test_a_seed_is_a_choice(people, small):
    again, other = microclusters(people, 500), microclusters(people, 500, seed=1)
    np.testing.assert_array_equal(again.of_person, small.of_person)
    assert not np.array_equal(other.centres[:3], small.centres[:3])


def ratios(X: np.ndarray, count: int, seeds: int, polish: bool = False) -> np.ndarray:
    """Inertia of cuts over small groups, in parts of that of cuts over all pairs: shape (seeds, 2 … 10)."""
    exact = ward(X.astype(float))
    cuts = range(2, 11)
    best = [inertia(X, topmost(exact, k)[1]) for k in cuts]
    found = []
    for seed in range(seeds):
        grown = from_groups(X, count, seed, SILENT)
        tops = [topmost(grown.linkage, k)[1] for k in cuts]
        if polish:
            tops = [polished(grown.centres, grown.weights, top) for top in tops]
        found.append([inertia(X, top[grown.of_person]) for top in tops])
    return np.array(found) / best


def test_cuts_are_about_as_tight_as_those_of_the_exact_tree(households):
    """Single cuts of either tree may be better or worse, since both join greedily."""
    X = Matrix().fit(households).transform(households)
    for people, count in ((X, 500), (made_up(4_000), 1_000)):
        found = ratios(people, count, 4)
        assert found.mean() <= 1.01
        assert found.max() <= 1.15


@pytest.mark.slow
def test_polished_cuts_are_tighter_than_those_of_the_exact_tree():
    for seed in (5, 6, 7):
        assert ratios(made_up(5_000, 20, seed), 1_000, 1, polish=True).max() <= 1.01


@pytest.mark.parametrize("times", [1, 400])
def test_few_who_differ_make_few_groups(times):
    people = np.repeat(np.array([[0, 0], [1, 0], [5, 5]], dtype=np.float32), times, axis=0)
    small = microclusters(people, 200)
    np.testing.assert_array_equal(np.unique(small.centres, axis=0), [[0, 0], [1, 0], [5, 5]])
    np.testing.assert_array_equal(small.weights, [times] * 3)
    assert adjusted_rand_score(np.repeat([0, 1, 2], times), small.of_person) == 1.0


def test_all_alike_but_one():
    people = np.zeros((50_000, 3), dtype=np.float32)
    people[31_337] = 9
    small = microclusters(people, 100)
    assert sorted(small.weights) in ([50_000], [1, 49_999])  # the one may escape the sample, but nobody gets lost


def test_one_far_away_does_not_take_the_groups_of_all(people):
    spoilt = people.copy()
    spoilt[12_345] = 1e6
    small = microclusters(spoilt, 500)
    assert len(small.weights) > 400
    assert small.weights.sum() == len(people)
    rest = small.of_person != small.of_person[12_345]
    assert rest.sum() > 0.99 * len(people)


def test_a_sample_gives_equal_people_their_share():
    people = made_up(20_000, 3)
    people[:6_000] = 0
    sample = people[drawn(np.argsort(hashed(people)), 1_000)]
    assert len(sample) == 1_000
    assert (sample == 0).all(axis=1).sum() in (299, 300, 301)
    np.testing.assert_allclose(sample.mean(axis=0), people.mean(axis=0), atol=0.15)


@settings(deadline=None, max_examples=50)
@given(
    arrays.arrays(
        np.float32, st.tuples(st.integers(1, 300), st.integers(1, 5)), elements=st.floats(-1e6, 1e6, width=32)
    ),
    st.integers(0, 2**32),
)
def test_means_are_the_same_in_any_order(values, seed):
    random = np.random.default_rng(seed)
    groups = np.append(np.arange(3), random.integers(0, 3, len(values)))[: len(values)]
    groups = np.unique(groups, return_inverse=True)[1]
    count = int(groups.max()) + 1
    order = random.permutation(len(values))
    found = means(values, groups, count)
    np.testing.assert_array_equal(means(values[order], groups[order], count), found)
    for group in range(count):
        true = values[groups == group].astype(float).mean(axis=0)
        np.testing.assert_allclose(found[group], true, atol=1e-10 * np.abs(values).max(axis=0).max() + 1e-30)


@settings(deadline=None, max_examples=50)
@given(
    arrays.arrays(np.float32, st.tuples(st.integers(1, 60), st.integers(1, 5)), elements=st.sampled_from([0, 1, 2.5]))
)
def test_rows_have_one_hash_if_they_are_equal(rows):
    keys = hashed(rows)
    assert len(np.unique(keys)) == len(np.unique(rows, axis=0))
    assert (hashed(rows, seed=1) != keys).any() == rows.any()


def test_it_tells_how_far_it_is(people):
    class Watched:
        def __init__(self):
            self.steps = []

        def step(self, name, done, total=None):
            self.steps.append((name, done, total))

    watched = Watched()
    microclusters(np.concatenate([people] * 3), 50, progress=watched)
    assert {name for name, _, _ in watched.steps} == {"small groups"}
    assert [done for _, done, _ in watched.steps] == sorted(done for _, done, _ in watched.steps)
    assert len(watched.steps) > 2
    assert watched.steps[-1] == ("small groups", 90_000, 90_000)
