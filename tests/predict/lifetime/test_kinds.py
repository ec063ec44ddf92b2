"""Stored models of purchases are restored by their kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from coterie.errors import IntegrityError
from coterie.predict.lifetime.kinds import KINDS, purchase_model


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_is_restored(model_of: Callable[..., Any], name: str) -> None:
    settings = {"k": 2} if "CNBD" in name else {}
    model = model_of(KINDS[name], 0.5, 7.0, 0.8, 2.5, **settings)
    again = purchase_model(model.to_json())
    assert type(again).__name__ == name
    assert again.to_json() == model.to_json()


@pytest.mark.parametrize(
    "body", [None, 3, [], "BGNBD", {}, {"kind": "GammaGamma"}, {"kind": ["BGNBD"]}, {"kind": "BGNBD"}]
)
def test_anything_else_is_refused(body: Any) -> None:
    with pytest.raises(IntegrityError) as caught:
        purchase_model(body)
    assert caught.value.hint
