import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from coterie.errors import ParameterError, TooFewPeopleError
from coterie.evaluation import metrics
from coterie.evaluation.intervals import resamples
from coterie.evaluation.resampling import auc_repeats, multiplicities, r2_repeats


@st.composite
def judged(draw):
    people = draw(st.integers(2, 40))
    outcome = draw(hnp.arrays(np.float64, people, elements=st.integers(-3, 3).map(float)))
    told = draw(hnp.arrays(np.float64, people, elements=st.integers(-2, 2).map(lambda one: one / 2)))
    return outcome, told, draw(st.integers(0, 99))


@given(st.integers(1, 50), st.integers(1, 5), st.integers(0, 99))
def test_who_is_drawn_how_often_is_who_resamples_draws(people, count, seed):
    counts = multiplicities(people, count, seed=seed)
    for row, drawn in zip(counts, resamples(people, count, seed=seed), strict=True):
        np.testing.assert_array_equal(row, np.bincount(drawn, minlength=people))


@given(judged())
def test_counted_people_give_the_figures_of_copied_people(case):
    outcome, told, seed = case
    people = len(outcome)
    draws, counts = resamples(people, 4, seed=seed), multiplicities(people, 4, seed=seed)
    expected = [metrics.r2(outcome[rows], told[rows]) for rows in draws]
    np.testing.assert_allclose(r2_repeats(outcome, told, counts), expected, atol=1e-9)
    expected = [metrics.auc(outcome[rows] > 0, told[rows]) for rows in draws]
    np.testing.assert_allclose(auc_repeats(outcome > 0, told, counts), expected, atol=1e-12)


@given(judged())
def test_so_do_several_outcomes_of_some_of_the_people(case):
    outcome, told, seed = case
    people = len(outcome)
    some = np.arange(0, people, 2)
    y, p = (np.column_stack([one, np.roll(one, 1)]) for one in (outcome, told))
    counts = multiplicities(people, 4, seed=seed)[:, some]
    for found, row in zip(r2_repeats(y[some], p[some], counts), counts, strict=True):
        rows = np.repeat(some, row)
        expected = metrics.pooled_r2(y[rows], p[rows]) if len(rows) else np.nan
        np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize(("people", "count", "error"), [(0, 3, TooFewPeopleError), (3, 0, ParameterError)])
def test_what_cannot_be_drawn_says_so(people, count, error):
    with pytest.raises(error):
        multiplicities(people, count)
