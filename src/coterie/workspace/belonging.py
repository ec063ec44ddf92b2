"""One person's segments now: what the newest models make of the features that a profile has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coterie.errors import IntegrityError, StoreError
from coterie.ops.registry import MODELS

if TYPE_CHECKING:
    from coterie.ops.registry import Registry
    from coterie.store.ports import Ledger

Assigner = Callable[[Mapping[str, object]], int | None]


@dataclass(frozen=True)
class Belonging:
    """A person's segment by one model.

    Parameters
    ----------
    model_id
        The registered model, the newest of its name.
    segment
        Its number, 0 for the most valuable.
    name
        Its name.
    """

    model_id: str
    segment: int
    name: str


@dataclass(frozen=True)
class _Model:
    """A model as one person is asked of it."""

    model_id: str
    reads: tuple[str, ...]
    segment_of: Assigner
    names: tuple[str, ...]


class Belongings:
    """Tells a person's segments from features, by the newest model of each recipe; models are read once.

    Parameters
    ----------
    ledger
        Knows which models there are.
    registry
        Keeps them.
    """

    def __init__(self, ledger: Ledger, registry: Registry) -> None:
        self.ledger = ledger
        self.registry = registry
        self._models: dict[str, _Model | None] = {}

    def of(self, values: Mapping[str, object]) -> tuple[Belonging, ...]:
        """Return the segments of a person with these features.

        Nothing is said of models that read other features, or refuse a person of whom they lack one (RFM, who never
        ordered), nor of taste, which is told by what people bought.
        """
        found = []
        for model in self._newest():
            if model is not None and all(name in values for name in model.reads):
                segment = model.segment_of(values)
                if segment is None:
                    continue
                name = model.names[segment] if segment < len(model.names) else ""
                found.append(Belonging(model.model_id, segment, name))
        return tuple(found)

    def _newest(self) -> list[_Model | None]:
        rows = self.ledger.read(MODELS, "name", "model_id").to_pydict()
        newest = {name: one for name, one in zip(rows["name"], rows["model_id"], strict=True) if "segments-" in name}
        self._models = {
            one: self._models[one] if one in self._models else self._read(name, one) for name, one in newest.items()
        }
        return list(self._models.values())

    def _read(self, name: str, model_id: str) -> _Model | None:
        from coterie.workspace.recipes import METHODS  # brings scikit-learn, which a shop without models does without

        found = self.registry.get(name, model_id)
        try:
            estimator = METHODS[found.kind].from_json(self.registry.load(found))
        except (IntegrityError, StoreError):  # damaged, or of another version: `segment` says so, a profile goes on
            return None
        segment_of = estimator.assigner()
        return segment_of and _Model(model_id, estimator.reads, segment_of, tuple(found.figures["names"]))
