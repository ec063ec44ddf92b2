"""Packs ``<layout>.tar.gz`` and ``<layout>.json``: a small rich shop that a version of coterie wrote, and what it held.

Run once with the version that is to be released, never again for a layout that exists: the shop must be what that
version really wrote. The file is written anew by the next layout's author, who adds what a shop has by then.

``PYTHONPATH=<that version>/src python tests/workspace/layouts/pack.py 1``
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tarfile
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from pyarrow import csv

HERE = Path(__file__).resolve().parent
PEOPLE = 150
BEGIN = datetime(2025, 1, 1)
MAPPING = """
source = "till"
channel = "store"
currency = "EUR"
timezone = "Europe/Berlin"

[lawful_basis]
segmentation = "legitimate interest: we group customers by what they bought, see our privacy notice"

[[read]]
file = "orders*.csv"
to = "order_line"
id = ["line"]
identify = { customer_id = "customer", email = "mail" }
fields = { order_id = "order", product_id = "sku", quantity = "pieces", amount = "total", occurred_at = "at" }

[[read]]
file = "visits.csv"
to = "event"
id = ["visit"]
identify = { customer_id = "customer", device_id = "device" }
kind = { column = "what", values = { view = "Product Viewed", dream = "Product Clicked" } }
fields = { product_id = "sku", occurred_at = "at" }

[[read]]
file = "products.csv"
to = "product"
fields = { product_id = "sku", category = "category" }

[[read]]
file = "offers.csv"
to = "offer"
fields = { offer_id = "offer", product_id = "sku" }

[[read]]
file = "people.csv"
to = "trait"
identify = { customer_id = "customer" }
traits = ["age"]

