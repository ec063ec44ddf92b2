"""What customers are worth: against the sum over every day, against simulated customers, and on a real shop."""

from __future__ import annotations

import json
from datetime import datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.errors import DataError, IntegrityError, MissingColumnError, NotFittedError, ParameterError
from coterie.predict.lifetime.bg_nbd import BGNBD, MBGNBD
from coterie.predict.lifetime.cnbd import BGCNBD
from coterie.predict.lifetime.gamma_gamma import GammaGamma
from coterie.predict.lifetime.histories import Histories
from coterie.predict.lifetime.pareto_nbd import ParetoNBD
from coterie.predict.lifetime.value import CustomerValue
from oracles.purchases import PEOPLE

P, Q, V = 6.25, 3.744, 1544.0


@pytest.fixture(scope="session")
def worth(model_of, spend_of):
    """A value of 2,000 made-up customers' models, with options."""

    def make(kind=BGNBD, parameters=(0.5, 30.0, 0.8, 2.5), error=0.01, settings_=None, **options):
        model = model_of(kind, *parameters, error=error, **(settings_ or {}))
        return CustomerValue(model, spend_of(P, Q, V, error=error), **options)

    return make


@pytest.mark.parametrize(("kind", "parameters"), [(BGNBD, (0.5, 30.0, 0.8, 2.5)), (ParetoNBD, (0.7, 20.0, 0.6, 90.0))])
@pytest.mark.parametrize("days", [30, 365, 730, 3650])
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5])
def test_the_value_is_the_discounted_sum_over_every_day(worth, kind, parameters, days, rate):
    value = worth(kind, parameters, margin=0.3, discount_rate=rate)
    table = value.predict(PEOPLE, horizon_days=days, intervals=False)
    ends = days * np.linspace(0, 1, 1001) ** 2
    grid = value.orders.expected_orders(PEOPLE.take(np.repeat(np.arange(6), 1001)), np.tile(ends, 6)).reshape(6, 1001)
    counts = (1 + rate) ** (-(ends[1:] + ends[:-1]) / 2 / 365)
    total = (np.diff(grid, axis=1) * counts).sum(axis=1)
    expected = 0.3 * total * value.spend.expected_spend(PEOPLE)
    np.testing.assert_allclose(table["value"].to_numpy(), expected, rtol=1e-5)
    if rate == 0:
        plain = 0.3 * table["expected_orders"].to_numpy() * table["expected_spend"].to_numpy()
        np.testing.assert_allclose(table["value"].to_numpy(), plain, rtol=1e-12)


def test_money_is_linear_in_margin_and_in_the_unit_of_money(worth, spend_of):
    table = worth(margin=0.25).predict(PEOPLE)
    cents = worth()
    whole = cents.predict(PEOPLE)
    dollars = CustomerValue(cents.orders, spend_of(P, Q, V / 100))
    in_dollars = dollars.predict(PEOPLE.set_column(4, "spend", pa.array([None, 25.0, 9.0, 40.0, 12.0, None])))
    for name in ("value", "value_low", "value_high", "mean_low", "mean_high", "at_risk"):
        np.testing.assert_allclose(table[name].to_numpy(), 0.25 * whole[name].to_numpy(), rtol=1e-6)
        np.testing.assert_allclose(in_dollars[name].to_numpy(), whole[name].to_numpy() / 100, rtol=1e-6)


@pytest.mark.parametrize("kind", [BGNBD, ParetoNBD])
def test_nobodys_value_depends_on_the_others_or_on_their_order(worth, kind):
    value = worth(kind)
    whole = value.predict(PEOPLE)
    rows = [4, 0, 2]
    few = value.predict(PEOPLE.take(rows))
    assert few["person"].to_pylist() == ["eve", "ann", "cy"]
    for name in few.column_names[1:]:
        np.testing.assert_allclose(few[name], whole[name].take(rows), rtol=1e-9)
    assert value.predict(Histories.of(PEOPLE)).equals(whole.drop_columns("person"))
    assert value.predict(PEOPLE.to_pandas())["value_high"].equals(whole["value_high"])


