"""Customer lifetime value: the margin that each person is expected to bring in a horizon, discounted; intervals."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from threadpoolctl import threadpool_limits

from coterie.errors import DataError, IntegrityError, MissingColumnError, ParameterError
from coterie.evaluation.intervals import Estimate
from coterie.features import encodings
from coterie.features.frames import opened
from coterie.predict.lifetime.gamma_gamma import GammaGamma
from coterie.predict.lifetime.histories import Histories, Ints
from coterie.predict.lifetime.near_term import NearTerm
from coterie.predict.lifetime.purchasing import PurchaseModel
from coterie.predict.lifetime.realised import realised
from coterie.predict.tiers import value_at_risk
from coterie.progress import SILENT, Progress

Floats = npt.NDArray[np.float64]
YEAR = 365.0
"""Days in a year of the discount rate."""
_SETTINGS = ("margin", "discount_rate", "horizon_days", "unit_days")


class CustomerValue:
    """What each person is worth in a horizon: expected orders times expected spend times margin, discounted.

    An order at time t counts ``(1 + discount_rate)^(-t / 365 days)``. Discounting is continuous:
    ``value = margin * spend * integral of e^(-delta t) dM(t)``, where M(t) are expected orders up to t, integrated by
    parts so that a few values of M give what the sum over every day would. Orders and spend per order are taken
    to be independent, as both models do; ``spend.caution_`` says when they are not.

    There are two intervals, which answer different questions:

    * ``mean_low, mean_high``: where the *expected* value lies, given that the parameters were learnt from a limited
      number of people. Delta method on the logarithm, both models joined as the root of squares (their likelihoods
      share no parameter, so that their errors are independent). That of orders is the relative error of undiscounted
      ones.
    * ``value_low, value_high``: where this person's *own, realised* value will lie: equal tails of the posterior
      predictive distribution at the fitted parameters. Simulated futures (see ``futures.drawn``) decide rate, dropout,
      orders and amounts; each order is discounted as the person's average order is. A value of nothing at all has a
      probability of its own, 1 - ``active``: where it exceeds the lower tail the interval starts at 0, and holds
      more than its level.

    Somebody without a repeat purchase of known spend gets the mean spend of everybody, drawn towards the one purchase
    they made where its amount is given (``first``).

    Parameters
    ----------
    orders
        A model of purchases, such as ``BGNBD()`` or ``ParetoNBD()``.
    spend
        A model of the mean spend of an order, in minor units if values are to be.
    margin
        What remains of an amount, as a share; 1 values revenue.
    discount_rate
        A year, at least 0: .1 is 10 %.
    horizon_days
        How far is looked ahead.
    unit_days
        Days in a unit of T: 7 where histories are in weeks.
    amount
        The column of a dataframe with the mean amount of a person's repeat purchases.
    """

    def __init__(
        self,
        orders: PurchaseModel,
        spend: GammaGamma,
        *,
        margin: float = 1.0,
        discount_rate: float = 0.1,
        horizon_days: float = 365,
        unit_days: float = 1.0,
        amount: str = "spend",
    ) -> None:
        self.orders = orders
        self.spend = spend
        self.margin = margin
        self.discount_rate = discount_rate
        self.horizon_days = horizon_days
        self.unit_days = unit_days
        self.amount = amount

    def fit(self, frame: Any) -> Self:
        """Fit both models to the same people; not needed where they are fitted already. Errors are theirs."""
        histories = self._histories(frame, ())
        self.orders.fit(histories)
        self.spend.fit(histories)
        return self

    def predict(
        self,
        frame: Any,
        *,
        horizon_days: float | None = None,
        level: float = 0.8,
        intervals: bool = True,
        first: str | None = None,
        near: NearTerm | None = None,
        progress: Progress = SILENT,
    ) -> pa.Table:
        """Return what people are worth, in the order of rows.

        Parameters
        ----------
        frame
            Histories, or a dataframe with ``frequency``, ``recency``, ``T`` and ``spend`` (mean amount of a repeat
            purchase, see ``amount``), one row a person; ``person`` is taken along.
        horizon_days
            Another horizon than the constructor's; call once for each of several.
        level
            Coverage of the intervals, in (0, 1).
        intervals
            Whether to find them; without, the four columns are left out.
        first
            A column of the frame with the amount of the first purchase, read for those without repeat purchases.
        near
            What somebody who knows more expects of these people, in the order of rows, in the first days of the
            horizon, joined as :class:`NearTerm` tells; then ask about everybody at once. A person's own futures keep
            their shape: what they bring if there is an order is scaled to the joined expectation.
        progress
            Told how many of the distinct histories have been simulated.

        Returns
        -------
        ``person`` (where given), ``expected_orders`` (not discounted), ``active`` (the probability of at least one
        order in the horizon), ``expected_spend`` (an order's), ``value``, ``at_risk`` (see ``tiers.value_at_risk``),
        and ``value_low``, ``value_high``, ``mean_low``, ``mean_high``. Money is in the unit of the spend.

        Raises
        ------
        ParameterError
            Margin, rate, horizon or level is outside what is allowed; a near term of other people, or longer than
            the horizon.
        NotFittedError, MissingColumnError, DataError, EmptyShopError
            As the models.
        """
        if not 0 < level < 1:
            raise ParameterError.of("CustomerValue", "level", level, "between 0 and 1")
        person, histories = self._read(frame, first)
        people, spending, place = _distinct(histories, first is not None)
        with threadpool_limits(1):
            horizon, discounted = self._discounted(people, horizon_days)
            orders = self.orders.expected_orders(people, horizon)
            # an order's discount: 1 for who will not order, which nobody sees
            kept = np.divide(discounted, orders, out=np.ones(len(orders)), where=orders > 0)
            alone = np.clip(self.orders.active(people, horizon), 0, 1)[place]
            amount = self.spend.expected_spend(spending)
            modelled = self.margin * discounted[place] * amount
            expected, active, value = orders[place], alone, modelled
            if near is not None:
                near.check_within(horizon * self.unit_days, len(histories))
                soon, early = self._discounted(people, near.days)
                first_orders = self.orders.expected_orders(people, soon)
                early_kept = np.divide(early, first_orders, out=np.ones(len(early)), where=first_orders > 0)
                expected = near.orders + near.later("orders", np.maximum(orders - first_orders, 0)[place])
                active = near.chance(horizon * self.unit_days, alone, self.orders.active(people, soon)[place])
                after = near.later("spend", np.maximum(discounted - early, 0)[place] * amount)
                value = self.margin * (near.spend * early_kept[place] + after)
            columns = {"expected_orders": expected, "active": active, "expected_spend": amount, "value": value}
            columns["at_risk"] = value_at_risk(columns["value"], columns["active"])
            if intervals:
                scale = self.margin * kept[place] * self._scale(spending)
                scale *= _ratio(value * alone, modelled * active)  # of what comes if anything does
                bought = np.where(np.isfinite(spending.spend), spending.frequency, 0.0)
                tails = (1 - level) / 2, (1 + level) / 2
                ends = realised(self.orders, self.spend, people, bought, place, active, horizon, tails, progress)
                columns |= {"value_low": scale * ends[0], "value_high": scale * ends[1]}
                factor = np.exp(self._doubt(people, spending, place, horizon, level, orders))
                columns |= {"mean_low": columns["value"] / factor, "mean_high": columns["value"] * factor}
        return pa.table(columns if person is None else {"person": person, **columns})

    def total(
        self,
        frame: Any,
        *,
        horizon_days: float | None = None,
        level: float = 0.95,
        first: str | None = None,
        near: NearTerm | None = None,
    ) -> Estimate:
        """Return what all these people together will bring, with an interval: of the realised sum.

        Both doubts are in it: that of the parameters, which all people share and which does not shrink however many
        there are (delta method on both models), and that of what each person happens to do (variances add up; an
        order is discounted as the person's average one). Normal. Infinitely wide where the spend of somebody has no
        variance in the model (p x + q of 2 or less). With a ``near`` term the sum is the joined one, and its interval
        as wide, in proportion, as the models' own: how sure the forecaster of the near term is, nobody says.

        Raises
        ------
        As ``predict``; DataError where a likelihood was so flat that the parameters have no standard errors.
        """
        from scipy.special import ndtri

        if not 0 < level < 1:
            raise ParameterError.of("CustomerValue", "level", level, "between 0 and 1")
        _, histories = self._read(frame, first)
        people, spending, place = _distinct(histories, first is not None)
        count = len(people)
        with threadpool_limits(1):
            horizon, discounted = self._discounted(people, horizon_days)
            amount = self.spend.expected_spend(spending)
            # the sum over people is one over distinct histories, each with its people's spend
            weight = self.margin * np.bincount(place, weights=amount, minlength=count)
            value, counts = float(weight @ discounted), self.margin * discounted[place]

            def of_orders(theta: Floats) -> float:
                other = copy.copy(self)
                other.orders = copy.copy(self.orders)
                other.orders.theta_ = theta
                return float(weight @ other._discounted(people, horizon_days)[1])

            def of_spend(theta: Floats) -> float:
                other = copy.copy(self.spend)
                other.parameters_ = dict(zip(other.names_, np.exp(theta).tolist(), strict=True))
                return float(counts @ other.expected_spend(spending))

            spent = np.array(list(self.spend.parameters_.values()))
            doubt = _variance(of_orders, self.orders.theta_, self.orders.theta_covariance_)
            doubt += _variance(of_spend, np.log(spent), self.spend.covariance_ / np.outer(spent, spent))
            mean, spread = self.orders.expected_orders(people, horizon), self.orders.spread(people, horizon)
            kept = np.divide(discounted, mean, out=np.ones(count), where=mean > 0)
            own = self.spend.spread(spending)
            second = np.square(amount) + own  # of a person's own mean spend
            each = second * (mean / self.spend.parameters_["p"] + spread)[place] + np.square(mean)[place] * own
            chance = float((np.square(self.margin * kept)[place] * each).sum())
        half = float(ndtri((1 + level) / 2)) * math.sqrt(doubt + chance)
        if near is not None:
            joined = self.predict(frame, horizon_days=horizon_days, intervals=False, first=first, near=near)
            modelled, value = value, float(joined["value"].to_numpy().sum())
            half *= value / modelled if modelled > 0 else 1.0
        return Estimate(value, value - half, value + half)

    def to_json(self) -> dict[str, Any]:
        """Return the fitted models and settings as plain JSON values, without people."""
        return {
            "kind": "CustomerValue",
            "version": 1,
            "orders": self.orders.to_json(),
            "spend": self.spend.to_json(),
            "amount": self.amount,
            **{name: getattr(self, name) for name in _SETTINGS},
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """Return what ``to_json`` wrote.

        Raises
        ------
        IntegrityError
            It is something else.
        """
        from coterie.predict.lifetime.kinds import purchase_model

        try:
            if body["kind"] != "CustomerValue" or body["version"] != 1:
                raise ValueError("another kind")
            settings = {name: float(body[name]) for name in _SETTINGS}
            orders = purchase_model(body["orders"])
            return cls(orders, GammaGamma.from_json(body["spend"]), amount=str(body["amount"]), **settings)
        except (KeyError, TypeError, ValueError) as error:
            raise IntegrityError("This is no stored CustomerValue.", hint="fit it anew.") from error

    def _read(self, frame: Any, first: str | None) -> tuple[Any, Histories]:
        """Return who the people are, if known, and their histories; with ``first`` in the spend of one-time buyers."""
        self._check()
        histories = self._histories(frame, getattr(self.orders, "covariate_names_", ()))
        if isinstance(frame, Histories):
            if first is not None:
                raise ParameterError.of("CustomerValue", "first", first, "None where histories are given")
            return None, histories
        data = opened(frame)
        if first is not None:
            if first not in data.columns:
                raise MissingColumnError.of("The table of people", [first], data.columns)
            amount = np.where(histories.frequency == 0, encodings.numbers(data, first), histories.spend)
            h = histories
            histories = Histories(h.frequency, h.recency, h.T, amount, h.log_gaps, h.covariates, h.covariate_names)
        return (data.get_column("person").to_arrow() if "person" in data.columns else None), histories

    def _histories(self, frame: Any, covariates: tuple[str, ...]) -> Histories:
        histories = Histories.of(frame, spend=self.amount, covariates=covariates)
        if not isinstance(frame, Histories) and self.amount not in (names := opened(frame).columns):
            raise MissingColumnError.of("The table of people", [self.amount], names)
        return histories

    def _check(self) -> None:
        for name, least in (("margin", "above 0"), ("discount_rate", "of at least 0"), ("unit_days", "above 0")):
            got = getattr(self, name)
            if not (math.isfinite(got) and (got > 0 or (got == 0 and least == "of at least 0"))):
                raise ParameterError.of("CustomerValue", name, got, f"a number {least}")

    def _discounted(self, people: Histories, horizon_days: float | None) -> tuple[float, Floats]:
        """Return the horizon in the unit of T, and expected orders in it, each discounted to now."""
        days = self.horizon_days if horizon_days is None else horizon_days
        if not (math.isfinite(days) and days > 0):
            raise ParameterError.of("CustomerValue", "horizon_days", days, "a number above 0")
        horizon = days / self.unit_days
        fall = math.log1p(self.discount_rate) * days / YEAR  # the logarithm of what is left at the end
        found = math.exp(-fall) * self.orders.expected_orders(people, horizon)
        if fall:
            # of the square root of time, as expected orders bend most at first
            nodes, weights = np.polynomial.legendre.leggauss(5 if fall < 0.3 else 8)
            for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
                part = 2 * node * weight * fall * math.exp(-fall * node**2)
                found += part * self.orders.expected_orders(people, horizon * node**2)
        return horizon, found

    def _scale(self, spending: Histories) -> Floats:
        """Return v + x m of each person: their posterior of spend is in units of it."""
        known = np.isfinite(spending.spend)
        total = np.where(known, spending.frequency * np.maximum(np.nan_to_num(spending.spend), 0.0), 0.0)
        return self.spend.parameters_["v"] + total

    def _doubt(
        self, people: Histories, spending: Histories, place: Ints, horizon: float, level: float, mean: Floats
    ) -> Floats:
        """Return half the width of the interval of expected value, on the logarithm: shape (people,)."""
        high = self.orders.orders_interval(people, horizon, level=level)[1]
        half = np.log(np.divide(high, mean, out=np.ones(len(mean)), where=mean > 0))
        ends = self.spend.spend_interval(spending, level=level)
        return np.asarray(np.hypot(half[place], np.log(ends[:, 1] / ends[:, 0]) / 2))


def _distinct(histories: Histories, first: bool) -> tuple[Histories, Histories, Ints]:
    """Return the distinct histories, everybody's as the model of spend reads them, and the distinct one of each."""
    t, h = histories.unique(), histories
    unknown = np.full(len(t.T), np.nan)
    people = Histories(t.frequency, t.recency, t.T, unknown, unknown, t.covariates, h.covariate_names)
    if not first:
        return people, h, t.inverse
    # one purchase tells of a person's spend what one repeat purchase would
    counted = np.where((h.frequency == 0) & np.isfinite(h.spend), 1.0, h.frequency)
    return people, Histories(counted, h.recency, h.T, h.spend, h.log_gaps, h.covariates, h.covariate_names), t.inverse


def _ratio(of: Floats, to: Floats) -> Floats:
    """Return of / to, 1 where there is nothing to compare with."""
    return np.divide(of, to, out=np.ones(len(of)), where=(to > 0) & (of > 0))


def _variance(of: Callable[[Floats], float], theta: Floats, covariance: Floats) -> float:
    """Return the variance of a figure that the covariance of its parameters makes (delta method)."""
    if not np.isfinite(covariance).all():
        raise DataError(
            "The parameters of a model have no standard errors: its likelihood is flat.",
            hint="take a simpler model, or more people.",
        )
    steps = 1e-4 * np.eye(len(theta))
    slope = np.array([(of(theta + step) - of(theta - step)) / 2e-4 for step in steps])
    return float(slope @ covariance @ slope)