[[read]]
file = "choices.csv"
to = "consent"
identify = { email = "mail" }
fields = { purpose = "purpose", choice = "choice", words = "words", occurred_at = "at" }
"""


def write_files(folder: Path, *, more: bool = False) -> None:
    """Write the shop's exports; with ``more``, also a file of later orders that the packed shop does not have."""
    random = np.random.default_rng(5)
    names = ("line", "order", "sku", "customer", "mail", "pieces", "total", "at")
    lines: dict[str, list[Any]] = {name: [] for name in names}
    order = 0
    for person in range(PEOPLE):
        kind = person % 3
        for day in np.sort(random.uniform(0, 400 if kind < 2 else 150, int(random.poisson((14, 6, 2)[kind])) + 1)):
            order += 1
            for sku in random.choice(20, size=int(random.integers(1, (5, 3, 2)[kind] + 1)), replace=False):
                at = (BEGIN + timedelta(days=float(day))).strftime("%Y-%m-%d %H:%M:%S")
                customer = "c0-new" if person == 0 and day > 200 else f"c{person}"
                total = f"{random.lognormal((3.0, 3.2, 2.0)[kind], 0.4):.2f}"
                row = (f"l{len(lines['line'])}", f"o{order}", f"s{sku}", customer, f"P{person}@Shop.example ", 1)
                for name, value in zip(names, (*row, total, at), strict=True):
                    lines[name].append(value)
    lines["total"][3] = "twelve"
    lines["at"][11] = "soon"
    table = pa.table(lines)
    late = pc.greater(table["at"], "2025-10-01")
    csv.write_csv(table.filter(pc.invert(late)), folder / "orders-1.csv")
    csv.write_csv(table.filter(late), folder / "orders-2.csv")
    visits = [
        {
            "visit": f"v{n}",
            "customer": f"c{n % PEOPLE}" if n % 4 else "",
            "device": f"d{n % PEOPLE}" if n % 4 else f"guest{n % 30}",
            "what": "view" if n % 9 else "dream",
            "sku": f"s{n % 20}",
            "at": (BEGIN + timedelta(hours=7 * n)).strftime("%Y-%m-%d %H:%M:%S"),
        }
        for n in range(400)
    ]
    csv.write_csv(pa.Table.from_pylist(visits), folder / "visits.csv")
    skus = [f"s{sku}" for sku in range(20)]
    csv.write_csv(pa.table({"sku": skus, "category": [f"k{n % 5}" for n in range(20)]}), folder / "products.csv")
    csv.write_csv(pa.table({"offer": ["spring", "spring", "autumn"], "sku": ["s1", "s2", "s2"]}), folder / "offers.csv")
    people = [f"c{person}" for person in range(PEOPLE)]
    csv.write_csv(pa.table({"customer": people, "age": ["35-44", "55+"] * (PEOPLE // 2)}), folder / "people.csv")
    said = {"mail": ["p7@shop.example", "p9@shop.example"], "purpose": ["segmentation"] * 2}
    said |= {"choice": ["objected", "granted"], "words": ["letter", "call"], "at": ["2025-03-01 10:00:00"] * 2}
    csv.write_csv(pa.table(said), folder / "choices.csv")
    if more:
        fresh = {name: table[name].slice(0, 6).to_pylist() for name in names}
        fresh |= {"line": [f"x{n}" for n in range(6)], "order": ["late"] * 6, "total": ["10.00"] * 6}
        fresh |= {"customer": ["c1", "c1", "c2", "stranger", "c3", "c3"], "at": ["2026-03-01 10:00:00"] * 6}
        csv.write_csv(pa.table(fresh), folder / "orders-3.csv")
    (folder / "till.toml").write_text(MAPPING, "utf-8")


def told(rows: pa.Table) -> dict[str, Any]:
    """Return what must stay of a table: its columns, how many rows, and the SHA-256 of these, in no order."""
    lines = sorted(json.dumps(row, sort_keys=True, default=_plain) for row in rows.to_pylist())
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return {"columns": rows.column_names, "rows": rows.num_rows, "sha256": digest}


def held(shop: Any, columns: dict[str, list[str]] | None = None) -> dict[str, Any]:
    """Return what a shop holds, table by table; of each the given columns, where given."""
    try:
        from coterie.workspace import keeping as declared
    except ImportError:  # layout 1
        from coterie.workspace import shop as declared  # type: ignore[no-redef]
    found = {}
    for table in (*declared.LAKE, *declared.LEDGER):
        if columns is not None and table.name not in columns:
            continue
        if table in declared.LEDGER:
            rows = shop.ledger.read(table)
        else:
            source = shop.lake.source(table)
            rows = ds.dataset(source, schema=table.schema).to_table() if isinstance(source, list) else source
        found[table.name] = told(rows.select(columns[table.name]) if columns else rows)
    return found


def people(shop: Any) -> dict[str, Any]:
    """Return what the vault knows: every identifier with its subject."""
    subjects = [subject for (subject,) in shop.vault._database.rows("SELECT subject FROM identifiers ORDER BY subject")]
    return told(shop.vault.reveal(subjects))


def _plain(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def main(layout: str) -> None:
    """Make the shop, pack it with its key, and write down what it held."""
    import coterie
    from coterie.collect.facts import ORDER_LINES

    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        os.environ["XDG_CONFIG_HOME"] = str(work / "config")
        os.environ.pop("COTERIE_KEY", None)
        data = work / "data"
        data.mkdir()
        write_files(data)
        late = (data / "orders-2.csv").rename(work / "orders-2.csv")
        now = datetime(2026, 2, 1, 12)
        settings = {"currency": "EUR", "timezone": "Europe/Berlin", "minimum_group": 10}
        with coterie.open(work / "shop", create=True, name="Layout", **settings) as shop:
            shop.ingest(data / "till.toml", now=now)
            late.rename(data / "orders-2.csv")
            shop.ingest(data / "till.toml", now=now + timedelta(days=1))
            shop.lake.compact(ORDER_LINES)
            (data / "people.csv").write_text("customer,age\nc1,65+\nc2,65+\n", "utf-8")
            shop.ingest(data / "till.toml", now=now + timedelta(days=2))
            shop.segment("2025-11-01", k=3, horizon_days=60)
            shop.forget("customer_id=c140")
            shop.show("customer_id=c1")
            said = {
                "tables": held(shop),
                "identifiers": people(shop),
                "people": shop.check().people,
                "person": shop.show("email=p0@shop.example").profile.person,
                "segment": shop.show("customer_id=c1").memberships[0].segment,
            }
            said["tables"]["audit"] = held(shop)["audit"]
            said["tables"]["audit_head"] = held(shop)["audit_head"]
        with tarfile.open(HERE / f"{layout}.tar.gz", "w:gz") as tar:
            for part in ("shop", "config"):
                tar.add(work / part, part)
    (HERE / f"{layout}.json").write_text(json.dumps(said, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
