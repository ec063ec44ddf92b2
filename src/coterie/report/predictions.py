"""The page of values: who is worth keeping, who is slipping, when the next order comes, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

import numpy as np
from markupsafe import Markup

from coterie.charts import numbers
from coterie.charts.drawing import Figure
from coterie.evaluation.intervals import Estimate
from coterie.predict.advice import ADVICE, Rule
from coterie.predict.contest.standings import Backtest
from coterie.predict.lifetime.portrait import Tracking
from coterie.predict.lifetime.value import CustomerValue
from coterie.report import forecasts, worth
from coterie.report.forecasts import listed
from coterie.report.page import page
from coterie.report.worth import People, Row

TO_DO: Mapping[str, str] = {
    "retain": "They had a habit and are slipping, but are probably still customers. Write to them before they are "
    "gone, and leave a group of them alone, chosen by lot: only that shows whether writing pays.",
    "upsell": "They come as usual, or faster. They need no discount; show them more, or better.",
    "win back": "They had a habit and have probably gone. Few will come back; those who do are worth an effort. Try "
    "one good offer, with a group left alone.",
    "leave": "Nothing extra pays here. They may still buy; do not spend money on making them.",
    "too early to say": "They ordered for the first time just now. Welcome them, and wait: whoever orders again "
    "usually takes longer than they have had.",
}
"""What a marketer can do with each list."""


@dataclass(frozen=True)
class ValueReport:
    """Everything that the page of values shows.

    Parameters
    ----------
    shop, currency, timezone, minimum_group
        The shop's settings.
    as_of, created
        The moment whose past was read, and when the page was made (naive UTC).
    horizon_days, value_days
        How far orders and spend, and value, are looked ahead.
    margin, discount_rate
        What remains of an amount, as a share; a year's discount.
    people
        What is expected of each.
    tiers
        The names of the tiers, the most valuable first.
    rules
        The rules of advice in the order in which they are tried.
    total
        The value of everybody together with its interval; None where there is none.
    models
        The models of orders and spend; None where there were too few customers for any.
    forecast
        Whose forecasts in the horizon are used.
    chosen, warnings
        Why, and what to beware of, in words.
    backtest
        What contenders did in the past; None where the shop is too young.
    tracking
        Repeat orders day by day, beside those that the model expects; None where this is not known.
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
    horizon_days: int
    value_days: int
    margin: float
    discount_rate: float
    people: People
    tiers: tuple[str, ...]
    rules: tuple[Rule, ...]
    total: Estimate | None
    models: CustomerValue | None
    forecast: str
    chosen: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    backtest: Backtest | None = None
    tracking: Tracking | None = None
    command: str = "coterie predict value"
    refused: str | None = None
    minimum_group: int = 50
    timezone: str = "UTC"
    provenance: Mapping[str, str] = field(default_factory=dict)

    @property
    def span(self) -> str:
        """How far value is looked ahead, in words."""
        return "the next year" if self.value_days == 365 else f"the next {self.value_days} days"

    @property
    def known(self) -> bool:
        """Whether sums of everybody may be told."""
        return self.people.tells(np.ones(len(self.people), dtype=np.bool_), self.minimum_group)


@dataclass(frozen=True)
class List:
    """A list of advice on the page: figures, what to do, by which rules, and how to have it as a file."""

    number: int
    row: Row
    to_do: str
    rules: tuple[tuple[int, str], ...]
    command: str


@dataclass(frozen=True)
class _Drawn:
    """All figures of the page."""

    lists: Figure | None
    concentration: Figure | None
    waits: Figure | None
    gains: Figure | None
    tracking: tuple[Figure, str] | None
    standings: tuple[tuple[str, str, Figure], ...] = ()
    calibrations: tuple[tuple[str, str, Figure], ...] = ()
    matrices: tuple[tuple[str, str, Figure], ...] = ()


def render_value(report: ValueReport) -> str:
    """Return the page as one HTML text, complete in itself."""
    tiers, lists = _groups(report)
    judged = forecasts.tellable(report.backtest, report.minimum_group)
    drawn = _drawn(report, tiers, lists, judged)
    return page(
        "value.html.j2",
        report=report,
        title=_title(report),
        verdict=forecasts.told_apart(judged, report.forecast) if judged else "",
        lede=_lede(report, tiers, lists),
        facts=_facts(report),
        tiers=tiers,
        lists_there=len(ADVICE),
        together=next((row for row in lists if len(row.parts) > 1), None),
        lists=_lists(report, lists),
        waits=worth.waits(report.people, report.value_days, report.minimum_group),
        drawn=drawn,
        judged=judged,
        verdicts=forecasts.verdicts(judged, report.forecast) if judged else (),
        tables=forecasts.tables(judged, report.currency) if judged else (),
        parameters=forecasts.parameters(report.models) if report.models and report.known else (),
        cautions=forecasts.cautions(report.models) if report.models and report.known else (),
        models_of=_models_of(report),
        paid=partial(_paid, report),
        veiled=partial(worth.veiled, minimum=report.minimum_group),
    )


def value_figures(report: ValueReport) -> dict[str, Markup]:
    """Return every figure that the page has, by name, as wide as a desk allows."""
    tiers, lists = _groups(report)
    drawn = _drawn(report, tiers, lists, forecasts.tellable(report.backtest, report.minimum_group))
    named = {
        "lists": drawn.lists, "concentration": drawn.concentration, "next-orders": drawn.waits, "gains": drawn.gains,
        "tracking": drawn.tracking and drawn.tracking[0],
    }  # fmt: skip
    found = {name: one.wide for name, one in named.items() if one is not None}
    more = (*drawn.standings, *drawn.calibrations, *drawn.matrices)
    return found | {name.replace("_", "-"): one.wide for name, _, one in more}


