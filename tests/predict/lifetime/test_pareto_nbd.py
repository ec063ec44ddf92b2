"""Pareto/NBD: the published figures, the model's definition by integration, and people drawn from the model."""

from __future__ import annotations

import json
from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import gammaln

from coterie.errors import ConvergenceError, IntegrityError, NotFittedError
from coterie.predict.lifetime.histories import Histories, Tuples
from coterie.predict.lifetime.pareto_nbd import ParetoNBD
from oracles.pareto import Person, published_log_likelihood

NOTE = (0.5533, 10.578, 0.6062, 11.668)  # Fader & Hardie (2005), in weeks
SHAPES = st.floats(0.05, 20)
SCALES = st.floats(0.1, 1000)


def told(*parameters: float, covariance: object = None) -> ParetoNBD:
    """Return a model of these parameters."""
    body = {
        "kind": "ParetoNBD", "version": 1, "settings": {}, "names": list(ParetoNBD.names), "log_likelihood": None,
        "theta": np.log(parameters).tolist(), "covariance": covariance or np.zeros((4, 4)).tolist(), "warning": "",
        "people": 1, "longest": 1.0, "iterations": 1, "evaluations": 1, "covariates": [], "centre": [], "scale": [],
    }  # fmt: skip
    return ParetoNBD.from_json(body)


def table(*histories: tuple[int, float, float]) -> pa.Table:
    return pa.table(dict(zip(("frequency", "recency", "T"), map(list, zip(*histories, strict=True)), strict=True)))


@st.composite
def people(draw: st.DrawFn, most: int = 60) -> tuple[int, float, float]:
    x, T = draw(st.integers(0, most)), draw(st.floats(1, 300))
    return x, (draw(st.floats(0.01, 1)) * T if x else 0.0), T


@pytest.fixture(scope="module")
def sample(cdnow_sample_orders: pa.Table) -> Histories:
    return Histories.of_orders(cdnow_sample_orders, until=date(1997, 9, 30), unit=7.0)[1]


def test_parameters_of_the_cdnow_sample_are_the_published_ones(sample: Histories) -> None:
    model = ParetoNBD().fit(sample)
    found = [
        format(value, f".{digits}f") for value, digits in zip(model.parameters_.values(), (4, 3, 4, 2), strict=True)
    ]
    assert found == ["0.5533", "10.578", "0.6062", "11.67"]
    assert model.log_likelihood_ == pytest.approx(-9594.976, abs=5e-4)
    assert model.warning_ == ""
    # the published parameters are printed with five digits: they lie below the maximum by less than that can tell
    assert 0 <= model.log_likelihood_ - told(*NOTE).log_likelihoods(sample).sum() < 1e-5


def test_the_fit_of_everybody_is_a_maximum(cdnow_orders: pa.Table) -> None:
    everybody = Histories.of_orders(cdnow_orders, until=date(1997, 9, 30), unit=7.0)[1]
    model = ParetoNBD().fit(everybody)
    assert len(everybody) == 23_570
    for step in 0.02 * np.eye(4):
        for sign in (-1, 1):
            moved = told(*np.exp(model.theta_ + sign * step)).log_likelihoods(everybody).sum()
            expected = step @ np.linalg.inv(model.theta_covariance_) @ step / 2
            assert model.log_likelihood_ - moved == pytest.approx(expected, rel=0.1)


@settings(max_examples=60, deadline=None)
@given(r=SHAPES, alpha=SCALES, s=SHAPES, beta=SCALES, one=people())
def test_likelihood_is_that_of_the_hypergeometric_formula(
    r: float, alpha: float, s: float, beta: float, one: tuple[int, float, float]
) -> None:
    # SciPy's function is good for that much of these; where the two branches cancel it loses more
    assert float(told(r, alpha, s, beta).log_likelihoods(table(one))[0]) == pytest.approx(
        published_log_likelihood(r, alpha, s, beta, *one), rel=1e-7, abs=1e-6
    )


@pytest.mark.parametrize("x", [0, 1, 7, 400, 2000])
@pytest.mark.parametrize("parameters", [NOTE, (0.9, 300.0, 2.5, 4.0), (5.0, 2.0, 0.2, 700.0)])
def test_likelihood_is_that_of_the_integral(parameters: tuple[float, ...], x: int) -> None:
    r, alpha, s, beta = parameters
    recency, T = (26.0 if x else 0.0), 39.0

    def log(u: float, gone: int) -> float:
        return -(r + x) * np.log((alpha + u) / (alpha + recency)) - (s + gone) * np.log((beta + u) / (beta + recency))

    inner = quad(lambda u: np.exp(log(u, 1)), recency, T, points=[recency + (T - recency) / (x + 1)], epsabs=0)[0]
    sum_ = np.exp(log(T, 0)) + s / (beta + recency) * inner
    front = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + s * np.log(beta)
    expected = front - (r + x) * np.log(alpha + recency) - s * np.log(beta + recency) + np.log(sum_)
    assert float(told(*parameters).log_likelihoods(table((x, recency, T)))[0]) == pytest.approx(expected, rel=1e-11)


