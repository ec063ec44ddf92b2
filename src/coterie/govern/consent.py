"""What people chose, and on which lawful basis each source may be used: two tables of history that only grow."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from coterie.errors import GateRefusedError, MissingColumnError, ParameterError
from coterie.schema import CONSENT, TIME, Choice, Purpose, Table, utc_now
from coterie.store.ports import Ledger

CONSENTS = Table(
    "consents",
    pa.schema([("consent_id", pa.string()), *CONSENT]),
    key=("consent_id",),
    subject="subject",
    meaning="What each person has said about each purpose, and when; the history is kept.",
)

BASES = Table(
    "bases",
    pa.schema([("source", pa.string()), ("purpose", pa.string()), ("words", pa.string()), ("declared_at", TIME)]),
    key=("source", "purpose", "declared_at"),
    meaning="The lawful basis that each source declares for each purpose; no words mean that it no longer has one.",
)

# The six of GDPR Article 6(1). A closed list, so that a misspelt "consent" cannot pass as something weaker.
KINDS = ("consent", "contract", "legal obligation", "legitimate interest", "public task", "vital interest")
_BASIS = re.compile(rf"({'|'.join(KINDS)})s?\b\W*\w.*", re.IGNORECASE | re.DOTALL)

EXAMPLE = """\
[lawful_basis]
segmentation = "legitimate interest: we group customers by what they bought, to send fewer and fitter offers\""""


@dataclass(frozen=True)
class Basis:
    """Why a source's data may be used for one purpose.

    Parameters
    ----------
    kind
        One of the six of GDPR Article 6(1), in small letters.
    words
        The whole declaration, as it stands in the mapping.
    """

    kind: str
    words: str

    @classmethod
    def of(cls, words: str) -> Basis:
        """Read a declaration such as ``"consent: the box at the checkout"``.

        Raises
        ------
        GateRefusedError
            When it does not begin with one of the six kinds, or no words of the shop's own follow.

        Examples
        --------
        >>> Basis.of("Consent: the box at the checkout").needs_consent
        True
        >>> Basis.of("Legitimate interest in knowing our own customers; privacy notice, section 4.").kind
        'legitimate interest'
        """
        found = _BASIS.fullmatch(words.strip()) if isinstance(words, str) else None
        if found is None:
            raise GateRefusedError(
                f"A lawful basis must begin with one of {', '.join(KINDS)}, and then say why; got {words!r}.",
                hint=f"write it in the mapping like this:\n{EXAMPLE}",
            )
        return cls(found[1].lower(), words.strip())

    @property
    def needs_consent(self) -> bool:
        """Whether only people who said yes may be included (else: all who did not say no)."""
        return self.kind == "consent"


def purpose_of(purpose: str) -> Purpose:
    """Return the purpose of that name; an unknown one is refused.

    Raises
    ------
    GateRefusedError
        When no such purpose exists.

    Examples
    --------
    >>> purpose_of("marketing")
    <Purpose.MARKETING: 'marketing'>
    """
    try:
        return Purpose(purpose)
    except ValueError:
        raise GateRefusedError(
            f"Unknown purpose {purpose!r}.", hint=f"the purposes are {', '.join(Purpose)}."
        ) from None


