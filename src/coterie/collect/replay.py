"""Replay: quarantined rows are judged anew, under a mended mapping or contract, or when the rest of an order is there.

What passes becomes facts under its old import and row. The order of steps makes a crash harmless: facts and links are
committed to the lake under a name of their own → the ledger, in one transaction: the books of the import, identity
edges, and which rows leave the quarantine → the quarantine. A replay that was cut off before the books is repeated, and
commits nothing twice; one that was cut off after them is finished by the next command that writes.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from coterie.collect import quarantine, units
from coterie.collect.duplicates import ROWS
from coterie.collect.facts import IMPORTS, LINKS, ORDER_LINES
from coterie.collect.mapping import Mapping
from coterie.collect.parcel import Meaning, Parcel, Stores
from coterie.collect.read import Read
from coterie.collect.receipt import FileReceipt
from coterie.collect.restaged import restaged
from coterie.collect.staged import Staged
from coterie.collect.targets import TARGETS
from coterie.collect.translation import literal
from coterie.progress import Progress
from coterie.schema import Table
from coterie.store.ports import Commit

_LOOKED_AT, _ASKED, _JUDGED = "replay_lines", "replay_asked", "replay_judged"
LACKING = ("unidentified", "no_time", "unknown_kind")
"""Reasons for which a line is set aside whose order says the rest in another file."""


class Replay:
    """Judges the quarantined rows of one source anew.

    Parameters
    ----------
    stores
        The shop's stores.
    mapping
        What the source's files mean by now.
    meaning
        Gives what the rows of a read mean.
    joined
        Gives a staged file the columns of its look-ups.
    now
        The clock, naive UTC.
    progress
        Told how far each file is.
    """

    def __init__(
        self,
        stores: Stores,
        mapping: Mapping,
        meaning: Callable[[Read], Meaning],
        joined: Callable[[Read, Staged], AbstractContextManager[Staged]],
        now: datetime,
        progress: Progress,
    ) -> None:
        self.stores = stores
        self.mapping = mapping
        self.meaning = meaning
        self.joined = joined
        self.now = now
        self.progress = progress

    def run(self, condition: str = "TRUE") -> list[FileReceipt]:
        """Judge the rows that satisfy a condition in SQL, and return by import and read what became of them."""
        stores = self.stores
        wanted = f"source = {literal(self.mapping.source)} AND raw IS NOT NULL AND ({condition})"
        waiting = quarantine.rows(stores.warehouse, stores.lake, wanted)
        receipts = []
        for import_id in pc.unique(waiting["import_id"]).to_pylist():
            mine = waiting.filter(pc.equal(waiting["import_id"], import_id))
            for name in sorted(set(mine["read"].to_pylist()), key=str):
                [book] = stores.ledger.read(IMPORTS, import_id=import_id).to_pylist()
                if book["state"] == "done":
                    rows = mine.filter(pc.equal(mine["read"], name)) if name else mine
                    receipts += self._import(book, name, rows)
        return receipts

    def completed(self) -> list[FileReceipt]:
        """Judge lines anew that lacked what their order says elsewhere, now that another part of the order is there."""
        reads = [read.name for read in self.mapping.reads if read.fill and units.is_order(read)]
        if not reads:
            return []
        listed = ", ".join(map(literal, reads))
        lacking = " OR ".join(f"CONTAINS(reasons, {literal(reason)})" for reason in LACKING)
        stores, mine = self.stores, literal(self.mapping.source)
        condition = f"source = {mine} AND raw IS NOT NULL AND unit IS NOT NULL AND read IN ({listed}) AND ({lacking})"
        found = quarantine.rows(stores.warehouse, stores.lake, condition, ("import_id", "row", "unit"))
        if not found.num_rows:
            return []
        stores.warehouse.attach(_LOOKED_AT, stores.lake.source(ORDER_LINES))
        with stores.warehouse.temporary(_ASKED, found):
            ready = stores.warehouse.query(
                f"SELECT DISTINCT unit FROM {_ASKED} "
                f"WHERE unit IN (SELECT order_id FROM {_LOOKED_AT} WHERE source = {mine})"
            )["unit"].to_pylist()
        stores.warehouse.drop(_LOOKED_AT)
        if not ready:
            return []
        return self.run(f"read IN ({listed}) AND ({lacking}) AND unit IN ({', '.join(map(literal, ready))})")

    def _import(self, book: dict[str, Any], name: str | None, rows: pa.Table) -> list[FileReceipt]:
        """Judge rows of one import and read; rows that a read does not take are offered to the next one."""
        receipts = []
        for read in self._reads(book, name):
            rows = self._without_remnants(book, read, rows)
            if not rows.num_rows:
                break
            receipt, taken = self._again(book, read, rows)
            if taken:
                receipts.append(receipt)
                rows = rows.filter(pc.invert(pc.is_in(rows["row"], pa.array(taken, pa.int64()))))
                [book] = self.stores.ledger.read(IMPORTS, import_id=book["import_id"]).to_pylist()
        return receipts

    def _reads(self, book: dict[str, Any], name: str | None) -> list[Read]:
        """Return the reads that may take rows: the one that set them aside, or those of their file."""
        order = list(TARGETS)
        reads = [read for read in self.mapping.reads if read.target.schema.names]
        if same := [read for read in reads if read.name == name]:
            return same
        of_file = [read for read in reads if read.file and fnmatchcase(book["file"], read.file.replace("**/", "*"))]
        if book["target"] in [read.target.name for read in of_file]:
            of_file = [read for read in of_file if read.target.name == book["target"]]
        return sorted(of_file, key=lambda read: order.index(read.target.name))

    def _again(self, book: dict[str, Any], read: Read, rows: pa.Table) -> tuple[FileReceipt, list[int]]:
        """Judge rows as one read takes them; return what became of them, and which ones it took."""
        stores, import_id, meaning = self.stores, book["import_id"], self.meaning(read)
        warehouse = stores.warehouse
        columns = self._columns(book, rows)
        raws = stores.vault.unseal(rows["raw"].to_pylist())
        with (
            restaged(warehouse, rows, raws, columns, read) as (main, judged),
            self.joined(read, main) as joined,
            warehouse.temporary(_JUDGED, pa.table({"row": pa.array(judged, pa.int64())})),
        ):
            parcel = Parcel(stores, meaning, main, joined, self.progress, again=_JUDGED)
            try:
                parcel.identify()
                parcel.judge(import_id, self.now)
                counts = parcel.counts()
                taken = warehouse.query(f'SELECT DISTINCT "#row" AS n FROM {ROWS} ORDER BY n')["n"].to_pylist()
                if counts["accepted"] or counts["duplicates"]:
                    commit = Commit(self._application(book, read), book["accepted"] + book["duplicates"])
                    for table in parcel.tables[1:]:
                        made = parcel.made(table, import_id, self.now, "TRUE", received=book["started_at"])
                        if made.num_rows:
                            stores.lake.append(table, made, commit)
                changed = _changed(rows, taken, parcel.bad(), read.name)
                lost = main.broken.num_rows
                counts |= {"received": counts["received"] - lost, "quarantined": counts["quarantined"] - lost}
                before = rows.filter(pc.is_in(rows["row"], pa.array(taken, pa.int64())))["reasons"].to_pylist()
                with stores.ledger.transaction():
                    parcel.remember(import_id, self.now)
                    stores.ledger.put(IMPORTS, [_booked(book, counts, before, lost)])
                    quarantine.mend(stores.ledger, changed)
                quarantine.settle(stores.lake, stores.ledger)
            finally:
                parcel.clear()
        said = {**counts, "reasons": json.loads(counts["reasons"])}
        said.pop("assumed")
        return FileReceipt(book["file"], read.target.name, import_id, **said, reused=False), taken

    def _columns(self, book: dict[str, Any], rows: pa.Table) -> dict[str, str]:
        """Return the columns of an import's file and their types; those of an older shop are told by a raw row."""
        if book["columns"]:
            found: dict[str, str] = json.loads(book["columns"])
            return found
        whole = rows.filter(pc.invert(pc.match_substring(rows["reasons"], quarantine.MALFORMED)))
        if not whole.num_rows:
            return {"line": "VARCHAR"}
        [raw] = self.stores.vault.unseal(whole["raw"][:1].to_pylist())
        return dict.fromkeys(json.loads(quarantine.own(raw)), "VARCHAR")

    def _application(self, book: dict[str, Any], read: Read) -> str:
        meaning = self.meaning(read)
        whole = f"{self.mapping.meaning(read)}\n{meaning.contract.fingerprint}"
        return f"replay-{book['import_id']}-{hashlib.sha256(whole.encode()).hexdigest()[:16]}"

    def _without_remnants(self, book: dict[str, Any], read: Read, rows: pa.Table) -> pa.Table:
        """Return the rows but those that a replay under another mapping stored, before it was cut off: book these."""
        lake, import_id = self.stores.lake, book["import_id"]
        settled, application = book["accepted"] + book["duplicates"], self._application(book, read)
        tables = [table for table in (read.target.table, LINKS) if table]
        if any(lake.applied(table, application) == settled for table in tables):
            return rows
        stored = {table.name: self._stored(table, import_id, rows) for table in tables}
        known = set(stored[LINKS.name])
        facts = [row for name, found in stored.items() if name != LINKS.name for row in found if row not in known]
        if not known and not facts:
            return rows
        gone = pc.is_in(rows["row"], pa.array([*known, *facts], pa.int64()))
        counts = {"accepted": len(set(facts)), "duplicates": len(known), "facts": len(facts), "quarantined": 0}
        booked = _booked(
            book, {**counts, "reasons": "{}", "assumed": "{}"}, rows.filter(gone)["reasons"].to_pylist(), 0
        )
        left = rows.filter(gone)
        with self.stores.ledger.transaction():
            self.stores.ledger.put(IMPORTS, [booked])
            at = left.column_names.index("reasons")
            quarantine.mend(self.stores.ledger, left.set_column(at, "reasons", pa.nulls(len(left), pa.string())))
        quarantine.settle(lake, self.stores.ledger)
        book.update(booked)
        return rows.filter(pc.invert(gone))

    def _stored(self, table: Table, import_id: int, rows: pa.Table) -> list[int]:
        """Return which of the rows are in a table of the lake, once for each fact."""
        warehouse = self.stores.warehouse
        warehouse.attach(_LOOKED_AT, self.stores.lake.source(table))
        with warehouse.temporary(_ASKED, rows.select(["row"])):
            among = f'"row" IN (SELECT "row" FROM {_ASKED})'
            sql = f'SELECT "row" FROM {_LOOKED_AT} WHERE import_id = {import_id} AND {among}'
            found: list[int] = warehouse.query(sql)["row"].to_pylist()
        warehouse.drop(_LOOKED_AT)
        return found


