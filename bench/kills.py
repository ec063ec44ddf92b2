"""An import that is killed (SIGKILL) at random moments and begun anew: what is in the shop at the end, row by row.

The import runs through the command line, as people run it. It is killed after a random share of the time that an
uninterrupted one takes, begun anew, and killed again. Each time one comes to its end before it is killed, every row of
every table is compared with those of the uninterrupted import, and another shop is begun. Rows that are lost, doubled
or changed end the script with an error.

``python bench/kills.py --kills 200 [--lines 40000] [--files 4] [--seed 17] [--draft]``
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import looks

PEOPLE = 3000
# Clocks, what is sealed at random, and what is made of random subject keys (that these are all different is looked at).
NOT_COMPARED = {"ingested_at", "started_at", "finished_at", "raw", "expires_at", "line_id"}
MAPPING = """
source = "till"
currency = "EUR"
timezone = "UTC"

[lawful_basis]
segmentation = "legitimate interest: we group customers by what they bought, see our privacy notice"

[[read]]
file = "people.csv"
to = "trait"
identify = { customer_id = "customer" }
traits = ["age"]

[[read]]
file = "orders-*.csv"
to = "order_line"
identify = { customer_id = "customer", email = "mail" }
fields = { order_id = "order", product_id = "sku", quantity = "pieces", amount = "total", occurred_at = "at" }
"""


def write_files(folder: Path, lines: int, files: int) -> None:
    """Write an export in several files: rows without ids of their own, some twice, some broken."""
    draw = random.Random(3)
    folder.mkdir()
    (folder / "till.toml").write_text(MAPPING, "utf-8")
    people = "".join(f"c{n},{draw.choice(['18-34', '35-44', '55+'])}\n" for n in range(PEOPLE))
    (folder / "people.csv").write_text(f"customer,age\n{people}", "utf-8")
    for number in range(files):
        rows = ["order,sku,customer,mail,pieces,total,at"]
        for n in range(lines // files):
            person = draw.randrange(PEOPLE)
            total = "much" if n % 997 == 5 else f"{draw.uniform(1, 90):.2f}"
            at = f"2025-{draw.randint(1, 12):02}-{draw.randint(1, 28):02} 10:00:00"
            order = f"o{number}-{n // 3}"
            rows.append(f"{order},s{draw.randrange(500)},c{person},p{person}@shop.example,1,{total},{at}")
            if n % 500 == 7:
                rows.append(rows[-1])
        (folder / f"orders-{number}.csv").write_text("\n".join(rows) + "\n", "utf-8")


def content(folder: Path) -> dict[str, list[str]]:
    """Return every row of every table that an import writes, with identifiers in the place of their random keys."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    import coterie
    from coterie.collect.facts import IMPORTS
    from coterie.profiles.edges import EDGES
    from coterie.workspace.keeping import LAKE

    found = {}
    with coterie.open(folder) as shop:
        subjects = shop.vault._database.rows("SELECT subject FROM identifiers")
        known = shop.vault.reveal(subject for (subject,) in subjects).to_pylist()
        names = {row["subject"]: f"{row['kind']}={row['value']}" for row in known}
        found["identifiers"] = sorted(names.values())
        for table in (*LAKE, EDGES, IMPORTS):
            if table in (EDGES, IMPORTS):
                rows = shop.ledger.read(table)
            else:
                source = shop.lake.source(table)
                rows = source if isinstance(source, pa.Table) else ds.dataset(source, schema=table.schema).to_table()
            people = set(table.properties.get("subjects", (table.subject,)))
            if "line_id" in rows.column_names and pc.count_distinct(rows["line_id"]).as_py() != rows.num_rows:
                raise AssertionError(f"{table.name}: a row is there twice")
            lines = []
            for row in rows.select([name for name in table.schema.names if name not in NOT_COMPARED]).to_pylist():
                named = sorted(str(names.get(row[name], row[name])) for name in people if name)
                kinds = sorted(str(row.pop(name)) for name in ("kind_a", "kind_b") if name in row)
                rest = sorted((name, str(value)) for name, value in row.items() if name not in people)
                lines.append(f"{named} {kinds} {rest}")
            found[table.name] = sorted(lines)
        shop.gate.audit.verify()
    return found


def ingest(shop: Path, data: Path) -> subprocess.Popen[bytes]:
    """Start an import as people do."""
    command = [sys.executable, "-m", "coterie", "ingest", str(data / "till.toml"), "--shop", str(shop), "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def ended(process: subprocess.Popen[bytes], within: float | None = None) -> bool:
    """Wait for an import, kill it when it takes too long, and say whether it came to its end."""
    try:
        said = process.communicate(timeout=within)
    except subprocess.TimeoutExpired:
        process.kill()
        said = process.communicate()
    if process.returncode not in (0, -9):
        raise AssertionError(
            f"the import ended with {process.returncode}: {said[1].decode('utf-8', 'replace')[-2000:]}"
        )
    return process.returncode == 0


def killed(scratch: Path, *, kills: int, lines: int, files: int, seed: int) -> dict[str, Any]:
    """Kill so many imports and compare what came of them; raise AssertionError where rows are lost or doubled."""
    import coterie

    write_files(scratch / "data", lines, files)

    def made(name: str) -> Path:
        coterie.open(scratch / name, create=True, currency="EUR").close()
        return scratch / name

    began = time.monotonic()
    if not ended(ingest(made("whole"), scratch / "data")):
        raise AssertionError("the uninterrupted import was killed")
    lasts = time.monotonic() - began
    expected = content(scratch / "whole")
    draw = random.Random(seed)
    count, compared, shop = 0, 0, made("shop-0")
    while True:
        last = count == kills
        if not ended(ingest(shop, scratch / "data"), None if last else draw.uniform(0.1, 1.0) * lasts):
            count += 1
            continue
        for table, rows in content(shop).items():
            if rows != expected[table]:
                lost, more = len(set(expected[table]) - set(rows)), len(rows) - len(expected[table])
                raise AssertionError(f"after {count} kills {table} lacks {lost} rows and has {more} more")
        compared += 1
        if last:
            break
        shop = made(f"shop-{compared}")
    rows = sum(len(table) for table in expected.values())
    return {
        "kills": count,
        "shops": compared,
        "rows_in_each": rows,
        "lost": 0,
        "doubled": 0,
        "seconds": round(lasts, 1),
    }


def main(arguments: list[str] | None = None) -> int:
    """Kill, compare, print, record."""
    parser = argparse.ArgumentParser(description="Imports that are killed at random moments and begun anew.")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--lines", type=int, default=40_000)
    parser.add_argument("--files", type=int, default=4)
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--draft", action="store_true", help="with uncommitted changes; nothing is recorded")
    asked = parser.parse_args(arguments)
    configuration = {name: getattr(asked, name) for name in ("kills", "lines", "files", "seed")}
    with (
        looks.look("kills.py", configuration, draft=asked.draft) as taken,
        tempfile.TemporaryDirectory(prefix="kills-") as scratch,
    ):
        os.environ["XDG_CONFIG_HOME"] = str(Path(scratch) / "config")
        os.environ.pop("COTERIE_KEY", None)
        taken.figures.update(killed(Path(scratch), **configuration))
    print(taken.figures)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
