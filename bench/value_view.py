"""What the value view was chosen by: sets of features, weights and scalings beside each other, on the window of June.

Each row: R² of log spend in sample, AUC of churn out of fold and the Jaccard of the weakest segment for k = 5, 6, 8,
their means over k = 4 … 8, and the k that the rule takes. June only: what is chosen here is never looked at later.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import pyarrow.compute as pc

import looks
from complete_journey import HORIZON, MOMENTS, households

SHOWN = (5, 6, 8)


def choices() -> dict[str, dict[str, Any]]:
    """Return what is compared: name → arguments of KMeansSegments."""
    from coterie.segments.view import VALUE, VALUE_WEIGHTS

    lesser = tuple(VALUE_WEIGHTS)
    main = tuple(name for name in VALUE if name not in lesser)
    money = ("spend", "spend_30d", "spend_90d", "basket_value")
    half: dict[str, Any] = {"columns": VALUE, "weights": VALUE_WEIGHTS}
    return {
        "recency, orders, spend": {"columns": ("recency_days", "orders", "spend")},
        "rhythm, how often, how much (11)": {"columns": main},
        "all 19, alike": {"columns": VALUE},
        "all 19, width and manner ½": half,
        "… mean and deviation instead of robust": half | {"scaling": "log-standard"},
        "… width and manner ¼": half | {"weights": dict.fromkeys(lesser, 0.25)},
        "… rhythm 1½": half | {"weights": VALUE_WEIGHTS | dict.fromkeys(("recency_days", "gap_mean_days"), 1.5)},
        "… how much 1½": half | {"weights": VALUE_WEIGHTS | dict.fromkeys(money, 1.5)},
        "… robust without logs": half | {"scaling": "robust"},
        "… mean and deviation without logs": half | {"scaling": "standard"},
    }


def row(table: Any, future: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """Judge one choice."""
    import coterie
    from coterie.evaluation import metrics
    from coterie.evaluation.splits import folds

    spend = np.nan_to_num(np.asarray(future[f"future_spend_{HORIZON}d"].to_numpy(zero_copy_only=False), dtype=float))
    gone = np.asarray(future[f"churned_{HORIZON}d"].to_numpy(zero_copy_only=False), dtype=float)
    y, fold = np.log1p(spend / 100), folds(len(spend), 5, outcome=gone, seed=0)
    chosen = coterie.KMeansSegments(None, **arguments).fit(table)
    weakest = {one.k: min(one.jaccard) for one in chosen.evidence_}
    found: dict[str, Any] = {}
    means = []
    for k in range(4, 9):
        labels = coterie.KMeansSegments(k, **arguments).fit(table).labels_
        figures = metrics.r2_of_groups(y, labels), metrics.auc(gone, metrics.out_of_fold_means(gone, labels, fold))
        means.append(figures)
        if k in SHOWN:
            found[f"k = {k}"] = " / ".join(f"{one:.3f}"[1:] for one in figures) + f" / {weakest[k]:.2f}".replace(
                "0.", "."
            )
    r2, auc = np.mean(means, axis=0)
    return found | {"mean of k = 4 … 8": f"{r2:.3f}"[1:] + " / " + f"{auc:.3f}"[1:], "k taken": chosen.k_}


def main(arguments: list[str] | None = None) -> int:
    """Print the table and record it."""
    parser = argparse.ArgumentParser(description="How the value view was chosen.")
    parser.add_argument("--draft", action="store_true", help="with uncommitted changes; nothing is recorded")
    asked = parser.parse_args(arguments)
    from coterie.segments.view import VALUE

    configuration = {"window": "june", "as_of": f"{MOMENTS['june']:%Y-%m-%d}", "horizon_days": HORIZON, "folds": 5}
    with looks.look("value_view.py", configuration, draft=asked.draft, holdout=False) as taken:
        table, future = households(MOMENTS["june"])
        order = pc.sort_indices(table, sort_keys=[(name, "ascending") for name in VALUE])
        table, future = table.take(order), future.take(order)
        columns = [f"k = {k}" for k in SHOWN] + ["mean of k = 4 … 8", "k taken"]
        print(f"| features and weights | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}", flush=True)
        for name, choice in choices().items():
            found = row(table, future, choice)
            print(f"| {name} | {' | '.join(str(found[column]) for column in columns)} |", flush=True)
            taken.figures[name] = "; ".join(f"{column} {found[column]}" for column in columns)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
