import numpy as np
import pyarrow as pa
import pytest

from coterie.errors import DataError, MissingColumnError, NotFittedError, ParameterError
from coterie.predict.contest.contender import Case, Forecast, histories, numbers
from coterie.predict.contest.naive import Everybody, LastPeriod, PastSpend, Rate, Recency, naive_rules

NOW = pa.table(
    {
        "person": ["a", "b", "c"],
        "frequency": [4, 0, 1],
        "recency": [80.0, 0.0, 10.0],
        "T": [100.0, 50.0, 10.0],
        "spend_per_order": [1000.0, None, 500.0],
        "orders_30d": [2, 1, None],
        "orders_90d": [5, 1, 2],
        "spend_30d": [1500, 700, 0],
    }
)
CASE = Case(now=NOW, horizon_days=25)


def test_the_rate_goes_on_as_before():
    told = Rate().fit(CASE).forecast(NOW)
    assert told.orders.tolist() == [1.0, 0.0, 2.5]
    assert told.active.tolist() == pytest.approx([1 - np.exp(-1), 0, 1 - np.exp(-2.5)])
    assert told.spend.tolist() == [1000.0, 0.0, 1250.0]
    young = NOW.set_column(3, "T", pa.array([0.0, 0.0, 0.0]))
    assert Rate().fit(CASE).forecast(young).orders.tolist() == [0.0, 0.0, 0.0]


def test_the_last_period_is_the_one_of_the_nearest_length():
    told = LastPeriod().fit(CASE).forecast(NOW)
    assert told.orders.tolist() == pytest.approx([2 * 25 / 30, 25 / 30, 0])
    assert told.spend.tolist() == pytest.approx([1250, 700 * 25 / 30, 0])
    longer = LastPeriod().fit(Case(now=NOW, horizon_days=90))
    assert longer.forecast(NOW).orders.tolist() == [5, 1, 2]
    with pytest.raises(MissingColumnError, match="orders_25d"):
        LastPeriod().fit(Case(now=NOW.select(["frequency", "T"]), horizon_days=25))


def test_past_spend_goes_on_as_before():
    told = PastSpend().fit(CASE).forecast(NOW)
    assert told.spend.tolist() == [1000.0, 0.0, 1250.0]
    assert told.orders is None
    whole = NOW.append_column("spend", pa.array([6000, 700, 900]))
    assert PastSpend().fit(CASE).forecast(whole).spend.tolist() == [1500.0, 350.0, 2250.0]


def test_recency_ranks_and_says_no_more():
    told = Recency().fit(CASE).forecast(NOW)
    assert np.argsort(-told.orders).tolist() == [2, 0, 1]
    assert not told.level


def test_everybody_gets_the_mean_of_what_happened_else_the_rate_of_all():
    told = Everybody().fit(CASE).forecast(NOW)
    assert told.orders.tolist() == [5 / 160 * 25] * 3
    assert told.spend.tolist() == pytest.approx([5 / 160 * 25 * 4500 / 5] * 3)
    past = Case(now=NOW, horizon_days=25, then=NOW, outcome={"orders": np.array([2.0, 0, 1]), "spend": np.arange(3.0)})
    told = Everybody().fit(past).forecast(NOW[:1])
    assert (told.orders.tolist(), told.active.tolist(), told.spend.tolist()) == ([1.0], [pytest.approx(2 / 3)], [1.0])
    short = Case(now=NOW, horizon_days=25, then=NOW, outcome={"orders": np.array([2.0, 0, 1])}, then_days=12.5)
    told = Everybody().fit(short).forecast(NOW[:1])
    assert (told.orders.tolist(), told.active.tolist()) == ([2.0], [pytest.approx(1 - (1 / 3) ** 2)])


def test_the_rules_that_a_table_has_columns_for():
    assert [rule.name for rule in naive_rules(CASE)] == [
        "x/T·H", "recency", "mean of everybody", "last period", "past spend"
    ]  # fmt: skip
    bare = Case(now=NOW.select(["frequency", "recency", "T"]), horizon_days=25)
    assert [rule.name for rule in naive_rules(bare)] == ["x/T·H", "recency", "mean of everybody"]
    for rule in naive_rules(bare):
        rule.fit(bare).forecast(bare.now).checked(rule.name, 3)


@pytest.mark.parametrize("rule", [Rate(), PastSpend(), Everybody()])
def test_a_rule_must_be_fitted(rule):
    with pytest.raises(NotFittedError):
        rule.forecast(NOW)


def test_a_forecast_is_one_finite_number_a_person():
    told = Forecast(np.array([1.0, np.nan, 2.0]))
    with pytest.raises(DataError, match="X: the forecast of orders is no number for 1 of 3 people"):
        told.checked("X", 3)
    with pytest.raises(ParameterError, match=r"shape \(2,\)"):
        told.checked("X", 2)
    assert Forecast().checked("X", 5) == Forecast()


@pytest.mark.parametrize(
    "wrong",
    [{"horizon_days": 0}, {"horizon_days": 9, "then_days": 0},
     {"horizon_days": np.nan}, {"horizon_days": 9, "outcome": {"visits": np.ones(1)}},
     {"horizon_days": 9, "outcome": {"orders": np.ones(2)}}],
)  # fmt: skip
def test_a_case_that_cannot_be_is_refused(wrong):
    with pytest.raises(ParameterError):
        Case(now=NOW, **wrong)


def test_histories_and_numbers_are_read_from_a_table():
    told = histories(NOW)
    assert (told.frequency.tolist(), told.spend.tolist()[::2]) == ([4, 0, 1], [1000, 500])
    assert numbers(NOW, "orders_30d", missing=-1.0).tolist() == [2, 1, -1]
    with pytest.raises(MissingColumnError):
        numbers(NOW, "visits")
