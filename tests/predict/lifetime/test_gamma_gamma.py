"""Gamma-Gamma: the published figures, the model's definition by integration, and people drawn from the model."""

from __future__ import annotations

import json
from datetime import date

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import gammaln
from scipy.stats import gamma

from coterie.errors import (
    DataError,
    IntegrityError,
    MissingColumnError,
    NotFittedError,
    NoVariationError,
    ParameterError,
    TooFewPeopleError,
)
from coterie.predict.lifetime.gamma_gamma import GammaGamma
from coterie.predict.lifetime.histories import Histories
from coterie.predict.lifetime.spend_likelihood import SpendLikelihood

END = date(1997, 9, 30)
BODY = {
    "kind": "GammaGamma", "version": 1, "covariance": np.diag([0.2, 0.05, 1.0]).tolist(), "log_likelihood": -1.0,
    "people": 1, "left_out": 0, "warning": "", "correlation": [0.0, -0.1, 0.1], "iterations": 1, "evaluations": 1,
}  # fmt: skip


def told(p: float = 6.25, q: float = 3.744, v: float = 15.44) -> GammaGamma:
    return GammaGamma.from_json({**BODY, "parameters": {"p": p, "q": q, "v": v}})


def in_dollars(orders: pa.Table) -> Histories:
    amounts = pa.array(orders["amount"].to_numpy() / 100)
    dollars = orders.set_column(orders.column_names.index("amount"), "amount", amounts)
    return Histories.of_orders(dollars, until=END, unit=7.0, amount="amount")[1]


@pytest.fixture(scope="module")
def shop() -> pa.Table:
    """3,000 people drawn from a model of p, q, v = 5, 4, 30; a third without a repeat purchase."""
    rng = np.random.default_rng(4)
    x, spend = GammaGamma.drawn(rng.poisson(1.1, 3000).astype(float), p=5.0, q=4.0, v=30.0, rng=rng)
    return pa.table({"frequency": x, "spend": spend})


def test_parameters_of_the_cdnow_sample_are_the_published_ones(cdnow_sample_orders: pa.Table) -> None:
    model = GammaGamma().fit(in_dollars(cdnow_sample_orders))
    assert [format(model.parameters_[name], digits) for name, digits in (("p", ".2f"), ("q", ".3f"), ("v", ".2f"))] == [
        "6.25",
        "3.744",
        "15.44",
    ]
    assert (model.people_, model.left_out_) == (946, 0)
    assert round(model.correlation_.value, 2) == 0.11  # Fader, Hardie & Lee (2005), as published
    assert model.expected_spend(pa.table({"frequency": [0], "spend": [None]}))[0] == pytest.approx(35.17, abs=0.01)


def test_the_likelihood_of_all_cdnow_customers_is_the_published_one(cdnow_orders: pa.Table) -> None:
    model = GammaGamma().fit(in_dollars(cdnow_orders))
    assert f"{model.log_likelihood_:.4f}" == "-40763.4763"
    assert (model.people_, model.left_out_) == (9450, 1)  # one person's repeat purchase was free
    assert model.caution_ is not None
    assert "spend more per order (correlation 0.080" in model.caution_


@settings(max_examples=60, deadline=None)
@given(
    theta=st.lists(st.floats(-2, 4), min_size=3, max_size=3),
    group=st.lists(st.tuples(st.integers(1, 800), st.floats(0.01, 500)), min_size=1, max_size=15),
)
def test_gradient_and_hessian_are_differences_of_the_likelihood(
    theta: list[float], group: list[tuple[int, float]]
) -> None:
    x, mean = (np.array(values, dtype=float) for values in zip(*group, strict=True))
    likelihood, at = SpendLikelihood(x, mean), np.array(theta)
    value, gradient, hessian = likelihood(at)
    ends = [[likelihood(at + sign * 1e-4 * one) for sign in (-1, 1)] for one in np.eye(3)]
    scale = max(1.0, abs(value), float(np.abs(gradient).max()), float(np.abs(hessian).max()))
    np.testing.assert_allclose([(b[0] - a[0]) / 2e-4 for a, b in ends], gradient, atol=1e-6 * scale)
    np.testing.assert_allclose([(b[1] - a[1]) / 2e-4 for a, b in ends], hessian, atol=1e-6 * scale)
    model = told(*np.exp(at))
    rows = pa.table({"frequency": x, "spend": mean})
    assert model.log_likelihoods(rows).sum() == pytest.approx(value, rel=1e-9, abs=1e-9 * scale)


