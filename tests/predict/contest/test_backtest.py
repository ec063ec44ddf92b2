import json
import math

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import mean_absolute_error, roc_auc_score, root_mean_squared_error

from coterie.errors import DataError, IntegrityError, MissingColumnError, ParameterError, TooFewPeopleError
from coterie.evaluation.accuracy import bias
from coterie.evaluation.ranking import gini, spearman
from coterie.predict.contest.backtest import Origin, backtest
from coterie.predict.contest.choice import choose
from coterie.predict.contest.contender import Case, Contender, Forecast
from coterie.predict.contest.naive import Everybody, LastPeriod, PastSpend, Rate, Recency, naive_rules
from coterie.predict.contest.probabilistic import Probabilistic
from coterie.predict.contest.standings import Backtest
from coterie.predict.lifetime.bg_nbd import BGNBD


class Told(Contender):
    """Forecasts a column, as the shop's owner would."""

    def __init__(self, column, name=None):
        self.column, self.name = column, name or column
        self.seen = []

    def fit(self, case):
        self.seen.append(case)
        return self

    def forecast(self, now):
        told = now[self.column].to_numpy().astype(float)
        return Forecast(told, -np.expm1(-told), told * 1000)


class Watch:
    def __init__(self):
        self.steps = []

    def step(self, name, done, total=None):
        self.steps.append((name, done, total))


def origin(name, people=400, seed=0, start=0, **others):
    """People whose rates are known, with what they did in 30 days before and after a moment."""
    random = np.random.default_rng(seed)
    rate = random.gamma(0.7, 0.02, people)
    T = random.integers(60, 200, people).astype(float)
    x = random.poisson(rate * T)
    now = pa.table(
        {
            "person": np.arange(start, start + people), "frequency": x, "T": T,
            "recency": np.where(x > 0, np.maximum(np.floor(T * random.beta(np.maximum(x, 1), 1)), 1), 0),
            "spend_per_order": pa.array(np.where(x > 0, 1000.0, np.nan), from_pandas=True),
            "orders_30d": random.poisson(rate * 30), "truth": rate * 30, "half": rate * 15,
            "chance": random.random(people),
        }
    )  # fmt: skip
    orders = random.poisson(rate * 30).astype(float)
    given = {"orders": orders, "spend": orders * 1000, **others}
    return Origin(name=name, case=Case(now=now, horizon_days=30), **given)


MAY, JUNE = origin("May", seed=1), origin("June", seed=2, start=100)


def test_figures_of_an_origin_are_those_of_everybody_there():
    found = backtest([MAY], [Told("truth"), Told("half")])
    told, orders = MAY.case.now["truth"].to_numpy(), MAY.orders
    for outcome, truth, forecast in (("orders", orders, told), ("spend", orders * 1000, told * 1000)):
        for metric, expected in (
            ("gini", gini(truth, forecast)), ("spearman", spearman(truth, forecast)), ("bias", bias(truth, forecast)),
            ("abs_bias", abs(bias(truth, forecast))), ("mae", mean_absolute_error(truth, forecast)),
            ("rmse", root_mean_squared_error(truth, forecast)),
        ):  # fmt: skip
            one = found.score("truth", outcome, metric, origin="May")
            assert one.estimate.value == pytest.approx(expected, rel=1e-9)
            assert one.estimate.low < one.estimate.value < one.estimate.high or metric == "abs_bias"
            assert one.people == 400
            assert found.score("truth", outcome, metric).estimate == one.estimate, "of one origin the mean is itself"
    assert found.score("truth", "active", "auc").estimate.value == pytest.approx(roc_auc_score(orders > 0, told))


def test_over_all_origins_it_is_the_mean_and_differences_are_paired():
    found = backtest([MAY, JUNE], [Told("chance"), Told("truth"), Told("half")])
    for metric in ("gini", "abs_bias", "rmse"):
        whole = found.score("truth", "orders", metric)
        parts = [found.score("truth", "orders", metric, origin=name) for name in ("May", "June")]
        assert whole.estimate.value == pytest.approx(np.mean([one.estimate.value for one in parts]))
        assert whole.people == 800
        base = found.score("chance", "orders", metric)
        assert base.difference is None
        assert whole.difference.value == pytest.approx(whole.estimate.value - base.estimate.value)
    apart = found.score("half", "orders", "gini").difference
    assert apart == found.score("truth", "orders", "gini").difference, "half of all ranks as all does"
    assert found.score("truth", "orders", "bias").difference is None, "more bias is neither better nor worse"


