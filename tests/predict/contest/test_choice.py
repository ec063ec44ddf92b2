"""Choices: who leads at origins in the past, against the next best on the same people."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from coterie.errors import DataError, ParameterError
from coterie.predict.contest.backtest import backtest
from coterie.predict.contest.choice import choose
from coterie.predict.contest.contender import Case, Contender, Forecast
from coterie.predict.contest.holdout import Origin
from coterie.predict.contest.standings import Backtest

PEOPLE = 1500


class Told(Contender):
    """Forecasts a column."""

    def __init__(self, name: str) -> None:
        self.name = name

    def fit(self, case: Case) -> Told:
        return self

    def forecast(self, now: pa.Table) -> Forecast:
        told = now[self.name].to_numpy()
        return Forecast(told, told, told * 100.0)


def origin(name: str, seed: int, *, quiet: bool = False) -> Origin:
    """People whose rates are known: ``true`` tells them, ``half`` half of them, ``dim`` hardly ranks people."""
    random = np.random.default_rng(seed)
    rate = random.gamma(0.8, 2.0, PEOPLE)
    now = pa.table({
        "person": np.arange(PEOPLE), "T": np.ones(PEOPLE), "true": rate, "twin": rate, "half": rate / 2,
        "dim": rate + random.gamma(0.8, 8.0, PEOPLE),
    })  # fmt: skip
    orders = np.zeros(PEOPLE) if quiet else random.poisson(rate).astype(float)
    return Origin(name=name, case=Case(now=now, horizon_days=30), orders=orders, spend=orders * 100)


@pytest.fixture(scope="module")
def judged() -> Backtest:
    origins = [origin("April", 1), origin("May", 2)]
    return backtest(origins, [Told("dim"), Told("half"), Told("true")], count=100)


def test_the_ranking_is_by_gini_and_the_level_by_the_bias(judged: Backtest) -> None:
    ranking = choose(judged, "ranking")
    assert (ranking.contender, ranking.runner_up, ranking.metric) == ("half", "true", "gini")
    assert not ranking.shown, "half and true rank people alike"
    assert ranking.words == "half and true are alike in normalised Gini of orders."
    level = choose(judged, "level", outcome="spend")
    assert (level.contender, level.runner_up, level.metric) == ("true", "half", "abs_bias")
    assert level.shown
    assert level.gap is not None
    assert level.gap.high < 0
    assert level.words.startswith("true leads half by ")
    assert choose(judged, "ranking", outcome="active").metric == "auc"


def test_a_lead_is_shown_where_its_interval_lies_on_one_side(judged: Backtest) -> None:
    both = backtest([origin("May", 2)], [Told("dim"), Told("true")], count=100)
    choice = choose(both, "ranking")
    own, other = (both.score(name, "orders", "gini").estimate.value for name in ("true", "dim"))
    assert choice.shown
    assert choice.estimate.value == own
    assert choice.gap is not None
    assert choice.gap.value == pytest.approx(own - other)
    assert choose(judged, "level", metric="mae").contender == "true"


def test_the_origins_to_choose_by_can_be_given(judged: Backtest) -> None:
    may = choose(judged, "level", origins=["May"])
    assert may.estimate.value == pytest.approx(judged.score("true", "orders", "abs_bias", origin="May").estimate.value)


def test_one_alone_is_no_choice() -> None:
    alone = choose(backtest([origin("May", 2)], [Told("dim")], count=20), "ranking")
    assert (alone.runner_up, alone.gap, alone.shown) == (None, None, False)
    assert alone.words == "dim alone could be judged in normalised Gini of orders."


def test_what_cannot_be_chosen_says_so(judged: Backtest) -> None:
    for wrong in (
        {"purpose": "best"},
        {"outcome": "visits"},
        {"metric": "bias"},
        {"origins": ["June"]},
        {"origins": []},
    ):
        with pytest.raises(ParameterError, match=next(iter(wrong))):
            choose(judged, **({"purpose": "ranking"} | wrong))
    nobody = backtest([origin("May", 2, quiet=True)], [Told("dim"), Told("true")], count=20)
    with pytest.raises(DataError, match="No contender can be chosen by normalised Gini of orders"):
        choose(nobody, "ranking")