@pytest.mark.parametrize("parameters", [(6.25, 3.744, 15.44), (0.7, 2.5, 90.0), (30.0, 1.4, 2.0)])
@pytest.mark.parametrize(("x", "mean"), [(1, 12.0), (4, 300.0), (350, 41.0)])
def test_everything_asked_of_a_person_is_the_integral_over_nu(
    parameters: tuple[float, float, float], x: int, mean: float
) -> None:
    p, q, v = parameters
    log_nu = np.arange(-60, 12, 0.002)  # the trapezoid rule is exact for such integrands
    nu = np.exp(log_nu)
    prior = q * np.log(v) - gammaln(q) + q * log_nu - v * nu + np.log(0.002)
    log = prior + gamma.logpdf(mean, p * x, scale=1 / (x * nu))
    top = log.max()
    density = np.exp(log - top)
    model, person = told(*parameters), pa.table({"frequency": [x], "spend": [mean]})
    assert model.log_likelihoods(person)[0] == pytest.approx(top + np.log(density.sum()), rel=1e-10)
    share = density / density.sum()
    expected = (share * p / nu).sum()
    assert model.expected_spend(person)[0] == pytest.approx(expected, rel=1e-9)
    if p * x + q > 4:  # below, the tail of the variance is beyond the range of the integral
        assert model.spread(person)[0] == pytest.approx((share * (p / nu - expected) ** 2).sum(), rel=1e-5)


def test_parameters_are_found_again_within_their_errors(shop: pa.Table) -> None:
    model = GammaGamma().fit(shop)
    for name, truth in (("p", 5.0), ("q", 4.0), ("v", 30.0)):
        assert abs(model.parameters_[name] - truth) < 3.5 * model.standard_errors_[name]
    assert model.correlation_.low < 0 < model.correlation_.high
    assert model.caution_ is None


def test_intervals_cover_what_they_say() -> None:
    rng = np.random.default_rng(12)
    x = 1.0 + rng.poisson(2.0, 40_000)
    nu = rng.gamma(4.0, 1 / 30.0, len(x))
    people = pa.table({"frequency": x, "spend": rng.gamma(5.0 * x) / (x * nu)})
    model = GammaGamma().fit(people)
    own = model.spend_interval(people, 0.8, kind="own")
    inside = (own[:, 0] <= 5.0 / nu) & (5.0 / nu <= own[:, 1])
    assert abs(inside.mean() - 0.8) < 0.01
    drawn = model.own_means(people, np.random.default_rng(1))
    assert abs(((own[:, 0] <= drawn) & (drawn <= own[:, 1])).mean() - 0.8) < 0.01
    assert drawn.mean() == pytest.approx(model.expected_spend(people).mean(), rel=0.01)
    mean, truth = model.spend_interval(people, 0.999), told(5.0, 4.0, 30.0).expected_spend(people)
    assert ((mean[:, 0] <= truth) & (truth <= mean[:, 1])).all()
    assert (mean[:, 1] - mean[:, 0] < own[:, 1] - own[:, 0]).all()


def test_the_delta_method_is_that_of_differences(shop: pa.Table) -> None:
    model = told()
    values, cells = np.array(list(model.parameters_.values())), model.covariance_
    people = pa.table({"frequency": [0, 1, 9], "spend": [None, 20.0, 99.0]})
    slopes = [
        (told(*(values + step)).expected_spend(people) - told(*(values - step)).expected_spend(people)) / 2e-5
        for step in 1e-5 * np.eye(3)
    ]
    error = np.sqrt(np.einsum("ip,ij,jp->p", slopes, cells, slopes)) / model.expected_spend(people)
    interval = model.spend_interval(people, 0.9)
    np.testing.assert_allclose(np.log(interval[:, 1] / interval[:, 0]) / 2, 1.6448536 * error, rtol=1e-6)


