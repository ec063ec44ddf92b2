"""What ``cdnow.py``, ``orders.py`` and ``worth.py`` share: contenders, how they are judged, what has to be shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

RESAMPLES = 1000
MARGIN = 0.005
CHAMPION, PARETO, BG = "ensemble", "Pareto/NBD × Gamma-Gamma", "BG/NBD × Gamma-Gamma"
FIGURES = (
    ("orders", "gini"), ("orders", "spearman"), ("active", "auc"), ("spend", "gini"), ("orders", "bias"),
    ("orders", "rmse"), ("orders", "mae"), ("spend", "bias"), ("spend", "rmse"),
)  # fmt: skip
COMPARED = (("orders", "gini"), ("active", "auc"), ("spend", "gini"), ("orders", "rmse"), ("orders", "abs_bias"))


@dataclass(frozen=True)
class Claim:
    """Something that has to be shown, and whether it was."""

    words: str
    figure: str
    shown: bool

    def __str__(self) -> str:
        """Say it in a line."""
        return f"{'shown' if self.shown else 'NOT SHOWN'}: {self.words}: {self.figure}"


def contenders(origin: Any) -> list[Any]:
    """Return everything that is set beside each other; the first one is what the others are compared with."""
    from coterie.predict.contest.ensemble import Ensemble, Sized, Stacked
    from coterie.predict.contest.learnt import Learnt
    from coterie.predict.contest.levelled import Levelled
    from coterie.predict.contest.naive import naive_rules
    from coterie.predict.contest.probabilistic import Probabilistic
    from coterie.predict.lifetime.bg_nbd import BGNBD, MBGNBD
    from coterie.predict.lifetime.gamma_gamma import GammaGamma
    from coterie.predict.lifetime.pareto_nbd import ParetoNBD
    from coterie.predict.propensity.learner import Learner

    trees = Learnt(
        Learner("count", objective="poisson"), Learner("binary"), Learner("amount", objective="tweedie"), "LightGBM"
    )
    return [
        Probabilistic(ParetoNBD(), GammaGamma(), name=PARETO),
        Probabilistic(BGNBD(), GammaGamma(), name=BG),
        Probabilistic(MBGNBD(), GammaGamma(), name="MBG/NBD × Gamma-Gamma"),
        *naive_rules(origin.case),
        Levelled(trees, Probabilistic(BGNBD(), GammaGamma()), "total", "LightGBM at BG/NBD's level"),
        Sized(),
        Levelled(Stacked(), Probabilistic(BGNBD(), GammaGamma()), "total", "stacked at BG/NBD's level"),
        Ensemble(CHAMPION),
    ]


def judged(origins: Sequence[Any], *, resamples: int = RESAMPLES) -> Any:
    """Return the backtest of all contenders."""
    from coterie.predict.contest.backtest import backtest

    return backtest(origins, contenders(origins[0]), baseline=PARETO, count=resamples)


def gap(found: Any, name: str, other: str, outcome: str, metric: str) -> Any:
    """Return how far a contender lies above another one, the mean over origins, on the same people; None if unknown."""
    from coterie.evaluation.intervals import interval

    one, two = (found.mean(each, outcome, metric, found.origins) for each in (name, other))
    return None if one is None or two is None else interval(float(one[0] - two[0]), (one - two)[1:])


def claims(found: Any, *, bias: float | None = None) -> list[Claim]:
    """Return what the champion has to show; ``bias`` is a published one that its own must be below."""
    from coterie.evaluation.comparison import verdict

    orders, active, spend = (
        gap(found, CHAMPION, PARETO, *figure) for figure in (("orders", "gini"), ("active", "auc"), ("spend", "gini"))
    )
    rows = [
        Claim(f"{what} not inferior to Pareto/NBD by {MARGIN}", f"{one} ({verdict(one, MARGIN)})", one.low > -MARGIN)
        for what, one in (("Gini of orders", orders), ("AUC of activity", active))
    ]
    rows.append(Claim("Gini of spend above Pareto/NBD × Gamma-Gamma", f"{spend} ({verdict(spend)})", spend.low > 0))
    own, theirs = (abs(found.score(name, "orders", "bias").estimate.value) for name in (CHAMPION, BG))
    rows.append(Claim("size of the bias below BG/NBD's in this run", f"{own:.3f} beside {theirs:.3f}", own < theirs))
    if bias is not None:
        rows.append(
            Claim("size of the bias below what BG/NBD is known for", f"{own:.3f} beside {bias:.3f}", own < bias)
        )
    return rows


def markdown(found: Any, champion: str = CHAMPION) -> str:
    """Return the figures of all contenders, then the champion's gaps to each, as Markdown."""
    from coterie.predict.contest.standings import written

    known = [figure for figure in FIGURES if any(found.score(name, *figure) for name in found.contenders)]
    lines = [
        f"| contender | {' | '.join(f'{metric} of {outcome}' for outcome, metric in known)} |",
        "|---" * (len(known) + 1) + "|",
    ]
    for name in found.contenders:
        scores = [found.score(name, *figure) for figure in known]
        cells = (written(one, found.minor_units) if one else "" for one in scores)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += ["", f"{champion} minus each, on the same people (of RMSE and size of the bias, below 0 is better):", ""]
    lines += [
        f"| contender | {' | '.join(f'{metric} of {outcome}' for outcome, metric in COMPARED)} |",
        "|---" * (len(COMPARED) + 1) + "|",
    ]
    for name in found.contenders:
        if name != champion:
            gaps = [gap(found, champion, name, *figure) for figure in COMPARED]
            lines.append(f"| {name} | {' | '.join('' if one is None else str(one) for one in gaps)} |")
    return "\n".join([*lines, "", found.protocol, *found.notes])


def figures(found: Any, shown: Sequence[Claim] = (), champion: str = CHAMPION) -> dict[str, Any]:
    """Return what goes on record."""
    told: dict[str, Any] = {claim.words: str(claim) for claim in shown}
    for name in found.contenders:
        scores = {f"{metric} of {outcome}": found.score(name, outcome, metric) for outcome, metric in FIGURES}
        told[name] = {what: str(one.estimate) for what, one in scores.items() if one}
        if name != champion:
            gaps = {
                f"{metric} of {outcome}": gap(found, champion, name, outcome, metric) for outcome, metric in COMPARED
            }
            told[f"{champion} minus {name}"] = {what: str(one) for what, one in gaps.items() if one is not None}
    return told
