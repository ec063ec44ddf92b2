"""Drawings of results: what is drawn is what was found, for desks and phones."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from coterie.charts.raster import png
from coterie.evaluation.intervals import Estimate
from coterie.predict import drawings
from coterie.predict.contest.backtest import Origin, backtest
from coterie.predict.contest.contender import Case
from coterie.predict.contest.naive import naive_rules
from coterie.predict.contest.probabilistic import Probabilistic
from coterie.predict.lifetime.bg_nbd import BGNBD
from coterie.predict.lifetime.gamma_gamma import GammaGamma
from coterie.predict.lifetime.portrait import frequency_recency, track, trajectory


@pytest.fixture(scope="module")
def orders():
    random = np.random.default_rng(6)
    days, who = [], []
    for person in range(400):
        many = 1 + random.poisson(random.gamma(0.8, 4))
        days += sorted(random.integers(0, 200, many).tolist())
        who += [person] * many
    return pa.table({"person": who, "time": np.array(days, dtype=float)})


@pytest.fixture(scope="module")
def people(orders):
    from coterie.predict.lifetime.histories import Histories

    keys, told = Histories.of_orders(orders, until=150.0)
    spend = np.where(told.frequency > 0, np.random.default_rng(1).gamma(6, 200, len(told)), np.nan)
    return pa.table({"person": keys, "frequency": told.frequency, "recency": told.recency, "T": told.T,
                     "spend_per_order": pa.array(spend, from_pandas=True)})  # fmt: skip


@pytest.fixture(scope="module")
def judged(people):
    random = np.random.default_rng(2)
    after = random.poisson(0.02 * people["frequency"].to_numpy() + 0.1).astype(float)
    case = Case(now=people, horizon_days=50)
    contenders = [*naive_rules(case), Probabilistic(BGNBD(), GammaGamma(), name="BG/NBD × Gamma-Gamma")]
    return backtest([Origin(name="day 150", case=case, orders=after, spend=after * 1200)], contenders)


@pytest.fixture(scope="module")
def model(people):
    return BGNBD().fit(people)


@pytest.fixture(scope="module")
def figures(judged, model, orders):
    told = frequency_recency(model, 150, 50)
    return [
        drawings.standing(judged, "orders", "gini"),
        drawings.standing(judged, "spend", "rmse"),
        drawings.standing(judged, "orders", "bias"),
        drawings.gains(judged),
        *(drawings.calibrations(judged, outcome)["BG/NBD × Gamma-Gamma"] for outcome in ("orders", "active", "spend")),
        drawings.matrix(told),
        drawings.matrix(told, "active"),
        drawings.tracking(track(model, orders, fitted_until=150.0, until=199.0), start=datetime(2025, 11, 3)),
        drawings.activity(trajectory(model, [3, 9, 80], 150, 50), start=datetime(2025, 11, 3)),
    ]


def test_all_are_pictures_for_desks_and_phones(figures):
    for one in figures:
        assert png(one.wide, scale=0.5).startswith(b"\x89PNG")
        assert png(one.narrow, dark=True, scale=0.5).startswith(b"\x89PNG")
        width = float(one.narrow.split('viewBox="0 0 ')[1].split()[0])
        assert width <= 360
    whole = drawings.panels([("first", figures[0]), ("second", figures[1])], "both")
    assert "first</text>" in whole.wide


def test_the_best_comes_first_and_the_baseline_is_grey(judged):
    drawn = drawings.standing(judged, "orders", "gini").wide
    ranked = sorted(judged.contenders, key=lambda one: -_value(judged, one, "orders", "gini"))
    places = [drawn.index(f">{name.replace('&', '&amp;')}</text>") for name in ranked if _value(judged, name) > -9]
    assert places == sorted(places)
    assert drawn.count('class="plain"') == 1
    assert drawings.standing(judged, "orders", "auc") is None, "orders are not asked for an AUC"


def test_an_order_upside_down_comes_last_and_the_smallest_bias_first(judged):
    turned = {"x/T·H": -0.9, "last period": 0.2}
    names = [name for name in judged.contenders if judged.score(name, "orders", "gini") is not None]
    turned |= {name: 0.5 for name in names if name not in turned}
    scores = tuple(
        replace(one, estimate=Estimate(turned[one.contender], turned[one.contender], turned[one.contender]))
        if one.contender in turned and one.metric in ("gini", "bias")
        else one
        for one in judged.scores
    )
    changed = replace(judged, scores=scores)
    drawn = drawings.standing(changed, "orders", "gini").wide
    places = {name: drawn.index(f">{name.replace('&', '&amp;')}</text>") for name in names}
    assert max(places, key=places.get) == "x/T·H"
    drawn = drawings.standing(changed, "orders", "bias").wide
    biased = [name for name in names if judged.score(name, "orders", "bias") is not None]
    places = {name: drawn.index(f">{name.replace('&', '&amp;')}</text>") for name in biased}
    assert max(places, key=places.get) == "x/T·H", "-.9 is a larger bias than .5"


def _value(judged, name, outcome="orders", metric="gini"):
    one = judged.score(name, outcome, metric)
    return -10.0 if one is None else one.estimate.value


def test_calibration_tells_how_many_bins_hold(judged):
    told = next(one for one in judged.calibrations if (one.contender, one.outcome) == ("x/T·H", "orders"))
    drawn = drawings.calibrated(told, 50).wide
    held = sum(bin.holds for bin in told.bins)
    assert f"{held} of {len(told.bins)} predictions lie within" in drawn
    assert drawn.count("<circle") == len(told.bins)


def test_gains_name_what_the_top_fifth_holds(judged):
    drawn = drawings.gains(judged).wide
    gain = next(one for one in judged.gains if (one.contender, one.outcome) == ("x/T·H", "orders"))
    assert len(re.findall(r"hold \d+%</text>", drawn)) == len([one for one in judged.gains if one.outcome == "orders"])
    many = replace(judged, gains=(*(replace(gain, contender=f"other {place}") for place in range(8)), gain))
    crowded = drawings.gains(many).wide
    assert len(re.findall(r"hold \d+%</text>", crowded)) == 6
    assert ">x/T·H: top" in crowded
    assert f"x/T·H: top 20% hold {gain.shares[gain.tops.index(0.2)].value:.0%}</text>" in drawn


def test_dates_are_months_and_orders_are_dots(model):
    told = trajectory(model, [3, 9, 80], 150, 50)
    drawn = drawings.activity(told, start=datetime(2025, 11, 3)).wide
    assert drawn.count("<circle") == 3
    assert "ordered: 2025-11-09" in drawn
    assert ">Dec 2025<" in drawn
    assert ">100<" in drawings.activity(told).wide, "without dates, days"
    assert drawings.activity(told, start=datetime(2025, 11, 3, tzinfo=UTC)).wide == drawn, "in UTC as without a zone"


def test_a_backtest_in_a_notebook_says_in_words_what_it_draws(judged):
    html = judged._repr_html_()
    assert html.startswith('<div class="coterie"><style>')
    assert "<script" not in html
    assert "leads x/T·H by" in html or "trails x/T·H by" in html
    assert "<td>BG/NBD × Gamma-Gamma</td>" in html
    assert judged.protocol in html


def test_models_in_a_notebook_tell_their_parameters(people, model):
    html = model._repr_html_()
    assert html.count("<svg") == 2
    assert BGNBD()._repr_html_() is None
    for name, value in model.parameters_.items():
        assert f"<td>{name}</td><td>{value:.4g}</td>" in html
    spend = GammaGamma().fit(people.rename_columns(["person", "frequency", "recency", "T", "spend"]))
    assert f"<td>q</td><td>{spend.parameters_['q']:.4g}</td>" in spend._repr_mimebundle_()["text/html"]
    assert set(GammaGamma()._repr_mimebundle_()) == {"text/plain"}


def test_models_in_a_notebook_tell_what_speaks_against_them(people):
    spend = GammaGamma.of_mean(900.0)
    assert f"<p>{spend.warning_}</p>" in spend._repr_mimebundle_()["text/html"]
    alike = BGNBD().fit(
        pa.table({"frequency": [2] * 60, "recency": [30.0] * 60, "T": [40.0 + one % 9 for one in range(60)]})
    )
    assert alike.warning_
    assert alike.warning_.split(":")[0].replace("'", "&#39;") in alike._repr_html_()
