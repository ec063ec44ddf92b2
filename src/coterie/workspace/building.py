"""The verb ``build``: features of people (or of products …) at moments, and what the gate lets through of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from coterie.errors import GateRefusedError, ParameterError, StoreError
from coterie.features import published
from coterie.features.availability import available
from coterie.features.catalog import OUTCOMES
from coterie.features.combination import Declared
from coterie.features.outcome import Outcome
from coterie.govern.consent import purpose_of
from coterie.progress import SILENT, Progress
from coterie.schema import Purpose
from coterie.store.ports import Engine
from coterie.workspace import spines
from coterie.workspace.defining import Defining, check_owner
from coterie.workspace.engines import computing
from coterie.workspace.facts import Facts, facts
from coterie.workspace.results import FeatureTable

AsOf = str | date | datetime


class Building(Defining):
    """A shop whose facts are made into features."""

    def build(
        self,
        as_of: AsOf | Sequence[AsOf] | None = None,
        *,
        features: Sequence[Declared | str] | None = None,
        outcomes: Sequence[Outcome | str] = (),
        per: str = "person",
        spine: Any = None,
        purpose: Purpose | str = Purpose.SEGMENTATION,
        engine: Engine | str = "duckdb",
        progress: Progress = SILENT,
    ) -> FeatureTable:
        """Build features as they were knowable at one moment or several, of everybody who may be processed.

        Parameters
        ----------
        as_of
            The moment whose past is read: a date (start of that day in the shop's time zone), a time (naive ones are
            UTC), or a list of them, each of which gives rows for everybody known by then. None is the moment by which
            all orders were known.
        features
            Names from the catalogue and the shop's own file, or definitions, all about the same (persons, products,
            pairs …); None builds every feature of ``per`` whose inputs the shop has.
        outcomes
            Labels to put beside them, of the time after each moment: such as ``"churned_90d"``, ``"future_spend_30d"``,
            or an :class:`Outcome`. They are refused where the data end before the last moment's horizon does.
        per
            Whom or what names are about: ``person``, ``product``, ``category``, ``person-category`` … Definitions say
            so themselves.
        spine
            The rows that are wanted, as any dataframe (pandas, Polars, Arrow …), instead of everybody: ``person`` or a
            kind of identifier (``customer_id``, ``email`` …), or what names a product, a category …, and ``as_of``
            unless that is given for all rows. The
            answer keeps its order and its other columns; see :meth:`FeatureTable.frame`.
        purpose
            What they are wanted for; decides whose data and which sources may be used.
        engine
            What computes them: ``"duckdb"``, ``"spark"`` on this machine (which needs the extra ``spark`` and Java), or
            an engine, such as ``coterie.store.spark.Spark(session)`` of a cluster. The answer is the same.
        progress
            Where steps are reported.

        Raises
        ------
        MissingExtraError
            When Spark is asked for and is not installed.
        EmptyShopError
            When nobody who may be processed had bought anything by then, or no row of the spine is about such a person.
        GateRefusedError
            When no source has a lawful basis for the purpose.
        ParameterError, MissingColumnError
            When a feature is unknown or cannot be built, or the spine is not as described.
        DataError
            When the data end before an outcome is decided.
        """
        asked = {"as_of": as_of, "purpose": str(purpose), "per": per}
        asked |= {} if spine is None else {"spine": type(spine).__name__}
        with self._writing("build", asked) as run:
            seen = self.facts(purpose)
            with computing(engine, seen, self.inbox) as runs:
                built = self.tabulate(
                    seen, as_of, features, progress, outcomes=outcomes, per=per, spine=spine, engine=runs
                )
            run.facts = built.to_json()
        return built

    def facts(self, purpose: Purpose | str, *, at: datetime | None = None) -> Facts:
        """Return the facts that a purpose may see at the moment of use (see :func:`coterie.workspace.facts.facts`)."""
        return facts(self.warehouse, self.inbox, self.ledger, self.gate, purpose_of(purpose), at=at)

    def tabulate(
        self,
        seen: Facts,
        as_of: AsOf | Sequence[AsOf] | None,
        features: Sequence[Declared | str] | None,
        progress: Progress,
        *,
        outcomes: Sequence[Outcome | str] = (),
        per: str = "person",
        spine: Any = None,
        whole: bool = True,
        engine: Engine | None = None,
    ) -> FeatureTable:
        """Return features at moments, read back where they were built before.

        Parameters
        ----------
        seen
            What may be seen, from :meth:`facts`.
        as_of, features, outcomes, per, spine
            As in :meth:`build`.
        progress
            Where steps are reported.
        whole
            A feature that was asked for and cannot be built is an error; else it is left out and named.
        engine
            What computes, and shows the facts; the shop's warehouse, when not given.
        """
        check_owner("build", per)
        if isinstance(outcomes, str):
            raise ParameterError.of("build", "outcomes", outcomes, "a list, such as ['churned_90d']")
        declared, missing = self._declared(seen, self._chosen(features, per), whole and features is not None)
        labels = tuple(
            (self._own_outcome(item, per) or _outcome(item)) if isinstance(item, str) else item for item in outcomes
        )
        if not declared and not labels:
            if per == "person":
                seen.check_orders()
            raise ParameterError(
                "build: none of the features can be built.", hint="`coterie check` says what is there."
            )
        owner = (*declared, *labels)[0].owner
        rows = self._rows(seen, owner, as_of, spine)
        if rows.given is not None and (taken := {one.name for one in (*declared, *labels)} & set(rows.given.columns)):
            raise ParameterError(
                f"build: the spine has a column {min(taken)!r}, which is the name of a feature.", hint="rename it."
            )
        zone, currency = self.config.timezone, self.config.currency
        among = None if "person" in owner else seen.subjects
        table, snapshot, reused = published.table(
            self.warehouse, self.lake, (*declared, *labels), rows.rows,
            timezone=zone, currency=currency, data=seen.data, among=among, engine=engine, progress=progress,
        )  # fmt: skip
        return FeatureTable(
            table, declared, labels, snapshot=snapshot, reused=reused, missing=missing, refused=rows.refused,
            given=rows.given, purpose=seen.purpose,
        )  # fmt: skip

    def declared(self, seen: Facts, names: Sequence[str]) -> tuple[Declared, ...]:
        """Return those of some features of persons that can be built of what may be seen."""
        return self._declared(seen, self._chosen(names), False)[0]

    def everybody(self, seen: Facts, as_of: AsOf | None) -> spines.Spine:
        """Return everybody who had bought by a moment, and who was left out; None is the newest data."""
        return self._rows(seen, ("person",), as_of, None)

    def _declared(
        self, seen: Facts, asked: tuple[Declared, ...], whole: bool
    ) -> tuple[tuple[Declared, ...], dict[str, str]]:
        """Return the features that can be built, and what is missing for the others."""
        missing = available(seen.warehouse, asked)
        if missing and whole:
            name, why = next(iter(missing.items()))
            raise ParameterError(f"The feature {name!r} cannot be built: {why}.", hint="ingest that, or leave it out.")
        return tuple(feature for feature in asked if feature.name not in missing), missing

    def _rows(
        self, seen: Facts, owner: tuple[str, ...], as_of: AsOf | Sequence[AsOf] | None, spine: Any
    ) -> spines.Spine:
        """Return the rows of a table: everybody's, or those that were given."""
        moments = [as_of] if isinstance(as_of, str | date) else None if as_of is None else list(as_of)
        if moments == []:
            raise ParameterError.of("build", "as_of", as_of, "a moment, or a list of at least one")
        at = [self.config.moment(each) for each in moments] if moments else None
        if spine is None:
            return spines.occurring(seen, owner, sorted(set(at or [seen.newest()])))
        if at is not None and len(at) > 1:
            raise ParameterError("build: a spine takes one as_of for all rows.", hint="make as_of a column of it.")
        from coterie.features.frames import opened  # brings narwhals, which the other verbs do without

        try:
            data = opened(spine, lazy=True)
        except TypeError as error:
            kind = type(spine).__name__
            raise ParameterError.of("build", "spine", kind, "a dataframe (pandas, Polars, Arrow …)") from error
        one = at[0] if at else None if "as_of" in data.columns else seen.newest()
        return spines.given(data, owner, one, seen=seen, vault=self.vault, moment=self.config.moment)

    def write(
        self, rows: pa.Table | FeatureTable, path: str | Path, *, purpose: Purpose | str, group: str | None = None
    ) -> Path:
        """Write a table to a Parquet file outside the shop: through the gate, and on the audit.

        Parameters
        ----------
        rows
            What :meth:`build` returned, or rows with a column ``person``. A table that is not about persons, but about
            products, categories …, is written without the other columns of its spine, which nobody can vouch for.
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
            When fewer permitted people than the minimum group remain, or a table that is not about persons was built
            for another purpose: whom it counts can no longer be told.
        """
        members = self.facts(purpose).members
        target = Path(path).expanduser().resolve()
        if isinstance(rows, FeatureTable) and "person" not in rows.table.column_names:
            if str(purpose) != rows.purpose:
                raise GateRefusedError(
                    f"The table was built for {rows.purpose}, of other people than may be counted for {purpose}.",
                    hint=f"build it with purpose={str(purpose)!r}.",
                )
            self.gate.release_totals(rows.table.num_rows, target.name, purpose_of(purpose), members=members)
            leaving = rows.table
        else:
            table = rows.frame("pyarrow") if isinstance(rows, FeatureTable) else rows
            leaving = self.gate.release(table, target.name, purpose_of(purpose), members=members, group=group).rows
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            half = target.with_name(f".{target.name}.new")  # broken off, no half of a list is taken for a whole one
            pq.write_table(leaving, half)
            half.replace(target)
        except OSError as error:
            raise StoreError(f"Cannot write {target}: {error.strerror or error}.") from error
        self._note("write", target)
        return target


def _outcome(name: str) -> Outcome:
    """Return the outcome of a name such as ``churned_90d``."""
    made = {make.__name__: make for make in OUTCOMES}
    found = re.fullmatch(r"(\w+)_([1-9]\d{0,4})d", name)
    if found is None or found[1] not in made:
        allowed = ", ".join(f"{each}_90d" for each in made)
        raise ParameterError.of("build", "an outcome", name, f"one of {allowed} (of any number of days)")
    return made[found[1]](int(found[2]))
