"""One file on its way in: its rows are identified, translated, judged, told from what is there, and written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from coterie.collect import account, arrivals, contract, duplicates, quarantine, undo, units
from coterie.collect.account import REASONS
from coterie.collect.arrivals import WHO
from coterie.collect.contract import Contract
from coterie.collect.duplicates import FACTS, FATES, HELD, KNOWN, ROWS, VALID
from coterie.collect.facts import ALWAYS, IMPORTS, LINKS, QUARANTINE
from coterie.collect.mapping import Mapping
from coterie.collect.read import Read
from coterie.collect.staged import Staged
from coterie.collect.translation import Translation, literal
from coterie.errors import IntegrityError
from coterie.govern import consent
from coterie.progress import Progress
from coterie.schema import Table
from coterie.store.ports import Commit, Lake, Ledger, Vault
from coterie.store.warehouse import Warehouse, quoted

CHUNK = 500_000
"""Source rows in one commit to the lake."""

STORED, OWN, EXTENTS = "intake_stored", "intake_own", "intake_extents"


@dataclass(frozen=True)
class Stores:
    """Where a file's rows go.

    Parameters
    ----------
    warehouse, lake, ledger, vault
        The shop's.
    edges
        Takes identity edges.
    nobody
        By kind, the identifiers that the shop has blocked.
    unlink
        Removes the identity edges that an import has brought.
    """

    warehouse: Warehouse
    lake: Lake
    ledger: Ledger
    vault: Vault
    edges: Callable[[pa.Table], object]
    nobody: dict[str, Sequence[str]] = field(default_factory=dict)
    unlink: undo.Unlink = int


@dataclass(frozen=True)
class Meaning:
    """What the rows of a file mean: the mapping, its read, the source's contract, rates and the shop's currency."""

    mapping: Mapping
    read: Read
    contract: Contract
    currency: str
    rates: str | None = None


class Parcel:
    """One staged file on its way in: ``identify``, ``judge``, ``write``, in this order, then ``clear``.

    Parameters
    ----------
    stores
        The shop's stores.
    meaning
        What the file means.
    main, joined
        The file, without and with the columns of its look-ups.
    progress
        Told how far the file is.
    again
        The relation of the numbers, ``row``, of rows that come out of the quarantine of an import; other rows of the
        file are there for what they say of a unit, and not judged. Empty when the file is new.
    """

    def __init__(
        self,
        stores: Stores,
        meaning: Meaning,
        main: Staged,
        joined: Staged,
        progress: Progress,
        *,
        again: str = "",
    ) -> None:
        self.stores = stores
        self.warehouse = stores.warehouse
        self.meaning = meaning
        self.mapping, self.read = meaning.mapping, meaning.read
        self.target = self.read.target
        self.main = main
        self.progress = progress
        self.again = again
        self.converted = meaning.rates is not None and "original_amount" in self.target.schema.names
        self.translation = Translation(self.mapping, self.read, joined, meaning.currency, meaning.rates)
        self.taken = self.translation.taken()
        self._suppressed = False

    def identify(self) -> None:
        """Give every identifier of the file its subject, new ones included, but to those who are suppressed."""
        self.progress.step(f"identifying {self.main.name}", 0, self.main.received)
        self._suppressed = arrivals.identify(self.warehouse, self.stores.vault, self.translation, self.stores.nobody)

    def judge(self, import_id: int, now: datetime) -> None:
        """Translate the rows, apply the contract, and find what is there already."""
        self.progress.step(f"checking {self.main.name}", 0, self.main.received)
        stored = self._attach(import_id)
        translated = self.translation.select(WHO)
        ordered = units.is_order(self.read)
        if self.read.fill and ordered and stored:
            translated = units.completed(self.read, translated, stored)
        same = duplicates.same(self.read, converted=self.converted, ordered=ordered)
        judged = self._judged(translated, now, same, ordered=ordered)
        self.warehouse.execute(f"CREATE OR REPLACE TEMP TABLE {HELD} AS {judged}")
        columns = "".join(f", {value} AS {quoted(name)}" for name, value in same.items())
        self.warehouse.view(ROWS, f"SELECT *{columns} FROM {HELD}")
        self._check_whole()
        if self.target.key and not self.read.id:
            units.number(self.warehouse, self.read)
            if stored and self.again:
                units.go_on(self.warehouse, self._own(import_id))
            if stored and ordered:
                self._place(import_id, stored)
        duplicates.sift(self.warehouse, self.read, stored, import_id, converted=self.converted)

    def _judged(self, translated: str, now: datetime, same: dict[str, str], *, ordered: bool) -> str:
        """Return the query of the translated rows with ``#at``, ``#mask`` and ``#key``, without what is the same."""
        meaning = self.meaning
        traits = tuple(trait for trait, _ in self.read.traits)
        mask = contract.mask(
            self.target, now=now, currency=meaning.currency, rules=meaning.contract.rules, traits=traits
        )
        if self._suppressed:
            named = [quoted(f"subject#{kind}") for kind, _ in self.read.identify] if len(self.read.identify) > 1 else []
            theirs = f"{arrivals.SUPPRESSED} IN ({', '.join(['subject', *named])})"
            mask = f"CASE WHEN {theirs} THEN {contract.bit('suppressed')} ELSE {mask} END"
        mask = f'{mask} AS "#mask"'
        judged = f"SELECT *, {mask} FROM ({translated})"
        if self.read.each:  # a row is set aside whole, for the reasons of all its elements
            judged = f'SELECT * REPLACE (BIT_OR("#mask") OVER (PARTITION BY "#row") AS "#mask") FROM ({judged})'
        if self.again:
            judged = f'SELECT * FROM ({judged}) WHERE "#row" IN (SELECT "row" FROM {self.again})'
        left_out = ", ".join(map(quoted, [*self.translation.passing, *same]))
        key = duplicates.key(self.read, converted=self.converted, unit=bool(self.read.unit) and not ordered)
        said = duplicates.said(self.read, converted=self.converted)
        return (
            f'SELECT * EXCLUDE ({left_out}), "#row" * {1 << 24} + "#element" AS "#at", {key} AS "#key", '
            f'{said} AS "#said" FROM ({judged})'
        )

    def _check_whole(self) -> None:
        """Raise when the translation has lost or multiplied rows."""
        rows = 'COUNT(DISTINCT "#row")' if self.read.each else "COUNT(*)"
        self._rows: int = self.warehouse.query(f"SELECT {rows} AS n FROM {ROWS}")["n"][0].as_py()
        expected = self.main.rows
        if self.taken or self.again:
            those = f' AND "#row" IN (SELECT "row" FROM {self.again})' if self.again else ""
            taken = f"{self.translation.staged.relation} WHERE {self.taken or 'TRUE'}{those}"
            expected = self.warehouse.query(f"SELECT COUNT(*) AS n FROM {taken}")["n"][0].as_py()
        if self._rows != expected:
            raise IntegrityError(f"{self.main.name} has {expected:,} rows and {self._rows:,} were translated.")

    def _attach(self, import_id: int) -> str:
        """Return the relation of what other imports of this source have stored; empty when there is nothing.

        Rows out of the quarantine find what was stored of their own import, too, but what a run that was cut off has
        stored of themselves.
        """
        mine = f"source = {literal(self.mapping.source)}"
        if self.target.table is None:
            self.warehouse.attach(STORED, self.stores.ledger.read(consent.CONSENTS))
            return f"(SELECT * FROM {STORED} WHERE {mine})"
        if not self.stores.lake.count(self.target.table):
            return ""
        self.warehouse.attach(STORED, self.stores.lake.source(self.target.table))
        own = f"import_id = {import_id}"
        if self.again:
            own += f' AND "row" IN (SELECT "row" FROM {self.again})'
        return f"(SELECT * FROM {STORED} WHERE {mine} AND NOT ({own}))"

    def _own(self, import_id: int) -> str:
        """Return the relation of the lines that the rows' own import has stored or knew: ``id``."""
        self.warehouse.attach(OWN, self.stores.lake.source(LINKS))
        fresh = f'"row" NOT IN (SELECT "#row" FROM {ROWS})'
        return (
            f"(SELECT {self.target.key} AS id FROM {STORED} WHERE import_id = {import_id} AND {fresh} UNION ALL "
            f"SELECT {self.target.key} AS id FROM {OWN} AS link JOIN {STORED} AS fact "
            f'ON fact.import_id = link.of_import AND fact."row" = link.of_row '
            f'WHERE link.import_id = {import_id} AND link."row" NOT IN (SELECT "#row" FROM {ROWS}))'
        )

    def _place(self, import_id: int, stored: str) -> None:
        """Tell lines that are one more of their order from those that are known."""
        books = self.stores.ledger.read(IMPORTS, source=self.mapping.source)
        same = [row["import_id"] for row in books.to_pylist() if row["file"] == self.main.name]
        listed = ", ".join(map(str, [each for each in same if self.again or each != import_id] or [0]))
        lake = self.stores.lake
        names = []
        for table in (self.target.table, LINKS, QUARANTINE):
            names.append(f"{EXTENTS}_{table.name}" if table else "")
            if table:
                self.warehouse.attach(names[-1], lake.source(table))
        rows = " UNION ALL ".join(f'SELECT import_id, "row" FROM {name}' for name in names if name)
        extents = f'(SELECT import_id, MIN("row") AS "first", MAX("row") AS "last" FROM ({rows}) GROUP BY import_id)'
        waiting = (
            f"SELECT unit FROM {EXTENTS}_quarantine WHERE source = {literal(self.mapping.source)} AND unit IS NOT NULL "
            f'UNION SELECT "#unit" FROM {ROWS} WHERE NOT ({VALID})'
        )
        edges = f'SELECT MIN("#row") AS "first", MAX("#row") AS "last" FROM {ROWS}'
        if self.again:
            edges = f'SELECT "first", "last" FROM {extents} WHERE import_id = {import_id}'
        units.place(self.warehouse, stored, edges, extents, waiting, f"SELECT UNNEST([{listed}])")
        for name in names:
            self.warehouse.drop(name)

    def write(self, row: dict[str, Any], *, cursor: Callable[[], None] = lambda: None) -> dict[str, Any]:
        """Commit facts, links and bad rows to the lake and the rest to the ledger; return the import's row.

        ``cursor`` is called in the transaction that ends the import.
        """
        stores, now = self.stores, row["started_at"]
        counts = self.counts()
        application = f"import-{row['import_id']}"
        idle = [table for table, name in ((QUARANTINE, "quarantined"), (LINKS, "duplicates")) if not counts[name]]
        tables = [table for table in self.tables if table not in idle]
        # Another process may have begun this import: what it committed is skipped without being read again.
        done = {table.name: stores.lake.applied(table, application) for table in tables}
        end = self.warehouse.query(f'SELECT COALESCE(MAX("#row"), 0) AS "last" FROM {ROWS}')["last"][0].as_py()
        end = max([end, *self.main.broken["row"].to_pylist()])
        for chunk, start in enumerate(range(1, end + 1, CHUNK)):
            between = f'"#row" BETWEEN {start} AND {start + CHUNK - 1}'
            for table in tables:
                last = done[table.name]
                if last is not None and chunk <= last:
                    continue
                rows = self.made(table, row["import_id"], now, between)
                if rows.num_rows:
                    stores.lake.append(table, rows, Commit(application, chunk))
            self.progress.step(f"writing {self.main.name}", min(start + CHUNK - 1, end), end)
        finished = row | counts | {"state": "done", "finished_at": now}
        if counts["quarantined"]:
            finished["columns"] = quarantine.shape(self.warehouse, self.main)
        with stores.ledger.transaction():
            self.remember(row["import_id"], now)
            cursor()
            stores.ledger.put(IMPORTS, [finished])
        return finished

    @property
    def tables(self) -> list[Table]:
        """The tables of the lake that rows of this read come into."""
        return [QUARANTINE, *([self.target.table] if self.target.table else []), LINKS]

    def made(
        self, table: Table, import_id: int, now: datetime, between: str, *, received: datetime | None = None
    ) -> pa.Table:
        """Return what the rows of a range become in a table of the lake.

        ``received`` is when the shop could first have known what they say; None is ``now``.
        """
        if table is QUARANTINE:
            return self.set_aside(import_id, now, between)
        if table is LINKS:
            return self.warehouse.query(self._links(import_id, between))
        return self.warehouse.query(self._facts(import_id, received or now, now, between))

    def remember(self, import_id: int, now: datetime) -> None:
        """Put what the ledger keeps of the rows: consents and identity edges. Call it in a transaction."""
        if self.target.name == "consent":
            consents = self.warehouse.query(self._facts(import_id, now, now, "TRUE"))
            consent.record(self.stores.ledger, consents, now=now)
        edges = arrivals.edges(self.warehouse, self.mapping.source, self.read, import_id, now)
        if edges.num_rows:
            self.stores.edges(edges)

    def clear(self) -> None:
        """Remove what the warehouse holds of the file."""
        for name in (ROWS, HELD, FATES, FACTS, KNOWN, WHO, REASONS, STORED, OWN):
            self.warehouse.drop(name)

    def counts(self) -> dict[str, Any]:
        """Return what the books say of the rows, and make ``REASONS``."""
        rules = self.meaning.contract.rules
        account.reasons(self.warehouse, rules)
        found = account.counts(self.warehouse, self.read, rules, self.main.broken.num_rows)
        found["facts"] = found["accepted"]
        if self.target.name == "trait" or self.read.each:
            counted = f"SELECT COUNT(*) AS n FROM {self._accepted('TRUE')}"
            found["facts"] = self.warehouse.query(counted)["n"][0].as_py()
        if found["received"] != self._rows + self.main.broken.num_rows:
            raise IntegrityError(f"{self.main.name}: the fates of its rows do not add up: {found}.")
        return found

    def _accepted(self, between: str) -> str:
        """Return what stands after FROM for the accepted elements."""
        if self.target.name == "trait":
            return f"{FACTS} WHERE {between}"
        return f'{ROWS} WHERE {VALID} AND "#at" NOT IN (SELECT "#at" FROM {FATES}) AND {between}'

    def _facts(self, import_id: int, received: datetime, now: datetime, between: str) -> str:
        """Return the query of the accepted rows as facts.

        ``received`` is when the shop could first have known what an undated change says, ``now`` when it is stored.
        """
        moment, always, stored = (f"TIMESTAMP {literal(time.isoformat(sep=' '))}" for time in (received, ALWAYS, now))
        available = {
            "trait": f'COALESCE(available_at, occurred_at, CASE WHEN "#changed" THEN {moment} ELSE {always} END)',
            "offer": f"COALESCE(available_at, {always})",
            "product": 'COALESCE(available_at, CASE WHEN "#key" IN '
            f'(SELECT "#key" FROM {KNOWN}) THEN {moment} ELSE {always} END)',
        }
        special = {
            "source": literal(self.mapping.source),
            "available_at": available.get(self.target.name, "COALESCE(available_at, occurred_at)"),
            "ingested_at": stored,
            "import_id": f"CAST({import_id} AS BIGINT)",
            "row": '"#row"',
            self.target.key: '"#key"',
        }
        columns = ", ".join(f"{special.get(each, quoted(each))} AS {quoted(each)}" for each in self.target.schema.names)
        return f'SELECT {columns} FROM {self._accepted(between)} ORDER BY "#at"'

    def _links(self, import_id: int, between: str) -> str:
        """Return the query of the rows that are known already, and what they repeat."""
        known = f"SELECT * FROM {FATES} WHERE fate = 'duplicate' AND {between}"
        if self.read.each:  # all elements of the row must be known
            known += f' AND "#row" NOT IN (SELECT "#row" FROM {ROWS} WHERE "#at" NOT IN (SELECT "#at" FROM {FATES}))'
            known += f' AND "#row" IN (SELECT "#row" FROM {ROWS} WHERE {VALID})'
            known += ' QUALIFY ROW_NUMBER() OVER (PARTITION BY "#row" ORDER BY "#at") = 1'
        return (
            f'SELECT CAST({import_id} AS BIGINT) AS import_id, "#row" AS "row", of_import, of_row '
            f'FROM ({known}) ORDER BY "#row"'
        )

    def set_aside(self, import_id: int, now: datetime, between: str) -> pa.Table:
        """Return the rows of a range that are set aside, sealed."""
        found = self.bad(between)
        broken = quarantine.broken(self.main)
        if broken.num_rows:
            self.warehouse.attach(OWN, broken)
            lost = self.warehouse.query(f"SELECT * FROM {OWN} WHERE {between.replace('#row', 'row')}")
            found = pa.concat_tables([found, lost.cast(found.schema)])
        return quarantine.sealed(
            self.stores.vault,
            found,
            source=self.mapping.source,
            import_id=import_id,
            file=self.main.name,
            read=self.read.name,
            now=now,
            expires_at=now + timedelta(days=self.mapping.retention),
        )

    def bad(self, between: str = "TRUE") -> pa.Table:
        """Return the well-formed rows that are set aside: ``row, reasons, unit, subject, raw`` in the clear."""
        subject = "subject" if self.target.personal else "CAST(NULL AS BIGINT) AS subject"
        theirs = f'"#mask" & {contract.bit("suppressed")} > 0'
        rows = (
            f'SELECT "#row", "#mask", "#unit" AS unit, {subject}, NOT ({theirs}) AS kept FROM {ROWS} '
            'WHERE {} QUALIFY ROW_NUMBER() OVER (PARTITION BY "#row" ORDER BY "#at") = 1'
        )
        bad = rows.format(f"NOT ({VALID}) AND {between}")
        raw = f'SELECT "#row", {self.main.raw()} AS raw FROM {self.main.relation}'
        rest = "CAST(NULL AS VARCHAR)"
        joined = ""
        if self.read.unit and (self.read.fill or any(field.share for field in self.read.mapped)):
            rest, joined = "rest", quarantine.rests(bad, rows.format('"#unit" IS NOT NULL'), raw)
        return self.warehouse.query(
            f"""
            SELECT mine."#row" AS "row", reasons, CASE WHEN kept THEN mine.unit END AS unit,
                CASE WHEN kept THEN mine.subject END AS subject,
                CASE WHEN kept THEN ENCODE(raw || COALESCE({rest}, '')) END AS raw
            FROM ({bad}) AS mine
            JOIN {REASONS} ON mask = "#mask"
            JOIN ({raw} WHERE {between} AND "#row" IN (SELECT "#row" FROM {ROWS} WHERE NOT ({VALID}))) AS origin
              ON origin."#row" = mine."#row"
            {joined}
            ORDER BY mine."#row"
            """
        ).cast(_BAD)


_BAD = pa.schema(
    [
        ("row", pa.int64()),
        ("reasons", pa.string()),
        ("unit", pa.string()),
        ("subject", pa.int64()),
        ("raw", pa.binary()),
    ]
)
