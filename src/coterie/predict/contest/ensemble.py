"""The ensemble: ranked by what models of histories say, weighed by what came true, at the level of one model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.special import logit

from coterie.errors import DataError, MissingColumnError
from coterie.predict.contest import regression
from coterie.predict.contest.amounts import expected_spend, fitted_spend, mean_amount
from coterie.predict.contest.contender import Case, Floats, Forecast, histories, numbers
from coterie.predict.contest.levelled import FEWEST, Levelled
from coterie.predict.contest.stored import Parts, Storable
from coterie.predict.lifetime.bg_nbd import BGNBD
from coterie.predict.lifetime.gamma_gamma import GammaGamma
from coterie.predict.lifetime.kinds import purchase_model
from coterie.predict.lifetime.pareto_nbd import ParetoNBD
from coterie.predict.lifetime.purchasing import PurchaseModel

COUNTS = ("orders_30d", "basket_units", "basket_lines")
"""Columns of the catalogue that are read where they are there, beside those of histories."""
FAMILIES: Mapping[str, regression.Family] = {"orders": "poisson", "active": "logistic", "spend": "tweedie"}
BUYERS = 100  # who must have ordered after the earlier moments: ten and more for each weight
STEPS = 10  # of the size of orders as a trait: more would leave few people with equal histories
_FAR = 6.0  # standard deviations: in forecasts, a term beyond it counts as if it lay there
_FEWEST = 1e-4  # expected orders, or chance of one, for logarithms
_SAME = 1e-9  # a term of less spread does not differ between people
_SIZE = "size_of_orders"
_CHANCE = "chance of an order"
_TERMS = {"expected orders", _CHANCE, "repeat purchases", "expected spend", "mean amount", *COUNTS}
_ALONE = "people are ranked by the models alone."
_UNSPENT = "Nothing is said of spend."


def label_days(age: float, horizon_days: float) -> float:
    """Return how far to look ahead from an earlier moment, for ``Stacked`` to learn what came true.

    The horizon, where the shop is old enough to leave as long a past before that moment; else a third of its age, so
    that two thirds come before. The earlier moment lies as far before the origin.

    >>> label_days(365, 91), label_days(273, 273)
    (91, 91)
    """
    return horizon_days if age >= 2 * horizon_days else int(age // 3)


class Stacked(Storable):
    """Ranks people by what models of histories forecast and by how much they buy at a time, weighed by what came true.

    At each earlier moment Pareto/NBD and Gamma-Gamma (of all purchases, the first one included) are fitted on what was
    known then. Regressions learn what followed: a Poisson one of orders, a logistic one of whether there was an order,
    a Tweedie one of spend. Their terms are logarithms: expected orders, expected spend of a purchase, the mean amount
    so far, repeat purchases, and of ``COUNTS`` what is there; for whether there is an order, the log odds of Pareto/NBD
    as well. At the origin the models are fitted anew, and the same weights are used. A ranking carries over to another
    horizon; how much in all does not (see ``Ensemble``).

    Without ``then``, or where fewer than 100 rows of it were followed by an order, people are ranked by the models
    alone, and ``degraded_`` says so; so is spend where none is known to have followed: expected orders, at the expected
    spend of each.

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

    _last = "models_"

    def __init__(self, name: str = "stacked") -> None:
        self.name = name

    def fit(self, case: Case) -> Self:
        """Fit the models at the origin and at each earlier moment, and learn the weights from what followed.

        Raises
        ------
        DataError
            The histories at the origin do not carry a model; ConvergenceError and MissingColumnError are among these.
        """
        models = _Models.fitted(case.now, case.horizon_days)
        alone = self._weigh(case, models)
        self.degraded_ = " ".join(one for one in (alone, *models.notes) if one) or None
        self.models_ = models
        return self

    def _weigh(self, case: Case, models: _Models) -> str | None:
        """Learn the weights; say why there are none, or fewer."""
        self.terms_: tuple[str, ...] = ()
        self.weights_: dict[str, Floats] = {}
        self.centre_ = self.scale_ = np.empty(0)
        self.stretch_ = float(case.stretch)
        followed = {name: told for name in ("orders", "spend") if (told := case.learnt(name)) is not None}
        if case.then is None or "orders" not in followed:
            return f"No earlier moments with what happened after them are known: {_ALONE}"
        days = case.horizon_days / case.stretch
        found, rows = [], []
        for at in _moments(case.then):
            table = case.then.take(pa.array(at))
            try:
                terms = _terms(table, _Models.fitted(table, days))
            except DataError:  # so early that there is too little for a model
                continue
            found.append(terms)
            rows.append(at)
        if not rows:
            return f"At none of the earlier moments is there enough for the models: {_ALONE}"
        at = np.concatenate(rows)
        if (buyers := int((followed["orders"][at] > 0).sum())) < BUYERS:
            return f"After the earlier moments {buyers:,} people ordered, where weights take {BUYERS}: {_ALONE}"
        names = [name for name in _terms(case.now, models) if all(name in one for one in found)]
        told = np.column_stack([np.concatenate([one[name] for one in found]) for name in names])
        seen = np.isfinite(told)
        told = np.where(seen, told, 0.0)
        count = np.maximum(seen.sum(axis=0), 1)
        centre = told.sum(axis=0) / count
        scale = np.sqrt((np.square(told - centre) * seen).sum(axis=0) / count)
        kept = scale > _SAME
        self.terms_ = tuple(name for name, one in zip(names, kept, strict=True) if one)
        self.centre_, self.scale_ = centre[kept], scale[kept]
        learnt = np.where(seen, (told - centre) / np.where(kept, scale, 1.0), 0.0)[:, kept]
        for part, family in FAMILIES.items():
            outcome = followed.get("spend" if part == "spend" else "orders")
            if outcome is None or (part == "spend" and models.spend is None) or not outcome[at].any():
                continue
            label = (outcome[at] > 0).astype(np.float64) if part == "active" else outcome[at]
            self.weights_[part] = regression.fitted(learnt[:, self._read(part)], label, family)
        if "spend" in self.weights_ or models.spend is None:
            return None
        return "Nothing is known to have been spent after the earlier moments: spend is that of the models alone."

    def forecast(self, now: pa.Table) -> Forecast:
        """Return expected orders, activity and spend; what was learnt from a shorter horizon is stretched."""
        self._check_fitted()
        if not self.weights_:
            return self.models_.forecast(now)
        terms = _terms(now, self.models_, self.stretch_)
        if lost := [name for name in self.terms_ if name not in terms]:
            raise MissingColumnError.of("The table of people", lost, now.column_names)
        found = (np.column_stack([terms[name] for name in self.terms_]) - self.centre_) / self.scale_
        found = np.clip(np.where(np.isfinite(found), found, 0.0), -_FAR, _FAR)
        scores: dict[str, Floats] = {
            part: regression.told(found[:, self._read(part)], weights, FAMILIES[part])
            for part, weights in self.weights_.items()
        }
        orders, spend = scores["orders"] * self.stretch_, None
        if "spend" in scores:
            spend = scores["spend"] * self.stretch_
        elif self.models_.spend is not None:
            spend = orders * expected_spend(self.models_.spend, now)
        return Forecast(orders, 1 - (1 - scores["active"]) ** self.stretch_, spend)

    def _learnt(self) -> dict[str, Any]:
        return {
            "models": self.models_.to_json(),
            "stretch": self.stretch_,
            "terms": list(self.terms_),
            "centre": self.centre_.tolist(),
            "scale": self.scale_.tolist(),
            "weights": {part: self.weights_[part].tolist() if part in self.weights_ else None for part in FAMILIES},
        }

    @classmethod
    def _made(cls, name: str, parts: Parts) -> Self:
        made = cls(name)
        made.models_ = _Models.from_json(parts.parts("models"))
        made.stretch_ = parts.number("stretch", above=0.0)
        made.terms_ = parts.texts("terms")
        made.centre_, made.scale_ = (parts.numbers(part, len(made.terms_)) for part in ("centre", "scale"))
        weights = parts.parts("weights")
        learnt = weights.given(tuple(FAMILIES))
        made.weights_ = {part: weights.numbers(part, 1 + int(made._read(part).sum())) for part in learnt}
        weights.finish()
        if set(made.terms_) - _TERMS or len(set(made.terms_)) < len(made.terms_) or (made.scale_ <= 0).any():
            raise ValueError("terms is not as it should be")
        if learnt and not (made.terms_ and {"orders", "active"} <= set(learnt)):
            raise ValueError("weights is not as it should be")
        return made

    def _read(self, part: str) -> npt.NDArray[np.bool_]:
        """Return which terms a regression reads."""
        return np.array([name != _CHANCE or part == "active" for name in self.terms_], dtype=bool)


