"""A naive twin of paths into nested values: Python objects, one step after the other."""

from __future__ import annotations

import json
from typing import Any


def text(value: Any) -> str | None:
    """A value as text."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def follow(value: Any, steps: list[tuple[str, bool]]) -> str | None:
    """What steps, each with whether it stands in brackets, lead to, as text."""
    entry = False
    for name, bracket in steps:
        entry = bracket and not name.isdigit()
        if isinstance(value, list) and name.isdigit():
            value = value[int(name)] if int(name) < len(value) else None
        elif isinstance(value, list) and bracket:
            objects = [each for each in value if isinstance(each, dict)]
            value = next((each.get("value") for each in objects if each.get("key", each.get("name")) == name), None)
        else:
            value = value.get(name) if isinstance(value, dict) else None
    if entry and isinstance(value, dict):
        value = next((each for each in value.values() if each is not None), None)
    return text(value)


def elements(value: Any, steps: list[tuple[str, bool]]) -> list[Any] | None:
    """The elements of the list that steps lead to; an object is a list of one."""
    for name, _ in steps:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, list) else [value] if isinstance(value, dict) else None
