"""The whole report card of a million people beside the cheapest judgement of all of them.

The card judges a sample of 100,000 people, with intervals, views, baselines, ceilings and the future mix. The peer is
what one would write by hand with scikit-learn for everybody: five-fold group means, R² and AUC of one grouping, and a
ridge and a logistic regression of single people, without any interval. People are made up; so are their futures, of
which past behaviour tells a small part. The figures of the grouping are compared first.

``python bench/card.py [--people 1000000] [--draft]``
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import looks
import measure
from clustering import write_people

HERE = Path(__file__).resolve().parent
K = 8


def made(path: Path) -> tuple[Any, Any, Any, Any]:
    """Return people, their segments, and what they spend and whether they stay away afterwards."""
    import pyarrow.parquet as pq
    from sklearn.cluster import KMeans

    from coterie.features.matrix import Matrix

    table = pq.read_table(path).combine_chunks()
    X = Matrix().fit_transform(table)
    labels = KMeans(K, n_init=1, random_state=0).fit(X[:20_000]).predict(X)
    random = np.random.default_rng(1)
    score = X[:, :4].mean(axis=1) + 0.7 * random.normal(size=len(X))
    return table, labels.astype(np.int64), np.rint(100 * np.exp(score + 3)) * (score > -0.9), score <= -0.9


def coterie(path: Path) -> dict[str, float]:
    """Make the card."""
    from datetime import datetime

    import pyarrow as pa

    from coterie.segments.evidence.judging import report_card

    table, labels, spend, gone = made(path)
    random = np.random.default_rng(2)
    bought = pa.table(
        {
            "person": np.repeat(table["person"].to_numpy(), 3),
            "item": pa.array([f"item {n}" for n in range(20)]).take(pa.array(random.integers(0, 20, 3 * len(labels)))),
            "amount": random.integers(1, 900, 3 * len(labels)),
        }
    )
    cpu, wall = time.process_time(), time.perf_counter()
    card = report_card(
        {"k-means": labels}, table, spend=spend, churned=gone, mix=bought, as_of=datetime(2026, 1, 1), horizon_days=91
    )
    row = card.rows[0]
    return {
        "cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall, "people": card.people,
        "rows": len(card.rows), "r2": row.r2.value if row.r2 else 0.0, "auc": row.auc.value if row.auc else 0.0,
    }  # fmt: skip


def sklearn(path: Path) -> dict[str, float]:
    """Judge everybody by hand."""
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.metrics import r2_score, roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    from coterie.features.matrix import Matrix

    table, labels, spend, gone = made(path)
    cpu, wall = time.process_time(), time.perf_counter()
    X, y = Matrix().fit_transform(table), np.log1p(spend / 100)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    told, risk = np.empty(len(y)), np.empty(len(y))
    for inside, outside in folds.split(X, gone):
        size = np.bincount(labels[inside], minlength=K)
        for outcome, into in ((y, told), (gone, risk)):
            into[outside] = (np.bincount(labels[inside], outcome[inside], K) / size)[labels[outside]]
    r2_score(y, cross_val_predict(RidgeCV(np.logspace(-2, 4, 13)), X, y, cv=folds.split(X, gone)))
    chances = cross_val_predict(LogisticRegression(C=0.1), X, gone, cv=folds, method="predict_proba")
    roc_auc_score(gone, chances[:, 1])
    return {
        "cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall, "people": len(y),
        "r2": r2_score(y, told), "auc": roc_auc_score(gone, risk),
    }  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Print the table and record it."""
    parser = argparse.ArgumentParser(description="The report card of a million people.")
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--draft", action="store_true", help="with uncommitted changes; nothing is recorded")
    parser.add_argument("--step", nargs=2, help="one peer, in a process of its own")
    asked = parser.parse_args(arguments)
    if asked.step:
        print(json.dumps({"coterie": coterie, "sklearn": sklearn}[asked.step[0]](Path(asked.step[1]))))
        return 0
    with (
        tempfile.TemporaryDirectory() as scratch,
        looks.look("card.py", {"people": asked.people, "k": K, "folds": 5}, draft=asked.draft) as taken,
    ):
        path = Path(scratch) / "people.parquet"
        write_people(path, asked.people, 0)
        lines = ["| | people judged | CPU s | wall s | peak MiB | R² | AUC |", "|---|---:|---:|---:|---:|---:|---:|"]
        found = {}
        for peer in ("coterie", "sklearn"):
            run = measure.run([sys.executable, str(HERE / "card.py"), "--step", peer, str(path)])
            found[peer] = said = dict(run.said) | {"peak": run.peak}
            taken.figures.update({f"{peer}_{name}": round(value, 4) for name, value in said.items()})
            lines.append(
                f"| {peer} | {said['people']:,} | {said['cpu']:.1f} | {said['wall']:.1f} | {said['peak']:.0f} | "
                f"{said['r2']:.3f} | {said['auc']:.3f} |"
            )
        for name in ("r2", "auc"):
            if abs(found["coterie"][name] - found["sklearn"][name]) > 0.01:
                raise SystemExit(f"{name} of the same grouping differs: {found}")
        print("\n".join([*lines, "", measure.machine()]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
