"""The verb ``segment``: features, a fitted, registered or edited model, judgement, words, publication."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa

from coterie.config import minor_units
from coterie.errors import MissingColumnError, ParameterError
from coterie.features.catalog import CATALOG
from coterie.features.matrix import Matrix
from coterie.progress import SILENT, Progress
from coterie.report.segments import Goal
from coterie.schema import Purpose
from coterie.segments.goal import GoalSegments
from coterie.segments.hierarchy import WardSegments
from coterie.segments.people import Ints
from coterie.segments.people import Segmentation as Segmenter
from coterie.segments.projection import project
from coterie.segments.prototypes import PrototypeSegments
from coterie.segments.relations import relations
from coterie.segments.rfm import RFMSegments
from coterie.segments.surrogate import surrogate
from coterie.segments.taste import TasteSegments
from coterie.segments.view import VALUE
from coterie.segments.words.description import SegmentDescription, describe, lower, trend
from coterie.segments.words.fairness import GROUNDS
from coterie.store.ports import Commit
from coterie.workspace.assigning import keep, load
from coterie.workspace.fitting import COLUMNS, Figures, Fitting, check_few
from coterie.workspace.recipes import METHODS, Recipe
from coterie.workspace.results import FeatureTable
from coterie.workspace.segmentation import Segmentation

if TYPE_CHECKING:
    from coterie.workspace.shop import Workspace

ESTIMATORS = METHODS
_TOLD = 3  # features, and what would bring them, that a refusal names
IN_WORDS = {method: Recipe(method).words for method in METHODS}


@dataclass(frozen=True)
class Edits:
    """Changes to a model that is there.

    Parameters
    ----------
    merge
        Segments that become one.
    split
        A segment that becomes two.
    cut
        Into how many segments its tree is cut anew.
    """

    merge: tuple[int, ...] = ()
    split: int | None = None
    cut: int | None = None

    @property
    def words(self) -> str:
        """What was changed, in words; numbers are those of the model before."""
        parts = [] if self.cut is None else [f"tree cut into {self.cut}"]
        parts += [f"segments {', '.join(map(str, self.merge))} merged"] if self.merge else []
        return "; ".join([*parts, f"segment {self.split} split"] if self.split is not None else parts)


def segment(
    shop: Workspace,
    as_of: str | date | datetime | None,
    *,
    recipe: Recipe,
    k: int | None,
    horizon_days: int,
    model: str | None,
    edits: Edits,
    progress: Progress,
) -> Segmentation:
    """Carry out :meth:`Workspace.segment`."""
    _check(recipe, k, horizon_days, model, edits)
    if model is not None:
        edits = replace(edits, cut=k)
    seen = shop.facts(Purpose.SEGMENTATION)
    built = shop.tabulate(seen, as_of, COLUMNS, progress, whole=False)
    if recipe.method in ("kmeans", "ward", "goal"):
        _check_view(recipe, built)
    reused = [f"features of {built.table.num_rows:,} people"] if built.reused else []
    fitting = Fitting(shop, seen, recipe, k, horizon_days)
    inputs = _fingerprint(built.snapshot, recipe.method, recipe.view, k, horizon_days, fitting.chosen)
    found = shop.registry.get(recipe.model, model) if model else shop.registry.latest(recipe.model, inputs=inputs)
    if found is None:
        estimator, figures = fitting.train(built, progress)
    else:
        estimator, figures = load(shop, found, recipe.method), msgspec.convert(dict(found.figures), Figures)
        fitting = replace(fitting, by=figures.items)
        reused.append(f"model {found.model_id} with its report card")
        if edits.words:
            estimator, figures = _edited(fitting, built, estimator, figures, edits)
            reused.pop()
            found = None
    table, labels = fitting.told(estimator, built.table)
    described = _described(shop, estimator, table, labels, built)
    if found is not None and found.as_of < built.as_of:
        described = _since(fitting, estimator, described, built, found.as_of)
    if found is None:
        figures.names = _names(estimator, described)
        if edits.words:
            inputs = _fingerprint(inputs, model, edits.words)
        found = shop.registry.register(
            recipe.model, recipe.method, estimator.to_json(), inputs=inputs, as_of=built.as_of,
            figures=msgspec.to_builtins(figures),
        )  # fmt: skip
    # A segment keeps the name that it got when its model was made, whoever is in it now.
    known = dict(enumerate(figures.names))
    described = tuple(replace(item, name=known.get(item.segment) or item.name) for item in described)
    commit = Commit(f"segment-{found.model_id}-{built.snapshot[:16]}", 1)
    keep(shop, recipe, found, estimator, table, labels, figures.names, commit)
    return Segmentation(
        config=shop.config,
        method=recipe.words,
        model_id=found.model_id,
        as_of=built.as_of,
        segments=described,
        members=pa.table({"person": table["person"].combine_chunks(), "segment": pa.array(labels, pa.int64())}),
        card=figures.card,
        evidence=figures.evidence,
        warning=figures.warning,
        tree=figures.tree,
        projection=project(
            table, labels, _matrix(estimator, table), _titles(built), minimum_group=shop.config.minimum_group
        ),
        relations=relations(estimator, table) if isinstance(estimator, PrototypeSegments) else None,
        edited=figures.edited,
        goal=_goal(shop, estimator, figures),
        likings=estimator.likings_ if isinstance(estimator, TasteSegments) else (),
        built=built,
        used=_used(estimator, recipe, built),
        reused=tuple(reused),
        quality=shop.check,
        note=shop._note,
    )


def _check(recipe: Recipe, k: int | None, horizon_days: int, model: str | None, edits: Edits) -> None:
    """Refuse what does not go together."""
    if recipe.method == "rfm" and k is not None:
        raise ParameterError("segment: RFM has a grid of its own and takes no k.", hint="leave k out, or use kmeans.")
    if model is not None and k is not None and recipe.method != "ward":
        raise ParameterError(
            "segment: a registered model has its own k.", hint="leave out k, or model; a tree can be cut anew."
        )
    if horizon_days < 1:
        raise ParameterError.of("segment", "horizon_days", horizon_days, "at least 1")
    if edits.words and model is None:
        raise ParameterError("segment: only a model that is there can be edited.", hint="name it, or 'latest'.")
    if edits.split in edits.merge:
        raise ParameterError(
            f"segment: segment {edits.split} is to be merged and split at once.", hint="do one after the other."
        )
    if edits.words and recipe.method not in ("kmeans", "ward"):
        raise ParameterError(
            f"segment: segments of {recipe.method} cannot be merged or split.", hint="use kmeans or ward."
        )


def _check_view(recipe: Recipe, built: FeatureTable) -> None:
    """Refuse a view that the shop has no data for, and say what would bring them."""
    wanted = recipe.seen.columns
    if any(name in built.columns for name in wanted):
        return
    titles = list(dict.fromkeys(lower(CATALOG[name].title).split(",")[0] for name in wanted if name in CATALOG.names))
    why = list(dict.fromkeys(built.missing[name] for name in wanted if name in built.missing))
    raise MissingColumnError(
        f"The shop has no data for the view {recipe.view}: it looks at {', '.join(titles[:_TOLD])}"
        f"{' …' if len(titles) > _TOLD else ''}.",
        missing=wanted,
        present=tuple(built.columns),
        hint=f"{'; '.join(why[:_TOLD])}; or take another view.",
    )


def _edited(
    fitting: Fitting, built: FeatureTable, estimator: Segmenter, figures: Figures, edits: Edits
) -> tuple[Segmenter, Figures]:
    """Return the model with its segments merged and split, judged anew."""
    if not isinstance(estimator, PrototypeSegments):
        raise ParameterError("segment: these segments cannot be merged or split.", hint="use kmeans or ward.")
    made = estimator
    if edits.cut is not None and isinstance(made, WardSegments):
        made = made.cut(edits.cut, frame=built.table)
    if edits.merge:
        made = made.merge(*edits.merge)
    if edits.split is not None:
        made = made.split(made.renumbered_[edits.split] if edits.merge else edits.split, built.table)
    check_few(made, hint="split another segment." if edits.split is not None else "cut higher up.")
    before = "" if edits.cut is not None else figures.edited  # a cut starts from the tree, whatever was done to it
    words = "; ".join(filter(None, [before, edits.words]))
    card, tree = fitting.card(built, made, SILENT, edited=True), fitting.tree(made, built.table)
    return made, Figures(card=card, tree=tree, edited=words)


def _names(estimator: Segmenter, described: Sequence[SegmentDescription]) -> tuple[str, ...]:
    """Return the name of every segment that the model can tell, also of those that nobody is in yet."""
    own: tuple[str, ...] = getattr(estimator, "names_", ())
    told = dict(enumerate(own)) | {item.segment: item.name for item in described}
    return tuple(told.get(number, f"Segment {number}") for number in range(max(estimator.k_, len(own))))


def _described(
    shop: Workspace, estimator: Segmenter, table: pa.Table, labels: Ints, built: FeatureTable
) -> tuple[SegmentDescription, ...]:
    """Put the segments into words: what sets them apart, whom they are like, by which rule, and whom they hit."""
    titles = _titles(built)
    told = {name: titles[name] for name in VALUE if name in titles} | {
        name: titles[name] for name in estimator.reads if name in titles and titles[name][1] != "text"
    }
    rules = {}
    if len(np.unique(labels)) > 1 and len(labels) >= 10:
        plain = [name for name in dict.fromkeys((*VALUE, *estimator.reads)) if name in table.column_names]
        rules = {
            one.segment: one
            for one in surrogate(
                table, labels, columns=plain, currency=shop.config.currency, minimum_size=shop.config.minimum_group
            )
        }
    traits = [name for name in GROUNDS if name in table.column_names]
    described = describe(
        table, labels, told,
        seen=estimator.reads,
        currency=shop.config.currency,
        matrix=getattr(estimator, "matrix_", None),
        rules=rules,
        protected=table.select(traits) if traits else None,
        minimum_group=shop.config.minimum_group,
    )  # fmt: skip
    if isinstance(estimator, RFMSegments | TasteSegments):  # names of their own, which say what they look at
        described = tuple(replace(item, name=estimator.names_[item.segment]) for item in described)
    if isinstance(estimator, GoalSegments | TasteSegments):
        own = estimator.sentences_
        described = tuple(replace(item, sentences=(*item.sentences, own[item.segment])) for item in described)
    return described


def _goal(shop: Workspace, estimator: Segmenter, figures: Figures) -> Goal | None:
    """Return what the segments were grown for; of money, means are told in minor units."""
    if not isinstance(estimator, GoalSegments):
        return None
    cents = 10 ** minor_units(shop.config.currency)
    return Goal(
        estimator.title, estimator.measure_, estimator.score_, estimator.sentences_,
        tuple(float(mean * cents) for mean in estimator.means_), "money", figures.dominated,
    )  # fmt: skip


def _since(
    fitting: Fitting, estimator: Segmenter, described: tuple[SegmentDescription, ...], built: FeatureTable,
    moment: datetime,
) -> tuple[SegmentDescription, ...]:  # fmt: skip
    """Say how the segments changed since their model was made."""
    earlier = fitting.shop.tabulate(fitting.seen, moment, built.features, SILENT)
    table, labels = fitting.told(estimator, earlier.table)
    then = {one.segment: one for one in describe(table, labels, currency=fitting.shop.config.currency)}
    return tuple(
        replace(one, trend=trend(one, then[one.segment], moment)) if one.segment in then else one for one in described
    )


def _matrix(estimator: Segmenter, table: pa.Table) -> Matrix:
    """Return the scaling that the map is drawn by: that of the segmentation, else of purchases."""
    own: Matrix | None = getattr(estimator, "matrix_", None)
    return own or Matrix(columns=[name for name in VALUE if name in table.column_names]).fit(table)


def _titles(built: FeatureTable) -> dict[str, tuple[str, str]]:
    return {feature.name: (feature.title, feature.unit) for feature in built.features}


def _used(estimator: Segmenter, recipe: Recipe, built: FeatureTable) -> tuple[str, ...]:
    """Return the features that the segments were made of."""
    return tuple(name for name in built.columns if name in (estimator.reads or recipe.seen.columns))


def _fingerprint(*inputs: Any) -> str:
    """Return one hash for all that goes into training."""
    from coterie import __version__

    return hashlib.sha256(json.dumps([__version__, *inputs], default=str).encode()).hexdigest()
