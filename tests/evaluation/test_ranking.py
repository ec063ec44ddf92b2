import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import spearmanr

from coterie.errors import ParameterError, TooFewPeopleError
from coterie.evaluation.intervals import resamples
from coterie.evaluation.metrics import auc
from coterie.evaluation.ranking import TOPS, Ranks, gain, gini, spearman
from coterie.evaluation.resampling import multiplicities


@st.composite
def ranked(draw):
    people = draw(st.integers(2, 30))
    outcome = draw(hnp.arrays(np.float64, people, elements=st.integers(0, 3).map(float)))
    score = draw(hnp.arrays(np.float64, people, elements=st.integers(-3, 3).map(lambda one: one / 2)))
    return outcome, score, draw(st.integers(0, 99))


def area(outcome, score):
    """The area between the concentration curve and the diagonal: the mean of all orders of tied people, by trapezia."""
    parts, people, held = np.unique(-score), [0.0], [0.0]
    for one in parts:  # a straight line over tied people is the mean of their orders
        people.append(people[-1] + (score == -one).sum() / len(score))
        held.append(held[-1] + outcome[score == -one].sum() / outcome.sum())
    return np.trapezoid(held, people) - 0.5


@given(ranked())
def test_gini_is_the_area_between_the_concentration_curve_and_the_diagonal_by_that_of_the_outcome(case):
    outcome, score, _ = case
    found = gini(outcome, score)
    if len(np.unique(outcome)) == 1:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(area(outcome, score) / area(outcome, outcome), abs=1e-12)


@given(ranked())
def test_gini_of_what_happens_or_not_is_twice_the_auc_less_one(case):
    outcome, score, _ = case
    np.testing.assert_allclose(gini(outcome > 0, score), 2 * auc(outcome > 0, score) - 1, atol=1e-12)


@given(ranked())
def test_spearman_is_that_of_scipy(case):
    outcome, score, _ = case
    if len(np.unique(outcome)) == 1:
        assert np.isnan(spearman(outcome, score))
    elif len(np.unique(score)) == 1:
        assert spearman(outcome, score) == 0
    else:
        assert spearman(outcome, score) == pytest.approx(spearmanr(outcome, score).statistic, abs=1e-12)


@given(ranked(), st.integers(1, 3))
def test_neither_knows_the_scale_nor_the_order_of_people(case, factor):
    outcome, score, seed = case
    shuffled = np.random.default_rng(seed).permutation(len(outcome))
    for figure in (gini, spearman):
        expected = figure(outcome, score)
        np.testing.assert_allclose(figure(outcome[shuffled], np.exp(factor * score)[shuffled]), expected, atol=1e-12)
        np.testing.assert_allclose(figure(outcome, -score), -expected, atol=1e-12)


@given(ranked())
def test_a_gain_is_what_the_first_people_hold_in_the_mean_of_all_orders_of_tied_ones(case):
    outcome, score, seed = case
    found = gain(outcome, score)
    if not outcome.any():
        assert np.isnan(found).all()
        return
    assert found[-1] == pytest.approx(1.0)
    assert (np.diff(found) >= -1e-12).all()
    random, people = np.random.default_rng(seed), len(outcome)
    share = TOPS.index(0.5)
    first = people // 2
    if people % 2 == 0:
        drawn = []
        for _ in range(400):
            order = np.lexsort((random.random(people), -score))
            drawn.append(outcome[order[:first]].sum() / outcome.sum())
        assert abs(found[share] - np.mean(drawn)) <= 5 * np.std(drawn) / 20 + 1e-12


@given(ranked())
def test_counted_people_give_the_figures_of_copied_people(case):
    outcome, score, seed = case
    people = len(outcome)
    judged = Ranks(outcome, multiplicities(people, 4, seed=seed)).judge(score)
    for draw, rows in enumerate(resamples(people, 4, seed=seed)):
        np.testing.assert_allclose(judged.gini[draw], gini(outcome[rows], score[rows]), atol=1e-12)
        np.testing.assert_allclose(judged.spearman[draw], spearman(outcome[rows], score[rows]), atol=1e-9)
        np.testing.assert_allclose(judged.gain[draw], gain(outcome[rows], score[rows]), atol=1e-12)


@pytest.mark.parametrize(
    ("outcome", "score", "error"),
    [([], [], TooFewPeopleError), ([1, 2], [1], ParameterError), ([1, 2], [1, np.nan], ParameterError),
     ([[1], [2]], [1, 2], ParameterError)],
)  # fmt: skip
def test_what_cannot_be_ranked_says_so(outcome, score, error):
    with pytest.raises(error):
        gini(outcome, score)


def test_counts_of_other_people_are_refused():
    with pytest.raises(ParameterError, match=r"of shape \(resamples, 2\)"):
        Ranks([0, 1], multiplicities(3, 2))
