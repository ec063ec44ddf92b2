"""Thirty-five features of everybody from many order lines: coterie beside a scan, pandas and Polars written by hand.

All read the same Parquet files, those of a Delta table whose files hold ranges of subject keys, as compaction leaves
them, over three years. By default they are an online shop's, ten lines a person and three an order; ``--shapes 10x3
100x9`` adds a grocer's, a hundred lines a person and nine an order. ``coterie`` is one call of ``batch.table``;
``scan`` reads the columns that the features need and hashes them, so nothing is faster. The values of all are compared
with those of pandas first: unequal values end the benchmark. coterie keeps no derived rows, each read starts from the
lines, so upkeep is 0. Above ``--peers-up-to`` lines only coterie and the scan run. Each run is a process of its own
(``measure.py``).

``python bench/features.py --lines 10000000 100000000 [--shapes 10x3 100x9] [--repeats 3] [--draft]``
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from datetime import datetime
from pathlib import Path

import looks
import measure

HERE = Path(__file__).resolve().parent
NAMES = (
    "recency_days", "tenure_days", "orders", "orders_7d", "orders_30d", "orders_90d", "orders_365d", "spend",
    "spend_7d", "spend_30d", "spend_90d", "spend_365d", "basket_value", "basket_value_90d", "basket_lines",
    "gap_mean_days", "gap_std_days", "active_days", "active_days_90d", "discount_share", "discount_share_90d",
    "private_label_share", "products", "products_90d", "categories", "category_entropy", "top_category",
    "top_category_share", "top_department", "weekend_share", "morning_share", "evening_share", "night_share",
    "top_channel", "places",
)  # fmt: skip
ZONE = "America/New_York"
AS_OF = datetime(2024, 12, 1)
PIECE = 1_000_000  # lines that are made at once


def shape(text: str) -> tuple[int, int]:
    """Return lines a person and lines an order, on average, of such as ``10x3``."""
    of_person, _, of_order = text.partition("x")
    return int(of_person), int(of_order)


def generate(folder: Path, lines: int, of: tuple[int, int], seed: int) -> None:
    """Write the lake and ``people.parquet``, with so many lines a person and an order."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from coterie.collect.facts import ORDER_LINES, PRODUCTS
    from coterie.store.lake import DeltaLake

    rng, lake = np.random.default_rng(seed), DeltaLake(folder / "lake")
    lake.create(ORDER_LINES, PRODUCTS)
    goods = np.arange(20_001)
    of_person, of_order = of

    def text(words: str, numbers: np.ndarray) -> pa.Array:
        return pa.array(np.char.add(words, numbers.astype(str)))

    def shaped(columns: dict[str, pa.Array], schema: pa.Schema) -> pa.Table:
        rows = len(columns["row"])
        columns = {"source": pa.repeat("shop", rows), "import_id": pa.repeat(1, rows), **columns}
        return pa.table([columns.get(f.name, pa.nulls(rows, f.type)) for f in schema], names=schema.names).cast(schema)

    brands = pa.array([f"brand {n % 300}" if n % 300 else "Own Brand" for n in goods.tolist()])
    shelf = {"product_id": text("p", goods), "brand": brands, "row": pa.array(goods)}
    shelf |= {"department": text("d", goods % 20), "category": text("c", goods % 200)}
    lake.append(PRODUCTS, shaped(shelf, PRODUCTS.schema))
    pieces = [min(PIECE, lines - start) for start in range(0, lines, PIECE)]
    everybody = []
    for number, wanted in enumerate(pieces):
        low, high = number * 2**62 // len(pieces), (number + 1) * 2**62 // len(pieces)
        people = np.unique(rng.integers(low, high, max(1, wanted // of_person)))
        everybody.append(people)
        orders = wanted // of_order + 1
        busy = np.cumsum(rng.pareto(1.5, len(people)) + 0.3)
        who = people[np.searchsorted(busy, rng.random(orders) * busy[-1])]
        at = (datetime(2022, 1, 1) - datetime(1970, 1, 1)).days * 86_400 + rng.integers(0, 3 * 365 * 86_400, orders)
        which = np.repeat(np.arange(orders), rng.geometric(1 / of_order, orders))[:wanted]
        which = which[np.lexsort((at[which], who[which]))]
        size, first = len(which), number * PIECE
        times = pa.array(at[which] * 1_000_000, pa.timestamp("us"))
        columns = {
            "line_id": text("l", first + np.arange(size)),
            "order_id": text("o", first + which),
            "kind": pa.repeat("Order Completed", size),
            "subject": pa.array(who[which]),
            "channel": pa.array(np.array(["web", "store", "app"])[rng.integers(0, 3, orders)][which]),
            "place": text("place ", rng.integers(0, 50, orders)[which]),
            "product_id": text("p", np.minimum(rng.pareto(1.0, size) * 200, goods[-1]).astype(np.int64)),
            "quantity": pa.array(np.ones(size)),
            "amount": pa.array(rng.integers(100, 5000, size)),
            "discount": pa.array(rng.integers(0, 100, size)),
            "currency": pa.repeat("USD", size),
            **dict.fromkeys(("occurred_at", "available_at", "ingested_at"), times),
            "row": pa.array(first + np.arange(size)),
        }
        lake.append(ORDER_LINES, shaped(columns, ORDER_LINES.schema))
    keys = pa.array(np.concatenate(everybody))
    pq.write_table(pa.table({"person": keys, "subject": keys}), folder / "people.parquet")
    (folder / "files.json").write_text(
        json.dumps({"lines": list(lake.source(ORDER_LINES)), "products": list(lake.source(PRODUCTS))}), "utf-8"
    )


def coterie_run(folder: Path, write: Path | None, threads: int | None, memory: str | None) -> int:
    """Compute the features through ``batch.table``; return how many people have them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from coterie.collect.facts import ORDER_LINES, PRODUCTS
    from coterie.features import batch
    from coterie.features.catalog import CATALOG
    from coterie.store.lake import DeltaLake
    from coterie.store.warehouse import Warehouse

    people = pq.read_table(folder / "people.parquet")
    always = pa.nulls(people.num_rows, pa.timestamp("us"))
    with Warehouse(DeltaLake(folder / "lake"), threads=threads, memory_limit=memory) as warehouse:
        warehouse.attach_tables(ORDER_LINES, PRODUCTS)
        warehouse.attach("person_of", people.append_column("valid_from", always).append_column("valid_until", always))
        moment = pa.repeat(pa.scalar(AS_OF, pa.timestamp("us")), people.num_rows)
        spine = pa.table({"person": people["person"], "as_of": moment})
        del people
        table = batch.table(warehouse, CATALOG.select(NAMES), spine, timezone=ZONE, currency="USD")
    if write:
        pq.write_table(table.drop_columns(["as_of"]), write)
    return len(table["person"])


def scan_run(folder: Path) -> int:
    """Read the columns that the features need; return the number of lines."""
    import duckdb

    files = json.loads((folder / "files.json").read_text("utf-8"))["lines"]
    columns = "subject, order_id, kind, occurred_at, available_at, product_id, amount, discount, channel, place"
    answer = duckdb.execute(f"SELECT count(*), sum(hash({columns})) FROM read_parquet({files})").fetchall()
    return int(answer[0][0])


def unequal(ours: Path, theirs: Path) -> list[str]:
    """Return what differs between two tables of features; empty when they are equal."""
    import numpy as np
    import pyarrow.parquet as pq

    a, b = (pq.read_table(path).sort_by("person") for path in (ours, theirs))
    if a["person"].to_pylist() != b["person"].to_pylist():
        return [f"people: {a.num_rows} and {b.num_rows}"]
    wrong = []
    for name in NAMES:
        x, y = (table[name].to_numpy() for table in (a, b))
        if name.startswith("top_") and not name.endswith("_share"):
            same = np.array([one == other for one, other in zip(a[name].to_pylist(), b[name].to_pylist(), strict=True)])
        else:
            same = np.isclose(x.astype(float), y.astype(float), rtol=1e-9, atol=1e-9, equal_nan=True)
        if not same.all():
            i = int(np.flatnonzero(~same)[0])
            wrong.append(f"{name}: {int((~same).sum())} of {len(x)} differ, such as {x[i]} and {y[i]}")
    return wrong


def main(arguments: list[str] | None = None) -> int:
    """Generate, check that the work is equal, measure, print, record."""
    parser = argparse.ArgumentParser(description="35 features of everybody: coterie beside a scan, pandas and Polars.")
    parser.add_argument("--lines", type=int, nargs="+", default=[10_000_000])
    parser.add_argument(
        "--shapes", nargs="+", default=["10x3"], help="lines a person and an order, on average, such as 10x3 100x9"
    )
    parser.add_argument("--peers-up-to", type=int, default=10_000_000, help="more lines are for coterie and the scan")
    parser.add_argument(
        "--repeats", type=int, default=3, help="of what the peers run too; beyond, everything runs once"
    )
    parser.add_argument("--threads", type=int, help="of coterie; by default all cores")
    parser.add_argument(
        "--memory", help="what DuckDB may use in coterie, such as 1GB; by default half of the machine's"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--scratch", type=Path, help="where the files are made; the system's temporary folder if absent"
    )
    parser.add_argument("--json", type=Path, help="write everything to this file too")
    parser.add_argument("--draft", action="store_true", help="with uncommitted changes; nothing is recorded")
    own = parser.add_argument_group("steps in processes of their own")
    own.add_argument("--step", choices=("generate", "coterie", "scan", "check"))
    own.add_argument("--folder", type=Path)
    own.add_argument("--write", type=Path, help="with coterie: write the features to this file")
    own.add_argument("--check", type=Path, nargs=2, metavar=("OURS", "THEIRS"))
    asked = parser.parse_args(arguments)
    match asked.step:
        case "generate":
            generate(asked.folder, asked.lines[0], shape(asked.shapes[0]), asked.seed)
        case "coterie":
            print(json.dumps({"people": coterie_run(asked.folder, asked.write, asked.threads, asked.memory)}))
        case "scan":
            print(json.dumps({"lines": scan_run(asked.folder)}))
        case "check":
            print(json.dumps({"unequal": unequal(*asked.check)}))
        case None:
            names = ("lines", "shapes", "peers_up_to", "repeats", "threads", "memory", "seed")
            configuration = {name: getattr(asked, name) for name in names}
            with looks.look("features.py", configuration, draft=asked.draft) as taken:
                compared(asked, taken)
    return 0


def compared(asked: argparse.Namespace, taken: looks.Look) -> None:
    """Measure every size, the largest without peers, and put the figures into the look."""
    kept: dict[str, object] = {}
    taken.figures["upkeep"] = 0  # there are no derived rows
    for of in asked.shapes:
        cost = {}
        for lines in sorted(asked.lines):
            with tempfile.TemporaryDirectory(prefix="features-", dir=asked.scratch) as scratch:
                found = compared_at(asked, lines, of, Path(scratch))
            print(f"{lines:,} lines, {of}\n{found.table()}\n")
            kept[f"{of}_{lines}"], cost[lines] = found.to_json(), found.median("coterie", "cpu")
            taken.figures.update({f"{of}_{lines}_{name}": value for name, value in found.figures().items()})
        small, large = min(cost), max(cost)
        if small != large:
            growth = round(cost[large] / cost[small], 2)
            taken.figures[f"{of}_growth"] = growth
            print(f"{of}: {large / small:g} times the lines cost {growth} times the CPU seconds")
    if asked.json:
        asked.json.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")


def compared_at(asked: argparse.Namespace, lines: int, of: str, scratch: Path) -> measure.Comparison:
    """Return what each cost on the same files, after the features of all were found equal."""
    # This process stays small: what it imports would count as its children's peak memory (see measure.py).
    python, script = sys.executable, str(HERE / "features.py")
    step = [python, script, "--folder", str(scratch), "--step"]
    made = ["generate", "--lines", str(lines), "--shapes", of, "--seed", str(asked.seed)]
    measure.run([*step, *made])
    ours = [*step, "coterie"]
    ours += ["--threads", str(asked.threads)] if asked.threads else []
    ours += ["--memory", asked.memory] if asked.memory else []
    runs = {"coterie": ours, "scan": [*step, "scan"]}
    if lines > asked.peers_up_to:
        return measure.compare(runs, repeats=1)
    for peer in ("pandas", "polars"):
        runs[peer] = [python, str(HERE / "peers" / f"{peer}_features.py"), str(scratch)]
        runs[peer] += ["--as-of", AS_OF.isoformat(), "--timezone", ZONE]
    for peer in ("pandas", "coterie", "polars"):
        measure.run([*runs[peer], "--write", str(scratch / f"{peer}.parquet")])
        if peer != "pandas":
            files = [str(scratch / f"{one}.parquet") for one in (peer, "pandas")]
            check = measure.run([*step, "check", "--check", *files])
            if check.said["unequal"]:
                raise SystemExit(f"{peer} and pandas are unequal:\n  " + "\n  ".join(check.said["unequal"]))
    print(f"{len(NAMES)} features are equal", file=sys.stderr)
    return measure.compare(runs, repeats=asked.repeats)


if __name__ == "__main__":
    raise SystemExit(main())
