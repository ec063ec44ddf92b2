"""What people have decided about identity: these two are one, or are not, and what was taken back.

Decisions are kept for ever and never changed: taking one back is a decision, too. Each holds from its moment on, so
that the past stays what was known then.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import groupby

import pyarrow as pa
import pyarrow.compute as pc

from coterie.errors import ParameterError
from coterie.schema import KEY, TIME, Table, utc_now
from coterie.store.ports import Ledger


class Verb(StrEnum):
    """What can be decided."""

    SEPARATE = "separate"
    JOIN = "join"
    UNDO = "undo"


DECISIONS = Table(
    "identity_decisions",
    pa.schema(
        [
            ("decision", pa.int64()),  # 1, 2, 3 …
            ("verb", pa.string()),  # separate | join | undo
            ("subject_a", KEY),  # the smaller key of the two; of an undo, as in the decision that is taken back
            ("subject_b", KEY),
            ("kind_a", pa.string()),
            ("kind_b", pa.string()),
            ("undoes", pa.int64()),  # the decision that is taken back; null for the others
            ("decided_at", TIME),
        ]
    ),
    key=("decision",),
    subject="subject_a",
    meaning="Which two subjects people have said to be one person, or two, and what was taken back.",
    properties={"subjects": ("subject_a", "subject_b")},
)


@dataclass(frozen=True)
class Turn:
    """From a moment on, another decision on a pair is in force, or none.

    Parameters
    ----------
    at
        The moment, microseconds since 1970.
    pair
        The two subjects, the smaller key first.
    verb
        What holds now; None when nothing does.
    decision
        Its number; 0 when none holds.
    """

    at: int
    pair: tuple[int, int]
    verb: Verb | None
    decision: int


def decide(
    ledger: Ledger, verb: Verb, one: tuple[int, str], other: tuple[int, str], *, now: datetime | None = None
) -> int:
    """Record that two subjects, each with the kind of its identifier, are one person or two; return the number.

    The newest decision on a pair is the one in force.

    Raises
    ------
    ParameterError
        When both are the same subject, or the same is in force already.
    """
    (a, kind_a), (b, kind_b) = sorted((one, other))
    if a == b:
        raise ParameterError(f"{verb}: both are the same identifier.", hint="name two different ones.")
    rows = ledger.read(DECISIONS)
    last = {turn.pair: turn for turn in turns(rows)}.get((a, b))
    if last is not None and last.verb is verb:
        raise ParameterError(
            f"{verb}: decision {last.decision} says so already.",
            hint=f"coterie undo-decision {last.decision} takes it back.",
        )
    return _record(
        ledger, rows, {"verb": str(verb), "subject_a": a, "subject_b": b, "kind_a": kind_a, "kind_b": kind_b}, now
    )


def undo(ledger: Ledger, decision: int, *, now: datetime | None = None) -> int:
    """Take a decision back from now on; return the number of this decision.

    Raises
    ------
    ParameterError
        When there is no such decision, or it is an undo, or it was taken back before.
    """
    rows = ledger.read(DECISIONS)
    by_number = {row["decision"]: row for row in rows.to_pylist()}
    meant = by_number.get(decision)
    if meant is None or meant["verb"] == Verb.UNDO:
        numbers = [str(number) for number, row in by_number.items() if row["verb"] != Verb.UNDO]
        raise ParameterError(
            f"undo-decision: there is no decision {decision} that could be taken back.",
            hint=f"decisions are {', '.join(numbers[-10:])}." if numbers else "nothing was decided yet.",
        )
    if any(row["undoes"] == decision for row in by_number.values()):
        raise ParameterError(f"undo-decision: decision {decision} was taken back before.", hint="decide anew.")
    pair = {name: meant[name] for name in ("subject_a", "subject_b", "kind_a", "kind_b")}
    return _record(ledger, rows, {"verb": str(Verb.UNDO), "undoes": decision, **pair}, now)


def _record(ledger: Ledger, rows: pa.Table, row: dict[str, object], now: datetime | None) -> int:
    """Add a decision and return its number."""
    number = (pc.max(rows["decision"]).as_py() or 0) + 1
    moment = now or utc_now()
    newest: datetime | None = pc.max(rows["decided_at"]).as_py()
    if newest is not None and moment < newest:
        raise ParameterError(
            f"{row['verb']}: {moment:%Y-%m-%d %H:%M:%S} UTC lies before the newest decision.",
            hint="a decision holds from its moment on; the past is not decided anew.",
        )
    ledger.insert(DECISIONS, DECISIONS.rows([{**row, "decision": number, "decided_at": moment}]))
    return number


def turns(decisions: pa.Table) -> list[Turn]:
    """Return, in order of time, when which decision on which pair came into force; several at one moment are one.

    Parameters
    ----------
    decisions
        The columns of :data:`DECISIONS`.

    Examples
    --------
    >>> pair = {"subject_a": 1, "subject_b": 2, "decided_at": datetime(2026, 1, 1)}
    >>> rows = [{"decision": 1, "verb": "separate", **pair}, {"decision": 2, "verb": "undo", "undoes": 1, **pair}]
    >>> rows[1]["decided_at"] = datetime(2026, 1, 2)
    >>> [(turn.verb, turn.decision) for turn in turns(DECISIONS.rows(rows))]
    [(<Verb.SEPARATE: 'separate'>, 1), (None, 0)]
    """
    rows = decisions.set_column(
        decisions.column_names.index("decided_at"), "decided_at", decisions["decided_at"].cast(pa.int64())
    ).to_pylist()
    rows.sort(key=lambda row: (row["subject_a"], row["subject_b"], row["decided_at"], row["decision"]))
    found = [turn for _, mine in groupby(rows, lambda row: (row["subject_a"], row["subject_b"])) for turn in _of(mine)]
    return sorted(found, key=lambda turn: (turn.at, turn.pair))


def _of(rows: Iterator[dict[str, object]]) -> Iterator[Turn]:
    """Yield the turns of one pair, whose decisions come in order."""
    standing: dict[int, Verb] = {}
    current = 0
    for at, together in groupby(rows, lambda row: row["decided_at"]):
        for row in together:
            if row["verb"] == Verb.UNDO:
                standing.pop(int(str(row["undoes"])), None)
            else:
                standing[int(str(row["decision"]))] = Verb(str(row["verb"]))
            pair = int(str(row["subject_a"])), int(str(row["subject_b"]))
        newest = max(standing, default=0)
        if newest != current:
            current = newest
            yield Turn(int(str(at)), pair, standing.get(newest), newest)
