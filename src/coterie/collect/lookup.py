"""Look-ups: other files that give further columns to each row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from coterie.collect.notation import Block


@dataclass(frozen=True)
class Join:
    """A look-up: at most one row of another file gives further columns to each row.

    Parameters
    ----------
    file
        The other file, relative to the folder of the data.
    on
        Pairs of column names, of the read file or an earlier look-up, and of the other file.
    take
        ``one``: the other file has one row a key, or is refused; ``first``: the first of several counts.
    sheet
        Of an Excel file: the sheet; None is the first.
    """

    file: str
    on: tuple[tuple[str, str], ...]
    take: str = "one"
    sheet: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the look-up as it is written in a mapping."""
        extra = {"take": self.take if self.take != "one" else None, "sheet": self.sheet}
        body: dict[str, Any] = {"file": self.file, "on": dict(self.on)}
        return body | {key: value for key, value in extra.items() if value}

    @classmethod
    def all_of(cls, block: Block) -> tuple[Join, ...]:
        """Make the look-ups of the key ``join`` of a read."""
        value = block.body.get("join", [])
        found = []
        listed = [value] if isinstance(value, dict) else value
        if not isinstance(listed, list) or not all(isinstance(body, dict) for body in listed):
            raise block.fail(f"'join' must be a table or a list of tables, got {value!r}.")
        for body in listed:
            inner = Block(f"{block.where}, join", body)
            inner.only("file", "on", "take", "sheet")
            if not inner.pairs("on"):
                raise inner.fail("'on' is missing.", 'for example on = "campaign_id", or on = { here = "there" }.')
            take = inner.one_of(inner.text("take", "one"), ("one", "first"), "take")
            found.append(cls(inner.path("file"), inner.pairs("on"), take, inner.text("sheet") or None))
        return tuple(found)
