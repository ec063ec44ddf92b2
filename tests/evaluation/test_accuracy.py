import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

from coterie.errors import ParameterError
from coterie.evaluation.accuracy import accuracy_repeats, bias, mae, rmse, summed
from coterie.evaluation.intervals import resamples
from coterie.evaluation.resampling import multiplicities


@st.composite
def told(draw):
    people = draw(st.integers(1, 30))
    outcome = draw(hnp.arrays(np.float64, people, elements=st.integers(0, 3).map(float)))
    return outcome, draw(hnp.arrays(np.float64, people, elements=st.floats(0, 5))), draw(st.integers(0, 99))


@given(told())
def test_errors_are_those_of_scikit_learn(case):
    outcome, prediction, _ = case
    assert mae(outcome, prediction) == pytest.approx(mean_absolute_error(outcome, prediction), abs=1e-12)
    assert rmse(outcome, prediction) == pytest.approx(root_mean_squared_error(outcome, prediction), abs=1e-9)
    if outcome.any():
        assert bias(outcome, prediction) == pytest.approx(prediction.sum() / outcome.sum() - 1, abs=1e-9)
    else:
        assert np.isnan(bias(outcome, prediction))


@given(told())
def test_counted_people_give_the_figures_of_copied_people(case):
    outcome, prediction, seed = case
    people = len(outcome)
    found = accuracy_repeats(outcome, prediction, multiplicities(people, 30, seed=seed))
    for draw, rows in enumerate(resamples(people, 30, seed=seed)):
        for figure, repeats in ((bias, found.bias), (mae, found.mae), (rmse, found.rmse)):
            np.testing.assert_allclose(repeats[draw], figure(outcome[rows], prediction[rows]), atol=1e-9)


def test_counts_of_other_people_are_refused():
    with pytest.raises(ParameterError, match=r"of shape \(resamples, 2\)"):
        summed(np.ones((2, 1)), multiplicities(3, 2))
