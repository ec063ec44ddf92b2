"""A shop in memory to bring files into."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from coterie.collect.facts import QUARANTINE
from coterie.collect.intake import Intake, Receipt
from coterie.collect.mapping import Mapping
from coterie.config import Config
from coterie.govern.audit import AUDIT, AUDIT_HEAD
from coterie.govern.consent import BASES, CONSENTS
from coterie.govern.gate import Gate
from coterie.schema import Table
from coterie.store.lake import MemoryLake
from coterie.store.ledger import MemoryLedger
from coterie.store.vault import MemoryVault
from coterie.store.warehouse import Warehouse

NOW = datetime(2026, 3, 1, 12)


class Shop:
    """An intake over stores in memory; ``folder`` is where its files lie."""

    def __init__(
        self, warehouse: Warehouse, folder: Path, config: Config, lake: Any = None, ledger: Any = None
    ) -> None:
        self.warehouse = warehouse
        self.folder = folder
        self.lake = lake or MemoryLake()
        self.ledger = ledger or MemoryLedger()
        self.vault = MemoryVault(bytes(32))
        self.config = config
        self.edges: list[dict[str, Any]] = []
        self.ledger.create(CONSENTS, BASES, AUDIT, AUDIT_HEAD)
        self.intake = Intake(
            warehouse,
            self.lake,
            self.ledger,
            self.vault,
            Gate(self.ledger),
            config,
            edges=lambda found: self.edges.extend(found.to_pylist()),
        )

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def ingest(self, *reads: dict[str, Any], now: datetime = NOW, source: str = "shop", **top: Any) -> Receipt:
        mapping = Mapping.of(
            {"source": source, "lawful_basis": {"segmentation": "contract: a test"}, "read": list(reads), **top}
        )
        return self.intake.ingest(mapping, self.folder, now=now)

    def rows(self, table: Table) -> list[dict[str, Any]]:
        """All facts of a table, sorted by where they came from."""
        self.warehouse.attach("looked_at", self.lake.source(table))
        found = self.warehouse.query("SELECT * FROM looked_at")
        return sorted(found.to_pylist(), key=lambda row: (row["import_id"], row["row"], row.get("trait") or ""))

    def quarantined(self) -> list[tuple[int, list[str]]]:
        return [(row["row"], row["reasons"].split("; ")) for row in self.rows(QUARANTINE)]

    def subject(self, kind: str, value: str) -> int:
        [key] = self.vault.subjects(pa.table({"kind": [kind], "value": [value]})).to_pylist()
        return key


@pytest.fixture(scope="session")
def warehouse() -> Iterator[Warehouse]:
    with Warehouse(None, threads=1, memory_limit="1GB") as made:
        yield made


@pytest.fixture
def make_shop(warehouse: Warehouse, tmp_path: Path) -> Callable[..., Shop]:
    def make(**settings: Any) -> Shop:
        stores = {name: settings.pop(name) for name in ("lake", "ledger") if name in settings}
        folder = settings.pop("folder", tmp_path)
        folder.mkdir(exist_ok=True)
        return Shop(warehouse, folder, Config("Test", "test", **{"currency": "EUR", **settings}), **stores)

    return make


@pytest.fixture
def shop(make_shop: Callable[..., Shop]) -> Shop:
    return make_shop()
