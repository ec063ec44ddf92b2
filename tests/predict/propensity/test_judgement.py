"""Judgements: the same figures as scikit-learn's, and a verdict that says what was shown."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from coterie.errors import DataError, TooFewPeopleError
from coterie.predict.propensity.judgement import judge
from coterie.predict.propensity.targets import target


def drawn(people: int = 600) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what happened, a good score and a poor one."""
    random = np.random.default_rng(5)
    chance = random.uniform(0, 1, people)
    happened = (random.uniform(0, 1, people) < chance).astype(float)
    return happened, chance, chance + random.normal(0, 1.5, people)


def test_a_good_learner_is_said_to_be_better():
    happened, good, poor = drawn()
    found = judge(target("churn", 30), good, happened, poor, protocol="half of the people")
    assert found.metric == "AUC"
    assert found.learner.value == pytest.approx(roc_auc_score(happened, good), abs=1e-12)
    assert found.naive.value == pytest.approx(roc_auc_score(happened, poor), abs=1e-12)
    assert found.gap.value == pytest.approx(found.learner.value - found.naive.value, abs=1e-12)
    assert found.gap.low > 0
    assert found.words.startswith("The learner is better than the naive rule: AUC")
    assert found.bias == pytest.approx(good.sum() / happened.sum() - 1)
    assert sum(one.people for one in found.bins) == len(happened)


def test_a_poor_learner_is_said_to_be_worse_and_equals_are_no_different():
    happened, good, poor = drawn()
    worse = judge(target("churn", 30), np.clip(poor, 0, 1), happened, good, protocol="")
    assert worse.words.startswith("The learner is worse than the naive rule: use the rule")
    same = judge(target("churn", 30), good, happened, good, protocol="")
    assert same.words.startswith("It is not shown")
    assert same.gap.value == 0
    alone = judge(target("churn", 30), good, happened, None, protocol="")
    assert alone.gap is None
    assert "nothing to go by" in alone.words


def test_classes_are_judged_by_the_share_told_right_of_those_who_bought():
    outcome = np.array(["tea", "tea", "milk", None, "milk"], dtype=object)
    told = np.array(["tea", "milk", "milk", "tea", "milk"], dtype=object)
    rule = np.array(["tea", "tea", "tea", "tea", None], dtype=object)
    found = judge(target("category", 30), told, outcome, rule, protocol="")
    assert (found.metric, found.people) == ("accuracy", 4)
    assert (found.learner.value, found.naive.value) == (0.75, 0.5)
    assert found.bins == ()
    assert found.bias is None


def test_nothing_happened_and_nobody_to_judge_by():
    for what, happened in (("spend", np.zeros(40)), ("churn", np.ones(40)), ("churn", np.zeros(40))):
        with pytest.raises(DataError, match="The same happened to all 40 people"):
            judge(target(what, 30), np.ones(40), happened, np.arange(40.0), protocol="")
    with pytest.raises(TooFewPeopleError):
        judge(target("spend", 30), np.ones(1), np.ones(1), None, protocol="")
