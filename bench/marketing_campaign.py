"""Segments with demographics, judged by who answered a campaign: 2,240 customers, their homes, purchases and answers.

People are split into halves. Segments are made of one half's columns (scaling, weights of blocks and all) and given to
the other half, and the other way round; so nobody is in a segment that he or she helped to make. What share of a
segment answers the last campaign is then learnt in four fifths of a half and judged in the fifth. AUC ranks who
answers, R² is the share of the variance of the yes or no that the shares tell (Brier's score beside the mean);
intervals are 95 % bootstraps over people. The gaps are to as many equal parts by past spend, on the same resamples.

The table is a snapshot: columns are of about the time of the campaign, and its answers are not among them. Whoever
answered earlier campaigns answers again, so that engagement (which holds earlier answers) starts ahead of what people
buy. That is a finding about answering, not about what a campaign changes.

``COTERIE_DATA`` names the folder that holds the data (CC0).
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as csv

import looks
from complete_journey import quantiles

DATA = Path(os.environ.get("COTERIE_DATA") or Path(__file__).parents[2] / "shared" / "data")
RESAMPLES = 500
FIXED = (5, 8)
FOLDS = 5
GOODS = ("wines", "fruits", "meat", "fish", "sweets", "gold")
PURCHASES = ("recency_days", "spend", *GOODS, "web_orders", "catalogue_orders", "store_orders", "deals")
ENGAGEMENT = ("web_visits", "accepted", "tenure_days", "complained")
DEMOGRAPHICS = ("age", "income", "children", "teenagers", "education", "marital_status")
ORDERS = {"education": ("Basic", "2n Cycle", "Graduation", "Master", "PhD")}

Groups = npt.NDArray[np.int64]


def customers(folder: Path = DATA / "marketing_campaign") -> tuple[pa.Table, npt.NDArray[np.bool_]]:
    """Return the customers with plain names of columns, in an order of their own, and who answered."""
    raw = csv.read_csv(
        folder / "marketing_campaign.csv",
        parse_options=csv.ParseOptions(delimiter=";"),
        convert_options=csv.ConvertOptions(timestamp_parsers=["%Y-%m-%d", "%d-%m-%Y"]),
    )
    names = [name.lstrip("\ufeff") for name in raw.column_names]
    number = {
        name: np.asarray(column.to_numpy(zero_copy_only=False), dtype=float)
        for name, column in zip(names, raw.columns, strict=True)
        if pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    }
    enrolled = raw["Dt_Customer"].cast(pa.date32()).cast(pa.int32()).to_numpy()
    spent = ("MntWines", "MntFruits", "MntMeatProducts", "MntFishProducts", "MntSweetProducts", "MntGoldProds")
    table = pa.table(
        {
            "recency_days": number["Recency"],
            "spend": sum(number[name] for name in spent),
            **{name: number[column] for name, column in zip(GOODS, spent, strict=True)},
            "web_orders": number["NumWebPurchases"],
            "catalogue_orders": number["NumCatalogPurchases"],
            "store_orders": number["NumStorePurchases"],
            "deals": number["NumDealsPurchases"],
            "web_visits": number["NumWebVisitsMonth"],
            "accepted": sum(number[f"AcceptedCmp{one}"] for one in range(1, 6)),
            "tenure_days": (enrolled.max() - enrolled).astype(float),
            "complained": number["Complain"],
            "age": 2014 - number["Year_Birth"],
            "income": number["Income"],
            "children": number["Kidhome"],
            "teenagers": number["Teenhome"],
            "education": raw["Education"],
            "marital_status": raw["Marital_Status"],
        }
    )
    return table, number["Response"] > 0


def views() -> dict[str, Any]:
    """Return the views of this table's own columns, by name."""
    from coterie.segments.view import View

    blocks = {"purchases": PURCHASES, "engagement": ENGAGEMENT, "demographics": DEMOGRAPHICS}
    alone = {name: View(name.capitalize(), columns, {}, "", (columns,), ORDERS) for name, columns in blocks.items()}
    both = {
        "purchases and demographics": (PURCHASES, DEMOGRAPHICS),
        "combined": (PURCHASES, ENGAGEMENT, DEMOGRAPHICS),
    }
    return alone | {
        name: View(name.capitalize(), tuple(one for block in parts for one in block), {}, "", parts, ORDERS)
        for name, parts in both.items()
    }


def groupings(
    table: pa.Table, answered: npt.NDArray[np.bool_], half: npt.NDArray[np.int64]
) -> Iterator[tuple[str, str, int, Groups]]:
    """Yield name, role, k and the group of each customer, made by people of the other half."""
    for name, view in views().items():
        for k in FIXED:
            yield f"{name}, {k}", "view", k, _crossed(table, half, view, k)
    unbalanced = views()["combined"]
    yield "combined, blocks not balanced, 8", "view", 8, _crossed(table, half, unbalanced, 8, balanced=False)
    for k in FIXED:
        yield f"goal: who answers, {k}", "model", k, _goal(table, answered, half, k)
    for column in ("income", "spend"):
        values = np.nan_to_num(np.asarray(table[column].to_numpy(zero_copy_only=False), dtype=float))
        for k in FIXED:
            yield f"{column}, {k} equal parts", "baseline", k, quantiles(values, k)
    accepted = table["accepted"].to_numpy().astype(np.int64)
    yield "earlier campaigns answered: 0, 1, 2 or more", "baseline", 3, np.minimum(accepted, 2)
    yield "random, 8", "baseline", 8, np.random.default_rng(8).integers(0, 8, table.num_rows)


