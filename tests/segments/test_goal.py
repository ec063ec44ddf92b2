"""Goal-driven segments: what they tell of people they did not see, and rules that choose the very same people."""

from __future__ import annotations

import json

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from coterie.errors import MissingColumnError, NoVariationError, ParameterError, TooFewPeopleError
from coterie.evaluation.metrics import r2_of_groups
from coterie.evaluation.splits import folds
from coterie.segments.contract.checks import checks
from coterie.segments.goal import GoalSegments


@pytest.fixture(scope="module")
def spend_goal(households, summer_spend) -> GoalSegments:
    model = GoalSegments(8, log=True, title="Spend in the next 91 days")
    return model.fit(households, summer_spend / 100)


def test_eight_leaves_tell_half_of_the_variance_of_future_spend(households, summer_spend, spend_goal):
    y = np.log1p(summer_spend / 100)
    spend = households["spend"].to_numpy()
    fold = folds(len(y), 5, seed=0)
    naive = {
        parts: r2_of_groups(y, np.searchsorted(np.quantile(spend, np.arange(1, parts) / parts), spend), fold)
        for parts in (5, 8)
    }
    assert spend_goal.score_.value >= 0.50
    assert spend_goal.score_.value > max(naive.values())
    assert (spend_goal.k_, spend_goal.measure_) == (8, "r2")


def test_rules_choose_the_same_households_in_sql_and_python(households, spend_goal):
    assert any(households[name].null_count for name in households.column_names), "some household lacks something"
    rows = households.to_pylist()
    with duckdb.connect() as warehouse:
        warehouse.register("people", households)
        for segment, rule in enumerate(spend_goal.rules_):
            wanted = set(np.array(households["person"].to_pylist())[spend_goal.labels_ == segment])
            holds = rule.predicate()
            assert {row["person"] for row in rows if holds(row)} == wanted
            found = warehouse.sql(f"SELECT person FROM people WHERE {rule.sql().sql(dialect='duckdb')}").fetchall()
            assert {person for (person,) in found} == wanted


def test_one_household_alone_is_assigned_alike(households, spend_goal):
    segment_of = spend_goal.assigner()
    assert [segment_of(row) for row in households.to_pylist()] == spend_goal.labels_.tolist()


def test_segments_are_numbered_by_their_mean_outcome(summer_spend, spend_goal):
    means = [summer_spend[spend_goal.labels_ == segment].mean() / 100 for segment in range(8)]
    assert means == sorted(means, reverse=True)
    assert spend_goal.means_ == pytest.approx(means)
    assert min(np.bincount(spend_goal.labels_)) >= 50


def test_it_is_read_back_from_json(households, spend_goal):
    body = json.loads(json.dumps(spend_goal.to_json(), allow_nan=False))
    again = GoalSegments.from_json(body)
    assert (again.predict(households) == spend_goal.labels_).all()
    assert again.sentences_ == spend_goal.sentences_
    assert again.score_ == spend_goal.score_
    assert again.fingerprint == spend_goal.fingerprint


def test_a_yes_or_no_is_judged_by_ranking(households, summer_spend):
    model = GoalSegments(title="No order").fit(households, summer_spend == 0)
    assert model.measure_ == "auc"
    assert model.score_.value > 0.75
    assert 2 <= model.k_ <= 8
    assert model.means_[0] == pytest.approx((summer_spend == 0)[model.labels_ == 0].mean())
    chosen = min(model.evidence_, key=lambda one: one.error)
    assert chosen.k == model.k_


def test_noise_is_not_told(households):
    y = np.random.default_rng(1).normal(size=len(households))
    model = GoalSegments().fit(households, y)
    assert abs(model.score_.value) < 0.05


def test_newcomers_who_lack_everything_are_in_one_segment(households, spend_goal):
    nobody = pa.table({name: pa.nulls(3, households.schema.field(name).type) for name in households.column_names})
    assert len(set(spend_goal.predict(nobody).tolist())) == 1
    for rule in spend_goal.rules_:
        assert rule.matches({}) == (rule is spend_goal.rules_[spend_goal.predict(nobody)[0]])


@pytest.mark.parametrize("check", list(checks(GoalSegments(3, minimum_size=10))), ids=str)
def test_contract(check):
    check()


def test_what_cannot_be_learnt_is_refused():
    people = pa.table({"orders": range(120), "same": [7] * 120})
    y = np.arange(120.0)
    for wrong, kind in (
        (lambda: GoalSegments(minimum_size=5).fit(people), ParameterError),
        (lambda: GoalSegments(minimum_size=5).fit(people, y[:5]), ParameterError),
        (lambda: GoalSegments(minimum_size=5).fit(people, np.where(y > 3, y, np.nan)), ParameterError),
        (lambda: GoalSegments(minimum_size=5).fit(people, ["a"] * 120), ParameterError),
        (lambda: GoalSegments(minimum_size=5, log=True).fit(people, y - 1), ParameterError),
        (lambda: GoalSegments(1).fit(people, y), ParameterError),
        (lambda: GoalSegments(minimum_size=5).fit(people, y * 0), NoVariationError),
        (lambda: GoalSegments(minimum_size=5, columns=["same"]).fit(people, y), NoVariationError),
        (lambda: GoalSegments(minimum_size=5, columns=["lost"]).fit(people, y), MissingColumnError),
        (lambda: GoalSegments(minimum_size=61).fit(people, y), TooFewPeopleError),
    ):
        with pytest.raises(kind):
            wrong()