def test_the_amount_may_have_another_name_where_spend_is_all_that_was_spent(worth):
    catalogue = PEOPLE.rename_columns({"spend": "spend_per_order"}).append_column("spend", pa.array([1e6] * 6))
    assert worth(amount="spend_per_order").predict(catalogue).equals(worth().predict(PEOPLE))


def test_intervals_hold_the_value_and_widen_with_the_level(worth):
    narrow, wide = (worth().predict(PEOPLE, level=level) for level in (0.5, 0.95))
    for name in ("value", "mean"):
        assert (narrow[f"{name}_low"].to_numpy() >= wide[f"{name}_low"].to_numpy()).all()
        assert (narrow[f"{name}_high"].to_numpy() <= wide[f"{name}_high"].to_numpy()).all()
    assert (wide["value_low"].to_numpy() <= wide["value"].to_numpy()).all()
    assert (wide["value_high"].to_numpy() >= wide["value"].to_numpy()).all()
    assert (wide["mean_low"].to_numpy() < wide["value"].to_numpy()).all()


def test_a_longer_horizon_is_worth_more(worth):
    values = [
        worth().predict(PEOPLE, horizon_days=days, intervals=False)["value"].to_numpy() for days in (30, 365, 730)
    ]
    assert (np.diff(values, axis=0) > 0).all()


def test_weeks_are_worth_what_days_are(worth):
    weekly = worth(parameters=(0.5, 30.0 / 7, 0.8, 2.5), unit_days=7)
    weeks = PEOPLE.set_column(2, "recency", pa.array(PEOPLE["recency"].to_numpy() / 7))
    weeks = weeks.set_column(3, "T", pa.array(PEOPLE["T"].to_numpy() / 7))
    for name in ("value", "value_low", "value_high"):
        np.testing.assert_allclose(weekly.predict(weeks)[name], worth().predict(PEOPLE)[name], rtol=1e-6)


def test_who_never_came_again_spends_what_everybody_does_unless_the_first_purchase_is_known(worth):
    usual = P * V / (Q - 1)
    assert worth().predict(PEOPLE)["expected_spend"].to_numpy()[[0, 5]] == pytest.approx(usual)
    first = PEOPLE.append_column("first", pa.array([4000.0, 1.0, 1.0, 1.0, 1.0, 1.0]))
    known = worth().predict(first, first="first")
    assert known["expected_spend"][0].as_py() == pytest.approx(P * (V + 4000) / (P + Q - 1))
    assert known.slice(1).equals(worth().predict(PEOPLE).slice(1))
    unknown = PEOPLE.append_column("first", pa.nulls(6, pa.float64()))
    assert worth().predict(unknown, first="first").equals(worth().predict(PEOPLE))


