"""Sources: staging CSV, packed CSV, JSON Lines and Parquet beside polars, pyarrow and duckdb reading the same files.

coterie stages a file (parsed whole, every cell as the text that it is, each row numbered, broken lines kept, into a
temporary Parquet file) and then counts the values of every column. A peer reads the file into memory with as little
guessing as it allows and counts the same; the counts must agree. So a peer does less, and holds more. Each run is a
process of its own (see ``measure.py``).

``python bench/sources.py --rows 2000000 --repeats 3 [--form csv csv.gz jsonl parquet] [--draft]``
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import looks
import measure

HERE = Path(__file__).resolve().parent
FORMS = ("csv", "csv.gz", "jsonl", "parquet")
PEERS = ("coterie", "polars", "pyarrow", "duckdb")


def write(folder: Path, rows: int, seed: int) -> None:
    """Write the same order lines in all forms; of JSON, place and campaign are nested."""
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"SELECT SETSEED({seed % 1000 / 1000})")
    connection.execute(
        f"""
        CREATE TABLE lines AS SELECT
            'O' || (n // 3) AS order_id, n % 3 AS line, 'C' || FLOOR(RANDOM() * {rows // 20 + 1})::INT AS customer,
            'customer' || FLOOR(RANDOM() * {rows // 20 + 1})::INT || '@shop.example' AS email,
            'SKU-' || FLOOR(RANDOM() * 9000)::INT AS sku, 'Thing, no. ' || FLOOR(RANDOM() * 9000)::INT AS name,
            1 + FLOOR(RANDOM() * 4)::INT AS quantity, ROUND(RANDOM() * 200, 2) AS price,
            CAST(TIMESTAMP '2024-01-01' + INTERVAL 1 SECOND * FLOOR(RANDOM() * 3e7)::INT AS VARCHAR) AS at,
            CASE WHEN RANDOM() < .3 THEN 'SPRING' END AS coupon
        FROM RANGE({rows}) AS each(n)
        """
    )
    connection.execute(f"COPY lines TO '{folder}/lines.csv' (HEADER)")
    connection.execute(f"COPY lines TO '{folder}/lines.csv.gz' (HEADER, COMPRESSION gzip)")
    connection.execute(f"COPY lines TO '{folder}/lines.parquet'")
    nested = "* EXCLUDE (sku, name), {'sku': sku, 'name': name} AS product"
    connection.execute(f"COPY (SELECT {nested} FROM lines) TO '{folder}/lines.jsonl' (FORMAT json)")


def read(peer: str, form: str, path: Path) -> dict[str, int]:
    """Read a file with a peer; return how many rows it has and how many of them have a coupon."""
    if peer == "coterie":
        from coterie.collect.sources import stage
        from coterie.store.warehouse import Warehouse

        with stage(path, path.name) as staged, Warehouse(None) as warehouse:
            columns = list(staged.columns)
            counts = ", ".join(f'COUNT(NULLIF(CAST("{name}" AS VARCHAR), \'\')) AS "{name}"' for name in columns)
            found = warehouse.query(f"SELECT {counts} FROM {staged.relation}").to_pylist()[0]
            return {"rows": staged.rows, "coupons": found["coupon"]}
    if peer == "polars":
        import polars as pl

        if form == "jsonl":
            frame = pl.read_ndjson(path)
        elif form == "parquet":
            frame = pl.read_parquet(path)
        else:
            frame = pl.read_csv(path, infer_schema=False)
        counts = frame.count().row(0, named=True)
        return {"rows": frame.height, "coupons": counts["coupon"]}
    if peer == "pyarrow":
        import pyarrow as pa
        import pyarrow.csv
        import pyarrow.json
        import pyarrow.parquet

        if form == "jsonl":
            table = pyarrow.json.read_json(path)
        elif form == "parquet":
            table = pyarrow.parquet.read_table(path)
        else:
            with pa.input_stream(str(path)) as file:
                head = file.read(1000).split(b"\n")[0].decode().strip().split(",")
            options = pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(head, pa.string()), strings_can_be_null=True
            )
            table = pyarrow.csv.read_csv(path, convert_options=options)
        given = {name: table.num_rows - table[name].null_count for name in table.column_names}
        return {"rows": table.num_rows, "coupons": given["coupon"]}
    import duckdb

    source = {"jsonl": "read_json('{}')", "parquet": "read_parquet('{}')"}.get(
        form, "read_csv('{}', all_varchar = true)"
    )
    connection = duckdb.connect()
    connection.execute(f"CREATE TABLE lines AS FROM {source.format(path)}")
    answer = connection.execute("SELECT COUNT(*), COUNT(coupon) FROM lines").fetchall()
    return {"rows": answer[0][0], "coupons": answer[0][1]}


def main(arguments: list[str] | None = None) -> int:
    """Write, check that all read the same, measure, print, record."""
    parser = argparse.ArgumentParser(description="Staging files beside reading them with polars, pyarrow and duckdb.")
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--form", nargs="+", choices=FORMS, default=FORMS)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--draft", action="store_true", help="with uncommitted changes; nothing is recorded")
    own = parser.add_argument_group("steps in processes of their own")
    own.add_argument("--write", type=Path, help="write the files into this folder")
    own.add_argument("--read", nargs=3, metavar=("PEER", "FORM", "FILE"), help="read one file with one peer")
    asked = parser.parse_args(arguments)
    if asked.write:
        write(asked.write, asked.rows, asked.seed)
        return 0
    if asked.read:
        print(json.dumps(read(asked.read[0], asked.read[1], Path(asked.read[2]))))
        return 0
    configuration = {"rows": asked.rows, "form": " ".join(asked.form), "repeats": asked.repeats, "seed": asked.seed}
    scratch = tempfile.TemporaryDirectory(prefix="sources-")
    with looks.look("sources.py", configuration, draft=asked.draft) as taken, scratch as folder:
        taken.figures.update(measured(asked, Path(folder)))
    return 0


def measured(asked: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """Return what each form cost each peer; nothing heavy is imported into this process (see ``measure.py``)."""
    own = [sys.executable, str(HERE / "sources.py")]
    measure.run([*own, "--rows", str(asked.rows), "--seed", str(asked.seed), "--write", str(scratch)])
    figures: dict[str, Any] = {}
    for form in asked.form:
        path = scratch / f"lines.{form}"
        peers = {peer: [*own, "--read", peer, form, str(path)] for peer in PEERS}
        found = measure.compare(peers, repeats=asked.repeats)
        said = {peer: dict(runs[-1].said) for peer, runs in found.runs.items()}
        if any(each != said["coterie"] for each in said.values()):
            raise SystemExit(f"They do not read the same, so there is nothing to compare: {said}")
        size, cpu = os.path.getsize(path) / 1e6, found.median("coterie", "cpu")
        print(f"\n{form}: {asked.rows:,} rows, {size:,.0f} MB; coterie {asked.rows / cpu:,.0f} rows a CPU second\n")
        print(found.table())
        key = form.replace(".", "_")
        figures |= {f"{key}_rows_per_cpu": round(asked.rows / cpu)}
        figures |= {f"{key}_{name}": value for name, value in found.figures().items() if "wall" not in name}
    return figures


if __name__ == "__main__":
    raise SystemExit(main())
