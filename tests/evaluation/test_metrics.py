import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import r2_score, roc_auc_score

from coterie.errors import ParameterError, TooFewPeopleError
from coterie.evaluation import metrics
from coterie.evaluation.splits import folds

PEOPLE = st.integers(2, 60)


@st.composite
def groupings(draw, count=2):
    people = draw(PEOPLE)
    return [draw(hnp.arrays(np.int64, people, elements=st.integers(0, 5))) for _ in range(count)]


@st.composite
def scored(draw):
    people = draw(PEOPLE)
    happened = draw(hnp.arrays(bool, people))
    score = draw(hnp.arrays(np.float64, people, elements=st.integers(-4, 4).map(float)))
    return happened, score


@given(scored())
def test_auc_is_sklearns_and_turns_round_with_the_score(case):
    happened, score = case
    if happened.all() or not happened.any():
        assert np.isnan(metrics.auc(happened, score))
        return
    assert metrics.auc(happened, score) == pytest.approx(roc_auc_score(happened, score), abs=1e-12)
    assert metrics.auc(happened, -score) == pytest.approx(1 - metrics.auc(happened, score), abs=1e-12)


@given(scored())
def test_r2_is_sklearns(case):
    _, outcome = case
    prediction = np.roll(outcome, 1) / 2
    if np.ptp(outcome) == 0:
        assert np.isnan(metrics.r2(outcome, prediction))
    else:
        assert metrics.r2(outcome, prediction) == pytest.approx(r2_score(outcome, prediction), abs=1e-9)


@given(groupings(), st.randoms())
def test_figures_of_groupings_ignore_their_names_and_the_order_of_people(case, random):
    a, b = case
    renamed = np.array([7, 3, 11, 2, 5, 0])[a]
    order = np.array(random.sample(range(len(a)), len(a)))
    assert sorted(metrics.jaccard(renamed, b)) == pytest.approx(sorted(metrics.jaccard(a, b)))
    np.testing.assert_allclose(metrics.jaccard(a[order], b[order]), metrics.jaccard(a, b))
    if np.ptp(b):
        assert metrics.r2_of_groups(b, renamed) == pytest.approx(metrics.r2_of_groups(b, a))
        assert metrics.r2_of_groups(b[order], a[order]) == pytest.approx(metrics.r2_of_groups(b, a))


@given(groupings())
def test_jaccard_is_the_best_overlap_by_sets(case):
    a, b = case
    sets = [{*np.flatnonzero(b == other)} for other in np.unique(b)]
    expected = []
    for group in np.unique(a):
        own = {*np.flatnonzero(a == group)}
        expected.append(max(len(own & other) / len(own | other) for other in sets))
    np.testing.assert_allclose(metrics.jaccard(a, b), expected)


@given(groupings())
def test_group_means_are_the_means_of_groups_in_and_out_of_fold(case):
    groups, outcome = case
    fold = np.arange(len(groups)) % 2
    inside, outside = metrics.group_means(outcome, groups), metrics.out_of_fold_means(outcome, groups, fold)
    for person in range(len(groups)):
        same = groups == groups[person]
        assert inside[person] == pytest.approx(outcome[same].mean())
        elsewhere = fold != fold[person]
        pool = outcome[same & elsewhere] if (same & elsewhere).any() else outcome[elsewhere]
        assert outside[person] == pytest.approx(pool.mean())


def test_in_sample_r2_of_groups_never_falls_below_zero_and_finer_groups_explain_more():
    random = np.random.default_rng(1)
    outcome, coarse = random.normal(size=500), random.integers(0, 4, 500)
    fine = coarse * 10 + random.integers(0, 10, 500)
    assert 0 <= metrics.r2_of_groups(outcome, coarse) <= metrics.r2_of_groups(outcome, fine)
    assert metrics.r2_of_groups(outcome, fine, folds(500)) < 0.02  # out of fold, noise explains nothing


