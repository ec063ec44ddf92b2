"""First light: import, nineteen features and k-means of a generated shop, beside the same by hand in pandas.

Both do the same work: they read the same files, drop the same bad and repeated rows, make the same nineteen features of
the same people (checked first: unequal features end the benchmark), log and scale them, and run scikit-learn's k-means
with k = 8 and ten starts. coterie does it through its public verbs and leaves a shop behind: deduplicated facts, sealed
identifiers, quarantined rows with their reasons. Each run is a process of its own (see ``measure.py``).

``python bench/first_light.py --lines 1000000 --repeats 3 [--form csv] [--draft]``
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import looks
import measure

HERE = Path(__file__).resolve().parent
FEATURES = (  # what shop.segment takes (segments/view.py); written out, so that this process stays small
    "recency_days",
    "gap_mean_days",
    "orders",
    "orders_30d",
    "orders_90d",
    "active_days",
    "active_days_90d",
    "spend",
    "spend_30d",
    "spend_90d",
    "basket_value",
    "products",
    "categories",
    "category_entropy",
    "basket_lines",
    "discount_share",
    "weekend_share",
    "top_category_share",
    "tenure_days",
)
ZONE = "America/New_York"
AS_OF = datetime(2025, 1, 1)


def coterie_run(data: Path, folder: Path, as_of: datetime, k: int, write: Path | None) -> dict[str, Any]:
    """Do the work with coterie's verbs in a new folder; return what came of it and the stages' CPU seconds."""
    import coterie

    shutil.rmtree(folder, ignore_errors=True)
    meant = coterie.Mapping.load(data / "mapping.toml")
    # Only the files that the peer reads: orders and products, not the customers and their consents.
    same = tuple(read for read in meant.reads if read.target.name in ("order_line", "product"))
    marks = [time.process_time()]
    with coterie.open(folder, create=True, name="First light", currency="USD", timezone=ZONE) as shop:
        shop.ingest(replace(meant, reads=same), data)
        marks.append(time.process_time())
        features = shop.build(as_of, features=FEATURES)
        marks.append(time.process_time())
        groups = coterie.KMeansSegments(k).fit(features.table) if k else None
        marks.append(time.process_time())
        if write:
            _named(shop, features.table, write)
    return {
        "people": features.table.num_rows,
        "segments": groups.k_ if groups else None,
        "start_cpu": round(marks[0], 2),
        "import_cpu": round(marks[1] - marks[0], 2),
        "features_cpu": round(marks[2] - marks[1], 2),
        "cluster_cpu": round(marks[3] - marks[2], 2),
    }


def _named(shop: Any, table: Any, write: Path) -> None:
    """Write the features with each person's customer id, for the comparison only."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from coterie.profiles.edges import EDGES
    from coterie.profiles.resolution import person_of

    resolved = person_of(shop.ledger.read(EDGES)).select(["subject", "person"])
    subjects = pa.concat_arrays(
        [table["person"].combine_chunks(), resolved["subject"].combine_chunks().cast(pa.int64())]
    )
    known = shop.vault.reveal(pc.unique(subjects).to_pylist())
    known = known.filter(pc.equal(known["kind"], "customer_id")).select(["subject", "value"])
    named = known.join(resolved, "subject", join_type="left outer")
    # A subject without edges is its own person.
    named = named.set_column(
        named.column_names.index("person"), "person", pc.coalesce(named["person"], named["subject"])
    ).rename_columns({"value": "customer_id"})
    pq.write_table(table.join(named.select(["person", "customer_id"]), "person"), write)


def unequal(ours: Path, theirs: Path) -> list[str]:
    """Return what differs between the two tables of features; empty when they are equal."""
    import numpy as np
    import pyarrow.parquet as pq

    a, b = (pq.read_table(path).sort_by("customer_id") for path in (ours, theirs))
    a = a.select(["customer_id", *FEATURES])
    people = a["customer_id"].to_pylist(), [str(v) for v in b["customer_id"].to_pylist()]
    if people[0] != people[1]:
        lost, more = set(people[1]) - set(people[0]), set(people[0]) - set(people[1])
        return [f"people: {a.num_rows} and {b.num_rows}; {len(lost)} only in the peer, {len(more)} only in coterie"]
    wrong = []
    for name in FEATURES:
        x, y = (np.asarray(t[name].to_numpy(zero_copy_only=False), dtype=np.float64) for t in (a, b))
        # Nothing happened in the window: missing for us or 0 for them is one and the same for money.
        if name.startswith("spend_"):
            x, y = np.nan_to_num(x), np.nan_to_num(y)
        same = np.isclose(x, y, rtol=1e-9, atol=1e-9, equal_nan=True)
        if not same.all():
            i = int(np.flatnonzero(~same)[0])
            wrong.append(f"{name}: {int((~same).sum())} of {len(x)} differ, such as {people[0][i]}: {x[i]} and {y[i]}")
    return wrong