def test_the_correlation_has_the_interval_of_a_bootstrap(shop: pa.Table) -> None:
    rows = shop.to_pandas().query("frequency > 0")
    rows["spend"] *= 1 + 0.15 * rows["frequency"]
    model = GammaGamma().fit(rows)
    rng = np.random.default_rng(0)
    x, spend = rows["frequency"].to_numpy(), rows["spend"].to_numpy()
    assert model.correlation_.value == pytest.approx(np.corrcoef(x, spend)[0, 1], rel=1e-9)
    draws = rng.integers(0, len(x), (600, len(x)))
    repeats = [np.corrcoef(x[rows], spend[rows])[0, 1] for rows in draws]
    low, high = np.quantile(repeats, [0.025, 0.975])
    assert abs(model.correlation_.low - low) < 0.15 * (high - low)
    assert abs(model.correlation_.high - high) < 0.15 * (high - low)
    assert model.caution_ is not None


def test_more_is_known_of_who_has_ordered_more() -> None:
    model = told()
    people = pa.table({"frequency": [0, 1, 5, 50, 5000], "spend": [None, 80.0, 80.0, 80.0, 80.0]})
    expected = model.expected_spend(people)
    assert (np.diff(expected) > 0).all()  # from everybody's mean to the own one
    assert expected[0] == pytest.approx(6.25 * 15.44 / 2.744)
    assert expected[-1] == pytest.approx(80, rel=1e-3)
    assert (np.diff(model.spread(people)[1:]) < 0).all()


def test_people_without_spend_are_left_out_and_told(shop: pa.Table) -> None:
    extra = pa.table({"frequency": [2.0, 1.0, 3.0, 4.0], "spend": [0.0, -25.0, None, np.nan]})
    model, plain = GammaGamma().fit(pa.concat_tables([shop, extra])), GammaGamma().fit(shop)
    assert model.parameters_ == plain.parameters_
    assert (model.people_, model.left_out_) == (plain.people_, 4)
    free, refunded, unknown, missing = model.expected_spend(extra)
    everybody = model.expected_spend(pa.table({"frequency": [0.0], "spend": [0.0]}))[0]
    assert unknown == missing == everybody
    assert 0 < free < refunded < everybody  # two free orders tell more than a refunded one, which counts as 0
    assert np.isnan(model.log_likelihoods(extra)).all()


def test_one_huge_spender_moves_nobody_else_much(shop: pa.Table) -> None:
    huge = pa.table({"frequency": [3.0], "spend": [5e7]})
    model, plain = GammaGamma().fit(pa.concat_tables([shop, huge])), GammaGamma().fit(shop)
    np.testing.assert_allclose(model.expected_spend(shop), plain.expected_spend(shop), rtol=0.3)
    assert 1e7 < model.expected_spend(huge)[0] < 6e7
    assert model.correlation_.low < 0 < model.correlation_.high


def test_the_unit_of_money_does_not_matter(shop: pa.Table) -> None:
    cents = shop.set_column(1, "spend", pa.array(shop["spend"].to_numpy() * 100))
    one, other = GammaGamma().fit(shop), GammaGamma().fit(cents)
    assert other.parameters_["p"] == pytest.approx(one.parameters_["p"], rel=1e-9)
    assert other.parameters_["v"] == pytest.approx(100 * one.parameters_["v"], rel=1e-9)
    assert other.log_likelihood_ == pytest.approx(one.log_likelihood_ - one.people_ * np.log(100), rel=1e-12)


def test_any_dataframe_in_any_order_gives_the_same(shop: pa.Table) -> None:
    expected = GammaGamma().fit(shop).to_json()
    turned = shop.take(np.random.default_rng(3).permutation(len(shop)))
    for frame in (turned, pl.from_arrow(shop), pd.DataFrame(shop.to_pandas())):
        assert GammaGamma().fit(frame).to_json() == expected


def test_data_that_say_nothing_are_refused_with_the_reason() -> None:
    def fit(x: list[float], spend: list[float]) -> GammaGamma:
        return GammaGamma().fit(pa.table({"frequency": x, "spend": spend}))

    with pytest.raises(TooFewPeopleError, match=r"at least 10 people, there are 0\.(.|\n)*12 have a repeat"):
        fit([1.0] * 12, [0.0] * 12)
    with pytest.raises(NoVariationError, match=r"All 12 people spend 9\.99 per order"):
        fit([2.0] * 12, [9.99] * 12)
    with pytest.raises(DataError, match="no count in 1 of 2 rows"):
        fit([1.5, 2.0], [3.0, 4.0])
    with pytest.raises(MissingColumnError):
        GammaGamma().fit(pa.table({"frequency": [1.0]}))


