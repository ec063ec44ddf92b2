"""Stored learners: whether a body of JSON values is that of a learner, of a version that is read here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coterie.errors import IntegrityError


def check_kind(body: Any, kind: str, version: int) -> None:
    """Raise IntegrityError unless a body says that it is of that kind and version."""
    if not isinstance(body, Mapping) or body.get("kind") != kind:
        got = body.get("kind") if isinstance(body, Mapping) else type(body).__name__
        raise IntegrityError(f"This is no stored {kind}: it is of kind {got!r}.", hint="fit it anew.")
    if body.get("version") != version:
        raise IntegrityError(
            f"This {kind} is of version {body.get('version')!r}, and this coterie reads version {version}.",
            hint="pip install --upgrade coterie, or fit it anew.",
        )


def is_number(value: Any) -> bool:
    """Return whether a value is a number of reasonable size, and no truth value.

    >>> is_number(3.5), is_number(True), is_number(None)
    (True, False, False)
    """
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def is_count(value: Any) -> bool:
    """Return whether a value is a whole number of 0 and more, and no truth value."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