@settings(max_examples=40, deadline=None)
@given(
    theta=st.lists(st.floats(-3, 3), min_size=8, max_size=8),
    group=st.lists(people(), min_size=1, max_size=12),
    seed=st.integers(0, 9),
)
def test_gradient_and_hessian_are_differences_of_the_likelihood(
    theta: list[float], group: list[tuple[int, float, float]], seed: int
) -> None:
    x, recency, T = (np.array(values, dtype=float) for values in zip(*group, strict=True))
    rng = np.random.default_rng(seed)
    count, traits = rng.integers(1, 9, len(x)).astype(float), rng.normal(size=(len(x), 2))
    likelihood = ParetoNBD()._likelihood(Tuples(x, recency, T, traits, count, np.arange(len(x))))
    at = np.array(theta) * ([1.0] * 4 + [0.1] * 4) + [0, 2, 0, 2, 0, 0, 0, 0]
    value, gradient, hessian = likelihood(at)
    ends = [[likelihood(at + sign * 1e-4 * one) for sign in (-1, 1)] for one in np.eye(8)]
    scale = max(1.0, abs(value))
    np.testing.assert_allclose([(b[0] - a[0]) / 2e-4 for a, b in ends], gradient, atol=1e-6 * scale)
    np.testing.assert_allclose([(b[1] - a[1]) / 2e-4 for a, b in ends], hessian, atol=1e-6 * scale)


DEFINED = [
    (NOTE, (0, 0.0, 39.0)),
    (NOTE, (3, 30.4, 38.9)),
    (NOTE, (300, 38.0, 39.0)),
    ((2.0, 50.0, 1.0, 8.0), (2, 5.0, 30.0)),
    ((0.7, 4.0, 2.0, 90.0), (1, 1.0, 60.0)),
    ((1.4, 6.0, 3.0, 30.0), (12, 40.0, 52.0)),
]


@pytest.mark.parametrize(("parameters", "one"), DEFINED)
def test_everything_asked_of_a_person_is_the_integral_over_rates(
    parameters: tuple[float, ...], one: tuple[int, float, float]
) -> None:
    model, people, person = told(*parameters), table(one), Person(*parameters, *one)
    assert float(model.log_likelihoods(people)[0]) == pytest.approx(person.log_likelihood(), rel=1e-8)
    assert float(model.alive(people)[0]) == pytest.approx(person.alive(), rel=1e-7)
    for horizon in (0.5, 13.0, 520.0):
        assert float(model.expected_orders(people, horizon)[0]) == pytest.approx(person.orders(horizon), rel=1e-7)
        assert float(model.active(people, horizon)[0]) == pytest.approx(person.active(horizon), rel=1e-7)
        assert float(model.spread(people, horizon)[0]) == pytest.approx(person.variance(horizon), rel=1e-6)


def test_people_drawn_from_the_model_do_what_it_expects() -> None:
    model, rng = told(0.8, 12.0, 0.9, 20.0), np.random.default_rng(5)
    T = rng.choice([10.0, 26.0, 39.0], 60_000)
    drawn = model.sample(T, rng, horizon=26.0)
    for age in (10.0, 26.0, 39.0):
        x = drawn.histories.frequency[age == T]
        assert abs(x.mean() - float(model.expected_of_new(age))) < 4 * x.std() / np.sqrt(len(x))
    expected, active = model.expected_orders(drawn.histories, 26.0), model.active(drawn.histories, 26.0)
    spread, alive = model.spread(drawn.histories, 26.0), model.alive(drawn.histories)
    for share in np.array_split(np.argsort(expected), 5):  # among the least and the most active alike
        root = np.sqrt(len(share))
        missed = drawn.orders[share] - expected[share]
        assert abs(missed.mean()) < 4 * missed.std() / root
        assert abs((missed**2 - spread[share]).mean()) < 4 * (missed**2).std() / root
        assert abs(((drawn.orders > 0)[share] - active[share]).mean()) < 4 * 0.5 / root
        assert abs((drawn.alive[share] - alive[share]).mean()) < 4 * 0.5 / root


