"""How well segments of a real retailer's households tell the future: every method beside naive ones, with intervals.

Features look back from one moment; log future spend (R²) and staying away (AUC) are judged on the 91 days after it.
Groups are made from the past alone, by the columns and weights that ``shop.segment`` takes; what a group means for the
future is learnt in four fifths of the households and judged in the fifth (out of fold). Intervals are 95 % bootstraps
over households; the last columns compare with the strongest naive grouping on the same resampled households.

``--window june`` (the default) is for choosing: features at 2017-06-01, outcomes until 2017-08-31.
``--window september`` is the reported holdout: it is looked at once for a commit that is to be published, never while
choosing, and goes on record in ``LOOKS.md``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

import looks

HORIZON = 91
RESAMPLES = 500
MOMENTS = {"june": date(2017, 6, 1), "september": date(2017, 9, 1)}
REPORTED = "september"


def households(moment: date) -> tuple[Any, Any]:
    """Return the features at a moment and both outcomes after it, one row a household, through the shop's verbs."""
    import coterie
    from coterie.features.outcome import churned, future_spend
    from coterie.segments.view import VALUE

    outcomes = future_spend(HORIZON), churned(HORIZON)
    with coterie.open(None, name="Complete Journey", currency="USD", timezone="America/New_York") as shop:
        shop.ingest("complete_journey")
        return shop.build(moment, features=VALUE).table, shop.build(moment, features=outcomes).table


def methods(table: Any, columns: tuple[str, ...], weights: Mapping[str, float]) -> dict[str, tuple[str, Any]]:
    """Return what is judged: name → role and the group of each household (or, for ceilings, what to learn from)."""
    import coterie
    from coterie.features.matrix import Matrix

    n = table.num_rows
    number = {name: np.asarray(table[name].to_numpy(zero_copy_only=False), dtype=float) for name in columns}
    plain = np.nan_to_num(np.column_stack(list(number.values())))
    found: dict[str, tuple[str, Any]] = {}
    for k in (5, 8):
        found[f"k-means, log-scaled, {k}"] = (
            "model",
            coterie.KMeansSegments(k, columns=columns, weights=weights).fit(table).labels_,
        )
        found[f"Ward, log-scaled, {k}"] = (
            "model",
            coterie.WardSegments(k, columns=columns, weights=weights).fit(table).labels_,
        )
    found["RFM, named segments"] = "baseline", coterie.RFMSegments().fit(table).labels_
    scores = coterie.RFMSegments().fit(table).scores(table)
    found["RFM, 125 cells"] = "baseline", scores @ np.array([25, 5, 1])
    found["monetary quintile"] = "baseline", quantiles(number["spend"], 5)
    found["monetary octile"] = "baseline", quantiles(number["spend"], 8)
    from sklearn.cluster import KMeans

    for k in (5, 8):
        found[f"k-means, unscaled, {k}"] = "baseline", KMeans(k, n_init=10, random_state=0).fit_predict(plain)
        found[f"random, {k}"] = "baseline", np.random.default_rng(k).integers(0, k, n)
    found["each household: ridge, logistic"] = "ceiling", Matrix(columns=columns).fit_transform(table)
    return found


def quantiles(values: npt.NDArray[np.float64], parts: int) -> npt.NDArray[np.int64]:
    """Return which of so many equal parts each value falls into."""
    return np.searchsorted(np.quantile(values, np.arange(1, parts) / parts), values).astype(np.int64)


