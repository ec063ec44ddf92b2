"""The book of imports, read back: the fate of the rows of each file, import by import."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from coterie.collect.facts import IMPORTS
from coterie.store.ports import Ledger

COUNTS = ("received", "accepted", "quarantined", "duplicates")


@dataclass(frozen=True)
class FileQuality:
    """The fate of the rows of one file.

    Parameters
    ----------
    source, file, target
        Which, and what its rows become.
    imports
        How often it was read to its end: again when it, the mapping or the contract had changed.
    received, accepted, quarantined, duplicates
        Rows over all these imports; the first is the sum of the others, as it is for each import.
    set_aside
        Quarantined rows of imports that no later one has gone over: what is mended no longer counts.
    imported_at, finished
        When its last import began, and whether that came to its end.
    """

    source: str
    file: str
    target: str
    imports: int
    received: int
    accepted: int
    quarantined: int
    duplicates: int
    set_aside: int
    imported_at: datetime
    finished: bool


@dataclass(frozen=True)
class ImportQuality:
    """One import of one file: which, when (naive UTC), and the fate of its rows.

    Parameters
    ----------
    import_id, source, file, target
        Which file, and what its rows became.
    started_at
        When it began, naive UTC.
    finished
        Whether it came to its end; one that did not has no counts yet.
    received, accepted, quarantined, duplicates
        Rows; the first is the sum of the others.
    """

    import_id: int
    source: str
    file: str
    target: str
    started_at: datetime
    finished: bool
    received: int | None
    accepted: int | None
    quarantined: int | None
    duplicates: int | None


@dataclass(frozen=True)
class History:
    """The imports of one file by one read of its mapping, the oldest first."""

    imports: list[dict[str, Any]]

    @property
    def done(self) -> list[dict[str, Any]]:
        """Those that came to their end."""
        return [row for row in self.imports if row["state"] == "done"]

    @property
    def standing(self) -> list[dict[str, Any]]:
        """The imports whose bad rows no later import has gone over."""
        done = self.done
        return [row for at, row in enumerate(done) if not any(_gone_over(row, later) for later in done[at + 1 :])]

    @property
    def ended(self) -> bool:
        """Whether the last one came to its end."""
        return bool(self.imports[-1]["state"] == "done")

    def quality(self) -> FileQuality:
        """Return the counts over all imports."""
        last = self.imports[-1]
        return FileQuality(
            **{name: last[name] for name in ("source", "file", "target")},
            imports=len(self.done),
            **{name: sum(row[name] for row in self.done) for name in COUNTS},
            set_aside=sum(row["quarantined"] for row in self.standing),
            imported_at=last["started_at"],
            finished=self.ended,
        )


def histories(ledger: Ledger) -> list[History]:
    """Return the history of each file, in the order in which they came first; what was undone is left out."""
    found: dict[tuple[str, str, str, str | None], History] = {}
    for row in ledger.read(IMPORTS).sort_by("import_id").to_pylist():
        if row["state"] != "undone":
            key = (row["source"], row["file"], row["target"], row["read"])
            found.setdefault(key, History([])).imports.append(row)
    return list(found.values())


def imports(histories: list[History]) -> tuple[ImportQuality, ...]:
    """Return every import, the oldest first."""
    rows = sorted((row for history in histories for row in history.imports), key=lambda row: int(row["import_id"]))
    names = ("import_id", "source", "file", "target", "started_at", *COUNTS)
    return tuple(ImportQuality(**{name: row[name] for name in names}, finished=row["state"] == "done") for row in rows)


def broken(row: Mapping[str, Any]) -> dict[str, int]:
    """Return rule → rows of an import."""
    reasons: dict[str, int] = json.loads(row["reasons"] or "{}")
    return reasons


def assumed(row: Mapping[str, Any]) -> dict[str, int]:
    """Return what was assumed → rows of an import."""
    found: dict[str, int] = json.loads(row["assumed"] or "{}")
    return found


def _gone_over(row: dict[str, Any], later: dict[str, Any]) -> bool:
    """Tell whether a later import read the same rows, and not others in a file of the same name.

    Then all that was good is known, or broke a rule this time. A list of products or people is always the same list.
    """
    whole = row["target"] in ("product", "trait")
    good: int = row["accepted"] + row["duplicates"]
    return whole or later["duplicates"] + later["quarantined"] >= good
