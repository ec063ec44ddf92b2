"""The verb ``build``: features of people at moments, and what the gate lets through of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from coterie.errors import ParameterError, StoreError
from coterie.features import catalog, published
from coterie.features.catalog import CATALOG
from coterie.features.feature import Feature
from coterie.govern.consent import purpose_of
from coterie.progress import SILENT, Progress
from coterie.schema import Purpose
from coterie.workspace.facts import Facts, facts
from coterie.workspace.recording import Recording
from coterie.workspace.results import FeatureTable


class Building(Recording):
    """A shop whose facts are made into features."""

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

    def facts(self, purpose: Purpose | str, *, at: datetime | None = None) -> Facts:
        """Return the facts that a purpose may see at the moment of use (see :func:`coterie.workspace.facts.facts`)."""
        return facts(self.warehouse, self.inbox, self.ledger, self.gate, purpose_of(purpose), at=at)

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

        Parameters
        ----------
        seen
            What may be seen, from :meth:`facts`.
        as_of
            As in :meth:`build`; None is the moment of the newest of the facts.
        features
            As in :meth:`build`.
        progress
            Where steps are reported.
        whole
            A feature that was asked for and cannot be built is an error; else it is left out and named.
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

        Parameters
        ----------
        rows
            The rows, with a column ``person``.
        path
            The file to write; it is written over when it is there.
        purpose
            What it is for; decides who may be in it.
        group
            The column whose values make groups; too small ones are withheld. None takes all rows for one group.

        Returns
        -------
        Path
            The file, in full. Receipts of later requests to forget name it.

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
        self._note("write", target)
        return target
