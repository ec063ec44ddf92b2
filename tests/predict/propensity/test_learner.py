"""What learners learn, from whom, and what they do where there is little to learn from."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import coterie
from coterie import Workspace
from coterie.errors import EmptyShopError, IntegrityError, MissingColumnError, ParameterError
from coterie.evaluation.metrics import auc
from coterie.predict.propensity.calibration import log_loss
from coterie.predict.propensity.checks import made_up_people
from coterie.predict.propensity.learner import Learner
from coterie.predict.propensity.rows import Rows
from coterie.predict.propensity.targets import target


def halves(count: int, kind: str) -> tuple[pa.Table, np.ndarray, pa.Table, np.ndarray]:
    people, outcome = made_up_people(2 * count, kind=kind)
    return people.slice(0, count), outcome[:count], people.slice(count), outcome[count:]


def test_people_not_seen_are_told_better_than_by_the_rate() -> None:
    seen, was, unseen, will = halves(1_500, "binary")
    learner = Learner("binary").fit(seen, was)
    told = learner.predict(unseen)
    ones = np.ones(len(will))
    assert auc(will, told) > auc(will, -np.asarray(unseen["recency_days"])) > 0.6
    assert log_loss(told, will, ones) < 0.95 * log_loss(np.full(len(will), was.mean()), will, ones)
    assert learner.evidence_ is not None
    # either mean of 1,500 losses has a standard error of .014
    assert learner.evidence_.loss == pytest.approx(log_loss(told, will, ones), abs=0.04)
    rank = told.argsort().argsort() * 5 // len(told)
    for fifth in range(5):  # what is said is what happens
        assert told[rank == fifth].mean() == pytest.approx(will[rank == fifth].mean(), abs=0.06)
    assert learner.predict_proba(unseen)[:, 1] == pytest.approx(told)


@pytest.mark.parametrize(("kind", "objective"), [("count", "poisson"), ("amount", "tweedie"), ("amount", "two-stage")])
def test_totals_are_right(kind: str, objective: str) -> None:
    seen, was, unseen, will = halves(1_500, kind)
    learner = Learner(kind, objective=objective).fit(seen, was)
    assert learner.predict(unseen).sum() == pytest.approx(will.sum(), rel=0.15)
    assert learner.evidence_ is not None
    assert learner.evidence_.loss < 0.8 * learner.evidence_.naive


def test_classes_are_told() -> None:
    seen, was, unseen, will = halves(1_000, "class")
    was = was.copy()
    was[:4] = ["kiosk", "kiosk", None, math.nan]
    learner = Learner("class").fit(seen, was)
    assert learner.classes_ == ("app", "other", "store", "web")
    assert learner.rows_ == 998
    assert (learner.predict(unseen) == will).mean() > 0.8
    assert learner.predict_proba(unseen).sum(axis=1) == pytest.approx(np.ones(1_000))


def test_the_objective_is_chosen_among_all() -> None:
    people, outcome = made_up_people(600, kind="amount")
    learner = Learner("amount", objective="best").fit(people, outcome)
    assert learner.evidence_ is not None
    assert set(learner.evidence_.ways) == {"tweedie", "poisson", "two-stage"}
    assert learner.model_ is not None
    assert learner.model_.objective == min(learner.evidence_.ways, key=learner.evidence_.ways.__getitem__)


def test_amounts_in_cents_are_those_in_dollars() -> None:
    people, outcome = made_up_people(400, kind="amount")
    cents, dollars = (Learner("amount").fit(people, outcome * unit).predict(people) for unit in (1, 0.01))
    assert dollars * 100 == pytest.approx(cents, rel=1e-5)  # LightGBM keeps outcomes in single precision


def test_all_rows_of_a_person_are_in_one_fold_and_drawn_together() -> None:
    random = np.random.default_rng(0)
    who, told = random.integers(0, 90, 400), random.normal(size=(400, 3))
    rows = Rows.of(told, who, random.integers(0, 4, 400), most=300)
    assert 250 < len(rows.order) <= 300
    assert rows.people == len(np.unique(who[rows.order]))
    fold = rows.folds(5, told[rows.order, 0], 0)
    for person in np.unique(who[rows.order]):
        own = who[rows.order] == person
        assert own.sum() == (who == person).sum()
        assert len(set(fold[own])) == 1
        assert len(set(rows.person[own])) == 1


def at_moments(people: int = 120) -> tuple[pa.Table, np.ndarray]:
    """People who stand at three moments each."""
    tables, outcomes = [], []
    for month in (1, 2, 3):
        table, outcome = made_up_people(people, seed=month, kind="amount")
        moment = pa.array([datetime(2025, month, 1)] * people, pa.timestamp("us"))
        tables.append(table.append_column("person", pa.array(np.arange(people))).append_column("as_of", moment))
        outcomes.append(outcome)
    return pa.concat_tables(tables), np.concatenate(outcomes)


@pytest.mark.slow
def test_people_at_several_moments_in_any_order() -> None:
    people, outcome = at_moments()
    learner = Learner("amount", objective="best").fit(people, outcome)
    assert (learner.people_, learner.rows_) == (120, 360)
    assert not {"person", "as_of"} & set(learner.inputs_.names)
    order = np.random.default_rng(3).permutation(360)
    again = Learner("amount", objective="best").fit(people.take(pa.array(order)), outcome[order])
    assert json.dumps(again.to_json()) == json.dumps(learner.to_json())
    plain = people.drop(["person", "as_of"])
    given_ = Learner("amount", objective="best").fit(
        plain, outcome, persons=np.array(people["person"]), moments=people["as_of"].to_numpy()
    )
    assert json.dumps(given_.to_json()) == json.dumps(learner.to_json())


def test_where_the_latest_moment_tells_too_little_all_moments_choose() -> None:
    people, outcome = at_moments()
    before = np.arange(360) < 240
    for silent in (before, ~before):
        some = np.where(silent, 0.0, outcome)
        learner = Learner("amount", objective="best").fit(people, some)
        assert learner.predict(people).sum() == pytest.approx(some.sum(), rel=0.3)


def test_a_class_of_one_person_is_learnt() -> None:
    people, outcome = at_moments(100)
    words = np.where(outcome > np.median(outcome), "much", "little").astype(object)
    person = np.where(np.arange(300) < 25, 7, np.asarray(people["person"]))  # 25 rows of one person, all in one fold
    words[:25] = "rare"
    learner = Learner("class").fit(people, words, persons=person)
    assert learner.classes_ == ("little", "much", "rare")
    assert np.isfinite(learner.predict_proba(people)).all()


def test_outcomes_come_in_any_column() -> None:
    people, outcome = made_up_people(200, kind="binary")
    want = Learner("binary").fit(people, outcome).to_json()
    for column in (
        outcome.tolist(), outcome > 0, pa.array(outcome), pa.chunked_array([outcome > 0]), pd.Series(outcome),
        pl.Series(outcome > 0),
    ):  # fmt: skip
        assert Learner("binary").fit(people, column).to_json() == want


def test_who_weighs_nothing_is_not_there() -> None:
    people, outcome = made_up_people(400, kind="binary")
    weight = np.ones(400)
    weight[300:] = 0
    learner = Learner("binary").fit(people, outcome, weight)
    assert learner.to_json() == Learner("binary").fit(people.slice(0, 300), outcome[:300]).to_json()
    half = Learner("binary").fit(people, outcome, np.where(outcome > 0, 1.0, 0.2))
    assert half.predict(people).mean() > outcome.mean() + 0.05


def test_only_so_many_rows_are_learnt_from() -> None:
    people, outcome = made_up_people(400, kind="binary")
    assert Learner("binary", most=150).fit(people, outcome).rows_ == 150


def test_columns_that_tell_nothing_are_left_out() -> None:
    people, outcome = made_up_people(300, kind="binary")
    more = {
        "same": pa.array([1.0] * 300), "gone": pa.nulls(300, pa.float64()), "never": pa.nulls(300, pa.string()),
        "one": pa.array(["a"] * 300), "own": pa.array([f"n{row}" for row in range(300)]),
        "day": pa.array([date(2025, 1, 1)] * 300), "member": pa.array([row % 2 == 0 for row in range(300)]),
        "endless": pa.array([math.inf, -math.inf] * 150),
    }  # fmt: skip
    for name, values in more.items():
        people = people.append_column(name, values)
    learner = Learner("binary").fit(people, outcome)
    dropped = learner.inputs_.dropped
    assert set(dropped) == {"same", "gone", "never", "one", "own", "day", "endless"}
    assert dropped["day"] == "it is neither of numbers nor of text"
    assert "member" in learner.reads
    with pytest.raises(ParameterError, match="column day"):
        Learner("binary", columns=["day", "orders"]).fit(people, outcome)
    with pytest.raises(MissingColumnError, match="orderz"):
        Learner("binary", columns=["orderz"]).fit(people, outcome)
    alone = Learner("binary", columns=["same", "gone"]).fit(people, outcome)
    assert alone.degraded_ == "no column tells people apart (gone: nobody has a value. same: all people are alike)"


@pytest.mark.parametrize(
    ("people", "outcome", "kind", "why", "mean"),
    [
        (1, [1], "binary", "at least 50 people are needed, and there is 1", 0.75),
        (20, [0, 1] * 10, "binary", "at least 50 people are needed, and there are 20", 10.5 / 21),
        (60, [0] * 60, "binary", "the outcome is the same for all 60 people", 0.5 / 61),
        (60, [1] * 60, "binary", "the outcome is the same for all 60 people", 60.5 / 61),
        (
            60,
            [1] * 4 + [0] * 56,
            "binary",
            "at least 10 people to whom it happened are needed, and there are 4",
            4.5 / 61,
        ),
        (60, [0] * 60, "amount", "the outcome is the same for all 60 people", 0.0),
        (60, [900] + [0] * 59, "amount", "at least 10 people to whom it happened are needed, and there are 1", 15.0),
        (60, [3] * 60, "count", "the outcome is the same for all 60 people", 3.0),
    ],
)
def test_too_little_gives_everybody_the_mean(people: int, outcome: list[int], kind: Any, why: str, mean: float) -> None:
    table = made_up_people(people)[0]
    learner = Learner(kind).fit(table, outcome)
    assert learner.degraded_ == why
    assert learner.predict(table) == pytest.approx(np.full(people, mean))
    assert learner.reads == ()
    again = Learner.from_json(json.loads(json.dumps(learner.to_json())))
    assert again.predict(table) == pytest.approx(np.full(people, mean))


def test_of_one_class_everybody_is() -> None:
    table = made_up_people(80)[0]
    learner = Learner("class").fit(table, ["tea"] * 80)
    assert learner.degraded_ == "the outcome is the same for all 80 people"
    assert set(learner.predict(table)) == {"tea"}


@pytest.mark.parametrize(
    ("kind", "y", "match"),
    [
        ("binary", [0, 2] * 30, "truth values, or 0 and 1"),
        ("binary", [0.5, 1] * 30, "truth values, or 0 and 1"),
        ("count", [0.5, 1] * 30, "whole numbers"),
        ("count", [-1, 1] * 30, "0 or more"),
        ("amount", [-1, 1] * 30, "squares"),
        ("amount", [math.nan, 1] * 30, "finite numbers"),
        ("amount", [1.0] * 59, "of each of 60 rows"),
        ("amount", ["a"] * 60, "numbers for the kind amount"),
        ("class", [1, 2] * 30, "texts, or None"),
        ("class", ["a"] * 61, "the class of each of 60 rows"),
    ],
)
def test_an_outcome_of_another_kind_is_refused(kind: Any, y: list[Any], match: str) -> None:
    with pytest.raises(ParameterError, match=match):
        Learner(kind).fit(made_up_people(60)[0], y)


@pytest.mark.parametrize(
    ("settings_", "match"),
    [
        ({"kind": "churn"}, "one of binary, count"), ({"objective": "poisson"}, "one of binary"),
        ({"kind": "count", "objective": "squares"}, "best"), ({"most": 3}, "at least 50"), ({"seed": -1}, "at least 0"),
    ],
)  # fmt: skip
def test_parameters_outside_what_is_allowed_are_refused(settings_: dict[str, Any], match: str) -> None:
    with pytest.raises(ParameterError, match=match):
        Learner(**settings_).fit(made_up_people(60)[0], [0, 1] * 30)


def test_other_refusals() -> None:
    people, outcome = made_up_people(60, kind="binary")
    for weight in ([1.0] * 59, [-1.0] * 60, [math.nan] * 60, ["a"] * 60):
        with pytest.raises(ParameterError, match="weight"):
            Learner("binary").fit(people, outcome, weight)
    with pytest.raises(EmptyShopError, match="of none of the people"):
        Learner("class").fit(people, [None] * 60)
    with pytest.raises(ParameterError, match="known of each row"):
        Learner("binary").fit(people, outcome, persons=[None] * 60)
    with pytest.raises(ParameterError, match="binary or class"):
        Learner("amount").fit(people, outcome).predict_proba(people)
    learner = Learner("binary").fit(*made_up_people(200, kind="binary"))
    place = people.column_names.index("orders")
    with pytest.raises(ParameterError, match="column orders"):
        learner.predict(people.set_column(place, "orders", pa.array(["many"] * 60)))


@pytest.fixture(scope="module")
def stored() -> str:
    return json.dumps(Learner("binary").fit(*made_up_people(200, kind="binary")).to_json())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("kind",), "Pickle"), (("version",), 2), (("target",), "class"), (("target",), "amount"), (("target",), ["x"]),
        (("inputs",), []), (("inputs", 0), None), (("inputs", 0, "levels"), 3), (("inputs", 0, "name"), "spend"),
        (("inputs", 0, "more"), 1), (("base",), None), (("base",), 10**400), (("base",), [1.0]), (("people",), -1),
        (("degraded",), 3), (("calibration",), {}), (("calibration", "kind"), "Shift"), (("model",), {}),
        (("model", "objective"), "poisson"), (("model", "objective"), ["binary"]), (("model", "scale"), 0),
        (("model", "stages"), []), (("model", "stages", 0, "text"), "tree"), (("evidence",), [1]), (("seed",), 1.5),
        (("more",), 1), (("classes",), ["a"]),
    ],
    ids=str,
)  # fmt: skip
def test_a_changed_learner_is_refused(stored: str, path: tuple[Any, ...], value: object) -> None:
    body = json.loads(stored)
    place = body
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(IntegrityError) as refusal:
        Learner.from_json(body)
    assert refusal.value.hint


NUMBER = st.one_of(st.none(), st.integers(-(10**15), 10**15), st.floats(allow_nan=True, allow_infinity=True))
COLUMN = st.one_of(
    st.lists(NUMBER, min_size=60, max_size=60).map(lambda values: pa.array(values, pa.float64(), from_pandas=False)),
    st.lists(st.sampled_from([None, "a", "b", "", "missing", "other"]), min_size=60, max_size=60).map(
        lambda values: pa.array(values, pa.string())
    ),
)


@settings(max_examples=15, deadline=None)
@given(
    columns=st.lists(COLUMN, min_size=1, max_size=3),
    ones=st.integers(0, 60),
    kind=st.sampled_from(["binary", "amount"]),
)
def test_any_table_gives_a_sound_answer(columns: list[pa.Array], ones: int, kind: Any) -> None:
    people = pa.table({f"x{place}": column for place, column in enumerate(columns)})
    outcome = np.array([1.0] * ones + [0.0] * (60 - ones)) * (1 if kind == "binary" else 1e9)
    learner = Learner(kind).fit(people, outcome)
    told = learner.predict(people)
    assert np.isfinite(told).all()
    assert (told >= 0).all()
    again = Learner.from_json(json.loads(json.dumps(learner.to_json(), allow_nan=False)))
    assert np.array_equal(again.predict(people), told)


@pytest.fixture(scope="module")
def grocer() -> Iterator[Workspace]:
    """Complete Journey in memory; nothing is asked of it that lies after August."""
    with coterie.open(None, create=True, currency="USD", timezone="America/New_York") as shop:
        shop.ingest("complete_journey")
        shop.resolve()
        yield shop


@pytest.mark.slow
def test_a_grocer_is_told_better_than_by_the_naive_rule(grocer: Workspace) -> None:
    churn, spend = target("churn", 30), target("spend", 30)
    outcomes = [churn.outcome, spend.outcome]
    read = ["recency_days", "tenure_days", "gap_mean_days", "overdue_ratio", "orders_30d", "orders_90d", "spend_30d",
            "spend_90d", "decayed_orders", "decayed_spend", "basket_value", "products_90d", "age"]  # fmt: skip
    then = grocer.build(["2017-04-02", "2017-05-02"], features=read, outcomes=outcomes)
    now = grocer.build("2017-06-01", features=read, outcomes=outcomes)
    columns = ["person", "as_of", *then.columns]
    was, known = then.table.select(columns), now.table.select(columns)
    learner = Learner("binary").fit(was, churn.labels(then.table))
    gone, told = churn.labels(now.table), learner.predict(known)
    naive = churn.naive.scores(known)
    assert naive is not None
    assert auc(gone, told) > auc(gone, naive) + 0.03
    assert told.mean() == pytest.approx(gone.mean(), abs=0.05)
    learner = Learner("amount").fit(was, spend.labels(then.table))
    spent, told, naive = spend.labels(now.table), learner.predict(known), spend.naive.scores(known)
    assert naive is not None
    assert np.square(told - spent).mean() < np.square(naive - spent).mean()
    assert told.sum() == pytest.approx(spent.sum(), rel=0.25)