def test_where_people_differ_by_chance_alone_everybody_is_expected_to_spend_the_same() -> None:
    rng = np.random.default_rng(7)
    x = 1.0 + rng.poisson(3, 400)
    people = pa.table({"frequency": x, "spend": 20 * rng.gamma(6.0 * x) / x})
    model = GammaGamma().fit(people)
    assert "people do not differ" in model.warning_
    expected, interval = model.expected_spend(people), model.spend_interval(people)
    np.testing.assert_allclose(expected, np.average(people["spend"], weights=x), rtol=1e-3)
    assert ((interval[:, 0] < expected) & (expected < interval[:, 1])).all()
    assert abs(model.parameters_["p"] - 6) < 4 * model.standard_errors_["p"]


def test_where_a_person_always_spends_the_same_the_next_order_is_as_the_last() -> None:
    rng = np.random.default_rng(8)
    people = pa.table({"frequency": 1.0 + rng.poisson(3, 400), "spend": 60 / rng.gamma(4.0, size=400)})
    model = GammaGamma().fit(people)
    assert "all worth the same" in model.warning_
    np.testing.assert_allclose(model.expected_spend(people), people["spend"], rtol=1e-3)
    assert GammaGamma.from_json(model.to_json()).warning_ == model.warning_


def test_a_mean_that_does_not_exist_is_not_told() -> None:
    model = told(2.0, 0.8, 5.0)
    assert model.expected_spend(pa.table({"frequency": [3.0], "spend": [20.0]}))[0] > 0
    with pytest.raises(DataError, match=r"q = 0\.8.*1 of 2 people"):
        model.expected_spend(pa.table({"frequency": [3.0, 0.0], "spend": [20.0, None]}))


def test_a_wrong_call_is_refused() -> None:
    people = pa.table({"frequency": [3.0], "spend": [20.0]})
    with pytest.raises(NotFittedError):
        GammaGamma().expected_spend(people)
    with pytest.raises(ParameterError, match="level"):
        told().spend_interval(people, 1.0)
    with pytest.raises(ParameterError, match="kind"):
        told().spend_interval(people, kind="count")  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="its type"):
        told().expected_spend([1, 2, 3])


def test_a_stored_model_predicts_as_the_original(shop: pa.Table) -> None:
    model = GammaGamma().fit(shop)
    body = json.loads(json.dumps(model.to_json()))
    again = GammaGamma.from_json(body)
    assert again.to_json() == model.to_json()
    assert again.caution_ == model.caution_
    np.testing.assert_array_equal(again.expected_spend(shop), model.expected_spend(shop))
    np.testing.assert_array_equal(again.spend_interval(shop), model.spend_interval(shop))
    for change in (
        {"kind": "ParetoNBD"},
        {"version": 2},
        {"parameters": {"p": 1, "q": -1, "v": 2}},
        {"covariance": []},
    ):
        with pytest.raises(IntegrityError, match="no stored GammaGamma"):
            GammaGamma.from_json({**body, **change})
    del body["people"]
    with pytest.raises(IntegrityError, match="no stored GammaGamma"):
        GammaGamma.from_json(body)


def test_one_mean_for_all_where_there_is_too_little_to_learn_from() -> None:
    people = pa.table({"frequency": [0.0, 1.0, 50.0], "spend": [None, 700.0, 500.0]})
    model = GammaGamma.from_json(json.loads(json.dumps(GammaGamma.of_mean(500.0).to_json(), allow_nan=False)))
    np.testing.assert_allclose(model.expected_spend(people), 500, rtol=1e-4)
    np.testing.assert_allclose(model.spend_interval(people), 500, rtol=1e-3)
    assert np.isfinite(model.spread(people)).all()
    with pytest.raises(ParameterError, match="mean"):
        GammaGamma.of_mean(0.0)
