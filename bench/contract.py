"""The contract check of order lines: nine built-in rules, beside the same by hand in SQL, pandera and pointblank.

Every peer reads the same Parquet file of order lines (1 % are bad, some in several ways), counts how many rows break
each rule, and writes the bad rows to a file. coterie and the SQL by hand also write all reasons of each bad row. What
the peers found is compared first: unequal counts end the benchmark. Each run is a process of its own (``measure.py``);
``check`` is the CPU time of the check alone, without starting Python and importing.

pandera and pointblank are not among our dependencies: give them an environment of their own and name its Python.

``python bench/contract.py --rows 5000000 --repeats 3 [--others /tmp/peers/bin/python] [--draft]``
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import looks
import measure

HERE = Path(__file__).resolve().parent
NOW = "2026-03-01 12:00:00"
RULES = {  # of the built-in contract, those that need no more than the columns of a fact; by hand
    "unidentified": "subject IS NULL",
    "no_order": "order_id IS NULL",
    "ancient": "occurred_at < TIMESTAMP '1970-01-01'",
    "future": "occurred_at > TIMESTAMP '2026-03-02 12:00:00'",
    "unknown_kind": "kind IS NULL OR kind NOT IN ('Order Completed', 'Order Refunded', 'Order Cancelled')",
    "negative_amount": "amount < 0 AND kind = 'Order Completed'",
    "negative_discount": "discount < 0",
    "negative_quantity": "quantity < 0 AND kind = 'Order Completed'",
    "bad_currency": "NOT regexp_full_match(currency, '[A-Z]{3}')",
}


def generate(rows: int, path: Path) -> None:
    """Write order lines of which one in a hundred breaks a rule, and one in five thousand two of them."""
    import duckdb

    def spoilt(number: int, bad: str, good: str) -> str:
        return f"CASE WHEN ill = {number} OR worse = {number} THEN {bad} ELSE {good} END"

    duckdb.sql(
        f"""
        COPY (
            SELECT row, {spoilt(0, "NULL", "CAST(h % 500000 AS BIGINT)")} AS subject,
                {spoilt(1, "NULL", "'o-' || (row // 3)")} AS order_id,
                {spoilt(4, "'gift'", "CASE WHEN h % 50 = 0 THEN 'Order Refunded' ELSE 'Order Completed' END")} AS kind,
                'p-' || (h % 20000) AS product_id,
                {spoilt(7, "-1.0", "CAST(1 + h % 5 AS DOUBLE)")} AS quantity,
                {spoilt(5, "-CAST(h % 9000 + 1 AS BIGINT)", "CAST(h % 9000 AS BIGINT)")} AS amount,
                {spoilt(6, "CAST(-5 AS BIGINT)", "CAST(h % 300 AS BIGINT)")} AS discount,
                {spoilt(8, "'euro'", "'EUR'")} AS currency,
                CASE WHEN ill = 2 OR worse = 2 THEN TIMESTAMP '1969-07-20' WHEN ill = 3 OR worse = 3
                    THEN TIMESTAMP '2030-01-01' ELSE TIMESTAMP '2024-01-01' + TO_SECONDS(h % 63000000) END
                    AS occurred_at
            FROM (
                SELECT range AS row, hash(range) AS h,
                    CASE WHEN hash(range + 7) % 100 = 0 THEN hash(range + 11) % 9 END AS ill,
                    CASE WHEN hash(range + 13) % 5000 = 0 THEN hash(range + 17) % 9 END AS worse
                FROM range({rows})
            )
        ) TO '{path}' (FORMAT parquet)
        """
    )


def ours(source: Path, target: Path) -> dict[str, Any]:
    """Check with the compiled contract."""
    from datetime import datetime

    import pyarrow as pa

    from coterie.collect import contract
    from coterie.collect.contract import BY_NAME
    from coterie.collect.targets import TARGETS
    from coterie.store.warehouse import Warehouse

    rules = tuple(BY_NAME[name] for name in RULES)
    mask = contract.mask(TARGETS["order_line"], now=datetime.fromisoformat(NOW), currency="EUR", rules=rules)
    with Warehouse() as warehouse:
        begun = time.process_time()
        warehouse.attach("lines", [source])
        warehouse.execute(f'CREATE TEMP TABLE bad AS FROM (SELECT *, {mask} AS "#mask" FROM lines) WHERE "#mask" > 0')
        groups = warehouse.query('SELECT "#mask" AS mask, COUNT(*) AS n FROM bad GROUP BY 1').to_pylist()
        told = {group["mask"]: contract.names(group["mask"], rules) for group in groups}
        words = pa.table({"mask": list(told), "reasons": ["; ".join(names) for names in told.values()]})
        with warehouse.temporary("words", words):
            warehouse.execute(
                f"""COPY (SELECT bad.* EXCLUDE "#mask", reasons FROM bad JOIN words ON mask = "#mask")
                TO '{target}' (FORMAT parquet)"""
            )
        spent = time.process_time() - begun
    counts = {name: sum(group["n"] for group in groups if name in told[group["mask"]]) for name in RULES}
    return {"counts": counts, "bad": sum(group["n"] for group in groups), "check": round(spent, 3)}


def by_hand(source: Path, target: Path) -> dict[str, Any]:
    """Check with SQL as one would write it: detect, copy the bad rows with their reasons, count."""
    import duckdb

    with duckdb.connect() as connection:
        begun = time.process_time()
        reasons = ", ".join(f"CASE WHEN {condition} THEN '{name}' END" for name, condition in RULES.items())
        anything = " OR ".join(f"({condition})" for condition in RULES.values())
        connection.execute(
            f"""
            CREATE TEMP TABLE bad AS
            SELECT *, CONCAT_WS('; ', {reasons}) AS reasons FROM '{source}' WHERE {anything}
            """
        )
        counted = ", ".join(f"COUNT(CASE WHEN {condition} THEN 1 END)" for condition in RULES.values())
        (found,) = connection.execute(f"SELECT COUNT(*), {counted} FROM bad").fetchall()
        connection.execute(f"COPY bad TO '{target}' (FORMAT parquet)")
        spent = time.process_time() - begun
    return {"counts": dict(zip(RULES, found[1:], strict=True)), "bad": found[0], "check": round(spent, 3)}


def main(arguments: list[str] | None = None) -> int:
    """Generate, compare what is found, measure, print, record."""
    parser = argparse.ArgumentParser(description="The contract check beside SQL by hand, pandera and pointblank.")
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--others", type=Path, help="a Python that has pandera[polars] and pointblank")
    parser.add_argument("--json", type=Path, help="write everything to this file too")
    parser.add_argument("--draft", action="store_true", help="with uncommitted changes; nothing is recorded")
    own = parser.add_argument_group("steps in processes of their own")
    own.add_argument("--run", choices=("generate", "ours", "sql"))
    own.add_argument("--files", type=Path, nargs=2, metavar=("LINES", "BAD"))
    asked = parser.parse_args(arguments)
    if asked.run == "generate":
        generate(asked.rows, asked.files[0])
        return 0
    if asked.run:
        print(json.dumps({"ours": ours, "sql": by_hand}[asked.run](*asked.files)))
        return 0
    configuration = {"rows": asked.rows, "repeats": asked.repeats, "rules": len(RULES)}
    with looks.look("contract.py", configuration, draft=asked.draft) as taken:
        with tempfile.TemporaryDirectory(prefix="contract-") as scratch:
            found = compared(asked, Path(scratch))
        checks = {peer: statistics.median(run.said["check"] for run in runs) for peer, runs in found.runs.items()}
        taken.figures.update(found.figures())
        taken.figures.update({f"{peer}_check": round(seconds, 2) for peer, seconds in checks.items()})
        taken.figures["coterie_check_over_sql"] = round(checks["coterie"] / checks["sql"], 2)
    print(found.table())
    for peer, seconds in checks.items():
        print(f"{peer}: check alone {seconds:.2f} CPU s, {seconds / checks['sql']:.2f} x the SQL by hand")
    if asked.json:
        asked.json.write_text(json.dumps(found.to_json(), indent=1) + "\n", "utf-8")
    return 0


def compared(asked: argparse.Namespace, scratch: Path) -> measure.Comparison:
    """Return what the peers cost on the same file, after they were found to find the same."""
    lines = str(scratch / "lines.parquet")
    me = [sys.executable, str(HERE / "contract.py")]
    measure.run([*me, "--run", "generate", "--rows", str(asked.rows), "--files", lines, lines])
    peers = {
        "coterie": [*me, "--run", "ours", "--files", lines, str(scratch / "ours.parquet")],
        "sql": [*me, "--run", "sql", "--files", lines, str(scratch / "sql.parquet")],
    }
    if asked.others:
        for name in ("pandera", "pointblank"):
            script = str(HERE / "peers" / f"{name}_contract.py")
            peers[name] = [str(asked.others), script, lines, str(scratch / f"{name}.parquet")]
    found = measure.compare(peers, repeats=asked.repeats, environment={"PYTHONPATH": str(HERE)})
    if wrong := unequal({peer: runs[-1].said for peer, runs in found.runs.items()}):
        raise SystemExit("The peers found unlike things, so there is nothing to compare:\n  " + "\n  ".join(wrong))
    return found


def unequal(said: dict[str, Any]) -> list[str]:
    """Return what peers found that the first one did not; empty when all found the same."""
    first, *others = said
    return [
        f"{what}: {first} {said[first][what]}, {peer} {said[peer][what]}"
        for peer in others
        for what in ("bad", "counts")
        if said[peer][what] != said[first][what]
    ]


if __name__ == "__main__":
    raise SystemExit(main())
