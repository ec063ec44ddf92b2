"""A process that dies before or after a step of the stores: every place where a crash leaves something half done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from coterie.govern.audit import Audit
from coterie.store.lake import DeltaLake
from coterie.store.ledger import SqliteLedger
from coterie.store.vault import SqliteVault

STEPS = [
    (DeltaLake, "append"),
    (DeltaLake, "delete_rows"),
    (SqliteLedger, "delete"),
    (SqliteLedger, "insert"),
    (SqliteLedger, "put"),
    (SqliteVault, "erase"),
    (SqliteVault, "subjects"),
    (Audit, "append"),
]


def dies(patch: Callable[[type, str, object], None], die: Callable[[], None], at: int | str) -> None:
    """Have the process die at a step.

    Parameters
    ----------
    patch
        Replaces a method of a class: ``setattr``, or a monkeypatch's.
    die
        Ends the process.
    at
        Which step: its number among all, from 1; or in words, ``"after erase"``, the first such.
    """
    count = 0

    def step(words: str) -> None:
        nonlocal count
        count += 1
        if at in (count, words):
            die()

    def wrapped(method: Callable[..., Any]) -> Callable[..., Any]:
        def around(*arguments: Any, **named: Any) -> Any:
            step(f"before {method.__name__}")
            answer = method(*arguments, **named)
            step(f"after {method.__name__}")
            return answer

        return around

    for owner, name in STEPS:
        patch(owner, name, wrapped(getattr(owner, name)))
