"""What the value view was chosen by: features, weights, scalings and methods beside each other on four earlier windows.

Each row is judged at k = 5 and 8 on four windows of a shop, features at the first of March, April, May and June 2017
(of UCI Online Retail with ``--shop online_retail``: the ninth of the same months of 2011) and the 91 days after each.
Figures are out of fold, beside as many equal parts by past spend: the mean R² of log spend and AUC of churn, the mean
gaps, and the lowest end of a gap's interval over windows (paired bootstraps over people). The last column is
of June: how the weakest of five segments comes back in resampled data. Windows overlap and share people, so a row that
leads by less than its intervals leads by chance; no window of a reported holdout is read.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

import complete_journey
import looks
import online_retail
from complete_journey import HORIZON, outcomes, quantiles

WINDOWS = ("march", "april", "may", "june")
SHOPS = {"complete_journey": complete_journey.MOMENTS, "online_retail": online_retail.MOMENTS}
FIXED = (5, 8)
COUNT = 200
WEAKEST = "weakest Jaccard, k = 5"

Window = tuple[pa.Table, npt.NDArray[np.float64], npt.NDArray[np.bool_]]


def choices() -> dict[str, dict[str, Any]]:
    """Return what is compared: name → arguments of the estimators, ``ward`` asking for Ward's hierarchy."""
    from coterie.segments.view import VALUE, VALUE_WEIGHTS

    half = dict.fromkeys(VALUE, 0.5)
    late = {"spend_30d": 1.0, "spend_90d": 1.0}
    lesser = dict.fromkeys(VALUE[11:], 0.5)
    taken: dict[str, Any] = {"columns": VALUE, "weights": VALUE_WEIGHTS}

    def weighed(**more: float) -> dict[str, Any]:
        return {"columns": VALUE, "weights": half | late | more}

    return {
        "recency, orders, spend": {"columns": ("recency_days", "orders", "spend")},
        "… and spend of 90 days": {"columns": ("recency_days", "orders", "spend", "spend_90d")},
        "rhythm, how often, how much (11)": {"columns": VALUE[:11]},
        "all 19, alike": {"columns": VALUE},
        "all 19, width and manner ½": {"columns": VALUE, "weights": lesser},
        "… and spend 2": {"columns": VALUE, "weights": lesser | {"spend": 2.0}},
        "all ½, spend of late 1; recency 1, spend 1": weighed(recency_days=1, spend=1),
        "… recency 1, spend 2": weighed(recency_days=1, spend=2),
        "… recency 1¼, spend 2½": weighed(recency_days=1.25, spend=2.5),
        "… recency 1½, spend 2½": weighed(recency_days=1.5, spend=2.5),
        "… recency 1½, spend 2½, orders 1 (taken)": taken,
        "… recency 1½, spend 3, orders 1": weighed(recency_days=1.5, spend=3, orders=1),
        "… recency 2, spend 3": weighed(recency_days=2, spend=3),
        "taken, mean and deviation instead of robust": taken | {"scaling": "log-standard"},
        "taken, robust without logs": taken | {"scaling": "robust"},
        "taken, Ward": taken | {"ward": False},
        "taken, Ward polished by k-means": taken | {"ward": True},
    }


def windows(shop: str) -> list[Window]:
    """Return features and outcomes of the earlier windows, people in an order that their keys do not decide."""
    from coterie.segments.view import VALUE

    found = []
    for name in WINDOWS:
        moment = SHOPS[shop][name]
        if shop == "complete_journey":
            table, future = complete_journey.households(moment)
        else:
            known = online_retail.customers(moment)
            table, future = known.table, known.future
        order = pc.sort_indices(table, sort_keys=[(one, "ascending") for one in VALUE if one in table.column_names])
        found.append((table.take(order), *outcomes(future.take(order))))
    return found


def labels(table: pa.Table, k: int, arguments: Mapping[str, Any]) -> Any:
    """Return the fitted estimator of a choice, by the columns that the shop has."""
    import coterie

    columns = tuple(name for name in arguments["columns"] if name in table.column_names)
    weights = {name: weight for name, weight in arguments.get("weights", {}).items() if name in columns}
    more: dict[str, Any] = {"columns": columns, "weights": weights}
    if "ward" in arguments:
        return coterie.WardSegments(k, polish=arguments["ward"], **more).fit(table)
    return coterie.KMeansSegments(k, scaling=arguments.get("scaling", "log-robust"), **more).fit(table)


def row(shop: list[Window], arguments: Mapping[str, Any]) -> dict[str, str]:
    """Judge one choice on all windows."""
    from coterie.evaluation import metrics
    from coterie.evaluation.intervals import interval
    from coterie.evaluation.resampling import auc_repeats, multiplicities, r2_repeats
    from coterie.evaluation.splits import folds

    found: dict[str, str] = {}
    for k in FIXED:
        r2, auc, r2_gaps, auc_gaps = [], [], [], []
        for table, y, gone in shop:
            fold = folds(len(y), 5, outcome=gone, seed=0)
            counts = multiplicities(len(y), COUNT, seed=0)
            spend = np.asarray(table["spend"].to_numpy(zero_copy_only=False), dtype=float)
            both = labels(table, k, arguments).labels_, quantiles(spend, k)
            values = [metrics.out_of_fold_means(y, groups, fold) for groups in both]
            risks = [metrics.out_of_fold_means(gone, groups, fold) for groups in both]
            ours, theirs = (metrics.r2(y, value) for value in values)
            r2.append(ours)
            repeats = [r2_repeats(y, value, counts) for value in values]
            r2_gaps.append(interval(ours - theirs, repeats[0] - repeats[1]))
            ours, theirs = (metrics.auc(gone, risk) for risk in risks)
            auc.append(ours)
            repeats = [auc_repeats(gone, risk, counts) for risk in risks]
            auc_gaps.append(interval(ours - theirs, repeats[0] - repeats[1]))
        for name, values, gaps in (("R²", r2, r2_gaps), ("AUC", auc, auc_gaps)):
            mean, lowest = np.mean([gap.value for gap in gaps]), min(gap.low for gap in gaps)
            found[f"k = {k}: {name}"] = f"{np.mean(values):.3f}, {mean:+.3f} (≥ {lowest:+.3f})"
    if "ward" in arguments:
        return found | {WEAKEST: ""}
    june = shop[-1][0]
    return found | {WEAKEST: f"{min(one.value for one in labels(june, FIXED[0], arguments).stability(june)):.2f}"}


def main(arguments: list[str] | None = None) -> int:
    """Print the table and record it."""
    parser = argparse.ArgumentParser(description="How the value view was chosen.")
    parser.add_argument("--shop", choices=list(SHOPS), default="complete_journey")
    parser.add_argument("--draft", action="store_true", help="with uncommitted changes; nothing is recorded")
    asked = parser.parse_args(arguments)
    moments = " ".join(f"{SHOPS[asked.shop][name]:%Y-%m-%d}" for name in WINDOWS)
    configuration = {"shop": asked.shop, "as_of": moments, "horizon_days": HORIZON, "folds": 5, "resamples": COUNT}
    with looks.look("value_view.py", configuration, draft=asked.draft, holdout=False) as taken:
        shop = windows(asked.shop)
        columns = [f"k = {k}: {name}" for k in FIXED for name in ("R²", "AUC")] + [WEAKEST]
        print(f"| features and weights | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}", flush=True)
        for name, choice in choices().items():
            found = row(shop, choice)
            print(f"| {name} | {' | '.join(found[column] for column in columns)} |", flush=True)
            taken.figures[name] = "; ".join(f"{column} {found[column]}" for column in columns if found[column])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
