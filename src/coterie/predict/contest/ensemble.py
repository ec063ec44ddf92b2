"""The ensemble: ranked by what models of histories say, weighed by what came true, at the level of one model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.special import logit

from coterie.errors import DataError, NotFittedError
from coterie.predict.contest import regression
from coterie.predict.contest.contender import SPEND_PER_ORDER, Case, Contender, Floats, Forecast, histories, numbers
from coterie.predict.contest.levelled import Levelled
from coterie.predict.lifetime.bg_nbd import BGNBD
from coterie.predict.lifetime.gamma_gamma import GammaGamma
from coterie.predict.lifetime.pareto_nbd import ParetoNBD

if TYPE_CHECKING:
    from coterie.predict.lifetime.purchasing import PurchaseModel

FIRST_SPEND = "first_spend"
COUNTS = ("orders_30d", "basket_units", "basket_lines")
"""Columns of the catalogue that are read where they are there, beside those of histories."""
FAMILIES: Mapping[str, regression.Family] = {"orders": "poisson", "active": "logistic", "spend": "tweedie"}
BUYERS = 100  # who must have ordered after the earlier moments: ten and more for each weight
STEPS = 10  # of the size of orders as a trait: more would leave few people with equal histories
_FAR = 6.0  # standard deviations: beyond it, a term counts as if it lay there
_FEWEST = 1e-4  # expected orders, or chance of one, for logarithms
_SAME = 1e-9  # a term of less spread does not differ between people
_SIZE = "size_of_orders"
_CHANCE = "chance of an order"


def label_days(age: float, horizon_days: float) -> float:
    """Return how far to look ahead from an earlier moment, for ``Stacked`` to learn what came true.

    The horizon, where the shop is old enough to leave as long a past before that moment; else a third of its age, so
    that two thirds come before. The earlier moment lies as far before the origin.

    >>> label_days(365, 91), label_days(273, 273)
    (91, 91)
    """
    return horizon_days if age >= 2 * horizon_days else int(age // 3)


class Stacked(Contender):
    """Ranks people by what models of histories forecast and by how much they buy at a time, weighed by what came true.

    At each earlier moment Pareto/NBD and Gamma-Gamma (of all purchases, the first one included) are fitted on what was
    known then. Regressions learn what followed: a Poisson one of orders, a logistic one of whether there was an order,
    a Tweedie one of spend. Their terms are logarithms: expected orders, expected spend of a purchase, the mean amount
    so far, repeat purchases, and of ``COUNTS`` what is there; for whether there is an order, the log odds of Pareto/NBD
    as well. At the origin the models are fitted anew, and the same weights are used. A ranking carries over to another
    horizon; how much in all does not (see ``Ensemble``).

    Without ``then``, or where fewer than 100 rows of it were followed by an order, people are ranked by the models
    alone.

    Parameters
    ----------
    name
        What it is called.

    Attributes
    ----------
    terms_ : tuple of str
        The terms, in the order of the weights; empty where nothing was learnt.
    weights_ : dict
        ``orders``, ``active`` and ``spend`` → the intercept, then a weight a standard deviation of each term.

    References
    ----------
    Wolpert (1992), Stacked generalization.
    """

    def __init__(self, name: str = "stacked") -> None:
        self.name = name

    def fit(self, case: Case) -> Self:
        """Fit the models at the origin and at each earlier moment, and learn the weights from what followed.

        Raises
        ------
        DataError
            The histories at the origin do not carry a model; ConvergenceError and MissingColumnError are among these.
        """
        self.models_ = _Models(case.now, case.horizon_days)
        self.terms_: tuple[str, ...] = ()
        self.weights_: dict[str, Floats] = {}
        followed = {name: told for name in ("orders", "spend") if (told := case.learnt(name)) is not None}
        if case.then is None or "orders" not in followed:
            return self
        days, self.stretch_ = case.horizon_days / case.stretch, case.stretch
        found, rows = [], []
        for at in _moments(case.then):
            table = case.then.take(pa.array(at))
            try:
                terms = _terms(table, _Models(table, days))
            except DataError:  # so early that there is too little for a model
                continue
            found.append(terms)
            rows.append(at)
        if not rows or (followed["orders"][np.concatenate(rows)] > 0).sum() < BUYERS:
            return self
        names = [name for name in _terms(case.now, self.models_) if all(name in one for one in found)]
        told = np.column_stack([np.concatenate([one[name] for one in found]) for name in names])
        seen = np.isfinite(told)
        told = np.where(seen, told, 0.0)
        count = np.maximum(seen.sum(axis=0), 1)
        centre = told.sum(axis=0) / count
        scale = np.sqrt((np.square(told - centre) * seen).sum(axis=0) / count)
        kept = scale > _SAME
        self.terms_ = tuple(name for name, one in zip(names, kept, strict=True) if one)
        self.centre_, self.scale_ = centre[kept], scale[kept]
        at = np.concatenate(rows)
        learnt = np.where(seen, (told - centre) / np.where(kept, scale, 1.0), 0.0)[:, kept]
        for part, family in FAMILIES.items():
            outcome = followed.get("spend" if part == "spend" else "orders")
            if outcome is None or (part == "spend" and self.models_.spend is None) or not outcome[at].any():
                continue
            label = (outcome[at] > 0).astype(np.float64) if part == "active" else outcome[at]
            self.weights_[part] = regression.fitted(learnt[:, self._read(part)], label, family)
        return self

    def forecast(self, now: pa.Table) -> Forecast:
        """Return expected orders, activity and spend; what was learnt from a shorter horizon is stretched."""
        if not hasattr(self, "models_"):
            raise NotFittedError.of(self)
        if not self.weights_:
            return self.models_.forecast(now)
        terms = _terms(now, self.models_, self.stretch_)
        found = (np.column_stack([terms[name] for name in self.terms_]) - self.centre_) / self.scale_
        found = np.clip(np.where(np.isfinite(found), found, 0.0), -_FAR, _FAR)
        scores: dict[str, Floats] = {
            part: regression.told(found[:, self._read(part)], weights, FAMILIES[part])
            for part, weights in self.weights_.items()
        }
        spend = scores.get("spend")
        return Forecast(
            scores["orders"] * self.stretch_,
            1 - (1 - scores["active"]) ** self.stretch_,
            None if spend is None else spend * self.stretch_,
        )

    def _read(self, part: str) -> npt.NDArray[np.bool_]:
        """Return which terms a regression reads."""
        return np.array([name != _CHANCE or part == "active" for name in self.terms_])


class Sized(Contender):
    """BG/NBD with the size of orders as a trait, and Gamma-Gamma of all purchases, the first one included.

    Who buys much at a time differs in rate and dropout. The trait is the tenth of all people that a person's mean
    amount lies in. Where the model cannot be fitted with it, it is fitted without.

    Parameters
    ----------
    name
        What it is called.
    """

    def __init__(self, name: str = "BG/NBD by size of orders") -> None:
        self.name = name

    def fit(self, case: Case) -> Self:
        """Fit the models to the histories at the origin.

        Raises
        ------
        DataError
            They do not carry a model.
        """
        self.horizon_ = case.horizon_days
        size = _mean_amount(case.now)
        known = size[np.isfinite(size)]
        self.steps_ = np.quantile(known, np.arange(1, STEPS) / STEPS) if len(known) else np.empty(0)
        self.usual_ = float(self._step(known).mean()) if len(known) else 0.0
        self.spend_ = _fitted_spend(case.now)
        try:
            sized = self._sized(case.now)
            if np.ptp(numbers(sized, _SIZE)) == 0:
                raise DataError("All people buy as much at a time.")
            self.model_ = BGNBD().fit(sized, covariates=[_SIZE])
            if not np.isfinite(self.model_.expected_orders(sized, self.horizon_)).all():
                raise DataError("The model with a trait forecasts no numbers.")
        except DataError:
            self.model_ = BGNBD().fit(histories(case.now))
        return self

    def forecast(self, now: pa.Table) -> Forecast:
        """Return expected orders, the probability of at least one, and expected spend."""
        if not hasattr(self, "model_"):
            raise NotFittedError.of(self)
        past = self._sized(now) if self.model_.covariate_names_ else now
        orders = self.model_.expected_orders(past, self.horizon_)
        spend = None if self.spend_ is None else orders * _expected_spend(self.spend_, now)
        return Forecast(orders, self.model_.active(past, self.horizon_), spend)

    def _step(self, size: Floats) -> Floats:
        return np.searchsorted(self.steps_, size).astype(np.float64)

    def _sized(self, table: pa.Table) -> pa.Table:
        """Return the columns of histories with the trait beside them; who has no known amount is of the usual size."""
        size = _mean_amount(table)
        step = np.where(np.isfinite(size), self._step(size), self.usual_)
        return table.select(["frequency", "recency", "T"]).append_column(_SIZE, pa.array(step))


class Ensemble(Levelled):
    """What a shop forecasts by unless told otherwise: who is before whom from ``Stacked``, how much from ``Sized``.

    Chosen by rolling origins on three shops (a music shop, a grocer, a gift wholesaler), of Pareto/NBD, BG/NBD,
    MBG/NBD, each with and without traits, boosted trees and their means: the highest mean Gini and AUC of the rankings,
    the lowest RMSE of the levels. Amounts lie halfway between the ranking's own, scaled to the level's total, and the
    rising curve from the ranking to the level.

    Parameters
    ----------
    name
        What it is called.
    """

    def __init__(self, name: str = "ensemble") -> None:
        super().__init__(Stacked(), Sized(), "halfway", name)


class _Models:
    """Pareto/NBD, else BG/NBD, and Gamma-Gamma of the people at one moment."""

    def __init__(self, table: pa.Table, horizon: float) -> None:
        past = histories(table)
        self.horizon = horizon
        self.orders: PurchaseModel
        try:
            self.orders = ParetoNBD().fit(past)
        except DataError:
            self.orders = BGNBD().fit(past)
        self.spend = _fitted_spend(table)

    def forecast(self, now: pa.Table) -> Forecast:
        """Return what the models say."""
        past = histories(now)
        orders = self.orders.expected_orders(past, self.horizon)
        spend = None if self.spend is None else orders * _expected_spend(self.spend, now)
        return Forecast(orders, self.orders.active(past, self.horizon), spend)


def _terms(table: pa.Table, models: _Models, stretch: float = 1.0) -> dict[str, Floats]:
    """Return the terms by name, each of shape (rows,), NaN where one is not known.

    What models expect is told a time that ``stretch`` times makes their horizon.
    """
    past = histories(table)
    orders = models.orders.expected_orders(past, models.horizon) / stretch
    idle = 1 - np.clip(models.orders.active(past, models.horizon), _FEWEST, 1 - _FEWEST)
    terms = {
        "expected orders": np.log(np.maximum(orders, _FEWEST)),
        _CHANCE: logit(1 - idle ** (1 / stretch)),
        "repeat purchases": np.log1p(numbers(table, "frequency")),
    }
    if models.spend is not None:
        terms["expected spend"] = _log(_expected_spend(models.spend, table))
        terms["mean amount"] = _log(_mean_amount(table))
    for name in COUNTS:
        if name in table.column_names:
            terms[name] = np.log1p(np.maximum(numbers(table, name), 0.0))
    return terms


def _moments(table: pa.Table) -> Sequence[npt.NDArray[np.intp]]:
    """Return the rows of each moment, the earliest first; all rows where moments are not told."""
    if "as_of" not in table.column_names:
        return [np.arange(len(table))]
    moments = table.column("as_of").to_numpy()
    return [np.flatnonzero(moments == moment) for moment in np.unique(moments)]


def _mean_amount(table: pa.Table) -> Floats:
    """Return the mean amount of a person's purchases, the first one included; NaN where none is known to be above 0."""
    if SPEND_PER_ORDER not in table.column_names:
        return np.full(len(table), np.nan)
    x, repeat = numbers(table, "frequency"), numbers(table, SPEND_PER_ORDER)
    if FIRST_SPEND in table.column_names:
        mean = (np.where(x > 0, x * repeat, 0.0) + numbers(table, FIRST_SPEND)) / (x + 1)
    elif "basket_value" in table.column_names:
        mean = numbers(table, "basket_value")
    else:
        mean = repeat
    return np.where(mean > 0, mean, np.nan)


def _purchases(table: pa.Table) -> pa.Table:
    """Return all purchases of each person and their mean amount, as Gamma-Gamma reads repeat purchases."""
    mean = _mean_amount(table)
    count = np.where(np.isfinite(mean), numbers(table, "frequency") + 1, 0.0)
    return pa.table({"frequency": count, "spend": pa.array(mean, from_pandas=True)})


def _fitted_spend(table: pa.Table) -> GammaGamma | None:
    """Return Gamma-Gamma of all purchases; None where amounts are unknown or cannot be told apart."""
    try:
        return GammaGamma().fit(_purchases(table))
    except DataError:
        return None


def _expected_spend(model: GammaGamma, table: pa.Table) -> Floats:
    return np.asarray(model.expected_spend(_purchases(table)), dtype=np.float64)


def _log(amount: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(amount > 0, np.log(amount), np.nan)
