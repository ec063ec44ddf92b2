"""coterie: customer segmentation and targeting for e-commerce.

``coterie.open(folder)`` opens a shop and returns a :class:`Workspace` with the verbs (ingest, check, resolve, build,
segment, predict, show, forget and others). The estimators (:class:`KMeansSegments`, :class:`WardSegments`,
:class:`RFMSegments`, :class:`GoalSegments`, :class:`TasteSegments`), models of purchases (:class:`BGNBD`,
:class:`ParetoNBD`, :class:`GammaGamma` …) and the :class:`Learner` work on any dataframe, without a shop. Names are
imported when they are first used, so ``import coterie`` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "Aggregation": "coterie.features.aggregation",
    "BGCNBD": "coterie.predict.lifetime.cnbd",
    "BGNBD": "coterie.predict.lifetime.bg_nbd",
    "Combination": "coterie.features.combination",
    "Config": "coterie.config",
    "CoterieError": "coterie.errors",
    "CustomerValue": "coterie.predict.lifetime.value",
    "Feature": "coterie.features.feature",
    "GammaGamma": "coterie.predict.lifetime.gamma_gamma",
    "GoalSegments": "coterie.segments.goal",
    "Histories": "coterie.predict.lifetime.histories",
    "KMeansSegments": "coterie.segments.clustering",
    "Learner": "coterie.predict.propensity.learner",
    "MBGCNBD": "coterie.predict.lifetime.cnbd",
    "MBGNBD": "coterie.predict.lifetime.bg_nbd",
    "Mapping": "coterie.collect.mapping",
    "Matrix": "coterie.features.matrix",
    "NearTerm": "coterie.predict.lifetime.near_term",
    "Outcome": "coterie.features.outcome",
    "ParetoNBD": "coterie.predict.lifetime.pareto_nbd",
    "RFMSegments": "coterie.segments.rfm",
    "TasteSegments": "coterie.segments.taste",
    "WardSegments": "coterie.segments.hierarchy",
    "Window": "coterie.features.feature",
    "Workspace": "coterie.workspace",
    "check_predictor": "coterie.predict.propensity.checks",
    "check_segmenter": "coterie.segments.contract.checks",
    "open": "coterie.workspace",
    "restore": "coterie.workspace",
    "surrogate": "coterie.segments.surrogate",
}

__all__ = [
    "BGCNBD",
    "BGNBD",
    "MBGCNBD",
    "MBGNBD",
    "Aggregation",
    "Combination",
    "Config",
    "CoterieError",
    "CustomerValue",
    "Feature",
    "GammaGamma",
    "GoalSegments",
    "Histories",
    "KMeansSegments",
    "Learner",
    "Mapping",
    "Matrix",
    "NearTerm",
    "Outcome",
    "ParetoNBD",
    "RFMSegments",
    "TasteSegments",
    "WardSegments",
    "Window",
    "Workspace",
    "__version__",
    "check_predictor",
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
    from coterie.predict.lifetime.bg_nbd import BGNBD, MBGNBD
    from coterie.predict.lifetime.cnbd import BGCNBD, MBGCNBD
    from coterie.predict.lifetime.gamma_gamma import GammaGamma
    from coterie.predict.lifetime.histories import Histories
    from coterie.predict.lifetime.near_term import NearTerm
    from coterie.predict.lifetime.pareto_nbd import ParetoNBD
    from coterie.predict.lifetime.value import CustomerValue
    from coterie.predict.propensity.checks import check_predictor
    from coterie.predict.propensity.learner import Learner
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
