"""The inbox: what is recorded live lies in the ledger first, durable at once, and moves to the lake in large pieces.

Live events go through the intake like a file. Only what the intake would append to the lake goes to the inbox instead,
in the one transaction of the ledger that also holds the books, the edges and the consents: when it is committed, the
events are acknowledged, and a crash before leaves nothing. The mover then appends to the lake, in a commit that says
how far it came, and deletes from the inbox; a crash between the two leaves rows that the lake has already, and the next
move skips them. What the shop knows now is the lake and the inbox together.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from coterie.collect.facts import LAKE_TABLES
from coterie.errors import IntegrityError
from coterie.schema import KEY, TIME, Table, utc_now
from coterie.store.ports import Commit, Files, Lake, Ledger

T = TypeVar("T")

MOVED = 50_000
"""Rows that the mover takes at a time."""

INBOX = Table(
    "inbox",
    pa.schema(
        [
            ("fact", pa.string()),  # the table that it goes to and its key there
            ("seq", pa.int64()),  # rises with every row; the lake says how far it has come
            ("kind", pa.string()),  # the name of that table
            ("subject", KEY),
            ("received_at", TIME),
            ("body", pa.string()),  # the row of the table, as JSON
        ]
    ),
    key=("fact",),
    subject="subject",
    meaning="Facts that were recorded live and have not moved to the lake yet; each row is one fact.",
)

INBOX_HEAD = Table(
    "inbox_head",
    pa.schema([("name", pa.string()), ("seq", pa.int64())]),
    key=("name",),
    meaning="The number of the newest row that was ever in the inbox; holds nothing personal.",
)

_MOVER = "mover"


class Inbox:
    """A lake with an inbox before it: reads see both; while it is ``recording``, what is appended goes to the inbox.

    Parameters
    ----------
    lake
        The lake; what is deleted and compacted is in it alone, so ``move`` first.
    ledger
        Where the inbox is kept.
    folder
        Where rows of the inbox are put for an engine that reads files; this process's alone.
    """

    def __init__(self, lake: Lake, ledger: Ledger, folder: Path) -> None:
        ledger.create(INBOX, INBOX_HEAD)
        self.lake = lake
        self.ledger = ledger
        self.folder = folder
        self._recording = False

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Take in what is appended, all of it or nothing; when this ends without an error, it is on the disk."""
        with self.ledger.transaction():
            self._recording = True
            try:
                yield
            finally:
                self._recording = False

    def move(self) -> int:
        """Move everything to the lake, each row exactly once, and return how many rows left the inbox.

        Only the writer of a shop may ask. The bytes of moved rows are overwritten when somebody is erased.
        """
        count = 0
        tables = {table.name: table for table in LAKE_TABLES}
        while (rows := self._rows()).num_rows:
            rows = rows.slice(0, MOVED)
            last = rows["seq"][-1].as_py()
            for name in pc.unique(rows["kind"]).to_pylist():
                table = tables[name]
                done = self.lake.applied(table, _MOVER) or 0
                fresh = rows.filter(pc.and_(pc.equal(rows["kind"], name), pc.greater(rows["seq"], done)))
                if fresh.num_rows:
                    self.lake.append(table, _unpacked(table, fresh), Commit(_MOVER, last))
            count += self.ledger.delete(INBOX, "fact", rows["fact"].to_pylist(), overwrite=False)
        for path in self.folder.glob("inbox-*.parquet"):
            path.unlink()
        return count

    def create(self, *tables: Table) -> None:
        """Make tables of the lake that do not exist yet."""
        self.lake.create(*tables)

    def extend(self, *tables: Table) -> None:
        """Give tables of the lake the columns that they lack."""
        self.lake.extend(*tables)

    def tables(self) -> list[str]:
        """Name every table of the lake."""
        return self.lake.tables()

    def append(self, table: Table, rows: pa.Table, commit: Commit | None = None) -> bool:
        """Add rows: to the inbox while ``recording``, where no commit needs a name, else to the lake."""
        if not self._recording:
            return self.lake.append(table, rows, commit)
        kept = self.ledger.read(INBOX_HEAD, name=_MOVER)["seq"].to_pylist()
        first = (kept[0] if kept else 0) + 1
        now = utc_now()
        packed = [
            {
                "fact": fact,
                "seq": first + place,
                "kind": table.name,
                "subject": row[table.subject] if table.subject else None,
                "received_at": now,
                "body": body,
            }
            for place, (fact, row, body) in enumerate(_packed(table, rows))
        ]
        with self.ledger.transaction():
            self.ledger.insert(INBOX, packed)
            self.ledger.put(INBOX_HEAD, [{"name": _MOVER, "seq": first + len(packed) - 1}])
        return True

    def applied(self, table: Table, application: str) -> int | None:
        """Return the last version that ``application`` committed to the table of the lake, or None."""
        return self.lake.applied(table, application)

    def source(self, table: Table) -> list[str] | pa.Table:
        """Return the Parquet files of the lake and of the inbox, or an Arrow table of both where the lake has none."""
        rows, source = self._both(table, self.lake.source)
        if not rows.num_rows:
            return source
        if isinstance(source, pa.Table):
            return pa.concat_tables([source, _unpacked(table, rows)])
        path = self.folder / f"inbox-{table.name}-{rows['seq'][0].as_py()}-{rows['seq'][-1].as_py()}.parquet"
        if not path.exists():
            pq.write_table(_unpacked(table, rows), path, store_schema=False)
        return Files([*source, str(path)], table)

    def version(self, table: Table) -> int:
        """Return a number that changes with every change of the table, in the lake or in the inbox."""
        rows, version = self._both(table, self.lake.version)
        newest: int = rows["seq"][-1].as_py() if rows.num_rows else 0
        return (version << 32) + newest if newest else version

    def appended(self, table: Table, since: int) -> list[str] | pa.Table | None:
        """Return what was added to the lake after that version of it, or None."""
        return self.lake.appended(table, since)

    def count(self, table: Table) -> int:
        """Return the number of rows, in the lake and in the inbox."""
        rows, count = self._both(table, self.lake.count)
        return count + len(rows)

    def delete(self, table: Table, column: str, values: Iterable[int]) -> int:
        """Delete rows of the lake."""
        return self.lake.delete(table, column, values)

    def delete_rows(self, table: Table, rows: pa.Table) -> int:
        """Delete rows of the lake."""
        return self.lake.delete_rows(table, rows)

    def compact(self, table: Table) -> None:
        """Compact the lake."""
        self.lake.compact(table)

    def _rows(self) -> pa.Table:
        """Return the rows of the inbox in their order."""
        return self.ledger.read(INBOX).sort_by("seq")

    def _both(self, table: Table, read: Callable[[Table], T]) -> tuple[pa.Table, T]:
        """Return the rows of the inbox that are not in a table of the lake yet, and what is read of the latter.

        Another process may move rows between the two: then both are read anew, or rows would be there twice.
        """
        while True:
            rows = self.ledger.read(INBOX, kind=table.name).sort_by("seq")
            if not rows.num_rows:
                return rows, read(table)
            done = self.lake.applied(table, _MOVER)
            if done is not None:  # these have moved, and the mover was cut off, or is about to delete them
                rows = rows.filter(pc.greater(rows["seq"], done))
            found = read(table)
            if self.lake.applied(table, _MOVER) == done:
                return rows, found


def _packed(table: Table, rows: pa.Table) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield of each row what is unique about it, its values, and these as JSON."""
    for row in rows.to_pylist():
        values = {name: _plain(value) for name, value in row.items() if value is not None}
        fact = json.dumps([table.name, *(values.get(name) for name in table.key)], ensure_ascii=False)
        yield fact, row, json.dumps(values, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return value.hex() if isinstance(value, bytes) else value


def _unpacked(table: Table, rows: pa.Table) -> pa.Table:
    """Return rows of the inbox as rows of their table."""
    try:
        bodies = [json.loads(body) for body in rows["body"].to_pylist()]
        for field in table.schema:
            if pa.types.is_timestamp(field.type) or pa.types.is_binary(field.type):
                read = datetime.fromisoformat if pa.types.is_timestamp(field.type) else bytes.fromhex
                for body in bodies:
                    if field.name in body:
                        body[field.name] = read(body[field.name])
        return table.rows(bodies)
    except (ValueError, TypeError, pa.ArrowException) as error:
        raise IntegrityError(
            f"A row of the inbox is no row of {table.name!r}: {type(error).__name__}.",
            hint="somebody wrote to the ledger past coterie; restore a backup.",
        ) from None
