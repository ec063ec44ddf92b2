"""What the verb ``predict`` returns of value: each customer's orders, activity and worth to come, and what to do."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from markupsafe import escape

from coterie.config import Config
from coterie.errors import DataError, ParameterError
from coterie.evaluation.intervals import Estimate
from coterie.govern.privacy import shown
from coterie.predict.advice import ADVICE, Adviser, Rule
from coterie.predict.contest.standings import Backtest
from coterie.predict.lifetime.near_term import NearTerm
from coterie.predict.lifetime.portrait import Tracking, follow
from coterie.predict.lifetime.value import CustomerValue
from coterie.predict.tiers import Tiers
from coterie.report.forecasts import tellable
from coterie.report.pictures import Format, write_all
from coterie.report.predictions import ValueReport, render_value, value_figures
from coterie.report.worth import People, Row, lists, tiers, veiled
from coterie.schema import utc_now
from coterie.workspace.results import FeatureTable, local_day, write_whole

_TOLD = ("people", "people_share", "value", "value_share", "value_mean", "at_risk")


@dataclass(frozen=True)
class Terms:
    """What a person's value is counted in.

    Parameters
    ----------
    days
        How far value is looked ahead.
    margin
        What remains of an amount, as a share; 1 values revenue.
    discount_rate
        A year.
    """

    days: int = 365
    margin: float = 1.0
    discount_rate: float = 0.1

    def __post_init__(self) -> None:
        """Refuse terms that mean nothing, before anything is learnt."""
        for name, got, allowed, sound in (
            ("value_days", self.days, "a number of days above 0 and at most 36525", 0 < self.days <= 36_525),
            ("margin", self.margin, "a number above 0", self.margin > 0),
            ("discount_rate", self.discount_rate, "a number of at least 0", self.discount_rate >= 0),
        ):
            if not (sound and math.isfinite(got)):
                raise ParameterError.of("predict", name, got, allowed)


@dataclass(frozen=True)
class Valuation:
    """What customers are worth, and what each of them will do, as far as the shop's past tells.

    Parameters
    ----------
    config
        The shop's settings.
    model_id
        The registered models.
    as_of
        The moment whose past they are told from, naive UTC.
    horizon_days
        The horizon of ``expected_orders``, ``active`` and ``expected_spend``.
    terms
        Those of value.
    people
        A row a person: ``person``; ``expected_orders``, ``active`` and ``expected_spend`` in the horizon; ``value``
        with ``value_low`` and ``value_high`` (of the person's own value), ``at_risk``; ``next_order`` with its interval
        in days; ``tier``, ``advice`` and its ``reason``. Money in minor units.
    value
        The models of orders and spend; None where there were too few customers for any.
    near
        The forecast as the first days of value, which ``value.predict(history, near=…)`` and ``next_order`` take; None
        where value is the models' alone: the horizon is longer than that of value, or the forecast is a mere rule's.
    tiers, adviser
        Where tiers begin, and by which rules advice is given.
    forecast
        Which contender the forecasts in the horizon are of.
    chosen
        Why, in words.
    backtest
        What contenders did in the shop's past, as ``predict.standings.Backtest.to_json`` has it; None where the shop is
        too young.
    warnings
        What to beware of, in words.
    built
        The features of the people.
    reused
        Whether the models were there already.
    days
        How many people bought for the first time, and again, on each day: read when the page is made.
    note
        Told each file that is written: a request to be forgotten names it.
    """

    config: Config
    model_id: str
    as_of: datetime
    horizon_days: int
    terms: Terms
    people: pa.Table
    value: CustomerValue | None = field(repr=False)
    near: NearTerm | None = field(repr=False)
    tiers: Tiers
    adviser: Adviser | None = field(repr=False)
    forecast: str
    chosen: tuple[str, ...]
    backtest: Mapping[str, Any] | None = field(repr=False)
    warnings: tuple[str, ...]
    built: FeatureTable = field(repr=False)
    reused: bool
    days: Callable[[], pa.Table] = field(repr=False, compare=False)
    note: Callable[[str, Path], None] = field(repr=False, compare=False)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules of advice in the order in which they are tried."""
        return () if self.adviser is None else self.adviser.rules()

    def tier_table(self) -> pa.Table:
        """Return a row a tier: people, value and value at risk, of all and cumulated from the top."""
        return self.tiers.table(self.people["value"].to_numpy(), self.people["at_risk"].to_numpy())

    def lists(self) -> pa.Table:
        """Return a row an advice: ``advice``, ``people``, ``value`` and ``at_risk`` of all of them together."""
        grouped = self.people.group_by("advice").aggregate([("person", "count"), ("value", "sum"), ("at_risk", "sum")])
        named = grouped.rename_columns(["advice", "people", "value", "at_risk"])
        return named.sort_by([("value", "descending"), ("advice", "ascending")])

    def standings(self) -> list[dict[str, Any]]:
        """Return a row a contender with its figures over all moments of the past, such as normalised Gini and AUC.

        Keys are the contender and ``outcome_metric``, such as ``orders_gini``; values are value, low and high.
        """
        if self.backtest is None:
            return []
        rows: dict[str, dict[str, Any]] = {name: {"contender": name} for name in self.backtest["contenders"]}
        for one in self.backtest["scores"]:
            if one["origin"] is None and one["group"] is None:
                key = f"{one['outcome']}_{one['metric']}"
                rows[one["contender"]][key] = (one["value"], one["low"], one["high"])
        return list(rows.values())

    @property
    def total(self) -> Estimate | None:
        """What all together will bring in the days of the terms, with its 95 % interval; None where there is none."""
        if self.value is None:
            return None
        try:
            return self.value.total(self.history, first="first_spend", near=self.near)
        except DataError:  # a likelihood so flat that nobody knows how wide it is
            return None

    @property
    def history(self) -> pa.Table:
        """The people's histories as models of value read them."""
        return history(self.built.table)

    def report(self, path: str | Path) -> Path:
        """Write the report, one self-contained HTML page about groups, and return where it lies."""
        return self._noted("report", write_whole(path, render_value(self.page())))

    def figures(self, folder: str | Path, *, format: Format = "svg", dark: bool = False) -> tuple[Path, ...]:
        """Write every figure of the report as a file of its own, SVG or PNG, and return where they lie."""
        drawn = value_figures(self.page())
        return tuple(self._noted("figures", path) for path in write_all(drawn, folder, format=format, dark=dark))

    def page(self) -> ValueReport:
        """Return what the report shows."""
        from coterie import __version__

        least = self.config.minimum_group
        refused = "; ".join(f"{shown(count, least)} people: {why}" for why, count in self.built.refused.items())
        return ValueReport(
            shop=self.config.name,
            currency=self.config.currency,
            as_of=self.as_of,
            created=utc_now(),
            horizon_days=self.horizon_days,
            value_days=self.terms.days,
            margin=self.terms.margin,
            discount_rate=self.terms.discount_rate,
            people=self._figures(),
            tiers=self.tiers.names,
            rules=self.rules,
            total=self.total,
            models=self.value,
            forecast=self.forecast,
            chosen=self.chosen,
            warnings=self.warnings,
            backtest=None if self.backtest is None else Backtest.from_json(self.backtest),
            tracking=self._tracking(),
            command=self._command(),
            refused=refused or None,
            minimum_group=least,
            timezone=self.config.timezone,
            provenance={"model": self.model_id, "features": self.built.snapshot[:16], "coterie": __version__},
        )

    def _figures(self) -> People:
        """Return what is expected of each person, without who that is."""
        told = self.people
        columns = {name: told[name].to_numpy() for name in ("value", "at_risk", "next_order_days")}
        forecast = {
            name: None if told[column].null_count else told[column].to_numpy()
            for name, column in (("orders", "expected_orders"), ("active", "active"), ("spend", "expected_spend"))
        }
        return People(
            np.asarray(columns["value"], np.float64),
            np.nan_to_num(np.asarray(columns["at_risk"], np.float64)),
            _places(told["tier"], self.tiers.names),
            _places(told["advice"], ADVICE),
            np.asarray(columns["next_order_days"], np.float64),
            **forecast,
        )

    def _tracking(self) -> Tracking | None:
        """Return the shop's repeat orders beside those that the model makes of when people came."""
        if self.value is None:
            return None
        days = self.days()
        day, first, repeats = (days[name].to_numpy() for name in ("day", "first", "repeats"))
        try:
            return follow(self.value.orders, (day, first), (day, repeats), fitted=0.0, until=0.0)
        except DataError:  # of a week
            return None

    def _command(self) -> str:
        """Return the command line that asks for the same, with what is not usual."""
        usual = Terms()
        given = (
            ("horizon", self.horizon_days, 90), ("value-days", self.terms.days, usual.days),
            ("margin", self.terms.margin, usual.margin), ("discount-rate", self.terms.discount_rate,
            usual.discount_rate),
        )  # fmt: skip
        more = [f" --{name} {value:g}" for name, value, default in given if value != default]
        day = local_day(self.as_of, self.config.timezone)
        return f"coterie predict value --as-of {day}{''.join(more)}"

    def _noted(self, verb: str, path: Path) -> Path:
        self.note(verb, path)
        return path

    def to_json(self) -> dict[str, Any]:
        """Return everything but the people, as JSON values: of groups what the report tells of them, and no more."""
        least, people = self.config.minimum_group, self._figures()
        known = people.tells(np.ones(len(people), dtype=np.bool_), least)
        sums = ("expected_orders", "expected_spend", "value", "at_risk")
        judged = None if self.backtest is None else tellable(Backtest.from_json(self.backtest), least)
        return {
            "shop": self.config.name,
            "target": "value",
            "currency": self.config.currency,
            "model_id": self.model_id,
            "as_of": self.as_of.isoformat() + "Z",
            "horizon_days": self.horizon_days,
            "value_days": self.terms.days,
            "margin": self.terms.margin,
            "discount_rate": self.terms.discount_rate,
            "people": shown(self.people.num_rows, least),
            **{name: pc.sum(self.people[name]).as_py() if known else None for name in sums},
            "models": None if self.value is None else self.value.to_json(),
            "forecast": self.forecast,
            "chosen": [veiled(words, least) for words in self.chosen],
            "tiers": [_row("tier", row) for row in tiers(people, self.tiers.names, least)],
            "advice": [_row("advice", row) for row in lists(people, least)],
            "rules": [{"name": one.name, "advice": one.advice, "when": one.when} for one in self.rules],
            "backtest": None if judged is None else judged.to_json(),
            "warnings": [veiled(words, least) for words in self.warnings],
            "reused": self.reused,
        }

    def __repr__(self) -> str:
        return (
            f"Valuation of {self.people.num_rows:,} people as of {self.as_of:%Y-%m-%d %H:%M} UTC: "
            f"{self.horizon_days} days ahead by {self.forecast}, value in {self.terms.days} days"
        )

    def _repr_html_(self) -> str:
        """Show the report inside a notebook."""
        page = escape(render_value(self.page()))
        return f'<iframe srcdoc="{page}" style="width:100%;height:720px;border:0"></iframe>'


def history(table: pa.Table) -> pa.Table:
    """Return the histories of a table of people as models of value read them."""
    kept = table.select(["person", "frequency", "recency", "T", "log_gaps", "first_spend"])
    return kept.append_column("spend", table["spend_per_order"])


def _row(kind: str, row: Row) -> dict[str, Any]:
    """Return a group as JSON values: nothing but its name where it may not be told of."""
    if row.people is None:
        return {kind: row.name, **dict.fromkeys(_TOLD)}
    told = (row.people, row.share, row.value, row.value_share, row.each, row.at_risk)
    return {kind: row.name, **dict(zip(_TOLD, (one if math.isfinite(one) else None for one in told), strict=True))}


def _places(names: pa.ChunkedArray, among: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return where each name stands among others."""
    return np.asarray(pc.index_in(names, pa.array(among)).to_numpy(), np.int64)