class Sized(Storable):
    """BG/NBD with the size of orders as a trait, and Gamma-Gamma of all purchases, the first one included.

    Who buys much at a time differs in rate and dropout. The trait is the tenth of all people that a person's mean
    amount lies in; of fewer than 50 people, the group of five or more. Where the model cannot be fitted with it, it is
    fitted without, and ``degraded_`` says so.

    Parameters
    ----------
    name
        What it is called.
    """

    _last = "model_"

    def __init__(self, name: str = "BG/NBD by size of orders") -> None:
        self.name = name

    def fit(self, case: Case) -> Self:
        """Fit the models to the histories at the origin.

        Raises
        ------
        DataError
            They do not carry a model.
        """
        self.horizon_ = float(case.horizon_days)
        size = mean_amount(case.now)
        known = size[np.isfinite(size)]
        groups = min(STEPS, len(known) // FEWEST)
        self.steps_ = np.quantile(known, np.arange(1, groups) / groups) if groups else np.empty(0)
        self.usual_ = float(self._step(known).mean()) if len(known) else 0.0
        self.spend_, unspent = fitted_spend(case.now)
        model, plain = self._modelled(case.now)
        notes = (plain, unspent and f"{unspent} {_UNSPENT}")
        self.degraded_ = " ".join(one for one in notes if one) or None
        self.model_ = model
        return self

    def _modelled(self, now: pa.Table) -> tuple[BGNBD, str | None]:
        """Return the model with the trait, else without it and why."""
        try:
            sized = self._sized(now)
            if np.ptp(numbers(sized, _SIZE)) == 0:
                raise DataError("All people buy as much at a time, as far as amounts are known.")
            model = BGNBD().fit(sized, covariates=[_SIZE])
            if not np.isfinite(model.expected_orders(sized, self.horizon_)).all():
                raise DataError("The model with a trait forecasts no numbers.")
        except DataError as error:
            return BGNBD().fit(histories(now)), f"{error.message} BG/NBD takes no account of the size of orders."
        return model, None

    def forecast(self, now: pa.Table) -> Forecast:
        """Return expected orders, the probability of at least one, and expected spend."""
        self._check_fitted()
        past = self._sized(now) if self.model_.covariate_names_ else now
        return _told(self.model_, self.spend_, self.horizon_, past, now)

    def _learnt(self) -> dict[str, Any]:
        return {
            "horizon": self.horizon_,
            "steps": self.steps_.tolist(),
            "usual": self.usual_,
            "model": self.model_.to_json(),
            "spend": self.spend_ and self.spend_.to_json(),
        }

    @classmethod
    def _made(cls, name: str, parts: Parts) -> Self:
        made = cls(name)
        made.horizon_, made.usual_ = parts.number("horizon", above=0.0), parts.number("usual")
        made.steps_ = parts.numbers("steps")
        made.model_ = BGNBD.from_json(parts.any("model"))
        made.spend_ = _spend_of(parts)
        if (np.diff(made.steps_) < 0).any():
            raise ValueError("steps do not rise")
        if made.model_.covariate_names_ not in ((), (_SIZE,)):
            raise ValueError("its model has other traits")
        return made

    def _step(self, size: Floats) -> Floats:
        return np.searchsorted(self.steps_, size).astype(np.float64)

    def _sized(self, table: pa.Table) -> pa.Table:
        """Return the columns of histories with the trait beside them; who has no known amount is of the usual size."""
        size = mean_amount(table)
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

    @classmethod
    def _made(cls, name: str, parts: Parts) -> Self:
        made = super()._made(name, parts)
        if not (isinstance(made.ranking, Stacked) and isinstance(made.level, Sized) and made.shape == "halfway"):
            raise ValueError("it is made of other contenders")
        return made


@dataclass(frozen=True)
class _Models:
    """Pareto/NBD, else BG/NBD, and Gamma-Gamma of the people at one moment; and what they could not be, in words."""

    orders: PurchaseModel
    spend: GammaGamma | None
    horizon: float
    notes: tuple[str, ...] = ()

    @classmethod
    def fitted(cls, table: pa.Table, horizon: float) -> Self:
        """Fit them."""
        past, notes = histories(table), []
        orders: PurchaseModel
        try:
            orders = ParetoNBD().fit(past)
        except DataError as error:
            orders = BGNBD().fit(past)
            notes.append(f"{error.message} BG/NBD takes its place.")
        spend, unspent = fitted_spend(table)
        if unspent:
            notes.append(f"{unspent} {_UNSPENT}")
        return cls(orders, spend, float(horizon), tuple(notes))

    def forecast(self, now: pa.Table) -> Forecast:
        """Return what the models say."""
        return _told(self.orders, self.spend, self.horizon, histories(now), now)

    def to_json(self) -> dict[str, Any]:
        """Return the models, without the notes."""
        return {"horizon": self.horizon, "orders": self.orders.to_json(), "spend": self.spend and self.spend.to_json()}

    @classmethod
    def from_json(cls, parts: Parts) -> Self:
        """Return what ``to_json`` wrote."""
        made = cls(purchase_model(parts.any("orders")), _spend_of(parts), parts.number("horizon", above=0.0))
        parts.finish()
        return made


def _spend_of(parts: Parts) -> GammaGamma | None:
    body = parts.any("spend")
    return None if body is None else GammaGamma.from_json(body)


def _told(orders: PurchaseModel, spend: GammaGamma | None, horizon: float, past: Any, now: pa.Table) -> Forecast:
    """Return what a model of histories and one of amounts say; the two are taken to be independent."""
    told = orders.expected_orders(past, horizon)
    return Forecast(told, orders.active(past, horizon), None if spend is None else told * expected_spend(spend, now))


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
        terms["expected spend"] = _log(expected_spend(models.spend, table))
        terms["mean amount"] = _log(mean_amount(table))
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


def _log(amount: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(amount > 0, np.log(amount), np.nan)
