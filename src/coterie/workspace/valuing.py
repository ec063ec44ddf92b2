"""The verb ``predict`` for value: who is worth keeping, who is slipping, when the next order comes, how sure we are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coterie.errors import DataError, IntegrityError, NoVariationError, ParameterError
from coterie.features import published
from coterie.ops.registry import Model
from coterie.predict.advice import Adviser
from coterie.predict.contest.backtest import backtest
from coterie.predict.contest.contender import Case, Contender, Forecast
from coterie.predict.contest.ensemble import Ensemble, Sized
from coterie.predict.contest.holdout import Origin
from coterie.predict.contest.levelled import Levelled
from coterie.predict.contest.naive import Rate, naive_rules
from coterie.predict.contest.preference import preferred
from coterie.predict.contest.probabilistic import Probabilistic
from coterie.predict.contest.stored import restored, stored
from coterie.predict.lifetime.bg_nbd import BGNBD, MBGNBD
from coterie.predict.lifetime.cnbd import MBGCNBD
from coterie.predict.lifetime.gamma_gamma import GammaGamma
from coterie.predict.lifetime.kinds import purchase_model
from coterie.predict.lifetime.near_term import NearTerm
from coterie.predict.lifetime.next_order import lateness, next_order
from coterie.predict.lifetime.pareto_nbd import ParetoNBD
from coterie.predict.lifetime.purchasing import PurchaseModel
from coterie.predict.lifetime.value import CustomerValue
from coterie.predict.tiers import Tiers
from coterie.progress import Progress
from coterie.schema import Purpose
from coterie.store.ports import Commit
from coterie.workspace.cases import ORIGINS, Cases
from coterie.workspace.histories import days_of
from coterie.workspace.valuation import Terms, Valuation, history

if TYPE_CHECKING:
    from coterie.workspace.results import FeatureTable
    from coterie.workspace.shop import Workspace

NAME = "predict-value"
FORMAT = 3  # of what is kept of a valuation: raised with its layout, so that older ones are made anew
MODELS: Mapping[str, type[PurchaseModel]] = {
    "Pareto/NBD": ParetoNBD, "BG/NBD": BGNBD, "MBG/NBD": MBGNBD, "MBG/CNBD-k": MBGCNBD,
}  # fmt: skip
"""Models of purchases that a shop's past chooses from."""
USUAL = "ensemble"
"""Whose forecasts are used unless a shop's past shows another to rank people by spend better."""
MODEL = "Pareto/NBD"
"""The model that value is by, unless a shop's past shows another to come nearer to people's orders."""
_TOO_FEW = "a model needs more people than it has parameters, of whom some ordered on two days or more."


