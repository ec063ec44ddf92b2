"""Choices between contenders: who leads at origins in the past, and whether that is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from coterie.errors import DataError, ParameterError
from coterie.evaluation.intervals import Estimate, interval
from coterie.predict.contest.contender import Floats
from coterie.predict.contest.standings import METRICS, OF, Backtest, lead

Outcome = Literal["orders", "active", "spend"]
Purpose = Literal["ranking", "level"]
_SAME = 9  # decimals beyond which figures are alike


@dataclass(frozen=True, slots=True)
class Choice:
    """Who leads, and whether that is shown.

    Parameters
    ----------
    contender
        The leader.
    runner_up
        The next one; None where there is no other.
    outcome, metric
        What it leads in.
    estimate
        Its figure.
    gap
        Leader minus runner-up on the same people, with its interval; None without one.
    shown
        Whether the whole interval of the gap is on the leader's side.
    words
        The same as a sentence.
    """

    contender: str
    runner_up: str | None
    outcome: str
    metric: str
    estimate: Estimate
    gap: Estimate | None
    shown: bool
    words: str


def choose(
    judged: Backtest,
    purpose: Purpose,
    *,
    outcome: Outcome = "orders",
    metric: str | None = None,
    origins: Sequence[str] | None = None,
) -> Choice:
    """Return who leads at origins in the past, against the next best.

    Parameters
    ----------
    judged
        A backtest as it was run: one that was read from JSON has no resamples to compare by.
    purpose
        ``ranking``: the highest normalised Gini (of activity: AUC). ``level``: the smallest size of the bias.
    outcome
        ``orders``, ``active`` or ``spend``.
    metric
        Another one of ``METRICS`` to choose by.
    origins
        The origins to choose by; None takes all. The mean over them counts; those after which a figure is undefined
        for everybody, as nobody bought, are left out.

    Notes
    -----
    The leader's own figure flatters it a little, as it was chosen by it: judge the choice at a later origin.

    Raises
    ------
    ParameterError
        There is no such purpose, metric or origin.
    DataError
        No contender could be judged at all of the origins.
    """
    if purpose not in ("ranking", "level"):
        raise ParameterError.of("choose", "purpose", purpose, "ranking or level")
    if outcome not in OF:
        raise ParameterError.of("choose", "outcome", outcome, f"one of {', '.join(OF)}")
    name = metric or ("abs_bias" if purpose == "level" else "auc" if outcome == "active" else "gini")
    if name not in METRICS or not METRICS[name].better:
        allowed = ", ".join(one for one, told in METRICS.items() if told.better)
        raise ParameterError.of("choose", "metric", name, f"one of {allowed}")
    taken = tuple(judged.origins if origins is None else origins)
    if not taken or set(taken) - set(judged.origins):
        raise ParameterError.of("choose", "origins", list(taken), f"some of {', '.join(judged.origins)}")
    told = {one: judged.mean(one, outcome, name, taken) for one in judged.contenders}
    known = {one: values for one, values in told.items() if values is not None}
    if not known:
        raise DataError(
            f"No contender can be chosen by {METRICS[name].title} of {OF[outcome]}: none could be judged.",
            hint="take origins after which people bought, and look at the backtest's notes.",
        )
    return _choice(known, outcome, name, judged.minor_units)


def _choice(known: dict[str, Floats], outcome: str, name: str, minor_units: int) -> Choice:
    metric = METRICS[name]
    what = f"{metric.title} of {OF[outcome]}"
    ranked = sorted(known, key=lambda one: -metric.better * round(float(known[one][0]), _SAME))  # at a tie as given
    first, rest = ranked[0], ranked[1:]
    estimate = interval(float(known[first][0]), known[first][1:])
    if not rest:
        return Choice(first, None, outcome, name, estimate, None, False, f"{first} alone could be judged in {what}.")
    apart = np.asarray(known[first] - known[rest[0]])
    gap = interval(float(apart[0]), apart[1:])
    shown = gap.low > 0 if metric.better > 0 else gap.high < 0
    scale = 10**minor_units if metric.money and outcome == "spend" else 1
    return Choice(first, rest[0], outcome, name, estimate, gap, shown, lead(first, rest[0], gap, metric, what, scale))
