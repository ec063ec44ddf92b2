import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.errors import DataError, EmptyShopError, ParameterError
from coterie.predict.contest.backtest import backtest
from coterie.predict.contest.naive import naive_rules
from coterie.predict.contest.rolling import rolling_origins
from coterie.predict.lifetime.histories import Histories

orders = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 60), st.integers(0, 900)), min_size=1, max_size=60)


def table(rows):
    who, when, worth = zip(*rows, strict=True)
    return pa.table({"person": who, "time": [float(one) for one in when], "amount": worth})


@settings(max_examples=60)
@given(orders, st.integers(3, 20), st.integers(1, 3), st.integers(0, 2))
def test_an_origin_knows_the_past_and_is_judged_by_what_came_next(rows, horizon, count, learnt_from):
    shop = table(rows)
    first = 60 - horizon * count
    if min(when for _, when, _ in rows) > first:
        with pytest.raises(DataError):
            rolling_origins(shop, horizon, until=60, count=count)
        return
    found = rolling_origins(shop, horizon, until=60, count=count, amount="amount", learnt_from=learnt_from)
    assert [one.name for one in found] == [f"day {first + horizon * place}" for place in range(count)]
    for place, origin in enumerate(found):
        moment = first + horizon * place
        people, known = Histories.of_orders(shop, until=float(moment), amount="amount")
        now = origin.case.now
        assert now["person"].to_pylist() == people.to_pylist()
        for name, values in (("frequency", known.frequency), ("recency", known.recency), ("T", known.T),
                             ("spend_per_order", known.spend), ("log_gaps", known.log_gaps)):  # fmt: skip
            np.testing.assert_allclose(now[name].to_numpy(zero_copy_only=False), values)
        for row, person in enumerate(people.to_pylist()):
            mine = [(when, worth) for who, when, worth in rows if who == person]
            after = [(when, worth) for when, worth in mine if moment < when <= moment + horizon]
            recent = [(when, worth) for when, worth in mine if moment - horizon < when <= moment]
            assert origin.orders[row] == len({when for when, _ in after})
            assert origin.spend[row] == sum(worth for _, worth in after)
            assert now[f"orders_{horizon}d"][row].as_py() == len({when for when, _ in recent})
            assert now[f"spend_{horizon}d"][row].as_py() == sum(worth for _, worth in recent)
            assert now["spend"][row].as_py() == sum(worth for when, worth in mine if when <= moment)
        earlier = [moment - horizon * one for one in range(learnt_from, 0, -1)]
        earlier = [one for one in earlier if one >= min(when for _, when, _ in rows)]
        assert (origin.case.then is None) == (not earlier)
        if earlier:
            assert origin.case.then["as_of"].unique().to_pylist() == earlier
            after = [when for _, when, _ in rows if earlier[-1] < when <= moment]
            assert origin.case.outcome["orders"].sum() <= len(after) * len(earlier) or learnt_from > 1


def test_dates_name_origins_and_they_can_be_judged(journey_orders):
    found = rolling_origins(journey_orders, 28, until="2017-05-31", amount="amount", count=2)
    assert [one.name for one in found] == ["2017-04-05", "2017-05-03"]
    judged = backtest(found, naive_rules(found[0].case), sample=500)
    assert not judged.notes
    assert judged.score("x/T·H", "orders", "gini").estimate.value > 0.5


def test_nothing_after_the_end_is_read(journey_orders):
    until = "2017-05-31"
    cut = journey_orders.filter(np.asarray(journey_orders["time"].to_numpy() < np.datetime64("2017-06-01")))
    whole, known = (rolling_origins(one, 28, until=until, count=1)[0] for one in (journey_orders, cut))
    assert whole.case.now.equals(known.case.now)
    assert (whole.orders == known.orders).all()


@pytest.mark.parametrize(
    ("more", "error"),
    [({"horizon_days": 0}, ParameterError), ({"step_days": -1}, ParameterError), ({"count": 0}, ParameterError),
     ({"learnt_from": -1}, ParameterError), ({"count": 9}, DataError), ({"until": -1.0}, EmptyShopError)],
)  # fmt: skip
def test_what_cannot_be_says_so(more, error):
    shop = table([(0, 0, 5), (0, 30, 5), (1, 40, 5)])
    with pytest.raises(error):
        rolling_origins(shop, **{"horizon_days": 10, "until": 40.0, **more})
