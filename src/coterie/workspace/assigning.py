"""The verb ``assign``: everybody's segment by a model that is there, part by part, into the lake."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coterie.charts.numbers import MISSING
from coterie.errors import ParameterError
from coterie.features import batch, published
from coterie.govern.privacy import shown, small
from coterie.progress import Progress
from coterie.schema import Purpose
from coterie.segments.people import Segmentation as Segmenter
from coterie.segments.prototypes import PrototypeSegments
from coterie.store.ports import Commit
from coterie.workspace.recipes import METHODS, Recipe

if TYPE_CHECKING:
    from coterie.ops.registry import Model
    from coterie.workspace.shop import Workspace

PART = 250_000  # people at a time: some hundred MB of features


@dataclass(frozen=True, repr=False)
class Assignment:
    """How many people a model put into which segment at a moment.

    Parameters
    ----------
    model_id
        The registered model.
    feature
        The name under which each person's segment was published; ``<feature>_distance`` is how far the person is from
        the segment's nearest prototype, in standard units, for methods that know distances.
    as_of
        The moment, naive UTC.
    names
        The segments' names, by number.
    sizes
        How many people are in each.
    refused
        How many people were left out because they may not be processed, by reason.
    minimum_group
        No size from 1 to below this is told.
    """

    model_id: str
    feature: str
    as_of: datetime
    names: tuple[str, ...]
    sizes: tuple[int, ...]
    refused: dict[str, int]
    minimum_group: int

    @property
    def people(self) -> int:
        """How many people got a segment."""
        return sum(self.sizes)

    @property
    def told(self) -> tuple[str, ...]:
        """The sizes as they may be told; of a larger one that would tell a small one, nothing."""
        hidden = small(list(self.sizes), self.minimum_group)
        return tuple(
            MISSING if hide and size >= self.minimum_group else shown(size, self.minimum_group)
            for size, hide in zip(self.sizes, hidden, strict=True)
        )

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values; a size that may not be told is None."""
        hidden = small(list(self.sizes), self.minimum_group)
        return {
            "model_id": self.model_id,
            "feature": self.feature,
            "as_of": self.as_of.isoformat() + "Z",
            "people": None if self.people < self.minimum_group else self.people,
            "segments": [
                {"segment": number, "name": name, "size": None if hide else size}
                for number, (name, size, hide) in enumerate(zip(self.names, self.sizes, hidden, strict=True))
            ],
            "refused": {why: shown(count, self.minimum_group) for why, count in self.refused.items()},
        }

    def __repr__(self) -> str:
        """Show sizes as they may be told."""
        lines = [f"Assignment by {self.model_id} as of {self.as_of:%Y-%m-%d %H:%M} UTC, published as {self.feature}"]
        named = enumerate(zip(self.names, self.told, strict=True))
        return "\n".join([*lines, *(f"  {number}  {name:<40} {size:>9} people" for number, (name, size) in named)])


def assign(
    shop: Workspace,
    as_of: str | date | datetime | None,
    *,
    method: str,
    view: str,
    model: str,
    progress: Progress,
) -> Assignment:
    """Carry out :meth:`Workspace.assign`."""
    recipe = Recipe(method, view)
    if method == "taste":
        raise ParameterError(
            "assign: taste is read from what people bought, not from features.",
            hint="segment(method='taste', model='latest') assigns people by a taste model.",
        )
    found = shop.registry.get(recipe.model, model)
    estimator = load(shop, found, method)
    seen = shop.facts(Purpose.SEGMENTATION)
    spine = shop.everybody(seen, as_of)
    declared = shop.declared(seen, estimator.reads)
    moment: datetime = spine.rows["as_of"][0].as_py()
    names = tuple(found.figures["names"])
    sizes = np.zeros(len(names), dtype=np.int64)
    total = spine.rows.num_rows
    data = published.fingerprint(
        declared, spine.rows, timezone=shop.config.timezone, currency=shop.config.currency, data=seen.data
    )
    for number, start in enumerate(range(0, total, PART), start=1):
        progress.step("people", start, total)
        table = batch.table(
            seen.warehouse,
            declared,
            spine.rows.slice(start, PART),
            timezone=shop.config.timezone,
            currency=shop.config.currency,
        )
        labels = estimator.predict(table)
        sizes += np.bincount(labels, minlength=len(names))
        # each part is a commit of its own: broken off and called again, it goes on where it was
        keep(
            shop, recipe, found, estimator, table, labels, names, Commit(f"assign-{found.model_id}-{data[:16]}", number)
        )
    progress.step("people", total, total)
    return Assignment(
        found.model_id, recipe.feature, moment, names, tuple(sizes.tolist()), dict(spine.refused),
        shop.config.minimum_group,
    )  # fmt: skip


def load(shop: Workspace, found: Model, method: str) -> Segmenter:
    """Return a registered estimator."""
    return METHODS[method].from_json(shop.registry.load(found))


def keep(
    shop: Workspace,
    recipe: Recipe,
    found: Model,
    estimator: Segmenter,
    table: pa.Table,
    labels: np.ndarray[Any, np.dtype[np.int64]],
    names: tuple[str, ...],
    commit: Commit,
) -> None:
    """Publish the segments of people, and how far they are from them, under the recipe's name."""
    moment = pc.max(table["as_of"]).as_py()
    values = pa.table(
        {
            "person": table["person"],
            "number": labels.astype(np.float64),
            "label": pa.array(names).take(pa.array(labels)),
        }
    )
    published.publish(shop.lake, recipe.feature, found.model_id, values, as_of=moment, commit=commit)
    if isinstance(estimator, PrototypeSegments):
        away = estimator.distances(table)[np.arange(len(labels)), labels]
        published.publish(
            shop.lake,
            f"{recipe.feature}_distance",
            found.model_id,
            pa.table({"person": table["person"], "number": away.astype(np.float64)}),
            as_of=moment,
            commit=Commit(f"{commit.application}-distance", commit.version),
        )
