"""Learners of every kind and objective keep the contract of predictors."""

from __future__ import annotations

import numpy as np
import pytest

from coterie.evaluation.contract import Check
from coterie.predict.propensity.checks import LAWS, Trial, check_predictor, checks
from coterie.predict.propensity.learner import Learner

KINDS = [("binary", None), ("amount", "two-stage"), ("class", None)]
MORE = [("count", None), ("count", "best"), ("amount", None), ("amount", "squares")]


def checked(kinds: list[tuple[str, str | None]]) -> list[Check[Trial]]:
    return [check for kind, objective in kinds for check in checks(Learner(kind, objective=objective))]


def named(check: Check[Trial]) -> str:
    return f"{check}-{check.trial.estimator.kind}-{check.trial.estimator.objective}"


@pytest.mark.parametrize("check", checked(KINDS), ids=named)
def test_a_learner_keeps_the_contract(check: Check[Trial]) -> None:
    check()


@pytest.mark.slow
@pytest.mark.parametrize("check", checked(MORE), ids=named)
def test_a_learner_of_another_kind_keeps_the_contract(check: Check[Trial]) -> None:
    check()


class Forgetful(Learner):
    """Breaks the contract: what it tells depends on who else is asked about."""

    def predict(self, frame: object) -> np.ndarray:
        told = super().predict(frame)
        return told / (1 + len(told))


def test_the_contract_finds_who_breaks_it() -> None:
    with pytest.raises(AssertionError, match=r"check_alone_as_among_others: Forgetful fails: 3 of 3 .* Expected: A"):
        check_predictor(Forgetful())
    assert len(LAWS) == 12
