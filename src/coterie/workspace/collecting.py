"""The verbs that bring data in and look after them."""

from __future__ import annotations

from collections.abc import Mapping as Dictionary
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from coterie.collect import shops, undo
from coterie.collect.intake import Intake, Receipt
from coterie.collect.mapping import Mapping
from coterie.collect.quality import Quality
from coterie.collect.trace import Fate, trace
from coterie.errors import ParameterError
from coterie.profiles.edges import link
from coterie.profiles.identity import blocked_values
from coterie.progress import SILENT, Progress
from coterie.workspace import checking
from coterie.workspace.keeping import Keeping

Folders = str | Path | Sequence[str | Path]


class Collecting(Keeping):
    """A shop that data come into."""

    def ingest(
        self,
        mapping: Mapping | str | Path,
        folder: Folders | None = None,
        *,
        source: str | None = None,
        lawful_basis: Dictionary[str, str] | None = None,
        currency: str | None = None,
        timezone: str | None = None,
        exported: date | str | None = None,
        now: datetime | None = None,
        progress: Progress = SILENT,
    ) -> Receipt:
        """Bring a source's files in. Every row is accepted, quarantined with all its reasons, or known already.

        Parameters
        ----------
        mapping
            What the files mean: a :class:`coterie.Mapping`, a TOML file, or the name of a ready one
            (``"complete_journey"``, ``"shopify_orders"``).
        folder
            Where the mapping's files lie; by default the mapping file's own folder, or the ready mapping's. Of several
            folders each is brought in, and the books name its files with its own name before them.
        source, lawful_basis, currency, timezone, exported
            What only the shop knows of a ready mapping, in place of what the mapping says: the name that facts carry,
            purpose → why the data may be used, the currency and IANA zone of what names none, the day of the export.
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
        meant, where = self._mapping("ingest", mapping, folder)
        known: dict[str, Any] = {"source": source, "lawful_basis": lawful_basis, "currency": currency}
        meant = shops.adapted(meant, **known, timezone=timezone, exported=exported)
        labels = _labels(where)
        with self._writing("ingest", {"source": meant.source}) as run:
            intake = self._intake(now)
            receipts = [
                intake.ingest(meant, each, label=label, now=now, progress=progress)
                for each, label in zip(where, labels, strict=True)
            ]
            receipt = Receipt(meant.source, tuple(file for each in receipts for file in each.files))
            run.facts = receipt.to_json()
        return receipt

    def replay(
        self,
        mapping: Mapping | str | Path,
        folder: str | Path | None = None,
        *,
        source: str | None = None,
        lawful_basis: Dictionary[str, str] | None = None,
        currency: str | None = None,
        timezone: str | None = None,
        exported: date | str | None = None,
        now: datetime | None = None,
        progress: Progress = SILENT,
    ) -> Receipt:
        """Judge a source's quarantined rows anew, after its mapping or contract was mended.

        What passes becomes facts under its old import and row, as if the rule had been mended before. The files
        themselves are not needed, only those of look-ups, rates and the contract.

        Parameters
        ----------
        mapping
            What the files mean by now; its source is the one whose rows are judged.
        folder
            Where look-ups, rates and the contract lie, as for :meth:`ingest`.
        source, lawful_basis, currency, timezone, exported, now, progress
            As for :meth:`ingest`.

        Returns
        -------
        Receipt
            Of each import that had such rows: what became of them.
        """
        meant, where = self._mapping("replay", mapping, folder)
        known: dict[str, Any] = {"source": source, "lawful_basis": lawful_basis, "currency": currency}
        meant = shops.adapted(meant, **known, timezone=timezone, exported=exported)
        with self._writing("replay", {"source": meant.source}) as run:
            receipt = self._intake(now).replay(meant, where[0], now=now, progress=progress)
            run.facts = receipt.to_json()
        return receipt

    def trace(self, file: str, row: int, import_id: int | None = None) -> tuple[Fate, ...]:
        """Return what became of one row of a file: its fate, its facts, its reasons, or the row that it repeats.

        Parameters
        ----------
        file
            As receipts name it.
        row
            Its number in the file, from 1; the header does not count.
        import_id
            Only this import; None is every one, the oldest first.

        Returns
        -------
        tuple of Fate
            One for each import and read of the mapping that took the row.

        Raises
        ------
        ParameterError
            When no such file, import or row came in.
        """
        return trace(self.warehouse, self.inbox, self.ledger, file, row, import_id)

    def undo_import(self, import_id: int) -> dict[str, Any]:
        """Take an import back that was wrong, so that a corrected mapping can bring the file in anew.

        Its facts, links and quarantined rows go, and what only it showed about who is who. Identifiers stay in the
        vault.

        Parameters
        ----------
        import_id
            The number of the import, as receipts and :meth:`trace` name it.

        Returns
        -------
        dict
            The import as the books have it; ``together_with`` are imports that went with it, because after a replay
            each had left rows out for the other: bring their files in again, too.

        Raises
        ------
        ParameterError
            When there is no such import, it is of consents, or other imports left rows out because this one had them.
        """
        with self._writing("undo_import", {"import_id": import_id}) as run:
            row, *with_it = undo.undo(
                self.warehouse,
                self.lake,
                self.ledger,
                import_id,
                unlink=self._unlink,
                going=self._going,
            )
            run.facts = {name: row[name] for name in ("import_id", "source", "file", "received", "facts")}
            run.facts["together_with"] = [each["import_id"] for each in with_it]
        return dict(run.facts)

    def check(self, report: str | Path | None = None) -> Quality:
        """Report on the data: the fate of every row, reasons, completeness, freshness, and what was assumed.

        Also whether the audit chain is whole, and whether every table and file of the shop has an owner.

        Parameters
        ----------
        report
            Also write the report as one HTML page to this file.

        Returns
        -------
        Quality
            ``problems`` is what needs a look, ``expectations`` what the sources' contracts expect, ``passed`` whether
            there is neither a problem nor an expectation that is not met. Counts are exact, also of small groups.
        """
        return checking.check(self, report)

    def _going(self, imports: list[int]) -> None:
        """Be told which imports are about to be taken back."""

    def _intake(self, now: datetime | None) -> Intake:
        return Intake(
            self.warehouse,
            self.lake,
            self.ledger,
            self.vault,
            self.gate,
            self.config,
            edges=lambda found: link(self.ledger, found, now=now),
            nobody=blocked_values(self.ledger, self.vault),
            unlink=self._unlink,
        )

    def _mapping(
        self, verb: str, mapping: Mapping | str | Path, folder: Folders | None
    ) -> tuple[Mapping, tuple[Path, ...]]:
        """Return the mapping that is meant and where its files lie."""
        given = [folder] if isinstance(folder, str | Path) else list(folder or ())
        where = tuple(Path(each).expanduser() for each in given)
        if isinstance(mapping, Mapping):
            if not where:
                raise ParameterError(f"{verb}: a mapping made in Python needs the folder that its files lie in.")
            return mapping, where
        if isinstance(mapping, str) and mapping in shops.READY:
            meant, there = shops.READY[mapping]()
            return meant, where or (there,)
        if isinstance(mapping, str) and mapping in shops.names():
            if not where:
                raise ParameterError(
                    f"{verb}: the ready mapping {mapping!r} needs the folder that the exported files lie in.",
                    hint=f"coterie {verb} {mapping} FOLDER",
                )
            return shops.ready(mapping), where
        path = Path(mapping).expanduser()
        return Mapping.load(path), where or (path.parent,)


def _labels(folders: tuple[Path, ...]) -> list[str]:
    """Return what the names of files begin with, so that those of several folders can be told apart."""
    if len(folders) == 1:
        return [""]
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        raise ParameterError(
            f"ingest: several folders need different names, got {', '.join(names)}.",
            hint="bring them in one after the other, or rename one.",
        )
    return [f"{name}/" for name in names]
