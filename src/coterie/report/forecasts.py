"""Who to believe: contenders beside naive rules in the past, drawn and in words, without groups that are too small."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from markupsafe import Markup

from coterie.charts import numbers
from coterie.charts.drawing import Figure
from coterie.charts.intervals import Dot, dots
from coterie.charts.lines import Line, lines
from coterie.evaluation.calibration import Bin
from coterie.evaluation.comparison import verdict
from coterie.evaluation.intervals import Estimate
from coterie.predict import drawings
from coterie.predict.contest.naive import Everybody, LastPeriod, PastSpend, Rate, Recency
from coterie.predict.contest.standings import METRICS, OF, Backtest, written
from coterie.predict.lifetime.portrait import Tracking, frequency_recency
from coterie.predict.lifetime.purchasing import PurchaseModel
from coterie.predict.lifetime.value import CustomerValue
from coterie.segments.suppression import cells

COMPARED = (
    ("orders", "gini", "who orders most", "Gini"),
    ("spend", "gini", "who spends most", "Gini"),
    ("active", "auc", "who orders at all", "AUC"),
)
"""Figures that are drawn beside the naive rule, what they say in words, and what they are called."""
NAIVE = frozenset(one.name for one in (Rate, LastPeriod, PastSpend, Recency, Everybody))
_TOP = 0.2
_MOST = 20  # repeat orders in the matrix


@dataclass(frozen=True)
class Parameter:
    """A parameter of a model in words: its name, value and standard error, and what it says."""

    name: str
    value: str
    error: str
    meaning: str


_MEANINGS = {
    "r": "shape of how often people order: the smaller, the more people differ",
    "alpha": "rate of how often people order: r / alpha orders a day in the mean, while active",
    "a": "who leaves after an order: a / (a + b) in the mean, at first",
    "b": "see a",
    "s": "shape of how soon people leave: the smaller, the more people differ",
    "beta": "rate of how soon people leave: s / beta a day in the mean",
    "k": "regularity: 1 is by chance, more is like clockwork",
    "p": "spread of one person's orders: the larger, the more alike they are",
    "q": "spread of people's mean orders: the larger, the more alike people are",
    "v": "scale of spend: p v / (q - 1) is the mean order of everybody",
    "gamma": "scale of spend: p gamma / (q - 1) is the mean order of everybody",
}


def tellable(judged: Backtest | None, minimum: int) -> Backtest | None:
    """Return a backtest as it may be told, without bins and tops of too few people; None where too few were judged."""
    if judged is None or not judged.scores:
        return None
    people = min(one.people for one in judged.scores if one.origin is not None and one.group is None)
    if people < minimum:
        return None
    kept, last = [], 0.0
    for place, top in enumerate(judged.gains[0].tops if judged.gains else ()):
        if (top - last) * people >= minimum and (top == 1 or (1 - top) * people >= minimum):
            kept.append(place)
            last = top
    gains = tuple(
        replace(one, tops=tuple(one.tops[at] for at in kept), shares=tuple(one.shares[at] for at in kept))
        for one in judged.gains
    )
    calibrations = [replace(one, bins=bins_told(one.bins, minimum)) for one in judged.calibrations]
    return replace(
        judged,
        scores=tuple(
            one for one in judged.scores if one.people >= minimum and (one.metric != "gain" or _TOP * people >= minimum)
        ),
        calibrations=tuple(one for one in calibrations if one.bins),
        gains=tuple(one for one in gains if _TOP in one.tops),
    )


def bins_told(bins: tuple[Bin, ...], minimum: int) -> tuple[Bin, ...]:
    """Return the bins of a calibration that may be told; none where fewer than two may."""
    hidden = cells([one.people for one in bins], minimum)
    told = tuple(one for one, hide in zip(bins, hidden, strict=True) if not hide)
    return told if len(told) > 1 else ()


def standings(judged: Backtest, forecast: str) -> tuple[tuple[str, str, Figure], ...]:
    """Draw how all contenders stand: by how much each is ahead of the naive rule, and how far off in all.

    Returns
    -------
    Name, heading and figure of each of ``COMPARED``, and of the bias.
    """
    found = []
    for outcome, metric, words, called in COMPARED:
        drawn = _beside(judged, forecast, outcome, metric, f"{words[0].upper()}{words[1:]}: {called}")
        if drawn is not None:
            found.append((f"{metric}_{outcome}", *drawn))
    for outcome, words in (("orders", "too many or too few"), ("spend", "too much or too little")):
        drawn = _off(judged, forecast, outcome, f"All {outcome} together: {words}")
        if drawn is not None:
            found.append((f"bias_{outcome}", *drawn))
    return tuple(found)


def _off(judged: Backtest, forecast: str, outcome: str, head: str) -> tuple[str, Figure] | None:
    """Draw by how much the total of each forecast was off, the nearest first."""
    scores = [one for name in judged.contenders if (one := judged.score(name, outcome, "bias")) is not None]
    if not scores:
        return None
    rows = [
        Dot(one.contender, *_ends(one.estimate), numbers.share(one.estimate.value), _look(one.contender, forecast))
        for one in sorted(scores, key=lambda one: abs(one.estimate.value))
    ]
    return head, _dots(rows, head, (0.0, "right"))


def _ends(one: Estimate) -> tuple[float, float, float]:
    return one.value, one.low, one.high


def _look(name: str, forecast: str) -> str:
    return "model" if name == forecast else "baseline" if name in NAIVE else "view"


def _dots(rows: Sequence[Dot], head: str, mark: tuple[float, str], span: tuple[float, float] | None = None) -> Figure:
    described = "; ".join(f"{row.label} {row.words}" for row in rows)

    def draw(width: int) -> Markup:
        return dots(rows, title=head, description=described, span=span, marks=[mark], width=width)

    return Figure(draw(480), draw(360))


def _beside(judged: Backtest, forecast: str, outcome: str, metric: str, head: str) -> tuple[str, Figure] | None:
    """Draw by how much contenders are ahead of the baseline, on the same people; who is far behind is only named."""
    scores = [one for name in judged.contenders if (one := judged.score(name, outcome, metric)) is not None]
    gaps = {one.contender: one.difference for one in scores if one.difference is not None}
    near = [gap for name, gap in gaps.items() if name not in NAIVE and np.isfinite([gap.low, gap.high]).all()]
    base = next((one for one in scores if one.contender == judged.baseline), None)
    if not near or base is None:
        return None
    low, high = min(0.0, *(one.low for one in near)), max(0.0, *(one.high for one in near))
    low -= high - low  # naive rules may lie somewhat further behind
    rows, behind = [], []
    for name, gap in sorted(gaps.items(), key=lambda one: -one[1].value):
        if gap.low < low:
            behind.append(f"{name} {numbers.signed(gap.value)}")
            continue
        rows.append(Dot(name, *_ends(gap), numbers.signed(gap.value), _look(name, forecast)))
    far = f". Far behind: {', '.join(behind)}" if behind else ""
    mark = (0.0, f"{judged.baseline} {numbers.ratio(base.estimate.value, places=3)}")
    return head + far, _dots(rows, head, mark, (min([0.0, *(row.low for row in rows)]), high))


def told_apart(judged: Backtest, forecast: str) -> str:
    """Say in plain words in what the forecast in use is shown to be better, or worse, than the naive rule."""
    found: dict[str, list[str]] = {"better": [], "worse": [], "": []}
    for outcome, metric, words, _ in COMPARED:
        one = judged.score(forecast, outcome, metric)
        if one is not None and one.difference is not None:
            found[verdict(one.difference) if verdict(one.difference) in found else ""].append(words)
    if forecast == judged.baseline or not any(found.values()):
        return ""
    said = [
        f"{start} {listed(found[key])}"
        for key, start in (
            ("better", "it is better at telling"),
            ("worse", "it is worse at telling"),
            ("", "no difference is shown in telling"),
        )
        if found[key]
    ]  # fmt: skip
    rule = "that everybody goes on as before" if judged.baseline == Rate.name else judged.baseline
    return f"Tried in the shop’s past beside the naive rule {rule}: {'; '.join(said)}."


def listed(words: Sequence[str]) -> str:
    """Write a list.

    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return ", ".join(words[:-1]) + " and " + words[-1] if len(words) > 1 else "".join(words)