@given(
    st.lists(
        st.tuples(st.integers(0, 900), st.floats(0.01, 1), st.floats(0.5, 4000), st.none() | st.floats(0, 1e7)),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from([1.0, 365.0, 7300.0]),
)
@settings(deadline=None, max_examples=20)
def test_every_possible_customer_has_a_value(worth, people, horizon):
    x, share, T, spend = zip(*people, strict=True)
    recency = [part * time if count else 0.0 for count, part, time in zip(x, share, T, strict=True)]
    table = pa.table({"frequency": x, "recency": recency, "T": T, "spend": pa.array(spend, pa.float64())})
    found = worth().predict(table, horizon_days=horizon)
    for name in found.column_names:
        values = found[name].to_numpy()
        assert np.isfinite(values).all(), name
        assert (values >= 0).all(), name
    assert (found["value_low"].to_numpy() <= found["value_high"].to_numpy()).all()


SHOPS = [
    (BGNBD, (2.0, 40.0, 0.3, 3.0), {}),
    (MBGNBD, (0.9, 25.0, 0.5, 3.0), {}),
    pytest.param(BGCNBD, (2.0, 12.0, 0.3, 4.0), {"k": 3}, marks=pytest.mark.slow),
    (ParetoNBD, (2.0, 30.0, 0.8, 200.0), {}),
    (BGNBD, (0.2426, 30.9, 0.7929, 2.4259), {}),  # CDNOW's buyers, by the day
]


def simulated(model, people: int, horizon: float, seed: int) -> tuple[Histories, np.ndarray]:
    """Made-up customers, and what each of them really brought in the horizon."""
    rng = np.random.default_rng(seed)
    made = model.sample(rng.uniform(30, 400, people), rng, horizon=horizon)
    x, nu = made.histories.frequency, rng.gamma(Q, 1 / V, people)
    some, later = np.maximum(x, 1), np.maximum(made.orders, 1)
    h = made.histories
    spend = np.where(x > 0, rng.gamma(P * some) / nu / some, np.nan)
    histories = Histories(x, h.recency, h.T, spend, h.log_gaps, h.covariates)
    return histories, np.where(made.orders > 0, rng.gamma(P * later) / nu, 0.0)


@pytest.mark.parametrize(("kind", "parameters", "settings_"), SHOPS)
def test_four_in_five_people_bring_what_their_interval_says(worth, kind, parameters, settings_):
    value = worth(kind, parameters, settings_=settings_, discount_rate=0.0)
    histories, brought = simulated(value.orders, 8_000, 365.0, 6)
    table = value.predict(histories)
    low, high, active = (table[name].to_numpy() for name in ("value_low", "value_high", "active"))
    # whose chance to bring nothing is below the lower tail: the interval has two ends
    sure = active > 0.9
    covered = (brought >= low) & (brought <= high)
    if sure.sum() > 500:
        assert 0.76 < covered[sure].mean() < 0.84
    # of the others it begins at nothing, so that one in ten brings more and nobody less
    doubtful = (active < 0.9) & (active > 0.1)
    assert (low[doubtful] == 0).all()
    assert 0.08 < (brought > high)[doubtful].mean() < 0.12
    assert brought.sum() == pytest.approx(table["value"].to_numpy().sum(), rel=0.05)


def test_the_interval_of_the_expectation_is_that_of_parameters_drawn_from_what_is_known_of_them(worth):
    value = worth(error=0.04, discount_rate=0.0)
    table = value.predict(PEOPLE)
    rng, drawn = np.random.default_rng(8), []
    theta, spend = value.orders.theta_, np.log(list(value.spend.parameters_.values()))
    for _ in range(200):
        value.orders.theta_ = theta + 0.04 * rng.standard_normal(4)
        value.spend.parameters_ = dict(zip("pqv", np.exp(spend + 0.04 * rng.standard_normal(3)), strict=True))
        drawn.append(value.predict(PEOPLE, intervals=False)["value"].to_numpy())
    width = np.log(table["mean_high"].to_numpy() / table["mean_low"].to_numpy())
    np.testing.assert_allclose(width, 2 * 1.2816 * np.log(drawn).std(axis=0), rtol=0.12)


@pytest.mark.slow
def test_the_total_of_simulated_shops_lies_in_its_interval(worth):
    value = worth(parameters=(1.0, 30.0, 0.5, 3.0), error=1e-9, discount_rate=0.0)
    places = []
    for seed in range(100):
        histories, brought = simulated(value.orders, 300, 200.0, seed)
        total = value.total(histories, horizon_days=200, level=0.8)
        places.append((brought.sum() - total.value) / (total.high - total.low))
    # a normal distribution has its tenths 1.28 standard deviations away
    assert np.std(places) == pytest.approx(1 / 2.56, rel=0.25)
    assert abs(np.mean(places)) < 0.12


def test_the_total_doubts_parameters_that_all_share(worth):
    histories, _ = simulated(worth().orders, 2000, 1.0, 3)
    sure, doubtful = (worth(error=error).total(histories) for error in (1e-9, 0.05))
    assert sure.value == doubtful.value == pytest.approx(worth().predict(histories)["value"].to_numpy().sum())
    # an error of p in the sum is an error of as much in the total, for those of whom nothing is known
    parameters_ = (doubtful.high - doubtful.value) ** 2 - (sure.high - sure.value) ** 2
    assert np.sqrt(parameters_) > 1.64 * 0.05 * sure.value


def test_a_stored_value_is_the_same(worth):
    for kind in (BGNBD, ParetoNBD):
        orders = kind().fit(simulated(worth(kind).orders, 3000, 1.0, 2)[0])
        spend = GammaGamma().fit(simulated(worth().orders, 3000, 1.0, 2)[0])
        value = CustomerValue(orders, spend, margin=0.4, discount_rate=0.07, horizon_days=200, unit_days=1)
        again = CustomerValue.from_json(json.loads(json.dumps(value.to_json())))
        assert again.predict(PEOPLE).equals(value.predict(PEOPLE))


@pytest.mark.parametrize("body", [{}, {"kind": "CustomerValue", "version": 1, "orders": {"kind": "Oracle"}}])
def test_what_is_no_stored_value_is_refused(body):
    with pytest.raises(IntegrityError):
        CustomerValue.from_json(body)


def test_what_is_refused(worth):
    for options in ({"margin": 0}, {"discount_rate": -0.1}, {"unit_days": 0}, {"horizon_days": 0}, {"margin": np.nan}):
        with pytest.raises(ParameterError, match=next(iter(options))):
            worth(**options).predict(PEOPLE)
    with pytest.raises(ParameterError, match="level"):
        worth().predict(PEOPLE, level=1.0)
    with pytest.raises(MissingColumnError, match="no column 'spend_per_order'"):
        worth(amount="spend_per_order").predict(PEOPLE)
    with pytest.raises(MissingColumnError, match="first_order"):
        worth().predict(PEOPLE, first="first_order")
    with pytest.raises(ParameterError, match="histories are given"):
        worth().predict(Histories.of(PEOPLE), first="first")
    with pytest.raises(NotFittedError):
        CustomerValue(BGNBD(), GammaGamma()).predict(PEOPLE)
    flat = worth()
    flat.orders.theta_covariance_ = np.full((4, 4), np.nan)
    with pytest.raises(DataError, match="flat"):
        flat.total(PEOPLE)
    assert flat.predict(PEOPLE, intervals=False).num_rows == 6


def test_a_grocers_households_bring_what_they_are_expected_to(journey, journey_future):
    histories, brought = journey[1], journey_future["spend"]
    value = CustomerValue(BGNBD(), GammaGamma(), discount_rate=0.0, horizon_days=90).fit(histories)
    table = value.predict(histories)
    total = value.total(histories)
    assert total.low < brought.sum() < total.high
    covered = (brought >= table["value_low"].to_numpy()) & (brought <= table["value_high"].to_numpy())
    assert 0.76 < covered.mean() < 0.84


@pytest.mark.slow
def test_a_record_shops_buyers_bring_what_they_are_expected_to(cdnow_orders):
    # half a year known, a quarter ahead, all inside the first 39 weeks
    people, histories = Histories.of_orders(cdnow_orders, amount="amount", until="1997-06-30")
    place = {person: row for row, person in enumerate(people.to_pylist())}
    brought = np.zeros(len(people))
    for person, time, amount in zip(
        *(cdnow_orders[name].to_pylist() for name in cdnow_orders.column_names), strict=True
    ):
        if datetime(1997, 7, 1) <= time < datetime(1997, 9, 30):
            brought[place[person]] += amount
    value = CustomerValue(BGNBD(), GammaGamma(), discount_rate=0.0, horizon_days=91).fit(histories)
    table, total = value.predict(histories), value.total(histories)
    assert total.low < brought.sum() < total.high
    likely = table["active"].to_numpy() > 0.1  # of the others, less than one in ten brings anything
    assert 0.08 < (brought > table["value_high"].to_numpy())[likely].mean() < 0.12