def _changed(rows: pa.Table, taken: Iterable[int], bad: pa.Table, read: str) -> pa.Table:
    """Return the rows of the quarantine that change: those that leave it have no reasons."""
    now = {row["row"]: row for row in bad.to_pylist()}
    wanted = set(taken)
    found = []
    for row in rows.to_pylist():
        if row["row"] not in wanted:
            continue
        if (judged := now.get(row["row"])) is None:
            found.append({**row, "reasons": None})
            continue
        raw = None if judged["raw"] is None else row["raw"]
        after = {**row, "reasons": judged["reasons"], "unit": judged["unit"], "subject": judged["subject"], "raw": raw}
        if {**after, "read": read} != row:
            found.append({**after, "read": read})
    return pa.Table.from_pylist(found, schema=rows.schema)


def _booked(book: dict[str, Any], counts: dict[str, Any], before: Iterable[str], lost: int) -> dict[str, Any]:
    """Return the books of an import after some of its quarantined rows were judged anew.

    ``before`` has the former reasons of these rows; ``lost`` of the records still cannot be parsed.
    """
    reasons = Counter(json.loads(book["reasons"]))
    for said in before:
        reasons.subtract(said.split("; "))
    reasons.update(json.loads(counts["reasons"]))
    reasons.subtract({quarantine.MALFORMED: lost})
    assumed = Counter(json.loads(book["assumed"] or "{}")) + Counter(json.loads(counts["assumed"]))
    left = {name: rows for name, rows in sorted(reasons.items()) if rows > 0}
    let_in = counts["accepted"] + counts["duplicates"]
    return {
        **book,
        **{name: book[name] + counts[name] for name in ("accepted", "duplicates", "facts")},
        "quarantined": book["quarantined"] - let_in,
        "reasons": json.dumps(left),
        "assumed": json.dumps(dict(assumed)),
    }