def calibrations(judged: Backtest, forecast: str, currency: str) -> tuple[tuple[str, str, Figure], ...]:
    """Draw what the forecast in use predicted beside what happened: name, heading and figure."""
    heads = {"orders": "Orders, predicted and happened", "active": "Chance of an order", "spend": "Spend"}
    return tuple(
        (f"calibration_{one.outcome}", heads[one.outcome], drawings.calibrated(one, judged.horizon_days, currency))
        for one in judged.calibrations
        if one.contender == forecast
    )


def gains(judged: Backtest, forecast: str) -> Figure | None:
    """Draw which share of all spend, or else of all orders, those have whom naive rules and the forecast put first."""
    asked = (forecast, judged.baseline, Recency.name)
    kept = replace(judged, gains=tuple(one for one in judged.gains if one.contender in asked))
    return drawings.gains(kept, "spend") or drawings.gains(kept)


def verdicts(judged: Backtest, forecast: str) -> tuple[str, ...]:
    """Say how the forecast in use stands to the naive rule that contenders are compared with."""
    asked = (("orders", "gini"), ("spend", "gini"), ("active", "auc"))
    found = [judged.score(forecast, *one) for one in asked]
    return tuple(said for one in found if one and (said := one.verdict(judged.baseline, judged.minor_units)))