def record(ledger: Ledger, choices: pa.Table, *, now: datetime | None = None) -> int:
    """Keep what people said. Saying the same thing again at the same moment changes nothing; nothing is replaced.

    Parameters
    ----------
    ledger
        Where :data:`CONSENTS` is kept.
    choices
        Columns ``source, subject, purpose, choice, occurred_at``, all filled; ``words`` and ``available_at`` (default:
        ``occurred_at``) may be absent or null. Times are naive UTC.
    now
        When they are stored; None is the present moment.

    Returns
    -------
    int
        How many different choices were given.

    Raises
    ------
    MissingColumnError
        When a column is absent.
    ParameterError
        When a purpose or a choice is unknown, or a needed value is null: a choice that cannot be understood must not
        look like no choice.
    """
    needed = ("source", "subject", "purpose", "choice", "occurred_at")
    if missing := [name for name in needed if name not in choices.column_names]:
        raise MissingColumnError.of("The table of choices", missing, choices.column_names)
    for name in needed:
        if choices[name].null_count:
            raise ParameterError(f"consent: {choices[name].null_count:,} rows have no {name}; nothing was recorded.")
    for name, allowed in (("purpose", Purpose), ("choice", Choice)):
        if strangers := sorted(set(pc.unique(choices[name]).to_pylist()) - set(allowed)):
            raise ParameterError.of("consent", name, strangers[0], "one of " + ", ".join(allowed))
    count = choices.num_rows
    columns = {name: choices[name] for name in needed}
    columns["words"] = choices["words"] if "words" in choices.column_names else pa.nulls(count, pa.string())
    known = choices["available_at"] if "available_at" in choices.column_names else pa.nulls(count, TIME)
    columns["available_at"] = pc.coalesce(known.cast(TIME), choices["occurred_at"].cast(TIME))
    columns["ingested_at"] = pa.array([now or utc_now()] * count, TIME)
    rows = pa.table({name: columns[name] for name in CONSENT.names}).cast(CONSENT)
    # The key says what was chosen, not when it was stored: an import that is repeated finds its own rows again.
    identity = pc.binary_join_element_wise(
        *(pc.coalesce(rows[name].cast(pa.string()), pa.scalar("")) for name in CONSENT.names if name != "ingested_at"),
        "\x1f",
    )
    keys = [hashlib.sha256(text.encode()).hexdigest()[:32] for text in identity.to_pylist()]
    rows = rows.add_column(0, "consent_id", pa.array(keys, pa.string()))
    different = {key: position for position, key in enumerate(keys)}
    return ledger.put(CONSENTS, rows.take(pa.array(different.values(), pa.int64())))


def declare(ledger: Ledger, source: str, bases: Mapping[str, str], *, now: datetime | None = None) -> list[str]:
    """Keep the lawful bases of a source. The declaration is whole: a purpose that it no longer names has none any more.

    Parameters
    ----------
    ledger
        Where :data:`BASES` is kept.
    source
        The name of the source.
    bases
        Purpose → words, as in the mapping's ``[lawful_basis]``.
    now
        The moment of the declaration, naive UTC; None is the present.

    Returns
    -------
    list of str
        The purposes whose basis changed; empty when all was so declared before.

    Raises
    ------
    GateRefusedError
        When a purpose is unknown, or its words do not state a basis. Nothing is declared then.
    """
    wanted = {purpose_of(purpose).value: Basis.of(words).words for purpose, words in bases.items()}
    with ledger.transaction():
        history = ledger.read(BASES, source=source).to_pylist()
        before = {row["purpose"]: row["words"] for row in sorted(history, key=lambda row: row["declared_at"])}
        changed = sorted(name for name in before.keys() | wanted.keys() if before.get(name) != wanted.get(name))
        moment = now or utc_now()
        if history:  # a clock that was set back must not hide the newer declaration behind the older one
            moment = max(moment, max(row["declared_at"] for row in history) + timedelta(microseconds=1))
        ledger.insert(
            BASES,
            [{"source": source, "purpose": name, "words": wanted.get(name), "declared_at": moment} for name in changed],
        )
    return changed


def declared(ledger: Ledger, source: str) -> dict[str, str]:
    """Return what a source declares today: purpose → words; empty when it has declared nothing."""
    history = sorted(ledger.read(BASES, source=source).to_pylist(), key=lambda row: row["declared_at"])
    latest = {row["purpose"]: row["words"] for row in history}
    return {purpose: words for purpose, words in sorted(latest.items()) if words is not None}


def bases(ledger: Ledger, purpose: str) -> dict[str, Basis]:
    """Return the current lawful basis of every source that declares one for the purpose, by source name.

    Raises
    ------
    GateRefusedError
        When the purpose is unknown.
    """
    history = ledger.read(BASES, purpose=purpose_of(purpose).value).to_pylist()
    latest = {row["source"]: row["words"] for row in sorted(history, key=lambda row: row["declared_at"])}
    return {source: Basis.of(words) for source, words in sorted(latest.items()) if words is not None}
