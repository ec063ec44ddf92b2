"""Which rows of a file a read takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from coterie.collect.notation import Block


@dataclass(frozen=True)
class Condition:
    """What a column of a row must say, or must not say.

    Parameters
    ----------
    column
        The column or path.
    words
        The texts; the empty one stands for a missing value.
    negated
        Whether the column must say none of them.
    """

    column: str
    words: tuple[str, ...]
    negated: bool = False

    def to_json(self) -> list[str] | dict[str, list[str]]:
        """Return what stands after the column in a mapping."""
        return {"not": list(self.words)} if self.negated else list(self.words)

    @classmethod
    def all_of(cls, block: Block) -> tuple[Condition, ...]:
        """Make the conditions of the table ``where``: column → text, list of texts, or ``{ not = … }``."""
        found = []
        for column, said in block.body.items():
            negated = isinstance(said, dict)
            inner = Block(f"{block.where}, {column}", said if isinstance(said, dict) else {"is": said})
            inner.only("not" if negated else "is")
            words = inner.texts("not" if negated else "is")
            if not words:
                raise inner.fail("needs at least one text.", 'for example "purchase", or { not = "" }.')
            found.append(cls(column, tuple(dict.fromkeys(words)), negated))
        return tuple(found)


def to_json(conditions: tuple[Condition, ...]) -> dict[str, Any]:
    """Return conditions as the table ``where``."""
    return {each.column: each.to_json() for each in conditions}
