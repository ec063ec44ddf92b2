"""Results inside a notebook: figures of them with the same in words below; nothing here is of a single person."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from coterie.charts import numbers
from coterie.charts.notebook import notebook
from coterie.predict import drawings
from coterie.predict.contest.standings import METRICS, OF, written
from coterie.predict.lifetime.portrait import frequency_recency

if TYPE_CHECKING:
    from coterie.predict.contest.standings import Backtest
    from coterie.predict.lifetime.gamma_gamma import GammaGamma
    from coterie.predict.lifetime.purchasing import PurchaseModel


def of_backtest(judged: Backtest) -> str:
    """Show how contenders stand, over all origins, with their gain curves and all figures in words."""
    shown = [
        (outcome, metric)
        for outcome in OF
        for metric in METRICS
        if metric != "abs_bias" and any(judged.score(name, outcome, metric) for name in judged.contenders)
    ]
    figures = [
        drawn.wide
        for drawn in (
            drawings.standing(judged, "orders", "gini"),
            drawings.standing(judged, "orders", "bias"),
            drawings.gains(judged),
        )
        if drawn is not None
    ]
    rows = []
    for name in judged.contenders:
        scores = [judged.score(name, *one) for one in shown]
        rows.append([name, *(numbers.MISSING if one is None else written(one, judged.minor_units) for one in scores)])
    return notebook(
        f"Backtest of {len(judged.contenders)} contenders",
        figures,
        notes=(judged.protocol, *judged.verdicts("orders", "gini"), *judged.notes),
        head=("Contender", *(f"{METRICS[metric].title} of {OF[outcome]}" for outcome, metric in shown)),
        rows=rows,
    )


def of_model(model: PurchaseModel) -> str | None:
    """Show a fitted model's parameters with their standard errors, and what it expects by frequency and recency.

    Of people who have been customers as long as anybody at fit, in half that time. None before it is fitted.
    """
    if not hasattr(model, "theta_"):
        return None
    figures = []
    if model.longest_ > 0 and not model.covariate_names_:
        told = frequency_recency(model, model.longest_, model.longest_ / 2, most=20)
        figures = [drawings.matrix(told, what).wide for what in ("orders", "active")]
    return notebook(
        f"{type(model).__name__} of {numbers.count(model.people_)} people",
        figures,
        notes=[
            f"Log-likelihood {model.log_likelihood_:,.1f}, {model.iterations_} Newton steps.",
            *filter(None, [model.warning_]),
        ],
        head=("Parameter", "Value", "Standard error"),
        rows=[
            (name, _number(value), _number(model.standard_errors_[name])) for name, value in model.parameters_.items()
        ],
    )


def of_spend(model: GammaGamma) -> str | None:
    """Show a fitted model of spend: its parameters with their standard errors, and what speaks against it.

    None before it is fitted.
    """
    if not hasattr(model, "parameters_"):
        return None
    return notebook(
        f"GammaGamma of {numbers.count(model.people_)} people",
        notes=[*filter(None, [model.warning_, model.caution_])],
        head=("Parameter", "Value", "Standard error"),
        rows=[
            (name, _number(value), _number(model.standard_errors_[name])) for name, value in model.parameters_.items()
        ],
    )


def _number(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else numbers.MISSING
