"""Preferences: the usual forecast, unless a shop's own past shows another one to be better."""

from __future__ import annotations

from collections.abc import Iterable

from coterie.evaluation.intervals import interval
from coterie.predict.contest.standings import METRICS, OF, Backtest

_NOTHING = 5e-4  # a lead that is not seen in three decimals is none


def preferred(
    found: Backtest, usual: str, others: Iterable[str], *, outcome: str = "spend", metric: str = "gini"
) -> tuple[str, str]:
    """Return whose forecasts to use, and why.

    The best of several figures is partly the luckiest: the usual contender is left only for one whose lead is shown,
    the whole interval of the difference on the same people lying on its side.

    Parameters
    ----------
    found
        A backtest as it was run, with its resamples.
    usual
        The contender to use unless another is shown to be better; it must have been judged.
    others
        Those that may take its place; who was not judged is left out.
    outcome
        ``orders``, ``active`` or ``spend``.
    metric
        One of ``METRICS`` with a better side.

    Returns
    -------
    name
        The contender.
    words
        The reason, as a sentence.
    """
    merit = METRICS[metric]
    what = f"{merit.title} of {OF[outcome]}"
    mine = found.mean(usual, outcome, metric, found.origins)
    best, lead, why = usual, 0.0, f"No other one is shown to be better than {usual} in {what}."
    if mine is None:
        return usual, f"In the shop's past, nothing tells who is best in {what}."
    for name in others:
        theirs = found.mean(name, outcome, metric, found.origins)
        if name == usual or theirs is None:
            continue
        gap = interval(float(theirs[0] - mine[0]), (theirs - mine)[1:])
        ahead = min(merit.better * gap.low, merit.better * gap.high)
        if ahead > _NOTHING and merit.better * gap.value > lead:
            best, lead = name, merit.better * gap.value
            why = f"{name} is shown to be better than {usual} in {what}: a difference of {gap}."
    return best, why
