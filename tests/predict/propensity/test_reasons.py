"""Reasons add up to the prediction, and are said in plain words."""

from __future__ import annotations

import json

import narwhals as nw
import numpy as np
import pyarrow as pa
import pytest

from coterie.errors import NotFittedError, ParameterError
from coterie.predict.propensity.checks import made_up_people
from coterie.predict.propensity.learner import Learner
from coterie.predict.propensity.reasons import explain, importances, moves

KINDS = [("binary", None), ("count", "poisson"), ("amount", "tweedie"), ("amount", "two-stage"), ("amount", "squares")]


@pytest.fixture(scope="module", params=KINDS, ids=str)
def taught(request: pytest.FixtureRequest) -> tuple[Learner, pa.Table]:
    kind, objective = request.param
    people, outcome = made_up_people(800, kind=kind)
    return Learner(kind, objective=objective).fit(people, outcome), people


def test_effects_add_up_to_the_prediction(taught: tuple[Learner, pa.Table]) -> None:
    learner, people = taught
    told = explain(learner, people, most=10)
    assert told.place.shape == (800, len(learner.inputs_.parts))
    np.testing.assert_allclose(told.prediction, learner.predict(people), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(told.base + told.effect.sum(axis=1) + told.rest, told.prediction, rtol=1e-9)
    # all columns are named here, so that nothing but what cannot be told is left over
    spread = told.prediction.max() - told.prediction.min()
    assert np.abs(told.rest).max() < 0.05 * spread
    assert np.median(np.abs(told.rest)) < 1e-9 * spread


def test_contributions_add_up_to_the_score(taught: tuple[Learner, pa.Table]) -> None:
    learner, people = taught
    assert learner.model_ is not None
    X = learner.inputs_.encode(nw.from_native(people))
    parts, raw = learner.model_.contributions(X), learner.model_.raw(X)
    np.testing.assert_allclose(parts[:, 0].sum(axis=1), raw, rtol=1e-9, atol=1e-9 * np.abs(raw).max())


def test_the_strongest_come_first(taught: tuple[Learner, pa.Table]) -> None:
    learner, people = taught
    all_of, three = explain(learner, people, most=10), explain(learner, people, most=3)
    size = np.abs(all_of.effect)
    assert (np.diff(size, axis=1) <= 0).all()
    assert (three.place == all_of.place[:, :3]).all()


def test_words_are_those_of_each_person(taught: tuple[Learner, pa.Table]) -> None:
    learner, people = taught
    told = explain(learner, people, most=2)
    rows = told.table().to_pylist()
    for row in (0, 17, 799, -1):
        reasons = told.of(row)
        assert [one.words for one in reasons] == [rows[row][f"reason_{n + 1}"] for n in range(len(reasons))]
        for one in reasons:
            assert one.value == people[one.feature][row].as_py()
            assert ("adds" in one.words) == (one.effect > 0)
    again = explain(Learner.from_json(json.loads(json.dumps(learner.to_json()))), people, most=2).table()
    assert again == told.table()


def test_who_is_asked_beside_changes_no_word(taught: tuple[Learner, pa.Table]) -> None:
    learner, people = taught
    alone = explain(learner, people.slice(5, 1)).table()
    assert alone == explain(learner, people).table().slice(5, 1)
    assert len(explain(learner, people.slice(0, 0)).table()) == 0


def test_a_probability_is_moved_by_points() -> None:
    random = np.random.default_rng(0)
    days = random.exponential(40, 1_000)
    gone = random.random(1_000) < days / (days + 40)
    coupons, spend = random.integers(0, 3, 1_000), random.integers(0, 9, 1_000)
    people = pa.table({"recency_days": days, "coupons": coupons, "spend": spend})
    learner = Learner("binary").fit(people, gone)
    long_gone = pa.table({"recency_days": [300.0], "coupons": [0], "spend": pa.array([None], pa.int64())})
    reason = explain(learner, long_gone).of(0)[0]
    assert reason.feature == "recency_days"
    assert reason.words.replace("\xa0", " ").startswith("Days since last order 300 days (usually 30 days): adds ")
    assert reason.words.endswith(" points")
    assert reason.effect > 0.2
    told = explain(learner, long_gone, titles={"recency_days": ("Silence", "days"), "spend": ("Paid", "money")}, most=3)
    assert any(one.words.startswith("Silence 300") for one in told.of(0))
    first = importances(learner, people)[0]
    assert (first.feature, first.direction) == ("recency_days", "higher")
    assert first.words.endswith("points in the mean, the more, the higher")


def test_one_thing_is_not_said_twice() -> None:
    people, outcome = made_up_people(800, kind="amount")
    orders = np.asarray(people["orders"])
    for name, factor in (("orders_90d", 0.5), ("active_days", 0.9), ("decayed_orders", 0.7)):
        people = people.append_column(name, pa.array(orders * factor))
    learner = Learner("amount").fit(people, outcome)
    told = explain(learner, people, most=20)
    assert told.place.shape == (800, 5)
    assert set(learner.inputs_.names) > {"orders", "orders_90d", "active_days", "decayed_orders"}
    np.testing.assert_allclose(told.base + told.effect.sum(axis=1) + told.rest, told.prediction)
    assert np.median(np.abs(told.rest)) < 1e-6
    for row in range(20):
        assert sum("rders" in one.title or one.title == "Shopping days" for one in told.of(row)) <= 1


def test_reasons_of_a_class_are_about_the_likeliest() -> None:
    people, outcome = made_up_people(800, kind="class")
    learner = Learner("class").fit(people, outcome)
    told = explain(learner, people, most=5)
    np.testing.assert_allclose(told.prediction, learner.predict_proba(people).max(axis=1))
    np.testing.assert_allclose(told.base + told.effect.sum(axis=1) + told.rest, told.prediction)
    named = np.array([part.name for part in learner.inputs_.parts])[told.place[:, 0]]
    assert (named == "channel").mean() > 0.95  # most stay in their channel
    assert told.of(0)[0].effect > 0
    assert importances(learner, people)[0].feature == "channel"


def test_where_all_get_the_mean_nobody_has_a_reason() -> None:
    people, outcome = made_up_people(30, kind="binary")
    learner = Learner("binary").fit(people, outcome)
    told = explain(learner, people)
    assert told.of(3) == ()
    assert told.table().column_names == ["prediction"]
    assert importances(learner, people) == ()


def test_what_is_not_allowed_is_refused() -> None:
    people, outcome = made_up_people(60, kind="binary")
    with pytest.raises(NotFittedError):
        explain(Learner(), people)
    with pytest.raises(NotFittedError):
        importances(Learner(), people)
    with pytest.raises(ParameterError, match="most"):
        explain(Learner("binary").fit(people, outcome), people, most=0)


@pytest.mark.parametrize(
    ("effect", "unit", "words"),
    [
        (0.01, "share", "adds 1 point"),
        (-0.004, "share", "takes off 0.4 points"),
        (0.0002, "share", "adds less than 0.1 points"),
        (12.4, "count", "adds 12.4"),
        (-250_000.0, "money", "takes off $2,500"),
    ],
)
def test_effects_in_words(effect: float, unit: str, words: str) -> None:
    assert moves(effect, unit, "USD") == words