def main(arguments: list[str] | None = None) -> int:
    """Generate, check that the work is equal, measure, print, record."""
    parser = argparse.ArgumentParser(description="Import, features and k-means: coterie beside pandas by hand.")
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--form", choices=("csv", "parquet"), default="csv")
    parser.add_argument("--k", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write everything to this file too")
    parser.add_argument("--draft", action="store_true", help="with uncommitted changes; nothing is recorded")
    own = parser.add_argument_group("steps in processes of their own")
    own.add_argument("--run", type=Path, nargs=2, metavar=("DATA", "SHOP"), help="run coterie once")
    own.add_argument("--write", type=Path, help="with --run: write the features to this file")
    own.add_argument("--check", type=Path, nargs=2, metavar=("OURS", "THEIRS"), help="compare two files of features")
    asked = parser.parse_args(arguments)
    if asked.run:
        print(json.dumps(coterie_run(*asked.run, AS_OF, asked.k, asked.write)))
        return 0
    if asked.check:
        print(json.dumps({"unequal": unequal(*asked.check)}))
        return 0
    configuration = {name: getattr(asked, name) for name in ("people", "lines", "form", "k", "repeats", "seed")}
    with looks.look("first_light.py", configuration, draft=asked.draft) as taken:
        with tempfile.TemporaryDirectory(prefix="first-light-") as scratch:
            found = compared(asked, Path(scratch))
        taken.figures.update(found.figures())
    print(found.table())
    for peer, runs in found.runs.items():
        print(f"{peer}: {json.dumps(dict(runs[-1].said))}")
    if asked.json:
        asked.json.write_text(json.dumps(found.to_json(), indent=1) + "\n", "utf-8")
    return 0


def compared(asked: argparse.Namespace, scratch: Path) -> measure.Comparison:
    """Return what both peers cost on the same files, after their features were found equal."""
    # This process stays small: what it imports would count as its children's peak memory (see measure.py).
    # One thread each in k-means: CPU seconds would count idle threads that spin (coterie takes one by itself).
    environment = {"PYTHONPATH": str(HERE), "XDG_CONFIG_HOME": str(scratch / "config"), "OMP_NUM_THREADS": "1"}
    python, data = sys.executable, scratch / "data"
    sizes = [
        "--people",
        str(asked.people),
        "--lines",
        str(asked.lines),
        "--form",
        asked.form,
        "--seed",
        str(asked.seed),
    ]
    shop = [python, "-m", "shop_generator", "--out", str(data), *sizes, "--guests", "0", "--no-clicks", "--no-emails"]
    measure.run(shop, environment=environment)
    ours = [python, str(HERE / "first_light.py"), "--k", str(asked.k), "--run", str(data), str(scratch / "shop")]
    theirs = [python, str(HERE / "peers" / "pandas_first_light.py"), str(data), "--form", asked.form]
    theirs += ["--k", str(asked.k), "--as-of", AS_OF.isoformat(), "--timezone", ZONE]
    files = [str(scratch / "ours.parquet"), str(scratch / "theirs.parquet")]
    for command, file in zip((ours, theirs), files, strict=True):
        measure.run([*command, "--write", file], environment=environment)
    check = measure.run([python, str(HERE / "first_light.py"), "--check", *files], environment=environment)
    if check.said["unequal"]:
        raise SystemExit(
            "The features are unequal, so there is nothing to compare:\n  " + "\n  ".join(check.said["unequal"])
        )
    print(f"{len(FEATURES)} features are equal", file=sys.stderr)
    return measure.compare({"coterie": ours, "pandas": theirs}, repeats=asked.repeats, environment=environment)


if __name__ == "__main__":
    raise SystemExit(main())
