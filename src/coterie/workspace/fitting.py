"""Fitting and judging segments of a shop: by one recipe, at a moment, on what was known then."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
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
from coterie.segments.goal import GoalSegments
from coterie.segments.hierarchy import WardSegments
from coterie.segments.judging import report_card
from coterie.segments.people import Floats, Ints
from coterie.segments.people import Segmentation as Segmenter
from coterie.segments.rfm import RFMSegments
from coterie.segments.taste import TasteSegments
from coterie.segments.tree import TreeNode
from coterie.segments.validity import KEvidence, ReportCard
from coterie.segments.view import VALUE, VIEWS
from coterie.workspace.amounts import amounts, told_apart
from coterie.workspace.recipes import Recipe

if TYPE_CHECKING:
    from coterie.workspace.facts import Facts
    from coterie.workspace.results import FeatureTable
    from coterie.workspace.shop import Workspace

TASTE = "category"  # what taste is made of where the shop has it: it holds better than departments (bench/taste.py)
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
    """

    shop: Workspace
    seen: Facts
    recipe: Recipe
    k: int | None
    horizon_days: int

    def train(self, built: FeatureTable, progress: Progress) -> tuple[Segmenter, Figures]:
        """Fit a model, draw the tree of its people, and judge it."""
        estimator = self.fit(built.table, self.k, progress)
        figures = Figures(getattr(estimator, "evidence_", ()) if self.recipe.method != "goal" else ())
        figures.warning = getattr(estimator, "warning_", "")
        figures.tree = self._tree(estimator, built.table)
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
        least = minimum_size or self.shop.config.minimum_group
        method = self.recipe.method
        if method == "rfm":
            return RFMSegments().fit(table)
        if method == "taste":
            return TasteSegments(k, minimum_size=least, progress=progress).fit(self._amounts(_moment(table)))
        view = self.recipe.seen.on(table)
        if method == "goal":
            past, spent = self._past(table)
            return GoalSegments(
                k, columns=view.columns, log=True, title=f"Spend in the next {self.horizon_days} days",
                currency=self.shop.config.currency, minimum_size=least, progress=progress,
            ).fit(past, spent)  # fmt: skip
        given: dict[str, Any] = {"columns": view.columns, "weights": view.weights, "orders": view.orders}
        if method == "ward":
            return WardSegments(k, **given, polish=True, minimum_size=least, progress=progress).fit(table)
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

    def card(self, built: FeatureTable, estimator: Segmenter, progress: Progress) -> ReportCard | None:
        """Judge the segments by the days after ``as_of``, or one horizon earlier where these have not come yet."""
        horizon = timedelta(days=self.horizon_days)
        table, judged = built.table, estimator
        try:
            if observed_until(self.seen.warehouse) < built.as_of + horizon - timedelta(days=1):
                table = self._at(last_window(built.as_of, self.horizon_days).as_of, built.features)
                judged = self.fit(table, getattr(estimator, "k_", None), minimum_size=1)
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
                columns=[name for name in VALUE if name in table.column_names],
                currency=self.shop.config.currency,
                progress=progress,
            )
        except DataError:  # the shop is too young to be judged, or there are too few people to say anything
            return None

    def stability(self, estimator: Segmenter, built: FeatureTable) -> tuple[Estimate, ...]:
        """Say of each segment how well it comes back: of the segments shown, whenever their future is judged."""
        known: tuple[Estimate, ...] = getattr(estimator, "stability_", ())
        if known:
            return known
        try:
            if isinstance(estimator, WardSegments):
                return estimator.stability()
            if isinstance(estimator, KMeansSegments):
                return estimator.stability(built.table)
            if isinstance(estimator, TasteSegments):
                return estimator.stability(self._amounts(built.as_of))
        except ParameterError:  # merged or split by hand, or read back without its people: no method finds them anew
            pass
        return ()

    def _tree(self, estimator: Segmenter, table: pa.Table) -> tuple[TreeNode, ...]:
        """Return the tree of the same people, its nodes marked with the segment that most of their people are in."""
        if isinstance(estimator, WardSegments):
            return estimator.tree()
        if not isinstance(estimator, KMeansSegments):
            return ()
        view = self.recipe.seen.on(table)
        tree = WardSegments(int(estimator.k_), columns=view.columns, weights=view.weights, orders=view.orders).fit(
            table
        )
        return tree.tree(labels=estimator.labels_)

    def _views(self, table: pa.Table, k: int) -> dict[str, Ints]:
        """Group the same people by each view of them that the shop has data for, into as many segments."""
        found = {}
        for view in VIEWS.values():
            with suppress(DataError):
                on = view.on(table)
                given: dict[str, Any] = {"columns": on.columns, "weights": on.weights, "orders": on.orders}
                found[view.title] = KMeansSegments(k, **given).fit(table).labels_
        return found if len(found) > 1 else {}  # a shop that knows only what people buy has nothing to set beside it

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
        by = TASTE if TASTE in self.items else self.items[0]
        return amounts(self.shop, self.seen, moment, by=by)

    def _at(self, moment: datetime, features: Sequence[Declared]) -> pa.Table:
        return self.shop.tabulate(self.seen, moment, features, SILENT).table

    def _features(self) -> tuple[Declared, ...]:
        return self.shop.declared(self.seen, COLUMNS)


def _moment(table: pa.Table) -> datetime:
    moment: datetime = table["as_of"][0].as_py()
    return moment