def test_intervals_of_the_count_hold_what_people_do() -> None:
    model, rng = told(0.8, 12.0, 0.9, 20.0), np.random.default_rng(6)
    drawn = model.sample(np.full(20_000, 39.0), rng, horizon=26.0)
    low, high = model.orders_interval(drawn.histories, 26.0, level=0.8, kind="count")
    assert ((low <= drawn.orders) & (drawn.orders <= high)).mean() > 0.79
    busy = drawn.histories.frequency >= 4  # many have dropped out, so that 0 is in their intervals: 90 % at most
    assert 0.79 < ((low <= drawn.orders) & (drawn.orders <= high))[busy].mean() < 0.93
    assert (drawn.orders[busy] <= high[busy]).mean() == pytest.approx(0.9, abs=0.03)


def test_parameters_and_covariates_are_found_again() -> None:
    truth = {"r": 0.9, "alpha": 12.0, "s": 0.8, "beta": 25.0}
    rng = np.random.default_rng(11)
    z = rng.normal(size=8000)
    scale = [truth["alpha"] * np.exp(-0.5 * z), truth["beta"] * np.exp(0.4 * z)]
    T = rng.uniform(20, 60, len(z))
    drawn = told(*truth.values())._simulated(
        [np.full(len(z), 0.9), scale[0], np.full(len(z), 0.8), scale[1]], T, 0, rng
    )
    h = drawn.histories
    frame = pa.table({"frequency": h.frequency, "recency": h.recency, "T": h.T, "trait": z})
    model = ParetoNBD().fit(frame, covariates=["trait"])
    truth |= {"alpha:trait": 0.5 * z.std(), "beta:trait": -0.4 * z.std()}  # per standard deviation
    truth["alpha"] *= np.exp(-0.5 * z.mean())
    truth["beta"] *= np.exp(0.4 * z.mean())
    for name, value in truth.items():
        assert abs(model.parameters_[name] - value) < 3.5 * model.standard_errors_[name], name
    assert model.log_likelihood_ > ParetoNBD().fit(frame).log_likelihood_ + 50


def test_hundreds_of_purchases_and_decades_of_horizon_are_sound() -> None:
    model = told(*NOTE)
    busy = table((900, 38.5, 39.0), (900, 1.0, 39.0), (250, 20.0, 500.0), (0, 0.0, 5000.0), (5000, 38.99, 39.0))
    before = np.zeros(5)
    for horizon in (1e-6, 1.0, 52.0, 520.0, 5200.0, 1e6):
        orders, active, spread = (ask(busy, horizon) for ask in (model.expected_orders, model.active, model.spread))
        assert np.isfinite([orders, active, spread]).all()
        assert (orders >= before).all()
        assert ((active >= 0) & (active <= np.minimum(1, orders * (1 + 1e-12)))).all()
        assert (spread >= orders - orders**2 - 1e-9).all()  # a count varies no less
        before = orders
    alive = model.alive(busy)
    assert alive[4] > 0.97
    assert 0 <= alive[1] < 1e-100


def test_no_unit_of_time_is_preferred(sample: Histories) -> None:
    weeks = ParetoNBD().fit(sample)
    days = ParetoNBD().fit(pa.table({"frequency": sample.frequency, "recency": sample.recency * 7, "T": sample.T * 7}))
    expected = np.array(list(weeks.parameters_.values())) * [1, 7, 1, 7]
    np.testing.assert_allclose(list(days.parameters_.values()), expected, rtol=1e-5)


def test_the_order_of_people_does_not_matter(sample: Histories) -> None:
    turned = sample.taken(np.random.default_rng(2).permutation(len(sample)))
    assert ParetoNBD().fit(turned).to_json() == ParetoNBD().fit(sample).to_json()


def drawn_table(rates: np.ndarray, dropouts: np.ndarray, T: np.ndarray, rng: np.random.Generator) -> pa.Table:
    life = rng.exponential(1, len(T)) / np.maximum(dropouts, 1e-300)
    x = rng.poisson(rates * np.minimum(life, T)).astype(float)
    last = np.minimum(life, T) * rng.random(len(T)) ** (1 / np.maximum(x, 1))
    return pa.table({"frequency": x, "recency": np.where(x > 0, last, 0), "T": T})


def drawn_shop(rates: str, dropout: str, seed: int) -> pa.Table:
    """Return 1,500 people of rates, unlike or alike, and of a dropout: never, alike, split or unlike."""
    rng, alike = np.random.default_rng(seed), np.ones(1500)
    T, unlike = rng.uniform(100, 300, 1500), rng.gamma(1.2, 1 / 1.2, 1500)
    gone = {"never": 0 * alike, "alike": alike, "unlike": unlike, "split": np.where(rng.random(1500) < 0.6, 1e12, 0)}
    return drawn_table(0.06 * {"alike": alike, "unlike": rng.permutation(unlike)}[rates], 0.01 * gone[dropout], T, rng)


