"""The catalogue: the features that every shop gets, found by name. A shop's own are made the same way, beside these."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import SupportsIndex, overload

from coterie.errors import ParameterError
from coterie.features.combination import Declared
from coterie.features.outcome import (
    churned,
    future_category,
    future_orders,
    future_responses,
    future_spend,
    next_category,
)
from coterie.features.standard import OF_GOODS, THEMES
from coterie.features.standard.demographics import trait

__all__ = ["CATALOG", "CATALOGS", "OUTCOMES", "Catalog", "trait"]


class Catalog(tuple[Declared, ...]):
    """Features in order, found by position or by name.

    >>> CATALOG["spend_90d"].unit, "spend_90d" in CATALOG, CATALOG[0].name
    ('money', True, 'recency_days')
    >>> [feature.name for feature in CATALOG.select(["orders", "spend"])]
    ['orders', 'spend']
    """

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all features, in order."""
        return tuple(feature.name for feature in self)

    @overload
    def __getitem__(self, key: SupportsIndex | str) -> Declared: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[Declared, ...]: ...
    def __getitem__(self, key: SupportsIndex | slice | str) -> Declared | tuple[Declared, ...]:
        """Return a feature by position or name; an unknown name raises ParameterError."""
        if not isinstance(key, str):
            return super().__getitem__(key)
        for feature in self:
            if feature.name == key:
                return feature
        near = get_close_matches(key, self.names, 3)
        hint = f"did you mean {' or '.join(near)}?" if near else "coterie features lists them."
        raise ParameterError(f"The catalogue has no feature {key!r}.", hint=hint)

    def __contains__(self, key: object) -> bool:
        """Return whether there is such a feature, or one of that name."""
        return key in self.names if isinstance(key, str) else super().__contains__(key)

    def select(self, names: Iterable[str]) -> Catalog:
        """Return the features of these names, in that order."""
        return Catalog(self[name] for name in names)


CATALOG = Catalog(feature for features in THEMES.values() for feature in features)
"""The features of a person."""

CATALOGS = {"person": CATALOG, **{per: Catalog(features) for per, features in OF_GOODS.items()}}
"""The features of every owner (``OWNERS``): a person, a product, a category …, a person with one of them."""

OUTCOMES = (future_spend, churned, future_orders, future_category, next_category, future_responses)
