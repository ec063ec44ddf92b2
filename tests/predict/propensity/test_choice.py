"""Choices of one of many items: the contract, what is learnt, what is told, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from coterie.errors import EmptyShopError, IntegrityError, MissingColumnError, NotFittedError, ParameterError
from coterie.evaluation.contract import Check
from coterie.predict.propensity.checks import Trial, checks
from coterie.predict.propensity.choice import ChoiceLearner
from coterie.predict.propensity.repertoire import TYPE


def shoppers(people: int = 300, items: int = 8, seed: int = 0, *, moments: int = 1) -> tuple[pa.Table, np.ndarray]:
    """Return made-up people who choose as a Dirichlet-multinomial model says, and what each bought next."""
    random = np.random.default_rng(seed)
    usual = 3.0 * np.arange(1, items + 1) / (items * (items + 1) / 2)
    told, chosen = [], []
    for _ in range(people * moments):
        taste = random.dirichlet(usual)
        times = random.multinomial(random.geometric(0.05), taste)
        lately = random.exponential(20, items)
        told.append(
            [
                {
                    "item": f"k{item}", "lines": float(times[item]), "decayed_90d": times[item] * 0.8,
                    "decayed_30d": times[item] * 0.5, "orders": float(times[item]), "recency_days": lately[item],
                    "first_days": lately[item] + 10.0 * (times[item] - 1),
                }
                for item in range(items)
                if times[item]
            ]
        )  # fmt: skip
        chosen.append(f"k{random.choice(items, p=taste)}")
    days = np.repeat(np.arange("2025-01-01", "2025-12-01", dtype="datetime64[M]")[:moments], people)
    table = pa.table(
        {
            "person": np.tile(np.arange(people), moments),
            "as_of": pa.array(days.astype("datetime64[us]")),
            "repertoire": pa.array(told, TYPE),
        }
    )
    return table, np.array(chosen, dtype=object)


@pytest.mark.parametrize("check", list(checks(ChoiceLearner(), *shoppers())), ids=str)
def test_it_keeps_the_contract_of_predictors(check: Check[Trial]) -> None:
    check()


def test_it_finds_what_made_up_people_choose_by() -> None:
    table, chosen = shoppers(2_000, seed=1)
    later, then = shoppers(2_000, seed=2)
    learner = ChoiceLearner().fit(table, chosen)
    told = learner.predict_proba(later)
    np.testing.assert_allclose(told.sum(axis=1), 1)
    # the best there is: the forecast of the model that they were drawn from
    prior = 3.0 * np.arange(1, 9) / 36
    counts = np.array(
        [[sum(one["lines"] for one in row if one["item"] == name) for name in learner.classes_]
         for row in later["repertoire"].to_pylist()]
    )  # fmt: skip
    best = (counts + prior) / (counts.sum(axis=1, keepdims=True) + 3.0)
    place = np.searchsorted(learner.classes_, then.astype(str))
    people = np.arange(len(place))

    def loss(probability: np.ndarray) -> float:
        return float(-np.log(probability[people, place]).mean())

    assert loss(best) - 0.001 < loss(told) < loss(best) + 0.02
    assert loss(told) < loss(np.tile(learner.base_, (len(place), 1))) - 0.3
    top = told.max(axis=1)
    for part in np.array_split(np.argsort(top), 4):
        right = (learner.predict(later.take(pa.array(part))) == then[part]).mean()
        assert right == pytest.approx(top[part].mean(), abs=0.06)


def test_with_several_moments_the_heat_is_learnt_at_the_latest() -> None:
    table, chosen = shoppers(200, seed=3, moments=3)
    random = np.random.default_rng(0)
    noisy = chosen.copy()
    last = np.arange(400, 600)  # at the latest moment half choose by lot, as was never seen before
    by_lot = random.choice(last, 100, replace=False)
    noisy[by_lot] = random.choice([f"k{item}" for item in range(8)], 100)
    calm, hot = ChoiceLearner().fit(table, chosen), ChoiceLearner().fit(table, noisy)
    assert calm.evidence_ is not None
    assert calm.evidence_.loss < calm.evidence_.naive
    assert hot.calibration_.heat > calm.calibration_.heat + 0.1
    assert (calm.people_, calm.rows_) == (200, 600)


def test_the_likeliest_are_told_with_reasons_in_words() -> None:
    table, chosen = shoppers(400, seed=4)
    learner = ChoiceLearner().fit(table, chosen)
    found = learner.choices(table, most=3)
    told = learner.predict_proba(table)
    np.testing.assert_array_equal(found.item[:, 0], learner.predict(table))
    np.testing.assert_allclose(found.chance, -np.sort(-told, axis=1)[:, :3])
    names = found.table().column_names
    assert names == ["chance", "choice_2", "chance_2", "choice_3", "chance_3", "reason_1", "reason_2", "reason_3"]
    for row, bought in enumerate(table["repertoire"].to_pylist()[:50]):
        for rank in range(3):
            name, words = found.item[row, rank], found.words[rank][row].as_py()
            pair = next((one for one in bought if one["item"] == name), None)
            if pair is None:
                assert words.startswith(f"never bought {name}, which ")
                continue
            times = "once" if pair["orders"] == 1 else f"{pair['orders']:.0f} times"
            assert words.startswith(f"bought {name} {times}, last ")
            days = round(pair["recency_days"])
            assert ("today" if days < 1 else "a day ago" if days == 1 else f"{days} days ago") in words
            gained = found.chance[row, rank] - learner.base_[learner.classes_.index(name)]
            assert ("adds" if round(gained, 3) >= 0 else "takes off") in words
    assert len(learner.choices(table, most=30).words) == len(learner.classes_)
    assert learner.choices(table.slice(0, 0)).table().num_rows == 0


def test_importances_are_of_what_people_bought() -> None:
    table, chosen = shoppers(400, seed=5)
    learner = ChoiceLearner().fit(table, chosen)
    told = learner.importances(table)
    assert {one.feature for one in told} <= {"repertoire", "recency", "everybody"}
    assert [one.effect for one in told] == sorted((one.effect for one in told), reverse=True)
    assert all(0 < one.effect <= 1 for one in told)
    assert learner.importances(table.slice(0, 0)) == ()


def test_many_items_of_few_people_are_all_candidates() -> None:
    table, chosen = shoppers(60, items=40, seed=6)
    learner = ChoiceLearner().fit(table, chosen)
    assert learner.degraded_ is None
    assert len(learner.classes_) > 20
    assert "other" not in learner.classes_


def test_of_too_few_people_everybody_gets_what_everybody_chooses() -> None:
    table, chosen = shoppers(30, seed=7)
    learner = ChoiceLearner().fit(table, chosen)
    assert learner.degraded_ == "at least 50 people are needed, and there are 30"
    np.testing.assert_allclose(learner.predict_proba(table), np.tile(learner.base_, (30, 1)))
    assert learner.choices(table).words[0].null_count == 30
    assert learner.importances(table) == ()
    bare = table.set_column(2, "repertoire", pa.array([[]] * 30, TYPE))
    many = pa.concat_tables([bare] * 3).drop(["person", "as_of"])
    told = ChoiceLearner().fit(many, np.tile(chosen, 3))
    assert told.degraded_ == "of nobody is it known what was bought"


def test_how_items_are_called_changes_nothing() -> None:
    table, chosen = shoppers(200, seed=8)
    renamed = [[one | {"item": "z" + one["item"]} for one in row] for row in table["repertoire"].to_pylist()]
    other = table.set_column(2, "repertoire", pa.array(renamed, TYPE))
    one, two = ChoiceLearner().fit(table, chosen), ChoiceLearner().fit(other, np.array(["z" + it for it in chosen]))
    np.testing.assert_allclose(one.predict_proba(table), two.predict_proba(other), rtol=1e-6)


def test_refusals() -> None:
    table, chosen = shoppers(60)
    with pytest.raises(ParameterError, match="at least 50"):
        ChoiceLearner(most=3).fit(table, chosen)
    with pytest.raises(EmptyShopError, match="nobody to learn from"):
        ChoiceLearner().fit(table, [None] * 60)
    with pytest.raises(MissingColumnError, match="repertoire"):
        ChoiceLearner().fit(table.drop(["repertoire"]), chosen)
    with pytest.raises(ParameterError, match="lists of structs of item"):
        ChoiceLearner().fit(pa.table({"repertoire": ["bread"] * 60}), chosen)
    learner = ChoiceLearner().fit(table, chosen)
    with pytest.raises(ParameterError, match="at least 1"):
        learner.choices(table, most=0)
    for ask in (ChoiceLearner().predict, ChoiceLearner().predict_proba, ChoiceLearner().choices):
        with pytest.raises(NotFittedError):
            ask(table)
    with pytest.raises(MissingColumnError, match="repertoire"):
        learner.predict(table.select(["person"]).slice(0, 0))


CHANGES: list[tuple[str, Any]] = [
    ("classes", ["b", "a"]), ("classes", []), ("base", [0.5]), ("popularity", [0.0]), ("weights", [1.0, 2.0]),
    ("weights", "none"), ("heat", 0), ("heat", True), ("people", -1), ("rows", 1.5), ("degraded", 3),
    ("evidence", [1.0]), ("version", 2), ("kind", "Learner"), ("more", 1),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), CHANGES)
def test_a_changed_body_is_refused(name: str, value: Any) -> None:
    learner = ChoiceLearner().fit(*shoppers(60))
    with pytest.raises(IntegrityError):
        ChoiceLearner.from_json({**learner.to_json(), name: value})
    body = json.loads(json.dumps(learner.to_json()))
    with pytest.raises(IntegrityError):
        ChoiceLearner.from_json({key: part for key, part in body.items() if key != name} if name in body else [])
