"""One Delta table: its log, the files that the log names, and how both change together."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import duckdb
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, RemoveAction

from coterie.errors import CoterieError, StoreError
from coterie.schema import Table
from coterie.store.parquet import flush, indexed, statistics, write
from coterie.store.ports import Commit
from coterie.store.shape import require_same_columns

T = TypeVar("T")
File = tuple[Path, int]  # where it lies, and its size in bytes

_ATTEMPTS = 5  # at a commit that another one overtook


class Delta:
    """A Delta table as its log was when this was made.

    Parameters
    ----------
    folder
        The table's own folder.
    table
        The columns that the table must have.

    Raises
    ------
    StoreError
        There is no such table, its log is broken, or it has other columns.
    """

    def __init__(self, folder: Path, table: Table) -> None:
        self.folder = folder
        self.table = table
        with told(table.name, "read"):
            if not DeltaTable.is_deltatable(str(folder)):
                raise StoreError(f"There is no table {table.name!r} in {folder.parent}.")
            self.log = DeltaTable(str(folder))
            stored = pa.schema(self.log.schema().to_arrow())
        require_same_columns(
            table, [(field.name, str(field.type)) for field in stored], [(f.name, str(f.type)) for f in table.schema]
        )

    @staticmethod
    def create(folder: Path, table: Table) -> None:
        """Make a table; one that is there stays as it is."""
        with told(table.name, "make"):
            if not DeltaTable.is_deltatable(str(folder)):
                folder.mkdir(parents=True, exist_ok=True)
                DeltaTable.create(
                    str(folder),
                    schema=table.schema,
                    mode="ignore",
                    name=table.name,
                    description=table.meaning,
                    configuration={"delta.dataSkippingStatsColumns": ",".join(indexed(table.schema))},
                )

    def files(self) -> list[File]:
        """Return the live files."""
        actions = pa.table(self.log.get_add_actions(flatten=True))
        names, sizes = actions["path"].to_pylist(), actions["size_bytes"].to_pylist()
        return [(self.folder / name, size) for name, size in zip(names, sizes, strict=True)]

    def count(self) -> int:
        """Return the number of rows."""
        rows: list[int] = pa.table(self.log.get_add_actions(flatten=True))["num_records"].to_pylist()
        return sum(rows)

    def applied(self, application: str) -> int | None:
        """Return the last version that an application committed, or None."""
        version: int | None = self.log.transaction_version(application)
        return version

    def commit(
        self,
        batches: Iterable[pa.RecordBatch],
        prefix: str,
        file_bytes: int,
        *,
        mark: Commit | None = None,
        replaced: Sequence[File] = (),
        changed: bool = True,
    ) -> None:
        """Write batches to new files and make these live, instead of the replaced ones, in one entry of the log.

        All of it is on the disk when this returns. ``changed`` is False when readers see the same rows as before.
        """
        now = time.time_ns() // 1_000_000
        with told(self.table.name, "write to"):
            written = write(self.folder, prefix, self.table.schema, batches, file_bytes)
            flush(self.folder)
            added = [
                AddAction(path.name, path.stat().st_size, {}, now, changed, statistics(path, self.table.schema))
                for path in written
            ]
            removed = [RemoveAction(path.name, changed, now, size, {}) for path, size in replaced]
            marks = [Transaction(mark.application, mark.version)] if mark else []
            # Should this fail, the new files stay until the next clean-up: the entry may be in the log all the same.
            self.log.create_write_transaction(
                [*added, *removed],
                "append",
                self.table.schema,
                commit_properties=CommitProperties(app_transactions=marks),
            )
            flush(max((self.folder / "_delta_log").glob("*.json")))

    def clean_up(self, hours: int) -> None:
        """Remove the files that stopped being live before so many hours, and those that never were."""
        with told(self.table.name, "clean up"):
            for dry in (True, False):  # a clean-up is an entry in the log, so there is none for nothing
                if not self.log.vacuum(hours, dry_run=dry, enforce_retention_duration=False, full=True):
                    break


def retried(once: Callable[[], T]) -> T:
    """Try again while another commit overtakes this one, or a deletion removes the files that it reads."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return once()
        except StoreError as error:
            if not isinstance(error.__cause__, (CommitFailedError, duckdb.IOException)):
                raise
    return once()


@contextmanager
def told(name: str, what: str) -> Iterator[None]:
    """Turn what deltalake, Arrow and the system raise into errors of ours that name the table."""
    try:
        yield
    except CoterieError:
        raise
    except (DeltaError, pa.ArrowException, OSError, ValueError) as error:
        said = (str(error).strip() or type(error).__name__).splitlines()[0]  # the rest is a backtrace
        raise StoreError(f"Cannot {what} table {name!r}: {said.rstrip('.')}.") from error
