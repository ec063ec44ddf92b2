"""Fitting and judging segments of a shop: by one recipe, at a moment, on what was known then."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coterie.config import minor_units
from coterie.errors import DataError, ParameterError
from coterie.evaluation.intervals import Estimate
from coterie.evaluation.splits import last_window
from coterie.features import batch
from coterie.features.combination import Declared
from coterie.features.outcome import churned, future_spend, observed_until
from coterie.progress import SILENT, Progress
from coterie.segments.clustering import KMeansSegments
from coterie.segments.evidence.judging import report_card
from coterie.segments.evidence.validity import KEvidence, ReportCard
from coterie.segments.goal import GoalSegments
from coterie.segments.hierarchy import WardSegments
from coterie.segments.people import Floats, Ints
from coterie.segments.people import Segmentation as Segmenter
from coterie.segments.prototypes import PrototypeSegments
from coterie.segments.rfm import RFMSegments
from coterie.segments.suppression import dominated_groups
from coterie.segments.taste import TasteSegments
from coterie.segments.tree import TreeNode
from coterie.segments.view import VALUE, VIEWS, View
from coterie.workspace.amounts import amounts, told_apart
from coterie.workspace.recipes import Recipe

if TYPE_CHECKING:
    from coterie.workspace.facts import Facts
    from coterie.workspace.results import FeatureTable
    from coterie.workspace.shop import Workspace

TASTE = "category"  # what taste is made of where the shop has it: it holds better than departments (bench/taste.py)
LEAF = 5  # people whose middle a model that is kept may have: it describes no single one, who may want to be forgotten
BESIDE = 5_000  # people up to whom the tree beside k-means is exact; of 20,000 it would cost as much as all the rest
COLUMNS = tuple(dict.fromkeys(name for view in VIEWS.values() for name in view.columns))


@dataclass
class Figures:
    """What was measured on a model when it was trained; kept beside it in the registry."""

    evidence: tuple[KEvidence, ...] = ()
    warning: str = ""
    names: tuple[str, ...] = ()
    card: ReportCard | None = None
    tree: tuple[TreeNode, ...] = ()
    edited: str = ""
    items: str = ""
    dominated: tuple[int, ...] = ()  # segments one or two of whose people made nearly all of the goal's outcome


@dataclass(frozen=True)
class Fitting:
    """Fits a recipe's segments to the people of one shop.

    Parameters
    ----------
    shop
        The shop.
    seen
        What may be seen of it.
    recipe
        How.
    k
        How many segments; None lets the method choose.
    horizon_days
        How far the future looks that segments are judged by, and grown for.
    by
        What goods are told apart by, for taste; empty takes categories where the shop has them.
    """

    shop: Workspace
    seen: Facts
    recipe: Recipe
    k: int | None
    horizon_days: int
    by: str = ""

    def train(self, built: FeatureTable, progress: Progress) -> tuple[Segmenter, Figures]:
        """Fit a model, draw the tree of its people, and judge it."""
        estimator = self.fit(built.table, self.k, progress)
        check_few(estimator, hint="give a smaller k, or none where there are enough people to choose it by.")
        figures = Figures(getattr(estimator, "evidence_", ()) if self.recipe.method != "goal" else ())
        figures.warning = getattr(estimator, "warning_", "")
        figures.items = self.chosen
        if isinstance(estimator, GoalSegments):
            past, spent = self._past(built.table)
            figures.dominated = dominated_groups(estimator.predict(past), spent, estimator.k_)
        figures.tree = self.tree(estimator, built.table)
        figures.card = self.card(built, estimator, progress)
        return estimator, figures

    def fit(
        self, table: pa.Table, k: int | None, progress: Progress = SILENT, *, minimum_size: int | None = None
    ) -> Segmenter:
        """Fit the recipe to people.

        Raises
        ------
        DataError
            For a goal: the shop is too young, so that no outcome is known yet.
        """
        least = minimum_size or max(self.shop.config.minimum_group, LEAF)
        method = self.recipe.method
        if method == "rfm":
            return RFMSegments().fit(table)
        if method == "taste":
            return TasteSegments(k, minimum_size=least, progress=progress).fit(self._amounts(_moment(table)))
        given = _arguments(self.recipe.seen, table)
        if method == "goal":
            past, spent = self._past(table)
            return GoalSegments(
                k, columns=given["columns"], log=True, title=f"Spend in the next {self.horizon_days} days",
                currency=self.shop.config.currency, minimum_size=least, progress=progress,
            ).fit(past, spent)  # fmt: skip
        if method == "ward":
            return WardSegments(k, **given, polish=True, leaf_size=LEAF, minimum_size=least, progress=progress).fit(
                table
            )
        return KMeansSegments(k, **given, minimum_size=least, progress=progress).fit(table)

    def told(self, estimator: Segmenter, table: pa.Table) -> tuple[pa.Table, Ints]:
        """Return the people whose segment can be told, and their segments: of taste, those who bought known items."""
        if not isinstance(estimator, TasteSegments):
            return table, estimator.predict(table)
        assigned = estimator.assign(self._amounts(_moment(table)))
        inside = pc.is_in(table["person"], assigned["person"])
        table = table.filter(inside)
        place = pc.index_in(table["person"], assigned["person"]).to_numpy()
        return table, assigned["segment"].to_numpy()[place]

    def distances(self, estimator: Segmenter, table: pa.Table) -> npt.NDArray[np.float32] | None:
        """Return how far people whom ``told`` returned are from each segment; None for methods without distances."""
        if isinstance(estimator, TasteSegments):
            bought = self._amounts(_moment(table))
            place = np.searchsorted(estimator.people(bought), table["person"].to_numpy())  # people rise
            away: npt.NDArray[np.float32] = estimator.distances(bought)[place]
            return away
        return estimator.distances(table) if isinstance(estimator, PrototypeSegments) else None

    def card(
        self, built: FeatureTable, estimator: Segmenter, progress: Progress, *, edited: bool = False
    ) -> ReportCard | None:
        """Judge the segments by the days after ``as_of``, or one horizon earlier where these have not come yet.

        Earlier, segments of the same kind and number are made of that day's features; of a goal, also their number is
        chosen anew, as the outcomes of the days since chose it. What was edited by hand cannot be made again: None.
        """
        horizon = timedelta(days=self.horizon_days)
        table, judged = built.table, estimator
        try:
            if observed_until(self.seen.warehouse) < built.as_of + horizon - timedelta(days=1):
                if edited:
                    return None
                table = self._at(last_window(built.as_of, self.horizon_days).as_of, built.features)
                judged = self.fit(table, self.k if self.recipe.method == "goal" else estimator.k_, minimum_size=1)
            table, labels = self.told(judged, table)
            k = int(labels.max()) + 1
            spend, gone = self._outcomes(table)
            return report_card(
                {self.recipe.words: labels},
                table,
                spend=spend,
                churned=gone,
                mix=self._mix(_moment(table)),
                views=self._views(table, k),
                as_of=_moment(table),
                horizon_days=self.horizon_days,
                stability=self.stability(estimator, built),
                made_for=self.recipe.made_for,
                columns=[name for name in VALUE if name in table.column_names],
                currency=self.shop.config.currency,
                progress=progress,
            )
        except DataError:  # the shop is too young to be judged, or there are too few people to say anything
            return None

    def stability(self, estimator: Segmenter, built: FeatureTable) -> tuple[Estimate, ...]:
        """Say of each segment how well it comes back: of the segments shown, whenever their future is judged."""
        known: tuple[Estimate, ...] = getattr(estimator, "stability_", ())
        if known or not estimator.comes_again:
            return known
        if isinstance(estimator, WardSegments):
            return estimator.stability()
        if isinstance(estimator, KMeansSegments):
            return estimator.stability(built.table)
        return estimator.stability(self._amounts(built.as_of)) if isinstance(estimator, TasteSegments) else ()

    def tree(self, estimator: Segmenter, table: pa.Table) -> tuple[TreeNode, ...]:
        """Return the tree of the same people, its nodes marked with the segment that most of their people are in."""
        if isinstance(estimator, WardSegments):
            return estimator.tree()
        if not isinstance(estimator, KMeansSegments):
            return ()
        tree = WardSegments(int(estimator.k_), **_arguments(self.recipe.seen, table), exact=BESIDE).fit(table)
        return tree.tree(labels=estimator.predict(table))

    def _views(self, table: pa.Table, k: int) -> dict[str, Ints]:
        """Group the same people by every other view of them that the shop has data for, into as many segments."""
        found: dict[str, Ints] = {}
        told = [set(self.recipe.seen.on(table).columns)] if self.recipe.method == "kmeans" else []
        for view in VIEWS.values():
            with suppress(DataError):
                given = _arguments(view, table)
                if set(given["columns"]) not in told:  # of a shop that knows only purchases, two views may be one
                    told.append(set(given["columns"]))
                    found[view.title] = KMeansSegments(k, **given).fit(table).labels_
        return found

    def _past(self, table: pa.Table) -> tuple[pa.Table, Floats]:
        """Return people one horizon before a table, and what they spent since, in whole units of the currency."""
        moment = last_window(_moment(table), self.horizon_days).as_of
        names = set(table.column_names)
        past = self._at(moment, [feature for feature in self._features() if feature.name in names])
        spent, _ = self._outcomes(past)
        return past, spent / 10 ** minor_units(self.shop.config.currency)

    def _outcomes(self, table: pa.Table) -> tuple[Floats, Floats]:
        """Return what each person of a table spends in the horizon after it, in minor units, and who stays away."""
        found = batch.table(
            self.seen.warehouse,
            [future_spend(self.horizon_days), churned(self.horizon_days)],
            table.select(["person", "as_of"]),
            timezone=self.shop.config.timezone,
            currency=self.shop.config.currency,
        )
        spend, gone = (found[f"{name}_{self.horizon_days}d"].to_numpy() for name in ("future_spend", "churned"))
        return spend.astype(np.float64), gone.astype(np.float64)

    @cached_property
    def items(self) -> tuple[str, ...]:
        """By what the shop can tell goods apart (``department``, ``category`` …), the coarsest first."""
        return told_apart(self.seen)

    @property
    def chosen(self) -> str:
        """By what goods are told apart for taste; empty for other methods, and where the shop knows no goods."""
        if self.recipe.method != "taste" or not self.items:
            return ""
        return self.by or (TASTE if TASTE in self.items else self.items[0])

    def _mix(self, moment: datetime) -> pa.Table | None:
        """Return what people buy in the horizon after a moment; None where the shop does not know its goods."""
        if not self.items:
            return None
        try:
            return amounts(self.shop, self.seen, moment, by=self.items[0], days=self.horizon_days, future=True)
        except DataError:
            return None

    def _amounts(self, moment: datetime) -> pa.Table:
        """Return what people paid for what, up to a moment: ``person, item, amount``."""
        if not self.items:
            raise ParameterError(
                "segment: the shop does not know which goods its orders are of.",
                hint="map product_id in the source's mapping, and a file of products with department or category.",
            )
        return amounts(self.shop, self.seen, moment, by=self.chosen)

    def _at(self, moment: datetime, features: Sequence[Declared]) -> pa.Table:
        return self.shop.tabulate(self.seen, moment, features, SILENT).table

    def _features(self) -> tuple[Declared, ...]:
        return self.shop.declared(self.seen, COLUMNS)


def check_few(estimator: Segmenter, *, hint: str) -> None:
    """Refuse to keep a model that would describe single people, who may want to be forgotten."""
    kept = estimator.clusters_ if isinstance(estimator, TasteSegments) else estimator
    if isinstance(kept, PrototypeSegments) and (kept.weights_ < LEAF).any():
        raise ParameterError(
            f"segment: a segment would have fewer than {LEAF} people, and its middle would tell what single people do.",
            hint=hint,
        )


def _arguments(view: View, table: pa.Table) -> dict[str, Any]:
    """Return what an estimator is told of a view of people."""
    on = view.on(table)
    return {"columns": on.columns, "weights": on.weights, "orders": on.orders}


def _moment(table: pa.Table) -> datetime:
    moment: datetime = table["as_of"][0].as_py()
    return moment
