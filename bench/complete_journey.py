"""How well segments of a real retailer's households tell the future: every method beside naive ones, with intervals.

Features look back from one moment; judged on the 91 days after it are log future spend (R²), staying away (AUC) and
what is bought (R² of shares of departments, squared errors pooled). Groups are made from the past alone, by the columns
and weights that ``shop.segment`` takes; what a group means for the future is learnt in four fifths of the households
and judged in the fifth. Intervals are 95 % bootstraps over households. The gaps are to *as many* equal parts by past
spend, on the same resampled households: that is what segments have to beat. The goal-driven tree is grown on features
and outcomes that lie one horizon earlier, so that it has not seen the outcome that it is judged by.

``--window june`` (the default) is for choosing: features at 2017-06-01, outcomes until 2017-08-31; ``march``, ``april``
and ``may`` are earlier still. ``--window september`` is the reported holdout: it is looked at once for a commit that is
to be published, never while choosing, and goes on record in ``LOOKS.md``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

import looks

HORIZON = 91
RESAMPLES = 500
FIRST = date(2017, 1, 1)
FIXED = (5, 8)
MOMENTS = {
    "march": date(2017, 3, 1),
    "april": date(2017, 4, 1),
    "may": date(2017, 5, 1),
    "june": date(2017, 6, 1),
    "september": date(2017, 9, 1),
}
REPORTED = "september"

Groups = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Households:
    """What is known at a moment, what came after it, and what was known one horizon earlier."""

    table: pa.Table
    future: pa.Table
    bought: pa.Table | None = None
    will_buy: pa.Table | None = None
    earlier: pa.Table | None = None
    since: pa.Table | None = None


def households(moment: date) -> tuple[Any, Any]:
    """Return the features at a moment and both outcomes after it, one row a household, through the shop's verbs."""
    with _shop() as shop:
        return _at(shop, moment)


def everything(moment: date) -> Households:
    """Return all that the methods of this script are made of and judged by."""
    from coterie.schema import Purpose
    from coterie.workspace.amounts import amounts

    with _shop() as shop:
        seen = shop.facts(Purpose.SEGMENTATION)
        before = moment - timedelta(days=HORIZON)
        return Households(
            *_at(shop, moment, whole=True),
            amounts(shop, seen, moment, by="category"),
            amounts(shop, seen, moment, by="department", days=HORIZON, future=True),
            *(_at(shop, before) if before > FIRST + timedelta(days=30) else (None, None)),
        )


def _shop() -> Any:
    import coterie

    shop = coterie.open(None, name="Complete Journey", currency="USD", timezone="America/New_York")
    shop.ingest("complete_journey")
    return shop


def _at(shop: Any, moment: date, *, whole: bool = False) -> tuple[pa.Table, pa.Table]:
    """Return features (of the value view, or of all views as far as the shop's data go) and outcomes."""
    from coterie.features.outcome import churned, future_spend
    from coterie.segments.view import VALUE, VIEWS

    named = [name for name in VIEWS["combined"].columns if not shop.features(name)[0].missing] if whole else VALUE
    outcomes = future_spend(HORIZON), churned(HORIZON)
    return shop.build(moment, features=named).table, shop.build(moment, features=outcomes).table


