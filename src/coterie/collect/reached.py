"""How far a database was read: the greatest value of its cursor column, kept as text with its kind."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from coterie.errors import UnreadableSourceError

_KINDS: dict[type, tuple[str, Callable[[Any], str], Callable[[str], Any]]] = {
    int: ("integer", str, int),
    float: ("real", repr, float),
    Decimal: ("number", str, Decimal),
    datetime: ("time", datetime.isoformat, datetime.fromisoformat),
    date: ("date", date.isoformat, date.fromisoformat),
    str: ("text", str, str),
}
_BY_NAME = {name: read for name, _, read in _KINDS.values()}


class Reached:
    """The greatest value of a cursor column that has been seen.

    Parameters
    ----------
    name
        What messages call the source.
    text
        Where a former read ended; None for a first one.

    Examples
    --------
    >>> reached = Reached("shop: orders", "integer 7")
    >>> reached.see([3, 12, None])
    >>> reached.text
    'integer 12'
    """

    def __init__(self, name: str, text: str | None) -> None:
        self.value: Any = None
        self._name = name
        if text is not None:
            kind, _, value = text.partition(" ")
            self.value = _BY_NAME[kind](value)

    def see(self, values: Iterable[Any]) -> None:
        """Take further values into account; missing ones do not count.

        Raises
        ------
        UnreadableSourceError
            When values cannot be compared or are of a kind that no order is known of.
        """
        for value in values:
            if value is None or (isinstance(value, float) and math.isnan(value)):
                continue
            if type(value) not in _KINDS:
                self._refuse(f"is of the type {type(value).__name__}")
            try:
                if self.value is None or value > self.value:
                    self.value = value
            except TypeError:
                self._refuse("has values of several types")

    @property
    def text(self) -> str | None:
        """The value with its kind, as text; None where none was seen."""
        if self.value is None:
            return None
        name, write, _ = _KINDS[type(self.value)]
        return f"{name} {write(self.value)}"

    def _refuse(self, what: str) -> None:
        raise UnreadableSourceError.of(
            self._name, f"its cursor {what}", hint="take a column of numbers or times that only grow."
        )