@pytest.mark.parametrize(
    ("rates", "dropout", "seed", "words"),
    [
        ("unlike", "never", 0, "stays for good"),
        ("alike", "unlike", 1, "how often they buy"),
        ("unlike", "alike", 0, "how fast they drop out"),
        ("unlike", "split", 0, "at once or not at all"),
    ],
)
def test_shops_without_dropout_or_without_differences_get_the_model_of_the_limit(
    rates: str, dropout: str, seed: int, words: str
) -> None:
    people = drawn_shop(rates, dropout, seed)
    model = ParetoNBD().fit(people)
    assert words in model.warning_
    (low, high), orders = model.orders_interval(people, 30.0), model.expected_orders(people, 30.0)
    assert np.isfinite([low, high, orders]).all()
    assert ((low <= orders) & (orders <= high)).all()
    # what is expected of new customers up to their ages adds up to what they bought
    bought = float(people["frequency"].to_numpy().sum())
    assert model.expected_of_new(people["T"].to_numpy()).sum() == pytest.approx(bought, rel=0.05)
    assert ParetoNBD.from_json(json.loads(json.dumps(model.to_json()))).warning_ == model.warning_


def test_where_nobody_drops_out_everybody_is_alive() -> None:
    people = drawn_shop("unlike", "never", 0)
    model = ParetoNBD().fit(people)
    np.testing.assert_allclose(model.alive(people), 1, atol=1e-6)
    assert abs(model.parameters_["r"] - 1.2) < 4 * model.standard_errors_["r"]
    assert model.standard_errors_["s"] == 0


def test_data_that_say_nothing_are_refused_with_the_reason() -> None:
    once = table(*[(0, 0.0, float(T)) for T in range(10, 80)])
    with pytest.raises(ConvergenceError, match="nobody of 70 people bought a second time"):
        ParetoNBD().fit(once)
    with pytest.raises(NotFittedError):
        ParetoNBD().alive(once)


def test_the_same_age_of_everybody_is_enough() -> None:
    rng = np.random.default_rng(8)
    T = np.full(3000, 200.0)
    model = ParetoNBD().fit(drawn_table(rng.gamma(1, 0.05, 3000), rng.gamma(1, 0.01, 3000), T, rng))
    assert abs(model.parameters_["r"] - 1) < 4 * model.standard_errors_["r"]
    assert abs(model.parameters_["s"] - 1) < 4 * model.standard_errors_["s"]


def test_a_stored_model_predicts_as_the_original(sample: Histories) -> None:
    model = ParetoNBD().fit(sample)
    body = json.loads(json.dumps(model.to_json()))
    again = ParetoNBD.from_json(body)
    assert again.to_json() == model.to_json()
    for ask in ("expected_orders", "active", "spread"):
        np.testing.assert_array_equal(getattr(again, ask)(sample, 39.0), getattr(model, ask)(sample, 39.0))
    with pytest.raises(IntegrityError):
        ParetoNBD.from_json({**body, "kind": "BGNBD"})


def test_intervals_of_the_mean_are_the_spread_of_refitted_models() -> None:
    truth, rng = told(1.0, 12.0, 0.9, 30.0), np.random.default_rng(21)
    T = np.full(1500, 40.0)
    asked = table((2, 30.0, 40.0), (0, 0.0, 40.0), (9, 39.0, 40.0))
    expected = truth.expected_orders(asked, 20.0)
    held = np.zeros(3)
    for _ in range(60):
        model = ParetoNBD().fit(truth.sample(T, rng).histories)
        low, high = model.orders_interval(asked, 20.0, level=0.8)
        held += (low <= expected) & (expected <= high)
    assert (np.abs(held / 60 - 0.8) < 4 * np.sqrt(0.8 * 0.2 / 60)).all()


def test_covariates_are_learnt_where_nobody_drops_out() -> None:
    rng = np.random.default_rng(17)
    T, z = rng.uniform(100, 300, 1500), rng.normal(size=1500)
    people = drawn_table(rng.gamma(1.2, 0.05, 1500) * np.exp(0.5 * z), np.zeros(1500), T, rng)
    model = ParetoNBD().fit(people.append_column("trait", pa.array(z)), covariates=["trait"])
    assert "stays for good" in model.warning_
    assert model.parameters_["alpha:trait"] == pytest.approx(
        0.5 * z.std(), abs=4 * model.standard_errors_["alpha:trait"]
    )
    assert model.parameters_["beta:trait"] == 0
