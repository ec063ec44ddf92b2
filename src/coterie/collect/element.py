"""The elements of a row: a nested list, or several things packed into one text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from coterie.collect.notation import Block


@dataclass(frozen=True)
class Each:
    """A column that holds a list, each element of which becomes a fact.

    Parameters
    ----------
    column
        The column or path; its elements' columns are written ``column.name``, and ``column`` alone is the element.
    between
        What stands between elements of packed text; None where the column holds a list.
    inside
        What stands between the values of one element of packed text.
    named
        What stands between the name of such a value and the value.
    """

    column: str
    between: str | None = None
    inside: str | None = None
    named: str | None = None

    def inner(self, column: str) -> str | None:
        """Return a column's path inside an element, empty for the element as a whole; None for a column of the row.

        >>> Each("items").inner("items.price"), Each("items").inner("items"), Each("items").inner("user")
        ('price', '', None)
        """
        if column == self.column:
            return ""
        if column.startswith(f"{self.column}."):
            return column[len(self.column) + 1 :]
        return column[len(self.column) :] if column.startswith(f"{self.column}[") else None

    def to_json(self) -> str | dict[str, Any]:
        """Return it as it is written in a mapping."""
        if self.between is None:
            return self.column
        body = {"column": self.column, "between": self.between, "inside": self.inside, "named": self.named}
        return {key: value for key, value in body.items() if value is not None}

    @classmethod
    def of(cls, block: Block) -> Each | None:
        """Make it of the key ``each`` of a read; None where there is none."""
        if "each" not in block.body:
            return None
        inner = block.entry("each")
        if "" in inner.body:
            return cls(inner.text("", needed=True))
        inner.only("column", "between", "inside", "named")
        column, between = inner.text("column", needed=True), inner.text("between", needed=True)
        inside, named = inner.text("inside"), inner.text("named")
        if bool(inside) != bool(named):
            raise inner.fail(
                "needs both 'inside' and 'named', or neither.",
                'for "sku:A1|total:5; sku:B2|total:7": between = ";", inside = "|", named = ":".',
            )
        if len({between, inside, named}) < 3 and inside:
            raise inner.fail("'between', 'inside' and 'named' must differ.")
        return cls(column, between, inside or None, named or None)
