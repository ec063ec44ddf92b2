"""History import at several sizes: rows per CPU second and peak memory, beside the same cleaning by hand in pandas.

A generated shop's orders and products come in through ``coterie.ingest``, end to end: read, identified, judged, told
from what is there, written to the lake with every bad row sealed and every repeated one linked. The peer reads the
same CSV, parses times and amounts, drops the same bad and repeated rows and writes Parquet; it keeps neither the bad
rows nor who is whom. Each run is a process of its own (see ``measure.py``); beyond ``--memory`` the engine spills.

``python bench/import_history.py --lines 5000000 20000000 --memory 1500MB [--repeats 1] [--draft]``
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import looks
import measure

HERE = Path(__file__).resolve().parent


def coterie_run(data: Path, folder: Path, memory: str | None) -> dict[str, Any]:
    """Bring orders and products in, into a new shop; return the rows and the CPU seconds of the import alone."""
    import coterie

    shutil.rmtree(folder, ignore_errors=True)
    meant = coterie.Mapping.load(data / "mapping.toml")
    meant = replace(meant, reads=tuple(read for read in meant.reads if read.target.name in ("order_line", "product")))
    with coterie.open(folder, create=True, name="Import", currency="USD", timezone="UTC") as shop:
        if memory:
            shop.warehouse.execute(f"SET memory_limit = '{memory}'")
        start = time.process_time()
        receipt = shop.ingest(meant, data)
        cpu = time.process_time() - start
    shutil.rmtree(folder)
    return {
        "rows": receipt.received,
        "accepted": sum(file.accepted for file in receipt.files if file.target == "order_line"),
        "import_cpu": round(cpu, 2),
        "rows_per_cpu_second": int(receipt.received / cpu),
    }


def pandas_run(data: Path, target: Path) -> dict[str, Any]:
    """Read, clean and write the same orders by hand."""
    import pandas as pd

    start = time.process_time()
    rows = pd.read_csv(data / "orders.csv", dtype=str, keep_default_na=False)
    received = len(rows)
    nobody = {"", "null", "none", "nan", "n/a", "undefined", "unknown", "guest", "0", "test"}
    for name in ("customer_id", "email"):
        rows[name] = rows[name].str.strip()
        rows.loc[rows[name].str.lower().isin(nobody), name] = None
    rows["ordered_at"] = pd.to_datetime(rows["ordered_at"], errors="coerce", format="ISO8601")
    rows["recorded_at"] = pd.to_datetime(rows["recorded_at"], errors="coerce", format="ISO8601")
    for name in ("amount", "discount", "quantity"):
        rows[name] = pd.to_numeric(rows[name], errors="coerce")
    known = rows["customer_id"].notna() | rows["email"].notna()
    rows = rows[known & rows["ordered_at"].notna() & rows["amount"].notna() & (rows["amount"] >= 0)]
    rows = rows.drop_duplicates("line_id")
    rows["amount"] = (rows["amount"] * 100).round().astype("int64")
    rows.to_parquet(target, index=False)
    cpu = time.process_time() - start
    target.unlink()
    return {
        "rows": received,
        "accepted": len(rows),
        "import_cpu": round(cpu, 2),
        "rows_per_cpu_second": int(received / cpu),
    }


def main(arguments: list[str] | None = None) -> int:
    """Generate, measure each size, print, record."""
    parser = argparse.ArgumentParser(description="History import: rows per CPU second and peak memory.")
    parser.add_argument("--lines", type=int, nargs="+", default=[5_000_000, 20_000_000])
    parser.add_argument("--memory", help="what coterie's engine may use before it spills, such as 1500MB")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peer-up-to", type=int, default=5_000_000, help="the peer holds all in memory")
    parser.add_argument("--json", type=Path, help="write everything to this file too")
    parser.add_argument("--draft", action="store_true", help="with uncommitted changes; nothing is recorded")
    own = parser.add_argument_group("steps in processes of their own")
    own.add_argument("--run", type=Path, nargs=2, metavar=("DATA", "SHOP"), help="run coterie once")
    own.add_argument("--by-hand", type=Path, nargs=2, metavar=("DATA", "FILE"), help="run the peer once")
    asked = parser.parse_args(arguments)
    if asked.run:
        print(json.dumps(coterie_run(*asked.run, asked.memory)))
        return 0
    if asked.by_hand:
        print(json.dumps(pandas_run(*asked.by_hand)))
        return 0
    configuration = {name: getattr(asked, name) for name in ("lines", "memory", "repeats", "seed")}
    found: dict[str, Any] = {}
    with looks.look("import_history.py", configuration, draft=asked.draft) as taken:
        for lines in asked.lines:
            with tempfile.TemporaryDirectory(prefix="import-history-") as scratch:
                compared = _compared(asked, lines, Path(scratch))
            print(f"\n{lines:,} lines\n\n{compared.table()}")
            for peer, runs in compared.runs.items():
                said = runs[-1].said
                print(f"{peer}: {said['rows_per_cpu_second']:,} rows a CPU second, {said['accepted']:,} lines accepted")
                taken.figures[f"{peer}_{lines}_rows_per_cpu_second"] = said["rows_per_cpu_second"]
                taken.figures[f"{peer}_{lines}_peak"] = round(compared.median(peer, "peak"))
                if peer != "coterie":
                    taken.figures[f"{peer}_{lines}_cpu_ratio"] = round(compared.ratio(peer, "cpu"), 2)
                    taken.figures[f"{peer}_{lines}_peak_ratio"] = round(compared.ratio(peer, "peak"), 2)
            accepted = {run.said["accepted"] for runs in compared.runs.values() for run in runs}
            if len(accepted) != 1:
                raise AssertionError(f"of {lines:,} lines the two accept unlike numbers: {sorted(accepted)}")
            found[str(lines)] = compared.to_json()
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    return 0


def _compared(asked: argparse.Namespace, lines: int, scratch: Path) -> measure.Comparison:
    """Return what both cost on the same files of one size."""
    # This process stays small: what it imports would count as its children's peak memory (see measure.py).
    environment = {"PYTHONPATH": str(HERE), "XDG_CONFIG_HOME": str(scratch / "config")}
    data = scratch / "data"
    sizes = ["--people", str(lines // 10), "--lines", str(lines), "--form", "csv", "--seed", str(asked.seed)]
    shop = [sys.executable, "-m", "shop_generator", "--out", str(data), *sizes, "--no-clicks", "--no-emails"]
    measure.run(shop, environment=environment)
    me = [sys.executable, str(HERE / "import_history.py")]
    peers = {"coterie": [*me, "--run", str(data), str(scratch / "shop")]}
    peers["coterie"] += ["--memory", asked.memory] if asked.memory else []
    if lines <= asked.peer_up_to:
        peers["pandas"] = [*me, "--by-hand", str(data), str(scratch / "by-hand.parquet")]
    return measure.compare(peers, repeats=asked.repeats, environment=environment)


if __name__ == "__main__":
    raise SystemExit(main())