def outcomes(future: pa.Table) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Return log(1 + dollars spent) and who bought nothing: shape (households,) each."""
    spend = np.nan_to_num(np.asarray(future[f"future_spend_{HORIZON}d"].to_numpy(zero_copy_only=False), dtype=float))
    gone = np.asarray(future[f"churned_{HORIZON}d"].to_numpy(zero_copy_only=False), dtype=float)
    return np.log1p(spend / 100), gone > 0


def methods(
    known: Households, columns: tuple[str, ...], weights: Mapping[str, float], *, rule: bool = True
) -> Iterator[tuple[str, str, Groups]]:
    """Yield what is judged: name, role and the group of each household; ``rule`` asks for the rule's k as well."""
    from sklearn.cluster import KMeans

    import coterie

    table = known.table
    spend = np.asarray(table["spend"].to_numpy(zero_copy_only=False), dtype=float)
    scaled: dict[str, Any] = {"columns": columns, "weights": weights}
    taken = []
    if rule:
        chosen = coterie.KMeansSegments(None, **scaled).fit(table)
        taken = [chosen.k_]
        yield f"k-means, the rule's k ({chosen.k_})", "model", chosen.labels_
    for k in FIXED:
        yield f"k-means, {k}", "model", coterie.KMeansSegments(k, **scaled).fit(table).labels_
        yield f"Ward, {k}", "model", coterie.WardSegments(k, **scaled).fit(table).labels_
    if known.earlier is not None and known.since is not None:
        yield from _goal(known, columns)
    if known.bought is not None:
        yield from _taste(known)
    if known.bought is not None:
        yield from _views(table)
    for k in dict.fromkeys((*FIXED, *taken)):
        yield f"past spend, {k} equal parts", "baseline", quantiles(spend, k)
    yield "RFM, named segments", "baseline", coterie.RFMSegments().fit(table).labels_
    yield "RFM, 125 cells", "baseline", coterie.RFMSegments().fit(table).scores(table) @ np.array([25, 5, 1])
    number = [np.asarray(table[name].to_numpy(zero_copy_only=False), dtype=float) for name in columns]
    for k in FIXED:
        unscaled = KMeans(k, n_init=10, random_state=0).fit_predict(np.nan_to_num(np.column_stack(number)))
        yield f"k-means, unscaled, {k}", "baseline", unscaled.astype(np.int64)
    yield "random, 8", "baseline", np.random.default_rng(8).integers(0, 8, table.num_rows)


def _goal(known: Households, columns: tuple[str, ...]) -> Iterator[tuple[str, str, Groups]]:
    """Yield the leaves of trees that were grown one horizon earlier, on spend and on staying away."""
    from coterie.segments.goal import GoalSegments

    spend, gone = outcomes(known.since)
    for title, outcome, log in (("spend", np.expm1(spend), True), ("staying away", gone.astype(float), False)):
        tree = GoalSegments(8, columns=columns, log=log, title=title).fit(known.earlier, outcome)
        yield f"goal: {title}, {tree.k_}", "model", tree.predict(known.table)


def _taste(known: Households) -> Iterator[tuple[str, str, Groups]]:
    """Yield segments by what is bought."""
    from coterie.segments.taste import TasteSegments

    for k in FIXED:
        model = TasteSegments(k).fit(known.bought)
        told = model.assign(known.bought)
        of = dict(zip(told["person"].to_pylist(), told["segment"].to_pylist(), strict=True))
        # whoever bought nothing of a known category is a group of its own
        groups = np.array([of.get(person, k) for person in known.table["person"].to_pylist()], dtype=np.int64)
        yield f"taste, {k}", "model", groups


def _views(table: pa.Table) -> Iterator[tuple[str, str, Groups]]:
    """Yield k-means on other columns."""
    import coterie
    from coterie.segments.view import VIEWS

    for name in ("engagement", "demographics", "combined"):
        view = VIEWS[name].on(table)
        found = coterie.KMeansSegments(5, columns=view.columns, weights=view.weights, orders=view.orders).fit(table)
        yield f"view: {name}, 5", "view", found.labels_


def quantiles(values: npt.NDArray[np.float64], parts: int) -> Groups:
    """Return which of so many equal parts each value falls into."""
    return np.searchsorted(np.quantile(values, np.arange(1, parts) / parts), values).astype(np.int64)