def test_a_group_that_knows_the_future_is_worth_more_than_one_that_does_not():
    random = np.random.default_rng(2)
    risk = random.integers(0, 3, 3000)
    churned = random.random(3000) < np.array([0.05, 0.2, 0.6])[risk]
    split = folds(3000, outcome=churned)
    knowing = metrics.auc(churned, metrics.out_of_fold_means(churned, risk, split))
    blind = random.integers(0, 3, 3000)
    guessing = metrics.auc(churned, metrics.out_of_fold_means(churned, blind, split))
    assert knowing == pytest.approx(roc_auc_score(churned, risk), abs=0.01)
    assert abs(guessing - 0.5) < 0.05


@given(groupings())
def test_pooled_r2_of_one_outcome_is_r2_and_of_copies_as_well(case):
    groups, outcome = case
    if np.ptp(outcome) == 0:
        assert np.isnan(metrics.pooled_r2(outcome[:, None], outcome[:, None]))
        return
    told = metrics.mix_means(outcome[:, None], groups, np.arange(len(groups)) % 2)
    alone = metrics.r2(outcome, told[:, 0])
    assert metrics.pooled_r2(outcome[:, None], told) == pytest.approx(alone)
    assert metrics.pooled_r2(np.column_stack([outcome] * 3), np.column_stack([told] * 3)) == pytest.approx(alone)


@given(groupings(), st.integers(1, 4))
def test_mix_means_are_the_out_of_fold_means_of_each_item(case, items):
    groups, outcome = case
    shares, fold = np.column_stack([np.roll(outcome, item) for item in range(items)]), np.arange(len(groups)) % 2
    expected = np.column_stack([metrics.out_of_fold_means(column, groups, fold) for column in shares.T])
    np.testing.assert_allclose(metrics.mix_means(shares, groups, fold), expected, atol=1e-12)


def test_a_varied_item_counts_more_in_a_pooled_r2():
    random = np.random.default_rng(4)
    large, small = random.normal(size=400) * 10, random.normal(size=400)
    knows_large = metrics.pooled_r2(np.column_stack([large, small]), np.column_stack([large, np.zeros(400)]))
    knows_small = metrics.pooled_r2(np.column_stack([large, small]), np.column_stack([np.zeros(400), small]))
    assert knows_large > 0.98
    assert abs(knows_small) < 0.03


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: metrics.r2([1, 2], [1]), ParameterError),
        (lambda: metrics.r2([1, np.nan], [1, 2]), ParameterError),
        (lambda: metrics.auc([], []), TooFewPeopleError),
        (lambda: metrics.group_means([1, 2], [1]), ParameterError),
        (lambda: metrics.group_means([], []), TooFewPeopleError),
        (lambda: metrics.out_of_fold_means([1, 2], [1, 1], [0]), ParameterError),
        (lambda: metrics.out_of_fold_means([1, 2], [1, 1], [0, 0]), TooFewPeopleError),
        (lambda: metrics.overlaps([1, 2], [1]), ParameterError),
        (lambda: metrics.mix_means([1, 2], [1, 1], [0, 1]), ParameterError),
        (lambda: metrics.mix_means(np.ones((2, 1)), [1, 1], [0, 0]), TooFewPeopleError),
        (lambda: metrics.mix_means(np.empty((0, 1)), [], []), TooFewPeopleError),
        (lambda: metrics.pooled_r2([1, 2], [1, 2]), ParameterError),
        (lambda: metrics.pooled_r2(np.empty((0, 2)), np.empty((0, 2))), TooFewPeopleError),
    ],
)
def test_what_cannot_be_measured_says_so(call, error):
    with pytest.raises(error):
        call()


@settings(max_examples=30)
@given(st.integers(2, 200), st.integers(2, 7), st.integers(0, 5))
def test_folds_are_even_and_share_out_the_outcome(people, count, seed):
    if people < count:
        with pytest.raises(TooFewPeopleError):
            folds(people, count)
        return
    happened = np.random.default_rng(seed).random(people) < 0.3
    dealt = folds(people, count, outcome=happened, seed=seed)
    assert np.ptp(np.bincount(dealt, minlength=count)) <= 1
    assert np.ptp(np.bincount(dealt[happened], minlength=count)) <= 1
    np.testing.assert_array_equal(dealt, folds(people, count, outcome=happened, seed=seed))
