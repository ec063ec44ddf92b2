"""The receipt of an intake: what came in, and what became of every row."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class FileReceipt:
    """What came in with one file, and what became of it.

    Parameters
    ----------
    file
        Relative to the folder of the data.
    target
        What its rows become.
    import_id
        The number under which its facts and bad rows are found.
    received, accepted, quarantined, duplicates
        Source rows; the first is the sum of the others.
    facts
        Rows written; a row of a wide table of traits becomes several.
    reasons
        Broken rule → rows: of quarantined rows and, for warnings, of accepted ones.
    reused
        Whether the same file was imported before under the same mapping and contract, so that it was not read again.
    """

    file: str
    target: str
    import_id: int
    received: int
    accepted: int
    quarantined: int
    duplicates: int
    facts: int
    reasons: Mapping[str, int]
    reused: bool

    @classmethod
    def of(cls, row: Mapping[str, Any], *, reused: bool) -> FileReceipt:
        """Make the receipt of an import as the ledger keeps it."""
        names = ("file", "target", "import_id", "received", "accepted", "quarantined", "duplicates", "facts")
        return cls(**{name: row[name] for name in names}, reasons=json.loads(row["reasons"]), reused=reused)

    def to_json(self) -> dict[str, Any]:
        """Return the receipt as JSON values."""
        return {**vars(self), "reasons": dict(self.reasons)}


@dataclass(frozen=True)
class Receipt:
    """What came in from one source, file by file.

    Parameters
    ----------
    source
        The name that its facts carry.
    files
        What became of the rows of each file, once for each read of the mapping that took some.
    """

    source: str
    files: tuple[FileReceipt, ...]

    @property
    def received(self) -> int:
        """How many source rows came in."""
        return sum(file.received for file in self.files)

    @property
    def accepted(self) -> int:
        """How many became facts."""
        return sum(file.accepted for file in self.files)

    @property
    def quarantined(self) -> int:
        """How many were set aside with their reasons."""
        return sum(file.quarantined for file in self.files)

    @property
    def duplicates(self) -> int:
        """How many were known already."""
        return sum(file.duplicates for file in self.files)

    @property
    def reused(self) -> bool:
        """Whether every file had been imported before."""
        return all(file.reused for file in self.files)

    def to_json(self) -> dict[str, Any]:
        """Return the receipt as JSON values."""
        totals = {name: getattr(self, name) for name in ("received", "accepted", "quarantined", "duplicates", "reused")}
        return {"source": self.source, **totals, "files": [file.to_json() for file in self.files]}
