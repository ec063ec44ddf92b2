"""A shop, opened: the verbs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from coterie.collect.facts import LAKE_TABLES, LEDGER_TABLES, QUARANTINE
from coterie.collect.intake import Intake, Receipt
from coterie.collect.mapping import Mapping
from coterie.collect.quality import Quality, quality
from coterie.collect.shops import READY
from coterie.config import FILE, Config
from coterie.errors import IntegrityError, ParameterError, StoreError
from coterie.features import catalog, published
from coterie.features.catalog import CATALOG
from coterie.features.feature import Feature
from coterie.govern import requests
from coterie.govern.audit import AUDIT, AUDIT_HEAD
from coterie.govern.consent import BASES, CONSENTS, purpose_of
from coterie.govern.gate import Gate
from coterie.govern.requests import Holder, Impersonal, LakeHolder, LedgerHolder, VaultHolder
from coterie.govern.requests import Receipt as ErasureReceipt
from coterie.ops.registry import MODELS, Registry
from coterie.ops.runs import RUNS, Run, record
from coterie.profiles.profile import Profile
from coterie.profiles.resolution import EDGES, link
from coterie.progress import SILENT, Progress
from coterie.schema import Purpose, utc_now
from coterie.store.ports import Archive, Lake, Ledger, Vault
from coterie.store.warehouse import Warehouse
from coterie.workspace.facts import PERSONAL, SHARED, Facts, attach, facts
from coterie.workspace.finding import subject_of, subjects_of_person
from coterie.workspace.results import FeatureTable, Membership, Person
from coterie.workspace.scratch import SCRATCH, scratch

if TYPE_CHECKING:
    from coterie.workspace.segmentation import Segmentation

LEDGER = (*LEDGER_TABLES, CONSENTS, BASES, EDGES, AUDIT, AUDIT_HEAD, RUNS, MODELS)
MANY_FILES = 50  # scans slow down with the number of files: 1,351 took ten times as long as 6
LAKE = (*LAKE_TABLES, published.PUBLISHED, published.SNAPSHOTS)


__all__ = ["ErasureReceipt", "Workspace"]


class Workspace:
    """A shop and what can be done with it; made by :func:`coterie.open`.

    Parameters
    ----------
    folder
        Where the shop lives; None for a shop in memory.
    config
        The shop's settings.
    ledger, vault, lake, archive
        Its stores.
    """

    def __init__(
        self, folder: Path | None, config: Config, ledger: Ledger, vault: Vault, lake: Lake, archive: Archive
    ) -> None:
        self.folder = folder
        self.config = config
        self.ledger = ledger
        self.vault = vault
        self.lake = lake
        self.archive = archive
        self.ledger.create(*LEDGER)
        self.lake.create(*LAKE)
        self.gate = Gate(ledger, minimum_group=config.minimum_group)
        self.registry = Registry(ledger, archive)
        self._scratch = scratch(folder)
        self.warehouse = Warehouse(lake, temp_directory=self._scratch.name)

    # ------------------------------------------------------------------ the verbs, in the order in which data flows

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

    def build(
        self,
        as_of: str | date | datetime | None = None,
        *,
        features: Sequence[Feature | str] | None = None,
        purpose: Purpose | str = Purpose.SEGMENTATION,
        progress: Progress = SILENT,
    ) -> FeatureTable:
        """Build features of everybody who has bought and may be processed, as they were knowable at a moment.

        Parameters
        ----------
        as_of
            The moment whose past is read: a date (start of that day in the shop's time zone) or a time; None is the
            time of the newest order.
        features
            Names from the catalogue or own definitions; None builds every feature whose inputs the shop has.
        purpose
            What they are wanted for; decides whose data and which sources may be used.
        progress
            Where steps are reported.

        Raises
        ------
        EmptyShopError
            When nobody who may be processed had bought anything by then.
        GateRefusedError
            When no source has a lawful basis for the purpose.
        ParameterError
            When a feature is unknown.
        """
        with self._writing("build", {"as_of": as_of, "purpose": str(purpose)}) as run:
            built = self.features(self.facts(purpose), as_of, features, progress)
            run.facts = built.to_json()
        return built

    def segment(
        self,
        as_of: str | date | datetime | None = None,
        *,
        method: str = "kmeans",
        k: int | None = None,
        horizon_days: int = 91,
        model: str | None = None,
        progress: Progress = SILENT,
    ) -> Segmentation:
        """Make customer segments, judge them, put them into words and publish them to the lake.

        Parameters
        ----------
        as_of
            As in :meth:`build`.
        method
            ``kmeans``, ``ward`` (with its whole tree; up to 20,000 people) or ``rfm``.
        k
            How many segments; None takes the largest number whose segments all come back in resampled data.
        horizon_days
            How many days of future the report card judges by. Where they are not in the data yet, the same is done one
            horizon earlier.
        model
            Assign people by this registered model, or ``"latest"``, without refitting.
        progress
            Where steps are reported.

        Returns
        -------
        Segmentation
            ``result.segments`` in words, ``result.members``, ``result.card``; ``result.report(path)`` writes the page.

        Raises
        ------
        EmptyShopError, TooFewPeopleError, NoVariationError, ParameterError, GateRefusedError
            When there is nobody, too few people, nothing to tell apart, a wrong parameter, or the gate says no.
        """
        from coterie.workspace.segmenting import segment  # brings scikit-learn, which the other verbs do without

        asked = {"as_of": as_of, "method": method, "k": k, "horizon_days": horizon_days, "model": model}
        with self._writing("segment", asked) as run:
            made = segment(self, as_of, method=method, k=k, horizon_days=horizon_days, model=model, progress=progress)
            run.facts = {"model_id": made.model_id, "people": made.people, "segments": len(made.segments)}
        return made

    def show(self, identifier: str) -> Person:
        """Show what is known of one person, found by an identifier such as ``customer_id=1234``; goes on the audit."""
        subject = subject_of(self.vault, identifier)
        attach(self.warehouse, self.lake, self.ledger, (*PERSONAL, *SHARED), None)
        profile = Profile.of(self.warehouse, subject, vault=self.vault)
        self.gate.audit.append("show", "one person", {"by": identifier.partition("=")[0]})
        memberships = []
        for segmentation in ("segment_kmeans", "segment_ward", "segment_rfm"):
            found = published.read(self.warehouse, segmentation, at=utc_now())
            memberships += [
                Membership(segmentation, row["label"], row["version"], row["as_of"])
                for row in found.filter(pc.equal(found["person"], profile.person)).to_pylist()
            ]
        return Person(profile, tuple(memberships))

    def export(self, identifier: str) -> dict[str, pa.Table]:
        """Export everything that is kept about one person (GDPR articles 15 and 20), by table."""
        found = requests.export_person(
            self.holders(), subjects_of_person(self.vault, self.ledger, identifier), audit=self.gate.audit
        )
        if (rows := found.get(QUARANTINE.name)) is not None:  # sealed for us, but the person's own
            raw = [text.decode("utf-8", "replace") for text in self.vault.unseal(rows["raw"].to_pylist())]
            found[QUARANTINE.name] = rows.set_column(rows.column_names.index("raw"), "raw", pa.array(raw, pa.string()))
        return found

    def exported(self, identifier: str) -> str:
        """Return :meth:`export` as JSON that people can read and programs can take over."""
        return requests.exported_json(self.export(identifier))

    def forget(self, identifier: str, *, dry_run: bool = False) -> ErasureReceipt:
        """Erase one person from every table and file of the shop (GDPR article 17).

        Parameters
        ----------
        identifier
            One identifier of the person, such as ``customer_id=1234``; all identifiers of the person go.
        dry_run
            Erase nothing: the receipt's ``left`` then counts what is held, by table.
        """
        subjects = subjects_of_person(self.vault, self.ledger, identifier)
        if dry_run:
            return requests.rehearse(self.holders(), subjects)
        with self._writing("forget", {}):
            return requests.forget(self.holders(), subjects, audit=self.gate.audit)

    def unlock(self) -> bool:
        """Remove the lease of a writer whose machine is gone for good, and say whether there was one.

        A process killed on this machine is noticed without this. Of another machine's nobody can tell but you.
        """
        released = self.ledger.release("writer")
        if released:
            self.gate.audit.append("unlock", "writer")
        return released

    # ------------------------------------------------------------------ who holds what

    def holders(self) -> list[Holder]:
        """Return the owners of every table and file of the shop, in the order in which they forget.

        The vault, by which a person is found, comes after all that is found by its keys. Only edges come later: were
        they erased first and the rest not, a repeated request would miss the person's other identifiers.
        """
        return [
            LakeHolder(self.lake, LAKE, files=("lake",)),
            LedgerHolder(
                self.ledger,
                tuple(table for table in LEDGER if table is not EDGES),
                files=("ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"),
            ),
            Impersonal("archive", ("archive",), "Models hold centres and scales of groups, never rows about a person."),
            Impersonal("settings", (FILE,), "The shop's own name, currency and time zone."),
            Impersonal("scratch", (SCRATCH,), "Rows on their way in, gone when the process ends."),
            VaultHolder(self.vault, files=("vault.sqlite", "vault.sqlite-wal", "vault.sqlite-shm")),
            LedgerHolder(self.ledger, (EDGES,), name="edges"),
        ]

    # ------------------------------------------------------------------ what the verbs are made of

    def facts(self, purpose: Purpose | str, *, at: datetime | None = None) -> Facts:
        """Return the facts that a purpose may see at the moment of use (see :func:`coterie.workspace.facts.facts`)."""
        return facts(self.warehouse, self.lake, self.ledger, self.gate, purpose_of(purpose), at=at)

    def features(
        self,
        seen: Facts,
        as_of: str | date | datetime | None,
        features: Sequence[Feature | str] | None,
        progress: Progress,
        *,
        whole: bool = True,
    ) -> FeatureTable:
        """Return features of everybody in the facts at a moment, read back where they were built before.

        With ``whole``, a feature that was asked for and cannot be built is an error; else it is left out and named.
        """
        moment = seen.newest() if as_of is None else self.config.moment(as_of)
        spine = seen.spine(moment)
        asked = tuple(CATALOG[item] if isinstance(item, str) else item for item in features or CATALOG)
        missing = catalog.available(self.warehouse, asked)
        if features is not None and missing and whole:
            name, why = next(iter(missing.items()))
            raise ParameterError(f"The feature {name!r} cannot be built: {why}.", hint="ingest that, or leave it out.")
        wanted = tuple(feature for feature in asked if feature.name not in missing)
        zone, currency = self.config.timezone, self.config.currency
        progress.step("features", 0, 1)
        table, reused = published.table(
            self.warehouse, self.lake, wanted, spine, timezone=zone, currency=currency, data=seen.data
        )
        progress.step("features", 1, 1)
        snapshot = published.fingerprint(wanted, spine, timezone=zone, currency=currency, data=seen.data)
        return FeatureTable(table, wanted, moment, snapshot, reused, missing, seen.refused)

    def write(self, rows: pa.Table, path: str | Path, *, purpose: Purpose | str, group: str | None = None) -> Path:
        """Write rows about people to a Parquet file outside the shop: through the gate, and on the audit.

        Raises
        ------
        GateRefusedError
            When fewer permitted people than the minimum group remain.
        """
        members = self.facts(purpose).members
        target = Path(path).expanduser().resolve()
        released = self.gate.release(rows, target.name, purpose_of(purpose), members=members, group=group)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(released.rows, target)
        except OSError as error:
            raise StoreError(f"Cannot write {target}: {error.strerror or error}.") from error
        return target

    def settings(self) -> dict[str, Any]:
        """Return the shop's settings as JSON values."""
        return asdict(self.config)

    def close(self) -> None:
        """Release the stores; a closed workspace is opened anew by :func:`coterie.open`."""
        self.warehouse.close()
        self.ledger.close()
        self.vault.close()
        self._scratch.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Workspace({self.config.name!r}, {self.folder or 'in memory'})"

    @contextmanager
    def _writing(self, verb: str, arguments: dict[str, Any]) -> Iterator[Run]:
        """Hold the shop's one writer lease, record the run, and compact tables that are in too many files after it."""
        with self.ledger.lease("writer"), record(self.ledger, verb, arguments) as run:
            yield run
            for table in LAKE:
                source = self.lake.source(table)
                if not isinstance(source, pa.Table) and len(source) > MANY_FILES:
                    self.lake.compact(table)

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
