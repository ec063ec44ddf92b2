"""Preferences: luck does not unseat the usual contender, a shown lead does."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from coterie.predict.contest.preference import preferred
from coterie.predict.contest.standings import Backtest


def judged(repeats: Mapping[str, np.ndarray], outcome: str = "spend", metric: str = "gini") -> Backtest:
    """A backtest at one origin in which contenders got these figures, on everybody and on each resample."""
    keys = {(name, "May", None, outcome, metric): values for name, values in repeats.items()}
    return Backtest("usual", tuple(repeats), ("May",), 30, 2, (), (), (), "", repeats=keys)


def around(value: float, width: float, seed: int) -> np.ndarray:
    return np.concatenate([[value], np.random.default_rng(seed).normal(value, width, 200)])


def test_a_lead_by_luck_unseats_nobody():
    found = judged({"usual": around(0.6, 0.02, 0), "lucky": around(0.61, 0.02, 1)})
    assert preferred(found, "usual", found.contenders) == (
        "usual", "No other one is shown to be better than usual in normalised Gini of spend."
    )  # fmt: skip


def test_the_largest_shown_lead_counts_and_says_so():
    same = around(0.6, 0.02, 0)
    found = judged({"usual": same, "better": same + 0.02, "best": same + 0.05})
    name, words = preferred(found, "usual", found.contenders)
    assert name == "best"
    assert words.startswith("best is shown to be better than usual in normalised Gini of spend: a difference of 0.050")


def test_a_lead_of_nothing_is_none():
    same = around(0.6, 0.02, 0)
    found = judged({"usual": same, "hair": same + 1e-5})
    assert preferred(found, "usual", found.contenders)[0] == "usual"


def test_of_errors_less_is_better():
    same = around(1.2, 0.1, 0)
    found = judged({"usual": same, "worse": same + 0.3, "better": same - 0.1}, "orders", "rmse")
    assert preferred(found, "usual", found.contenders, outcome="orders", metric="rmse")[0] == "better"


def test_who_was_not_judged_is_left_out():
    found = judged({"usual": around(0.6, 0.02, 0)})
    assert preferred(found, "usual", ["nobody", "usual"])[0] == "usual"
    assert preferred(found, "nobody", ["usual"])[1].startswith("In the shop's past, nothing tells")