@dataclass
class Figures:
    """What was found in the shop's past when the models were made; kept beside them in the registry."""

    forecast: str
    model: str
    chosen: tuple[str, ...] = ()
    backtest: dict[str, Any] | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Models:
    """What is kept of a valuation: models and thresholds, no people."""

    value: CustomerValue | None
    orders: PurchaseModel | None
    """Where nobody paid anything, so that nobody can be valued: when the next order comes."""
    forecast: Contender
    tiers: Tiers
    adviser: Adviser | None

    def to_json(self) -> dict[str, Any]:
        """Return them as plain JSON values."""
        return {
            "value": self.value and self.value.to_json(),
            "orders": self.orders and self.orders.to_json(),
            "forecast": stored(self.forecast),
            "tiers": self.tiers.to_json(),
            "adviser": self.adviser and self.adviser.to_json(),
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Models:
        """Return what ``to_json`` wrote.

        Raises
        ------
        IntegrityError
            It is something else, such as what an earlier version kept.
        """
        try:
            value, orders, forecast, tiers, adviser = (
                body[name] for name in ("value", "orders", "forecast", "tiers", "adviser")
            )
        except KeyError as error:
            raise IntegrityError(
                f"These models of values were kept by another version of coterie: {error.args[0]} is missing.",
                hint="leave out model to have others made.",
            ) from error
        return cls(
            value and CustomerValue.from_json(value), orders and purchase_model(orders), restored(forecast),
            Tiers.from_json(tiers), adviser and Adviser.from_json(adviser),
        )  # fmt: skip


def predict_value(
    shop: Workspace, as_of: str | date | datetime | None, *, horizon_days: int, terms: Terms, model: str | None,
    progress: Progress,
) -> Valuation:  # fmt: skip
    """Carry out :meth:`Workspace.predict` for value."""
    seen = shop.facts(Purpose.SEGMENTATION)
    cases = Cases(shop, seen, horizon_days)
    asked = {"horizon_days": horizon_days, **asdict(terms)}
    found = _given(shop, model, asked) if model else None
    built = cases.today(as_of, progress)
    inputs = _fingerprint(built, asked)
    found = found or shop.registry.latest(NAME, inputs=inputs)
    people = _People(cases, built, terms, progress)
    if found is None:
        figures = people.judged()
        models = people.learnt(figures)
        table, near = people.told(models)
        found = shop.registry.register(
            NAME, "CustomerValue", {**models.to_json(), "asked": asked}, inputs=inputs, as_of=built.as_of,
            figures=msgspec.to_builtins(figures),
        )  # fmt: skip
        reused = False
    else:
        figures, content = msgspec.convert(dict(found.figures), Figures), shop.registry.load(found)
        models = Models.from_json(content)
        (table, near), reused = people.told(models), True
    for feature, column in _published(horizon_days, terms).items():
        kind = "label" if pa.types.is_string(table[column].type) else "number"
        published.publish(
            shop.lake, feature, found.model_id, pa.table({"person": table["person"], kind: table[column]}),
            as_of=built.as_of, commit=Commit(f"{feature}-{found.model_id}-{built.snapshot[:16]}", 1),
        )  # fmt: skip
    return Valuation(
        config=shop.config, model_id=found.model_id, as_of=built.as_of, horizon_days=horizon_days, terms=terms,
        people=table, value=models.value, near=near, tiers=models.tiers, adviser=models.adviser,
        forecast=figures.forecast, chosen=figures.chosen, backtest=figures.backtest, built=built, reused=reused,
        warnings=(*cases.silence(built.as_of), *figures.warnings),
        days=lambda: days_of(seen, built.as_of, timezone=shop.config.timezone), note=shop._note,
    )  # fmt: skip


def _published(horizon_days: int, terms: Terms) -> dict[str, str]:
    """Return under which names which columns go to the lake."""
    return {
        f"expected_orders_{horizon_days}d": "expected_orders",
        f"active_{horizon_days}d": "active",
        f"expected_spend_{horizon_days}d": "expected_spend",
        f"lifetime_value_{terms.days}d": "value",
        "next_order_days": "next_order_days",
        "value_tier": "tier",
        "advice": "advice",
    }


def contenders() -> list[Contender]:
    """Return the ways to forecast that are tried in a shop's past, beside the naive rules."""
    return [Ensemble(), *(Probabilistic(make(), GammaGamma(), name=name) for name, make in MODELS.items())]


@dataclass(frozen=True)
class _People:
    """The people of one shop at a moment, to be valued by what did best in its past."""

    cases: Cases
    built: FeatureTable
    terms: Terms
    progress: Progress

    def judged(self) -> Figures:
        """Hold contenders against what happened after moments of the past, and choose by that."""
        origins = []
        for moment in self.cases.origins(self.built.table)[:ORIGINS]:
            table = self.cases.at([moment])
            case = self.cases.case(table)
            origins.append(Origin(name=f"{moment:%Y-%m-%d}", case=case, **self.cases.outcome(table)))
        young = Figures(USUAL, MODEL, ("The shop is too young for forecasts to be tried in its past.",))
        if not origins:
            return young
        rules = naive_rules(origins[0].case)
        try:
            found = backtest(origins, [*rules, *contenders()], baseline=rules[0].name, progress=self.progress)
        except DataError as error:
            return Figures(Rate.name, "", (error.message,))
        if found.mean(USUAL, "orders", "mae", found.origins) is None:
            why = f"The {USUAL} could not be tried at each moment of the shop's past."
            return Figures(Rate.name, MODEL, (why,), found.to_json(), _first(found.notes))
        amounts = [name for name in found.contenders if found.mean(name, "orders", "mae", found.origins) is not None]
        forecast, first = preferred(found, USUAL, amounts)
        model, second = preferred(found, MODEL, MODELS, outcome="orders", metric="rmse")
        joined = self.cases.horizon_days <= self.terms.days
        of_value = f"begins with them and ends halfway between their pace and {model}" if joined else f"is by {model}"
        words = (f"Forecasts are by {forecast}. {first}", f"Value {of_value}. {second}")
        of_origins = tuple(one for one in found.notes if not one.startswith(tuple(found.contenders)))
        return Figures(forecast, model, words, found.to_json(), _first(of_origins))

    def learnt(self, figures: Figures) -> Models:
        """Fit the models to everybody's history, and find where tiers begin and what is worth an effort."""
        orders, value = self._valued(figures)
        contender = self._contender(figures)
        if contender.degraded_:
            figures.warnings = (*figures.warnings, f"{figures.forecast}: {contender.degraded_}")
        table = self._worth(value, self._near(value, contender, self._forecast(contender, value)), intervals=False)
        tiers = Tiers.of(table["value"].to_numpy())
        adviser = None
        if value is not None:
            currency = self.cases.shop.config.currency
            adviser = Adviser(currency=currency, horizon_days=self.terms.days).fit(self._advised(value, table))
        return Models(value, orders, contender, tiers, adviser)

    def told(self, models: Models) -> tuple[pa.Table, NearTerm | None]:
        """Return a row a person: forecasts, value, next order, tier and advice; and what value took of the forecast."""
        forecast = self._forecast(models.forecast, models.value)
        near = self._near(models.value, models.forecast, forecast)
        table = self._worth(models.value, near)
        columns: dict[str, Any] = {"person": table["person"]}
        people = table.num_rows
        for name, values in (
            ("expected_orders", forecast.orders), ("active", forecast.active), ("expected_spend", forecast.spend),
        ):  # fmt: skip
            columns[name] = pa.nulls(people, pa.float64()) if values is None else pa.array(values)
        for name in ("value", "value_low", "value_high", "at_risk"):
            columns[name] = table[name] if name in table.column_names else pa.nulls(people, pa.float64())
        waits = ("low", "median", "high")
        if orders := models.value.orders if models.value else models.orders:
            days = next_order(orders, self._history, within_days=self.terms.days, near=near)
            columns |= {f"next_order_{name}": days[f"days_{name}"] for name in waits}
        else:
            columns |= {f"next_order_{name}": pa.nulls(people, pa.float64()) for name in waits}
        columns["next_order_days"] = columns.pop("next_order_median")
        columns["tier"] = pa.array(models.tiers.names).take(pa.array(models.tiers.assign(table["value"])))
        if models.adviser is not None and models.value is not None:
            advice = models.adviser.advise(self._advised(models.value, table), tiers=models.tiers)
            columns |= {"advice": advice["advice"], "reason": advice["reason"]}
        else:
            columns |= {"advice": pa.repeat("too early to say", people), "reason": pa.repeat("", people)}
        return pa.table(columns), near

    @property
    def _history(self) -> pa.Table:
        """The people's histories as models of value read them."""
        return history(self.built.table)

    def _valued(self, figures: Figures) -> tuple[PurchaseModel | None, CustomerValue | None]:
        """Fit the chosen model, else the simplest one that can be; the orders alone where nobody paid, else None."""
        terms, why = self.terms, list[str]()
        for name in dict.fromkeys([figures.model, MODEL, "BG/NBD", "MBG/NBD"]):
            if name not in MODELS:
                continue
            value = CustomerValue(
                MODELS[name](), GammaGamma(), margin=terms.margin, discount_rate=terms.discount_rate,
                horizon_days=terms.days,
            )  # fmt: skip
            try:
                value.orders.fit(self._history)
            except DataError as error:
                why.append(error.message)
                continue
            figures.warnings = (*figures.warnings, *why)
            figures.model = name
            return (None, value) if self._spending(value, figures) else (value.orders, None)
        figures.warnings = (
            *figures.warnings,
            *why[:1],
            f"Everybody is valued by the naive rule {Rate.name}: {_TOO_FEW}",
        )
        return None, None

    def _spending(self, value: CustomerValue, figures: Figures) -> bool:
        """Fit the model of spend, or take each order for the mean; False where nobody paid anything for orders."""
        past = self._history
        try:
            value.spend.fit(past)
            value.spend.expected_spend(past)  # of new customers, it exists in not every model
            return True
        except DataError as error:
            repeats, amount = past["frequency"], past["spend"]
            known = pc.and_(pc.greater(repeats, 0.0), pc.greater(pc.fill_null(amount, 0.0), 0.0))
            x, paid = (one.filter(known).to_numpy() for one in (repeats, amount))
            if not len(x):
                figures.warnings = (*figures.warnings, f"{error.message} So nobody can be valued.")
                return False
            mean, alike = float(x @ paid / x.sum()), isinstance(error, NoVariationError)
            value.spend = GammaGamma.of_mean(mean, alike=alike)
            figures.warnings = (*figures.warnings, f"{error.message} Each order counts the mean of repeat orders.")
            return True

    def _worth(self, value: CustomerValue | None, near: NearTerm | None, *, intervals: bool = True) -> pa.Table:
        """Return what everybody is worth; by the naive rule where there is no model."""
        if value is not None:
            return value.predict(
                self._history, first="first_spend", near=near, intervals=intervals, progress=self.progress
            )
        now = self.built.table
        forecast = Rate().fit(Case(now=now, horizon_days=self.terms.days)).forecast(now)
        worth = np.zeros(now.num_rows) if forecast.spend is None else forecast.spend * self.terms.margin
        active = np.ones(now.num_rows) if forecast.active is None else forecast.active
        return pa.table({"person": now["person"], "value": worth, "at_risk": worth * (1 - active)})

    def _contender(self, figures: Figures) -> Contender:
        """Fit the contender that was chosen to what is known now."""
        case = self.cases.case(self.built.table)
        every: dict[str, Contender] = {one.name: one for one in contenders()}
        # a rule that ranks people best is not followed in how much: people leave, and rules do not know it
        every |= {one.name: Levelled(one, Sized()) for one in naive_rules(case)}
        try:
            return every[figures.forecast].fit(case)
        except DataError as error:
            if figures.forecast != Rate.name:
                instead = f"{error.message} Forecasts are by the naive rule {Rate.name}, not by {figures.forecast}."
                figures.forecast, figures.warnings = Rate.name, (*figures.warnings, instead)
            return Rate().fit(case)

    def _forecast(self, contender: Contender, value: CustomerValue | None) -> Forecast:
        """Return what is expected of everybody in the horizon."""
        told = contender.forecast(self.built.table)
        if told.spend is not None or told.orders is None:
            return told
        # no contender tells spend where all pay the same, or nothing
        if value is None:
            return replace(told, spend=np.zeros(len(told.orders)))
        each = value.predict(self._history, first="first_spend", intervals=False)["expected_spend"].to_numpy()
        return replace(told, spend=told.orders * each)

    def _near(self, value: CustomerValue | None, by: Contender, forecast: Forecast) -> NearTerm | None:
        """Return the forecast as the first days of value; None where it is a mere rule's, or of more days than value's.

        Over the earlier windows of three shops value ranked people better so, and came nearer to what they brought.
        """
        days, (orders, active, spend) = self.cases.horizon_days, (forecast.orders, forecast.active, forecast.spend)
        if value is None or days > self.terms.days or isinstance(by, Rate):
            return None
        if orders is None or active is None or spend is None:
            return None
        return NearTerm(days, np.maximum(orders, 0.0), np.clip(active, 0.0, 1.0), np.maximum(spend, 0.0))

    def _advised(self, value: CustomerValue, table: pa.Table) -> pa.Table:
        """Return what advice is given by."""
        now = self.built.table
        columns = {
            "person": now["person"], "value": table["value"], "active": table["active"],
            "lateness": lateness(value.orders, self._history), "frequency": now["frequency"],
            "days_since": pc.subtract(now["T"], now["recency"]), "T": now["T"],
        }  # fmt: skip
        trend = {name: now[name] for name in ("orders_90d", "orders_365d") if name in now.column_names}
        return pa.table(columns | (trend if len(trend) == 2 else {}))


def _first(notes: tuple[str, ...], most: int = 3) -> tuple[str, ...]:
    """Return the first notes of a backtest, and how many more there are: a shop without buyers has one a contender."""
    more = len(notes) - most
    return notes if more < 2 else (*notes[:most], f"{more} more notes like these are with the backtest.")


def _fingerprint(built: FeatureTable, asked: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps([FORMAT, built.snapshot, asked], sort_keys=True).encode()).hexdigest()


def _given(shop: Workspace, model: str, asked: Mapping[str, Any]) -> Model:
    """Return the models of that id, before anything is read: on other terms or of another shop they are none."""
    try:
        found = shop.registry.get(NAME, model)
    except ParameterError as error:
        hint = "models answer what they were made for, in their own shop; leave out model to have others made."
        raise ParameterError(error.message, hint=hint) from None
    _check_same(found.model_id, shop.registry.load(found)["asked"], asked)
    return found


def _check_same(model_id: str, made: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Raise ParameterError where a model was made on other terms than it is asked on."""
    names = {"days": "value_days"}
    other = {names.get(name, name): value for name, value in made.items() if asked[name] != value}
    if other:
        told = ", ".join(f"{name} {value:g}" for name, value in other.items())
        raise ParameterError(
            f"The model {model_id} was made with {told}, which is not what is asked of it.",
            hint=f"ask with {told}, or leave out model to have another one made.",
        )
