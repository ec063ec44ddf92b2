"""Runs: one row in the ledger for each verb that was carried out, with its outcome."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa

from coterie.schema import TIME, Table, utc_now
from coterie.store.ports import Ledger

RUNS = Table(
    name="runs",
    schema=pa.schema(
        [
            ("run_id", pa.string()),
            ("verb", pa.string()),
            ("arguments", pa.string()),
            ("started_at", TIME),
            ("finished_at", TIME),
            ("outcome", pa.string()),  # done | failed:<error code> | interrupted
            ("facts", pa.string()),
        ]
    ),
    key=("started_at", "run_id"),
    meaning="Each verb that was carried out: when, with which arguments, with what outcome. Nothing personal.",
)


@dataclass
class Run:
    """One run while it lasts; what is put into ``facts`` is kept with it.

    Parameters
    ----------
    run_id
        Random, 16 hexadecimal digits.
    started_at
        Naive UTC.
    facts
        Figures about the run, JSON values only, nothing personal.
    """

    run_id: str
    started_at: datetime
    facts: dict[str, Any] = field(default_factory=dict)


@contextmanager
def record(ledger: Ledger, verb: str, arguments: Mapping[str, Any]) -> Iterator[Run]:
    """Record one run of ``verb``; the row is written when it ends, whether it succeeds, fails or is interrupted.

    Parameters
    ----------
    ledger
        Where the table RUNS exists.
    verb
        The verb of the workspace.
    arguments
        JSON values that say what was asked for; nothing personal.
    """
    run = Run(secrets.token_hex(8), utc_now())
    outcome = "done"
    try:
        yield run
    except KeyboardInterrupt:
        outcome = "interrupted"
        raise
    except BaseException as error:
        outcome = f"failed:{getattr(error, 'code', type(error).__name__)}"
        raise
    finally:
        row = {
            "run_id": run.run_id,
            "verb": verb,
            "arguments": json.dumps(dict(arguments), sort_keys=True, default=str),
            "started_at": run.started_at,
            "finished_at": utc_now(),
            "outcome": outcome,
            "facts": json.dumps(run.facts, sort_keys=True, default=str),
        }
        ledger.insert(RUNS, [row])
