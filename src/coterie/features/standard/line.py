"""How a line of the catalogue is written: one call a feature, or one for the same feature in several windows."""

from __future__ import annotations

from collections.abc import Sequence

from coterie.features.aggregation import Aggregation
from coterie.features.combination import Combination
from coterie.features.feature import LIFETIME, Feature, Window
from coterie.features.rule import Rule
from coterie.features.unit import natural_unit

WINDOWS = (7, 30, 90, 365)
"""The windows, in days, that purchases are counted in beside the whole life."""


def line(
    name: str,
    on: str,
    how: str | Aggregation,
    value: str | None,
    title: str,
    meaning: str,
    *,
    days: int | None = None,
    where: Rule | None = None,
    per: str = "person",
) -> Feature:
    """Return a feature in the unit that is natural for it.

    >>> made = line("orders_7d", "Order Completed", "count", None, "Orders, 7 days", "Number of orders.", days=7)
    >>> made.unit, str(made.window)
    ('count', '7 days')
    """
    aggregation = Aggregation(how) if isinstance(how, str) else how
    window = LIFETIME if days is None else Window(days)
    return Feature(
        name, on, aggregation, value, window, where, natural_unit(on, aggregation, value), title, meaning, per
    )


def windows(
    name: str,
    on: str,
    how: str | Aggregation,
    value: str | None,
    title: str,
    meaning: str,
    days: Sequence[int | None],
    *,
    where: Rule | None = None,
    per: str = "person",
) -> tuple[Feature, ...]:
    """Return the same feature in several windows: ``spend`` of the whole life (None), ``spend_30d`` of 30 days.

    Parameters
    ----------
    name, title
        Those of the whole life; windows are put behind.
    meaning
        A sentence without its full stop; ``in 30 days`` is put behind.
    days
        Lengths in days, in this order.
    """
    made = []
    for length in days:
        if length is None:
            made.append(line(name, on, how, value, title, f"{meaning}.", where=where, per=per))
            continue
        shown = f"{title}, {'1 year' if length == 365 else '1 day' if length == 1 else f'{length} days'}"
        sentence = f"{meaning} in {length} day{'s' if length > 1 else ''}."
        made.append(line(f"{name}_{length}d", on, how, value, shown, sentence, days=length, where=where, per=per))
    return tuple(made)


def share_of(rule: Rule) -> Aggregation:
    """Return the share of facts (or of a number) for which a rule holds."""
    return Aggregation("share", of=rule)


def decayed(half_life: float) -> Aggregation:
    """Return the sum in which a fact counts half for every so many days."""
    return Aggregation("decayed", half_life=half_life)


def ratio(
    name: str, left: Feature, right: Feature, title: str, meaning: str, *, unit: str = "share",
    otherwise: int | None = None,
) -> Combination:  # fmt: skip
    """Return one feature over another: missing where either is missing or the second is 0."""
    return Combination(name, "ratio", left, right, unit, title, meaning, otherwise)


def remainder(name: str, left: Feature, right: Feature, title: str, meaning: str) -> Combination:
    """Return 1 - one feature over another: missing where either is missing or the second is 0."""
    return Combination(name, "remainder", left, right, "share", title, meaning)


def difference(name: str, left: Feature, right: Feature, title: str, meaning: str) -> Combination:
    """Return one feature less another, which counts as 0 where it is missing."""
    return Combination(name, "difference", left, right, left.unit, title, meaning)
