"""One file on its way in: its rows are identified, translated, judged, told from what is there, and written."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from coterie.collect import contract, duplicates
from coterie.collect.duplicates import FACTS, FATES, KNOWN, ROWS, VALID
from coterie.collect.facts import ALWAYS, IMPORTS, QUARANTINE
from coterie.collect.identifiers import normalise
from coterie.collect.mapping import Mapping, Read
from coterie.collect.sources import Staged
from coterie.collect.translation import Translation, literal
from coterie.errors import IntegrityError
from coterie.govern import consent
from coterie.progress import Progress
from coterie.schema import KEY, TIME, IdentifierKind
from coterie.store.ports import Commit, Lake, Ledger, Vault
from coterie.store.warehouse import Warehouse, quoted

CHUNK = 500_000
"""Source rows in one commit to the lake."""

WHO, REASONS, STORED = "intake_who", "intake_reasons", "intake_stored"
EDGE = pa.schema(
    [
        ("source", pa.string()),
        ("subject_a", KEY),
        ("subject_b", KEY),
        ("kind", pa.string()),
        ("occurred_at", TIME),
        ("available_at", TIME),
        ("ingested_at", TIME),
    ]
)


@dataclass(frozen=True)
class Stores:
    """Where a file's rows go.

    Parameters
    ----------
    warehouse, lake, ledger, vault
        The shop's.
    edges
        Takes identity edges.
    """

    warehouse: Warehouse
    lake: Lake
    ledger: Ledger
    vault: Vault
    edges: Callable[[pa.Table], object]


class Parcel:
    """One staged file on its way in: ``identify``, ``judge``, ``write``, in this order, then ``clear``.

    Parameters
    ----------
    stores
        The shop's stores.
    mapping, read
        What the file means.
    main, joined
        The file, without and with the columns of its look-ups.
    currency
        The shop's.
    progress
        Told how far the file is.
    """

    def __init__(
        self,
        stores: Stores,
        mapping: Mapping,
        read: Read,
        main: Staged,
        joined: Staged,
        currency: str,
        progress: Progress,
    ) -> None:
        self.stores = stores
        self.warehouse = stores.warehouse
        self.currency = currency
        self.mapping = mapping
        self.read = read
        self.target = read.target
        self.main = main
        self.progress = progress
        self.translation = Translation(mapping, read, joined, currency)

    def identify(self) -> None:
        """Give every identifier of the file its subject, new ones included."""
        self.progress.step(f"identifying {self.main.name}", 0, self.main.received)
        kinds, raws, subjects = [], [], []
        for kind, query in self.translation.identifiers():
            raw = self.warehouse.query(query)["raw"].combine_chunks().cast(pa.string())
            values = normalise(IdentifierKind(kind), raw)
            raw, values = raw.filter(values.is_valid()), values.drop_null()
            found = self.stores.vault.subjects(
                pa.table({"kind": pa.array([kind] * len(values), pa.string()), "value": values})
            )
            kinds += [kind] * len(values)
            raws.append(raw)
            subjects.append(found)
        who = {
            "kind": pa.array(kinds, pa.string()),
            "raw": pa.chunked_array(raws, pa.string()),
            "subject": pa.chunked_array(subjects, KEY),
        }
        self.warehouse.temporary(WHO, pa.table(who))

    def judge(self, import_id: int, now: datetime) -> None:
        """Translate the rows, apply the contract, and find what is there already."""
        self.progress.step(f"checking {self.main.name}", 0, self.main.received)
        mask = contract.mask(self.target, now=now, currency=self.currency)
        judged = f'SELECT *, {mask} AS "#mask" FROM ({self.translation.select(WHO)})'
        passing = ", ".join(map(quoted, self.translation.passing))
        self.warehouse.execute(
            f"CREATE OR REPLACE TEMP TABLE {ROWS} AS "
            f'SELECT * EXCLUDE ({passing}), {duplicates.key(self.read)} AS "#key" FROM ({judged})'
        )
        count = self.warehouse.query(f"SELECT COUNT(*) AS n FROM {ROWS}")["n"][0].as_py()
        if count != self.main.rows:
            raise IntegrityError(f"{self.main.name} has {self.main.rows:,} rows and {count:,} were translated.")
        if self.target.key and not self.read.id:
            duplicates.number(self.warehouse)
        duplicates.sift(self.warehouse, self.read, self._stored(import_id))

    def _stored(self, import_id: int) -> str:
        """Return the relation of what other imports of this source have stored."""
        mine = f"source = {literal(self.mapping.source)}"
        if self.target.table is None:
            self.warehouse.attach(STORED, self.stores.ledger.read(consent.CONSENTS))
            return f"(SELECT * FROM {STORED} WHERE {mine})"
        self.warehouse.attach(STORED, self.stores.lake.source(self.target.table))
        return f"(SELECT * FROM {STORED} WHERE {mine} AND import_id <> {import_id})"

    def write(self, row: dict[str, Any]) -> dict[str, Any]:
        """Commit facts and bad rows to the lake and the rest to the ledger; return the import's row."""
        stores, now = self.stores, row["started_at"]
        self._reasons()
        counts = self._counts()
        if counts["received"] != counts["accepted"] + counts["quarantined"] + counts["duplicates"]:
            raise IntegrityError(f"{self.main.name}: the fates of its rows do not add up: {counts}.")
        application = f"import-{row['import_id']}"
        tables = [QUARANTINE, *([self.target.table] if self.target.table else [])]
        # Another process may have begun this import: what it committed is skipped without being read again.
        done = {table.name: stores.lake.applied(table, application) for table in tables}
        for chunk, start in enumerate(range(1, self.main.received + 1, CHUNK)):
            between = f'"#row" BETWEEN {start} AND {start + CHUNK - 1}'
            for table in tables:
                last = done[table.name]
                if last is not None and chunk <= last:
                    continue
                if table is QUARANTINE:
                    rows = self._quarantined(row["import_id"], now, start, between)
                else:
                    rows = self.warehouse.query(self._facts(row["import_id"], now, between))
                if rows.num_rows:
                    stores.lake.append(table, rows, Commit(application, chunk))
            self.progress.step(
                f"writing {self.main.name}", min(start + CHUNK - 1, self.main.received), self.main.received
            )
        finished = row | counts | {"state": "done", "finished_at": now}
        with stores.ledger.transaction():
            if self.target.table is None:
                consents = self.warehouse.query(self._facts(row["import_id"], now, "TRUE"))
                consent.record(stores.ledger, consents, now=now)
            edges = self._edges(now)
            if edges.num_rows:
                stores.edges(edges)
            stores.ledger.put(IMPORTS, [finished])
        return finished

    def clear(self) -> None:
        """Remove what the warehouse holds of the file."""
        for name in (ROWS, FATES, FACTS, KNOWN, WHO, REASONS, STORED):
            self.warehouse.drop(name)

    def _reasons(self) -> None:
        """Make ``REASONS``: mask, as counted after duplicates are known, and the names of its rules that set aside."""
        conflict = contract.bit("conflicting_id")
        self.warehouse.execute(
            f"""
            UPDATE {ROWS} SET "#mask" = "#mask" | {conflict}
            WHERE "#row" IN (SELECT "#row" FROM {FATES} WHERE fate = 'conflict')
            """
        )
        masks = self.warehouse.query(f'SELECT DISTINCT "#mask" AS mask FROM {ROWS} WHERE NOT ({VALID})')["mask"]
        said = ["; ".join(contract.names(mask & contract.SET_ASIDE)) for mask in masks.to_pylist()]
        self.warehouse.temporary(REASONS, pa.table({"mask": masks, "reasons": pa.array(said, pa.string())}))

    def _counts(self) -> dict[str, Any]:
        broken = len(self.main.broken)
        groups = self.warehouse.query(
            f"""
            SELECT "#mask" AS mask, fate, COUNT(*) AS n
            FROM {ROWS} LEFT JOIN {FATES} USING ("#row") GROUP BY "#mask", fate
            """
        ).to_pylist()
        reasons: Counter[str] = Counter({"malformed": broken} if broken else {})
        fates: Counter[str] = Counter(quarantined=broken)
        for group in groups:
            bad = group["mask"] & contract.SET_ASIDE
            fate = "quarantined" if bad else "duplicates" if group["fate"] == "duplicate" else "accepted"
            fates[fate] += group["n"]
            told = bad if bad else group["mask"] if fate == "accepted" else 0
            reasons.update(dict.fromkeys(contract.names(told), group["n"]))
        facts = fates["accepted"]
        if self.target.name == "trait":
            facts = self.warehouse.query(f"SELECT COUNT(*) AS n FROM {FACTS}")["n"][0].as_py()
        return {
            "received": self.main.received,
            "accepted": fates["accepted"],
            "quarantined": fates["quarantined"],
            "duplicates": fates["duplicates"],
            "facts": facts,
            "reasons": json.dumps(dict(sorted(reasons.items()))),
            "assumed": json.dumps(self._assumed()),
        }

    def _assumed(self) -> dict[str, int]:
        """Count the accepted rows about which something was assumed."""
        undated = "occurred_at IS NULL" if self.target.name == "trait" else "FALSE"
        simply = f'NOT "available_at#given" AND NOT ({undated})'
        counted = self.warehouse.query(
            f"""
            SELECT COUNT(CASE WHEN {simply} THEN 1 END) AS available_at,
                COUNT(CASE WHEN {undated} THEN 1 END) AS occurred_at
            FROM {ROWS} WHERE {VALID} AND "#row" NOT IN (SELECT "#row" FROM {FATES})
            """
        ).to_pylist()[0]
        return {name: rows for name, rows in counted.items() if rows}

    def _facts(self, import_id: int, now: datetime, between: str) -> str:
        """Return the query of the accepted rows as facts."""
        moment, always = (f"TIMESTAMP {literal(time.isoformat(sep=' '))}" for time in (now, ALWAYS))
        name = self.target.name
        available = {
            "trait": f'COALESCE(available_at, occurred_at, CASE WHEN "#changed" THEN {moment} ELSE {always} END)',
            "offer": f"COALESCE(available_at, {always})",
            "product": 'COALESCE(available_at, CASE WHEN "#key" IN '
            f'(SELECT "#key" FROM {KNOWN}) THEN {moment} ELSE {always} END)',
        }
        special = {
            "source": literal(self.mapping.source),
            "available_at": available.get(name, "COALESCE(available_at, occurred_at)"),
            "ingested_at": moment,
            "import_id": f"CAST({import_id} AS BIGINT)",
            "row": '"#row"',
            "original_amount": "CAST(NULL AS BIGINT)",
            "original_currency": "CAST(NULL AS VARCHAR)",
            self.target.key: '"#key"',
        }
        columns = ", ".join(f"{special.get(each, quoted(each))} AS {quoted(each)}" for each in self.target.schema.names)
        accepted = f'{VALID} AND "#row" NOT IN (SELECT "#row" FROM {FATES})'
        origin = f"{FACTS} WHERE {between}" if name == "trait" else f"{ROWS} WHERE {accepted} AND {between}"
        return f'SELECT {columns} FROM {origin} ORDER BY "#row"'

    def _quarantined(self, import_id: int, now: datetime, start: int, between: str) -> pa.Table:
        """Return the rows of a chunk that are set aside, sealed."""
        columns = ", ".join(f"{quoted(name)} := CAST({quoted(name)} AS VARCHAR)" for name in self.main.columns)
        subject = "subject" if self.target.personal else "CAST(NULL AS BIGINT)"
        bad = self.warehouse.query(
            f"""
            SELECT mine."#row" AS "row", reasons, {subject} AS subject, raw
            FROM {ROWS} AS mine
            JOIN {REASONS} ON mask = "#mask"
            JOIN (SELECT "#row", CAST(TO_JSON(STRUCT_PACK({columns})) AS VARCHAR) AS raw FROM {self.main.relation}
                  WHERE {between} AND "#row" IN (SELECT "#row" FROM {ROWS} WHERE NOT ({VALID}))) AS origin
              ON origin."#row" = mine."#row"
            ORDER BY mine."#row"
            """
        )
        broken = self.main.broken
        rows = broken["row"].to_pylist()
        here = [position for position, number in enumerate(rows) if start <= number < start + CHUNK]
        numbers = [*bad["row"].to_pylist(), *(rows[position] for position in here)]
        raw = [*(text.encode() for text in bad["raw"].to_pylist()), *(broken["raw"][at].as_py() for at in here)]
        count = len(numbers)
        return pa.table(
            {
                "source": pa.array([self.mapping.source] * count, pa.string()),
                "import_id": pa.array([import_id] * count, pa.int64()),
                "row": pa.array(numbers, pa.int64()),
                "file": pa.array([self.main.name] * count, pa.string()),
                "read": pa.array([self.read.name] * count, pa.string()),
                "unit": pa.nulls(count, pa.string()),
                "expires_at": pa.nulls(count, TIME),
                "reasons": pa.array([*bad["reasons"].to_pylist(), *["malformed"] * len(here)], pa.string()),
                "raw": pa.array(self.stores.vault.seal(raw) if raw else [], pa.binary()),
                "subject": pa.array([*bad["subject"].to_pylist(), *[None] * len(here)], KEY),
                "ingested_at": pa.array([now] * count, TIME),
            },
            schema=QUARANTINE.schema,
        )

    def _edges(self, now: datetime) -> pa.Table:
        """Return which subjects stand on one row: the strongest with each of the others, at the first time."""
        kinds = [kind for kind, _ in self.read.identify]
        if len(kinds) < 2:
            return EDGE.empty_table()
        times = ("occurred_at", "available_at") if "occurred_at" in self.target.schema.names else ("available_at",) * 2
        pairs = " UNION ALL ".join(
            f"SELECT subject AS a, {quoted('subject#' + kind)} AS b, {literal(kind)} AS kind, "
            f"{times[0]} AS occurred_at, COALESCE(available_at, {times[0]}, TIMESTAMP '{ALWAYS}') AS available_at "
            f"FROM {ROWS} WHERE {VALID} AND {quoted('subject#' + kind)} <> subject"
            for kind in kinds
        )
        return self.warehouse.query(
            f"""
            SELECT {literal(self.mapping.source)} AS source, a AS subject_a, b AS subject_b, kind,
                MIN(occurred_at) AS occurred_at, MIN(available_at) AS available_at,
                TIMESTAMP {literal(now.isoformat(sep=" "))} AS ingested_at
            FROM ({pairs}) GROUP BY a, b, kind ORDER BY a, b, kind
            """
        ).cast(EDGE)
