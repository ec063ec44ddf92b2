"""The verbs that bring data in and look after them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from coterie.collect.intake import Intake, Receipt
from coterie.collect.mapping import Mapping
from coterie.collect.quality import Quality, quality
from coterie.collect.shops import READY
from coterie.errors import IntegrityError, ParameterError
from coterie.govern import requests
from coterie.profiles.resolution import link
from coterie.progress import SILENT, Progress
from coterie.workspace.facts import PERSONAL, SHARED, attach

if TYPE_CHECKING:
    pass

from coterie.workspace.keeping import Keeping


class Collecting(Keeping):
    """A shop that data come into."""

    def ingest(
        self,
        mapping: Mapping | str | Path,
        folder: str | Path | None = None,
        *,
        now: datetime | None = None,
        progress: Progress = SILENT,
    ) -> Receipt:
        """Bring a source's files in. Every row is accepted, quarantined with all its reasons, or known already.

        Parameters
        ----------
        mapping
            What the files mean: a :class:`coterie.Mapping`, a TOML file, or the name of a ready one
            (``"complete_journey"``).
        folder
            Where the mapping's files lie; by default the mapping file's own folder, or the ready mapping's.
        now
            The moment of ingestion, naive UTC; None is the present.
        progress
            Where steps are reported.

        Returns
        -------
        Receipt
            What came in and what became of it, by file. Files that were imported before are reused, not read again.

        Raises
        ------
        MappingError, UnreadableSourceError, MissingColumnError
            When the mapping or a file cannot be followed; what was imported before stays.
        GateRefusedError
            When the mapping declares no lawful basis.
        ShopLockedError
            When another process is writing to the shop.
        """
        meant, where = self._mapping(mapping, folder)
        with self._writing("ingest", {"source": meant.source}) as run:
            intake = Intake(
                self.warehouse,
                self.lake,
                self.ledger,
                self.vault,
                self.gate,
                self.config,
                edges=lambda found: link(self.ledger, found, now=now),
            )
            receipt = intake.ingest(meant, where, now=now, progress=progress)
            run.facts = receipt.to_json()
        return receipt

    def check(self) -> Quality:
        """Report on the data: the fate of every row, reasons, completeness, freshness, and what was assumed.

        Also whether the audit chain is whole, and whether every table and file of the shop has an owner.
        """
        attach(self.warehouse, self.lake, self.ledger, (*PERSONAL, *SHARED), None)
        found = quality(self.warehouse, self.lake, self.ledger)
        problems = list(found.problems)
        try:
            self.gate.audit.verify()
        except IntegrityError as error:
            problems.append(error.message)
        existing = [*self.ledger.tables(), *self.lake.tables()]
        if self.folder is not None:
            existing += [path.name for path in self.folder.iterdir()]
        if strangers := requests.unowned(existing, self.holders()):
            problems.append(
                f"{', '.join(strangers)}: nobody in the shop owns this, so nobody answers for personal data in it."
            )
        return replace(found, problems=tuple(problems))

    def _mapping(self, mapping: Mapping | str | Path, folder: str | Path | None) -> tuple[Mapping, Path]:
        """Return the mapping that is meant and where its files lie."""
        if isinstance(mapping, Mapping):
            if folder is None:
                raise ParameterError("ingest: a mapping made in Python needs the folder that its files lie in.")
            return mapping, Path(folder).expanduser()
        if isinstance(mapping, str) and mapping in READY:
            meant, where = READY[mapping]()
            return meant, Path(folder).expanduser() if folder is not None else where
        path = Path(mapping).expanduser()
        return Mapping.load(path), Path(folder).expanduser() if folder is not None else path.parent
