"""Models of purchase histories as contenders: all that people did up to the origin, and no labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import numpy as np
import pyarrow as pa

from coterie.errors import DataError, NotFittedError
from coterie.predict.contest.contender import SPEND_PER_ORDER, Case, Contender, Forecast, histories

if TYPE_CHECKING:
    from coterie.predict.lifetime.gamma_gamma import GammaGamma
    from coterie.predict.lifetime.purchasing import PurchaseModel


class Probabilistic(Contender):
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
        self.horizon_ = case.horizon_days
        return self

    def forecast(self, now: pa.Table) -> Forecast:
        """Return expected orders, the probability of at least one, and expected spend."""
        if not hasattr(self, "horizon_"):
            raise NotFittedError.of(self)
        past = histories(now, self.covariates)
        orders = self.model.expected_orders(past, self.horizon_)
        spend = None
        if self.spend is not None and self.spends_:
            spend = orders * (self.spend.expected_spend(past) if self.mean_spend_ is None else self.mean_spend_)
        return Forecast(orders, self.model.active(past, self.horizon_), spend)
