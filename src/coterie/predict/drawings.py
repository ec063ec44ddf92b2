"""Results drawn: backtests and portraits of models handed to the drawing functions, for reports and notebooks alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from markupsafe import Markup

from coterie.charts import numbers
from coterie.charts.drawing import Figure, stack
from coterie.charts.intervals import Dot, dots
from coterie.charts.lines import Line, lines
from coterie.charts.palette import group
from coterie.charts.reliability import Spot, reliability
from coterie.charts.surface import surface
from coterie.config import minor_units
from coterie.predict.contest.standings import METRICS, OF

if TYPE_CHECKING:
    from coterie.predict.contest.standings import Backtest, Calibrated
    from coterie.predict.lifetime.portrait import FrequencyRecency, Tracking, Trajectory

WIDE, NARROW = 860, 360
CURVES = 6  # at most in one figure: more cannot be followed


def standing(judged: Backtest, outcome: str, metric: str, currency: str = "USD") -> Figure | None:
    """Draw one figure of all contenders with its interval, the best first; None where nobody was judged in it."""
    told = METRICS[metric]
    scores = [one for name in judged.contenders if (one := judged.score(name, outcome, metric)) is not None]
    if not scores:
        return None
    # the nearer a signed figure is to 0 the better; of a Gini, -.5 is no tie of .5 but the order upside down
    scores.sort(key=lambda one: -told.better * one.estimate.value if told.better else abs(one.estimate.value))
    words = _words(outcome if told.money else "", currency, told.places)
    mark = {"gini": (0.0, "chance"), "auc": (0.5, "coin toss"), "bias": (0.0, "right")}.get(metric)
    rows = [
        Dot(
            one.contender,
            one.estimate.value,
            one.estimate.low,
            one.estimate.high,
            numbers.share(one.estimate.value) if metric in ("bias", "abs_bias", "gain") else words(one.estimate.value),
            "baseline" if one.contender == judged.baseline else "model",
        )
        for one in scores
    ]
    title = f"{told.title[0].upper()}{told.title[1:]} of {OF[outcome]}"
    described = "; ".join(f"{row.label} {row.words}" for row in rows)
    return Figure(
        *(
            dots(rows, title=title, description=described, marks=[mark] if mark else (), width=width)
            for width in (480, NARROW)
        )
    )


def calibrations(judged: Backtest, outcome: str = "orders", currency: str = "USD") -> dict[str, Figure]:
    """Draw for each contender what it predicted beside what happened: contender → figure."""
    return {
        one.contender: calibrated(one, judged.horizon_days, currency)
        for one in judged.calibrations
        if one.outcome == outcome
    }


def calibrated(told: Calibrated, horizon_days: float, currency: str = "USD") -> Figure:
    """Draw what a contender predicted beside what happened, in tenths of the people."""
    words = {"orders": _short, "active": numbers.share}.get(told.outcome) or _words("spend", currency, 2)
    what = {"orders": "orders", "active": "probability of an order", "spend": "spend"}[told.outcome]
    spots = [
        Spot(
            bin.predicted,
            bin.happened.value,
            bin.happened.low,
            bin.happened.high,
            f"{numbers.count(bin.people)} people: predicted {words(bin.predicted)}, happened "
            f"{words(bin.happened.value)} ({words(bin.happened.low)} to {words(bin.happened.high)})",
        )
        for bin in told.bins
    ]
    held = sum(bin.holds for bin in told.bins)
    described = f"{held} of {len(spots)} predictions lie within the interval of what happened. " + "; ".join(
        one.words for one in spots
    )

    def draw(width: int) -> Markup:
        return reliability(
            spots,
            axes=(f"predicted {what} in {horizon_days:g} days", "happened"),
            title=f"{told.contender}: predicted and happened",
            description=described,
            words=words,
            root=told.outcome != "active",
            width=width,
        )

    return Figure(draw(420), draw(NARROW))


def gains(judged: Backtest, outcome: str = "orders") -> Figure | None:
    """Draw which share of all orders, or of all spend, those have whom each contender puts first.

    Of the baseline and those with the highest Gini, six curves at most; None where nobody was judged.
    """
    known = [one for one in judged.gains if one.outcome == outcome]
    if not known:
        return None
    gini = {one.contender: judged.score(one.contender, outcome, "gini") for one in known}
    best = sorted(gini, key=lambda name: (name != judged.baseline, -told.estimate.value if (told := gini[name]) else 0))
    found = [one for one in known if one.contender in best[:CURVES]]
    drawn = [Line("anybody", (0.0, 1.0), (0.0, 1.0), "plain", dash=2)]
    for place, one in enumerate(found):
        top = one.shares[one.tops.index(0.2)].value
        drawn.append(
            Line(
                f"{one.contender}: top 20% hold {numbers.share(top)}",
                (0.0, *one.tops),
                (0.0, *(share.value for share in one.shares)),
                group(place),
                dash=place,
            )
        )

    def draw(width: int) -> Markup:
        return lines(
            drawn,
            axes=("share of people, the highest predictions first", f"share of their {OF[outcome]}"),
            title=f"Who holds the {OF[outcome]}",
            description="; ".join(one.label for one in drawn[1:]),
            words=(numbers.share, numbers.share),
            across=(0.0, 1.0),
            up=(0.0, 1.0),
            width=width,
            height=min(width, 380),
        )

    return Figure(draw(620), draw(NARROW))


def matrix(told: FrequencyRecency, what: str = "orders") -> Figure:
    """Draw expected orders, or with ``what="active"`` the probability of one, by frequency and recency.

    Times are taken to be days.
    """
    values, head = (
        (told.orders, f"Expected orders in {told.horizon:g} days")
        if what == "orders"
        else (told.active, f"Probability of an order in {told.horizon:g} days")
    )
    low, high = float(values.min()), float(values.max())
    words = numbers.share if what == "active" else _short

    def draw(width: int) -> Markup:
        return surface(
            values,
            told.frequency.tolist(),
            told.recency.tolist(),
            axes=("repeat orders so far", f"day of the last order; today is day {told.T:g}", head),
            title=f"{head}, by frequency and recency",
            description=f"From {words(low)} to {words(high)}, of people who first ordered {told.T:g} days ago.",
            words=(numbers.count, numbers.count, words),
            span=(0.0, 1.0) if what == "active" else None,
            root=what != "active",
            width=width,
        )

    return Figure(draw(420), draw(NARROW))


def tracking(told: Tracking, *, start: datetime | None = None, name: str = "expected") -> Figure:
    """Draw cumulative repeat orders, as they happened and as expected, with the moment of the fit.

    Parameters
    ----------
    told
        From ``portrait.track``.
    start
        The day of the first order, to write dates instead of days.
    name
        What the model is called.
    """
    last, wanted = float(told.happened[-1]), float(told.expected[-1])
    off = numbers.share(abs(wanted / last - 1)) if last else ""
    said = f"; {off} {'more' if wanted >= last else 'less'} than happened" if off else ""
    x, date = (0.0, *told.days.tolist()), _dates(start)
    drawn = [
        Line("happened", x, (0.0, *told.happened.tolist()), "plain"),
        Line(name, x, (0.0, *told.expected.tolist()), "accent", dash=1),
    ]

    def draw(width: int) -> Markup:
        return lines(
            drawn,
            axes=("date" if start else "days since the first order of all", "repeat orders so far"),
            title="Repeat orders, happened and expected",
            description=f"{numbers.count(last)} happened and {numbers.count(wanted)} were expected{said}.",
            words=(date, numbers.count),
            ticks=_months(start, told.days[-1], width),
            marks=[(told.fitted, "fitted up to here")],
            width=width,
            height=320 if width > NARROW else 260,
        )

    return Figure(draw(WIDE), draw(NARROW))


def activity(told: Trajectory, *, start: datetime | None = None) -> Figure:
    """Draw one person's probability of an order in the horizon through time, with the orders as dots.

    Times are taken to be days; ``start``, the day of the person's first order, writes dates instead.
    """
    date = _dates(start)
    events = [(float(at), f"ordered: {date(float(at)) if start else f'day {at:g}'}") for at in told.orders]
    drawn = [Line("", told.times.tolist(), told.active.tolist(), "accent")]

    def draw(width: int) -> Markup:
        return lines(
            drawn,
            axes=(
                "date" if start else "days since the first order",
                f"probability of an order in {told.horizon:g} days",
            ),
            title="How active through time",
            description=f"{len(told.orders)} orders; now {numbers.share(float(told.active[-1]))}.",
            words=(date, numbers.share),
            up=(0.0, 1.0),
            events=events,
            ticks=_months(start, told.times[-1], width),
            width=width,
            height=220,
        )

    return Figure(draw(WIDE), draw(NARROW))


def panels(figures: Sequence[tuple[str, Figure]], title: str) -> Figure:
    """Put figures below each other, each under its heading, for desks and for phones."""
    return Figure(
        stack([(head, one.wide) for head, one in figures], title=title),
        stack([(head, one.narrow) for head, one in figures], title=title),
    )


def _words(outcome: str, currency: str, places: int) -> Callable[[float], str]:
    """Return how a figure is written: money where it is of spend."""
    if outcome == "spend":
        return lambda value: numbers.money(value, currency, compact=abs(value) >= 10 ** (minor_units(currency) + 4))
    return lambda value: numbers.ratio(value, places=places)


def _short(value: float) -> str:
    return f"{value:.2g}" if math.isfinite(value) and 0 < abs(value) < 10 else numbers.count(value)


def _dates(start: datetime | None) -> Callable[[float], str]:
    if start is None:
        return numbers.count
    return lambda day: f"{start + timedelta(days=day):%Y-%m-%d}"


def _months(start: datetime | None, days: float, width: float) -> list[tuple[float, str]]:
    """Return the first days of months among the days after a start, in words."""
    if start is None:
        return []
    firsts, first = [], start.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while (first - start).days <= days:
        firsts.append(first)
        first = (first + timedelta(days=32)).replace(day=1)
    most = width / 90
    every = next((one for one in (1, 3, 6, 12) if len(firsts) <= most * one), 12)
    kept = [one for one in firsts if one >= start and (one.month - 1) % every == 0]
    return [((one - start) / timedelta(days=1), f"{one:%b %Y}") for one in kept]
