import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from coterie.errors import ParameterError, TooFewPeopleError
from coterie.evaluation.calibration import calibration
from coterie.evaluation.resampling import multiplicities


@st.composite
def cases(draw):
    found = []
    for _ in range(draw(st.integers(1, 3))):
        people = draw(st.integers(1, 30))
        outcome = draw(hnp.arrays(np.float64, people, elements=st.integers(0, 3).map(float)))
        told = draw(hnp.arrays(np.float64, people, elements=st.integers(0, 4).map(lambda one: one / 2)))
        found.append((outcome, told, multiplicities(people, 20)))
    return found


@given(cases(), st.integers(1, 12))
def test_bins_hold_everybody_once_and_all_of_a_prediction_together(found, bins):
    made = calibration(found, bins=bins)
    outcome, told = (np.concatenate([case[part] for case in found]) for part in (0, 1))
    assert 1 <= len(made) <= bins
    assert sum(one.people for one in made) == len(outcome)
    start = 0
    ordered = np.sort(told)
    for one in made:
        inside = ordered[start : start + one.people]
        chosen = (told >= inside[0]) & (told <= inside[-1])
        assert chosen.sum() == one.people
        assert one.predicted == pytest.approx(told[chosen].mean())
        assert one.happened.value == pytest.approx(outcome[chosen].mean())
        assert one.happened.low <= one.happened.high
        start += one.people


def test_what_is_right_on_average_holds_in_nearly_every_bin():
    random = np.random.default_rng(3)
    told = random.gamma(0.5, 1.0, 20_000)
    counts = multiplicities(20_000, 200)
    right = calibration([(random.poisson(told), told, counts)])
    assert [one.people for one in right] == [2000] * 10
    assert sum(one.holds for one in right) >= 8
    assert not any(one.holds for one in calibration([(random.poisson(told), told * 2 + 0.2, counts)]))


def test_a_person_met_twice_counts_as_one():
    random = np.random.default_rng(5)
    people = 400
    lucky = random.random(people) < 0.3
    counts = multiplicities(people, 400)
    once = calibration([(lucky, np.full(people, 0.3), counts)])[0]
    twice = calibration([(lucky, np.full(people, 0.3), counts)] * 2)[0]
    assert twice.happened == once.happened
    assert twice.people == 2 * once.people


def test_where_nothing_happened_something_still_might():
    outcome, told = np.r_[np.zeros(300), np.ones(100)], np.r_[np.full(300, 0.005), np.full(100, 0.9)]
    lowest, highest = calibration([(outcome, told, multiplicities(400, 100))], bins=2)
    assert (lowest.happened.low, lowest.happened.high) == (0, pytest.approx(3 / 300, rel=0.01))
    assert lowest.holds
    assert not highest.holds


def test_where_it_happened_to_all_it_might_not_have():
    told = np.r_[np.full(50, 0.1), np.full(50, 0.97)]
    cases = [(np.r_[np.zeros(49), np.ones(51)], told, multiplicities(100, 100))]
    low, high = (calibration(cases, bins=2)[1].happened, calibration(cases, bins=2, level=0.5)[1].happened)
    assert (low.low, low.high) == (pytest.approx(1 - 3 / 50, abs=1e-3), 1)
    assert high.low > low.low
    assert calibration(cases, bins=2)[1].holds
    counted = calibration([(np.r_[np.full(50, 3.0), np.ones(50)], told, multiplicities(100, 100))], bins=2)[1]
    assert counted.happened.low == 1, "of counts an order each is no upper end"


def test_few_to_whom_nothing_happened_are_not_more_than_all():
    lowest = calibration([([0, 1, 1, 1], [0.1, 0.9, 0.9, 0.9], multiplicities(4, 50))], bins=2)[0]
    assert (lowest.people, lowest.happened.low, lowest.happened.high) == (1, 0, 1)


@pytest.mark.parametrize("level", [0.0, 1.0, 1.2])
def test_a_level_is_between_0_and_1(level):
    with pytest.raises(ParameterError, match="level"):
        calibration([([1.0], [1.0], multiplicities(1, 2))], level=level)


@pytest.mark.parametrize(
    ("given", "bins", "error"),
    [([], 10, TooFewPeopleError), ([([1.0], [1.0], multiplicities(1, 2))], 0, ParameterError),
     ([([1.0], [np.nan], multiplicities(1, 2))], 10, ParameterError)],
)  # fmt: skip
def test_what_cannot_be_calibrated_says_so(given, bins, error):
    with pytest.raises(error):
        calibration(given, bins=bins)
