"""Models of purchase histories as contenders: all that people did up to the origin, and no labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa

from coterie.errors import DataError
from coterie.predict.contest.contender import SPEND_PER_ORDER, Case, Forecast, histories
from coterie.predict.contest.stored import Parts, Storable

if TYPE_CHECKING:
    from coterie.predict.lifetime.gamma_gamma import GammaGamma
    from coterie.predict.lifetime.purchasing import PurchaseModel


class Probabilistic(Storable):
    """Expected orders and activity from a model of purchases, spend from a model of the mean spend of an order.

    Where too few people have spend for a model of it, each order counts the mean spend of all repeat orders, and
    ``degraded_`` says so.

    Both are fitted on the histories of everybody at the origin: the past is all in there, so that earlier moments and
    what happened after them add nothing. Spend is expected orders times expected spend of an order, which takes the
    two to be independent.

    Parameters
    ----------
    model
        Such as ``BGNBD()`` or ``ParetoNBD()``.
    spend
        ``GammaGamma()``; None forecasts no spend.
    covariates
        Columns of traits that do not change, for models that take them.
    name
        None takes the names of the models.
    """

    _last = "horizon_"

    def __init__(
        self,
        model: PurchaseModel,
        spend: GammaGamma | None = None,
        covariates: Sequence[str] = (),
        name: str | None = None,
    ) -> None:
        self.model = model
        self.spend = spend
        self.covariates = covariates
        parts = [type(one).__name__ for one in (model, spend) if one is not None]
        self.name = name or " × ".join(parts)

    def fit(self, case: Case) -> Self:
        """Fit the models to the histories at the origin; people without known spend are left out of that of spend.

        Raises
        ------
        DataError
            The histories do not carry the model of purchases: too few people, all alike, no maximum of the likelihood.
        """
        past = histories(case.now, self.covariates)
        self.model.fit(past)
        self.degraded_, self.mean_spend_ = None, None
        self.spends_ = self.spend is not None and SPEND_PER_ORDER in case.now.column_names
        if self.spend is not None and self.spends_:
            try:
                self.spend.fit(past)
            except DataError as error:
                known = np.isfinite(past.spend) & (past.frequency > 0)
                x = past.frequency[known]
                self.mean_spend_ = float((x * past.spend[known]).sum() / x.sum()) if known.any() else 0.0
                self.degraded_ = f"{error.message} Each order counts the mean spend of all repeat orders instead."
        self.horizon_ = float(case.horizon_days)
        return self

    def forecast(self, now: pa.Table) -> Forecast:
        """Return expected orders, the probability of at least one, and expected spend."""
        self._check_fitted()
        past = histories(now, self.covariates)
        orders = self.model.expected_orders(past, self.horizon_)
        spend = None
        if self.spend is not None and self.spends_:
            spend = orders * (self.spend.expected_spend(past) if self.mean_spend_ is None else self.mean_spend_)
        return Forecast(orders, self.model.active(past, self.horizon_), spend)

    def _learnt(self) -> dict[str, Any]:
        told = self.spend is not None and self.spends_ and self.mean_spend_ is None
        return {
            "horizon": self.horizon_,
            "model": self.model.to_json(),
            "spend": self.spend.to_json() if told and self.spend is not None else None,
            "mean_spend": self.mean_spend_ if self.spends_ else None,
        }

    @classmethod
    def _made(cls, name: str, parts: Parts) -> Self:
        from coterie.predict.lifetime.gamma_gamma import GammaGamma
        from coterie.predict.lifetime.kinds import purchase_model

        model, spend = purchase_model(parts.any("model")), parts.any("spend")
        mean = None if parts.any("mean_spend") is None else parts.number("mean_spend")
        if spend is not None and mean is not None:
            raise ValueError("it has both spend and mean_spend")
        made = cls(model, covariates=model.covariate_names_, name=name)
        if spend is not None or mean is not None:
            made.spend = GammaGamma() if spend is None else GammaGamma.from_json(spend)
        made.spends_, made.mean_spend_ = made.spend is not None, mean
        made.horizon_ = parts.number("horizon", above=0.0)
        return made