def report(
    table: Any, future: Any, columns: tuple[str, ...], weights: Mapping[str, float], count: int = RESAMPLES
) -> list[dict[str, Any]]:
    """Judge every method; one dictionary a row, in the order of ``methods``."""
    from coterie.evaluation import metrics
    from coterie.evaluation.comparison import difference
    from coterie.evaluation.intervals import bootstrap, resamples
    from coterie.evaluation.splits import folds

    # People's keys are random in each shop: folds and resamples follow what is known of people instead.
    order = pc.sort_indices(table, sort_keys=[(name, "ascending") for name in columns])
    table, future = table.take(order), future.take(order)
    spend = np.nan_to_num(np.asarray(future[f"future_spend_{HORIZON}d"].to_numpy(zero_copy_only=False), dtype=float))
    y, gone = (
        np.log1p(spend / 100.0),
        np.asarray(future[f"churned_{HORIZON}d"].to_numpy(zero_copy_only=False), dtype=float),
    )
    n = len(y)
    fold, draws = folds(n, 5, outcome=gone, seed=0), resamples(n, count, seed=0)
    judged: dict[str, tuple[str, Any, Callable[..., float], Callable[..., float]]] = {}
    for name, (role, groups) in methods(table, columns, weights).items():
        if role == "ceiling":
            value, risk = metrics.ridge_scores(groups, y, fold), metrics.logistic_scores(groups, gone, fold)
        else:
            value, risk = (metrics.out_of_fold_means(outcome, groups, fold) for outcome in (y, gone))
        judged[name] = (
            role,
            groups,
            lambda rows, value=value: metrics.r2(y[rows], value[rows]),
            lambda rows, risk=risk: metrics.auc(gone[rows], risk[rows]),
        )
    everyone = np.arange(n)
    naive = max((m for m in judged.values() if m[0] == "baseline"), key=lambda m: m[2](everyone))
    rows = []
    for name, (role, groups, r2, auc) in judged.items():
        sizes = None if role == "ceiling" else np.unique(groups, return_counts=True)[1]
        # In-sample means flatter fine groupings; this is the figure that papers and other tools print.
        inside = None if sizes is None else round(metrics.r2_of_groups(y, groups), 3)
        rows.append(
            {
                "method": name,
                "role": role,
                "groups": None if sizes is None else len(sizes),
                "smallest": None if sizes is None else int(sizes.min()),
                "largest": None if sizes is None else round(float(sizes.max() / n), 3),
                "r2_in_sample": inside,
                "r2": bootstrap(r2, draws),
                "auc": bootstrap(auc, draws),
                "r2_gap": difference(r2, naive[2], draws),
                "auc_gap": difference(auc, naive[3], draws),
            }
        )
    return rows


def markdown(rows: list[Mapping[str, Any]], naive: str) -> str:
    """Return the table for people."""
    columns = ["groups", "smallest", "largest", "r2_in_sample", "r2", "auc", "r2_gap", "auc_gap"]
    lines = [
        "| method | groups | smallest | largest share | R² in sample | R² of log spend | AUC of churn "
        f"| R² − {naive} | AUC − {naive} |",
        "|---|---:|---:|---:|---:|---|---|---|---|",
    ]
    for row in rows:
        cells = ["" if row[name] is None else str(row[name]) for name in columns]
        lines.append(f"| {row['method']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Look once, print the table, record it."""
    parser = argparse.ArgumentParser(description="Segments of Complete Journey judged by the future.")
    parser.add_argument("--window", choices=sorted(MOMENTS), default="june", help="september is the reported holdout")
    parser.add_argument("--draft", action="store_true", help="with uncommitted changes; june only, nothing is recorded")
    parser.add_argument("--json", type=Path, help="write everything to this file too")
    asked = parser.parse_args(arguments)
    from coterie.segments.view import VALUE, VALUE_WEIGHTS

    moment = MOMENTS[asked.window]
    configuration = {
        "window": asked.window,
        "as_of": f"{moment:%Y-%m-%d}",
        "horizon_days": HORIZON,
        "folds": 5,
        "resamples": RESAMPLES,
    }
    with looks.look("complete_journey.py", configuration, draft=asked.draft, holdout=asked.window == REPORTED) as taken:
        table, future = households(moment)
        rows = report(table, future, VALUE, VALUE_WEIGHTS)
        taken.figures["households"] = table.num_rows
        for row in rows:
            taken.figures[row["method"]] = f"R² {row['r2']} AUC {row['auc']}"
    gone = np.asarray(future[f"churned_{HORIZON}d"].to_numpy(zero_copy_only=False), dtype=float).mean()
    naive = next(
        row["method"] for row in rows if row["r2_gap"].low == row["r2_gap"].high == 0 and row["role"] == "baseline"
    )
    print(f"{table.num_rows:,} households at {moment:%Y-%m-%d}, {HORIZON} days ahead; {gone:.1%} buy nothing; "
          f"{len(VALUE)} features; the strongest naive grouping by R² is {naive}\n")  # fmt: skip
    print(markdown(rows, naive))
    if asked.json:
        plain = [{name: str(value) if hasattr(value, "low") else value for name, value in row.items()} for row in rows]
        asked.json.write_text(json.dumps(plain, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
