"""What a proposed mapping would bring in: tried on the files in a shop that lives in memory and keeps nothing."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from coterie.collect.facts import EVENTS, OFFERS, ORDER_LINES, PRODUCTS, TRAITS
from coterie.collect.guess import propose
from coterie.collect.mapping import Mapping
from coterie.collect.proposal import Proposal
from coterie.collect.receipt import Receipt
from coterie.errors import CoterieError, StoreError
from coterie.progress import SILENT, Progress
from coterie.schema import Purpose
from coterie.store.warehouse import Warehouse
from coterie.workspace.opening import open as open_shop

LARGEST = 200 << 20  # bytes of files that a trial reads
SHOWN = 3  # facts of each table in the sample
_HIDDEN = {"subject", "ingested_at", "import_id", "row", "source"}


@dataclass(frozen=True)
class Guess:
    """A proposed mapping and what came of trying it.

    Parameters
    ----------
    proposal
        The mapping, with its evidence.
    receipt
        What became of the rows in the trial; None where there was none.
    sample
        Table → the first facts, without what only coterie uses.
    untried
        Why there was no trial; empty where there was one.
    """

    proposal: Proposal
    receipt: Receipt | None
    sample: dict[str, list[dict[str, Any]]]
    untried: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the guess as JSON values."""
        return {
            "mapping": self.proposal.toml(),
            "questions": list(self.proposal.questions),
            "known": dict(self.proposal.known),
            "trial": self.receipt.to_json() if self.receipt else None,
            "sample": self.sample,
            "untried": self.untried,
        }


def guess(folder: Path | str, *, progress: Progress = SILENT) -> Guess:
    """Propose a mapping for the files of a folder and try it, in memory.

    Parameters
    ----------
    folder
        Where the files lie.
    progress
        Where steps are reported.

    Raises
    ------
    UnreadableSourceError
        When there is no file that can be read as a table.
    """
    where = Path(folder).expanduser()
    proposal = propose(where)
    mapping = tomllib.loads(proposal.toml())
    if "read" not in mapping:
        return Guess(proposal, None, {}, "nothing was recognised")
    if sum(path.stat().st_size for path in where.rglob("*") if path.is_file()) > LARGEST:
        return Guess(proposal, None, {}, f"the files have more than {LARGEST >> 20} MiB")
    # The trial is forgotten with the shop that it ran in, so no basis is needed but for the gate to open.
    basis = ((Purpose.SEGMENTATION, "legitimate interest: a trial in memory, which nobody sees"),)
    try:
        with open_shop(None) as shop:
            receipt = shop.ingest(replace(Mapping.of(mapping), lawful_basis=basis), where, progress=progress)
            sample = {}
            for table in (ORDER_LINES, EVENTS, PRODUCTS, TRAITS, OFFERS):
                shop.warehouse.attach(table.name, shop.lake.source(table))
                if rows := _first(shop.warehouse, table.name):
                    sample[table.name] = rows
    except StoreError:
        raise
    except CoterieError as error:
        return Guess(proposal, None, {}, error.message)
    return Guess(proposal, receipt, sample)


def _first(warehouse: Warehouse, table: str) -> list[dict[str, Any]]:
    """Return the first facts of a table, without empty fields."""
    rows = warehouse.query(f'SELECT * FROM {table} ORDER BY import_id, "row" LIMIT {SHOWN}').to_pylist()
    return [{name: value for name, value in row.items() if value is not None and name not in _HIDDEN} for row in rows]
