"""The ensemble: better than its models where size of orders tells something, and never worse off without it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from coterie.errors import ConvergenceError, DataError, NotFittedError
from coterie.evaluation.metrics import auc
from coterie.evaluation.ranking import gini
from coterie.predict.contest.amounts import expected_spend, mean_amount
from coterie.predict.contest.contender import Case
from coterie.predict.contest.ensemble import BUYERS, Ensemble, Sized, Stacked, label_days
from coterie.predict.contest.probabilistic import Probabilistic
from coterie.predict.lifetime.gamma_gamma import GammaGamma
from coterie.predict.lifetime.pareto_nbd import ParetoNBD

Floats = npt.NDArray[np.float64]
NOW = 270


class Shop:
    """Made-up purchases on days 0 to 449: who buys much at a time buys more often."""

    def __init__(self, people: int, seed: int = 0) -> None:
        random = np.random.default_rng(seed)
        size = random.normal(size=people)
        rate = random.gamma(2.0, 0.003, people) * np.exp(size - 0.5)
        first = random.integers(0, 80, people)
        leaves = first + random.exponential(400, people)
        who, day = [np.arange(people)], [first]
        for person in range(people):
            days = np.unique(first[person] + 1 + np.floor(np.cumsum(random.exponential(1 / rate[person], 200))))
            days = days[(days < leaves[person]) & (days < 450)]
            who.append(np.full(len(days), person))
            day.append(days.astype(np.int64))
        self.who, self.day = np.concatenate(who), np.concatenate(day)
        order = np.lexsort((self.day, self.who))
        self.who, self.day = self.who[order], self.day[order]
        noise = random.normal(0, 0.2, len(self.who))
        self.amount = np.rint(2000 * np.exp(0.5 * size[self.who] + noise))

    def table(self, until: int) -> pa.Table:
        past = self.day < until
        who, start, count = np.unique(self.who[past], return_index=True, return_counts=True)
        day, amount = self.day[past].astype(np.float64), self.amount[past]
        x, total = count - 1.0, np.add.reduceat(amount, start)
        with np.errstate(invalid="ignore", divide="ignore"):
            repeat = (total - amount[start]) / np.where(x > 0, x, np.nan)
        return pa.table({
            "person": who, "frequency": x, "recency": day[start + count - 1] - day[start], "T": until - day[start],
            "spend_per_order": pa.array(repeat, from_pandas=True), "first_spend": amount[start],
            "orders_30d": np.add.reduceat((day >= until - 30) * 1.0, start),
        })  # fmt: skip

    def outcome(self, until: int, days: int) -> dict[str, Floats]:
        people = self.table(until)["person"].to_numpy()
        late = (self.day >= until) & (self.day < until + days) & np.isin(self.who, people)
        place = np.searchsorted(people, self.who[late])
        return {
            "orders": np.bincount(place, minlength=len(people)).astype(np.float64),
            "spend": np.bincount(place, weights=self.amount[late], minlength=len(people)),
        }

    def case(self, horizon: int = 180, **changed: Any) -> Case:
        now = NOW
        days = int(label_days(now, horizon))
        told = {
            "now": self.table(now), "then": self.table(now - days), "then_days": days,
            "outcome": self.outcome(now - days, days),
        }  # fmt: skip
        return Case(horizon_days=horizon, **(told | changed))


@pytest.fixture(scope="module")
def shop() -> Shop:
    return Shop(2500)


@pytest.fixture(scope="module")
def ensemble(shop: Shop) -> Ensemble:
    return Ensemble().fit(shop.case())


def test_it_ranks_better_than_the_models_that_it_is_made_of(shop: Shop, ensemble: Ensemble) -> None:
    case, after = shop.case(), shop.outcome(NOW, 180)
    plain = Probabilistic(ParetoNBD(), GammaGamma()).fit(case).forecast(case.now)
    told = ensemble.forecast(case.now)
    assert gini(after["orders"], told.orders) > gini(after["orders"], plain.orders) + 0.01
    assert auc(after["orders"] > 0, told.active) > auc(after["orders"] > 0, plain.active)
    assert gini(after["spend"], told.spend) > gini(after["spend"], plain.spend) + 0.02


def test_amounts_add_up_to_those_of_the_level(shop: Shop, ensemble: Ensemble) -> None:
    case = shop.case()
    told, level = ensemble.forecast(case.now), Sized().fit(case).forecast(case.now)
    assert told.level
    for part in ("orders", "spend"):
        assert getattr(told, part).sum() == pytest.approx(getattr(level, part).sum(), rel=1e-9)
    assert told.active.min() >= 0
    assert told.active.max() <= 1


def test_the_order_of_rows_and_other_columns_do_not_matter(shop: Shop, ensemble: Ensemble) -> None:
    case = shop.case()
    random = np.random.default_rng(0)
    mixed, before = random.permutation(len(case.now)), random.permutation(len(case.then))
    other = shop.case(
        now=case.now.take(pa.array(mixed)).append_column("noise", pa.array(random.normal(size=len(mixed)))),
        then=case.then.take(pa.array(before)),
        outcome={name: values[before] for name, values in case.outcome.items()},
    )
    expected, found = ensemble.forecast(case.now), Ensemble().fit(other).forecast(other.now)
    for part in ("orders", "active", "spend"):
        assert getattr(found, part) == pytest.approx(getattr(expected, part)[mixed], rel=1e-6)


def test_what_was_learnt_from_a_shorter_horizon_is_stretched(shop: Shop) -> None:
    case = shop.case()
    assert case.then_days == 90
    weights = Stacked().fit(case)
    long = weights.forecast(case.then)
    short = Stacked().fit(shop.case(90)).forecast(case.then)
    assert long.orders.sum() == pytest.approx(2 * case.outcome["orders"].sum(), rel=0.2)
    assert short.orders.sum() == pytest.approx(case.outcome["orders"].sum(), rel=0.2)
    assert ((short.active >= 0) & (long.active <= 1)).all()


def test_a_person_is_told_the_same_alone(shop: Shop, ensemble: Ensemble) -> None:
    now = shop.case().now
    everybody, some = ensemble.forecast(now), ensemble.forecast(now.slice(7, 3))
    assert some.spend == pytest.approx(everybody.spend[7:10], rel=1e-9)


def test_moments_are_fitted_one_by_one(shop: Shop) -> None:
    late, early = shop.table(180), shop.table(100)
    moments = [
        np.full(len(table), day, dtype="datetime64[D]") for table, day in ((late, "2026-06-01"), (early, "2026-03-01"))
    ]
    then = pa.concat_tables([late, early]).append_column("as_of", pa.array(np.concatenate(moments)))
    told = [shop.outcome(180, 80), shop.outcome(100, 80)]
    outcome = {name: np.concatenate([one[name] for one in told]) for name in ("orders", "spend")}
    model = Stacked().fit(shop.case(then=then, outcome=outcome, then_days=80))
    both = Stacked().fit(shop.case(then=then.drop_columns(["as_of"]), outcome=outcome, then_days=80))
    assert set(model.weights_) == {"orders", "active", "spend"}
    assert model.weights_["orders"] != pytest.approx(both.weights_["orders"], rel=1e-3)


def test_without_a_past_to_learn_from_people_are_ranked_by_the_models(shop: Shop) -> None:
    case = shop.case(then=None, outcome={}, then_days=None)
    models = Probabilistic(ParetoNBD()).fit(case).forecast(case.now)
    told = Ensemble().fit(case).forecast(case.now)
    assert gini(models.orders, told.orders) == pytest.approx(1, abs=1e-6)
    few = shop.case()
    quiet = np.where(np.cumsum(few.outcome["orders"] > 0) < BUYERS, few.outcome["orders"], 0.0)
    assert Stacked().fit(shop.case(outcome={"orders": quiet})).weights_ == {}


def test_it_says_what_it_could_not_learn(shop: Shop, ensemble: Ensemble) -> None:
    assert ensemble.degraded_ is None
    assert ensemble.ranking.degraded_ is None
    case = shop.case()
    alone = Ensemble().fit(shop.case(then=None, outcome={}, then_days=None))
    assert alone.degraded_ == (
        "stacked: No earlier moments with what happened after them are known: people are ranked by the models alone."
    )
    quiet = np.where(np.cumsum(case.outcome["orders"] > 0) < BUYERS, case.outcome["orders"], 0.0)
    few = Stacked().fit(shop.case(outcome={"orders": quiet}))
    assert few.degraded_.startswith("After the earlier moments 99 people ordered, where weights take 100:")
    assert few.fit(case).degraded_ is None, "a second fit forgets the first"
    early = shop.case(then=case.then.slice(0, 1), outcome={"orders": np.ones(1)})
    assert Stacked().fit(early).degraded_.startswith("At none of the earlier moments is there enough for the models:")
    same = pa.array(np.full(len(case.now), 900.0))
    now = case.now.drop_columns(["spend_per_order", "first_spend"])
    alike = now.append_column("spend_per_order", same).append_column("first_spend", same)
    flat = Ensemble().fit(shop.case(now=alike))
    assert "BG/NBD by size of orders: All people buy as much at a time" in flat.degraded_
    assert "Nothing is said of spend." in flat.degraded_
    assert flat.forecast(alike).spend is None


def test_without_known_spend_after_the_earlier_moments_spend_is_that_of_the_models(shop: Shop) -> None:
    case = shop.case()
    known = shop.case(outcome={"orders": case.outcome["orders"]})
    stacked = Stacked().fit(known)
    assert set(stacked.weights_) == {"orders", "active"}
    assert stacked.degraded_.startswith("Nothing is known to have been spent after the earlier moments")
    told = stacked.forecast(case.now)
    each = expected_spend(stacked.models_.spend, case.now)
    np.testing.assert_allclose(told.spend, told.orders * each)
    ensemble = Ensemble().fit(known)
    assert gini(told.spend, ensemble.forecast(case.now).spend) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(("people", "groups"), [(4, 1), (10, 2), (49, 9), (50, 10), (700, 10)])
def test_no_group_of_sizes_is_of_fewer_than_five(people: int, groups: int) -> None:
    random = np.random.default_rng(3)
    x, T = random.poisson(1.5, people) * 1.0, random.integers(50, 200, people) * 1.0
    now = pa.table({
        "frequency": x, "recency": np.where(x > 0, np.ceil(T * random.random(people)), 0.0), "T": T,
        "spend_per_order": pa.array(np.where(x > 0, random.gamma(5, 200, people), np.nan), from_pandas=True),
        "first_spend": random.gamma(5, 200, people),
    })  # fmt: skip
    size = mean_amount(now)
    level = Sized()
    try:
        level.fit(Case(now=now, horizon_days=30))
    except DataError:
        assert people < 50
    assert len(level.steps_) == groups - 1
    assert np.bincount(np.searchsorted(level.steps_, size)).min() >= min(people, 4)


def test_without_amounts_there_is_no_spend_and_no_size(shop: Shop) -> None:
    case = shop.case()
    bare = [name for name in case.now.column_names if name not in ("spend_per_order", "first_spend")]
    told = shop.case(now=case.now.select(bare), then=case.then.select(bare), outcome={"orders": case.outcome["orders"]})
    found = Ensemble().fit(told)
    assert found.forecast(told.now).spend is None
    assert "expected spend" not in found.ranking.terms_
    assert found.level.model_.covariate_names_ == ()


def test_amounts_of_nothing_are_not_known(shop: Shop) -> None:
    case = shop.case()
    free = pa.array(np.where(np.arange(len(case.now)) % 5 == 0, 0.0, case.now["first_spend"].to_numpy()))
    now = case.now.set_column(case.now.column_names.index("first_spend"), "first_spend", free)
    told = Ensemble().fit(shop.case(now=now)).forecast(now)
    for part in (told.orders, told.active, told.spend):
        assert np.isfinite(part).all()


def test_everybody_bought_once_is_no_case_for_models(shop: Shop) -> None:
    now = pa.table({
        "frequency": np.zeros(300), "recency": np.zeros(300), "T": np.arange(300.0) + 1,
        "spend_per_order": pa.nulls(300, pa.float64()), "first_spend": np.full(300, 900.0),
    })  # fmt: skip
    with pytest.raises(DataError):
        Ensemble().fit(Case(now=now, horizon_days=90))
    early = shop.case(then=now, outcome={"orders": np.ones(300), "spend": np.ones(300)})
    assert Stacked().fit(early).weights_ == {}


def test_it_says_when_it_was_not_fitted(shop: Shop) -> None:
    for contender in (Ensemble(), Stacked(), Sized()):
        with pytest.raises(NotFittedError):
            contender.forecast(shop.table(NOW))


def test_where_the_trait_cannot_be_fitted_it_is_left_out(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    from coterie.predict.contest import ensemble

    class Fragile(ensemble.BGNBD):
        def fit(self, frame: Any, y: object = None, *, covariates: Any = None) -> Any:
            if covariates:
                raise ConvergenceError("No maximum in 100 steps.", hint="none.")
            return super().fit(frame, y)

    monkeypatch.setattr(ensemble, "BGNBD", Fragile)
    case = shop.case()
    level = Sized().fit(case)
    assert level.model_.covariate_names_ == ()
    assert np.isfinite(level.forecast(case.now).orders).all()


@pytest.mark.parametrize(("age", "horizon", "days"), [(365, 91, 91), (182, 91, 91), (181, 91, 60), (273, 273, 91)])
def test_how_far_labels_look(age: float, horizon: float, days: float) -> None:
    assert label_days(age, horizon) == days