def _groups(report: ValueReport) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    least = report.minimum_group
    return worth.tiers(report.people, report.tiers, least), worth.lists(report.people, least)


def _drawn(report: ValueReport, tiers: tuple[Row, ...], lists: tuple[Row, ...], judged: Backtest | None) -> _Drawn:
    least, currency, models = report.minimum_group, report.currency, report.models if report.known else None
    name = forecasts.NAMES.get(type(models.orders).__name__, "the model") if models else ""
    return _Drawn(
        worth.overview(lists, currency, report.span),
        worth.concentration(report.people, tiers, least),
        worth.next_orders(worth.waits(report.people, report.value_days, least)),
        forecasts.gains(judged, report.forecast) if judged else None,
        forecasts.tracked(report.tracking, name, least),
        forecasts.standings(judged, report.forecast) if judged else (),
        forecasts.calibrations(judged, report.forecast, currency) if judged else (),
        forecasts.matrices(models.orders, report.horizon_days) if models else (),
    )


def _title(report: ValueReport) -> str:
    if not report.known:
        return "What customers are worth"
    value = numbers.money(float(report.people.value.sum()), report.currency, compact=True)
    return f"{numbers.count(len(report.people))} customers, {value} to come"


def _lede(report: ValueReport, tiers: tuple[Row, ...], lists: tuple[Row, ...]) -> Markup:
    """Say what a reader in a hurry takes away: how much, who holds it, who is slipping."""
    if not report.known:
        return Markup(
            "There are too few customers to tell of them without telling of single ones, or one or two of them make up "
            "nearly all of it."
        )
    said = [Markup("That is what they are expected to bring in {}.").format(report.span)]
    if len(tiers) > 1:
        top = Markup("The {} of them hold <strong>{}</strong> of it.")
        said.append(top.format(tiers[0].name, numbers.share(tiers[0].value_share)))
    told = {row.parts[0]: row for row in lists if len(row.parts) == 1 and row.people is not None}
    words = {
        0: "<strong>{}</strong> are slipping: keep them.",
        2: "<strong>{}</strong> have probably gone, and are worth an effort to win back.",
    }
    for number, sentence in words.items():
        if (row := told.get(number)) is not None:
            named = f"{numbers.count(row.people or 0)} people worth {_paid(report, row.value)}"
            said.append(Markup(sentence).format(named))  # noqa: S704 (our own words)
    together = next((row for row in lists if len(row.parts) > 1 and {0, 2} & set(row.parts)), None)
    if together is not None and together.share < 0.5:
        found = {0: "slipping", 2: "gone but worth an effort", 3: "not worth an effort", 4: "new"}
        kinds = [found[one] for one in together.parts if one in found]
        sentence = "Only <strong>{}</strong>, who hold {}, are {}."
        either = listed(kinds).replace(" and ", " or ")
        held = numbers.share(together.value_share)
        said.append(Markup(sentence).format(numbers.share(together.share), held, either))  # noqa: S704
    return Markup(" ").join(said)


def _facts(report: ValueReport) -> tuple[tuple[str, str, str], ...]:
    """Return the figures below the headline: name, figure, note."""
    if not report.known:
        return ()
    people, days = report.people, f"in the next {report.horizon_days} days"

    found = []
    if people.orders is not None:
        found.append(("Orders expected", numbers.count(round(float(people.orders.sum()))), days))
    if people.spend is not None:
        found.append(("Spend expected", _paid(report, float(people.spend.sum())), days))
    if people.active is not None:
        found.append(("Will order", numbers.share(float(people.active.mean())), f"of them, {days}"))
    note = report.span
    if report.total is not None and np.isfinite([report.total.low, report.total.high]).all():
        low, high = max(report.total.low, 0.0), report.total.high
        note = f"in {report.span}; 95% interval {_paid(report, low)} to {_paid(report, high)}"
    found.append(("Value", _paid(report, float(people.value.sum())), note))
    found.append(("Value at risk", _paid(report, float(people.at_risk.sum())), "of people whose return is in doubt"))
    return tuple(found)


def _paid(report: ValueReport, minor: float) -> str:
    return numbers.money(minor, report.currency, compact=True)


def _lists(report: ValueReport, rows: tuple[Row, ...]) -> tuple[List, ...]:
    """Return the lists of advice as the page has them."""
    return tuple(
        List(
            row.parts[0],
            row,
            TO_DO[row.name],
            tuple(
                (place, rule.when.removeprefix("else, if "))
                for place, rule in enumerate(report.rules, 1)
                if rule.advice == row.name
            ),
            f'{report.command} --list "{row.name}" --out {row.name.replace(" ", "-")}.parquet --purpose marketing',
        )
        for row in rows
        if len(row.parts) == 1 and row.name in ADVICE
    )


def _models_of(report: ValueReport) -> str:
    """Say in a paragraph what the values are made of."""
    margin = "revenue" if report.margin == 1 else f"{numbers.share(report.margin)} of revenue"
    rate = f"later money counts {numbers.share(report.discount_rate)} a year less" if report.discount_rate else ""
    said = f"Value is {margin} in {report.span}" + (f"; {rate}" if rate else "")
    if report.models is None:
        return f"{said}. There are too few customers to fit a model: values go on at each person's pace so far"
    names = [forecasts.NAMES.get(type(one).__name__, "") for one in (report.models.orders, report.models.spend)]
    return (
        f"{said}. {names[0]} tells from each customer's rhythm how many orders are still to come, and {names[1]} how "
        "much one is worth; what is missing in one person's history is filled with what all others do"
    )