def test_persons_are_drawn_with_all_that_they_do():
    twice = backtest([MAY, Origin(name="copy", case=MAY.case, orders=MAY.orders)], [Told("truth")])
    once = backtest([MAY], [Told("truth")])
    assert twice.score("truth", "orders", "gini").estimate == once.score("truth", "orders", "gini").estimate


def test_the_order_of_rows_does_not_matter():
    rows = np.random.default_rng(0).permutation(400)
    case = Case(now=MAY.case.now.take(rows), horizon_days=30)
    shuffled = Origin(name="May", case=case, orders=MAY.orders[rows], spend=MAY.spend[rows])
    contenders = [Rate(), Told("truth")]
    assert backtest([shuffled, JUNE], contenders).to_json() == backtest([MAY, JUNE], contenders).to_json()


def test_contenders_learn_from_the_case_alone_and_all_of_it():
    told, watch = Told("truth"), Watch()
    backtest([MAY, JUNE], [told, Rate()], sample=100, progress=watch)
    assert [case is one.case for case, one in zip(told.seen, (MAY, JUNE), strict=True)] == [True, True]
    assert watch.steps == [("backtest", done, 4) for done in range(5)]


def test_a_sample_is_said_and_bounds_what_is_judged():
    found = backtest([MAY, JUNE], [Told("truth")], sample=100)
    assert "100 people, sampled from 500," in found.protocol
    assert found.score("truth", "orders", "mae").people <= 200


def test_words_say_who_leads_and_what_is_not_shown():
    found = backtest([MAY, JUNE], [Told("chance", "coin"), Told("truth", "oracle"), Told("half")])
    leads, _ = found.verdicts("orders", "gini")
    assert leads.startswith("oracle leads coin by .")
    assert leads.endswith("] in normalised Gini of orders.")
    choice = choose(found, "ranking")
    assert (choice.contender, choice.runner_up, choice.gap.value, choice.shown) == ("oracle", "half", 0, False)
    assert choice.words == "oracle and half are alike in normalised Gini of orders."
    level = choose(found, "level")
    assert (level.contender, level.runner_up, level.shown) == ("oracle", "coin", True)
    assert level.gap.high < 0
    assert level.words.startswith("oracle leads coin by .")
    june = choose(found, "level", origins=["June"])
    assert june.estimate == found.score("oracle", "orders", "abs_bias", origin="June").estimate
    money = choose(found, "level", outcome="spend", metric="rmse").words
    assert money.startswith("oracle leads ")
    assert " in RMSE of spend" in money


def test_what_only_ranks_is_not_asked_for_a_level():
    found = backtest([MAY], [Recency(), Rate()])
    assert found.score("recency", "orders", "gini") is not None
    assert found.score("recency", "orders", "bias") is None
    assert not [one for one in found.calibrations if one.contender == "recency"]
    assert choose(found, "level").contender == "x/T·H"
    assert choose(found, "level").runner_up is None


def test_groups_are_judged_by_themselves_unless_small():
    groups = np.where(np.arange(400) < 30, "rare", np.where(np.arange(400) % 2, "odd", "even"))
    found = backtest([origin("May", seed=1, groups=groups)], [Rate(), Told("truth")])
    odd = found.score("truth", "orders", "gini", group="odd")
    assert odd.people == (groups == "odd").sum()
    members = groups == "odd"
    expected = gini(MAY.orders[members], MAY.case.now["truth"].to_numpy()[members])
    assert odd.estimate.value == pytest.approx(expected)
    assert odd.difference is not None
    assert found.score("truth", "orders", "gini", group="rare") is None
    assert found.notes == (
        "At May 1 of 3 groups have fewer than 50 people and are not judged by themselves.",
    )  # fmt: skip


