"""Erasure: one person is forgotten in a shop of five million events, beside writing all of its files anew.

coterie erases the person from the lake, the ledger and the vault, searches everything again, and keeps the person out
of later imports. The peer is what a shop does that keeps plain Parquet files: DuckDB copies each of the source's files
without the person's rows. Each run is a process of its own (see ``measure.py``) and forgets another person: in turn one
of the busiest and one in the middle.

``python bench/forget.py --people 100000 --lines 500000 --repeats 4 [--draft]``
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import looks
import measure

HERE = Path(__file__).resolve().parent


def prepare(data: Path, folder: Path) -> dict[str, Any]:
    """Import the files into a new shop, compact it, and write down whom to forget; return how much there is."""
    import coterie
    from coterie.collect.facts import EVENTS, LAKE_TABLES, ORDER_LINES

    with coterie.open(folder, create=True, name="Forgetful", currency="USD") as shop:
        shop.ingest(data / "mapping.toml")
        shop.build()
        for table in LAKE_TABLES:
            shop.lake.compact(table)
        shop.warehouse.attach("clicks", [str(data / "clicks.parquet")])
        active = shop.warehouse.query(
            "SELECT customer_id FROM clicks WHERE customer_id IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1"
        )["customer_id"].to_pylist()
        half = len(active) // 2
        people = [person for pair in zip(active[:50], active[half : half + 50], strict=True) for person in pair]
        (data / "people.json").write_text(json.dumps({"coterie": people, "rewriting": people}), "utf-8")
        return {"events": shop.lake.count(EVENTS), "order_lines": shop.lake.count(ORDER_LINES), "people": len(active)}


def turn(data: Path, peer: str) -> str:
    """Return whom a peer forgets this time, and strike the person off its list."""
    waiting = json.loads((data / "people.json").read_text("utf-8"))
    person: str = waiting[peer].pop(0)
    (data / "people.json").write_text(json.dumps(waiting), "utf-8")
    return person


def forgotten(data: Path, folder: Path) -> dict[str, Any]:
    """Forget a person with coterie's verb."""
    import coterie

    person = turn(data, "coterie")
    with coterie.open(folder) as shop:
        begun = time.perf_counter()
        receipt = shop.forget(f"customer_id={person}")
        seconds = time.perf_counter() - begun
    if not receipt.verified:
        raise SystemExit(f"Something is left: {receipt.left}")
    return {"seconds": round(seconds, 2), "identifiers": receipt.subjects, "erased": receipt.erased}


def rewritten(data: Path) -> dict[str, Any]:
    """Write every file anew without a person's rows; whom each identifier belongs to is looked up, not resolved."""
    import duckdb

    person = turn(data, "rewriting")
    begun = time.perf_counter()
    with duckdb.connect() as engine:
        engine.execute("CREATE TABLE mine AS SELECT ? AS customer_id", [person])
        addresses = f"SELECT email FROM '{data}/customers.parquet' JOIN mine USING (customer_id)"
        devices = f"SELECT anonymous_id FROM '{data}/clicks.parquet' JOIN mine USING (customer_id)"
        engine.execute(f"CREATE TABLE mails AS SELECT DISTINCT email FROM ({addresses}) WHERE email IS NOT NULL")
        engine.execute(f"CREATE TABLE devices AS SELECT DISTINCT anonymous_id FROM ({devices})")
        for file in ("customers", "consents", "orders", "clicks", "emails"):
            columns = {row[0] for row in engine.execute(f"DESCRIBE FROM '{data}/{file}.parquet'").fetchall()}
            listed = {"customer_id": "mine", "email": "mails", "anonymous_id": "devices"}
            joins = " ".join(f"ANTI JOIN {table} USING ({name})" for name, table in listed.items() if name in columns)
            new = data / f"{file}.new"
            engine.execute(f"COPY (FROM '{data}/{file}.parquet' {joins}) TO '{new}' (FORMAT parquet, COMPRESSION zstd)")
            new.replace(data / f"{file}.parquet")
    return {"seconds": round(time.perf_counter() - begun, 2)}


def main(arguments: list[str] | None = None) -> int:
    """Generate, import, measure, print, record."""
    parser = argparse.ArgumentParser(description="One person forgotten: coterie beside writing every file anew.")
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--lines", type=int, default=500_000)
    parser.add_argument("--conversion", type=float, default=0.33, help="share of sessions with an order")
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write everything to this file too")
    parser.add_argument("--draft", action="store_true", help="with uncommitted changes; nothing is recorded")
    own = parser.add_argument_group("steps in processes of their own")
    own.add_argument("--prepare", type=Path, nargs=2, metavar=("DATA", "SHOP"))
    own.add_argument("--forget", type=Path, nargs=2, metavar=("DATA", "SHOP"))
    own.add_argument("--rewrite", type=Path, metavar="DATA")
    asked = parser.parse_args(arguments)
    if asked.prepare or asked.forget or asked.rewrite:
        said = (
            prepare(*asked.prepare)
            if asked.prepare
            else forgotten(*asked.forget)
            if asked.forget
            else rewritten(asked.rewrite)
        )
        print(json.dumps(said))
        return 0
    configuration = {name: getattr(asked, name) for name in ("people", "lines", "conversion", "repeats", "seed")}
    with looks.look("forget.py", configuration, draft=asked.draft) as taken:
        with tempfile.TemporaryDirectory(prefix="forget-") as scratch:
            found, size = compared(asked, Path(scratch))
        slowest = max(run.said["seconds"] for run in found.runs["coterie"])
        taken.figures.update({**size, **found.figures(), "slowest_seconds": slowest})
    print(found.table())
    for peer, runs in found.runs.items():
        print(f"{peer}: {json.dumps(dict(runs[-1].said))}")
    print(
        f"{size['events']:,} events; the slowest request took {slowest} s; the last: {found.runs['coterie'][-1].said}"
    )
    if asked.json:
        asked.json.write_text(json.dumps(found.to_json(), indent=1) + "\n", "utf-8")
    return 0


def compared(asked: argparse.Namespace, scratch: Path) -> tuple[measure.Comparison, dict[str, int]]:
    """Return what both cost on the same people, and how much there is."""
    environment = {"PYTHONPATH": f"{HERE}", "XDG_CONFIG_HOME": str(scratch / "config")}
    python, data, shop = sys.executable, str(scratch / "data"), str(scratch / "shop")
    sizes = [f"--{name}={getattr(asked, name)}" for name in ("people", "lines", "conversion", "seed")]
    measure.run([python, "-m", "shop_generator", "--out", data, *sizes], environment=environment)
    own = [python, str(HERE / "forget.py")]
    made = measure.run([*own, "--prepare", data, shop], environment=environment)
    print(f"{made.said}: imported in {made.wall:.0f} s", file=sys.stderr)
    peers = {"coterie": [*own, "--forget", data, shop], "rewriting": [*own, "--rewrite", data]}
    return measure.compare(peers, repeats=asked.repeats, environment=environment), dict(made.said)


if __name__ == "__main__":
    raise SystemExit(main())