def report(
    known: Households, columns: tuple[str, ...], weights: Mapping[str, float], count: int = RESAMPLES, *, rule: bool
) -> list[dict[str, Any]]:
    """Judge every method; one dictionary a row, in the order of ``methods``, ceilings last."""
    import narwhals as nw

    from coterie.evaluation.ceiling import boosted_scores, logistic_scores, ridge_scores
    from coterie.evaluation.intervals import interval
    from coterie.evaluation.metrics import r2_of_groups
    from coterie.features.matrix import Matrix
    from coterie.segments.evidence.judge import Judge, future_mix

    # People's keys are random in each shop: folds and resamples follow what is known of people instead.
    order = pc.sort_indices(known.table, sort_keys=[(name, "ascending") for name in columns])
    known = replace(known, table=known.table.take(order), future=known.future.take(order))
    table = known.table
    y, gone = outcomes(known.future)
    people = nw.from_native(table, eager_only=True)
    mix = None if known.will_buy is None else future_mix(known.will_buy, people)
    matrix = Matrix(columns=columns).fit_transform(table)
    judge = Judge(y, gone, mix, matrix, count, 0)
    spend = np.asarray(table["spend"].to_numpy(zero_copy_only=False), dtype=float)
    parts: dict[int, Any] = {}
    rows = []
    for name, role, groups in methods(known, columns, weights, rule=rule):
        one = judge.group(name, role, groups)
        sizes = np.unique(groups, return_counts=True)[1]
        k = len(sizes)
        if k not in parts:
            parts[k] = judge.group("", "baseline", quantiles(spend, k))
        gaps = {
            question: interval(
                _figure(one.row, question).value - _figure(parts[k].row, question).value,
                repeats - parts[k].repeats[question],
            )
            for question, repeats in one.repeats.items()
        }
        rows.append(
            {
                "method": name,
                "role": role,
                "groups": k,
                "smallest": int(sizes.min()),
                "r2": one.row.r2,
                "auc": one.row.auc,
                "mix": one.row.mix,
                "r2_gap": gaps["spend"],
                "auc_gap": gaps.get("churn"),
                "mix_gap": gaps.get("mix"),
                # In-sample means flatter fine groupings; this is the figure that papers and other tools print.
                "r2_in_sample": round(r2_of_groups(y, groups), 3),
                "silhouette": one.row.silhouette,
            }
        )
    bought = judge.bought
    linear = None if judge.mix is None else ridge_scores(matrix[bought], judge.mix, judge.folds[bought])
    singles = [
        judge.alone(
            "each household: ridge, logistic", ridge_scores(matrix, y, judge.folds),
            logistic_scores(matrix, gone, judge.folds), linear, "",
        ),
        judge.alone(
            "each household: boosted trees", boosted_scores(matrix, y, judge.folds),
            boosted_scores(matrix, gone, judge.folds), None, "",
        ),
    ]  # fmt: skip
    rows += [{"method": one.method, "role": "ceiling", "r2": one.r2, "auc": one.auc, "mix": one.mix} for one in singles]
    return rows


def _figure(row: Any, question: str) -> Any:
    return {"spend": row.r2, "churn": row.auc, "mix": row.mix}[question]


COLUMNS = {
    "groups": "groups",
    "smallest": "smallest",
    "r2": "R² of log spend",
    "r2_gap": "… − equal parts of spend",
    "auc": "AUC of churn",
    "auc_gap": "… − equal parts of spend",
    "mix": "R² of the mix",
    "silhouette": "silhouette",
}


def markdown(rows: list[Mapping[str, Any]]) -> str:
    """Return the table for people."""
    lines = [f"| method | {' | '.join(COLUMNS.values())} |", f"|---|{'---|' * len(COLUMNS)}"]
    for row in rows:
        cells = [_cell(row.get(name)) for name in COLUMNS]
        lines.append(f"| {row['method']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def figures(rows: list[dict[str, Any]]) -> dict[str, str]:
    """Return what goes on record of each method."""
    shown = {"r2": "R²", "r2_gap": "over equal parts", "auc": "AUC", "auc_gap": "over equal parts", "mix": "mix"}
    return {
        row["method"]: " ".join(f"{title} {row[name]}" for name, title in shown.items() if row.get(name) is not None)
        for row in rows
    }


def as_json(rows: list[dict[str, Any]]) -> str:
    """Return the rows as JSON, figures with intervals as text."""
    plain = [{name: str(value) if hasattr(value, "low") else value for name, value in row.items()} for row in rows]
    return json.dumps(plain, indent=1, ensure_ascii=False) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Look once, print the table, record it."""
    purpose = "Segments of Complete Journey judged by the future."
    asked = looks.asked(arguments, purpose, MOMENTS, "june", "september is the reported holdout")
    from coterie.segments.view import VALUE, VALUE_WEIGHTS

    moment = MOMENTS[asked.window]
    configuration = looks.windowed(asked.window, moment, HORIZON, RESAMPLES)
    with looks.look("complete_journey.py", configuration, draft=asked.draft, holdout=asked.window == REPORTED) as taken:
        known = everything(moment)
        rows = report(known, VALUE, VALUE_WEIGHTS, rule=True)
        taken.figures["households"] = known.table.num_rows
        taken.figures.update(figures(rows))
    gone = outcomes(known.future)[1].mean()
    print(f"{known.table.num_rows:,} households at {moment:%Y-%m-%d}, {HORIZON} days ahead; {gone:.1%} buy nothing; "
          f"{len(VALUE)} features\n")  # fmt: skip
    print(markdown(rows))
    if asked.json:
        asked.json.write_text(as_json(rows), "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
