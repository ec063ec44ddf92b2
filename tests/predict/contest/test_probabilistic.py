import numpy as np
import pyarrow as pa
import pytest
from threadpoolctl import threadpool_limits

from coterie.errors import DataError, NotFittedError, ParameterError
from coterie.predict.contest.backtest import Origin, backtest
from coterie.predict.contest.contender import Case, histories
from coterie.predict.contest.learnt import Learnt
from coterie.predict.contest.naive import Rate
from coterie.predict.contest.probabilistic import Probabilistic
from coterie.predict.lifetime.bg_nbd import BGNBD
from coterie.predict.lifetime.gamma_gamma import GammaGamma
from coterie.predict.propensity.learner import Learner


def people(count=600, seed=0, spend=True):
    random = np.random.default_rng(seed)
    rate, T = random.gamma(0.8, 0.03, count), random.integers(40, 200, count).astype(float)
    x = random.poisson(rate * T)
    recency = np.where(x > 0, np.maximum(np.floor(T * random.beta(np.maximum(x, 1), 1)), 1), 0)
    each = np.where(x > 0, random.gamma(6, 200, count) / np.where(x > 0, 1, 1), np.nan)
    columns = {"person": np.arange(count), "frequency": x, "recency": recency, "T": T, "noise": random.random(count)}
    if spend:
        columns["spend_per_order"] = pa.array(each, from_pandas=True)
    return pa.table(columns), random.poisson(rate * 30).astype(float)


NOW, AFTER = people()


def test_it_says_what_its_models_say():
    told = Probabilistic(BGNBD(), GammaGamma()).fit(Case(now=NOW, horizon_days=30)).forecast(NOW[:50])
    past = histories(NOW)
    model, spend = BGNBD().fit(past), GammaGamma().fit(past)
    known = histories(NOW[:50])
    np.testing.assert_allclose(told.orders, model.expected_orders(known, 30))
    np.testing.assert_allclose(told.active, model.active(known, 30))
    np.testing.assert_allclose(told.spend, told.orders * spend.expected_spend(known))
    assert Probabilistic(BGNBD(), GammaGamma()).name == "BGNBD × GammaGamma"


def test_without_amounts_it_says_nothing_of_spend():
    bare, _ = people(spend=False)
    assert Probabilistic(BGNBD(), GammaGamma()).fit(Case(now=bare, horizon_days=30)).forecast(bare).spend is None
    assert Probabilistic(BGNBD()).fit(Case(now=NOW, horizon_days=30)).forecast(NOW).spend is None


def test_covariates_reach_the_model():
    told = Probabilistic(BGNBD(), covariates=("noise",)).fit(Case(now=NOW, horizon_days=30))
    assert told.model.covariate_names_ == ("noise",)
    assert told.forecast(NOW).orders.shape == (600,)


def test_too_little_spend_degrades_to_the_mean_and_a_backtest_says_so():
    spend = np.where(np.arange(600) < 5, 900.0, np.nan)
    few = NOW.set_column(5, "spend_per_order", pa.array(spend, from_pandas=True))
    case = Case(now=few, horizon_days=30)
    contender = Probabilistic(BGNBD(), GammaGamma()).fit(case)
    told = contender.forecast(few)
    np.testing.assert_allclose(told.spend, told.orders * 900)
    found = backtest([Origin(name="May", case=case, orders=AFTER)], [Rate(), contender])
    (note,) = found.notes
    assert note.startswith("BGNBD × GammaGamma at May: A model of spend needs at least 10 people")
    assert contender.fit(Case(now=NOW, horizon_days=30)).degraded_ is None, "a second fit forgets the first"


def test_a_shop_where_everybody_bought_once_is_told_by_the_naive_rules_alone():
    once = pa.table({"person": np.arange(200), "frequency": np.zeros(200), "recency": np.zeros(200),
                     "T": np.arange(200) + 1.0})  # fmt: skip
    case = Case(now=once, horizon_days=30)
    found = backtest([Origin(name="May", case=case, orders=np.arange(200) % 9 == 0)], [Rate(), Probabilistic(BGNBD())])
    (note,) = found.notes
    assert note.startswith("BGNBD could not be judged at May: ")
    assert found.score("x/T·H", "orders", "bias").estimate.value == -1


def test_learners_learn_what_followed_and_stretch_it():
    then, orders = people(seed=1)
    outcome = {"orders": orders}
    contender = Learnt(Learner("count"), Learner("binary"))
    with threadpool_limits(1):  # with few people, threads wait for each other
        told = contender.fit(Case(now=NOW, horizon_days=30, then=then, outcome=outcome)).forecast(NOW)
        long = Case(now=NOW, horizon_days=60, then=then, outcome=outcome, then_days=30)
        twice = contender.fit(long).forecast(NOW)
    assert told.orders.sum() == pytest.approx(orders.sum(), rel=0.3)
    assert np.corrcoef(told.orders, NOW["frequency"].to_numpy())[0, 1] > 0.5
    assert ((told.active >= 0) & (told.active <= 1)).all()
    np.testing.assert_allclose(twice.orders, 2 * told.orders)
    np.testing.assert_allclose(1 - twice.active, (1 - told.active) ** 2, atol=1e-12)


def test_what_cannot_be_learnt_says_so():
    with pytest.raises(DataError, match="no earlier moments"):
        Learnt(Learner("count")).fit(Case(now=NOW, horizon_days=30))
    with pytest.raises(ParameterError, match="at least one"):
        Learnt().fit(Case(now=NOW, horizon_days=30))
    for contender in (Learnt(Learner("count")), Probabilistic(BGNBD())):
        with pytest.raises(NotFittedError):
            contender.forecast(NOW)
