"""May this person be included? The slow way: look at each person's choices one by one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

Said = tuple[int, str, datetime, datetime]  # subject, choice, occurred_at, available_at


def permitted(
    persons: Mapping[int, Iterable[int]], said: Iterable[Said], at: datetime, *, needs_consent: bool
) -> dict[int, bool]:
    """Return of each person whether they may be included at ``at``."""
    answer = {}
    for person, subjects in persons.items():
        theirs = [
            (occurred_at, choice != "granted")
            for subject, choice, occurred_at, available_at in said
            if subject in set(subjects) and occurred_at <= at and available_at <= at
        ]
        if not theirs:
            answer[person] = not needs_consent
            continue
        last = max(occurred_at for occurred_at, _ in theirs)
        answer[person] = not any(refuses for occurred_at, refuses in theirs if occurred_at == last)
    return answer
