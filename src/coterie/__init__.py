"""coterie: customer segmentation and targeting for e-commerce.

``coterie.open(folder)`` opens a shop and returns a :class:`Workspace` with the verbs (ingest, check, resolve, build,
segment, show, forget and others). The estimators (:class:`KMeansSegments`, :class:`WardSegments`,
:class:`RFMSegments`, :class:`GoalSegments`, :class:`TasteSegments`) work on any dataframe, without a shop. Names are
imported when they are first used, so ``import coterie`` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "Aggregation": "coterie.features.aggregation",
    "Combination": "coterie.features.combination",
    "Config": "coterie.config",
    "CoterieError": "coterie.errors",
    "Feature": "coterie.features.feature",
    "GoalSegments": "coterie.segments.goal",
    "KMeansSegments": "coterie.segments.clustering",
    "Mapping": "coterie.collect.mapping",
    "Matrix": "coterie.features.matrix",
    "Outcome": "coterie.features.outcome",
    "RFMSegments": "coterie.segments.rfm",
    "TasteSegments": "coterie.segments.taste",
    "WardSegments": "coterie.segments.hierarchy",
    "Window": "coterie.features.feature",
    "Workspace": "coterie.workspace",
    "check_segmenter": "coterie.segments.contract.checks",
    "open": "coterie.workspace",
    "restore": "coterie.workspace",
    "surrogate": "coterie.segments.surrogate",
}

__all__ = [
    "Aggregation",
    "Combination",
    "Config",
    "CoterieError",
    "Feature",
    "GoalSegments",
    "KMeansSegments",
    "Mapping",
    "Matrix",
    "Outcome",
    "RFMSegments",
    "TasteSegments",
    "WardSegments",
    "Window",
    "Workspace",
    "__version__",
    "check_segmenter",
    "open",
    "restore",
    "surrogate",
]

if TYPE_CHECKING:
    from coterie.collect.mapping import Mapping
    from coterie.config import Config
    from coterie.errors import CoterieError
    from coterie.features.aggregation import Aggregation
    from coterie.features.combination import Combination
    from coterie.features.feature import Feature, Window
    from coterie.features.matrix import Matrix
    from coterie.features.outcome import Outcome
    from coterie.segments.clustering import KMeansSegments
    from coterie.segments.contract.checks import check_segmenter
    from coterie.segments.goal import GoalSegments
    from coterie.segments.hierarchy import WardSegments
    from coterie.segments.rfm import RFMSegments
    from coterie.segments.surrogate import surrogate
    from coterie.segments.taste import TasteSegments
    from coterie.workspace import Workspace, open, restore


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'coterie' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
