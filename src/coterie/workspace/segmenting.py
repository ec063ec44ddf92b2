"""The verb ``segment``: features, a fitted or a registered model, judgement, words, publication."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa

from coterie.errors import DataError, ParameterError
from coterie.evaluation.intervals import Estimate
from coterie.evaluation.splits import last_window
from coterie.features import batch, published
from coterie.features.matrix import Matrix
from coterie.features.outcome import churned, future_spend, observed_until
from coterie.progress import SILENT, Progress
from coterie.schema import Purpose
from coterie.segments.clustering import KMeansSegments
from coterie.segments.description import describe
from coterie.segments.hierarchy import LIMIT, TreeNode, WardSegments
from coterie.segments.judging import report_card
from coterie.segments.people import Segmentation as Segmenter
from coterie.segments.projection import project
from coterie.segments.rfm import RFMSegments
from coterie.segments.validity import KEvidence, ReportCard
from coterie.segments.view import VALUE, VALUE_WEIGHTS
from coterie.store.ports import Commit
from coterie.workspace.results import FeatureTable
from coterie.workspace.segmentation import Segmentation

if TYPE_CHECKING:
    from coterie.workspace.facts import Facts
    from coterie.workspace.shop import Workspace

ESTIMATORS: dict[str, type[Segmenter]] = {"kmeans": KMeansSegments, "ward": WardSegments, "rfm": RFMSegments}
IN_WORDS = {
    "kmeans": "k-means on log-scaled purchase behaviour",
    "ward": "Ward's hierarchy on log-scaled purchase behaviour",
    "rfm": "recency, frequency and money in fifths (RFM)",
}
K_OF_WARD = 5  # Ward's tree is cut here when no number is asked for; the tree itself shows all others


@dataclass
class Figures:
    """What was measured on a model when it was trained; kept beside it in the registry."""

    evidence: tuple[KEvidence, ...] = ()
    warning: str = ""
    names: tuple[str, ...] = ()
    card: ReportCard | None = None
    tree: tuple[TreeNode, ...] = ()


def segment(
    shop: Workspace,
    as_of: str | date | datetime | None,
    *,
    method: str,
    k: int | None,
    horizon_days: int,
    model: str | None,
    progress: Progress,
) -> Segmentation:
    """Carry out :meth:`Workspace.segment`."""
    if method not in ESTIMATORS:
        raise ParameterError.of("segment", "method", method, f"one of {', '.join(ESTIMATORS)}")
    if method == "rfm" and k is not None:
        raise ParameterError("segment: RFM has a grid of its own and takes no k.", hint="leave k out, or use kmeans.")
    if model is not None and k is not None:
        raise ParameterError("segment: a registered model has its own k.", hint="leave out k, or model.")
    if horizon_days < 1:
        raise ParameterError.of("segment", "horizon_days", horizon_days, "at least 1")
    name = f"segments-{method}"
    seen = shop.facts(Purpose.SEGMENTATION)
    built = shop.tabulate(seen, as_of, VALUE, progress, whole=False)
    reused = [f"features of {built.table.num_rows:,} people"] if built.reused else []
    inputs = _fingerprint(built.snapshot, method, k, horizon_days)
    found = shop.registry.latest(name, inputs=inputs) if model is None else shop.registry.get(name, model)
    if found is None:
        estimator, figures = _train(shop, seen, built, method, k, horizon_days, progress)
    else:
        estimator = ESTIMATORS[method].from_json(shop.registry.load(found))
        figures = msgspec.convert(dict(found.figures), Figures)
        reused.append(f"model {found.model_id} with its report card")
    labels = estimator.predict(built.table)
    titles = {feature.name: (feature.title, feature.unit) for feature in built.features}
    described = describe(built.table, labels, titles, currency=shop.config.currency)
    if isinstance(estimator, RFMSegments):  # its grid has names that marketers know
        described = tuple(replace(item, name=estimator.names_[item.segment]) for item in described)
    if found is None:
        told = {item.segment: item.name for item in described}
        figures.names = tuple(told.get(segment, "") for segment in range(max(told) + 1))
        found = shop.registry.register(
            name, method, estimator.to_json(), inputs=inputs, as_of=built.as_of, figures=msgspec.to_builtins(figures)
        )
    # A segment keeps the name that it got when its model was made, whoever is in it now.
    known = dict(enumerate(figures.names))
    described = tuple(replace(item, name=known.get(item.segment) or item.name) for item in described)
    names = {item.segment: item.name for item in described}
    people = built.table["person"].combine_chunks()
    published.publish(
        shop.lake,
        f"segment_{method}",
        found.model_id,
        pa.table({"person": people, "number": labels.astype(float), "label": [names[one] for one in labels.tolist()]}),
        as_of=built.as_of,
        commit=Commit(f"segment-{found.model_id}-{built.snapshot[:16]}", 1),
    )
    matrix = getattr(estimator, "matrix_", None) or Matrix(columns=built.columns).fit(built.table)
    return Segmentation(
        config=shop.config,
        method=IN_WORDS[method],
        model_id=found.model_id,
        as_of=built.as_of,
        segments=described,
        members=pa.table({"person": people, "segment": pa.array(labels, pa.int64())}),
        card=figures.card,
        evidence=figures.evidence,
        warning=figures.warning,
        tree=figures.tree,
        projection=project(built.table, labels, matrix, titles),
        built=built,
        reused=tuple(reused),
        quality=shop.check,
        note=shop._note,
    )


def _train(
    shop: Workspace, seen: Facts, built: FeatureTable, method: str, k: int | None, horizon_days: int, progress: Progress
) -> tuple[Segmenter, Figures]:
    """Fit a model and judge it."""
    estimator = _estimator(method, k, built.columns, shop.config.minimum_group, progress).fit(built.table)
    evidence, warning = (estimator.evidence_, estimator.warning_) if isinstance(estimator, KMeansSegments) else ((), "")
    progress.step("report card", 0, 1)
    card = _card(shop, seen, built, estimator, method, horizon_days)
    progress.step("report card", 1, 1)
    return estimator, Figures(evidence, warning, card=card, tree=_tree(estimator, built))


def _estimator(
    method: str, k: int | None, columns: tuple[str, ...], minimum_size: int, progress: Progress
) -> Segmenter:
    """Return the estimator of a method, not fitted yet."""
    weights = {name: weight for name, weight in VALUE_WEIGHTS.items() if name in columns}
    if method == "rfm":
        return RFMSegments()
    if method == "ward":
        return WardSegments(k or K_OF_WARD, columns=columns, weights=weights)
    return KMeansSegments(k, columns=columns, weights=weights, minimum_size=minimum_size, progress=progress)


def _tree(estimator: Segmenter, built: FeatureTable) -> tuple[TreeNode, ...]:
    """Return Ward's tree of the same people, its nodes marked with the segment that most of their people are in."""
    if built.table.num_rows > LIMIT or isinstance(estimator, RFMSegments):
        return ()
    if isinstance(estimator, WardSegments):
        return estimator.tree()
    tree = _estimator("ward", int(estimator.k_), built.columns, 1, SILENT).fit(built.table)
    return tree.tree(labels=estimator.labels_) if isinstance(tree, WardSegments) else ()