def test_who_is_of_no_group_is_in_none():
    groups = np.where(np.arange(400) < 300, "known", None)
    found = backtest([origin("May", seed=1, groups=groups)], [Rate()])
    assert {(one.group, one.people) for one in found.scores} == {(None, 400), ("known", 300)}


def test_calibration_and_gains_are_over_all_origins():
    found = backtest([MAY, JUNE], [Told("truth"), Told("half")])
    told = {(one.contender, one.outcome): one for one in found.calibrations}
    bins = told["truth", "orders"].bins
    assert sum(one.people for one in bins) == 800
    assert sum(one.holds for one in bins) >= 7
    assert sum(one.holds for one in told["half", "orders"].bins) < 7
    gain = next(one for one in found.gains if (one.contender, one.outcome) == ("truth", "orders"))
    assert gain.shares[-1].value == pytest.approx(1)
    assert gain.shares[gain.tops.index(0.2)] == found.score("truth", "orders", "gain").estimate


def test_all_is_plain_json_and_a_table_and_text():
    found = backtest([MAY, JUNE], [Rate(), Recency(), PastSpend()])
    body = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert (body["kind"], body["version"], body["baseline"]) == ("backtest", 1, "x/T·H")
    assert len(body["scores"]) == found.to_arrow().num_rows == len(found.scores)
    again = Backtest.from_json(body)
    assert (again.to_json(), again.scores, again.gains) == (body, found.scores, found.gains)
    assert str(again) == str(found)
    lines = str(found).splitlines()
    heads = [line.split()[0] for place, line in enumerate(lines) if place == 0 or not lines[place - 1]]
    assert heads[:3] == ["orders", "activity", "spend"]
    assert lines[1].startswith("x/T·H")
    assert "–" in lines[2]
    assert lines[-1] == found.protocol


@pytest.mark.parametrize(
    "change", [{"kind": "card"}, {"version": 9}, {"scores": [{}]}, {"gains": 3}, {"origins": None}]
)
def test_what_is_no_backtest_is_not_read(change):
    body = backtest([MAY], [Rate()]).to_json()
    with pytest.raises(IntegrityError):
        Backtest.from_json({**body, **change})


def test_nobody_buys_afterwards():
    empty = origin("July", seed=3, orders=np.zeros(400), spend=np.zeros(400))
    found = backtest([empty], [Rate(), Everybody()])
    assert found.notes == (
        "Nobody ordered in the 30 days after July: neither rankings nor totals can be judged there.",
    )  # fmt: skip
    assert {one.metric for one in found.scores} == {"mae", "rmse"}
    assert found.gains == ()
    with pytest.raises(DataError, match="none could be judged"):
        choose(found, "ranking")
    json.dumps(found.to_json(), allow_nan=False)
    both = backtest([MAY, empty], [Rate(), Everybody()])
    assert (
        both.score("x/T·H", "orders", "gini").estimate == both.score("x/T·H", "orders", "gini", origin="May").estimate
    )
    assert choose(both, "ranking").contender == "x/T·H"


def test_everybody_is_forecast_the_same():
    found = backtest([MAY], [Everybody(), Rate()])
    same = [found.score("mean of everybody", *one).estimate.value for one in (("orders", "gini"), ("active", "auc"))]
    assert same == [0, 0.5]
    bins = next(one.bins for one in found.calibrations if one.outcome == "orders")
    assert len(bins) == 1


def test_a_contender_that_fails_is_left_out_and_said():
    class Broken(Told):
        def forecast(self, now):
            return Forecast(np.full(len(now), np.nan))

    class Late(Told):
        def fit(self, case):
            if case is JUNE.case:
                raise DataError("There is too little in June.")
            return self

    found = backtest([MAY, JUNE], [Rate(), Broken("truth", "broken"), Late("truth", "late")])
    assert found.notes == (
        "broken could not be judged at May: broken: the forecast of orders is no number for 400 of 400 people.",
        "broken could not be judged at June: broken: the forecast of orders is no number for 400 of 400 people.",
        "late could not be judged at June: There is too little in June.",
        "late is left out of the figures over all origins, as it was not judged at each.",
    )
    assert found.score("late", "orders", "gini", origin="May") is not None
    assert found.score("late", "orders", "gini") is None
    assert choose(found, "ranking").contender == "x/T·H"
    assert choose(found, "ranking", origins=["May"]).contender == "late"
    with pytest.raises(DataError, match="baseline broken could be judged nowhere"):
        backtest([MAY], [Broken("truth", "broken"), Rate()])


