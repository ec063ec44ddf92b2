"""The rights of one person: to get everything the shop holds about them, and to be forgotten, with a receipt.

Every store is owned by a :class:`~coterie.govern.holders.Holder`. A request goes through all of them in the order
given: put last the holders by which a person is found (the vault, then the edges). A request to forget is written down
with the subject keys before anything is erased, so that one that was cut off anywhere is finished by :func:`finish`,
also when nobody can find the person any more; when it is done, the keys are erased from there as well.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import uuid4

import pyarrow as pa

from coterie.errors import DataError, ParameterError
from coterie.govern.audit import Audit
from coterie.govern.holders import Holder, keys_of
from coterie.schema import KEY, TIME, Table, utc_now

ERASURES = Table(
    "erasures",
    pa.schema([("request", pa.string()), ("subject", KEY), ("asked_at", TIME)]),
    key=("request", "subject"),
    meaning="Whom a request to be forgotten that is being carried out erases; empty when none is.",
)
_ASKED = "forget asked"


@dataclass(frozen=True)
class Receipt:
    """What a request to be forgotten did; itself it holds nothing personal and may be kept.

    Parameters
    ----------
    request
        Random number of the request, also on the audit chain.
    asked_at, finished_at
        Naive UTC.
    subjects
        How many identifiers were asked to be forgotten.
    erased
        Rows erased, by holder, in the order in which they were asked.
    left
        Rows that a second search still found, by table; empty when all is gone.
    kept_out
        The keyed hash of each identifier that later imports leave out, hexadecimal: without the shop's key it tells
        nothing. After a backup older than the request was restored, the person is forgotten again by these.
    outside
        Files that the shop wrote elsewhere and that may speak of the person: paths for a person to look at, and to
        take out of a receipt that is kept where a file is named after somebody.
    models
        The registered models that were trained while the person was in the data: ``model_id``, ``kind`` and ``as_of``
        of each. They keep what was learnt of everybody together, none of the person's own values, and are not erased.
    """

    request: str
    asked_at: datetime
    finished_at: datetime
    subjects: int
    erased: dict[str, int]
    left: dict[str, int]
    kept_out: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    models: tuple[Mapping[str, str], ...] = ()

    @property
    def verified(self) -> bool:
        """Whether the second search found nothing."""
        return not self.left

    def to_json(self) -> dict[str, Any]:
        """Return the receipt as plain JSON values."""
        times = {name: getattr(self, name).isoformat() + "Z" for name in ("asked_at", "finished_at")}
        lists = {name: list(getattr(self, name)) for name in ("kept_out", "outside", "models")}
        return {**asdict(self), **times, **lists, "verified": self.verified}


def export_person(
    holders: Sequence[Holder], subjects: Iterable[int], *, audit: Audit | None = None, now: datetime | None = None
) -> dict[str, pa.Table]:
    """Return everything that is held about a person (GDPR Articles 15 and 20), by table, empty ones left out.

    Parameters
    ----------
    holders
        Every holder of the shop.
    subjects
        All subject keys of the person.
    audit
        Where it is written that an export was made, with counts only.
    now
        The moment, naive UTC; None is the present.

    Raises
    ------
    ParameterError
        When two holders export a table of the same name, of which one would be lost.
    """
    wanted = keys_of(subjects).to_pylist()
    found: dict[str, pa.Table] = {}
    for holder in holders:
        for name, rows in holder.export(wanted).items():
            if name in found:
                raise ParameterError(f"export: two holders have a table {name!r}; the second one is {holder.name!r}.")
            found[name] = rows
    found = {name: rows for name, rows in found.items() if rows.num_rows}
    if audit is not None:
        details = {"subjects": len(wanted), "rows": {name: rows.num_rows for name, rows in found.items()}}
        audit.append("export", uuid4().hex, details, now=now)
    return found


def exported_json(tables: dict[str, pa.Table]) -> str:
    """Return an export as JSON that people can read and programs can take over: table → list of rows, times in UTC.

    Examples
    --------
    >>> print(exported_json({"traits": pa.table({"trait": ["age"], "value": ["45-54"]})}))
    {
      "traits": [
        {
          "trait": "age",
          "value": "45-54"
        }
      ]
    }
    """
    return json.dumps(
        {name: rows.to_pylist() for name, rows in tables.items()}, indent=2, ensure_ascii=False, default=_plain
    )


def forget(
    holders: Sequence[Holder],
    subjects: Iterable[int],
    *,
    audit: Audit | None = None,
    now: datetime | None = None,
    models: Sequence[Mapping[str, str]] = (),
) -> Receipt:
    """Erase everything that is held about a person (GDPR Article 17) and search again to verify it.

    Parameters
    ----------
    holders
        Every holder of the shop, in the order in which they erase: last those by which the person is found.
    subjects
        All subject keys of the person.
    audit
        Where the request and its counts are written; its ledger keeps the request until it is done. Without it, a
        request that is cut off is only finished by repeating it.
    now
        The moment of asking, naive UTC; None is the present.
    models
        What was trained with the person's data, as :class:`Receipt` names it: nothing personal, it goes on the audit.

    Returns
    -------
    Receipt
        Look at ``verified``: False means that a holder still finds rows, which ``left`` counts.
    """
    wanted = keys_of(subjects).to_pylist()
    request, asked_at = uuid4().hex, now or utc_now()
    if audit is not None:
        ledger = audit.ledger
        ledger.create(ERASURES)
        with ledger.transaction():
            asked = {"subjects": len(wanted)} | ({"models": [dict(one) for one in models]} if models else {})
            audit.append(_ASKED, request, asked, now=now)
            rows = [{"request": request, "subject": subject, "asked_at": asked_at} for subject in wanted]
            ledger.insert(ERASURES, rows)
    return replace(_erase(holders, request, wanted, asked_at, audit, now), models=tuple(models))


def finish(holders: Sequence[Holder], audit: Audit, *, now: datetime | None = None) -> list[Receipt]:
    """Finish the requests to be forgotten that were cut off, and return their receipts, the oldest first.

    Parameters
    ----------
    holders
        As :func:`forget` takes them. Only the writer of a shop may ask.
    audit
        Whose ledger keeps the requests.
    now
        The moment, naive UTC; None is the present.
    """
    audit.ledger.create(ERASURES)
    pending: dict[tuple[datetime, str], list[int]] = {}
    for row in audit.ledger.read(ERASURES).to_pylist():
        pending.setdefault((row["asked_at"], row["request"]), []).append(row["subject"])
    models = _models(audit) if pending else {}
    return [
        replace(_erase(holders, request, subjects, asked_at, audit, now), models=models.get(request, ()))
        for (asked_at, request), subjects in sorted(pending.items())
    ]


def erasure_debt(audit: Audit) -> dict[str, int]:
    """Return how many requests to be forgotten each model owes: by model id, of those who are still in what it learnt.

    A model owes nothing once it is made anew: that is another model, without those who were forgotten before.

    Parameters
    ----------
    audit
        Where requests were written down with the models that they concern.
    """
    return dict(Counter(one["model_id"] for models in _models(audit).values() for one in models))


def rehearse(
    holders: Sequence[Holder],
    subjects: Iterable[int],
    *,
    now: datetime | None = None,
    models: Sequence[Mapping[str, str]] = (),
) -> Receipt:
    """Return the receipt of a request to be forgotten that erases nothing: ``left`` counts what is held, by table.

    Parameters
    ----------
    holders
        Every holder of the shop.
    subjects
        All subject keys of the person.
    now
        The moment, naive UTC; None is the present.
    models
        As in :func:`forget`.
    """
    wanted = keys_of(subjects).to_pylist()
    moment = now or utc_now()
    left = {name: count for holder in holders for name, count in _held(holder, wanted).items()}
    return Receipt(uuid4().hex, moment, moment, len(wanted), {}, left, models=tuple(models))


def kept_out(receipts: Iterable[str]) -> list[bytes]:
    r"""Return the keyed hashes that receipts of earlier requests name, each once.

    Parameters
    ----------
    receipts
        Receipts as JSON texts, as :meth:`Receipt.to_json` gives them.

    Raises
    ------
    DataError
        When a text is no such receipt.

    Examples
    --------
    >>> kept_out(['{"request": "ab12", "kept_out": ["00ff"]}'])
    [b'\x00\xff']
    """
    found: dict[bytes, None] = {}
    for number, text in enumerate(receipts, 1):
        try:
            found |= dict.fromkeys(bytes.fromhex(digest) for digest in json.loads(text)["kept_out"])
        except (ValueError, TypeError, KeyError):
            raise DataError(
                f"Receipt {number} is not one that `coterie forget --json` printed.",
                hint="give the file as it was kept; its part kept_out is what is needed.",
            ) from None
    return list(found)


def _erase(
    holders: Sequence[Holder],
    request: str,
    wanted: list[int],
    asked_at: datetime,
    audit: Audit | None,
    now: datetime | None,
) -> Receipt:
    """Go through the holders; repeating it does no harm, and finishes what was cut off."""
    erased: dict[str, int] = {}
    left: dict[str, int] = {}
    for holder in holders:
        erased[holder.name] = holder.erase(wanted)
        left |= _held(holder, wanted)  # at once: a later holder may be needed to search this one
    receipt = Receipt(request, asked_at, now or utc_now(), len(wanted), erased, left)
    if audit is not None:
        details = {"subjects": len(wanted), "erased": erased, "left": left, "verified": receipt.verified}
        with audit.ledger.transaction():
            audit.append("forget", request, details, now=now)
            if receipt.verified:  # else the keys are still needed
                audit.ledger.delete(ERASURES, "request", [request])
    return receipt


def _models(audit: Audit) -> dict[str, tuple[Mapping[str, str], ...]]:
    """Return the models that each request concerns, by its number."""
    asked = [row for row in audit.entries().to_pylist() if row["action"] == _ASKED]
    return {row["about"]: tuple(json.loads(row["details"]).get("models", ())) for row in asked}


def _held(holder: Holder, wanted: list[int]) -> dict[str, int]:
    """Return how many rows a holder has about subjects, by table."""
    return {name: rows.num_rows for name, rows in holder.export(wanted).items() if rows.num_rows}


def _plain(value: object) -> str:
    """Return a value that JSON has no form for as text."""
    if isinstance(value, datetime):
        return value.isoformat() + "Z"
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat() if isinstance(value, date) else str(value)