def _card(
    shop: Workspace, seen: Facts, built: FeatureTable, estimator: Segmenter, method: str, horizon_days: int
) -> ReportCard | None:
    """Judge the segments by the days after ``as_of``, or one horizon earlier where these have not come yet."""
    horizon = timedelta(days=horizon_days)
    table, judged = built.table, estimator
    if observed_until(seen.warehouse) < built.as_of + horizon - timedelta(days=1):
        try:
            table = shop.tabulate(seen, last_window(built.as_of, horizon_days).as_of, built.features, SILENT).table
            judged = _estimator(method, getattr(estimator, "k_", None), built.columns, 1, SILENT).fit(table)
        except DataError:  # the shop is younger than one horizon: nothing to judge by
            return None
    outcomes = batch.table(
        seen.warehouse,
        [future_spend(horizon_days), churned(horizon_days)],
        table.select(["person", "as_of"]),
        timezone=shop.config.timezone,
        currency=shop.config.currency,
    )
    labels = np.asarray(judged.predict(table))
    try:
        return report_card(
            {IN_WORDS[method]: labels},
            table,
            spend=outcomes[f"future_spend_{horizon_days}d"].to_numpy(),
            churned=outcomes[f"churned_{horizon_days}d"].to_numpy(),
            as_of=table["as_of"][0].as_py(),
            horizon_days=horizon_days,
            stability=_stability(estimator, built),
            columns=built.columns,
            currency=shop.config.currency,
        )
    except DataError:  # too few people to say anything
        return None


def _stability(estimator: Segmenter, built: FeatureTable) -> tuple[Estimate, ...]:
    """Say of each segment how well it comes back: of the segments shown, whenever their future is judged."""
    if isinstance(estimator, WardSegments):
        return estimator.stability()
    if isinstance(estimator, KMeansSegments):
        return estimator.stability_ or estimator.stability(built.table)
    return ()


def _fingerprint(*inputs: Any) -> str:
    """Return one hash for all that goes into training."""
    from coterie import __version__

    return hashlib.sha256(json.dumps([__version__, *inputs], default=str).encode()).hexdigest()
