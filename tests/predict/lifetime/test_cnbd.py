"""Regular buyers: k is found where it is there, and k = 1 is the model of irregular ones."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from coterie.errors import DataError, ParameterError
from coterie.predict.lifetime.bg_nbd import BGNBD, MBGNBD
from coterie.predict.lifetime.cnbd import BGCNBD, MBGCNBD
from coterie.predict.lifetime.histories import Histories


def bought(k, first=False, seed=0):
    """People who buy at every k-th event of their own process."""
    random = np.random.default_rng(seed)
    rows = []
    for rate, drop in zip(random.gamma(1.2, 1 / 5, 1500), random.beta(0.7, 2.3, 1500), strict=True):
        last = x = log_gaps = 0.0
        while not (random.random() < drop and (x or first)):
            gap = random.gamma(k, 1 / rate)
            if last + gap > 80:
                break
            last, x, log_gaps = last + gap, x + 1, log_gaps + np.log(gap)
        rows.append((x, last, 80.0, log_gaps))
    return pa.table(dict(zip(("frequency", "recency", "T", "log_gaps"), np.array(rows).T, strict=True)))


@pytest.mark.parametrize(("kind", "k"), [(BGCNBD, 1), (BGCNBD, 3), (MBGCNBD, 2)])
def test_the_regularity_of_purchases_is_found(kind, k):
    people = bought(k, kind.first)
    model = kind().fit(people)
    assert model.k_ == k
    truth = np.array([1.2, 5.0, 0.7, 2.3])
    errors = np.array(list(model.standard_errors_.values()))
    assert np.all(np.abs(np.array(list(model.parameters_.values())) - truth) < 4 * errors)
    assert model.log_likelihood_ == pytest.approx(model.log_likelihoods(people).sum(), rel=1e-10)
    assert model.log_likelihood_ > kind(k=k + 1).fit(people).log_likelihood_


@pytest.mark.parametrize(("regular", "plain"), [(BGCNBD, BGNBD), (MBGCNBD, MBGNBD)])
def test_one_event_a_purchase_is_the_irregular_model(regular, plain):
    people = bought(1)
    one, other = regular(k=1).fit(people), plain().fit(people)
    assert one.parameters_ == other.parameters_
    np.testing.assert_array_equal(one.expected_orders(people, 20.0), other.expected_orders(people, 20.0))


def test_who_is_regular_and_overdue_is_gone_sooner():
    people = bought(3)
    regular, irregular = BGCNBD(k=3).fit(people), BGNBD().fit(people)
    late = pa.table({"frequency": [6.0], "recency": [30.0], "T": [60.0]})
    assert regular.alive(late)[0] < irregular.alive(late)[0]


def test_without_gaps_k_must_be_given_and_the_likelihood_is_not_told():
    people = bought(2).drop_columns(["log_gaps"])
    with pytest.raises(DataError, match="cannot tell how regular"):
        BGCNBD().fit(people)
    model = BGCNBD(k=2).fit(people)
    assert np.isnan(model.log_likelihood_)
    assert np.isnan(BGCNBD.from_json(model.to_json()).log_likelihood_)
    assert model.parameters_ == BGCNBD(k=2).fit(bought(2)).parameters_


@pytest.mark.parametrize("k", [0, 21, 1.5, True, "many"])
def test_a_k_that_is_no_number_of_events_is_refused(k):
    with pytest.raises(ParameterError, match="k must be a whole number from 1 to 20"):
        MBGCNBD(k=k).fit(bought(1))


def test_a_saved_model_keeps_its_k():
    model = MBGCNBD().fit(bought(2, first=True))
    again = MBGCNBD.from_json(model.to_json())
    assert again.k_ == model.k_ == 2
    made = again.sample([80.0, 80.0], np.random.default_rng(0), horizon=9.0)
    assert isinstance(made.histories, Histories)
    np.testing.assert_allclose(again.spread(made.histories, 9.0), model.spread(made.histories, 9.0))
