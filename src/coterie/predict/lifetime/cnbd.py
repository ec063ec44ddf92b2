"""BG/CNBD-k and MBG/CNBD-k: regular buyers, the gaps between whose purchases are Erlang of shape k."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from scipy.special import gammaln

from coterie.errors import DataError, ParameterError
from coterie.predict.lifetime.bg_nbd import BetaGeometric
from coterie.predict.lifetime.histories import Floats, Histories

_MOST = 20  # so regular that a purchase is all but on time


class _Regular(BetaGeometric):
    def __init__(self, k: int | str = "estimate") -> None:
        self.k = k

    def fit(self, frame: Any, y: object = None, *, covariates: Sequence[str] | None = None) -> Self:
        """Learn the parameters, and k where it is to be estimated.

        Parameters
        ----------
        frame, covariates
            As in :meth:`PurchaseModel.fit`. To estimate k, ``log_gaps`` must be known; with k given it only makes
            ``log_likelihood_`` comparable, which is NaN without it.

        Raises
        ------
        ParameterError
            k is neither a whole number from 1 to 20 nor ``"estimate"``.
        DataError
            k is to be estimated and the gaps between purchases are not known.
        ConvergenceError, MissingColumnError, EmptyShopError
            As in :meth:`PurchaseModel.fit`.
        """
        whole = isinstance(self.k, int) and not isinstance(self.k, bool) and 1 <= self.k <= _MOST
        if not whole and self.k != "estimate":
            raise ParameterError.of(type(self).__name__, "k", self.k, f'a whole number from 1 to {_MOST} or "estimate"')
        histories = Histories.of(frame, covariates=tuple(covariates or ()))
        if isinstance(self.k, int):
            self.k_ = self.k
            return super().fit(histories)
        if not np.isfinite(histories.log_gaps).all():
            raise DataError(
                f"{type(self).__name__} cannot tell how regular purchases are: log_gaps is not known for everybody.",
                hint="make histories with Histories.of_orders, or give k.",
            )
        best: dict[str, Any] = {}
        for k in range(1, _MOST + 1):
            self.k_ = k
            super().fit(histories)
            if best and self.log_likelihood_ <= best["log_likelihood_"]:
                break
            best = dict(vars(self))
        vars(self).update(best)
        return self

    def _constants(self, histories: Histories) -> Floats:
        if self.k_ == 1:
            return np.zeros(len(histories))
        return (self.k_ - 1) * histories.log_gaps - histories.frequency * float(gammaln(self.k_))

    def _settings(self) -> dict[str, Any]:
        return {"k": self.k_}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """Return the fitted model that ``to_json`` wrote; errors as in :meth:`PurchaseModel.from_json`."""
        model = super().from_json(body)
        model.k_ = int(model.k)
        return model


class BGCNBD(_Regular):
    """The BG/CNBD-k model: as BG/NBD, but only every k-th event of a customer's Poisson process is a purchase.

    Gaps are then Erlang of shape k, more regular the larger k is; λ ~ Gamma(r, α) is the rate of events, so that the
    mean gap is k/λ.

    Parameters
    ----------
    k
        A whole number, or ``"estimate"``: the k of the highest likelihood, from 1 on as long as it rises.

    Attributes
    ----------
    k_
        The shape.

    References
    ----------
    Platzer & Reutterer (2016), Ticking away the moments: timing regularity helps to better predict customer activity.
    What it approximates, expected orders given the past, is here the exact sum over how far the next gap has gone.

    Examples
    --------
    >>> import pyarrow as pa
    >>> people = pa.table({"frequency": [0, 1, 0, 5, 2, 0, 9, 1], "recency": [0.0, 6, 0, 30, 9, 0, 37, 20],
    ...                    "T": [39.0, 38, 37, 36, 39, 35, 38, 34]})
    >>> BGCNBD(k=2).fit(people).k_
    2
    """

    first = False


class MBGCNBD(_Regular):
    """The MBG/CNBD-k model: as BG/CNBD-k, but the first purchase can be the last one too.

    Parameters
    ----------
    k
        A whole number, or ``"estimate"``: the k of the highest likelihood, from 1 on as long as it rises.

    Attributes
    ----------
    k_
        The shape.

    References
    ----------
    Platzer & Reutterer (2016), Ticking away the moments: timing regularity helps to better predict customer activity.
    """

    first = True
