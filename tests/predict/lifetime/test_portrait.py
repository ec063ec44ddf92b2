from datetime import datetime

import numpy as np
import pyarrow as pa
import pytest

from coterie.errors import DataError, ParameterError
from coterie.predict.lifetime.bg_nbd import BGNBD
from coterie.predict.lifetime.histories import Histories
from coterie.predict.lifetime.portrait import frequency_recency, track, trajectory


@pytest.fixture(scope="module")
def shop():
    """Orders of 600 people in a year: by day, in no order, each person's first one within the first 80 days."""
    random = np.random.default_rng(4)
    who, when = [], []
    for person in range(600):
        day, rate = random.integers(0, 80), random.gamma(0.6, 0.03)
        while day < 365:
            who.append(person)
            when.append(float(day))
            if random.random() < 0.15:
                break
            day += 1 + random.exponential(1 / rate)
    rows = random.permutation(len(who))
    return pa.table({"person": np.array(who)[rows], "time": np.floor(when)[rows]})


@pytest.fixture(scope="module")
def model(shop):
    return BGNBD().fit(Histories.of_orders(shop, until=180.0)[1])


def test_the_matrix_holds_what_the_model_says_of_each_history(model):
    told = frequency_recency(model, 120.0, 30.0, most=5, rows=4)
    assert (told.frequency.tolist(), told.recency.tolist()) == ([1, 2, 3, 4, 5], [30, 60, 90, 120])
    one = pa.table({"frequency": [4], "recency": [90.0], "T": [120.0]})
    assert told.orders[2, 3] == pytest.approx(model.expected_orders(one, 30)[0])
    assert told.active[2, 3] == pytest.approx(model.active(one, 30)[0])
    assert (np.diff(told.active, axis=0) > 0).all(), "who ordered later is more active"


def test_a_cohort_is_followed_step_by_step(shop, model):
    told = track(model, shop, fitted_until=180.0, until=300.0, step=30)
    people, days = shop["person"].to_numpy(), shop["time"].to_numpy()
    births = {person: days[people == person].min() for person in np.unique(people)}
    known = {person for person, born in births.items() if born <= 180}
    assert told.people == len(known)
    start = min(births.values())
    assert told.fitted == 180 - start
    for day, happened, expected in zip(told.days, told.happened, told.expected, strict=True):
        moment = day + start
        seen = {(one, at) for one, at in zip(people.tolist(), days.tolist(), strict=True) if at <= moment}
        assert happened == len(seen) - len({one for one, _ in seen})
        ages = np.array([moment - births[one] for one in known if births[one] < moment])
        assert expected == pytest.approx(model.expected_of_new(ages).sum(), rel=1e-4)
    assert told.days[-1] == 300 - start
    assert told.expected[-1] == pytest.approx(told.happened[-1], rel=0.15)


def test_units_and_rows_do_not_matter(shop, model):
    weekly = BGNBD().fit(Histories.of_orders(shop, until=180.0, unit=7.0)[1])
    told = track(weekly, shop.take(np.arange(len(shop))[::-1]), fitted_until=180.0, until=300.0, unit=7.0)
    np.testing.assert_allclose(told.expected, track(model, shop, fitted_until=180.0, until=300.0).expected, rtol=1e-4)


def test_a_person_is_followed_with_what_was_known_then(model):
    told = trajectory(model, [100.0, 110.0, 150.0, 150.0], 200.0, 30.0)
    assert told.orders.tolist() == [0, 10, 50]
    assert (np.diff(told.times) >= 0).all()
    (before, after) = np.flatnonzero(told.times == 50)
    assert told.active[before] < told.active[after], "an order raises it"
    for moment, x, recency in ((50.0, 2, 50.0), (100.0, 2, 50.0)):
        known = pa.table({"frequency": [x], "recency": [recency], "T": [moment]})
        at = np.flatnonzero(told.times == moment)[-1]
        assert told.active[at] == pytest.approx(model.active(known, 30.0)[0])
    assert (np.diff(told.active[after:]) < 0).all(), "silence lowers it"


def test_what_cannot_be_followed_says_so(shop, model):
    with pytest.raises(DataError, match="no order before"):
        trajectory(model, [5.0], 5.0, 30.0)
    with pytest.raises(ParameterError, match="fitted_until"):
        track(model, shop, fitted_until=180.0, until=100.0)
    with pytest.raises(ParameterError, match="step"):
        track(model, shop, fitted_until=180.0, until=300.0, step=0)
    with pytest.raises(DataError, match="less than a step"):
        track(model, shop, fitted_until=10.0, until=10.0, step=50)
    for wrong in ({"T": 0.0, "horizon": 1.0}, {"T": 1.0, "horizon": np.inf}, {"T": 1.0, "horizon": 1.0, "most": 0}):
        with pytest.raises(ParameterError):
            frequency_recency(model, **wrong)


def test_a_real_cohort_is_tracked_within_its_first_39_weeks(cdnow_sample_orders):
    model = BGNBD().fit(Histories.of_orders(cdnow_sample_orders, until=datetime(1997, 6, 30))[1])
    told = track(model, cdnow_sample_orders, fitted_until=datetime(1997, 6, 30), until=datetime(1997, 9, 30))
    assert told.people == 2357
    inside = told.days <= told.fitted
    assert told.expected[inside][-1] == pytest.approx(told.happened[inside][-1], rel=0.05)