Table = tuple[str, tuple[str, ...], tuple[tuple[str, tuple[str, ...]], ...]]
"""Its heading, the heads of its columns, and rows: a contender and its figures."""


def tables(judged: Backtest, currency: str) -> tuple[Table, ...]:
    """Return all figures over all origins in words: a table each of orders, activity and spend."""
    found = []
    for outcome, words in OF.items():
        shown = [
            metric
            for metric in METRICS
            if metric != "abs_bias" and any(judged.score(name, outcome, metric) for name in judged.contenders)
        ]
        scores = {name: [judged.score(name, outcome, one) for one in shown] for name in judged.contenders}
        rows = tuple(
            (name, tuple(numbers.MISSING if one is None else written(one, judged.minor_units) for one in told))
            for name, told in scores.items()
            if any(told)
        )
        heads = tuple(
            METRICS[one].title[0].upper()
            + METRICS[one].title[1:]
            + (f" ({currency})" if METRICS[one].money and outcome == "spend" else "")
            for one in shown
        )
        found.append((f"{words[0].upper()}{words[1:]}", heads, rows))
    return tuple(one for one in found if one[1])


def parameters(models: CustomerValue) -> tuple[tuple[str, tuple[Parameter, ...]], ...]:
    """Return the parameters of both models in words: a heading, and rows."""
    found = []
    for head, model in (("orders", models.orders), ("spend", models.spend)):
        rows = tuple(
            Parameter(
                name,
                _figure(value),
                _figure(model.standard_errors_[name] if model.people_ else math.nan),
                _MEANINGS.get(name, ""),
            )
            for name, value in model.parameters_.items()
        )
        found.append((f"{NAMES.get(type(model).__name__, type(model).__name__)}, of {head}", rows))
    return tuple(found)


NAMES: Mapping[str, str] = {
    "ParetoNBD": "Pareto/NBD", "BGNBD": "BG/NBD", "MBGNBD": "MBG/NBD", "BGCNBD": "BG/CNBD-k", "MBGCNBD": "MBG/CNBD-k",
    "GammaGamma": "Gamma-Gamma",
}  # fmt: skip


def cautions(models: CustomerValue) -> tuple[str, ...]:
    """Return what speaks against the models, as they say it themselves."""
    said = (models.orders.warning_, models.spend.warning_, models.spend.caution_)
    return tuple(one for one in said if one)


def matrices(model: PurchaseModel, horizon_days: float) -> tuple[tuple[str, str, Figure], ...]:
    """Draw what the model expects by frequency and recency, of those who have been customers longest."""
    longest = model.longest_ // 30 * 30  # nobody's own age
    if longest < 30 or model.covariate_names_:
        return ()
    told = frequency_recency(model, longest, horizon_days, most=_MOST)
    return (
        ("matrix_orders", "Orders that are expected", drawings.matrix(told)),
        ("matrix_active", "Chance of an order", drawings.matrix(told, "active")),
    )


def tracked(told: Tracking | None, name: str, minimum: int) -> tuple[Figure, str] | None:
    """Draw cumulative repeat orders beside what the model expects, and say how far off it is in the end.

    Steps of too few orders are joined.
    """
    if told is None or not len(told.happened) or told.happened[-1] < minimum:
        return None
    kept, last = [], 0.0
    for place, happened in enumerate(told.happened):
        if happened - last >= minimum:
            kept.append(place)
            last = float(happened)
    if len(kept) < 3:
        return None
    at = np.array(kept)
    x = (0.0, *told.days[at].tolist())
    drawn = [
        Line("happened", x, (0.0, *told.happened[at].tolist()), "plain"),
        Line(f"expected by {name}", x, (0.0, *told.expected[at].tolist()), "accent", dash=1),
    ]
    happened, expected = float(told.happened[at[-1]]), float(told.expected[at[-1]])
    off = f"{numbers.share(abs(expected / happened - 1))} {'more' if expected > happened else 'fewer'}"
    described = f"{numbers.count(happened)} repeat orders happened; {name} expects {numbers.count(expected)}, {off}."

    def draw(width: int, height: int) -> Markup:
        return lines(
            drawn,
            axes=("days since the first order of all", "repeat orders so far"),
            title="Repeat orders, happened and expected",
            description=described,
            words=(numbers.count, numbers.count),
            width=width,
            height=height,
        )

    return Figure(draw(620, 320), draw(360, 260)), described


def _figure(value: float) -> str:
    return f"{value:.4g}" if np.isfinite(value) else numbers.MISSING
