"""Kinds of models of purchases, by the names that they are stored under."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coterie.errors import IntegrityError
from coterie.predict.lifetime.bg_nbd import BGNBD, MBGNBD
from coterie.predict.lifetime.cnbd import BGCNBD, MBGCNBD
from coterie.predict.lifetime.pareto_nbd import ParetoNBD
from coterie.predict.lifetime.purchasing import PurchaseModel

KINDS: dict[str, type[PurchaseModel]] = {one.__name__: one for one in (BGNBD, MBGNBD, BGCNBD, MBGCNBD, ParetoNBD)}
"""Models by name."""


def purchase_model(body: Any) -> PurchaseModel:
    """Return the fitted model of purchases that its ``to_json`` wrote, of whichever kind.

    Raises
    ------
    IntegrityError
        It is no such model, or not whole.
    """
    kind = body.get("kind") if isinstance(body, Mapping) else None
    if not isinstance(kind, str) or kind not in KINDS:
        got = repr(kind) if isinstance(kind, str) else type(body).__name__
        raise IntegrityError(f"This is no stored model of purchases: it is of kind {got}.", hint="fit it anew.")
    return KINDS[kind].from_json(body)