def _crossed(table: pa.Table, half: npt.NDArray[np.int64], view: Any, k: int, *, balanced: bool = True) -> Groups:
    """Give each half the segments that the other half made; the two sets of segments stay apart."""
    import coterie

    groups = np.empty(table.num_rows, dtype=np.int64)
    for part in (0, 1):
        makers, judged = table.filter(half != part), half == part
        chosen = view.on(makers) if balanced else view
        model = coterie.KMeansSegments(k, columns=chosen.columns, weights=chosen.weights, orders=chosen.orders).fit(
            makers
        )
        groups[judged] = model.predict(table.filter(judged)) + part * k
    return groups


def _goal(table: pa.Table, answered: npt.NDArray[np.bool_], half: npt.NDArray[np.int64], k: int) -> Groups:
    """Give each half the leaves of a tree that the other half's answers grew."""
    from coterie.segments.goal import GoalSegments

    groups = np.empty(table.num_rows, dtype=np.int64)
    for part in (0, 1):
        makers, judged = half != part, half == part
        model = GoalSegments(k, title="Answers").fit(table.filter(makers), answered[makers].astype(float))
        groups[judged] = model.predict(table.filter(judged)) + part * k
    return groups


def report(table: pa.Table, answered: npt.NDArray[np.bool_], count: int = RESAMPLES) -> list[dict[str, Any]]:
    """Judge every grouping; one dictionary a row, ceilings last."""
    from coterie.evaluation.ceiling import boosted_scores, logistic_scores
    from coterie.evaluation.intervals import interval
    from coterie.evaluation.metrics import auc, out_of_fold_means, r2
    from coterie.evaluation.resampling import auc_repeats, multiplicities, r2_repeats
    from coterie.evaluation.splits import folds
    from coterie.features.matrix import Matrix

    half = folds(table.num_rows, 2, outcome=answered, seed=1)
    fold = folds(table.num_rows, FOLDS, outcome=answered, seed=0)
    counts = multiplicities(table.num_rows, count, seed=0)
    y = answered.astype(float)

    def judged(score: npt.NDArray[np.float64]) -> dict[str, Any]:
        return {
            "auc": (auc(y, score), auc_repeats(y, score, counts)),
            "r2": (r2(y, score), r2_repeats(y, score, counts)),
        }

    spend = table["spend"].to_numpy()
    rows = []
    for name, role, k, groups in groupings(table, answered, half):
        told = judged(out_of_fold_means(y, groups, fold))
        parts = judged(out_of_fold_means(y, quantiles(spend, k), fold))
        rate = np.bincount(groups, weights=y) / np.maximum(np.bincount(groups), 1)
        rows.append(
            {"method": name, "role": role, "groups": k}
            | {key: interval(*both) for key, both in told.items()}
            | {f"{key}_gap": interval(told[key][0] - parts[key][0], told[key][1] - parts[key][1]) for key in told}
            | {"lowest": float(rate[np.bincount(groups) > 0].min()), "highest": float(rate.max())}
        )
    matrix = Matrix(columns=(*PURCHASES, *ENGAGEMENT, *DEMOGRAPHICS)).fit_transform(table)
    for name, scores in (
        ("each customer: logistic", logistic_scores(matrix, answered, fold)),
        ("each customer: boosted trees", boosted_scores(matrix, answered, fold)),
    ):
        rows.append(
            {"method": name, "role": "ceiling"} | {key: interval(*both) for key, both in judged(scores).items()}
        )
    return rows


COLUMNS = {
    "groups": "groups",
    "auc": "AUC of answering",
    "auc_gap": "… − equal parts of spend",
    "r2": "R² of answering",
    "r2_gap": "… − equal parts of spend",
    "lowest": "lowest rate",
    "highest": "highest rate",
}


def markdown(rows: list[dict[str, Any]]) -> str:
    """Return the table for people."""
    lines = [f"| segments by | {' | '.join(COLUMNS.values())} |", f"|---|{'---|' * len(COLUMNS)}"]
    for row in rows:
        cells = [row.get(name) for name in COLUMNS]
        told = ["" if cell is None else f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in cells]
        lines.append(f"| {row['method']} | {' | '.join(told)} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Print the table and record it."""
    parser = argparse.ArgumentParser(description="Segments with demographics judged by campaign response.")
    parser.add_argument("--draft", action="store_true", help="with uncommitted changes; nothing is recorded")
    asked = parser.parse_args(arguments)
    configuration = {"halves": 2, "folds": FOLDS, "resamples": RESAMPLES, "k": FIXED}
    with looks.look("marketing_campaign.py", configuration, draft=asked.draft, holdout=False) as taken:
        table, answered = customers()
        rows = report(table, answered)
        taken.figures["customers"] = table.num_rows
        taken.figures.update({row["method"]: f"AUC {row['auc']} R² {row['r2']}" for row in rows})
    print(f"{table.num_rows:,} customers, {answered.mean():.1%} answered\n")
    print(markdown(rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
