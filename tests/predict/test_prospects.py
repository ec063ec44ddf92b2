"""Prospects: what is known of people's pace, beside the binomial distribution itself."""

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import binom

from coterie.errors import DataError
from coterie.predict.prospects import Prospects

PEOPLE = {
    "value": [900.0, 0.0, -5.0], "active": [0.5, 0.0, 1.0], "lateness": [0.1, 0.2, 0.3], "frequency": [9, 0, 30],
    "days_since": [3, 4, 5],
}  # fmt: skip


def test_the_chance_of_so_few_and_of_so_many_orders_is_binomial():
    trend = {"orders_90d": [1, 4, 9], "orders_365d": [10, 7, 31], "T": [900.0, 200.0, 365.0]}
    people = Prospects.of(pa.table(PEOPLE | trend))
    among, even = np.array([10, 6, 30]), np.array([90 / 365, 90 / 200, 90 / 365])  # a year's first order begins it
    few, many = people.tails(0.9)
    assert few == pytest.approx(binom.cdf([1, 4, 9], among, 0.9 * even))
    assert many == pytest.approx(binom.sf([0, 3, 8], among, 0.9 * even))


def test_who_is_new_or_of_unknown_pace_has_no_trend():
    trend = {"orders_90d": [3, None, 3], "orders_365d": [3, None, 9], "T": [100.0, None, 700.0]}
    few, many = Prospects.of(pa.table(PEOPLE | trend)).tails(1.0)
    assert (few[:2].tolist(), many[:2].tolist()) == ([1, 1], [1, 1])
    assert few[2] < 1
    few, many = Prospects.of(pa.table(PEOPLE)).tails(1.0)
    assert (few.tolist(), many.tolist()) == ([1, 1, 1], [1, 1, 1])


def test_what_people_are_worth_if_they_order_at_all():
    assert Prospects.of(pa.table(PEOPLE)).potential.tolist() == [1800.0, 0.0, -5.0]


def test_a_value_may_be_below_0_and_the_refusal_of_an_unknown_one_says_no_other():
    with pytest.raises(DataError, match="'value' holds something else than known numbers in 1 rows"):
        Prospects.of(pa.table(PEOPLE | {"value": [1.0, None, 2.0]}))
    with pytest.raises(DataError, match="'days_since' holds something else than known numbers, not below 0 in 2 rows"):
        Prospects.of(pa.table(PEOPLE | {"days_since": [-1, -2, 2]}))
