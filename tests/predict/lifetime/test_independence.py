"""Whether orders and spend go together, beside scipy's correlation and what chance alone does."""

import numpy as np
import pytest
from scipy.stats import pearsonr

from coterie.predict.lifetime.independence import caution, correlation


def test_the_correlation_is_pearsons_and_its_interval_scipys_where_both_are_normal():
    random = np.random.default_rng(4)
    x = random.normal(10, 1, 4000)
    mean = 50 + 2 * x + random.normal(0, 6, 4000)
    told, theirs = correlation(x, mean), pearsonr(x, mean)
    assert told.value == pytest.approx(theirs.statistic, rel=1e-12)
    assert (told.low, told.high) == pytest.approx(tuple(theirs.confidence_interval()), abs=0.006)
    assert "spend more per order" in caution(told)
    assert "spend less per order" in caution(correlation(x, -mean))


def test_one_person_alone_shows_nothing():
    random = np.random.default_rng(5)
    x, mean = np.r_[random.integers(1, 9, 300), 80].astype(float), np.r_[random.gamma(9, 10, 300), 900]
    told = correlation(x, mean)
    assert told.value > 0.5
    assert told.low < 0
    assert caution(told) is None


def test_where_all_are_alike_nothing_is_known():
    for x, mean in ((np.full(5, 2.0), np.arange(1.0, 6)), (np.arange(1.0, 6), np.full(5, 2.0))):
        told = correlation(x, mean)
        assert np.isnan([told.value, told.low, told.high]).all()
        assert caution(told) is None
