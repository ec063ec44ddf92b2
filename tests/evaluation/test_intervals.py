from datetime import datetime

import numpy as np
import pytest
from scipy import stats

from coterie.errors import ParameterError, TooFewPeopleError
from coterie.evaluation.comparison import difference, verdict
from coterie.evaluation.intervals import Estimate, bootstrap, interval, resamples
from coterie.evaluation.splits import Window, folds, last_window


def test_the_bootstrap_of_a_mean_agrees_with_scipy_and_with_theory():
    sample = np.random.default_rng(0).exponential(size=400)
    ours = bootstrap(lambda rows: sample[rows].mean(), resamples(400, 2000))
    theirs = stats.bootstrap((sample,), np.mean, n_resamples=2000, method="percentile", rng=1).confidence_interval
    error = sample.std() / 20
    assert ours.value == pytest.approx(sample.mean())
    assert ours.low == pytest.approx(theirs.low, abs=error / 4)
    assert ours.high == pytest.approx(theirs.high, abs=error / 4)
    assert ours.high - ours.low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    random = np.random.default_rng(5)
    covered = 0
    for seed in range(200):
        sample = random.normal(size=80)
        found = bootstrap(lambda rows, s=sample: s[rows].mean(), resamples(80, 200, seed=seed))
        covered += found.low <= 0 <= found.high
    assert 0.88 <= covered / 200 <= 0.99


def test_a_paired_difference_sees_what_two_intervals_cannot():
    random = np.random.default_rng(6)
    luck = random.normal(size=300)
    better, worse = luck + 0.1 + 0.01 * random.normal(size=300), luck
    draws = resamples(300)
    ours, theirs = (bootstrap(lambda rows, v=values: v[rows].mean(), draws) for values in (better, worse))
    assert ours.low < theirs.high  # they overlap
    gap = difference(lambda rows: better[rows].mean(), lambda rows: worse[rows].mean(), draws)
    assert verdict(gap) == "better"
    assert verdict(difference(lambda rows: worse[rows].mean(), lambda rows: better[rows].mean(), draws)) == "worse"
    assert verdict(Estimate(0.0, -0.1, 0.1)) == "no different"


def test_undefined_draws_are_left_out_and_nothing_to_vary_gives_a_point():
    assert interval(2.0, [1.0, np.nan, 1.0]) == Estimate(2.0, 1.0, 1.0)
    assert interval(2.0, [np.nan]) == Estimate(2.0, 2.0, 2.0)
    assert str(Estimate(0.5, 0.25, 0.75)) == "0.500 [0.250, 0.750]"


def test_resamples_are_seeded():
    np.testing.assert_array_equal(resamples(9, 3, seed=4), resamples(9, 3, seed=4))
    assert (resamples(9, 3, seed=4) != resamples(9, 3, seed=5)).any()


def test_windows_for_choosing_end_before_now():
    now = datetime(2017, 9, 1)
    window = last_window(now, 91)
    assert window.end == now
    assert window.as_of == datetime(2017, 6, 2)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: resamples(0), TooFewPeopleError),
        (lambda: resamples(3, 0), ParameterError),
        (lambda: bootstrap(lambda rows: 0.0, resamples(3, 3), level=1.0), ParameterError),
        (lambda: Window(datetime(2017, 1, 1), 0), ParameterError),
        (lambda: folds(5, 1), ParameterError),
    ],
)
def test_what_cannot_be_drawn_says_so(call, error):
    with pytest.raises(error):
        call()
