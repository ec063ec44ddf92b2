"""The page of a learner's predictions: what it says of everybody, how far to believe it, what moves it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from coterie.charts import numbers
from coterie.charts.bars import columns
from coterie.charts.drawing import Figure
from coterie.charts.intervals import Dot, dots
from coterie.charts.reliability import Spot, reliability
from coterie.predict.propensity.judgement import Judgement
from coterie.predict.propensity.reasons import Importance, moves
from coterie.predict.propensity.targets import Target
from coterie.report.forecasts import bins_told
from coterie.report.page import page
from coterie.report.worth import veiled
from coterie.segments.disclosure import Disclosure
from coterie.segments.suppression import cells, dominated

Floats = npt.NDArray[np.float64]
_PARTS = 10  # tenths of people
_REASONS = 12
_WAYS = {"higher": "the more, the higher", "lower": "the more, the lower", "mixed": "either way"}


@dataclass(frozen=True)
class TargetReport:
    """Everything that the page shows.

    Parameters
    ----------
    shop, currency, timezone, minimum_group
        The shop's settings.
    as_of, created
        The moment whose past was read, and when the page was made (naive UTC).
    target
        What was asked.
    predictions
        Of each person: numbers, or texts of a class. Shape (people,).
    judgement
        How well the learner told people at a moment that it had not learnt from; None where there were too few.
    reasons
        What moves predictions altogether, the most first.
    by_rule
        Whether predictions are those of the naive rule.
    degraded
        Why everybody gets the mean; None where they do not.
    moments
        What was learnt from (naive UTC).
    warnings
        What to beware of, in words.
    command
        The command line that made this, without an output.
    refused
        How many people were left out, and why, in words.
    provenance
        What the page was made by.
    """

    shop: str
    currency: str
    as_of: datetime
    created: datetime
    target: Target
    predictions: npt.NDArray[Any]
    judgement: Judgement | None
    reasons: tuple[Importance, ...] = ()
    by_rule: bool = False
    degraded: str | None = None
    moments: tuple[datetime, ...] = ()
    warnings: tuple[str, ...] = ()
    command: str = "coterie predict"
    refused: str | None = None
    minimum_group: int = 50
    timezone: str = "UTC"
    provenance: Mapping[str, str] = field(default_factory=dict)

    @property
    def judged(self) -> Judgement | None:
        """The judgement, where enough people were judged to tell of it."""
        one = self.judgement
        return one if one is not None and one.people >= self.minimum_group else None


@dataclass(frozen=True)
class Part:
    """Some people of about the same prediction, or of the same class.

    Parameters
    ----------
    name
        Which part of everybody, or the class.
    people
        How many.
    mean
        Their mean prediction; the share of people, of a class.
    """

    name: str
    people: int
    mean: float


def render_target(report: TargetReport) -> str:
    """Return the page as one HTML text, complete in itself."""
    told, judged = parts(report), report.judged
    return page(
        "target.html.j2",
        report=report,
        title=_title(report),
        lede=_lede(report, told),
        facts=_facts(report, told),
        parts=told,
        drawn=target_drawn(report),
        judged=judged,
        said=lambda value: _said(report, value),
        reasons=_reasons(report),
        strongest=max((one.effect for one in report.reasons), default=0.0),
        size=lambda effect: moves(effect, report.target.unit, report.currency).removeprefix("adds "),
        off=_off(judged),
        degraded=veiled(report.degraded or "", report.minimum_group),
        veiled=partial(veiled, minimum=report.minimum_group),
    )


def target_figures(report: TargetReport) -> dict[str, Markup]:
    """Return every figure that the page has, by name, as wide as a desk allows."""
    return {name: one.wide for name, one in target_drawn(report).items()}


def parts(report: TargetReport) -> tuple[Part, ...]:
    """Return everybody in tenths by prediction, the lowest first, or by class; nothing of groups that are too small."""
    if report.target.kind == "class":
        named = ["not known" if one is None else str(one) for one in report.predictions]
        names, counts = np.unique(named, return_counts=True)
        hidden = cells(counts.tolist(), report.minimum_group)
        found = [
            Part(str(name), int(count), float(count) / len(report.predictions))
            for name, count, hide in zip(names, counts, hidden, strict=True)
            if not hide
        ]
        return tuple(sorted(found, key=lambda one: (-one.people, one.name)))
    values = np.sort(np.asarray(report.predictions, np.float64))
    count = min(_PARTS, len(values) // report.minimum_group)
    while count > 0 and any(dominated(one) for one in np.array_split(values, count)):
        count -= 1
    ends = [0, *np.cumsum([len(one) for one in np.array_split(values, count)]).tolist()] if count else []
    return tuple(
        Part(
            f"{numbers.share(low / len(values)).removesuffix('%')}–{numbers.share(high / len(values))}",
            high - low,
            float(values[low:high].mean()),
        )
        for low, high in pairwise(ends)
    )


def target_drawn(report: TargetReport) -> dict[str, Figure]:
    """Draw what the page shows, by name."""
    told, judged = parts(report), report.judged
    numeric = report.target.kind != "class"
    found = {"people": _spread(report, told) if len(told) > 1 and numeric else None}
    if judged is not None:
        found["judgement"] = _beside(judged)
        found["calibration"] = _calibration(report, judged)
    return {name: one for name, one in found.items() if one is not None}


def _spread(report: TargetReport, told: tuple[Part, ...]) -> Figure:
    """Draw the mean prediction of each part of the people."""
    title = f"Of people in order: {report.target.title}"
    described = "; ".join(f"{one.name}: {_said(report, one.mean)}" for one in told)

    def draw(width: int, height: int) -> Markup:
        # of a phone's columns only where each ends
        names = [one.name if width > 600 else one.name.split("–")[1].removesuffix("%") for one in told]
        return columns(
            [(name, max(one.mean, 0.0), _said(report, one.mean)) for name, one in zip(names, told, strict=True)],
            title=title,
            description=described,
            width=width,
            height=height,
            written=width > 600,
        )

    return Figure(draw(860, 220), draw(360, 180))


def _beside(judged: Judgement) -> Figure | None:
    """Draw the learner and the naive rule with their intervals."""
    if judged.naive is None:
        return None
    rows = [
        Dot(name, one.value, one.low, one.high, numbers.ratio(one.value, places=3), look)
        for name, one, look in (("learner", judged.learner, "model"), ("naive rule", judged.naive, "baseline"))
    ]
    mark = {"AUC": [(0.5, "coin toss")], "normalised Gini": [(0.0, "chance")]}.get(judged.metric, [])
    described = "; ".join(f"{row.label} {row.words}" for row in rows)

    def draw(width: int) -> Markup:
        return dots(rows, title=judged.metric, description=described, marks=mark, width=width)

    return Figure(draw(480), draw(360))


def _calibration(report: TargetReport, judged: Judgement) -> Figure | None:
    """Draw what was predicted beside what happened, in tenths of people."""
    bins = bins_told(judged.bins, report.minimum_group)
    if not bins:
        return None
    spots = [
        Spot(
            one.predicted, one.happened.value, one.happened.low, one.happened.high,
            f"{numbers.count(one.people)} people: predicted {_said(report, one.predicted)}, happened "
            f"{_said(report, one.happened.value)} ({_said(report, one.happened.low)} to "
            f"{_said(report, one.happened.high)})",
        )
        for one in bins
    ]  # fmt: skip
    held = sum(one.holds for one in bins)
    described = f"{held} of {len(bins)} predictions lie within the interval of what happened. " + "; ".join(
        one.words for one in spots
    )

    def draw(width: int) -> Markup:
        return reliability(
            spots,
            axes=("predicted", "happened"),
            title="Predicted and happened",
            description=described,
            words=lambda value: _said(report, value),
            root=report.target.kind != "binary",
            width=width,
        )

    return Figure(draw(420), draw(360))


def _title(report: TargetReport) -> str:
    name = report.target.name.replace("_", " ").removeprefix("event:")
    return f"{name[0].upper()}{name[1:]} in the next {report.target.days} days"


def _lede(report: TargetReport, told: tuple[Part, ...]) -> Markup:
    people = Disclosure([], report.minimum_group).words(len(report.predictions))
    if not told:
        return Markup("There are too few customers to tell of them without telling of single ones.")
    if report.target.kind == "class":
        first = Markup(
            "Of {} customers, more are expected to choose <bdi>{}</bdi> than anything else: <strong>{}</strong>."
        )
        return first.format(people, told[0].name, numbers.share(told[0].mean))
    mean = Markup("Over {} customers, {} is <strong>{}</strong> in the mean").format(
        people, report.target.title, _said(report, float(np.mean(report.predictions)))
    )
    if len(told) < 2:
        return mean + "."
    last = told[-1]
    ends = Markup(": from <strong>{}</strong> of the lowest {} to <strong>{}</strong> of the highest.")
    size = "tenth" if len(told) == _PARTS else f"{last.people} people"
    return mean + ends.format(_said(report, told[0].mean), size, _said(report, last.mean))


def _facts(report: TargetReport, told: tuple[Part, ...]) -> tuple[tuple[str, str, str], ...]:
    judged = report.judged
    if not told:
        return ()
    found = [("Customers", numbers.count(len(report.predictions)), f"as of {report.as_of:%Y-%m-%d}")]
    if report.target.kind in ("count", "amount"):
        total = float(np.sum(report.predictions))
        words = (
            numbers.money(total, report.currency, compact=True)
            if report.target.kind == "amount"
            else numbers.count(round(total))
        )
        found.append(("Expected of all together", words, f"in the next {report.target.days} days"))
    if judged is not None:
        rule = "" if judged.naive is None else f"the naive rule {numbers.ratio(judged.naive.value, places=3)}"
        found.append(
            (judged.metric[0].upper() + judged.metric[1:], numbers.ratio(judged.learner.value, places=3), rule)
        )
        if judged.bias is not None:
            much = "too much" if judged.bias > 0 else "too little"
            found.append((f"Predicted {much}", numbers.share(abs(judged.bias)), "of all together, when it was judged"))
    return tuple(found)


def _reasons(report: TargetReport) -> tuple[tuple[Importance, str], ...]:
    """Return what moves predictions most, and in which direction; nothing where the learner is not used."""
    if report.by_rule or report.degraded or len(report.predictions) < report.minimum_group:
        return ()
    return tuple((one, _WAYS[one.direction]) for one in report.reasons[:_REASONS])


def _off(judged: Judgement | None) -> str:
    """Say by how much the total was off."""
    if judged is None or judged.bias is None:
        return ""
    much = "much" if judged.bias > 0 else "little"
    return f"Of all together, {numbers.share(abs(judged.bias))} too {much} was predicted"


def _said(report: TargetReport, value: float) -> str:
    unit = report.target.unit
    return numbers.quantity(value, "number" if unit == "count" else unit, report.currency)
