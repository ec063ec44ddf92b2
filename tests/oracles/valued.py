"""Pages of predictions with all their parts, of a made-up shop of 900 people: forecasts, models and judgements real."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from coterie.evaluation.intervals import Estimate
from coterie.predict.advice import ADVICE, Rule
from coterie.predict.contest.backtest import Origin, backtest
from coterie.predict.contest.contender import Case
from coterie.predict.contest.naive import naive_rules
from coterie.predict.contest.probabilistic import Probabilistic
from coterie.predict.contest.standings import Backtest
from coterie.predict.lifetime.bg_nbd import BGNBD
from coterie.predict.lifetime.gamma_gamma import GammaGamma
from coterie.predict.lifetime.portrait import follow
from coterie.predict.lifetime.value import CustomerValue
from coterie.predict.propensity.judgement import Judgement, judge
from coterie.predict.propensity.reasons import Importance
from coterie.predict.propensity.targets import target
from coterie.predict.tiers import Tiers
from coterie.report.predictions import ValueReport
from coterie.report.targets import TargetReport
from coterie.report.worth import People

PEOPLE = 900
FORECAST = "BG/NBD"
PARTS = (0.15, 0.35, 0.1, 0.3, 0.1)
"""How large the lists of advice are."""


@cache
def _histories() -> pa.Table:
    random = np.random.default_rng(8)
    T = random.integers(60, 300, PEOPLE).astype(float)
    frequency = random.poisson(random.gamma(0.8, 4, PEOPLE)).astype(float)
    recency = np.where(frequency > 0, np.round(T * random.uniform(0.3, 0.95, PEOPLE)), 0.0)
    spend = np.where(frequency > 0, random.gamma(6, 200, PEOPLE), np.nan)
    return pa.table({"frequency": frequency, "recency": recency, "T": T, "spend": pa.array(spend, from_pandas=True)})


@cache
def models() -> CustomerValue:
    """The models of the shop."""
    return CustomerValue(BGNBD(), GammaGamma()).fit(_histories())


@cache
def judged() -> Backtest:
    """A backtest of one model and all naive rules."""
    past = _histories().rename_columns(["frequency", "recency", "T", "spend_per_order"])
    random = np.random.default_rng(9)
    orders = random.poisson(0.03 * past["frequency"].to_numpy() + 0.05).astype(float)
    case = Case(now=past, horizon_days=30)
    contenders = [*naive_rules(case), Probabilistic(BGNBD(), GammaGamma(), name=FORECAST)]
    return backtest([Origin(name="2025-06-01", case=case, orders=orders, spend=orders * 1200.0)], contenders)


@cache
def people() -> People:
    """What is expected of everybody."""
    told = models().predict(_histories(), intervals=False)
    value = told["value"].to_numpy()
    random = np.random.default_rng(10)
    wait = np.where(random.random(PEOPLE) < 0.2, np.nan, random.exponential(40, PEOPLE) + 1)
    return People(
        value, told["at_risk"].to_numpy(), Tiers.of(value).assign(value),
        random.choice(len(ADVICE), PEOPLE, p=PARTS).astype(np.int64), wait,
        told["expected_orders"].to_numpy(), told["active"].to_numpy(), value / 4,
    )  # fmt: skip


def valued(**changed: Any) -> ValueReport:
    """A page of values with every section; keyword arguments change its parts."""
    days = np.arange(-200.0, 1.0)
    random = np.random.default_rng(11)
    report = ValueReport(
        shop="The Corner Shop",
        currency="USD",
        as_of=datetime(2025, 7, 1),
        created=datetime(2025, 7, 2, 9, 30),
        horizon_days=30,
        value_days=365,
        margin=0.4,
        discount_rate=0.1,
        people=people(),
        tiers=Tiers.of(people().value).names,
        rules=(
            Rule("new", "too early to say", "ordered once just now"),
            Rule("little to win", "leave", "else, if worth less than $40"),
            Rule("gone", "win back", "else, if away for long"),
            Rule("late", "retain", "else, if late"),
            Rule("on pace", "upsell", "all others"),
        ),
        total=Estimate(9e6, 8e6, 1e7),
        models=models(),
        forecast=FORECAST,
        chosen=("No other forecast is shown to be better.",),
        warnings=("The winter is not in the data",),
        backtest=judged(),
        tracking=follow(
            models().orders, (days, random.poisson(4, 201)), (days, random.poisson(20, 201)), fitted=0.0, until=0.0
        ),
        command="coterie predict value --as-of 2025-07-01 --horizon 30",
        refused="60 people: no lawful basis",
        provenance={"model": "predict-value-1"},
    )
    return replace(report, **changed)


@cache
def _judgement() -> Judgement:
    random = np.random.default_rng(12)
    told = random.uniform(0, 1, PEOPLE)
    outcome = (random.random(PEOPLE) < told).astype(float)
    return judge(target("churn", 30), told, outcome, told + random.normal(0, 1, PEOPLE), protocol="everybody in June")


def targeted(**changed: Any) -> TargetReport:
    """A page of a learner's predictions with every section; keyword arguments change its parts."""
    report = TargetReport(
        shop="The Corner Shop",
        currency="USD",
        as_of=datetime(2025, 7, 1),
        created=datetime(2025, 7, 2, 9, 30),
        target=target("churn", 30),
        predictions=np.random.default_rng(13).beta(1, 4, PEOPLE),
        judgement=_judgement(),
        reasons=(
            Importance("recency_days", "Days since last order", 0.12, "higher", "…"),
            Importance("top_category", "Favourite category", 0.03, "mixed", "…"),
        ),
        moments=(datetime(2025, 6, 1), datetime(2025, 5, 1)),
        command="coterie predict churn --as-of 2025-07-01 --horizon 30",
        provenance={"model": "predict-churn-1"},
    )
    return replace(report, **changed)
