"""The unit that the value of a feature naturally has, for definitions that do not say one."""

from __future__ import annotations

from coterie.features.aggregation import Aggregation
from coterie.features.feature import relation

MONEY = ("amount", "discount", "gross")
_FIXED = {"distinct": "count", "share": "share", "top_share": "share", "entropy": "number", "decayed": "number"}
_FIXED |= {"count": "count", "none": "count", "variance": "number"}
_FIXED |= dict.fromkeys(("days_since_last", "days_since_first", "gap_mean", "gap_std"), "days")


def natural_unit(on: str, aggregation: Aggregation, value: str | None) -> str:
    """Return the unit of a feature by what is done with which column.

    >>> natural_unit("Order Completed", Aggregation("mean"), "amount")
    'money'
    >>> natural_unit("Order Completed", Aggregation("most_frequent"), "weekday")
    'number'
    """
    if aggregation.kind in _FIXED:
        return _FIXED[aggregation.kind]
    if value in MONEY:
        return "money"
    kind = relation(on).columns.get(value or "", float)
    if kind is str and "text" in aggregation.units:
        return "text"
    return "count" if value == "lines" and aggregation.kind in ("sum", "min", "max", "first", "last") else "number"