def test_a_horizon_beyond_all_histories_is_said():
    now = MAY.case.now
    long = Origin(name="May", case=Case(now=now, horizon_days=365), orders=MAY.orders)
    (note,) = backtest([long], [Rate()]).notes
    assert note.startswith("At May nobody had been a customer for more than 199 days, less than the 365 days that are")


@pytest.mark.parametrize(
    ("origins", "contenders", "more", "error", "words"),
    [
        ([], [Rate()], {}, ParameterError, "origins"),
        ([MAY], [], {}, ParameterError, "contenders"),
        ([MAY], [Rate(), Rate()], {}, ParameterError, "unlike names"),
        ([MAY, MAY], [Rate()], {}, ParameterError, "unlike names"),
        ([MAY], [Rate()], {"baseline": "BG/NBD"}, ParameterError, "one of x/T·H"),
        ([MAY], [Rate()], {"sample": 1}, ParameterError, "at least 2"),
        ([MAY], [Rate()], {"count": 0}, ParameterError, "at least 1"),
        ([origin("May", people=1)], [Rate()], {}, TooFewPeopleError, "at least 2 people, there is 1"),
        ([origin("May", orders=np.ones(3))], [Rate()], {}, ParameterError, r"\(400,\)"),
        ([origin("May", spend=-np.ones(400))], [Rate()], {}, ParameterError, "not negative"),
        ([origin("May", groups=["a"])], [Rate()], {}, ParameterError, "groups"),
        ([MAY, Origin(name="June", case=Case(now=JUNE.case.now, horizon_days=9), orders=JUNE.orders)], [Rate()], {},
         ParameterError, "the same at all origins"),
        ([MAY, Origin(name="June", case=Case(now=JUNE.case.now.drop("person"), horizon_days=30), orders=JUNE.orders)],
         [Rate()], {}, MissingColumnError, "person"),
        ([Origin(name="May", case=Case(now=pa.concat_tables([MAY.case.now[:5]] * 2), horizon_days=9),
                 orders=np.ones(10))], [Rate()], {}, DataError, "two rows"),
    ],
)  # fmt: skip
def test_what_cannot_be_judged_says_so(origins, contenders, more, error, words):
    with pytest.raises(error, match=words):
        backtest(origins, contenders, **more)


@pytest.mark.parametrize(
    ("purpose", "more", "words"),
    [("best", {}, "purpose"), ("ranking", {"metric": "bias"}, "metric"), ("ranking", {"origins": ["July"]}, "origins"),
     ("level", {"outcome": "visits"}, "outcome"), ("ranking", {"origins": []}, "origins")],
)  # fmt: skip
def test_a_choice_that_cannot_be_made_says_so(purpose, more, words):
    with pytest.raises(ParameterError, match=words):
        choose(backtest([MAY], [Rate()]), purpose, **more)


def test_without_persons_one_origin_is_judged_row_by_row():
    bare = Origin(name="May", case=Case(now=MAY.case.now.drop("person"), horizon_days=30), orders=MAY.orders)
    found = backtest([bare], [Rate()])
    assert found.score("x/T·H", "orders", "gini").people == 400


def test_a_model_of_histories_leads_the_rate_in_its_own_world():
    simulated = origin("May", people=3000, seed=7)
    found = backtest([simulated], [*naive_rules(simulated.case), Probabilistic(BGNBD())], baseline="last period")
    assert not found.notes
    gap = found.score("BGNBD", "orders", "rmse").difference
    assert gap.high < 0
    assert math.isfinite(found.score("BGNBD", "active", "bias").estimate.value)
    assert isinstance(naive_rules(simulated.case)[-1], PastSpend | LastPeriod)
