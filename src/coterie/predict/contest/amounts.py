"""Amounts: what people pay at a time, their first purchase included, and the model of it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from coterie.errors import DataError
from coterie.predict.contest.contender import SPEND_PER_ORDER, Floats, numbers
from coterie.predict.lifetime.gamma_gamma import GammaGamma

FIRST_SPEND = "first_spend"


def mean_amount(table: pa.Table) -> Floats:
    """Return the mean amount of a person's purchases, the first one included; NaN where none is known to be above 0.

    Without ``first_spend`` it is ``basket_value`` of the catalogue, else that of the repeat purchases.

    >>> people = pa.table({"frequency": [3, 0], "spend_per_order": [20.0, None], "first_spend": [40.0, 0.0]})
    >>> mean_amount(people).tolist()
    [25.0, nan]
    """
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


def fitted_spend(table: pa.Table) -> tuple[GammaGamma | None, str | None]:
    """Return Gamma-Gamma of all purchases; or None, and why amounts carry no model (nothing where none are known)."""
    try:
        return GammaGamma().fit(_purchases(table)), None
    except DataError as error:
        return None, error.message if SPEND_PER_ORDER in table.column_names else None


def expected_spend(model: GammaGamma, table: pa.Table) -> Floats:
    """Return what each person's next purchase is expected to be worth: shape (people,), in the unit of amounts."""
    return np.asarray(model.expected_spend(_purchases(table)), dtype=np.float64)


def _purchases(table: pa.Table) -> pa.Table:
    """Return all purchases of each person and their mean amount, as Gamma-Gamma reads repeat purchases."""
    mean = mean_amount(table)
    count = np.where(np.isfinite(mean), numbers(table, "frequency") + 1, 0.0)
    return pa.table({"frequency": count, "spend": pa.array(mean, from_pandas=True)})
