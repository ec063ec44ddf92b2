"""The gate at the shop's three doors: what may come in, who may be included, what may leave. It fails closed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coterie.errors import GateRefusedError, MissingColumnError
from coterie.govern.audit import Audit
from coterie.govern.consent import BASES, CONSENTS, EXAMPLE, Basis, bases, declare, purpose_of
from coterie.schema import KEY, TIME, Choice, utc_now
from coterie.store.ports import Ledger

_CHOICES = (Choice.GRANTED, Choice.WITHDRAWN, Choice.OBJECTED)  # at a tie the later one in this row wins
_SAID = ("consent given on", "consent withdrawn on", "objected on")
_NOTHING = -1
_FEW = 32  # subjects that are looked up one by one: all choices of a large shop take seconds to read


@dataclass(frozen=True)
class Released:
    """What may leave the shop, and what stayed.

    Parameters
    ----------
    rows
        The rows that may leave, columns as given.
    released, asked
        Persons in ``rows``, and in what was asked for.
    refused
        Persons who may not be used for the purpose, or of whom the gate was told nothing.
    withheld
        Persons with rows in groups that were too small.
    groups_withheld
        How many groups were too small.
    """

    rows: pa.Table
    released: int
    asked: int
    refused: int
    withheld: int
    groups_withheld: int

    def counts(self) -> dict[str, int]:
        """Return the numbers without the rows."""
        return {name: value for name, value in asdict(self).items() if name != "rows"}


class Gate:
    """Says yes or no at the doors of one shop, and why.

    Parameters
    ----------
    ledger
        Keeps the consents, the declared bases and the audit chain.
    minimum_group
        No group of fewer persons leaves the shop.

    Examples
    --------
    >>> from coterie.store.ledger import MemoryLedger
    >>> gate = Gate(MemoryLedger(), minimum_group=2)
    >>> gate.admit("till", {"segmentation": "legitimate interest: we group customers by what they bought"})
    >>> gate.sources("segmentation")
    ['till']
    >>> members = pa.table({"person": [7, 7, 9], "subject": [7, 8, 9]})
    >>> gate.permitted(members, "segmentation").to_pylist()[0]
    {'person': 7, 'permitted': True, 'reason': 'legitimate interest, no objection'}
    """

    def __init__(self, ledger: Ledger, *, minimum_group: int = 50) -> None:
        ledger.create(CONSENTS, BASES)
        self.ledger = ledger
        self.minimum_group = minimum_group
        self.audit = Audit(ledger)

    def admit(self, source: str, bases: Mapping[str, str], *, now: datetime | None = None) -> None:
        """Let a source in: its lawful bases, by purpose, are declared and a change of them is written to the audit.

        The declaration is whole: a purpose that a source named before and names no longer loses its basis.

        Parameters
        ----------
        source
            The source's name.
        bases
            Purpose → words that begin with the kind of basis, as in :meth:`coterie.govern.consent.Basis.of`.
        now
            The moment, naive UTC; None is the present.

        Raises
        ------
        GateRefusedError
            When no basis is declared, a purpose is unknown, or words do not state a basis.
        """
        if not bases:
            raise GateRefusedError(
                f"The source {source!r} declares no lawful basis, so its data may not be used for anything.",
                hint=f"say for which purpose and why, in its mapping:\n{EXAMPLE}",
            )
        with self.ledger.transaction():
            if changed := declare(self.ledger, source, bases, now=now):
                self.audit.append("declare", source, {"purposes": changed}, now=now)

    def sources(self, purpose: str) -> list[str]:
        """Return the names of the sources whose data may be used for the purpose, sorted.

        Raises
        ------
        GateRefusedError
            When no source declares a lawful basis for it, or the purpose is unknown.
        """
        return list(self._bases(purpose))

    def permitted(self, members: pa.Table, purpose: str, *, at: datetime | None = None) -> pa.Table:
        """Say of each person whether they may be included, and why.

        Over all subjects of a person the latest explicit choice counts; at the same moment an objection beats a
        withdrawal, and either beats a grant. Without a choice, people are included unless a source of the shop relies
        on consent for this purpose: which source a subject came from is not asked here, so the strictest basis counts.

        Parameters
        ----------
        members
            ``person, subject``, int64, every subject of each person; a pair may be repeated.
        purpose
            What the data are wanted for.
        at
            The moment of use, naive UTC; None is now. Choices made or known later are not looked at.

        Returns
        -------
        pa.Table
            ``person`` (int64, ascending, each once), ``permitted`` (bool), ``reason`` (string).

        Raises
        ------
        GateRefusedError
            When no source has a lawful basis for the purpose, or a key is null.
        MissingColumnError
            When ``person`` or ``subject`` is absent.
        """
        found = self._bases(purpose)
        if missing := [name for name in ("person", "subject") if name not in members.column_names]:
            raise MissingColumnError.of("The table of members", missing, members.column_names)
        person, subject = _keys(members, "person"), _keys(members, "subject")
        said, when, choice = self._choices(purpose, at or utc_now(), np.unique(subject).tolist())
        # Of each member: when the last choice of that subject was made and what it was.
        place = np.minimum(np.searchsorted(said, subject), max(len(said) - 1, 0))
        hit = said[place] == subject if len(said) else np.zeros(len(subject), dtype=bool)
        code = np.full(len(subject), _NOTHING, dtype=np.int64)
        moment = np.full(len(subject), np.iinfo(np.int64).min, dtype=np.int64)
        code[hit], moment[hit] = choice[place[hit]], when[place[hit]]
        last = _last(person, moment, code)
        needs_consent = any(basis.needs_consent for basis in found.values())
        verdict = code[last]
        allowed = verdict == 0 if needs_consent else verdict <= 0
        return pa.table(
            {
                "person": pa.array(person[last], KEY),
                "permitted": pa.array(allowed, pa.bool_()),
                "reason": _reasons(verdict, moment[last], found, needs_consent),
            }
        )

    def release(
        self,
        rows: pa.Table,
        destination: str,
        purpose: str,
        *,
        members: pa.Table,
        group: str | None = None,
        at: datetime | None = None,
    ) -> Released:
        """Let rows about people leave the shop: only of permitted persons, never in small groups, always on the audit.

        Parameters
        ----------
        rows
            Has a column ``person``.
        destination
            Where they go, for the audit; a name, nothing personal.
        purpose
            What they leave for.
        members
            ``person, subject`` as in :meth:`permitted`: whom each person consists of, today.
        group
            The column whose values make groups (a segment, an audience); groups below the minimum are withheld, and so
            are rows without a group. None means that all rows are one group.
        at
            The moment of use, naive UTC; None is now.

        Raises
        ------
        GateRefusedError
            When the purpose or a column is unknown, or, without ``group``, too few permitted persons remain. That,
            too, is written to the audit.
        """
        self._bases(purpose)
        for name in ("person", group):
            if name is not None and name not in rows.column_names:
                raise GateRefusedError(
                    f"The rows for {destination!r} have no column {name!r}, so nobody can say whom they are about.",
                    hint="release rows with a person key, and groups by the name of one of their columns.",
                )
        person = _keys(rows, "person")
        verdict = self.permitted(members, purpose, at=at)
        allowed = verdict.filter(verdict["permitted"])["person"].to_numpy()
        may = np.isin(person, allowed)
        if group is None:
            large = np.full(len(person), len(np.unique(person[may])) >= self.minimum_group)
            groups_withheld = int(not large.all())
        else:
            large, groups_withheld = self._large(rows[group], person, may)
        out = may & large
        result = Released(
            rows.filter(pa.array(out)),
            released=len(np.unique(person[out])),
            asked=len(np.unique(person)),
            refused=len(np.unique(person[~may])),
            withheld=len(np.unique(person[may & ~large])),
            groups_withheld=groups_withheld,
        )
        details: dict[str, Any] = {"purpose": str(purpose), "group": group, **result.counts()}
        if group is None and result.released < self.minimum_group:
            self.audit.append("release refused", destination, details, now=at)
            raise GateRefusedError(
                f"Fewer than {self.minimum_group:,} persons may leave for {destination!r}: the group is too small.",
                hint="widen the audience; minimum_group in shop.toml says how small a group may be.",
            )
        self.audit.append("release", destination, details, now=at)
        return result

    def release_totals(
        self, rows: int, destination: str, purpose: str, *, members: pa.Table, at: datetime | None = None
    ) -> None:
        """Let rows about no person leave the shop: totals over everybody permitted, such as the sales of products.

        Parameters
        ----------
        rows
            How many there are, for the audit.
        destination, purpose, members, at
            As in :meth:`release`.

        Raises
        ------
        GateRefusedError
            When the purpose is unknown or the totals are of fewer persons than the minimum group. That, too, is
            written to the audit.
        """
        verdict = self.permitted(members, purpose, at=at)
        among = members.filter(pc.is_in(members["person"], verdict.filter(verdict["permitted"])["person"]))
        # a person who was merged has several keys, all of the same subjects: one of these stands for all
        persons = pc.count_distinct(among.group_by("subject").aggregate([("person", "min")])["person_min"]).as_py()
        details = {"purpose": str(purpose), "rows": rows, "persons": persons}
        if persons < self.minimum_group:
            self.audit.append("release refused", destination, details, now=at)
            raise GateRefusedError(
                f"The totals for {destination!r} are of fewer than {self.minimum_group:,} persons: that may not leave.",
                hint="minimum_group in shop.toml says how small a group may be.",
            )
        self.audit.append("release of totals", destination, details, now=at)

    def _bases(self, purpose: str) -> dict[str, Basis]:
        found = bases(self.ledger, purpose)
        if not found:
            raise GateRefusedError(
                f"No source declares a lawful basis for {str(purpose)!r}.",
                hint="declare one in the mapping of a source and ingest it again:\n"
                + EXAMPLE.replace("segmentation", str(purpose)),
            )
        return found

    def _choices(self, purpose: str, at: datetime, subjects: list[int]) -> tuple[npt.NDArray[np.int64], ...]:
        """Return those of the subjects, perhaps with others, who made a choice by then; when, and its code."""
        named = {"purpose": purpose_of(purpose).value}
        if 0 < len(subjects) <= _FEW:
            each = [self.ledger.read(CONSENTS, subject=subject, **named) for subject in subjects]
            kept = pa.concat_tables(each).combine_chunks()
        else:
            kept = self.ledger.read(CONSENTS, **named)
        moment = pa.scalar(at, TIME)
        kept = kept.filter(
            pc.and_(pc.less_equal(kept["occurred_at"], moment), pc.less_equal(kept["available_at"], moment))
        )
        subject = kept["subject"].to_numpy()
        when = kept["occurred_at"].cast(pa.int64()).to_numpy()
        code = pc.index_in(kept["choice"], pa.array([str(choice) for choice in _CHOICES]))
        # A choice that is none of the known ones counts as an objection: fail closed.
        choice = pc.fill_null(code, len(_CHOICES) - 1).cast(pa.int64()).to_numpy()
        last = _last(subject, when, choice)
        return subject[last], when[last], choice[last]

    def _large(
        self, groups: pa.ChunkedArray, person: npt.NDArray[np.int64], may: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[np.bool_], int]:
        """Say of each row whether its group has enough permitted persons, and how many groups have not."""
        codes = pc.dictionary_encode(pa.chunked_array(groups).combine_chunks())
        group = codes.indices.fill_null(_NOTHING).to_numpy(zero_copy_only=False).astype(np.int64)
        pairs = np.unique(np.stack([group[may], person[may]], axis=1), axis=0)[:, 0]
        sizes = np.bincount(pairs[pairs >= 0], minlength=len(codes.dictionary))
        enough = sizes >= self.minimum_group
        return np.append(enough, False)[group], int((~enough).sum()) + int((group == _NOTHING).any())


def _keys(table: pa.Table, name: str) -> npt.NDArray[np.int64]:
    """Return a column of keys, none of them null."""
    column = table[name].cast(KEY)
    if column.null_count:
        raise GateRefusedError(
            f"{column.null_count:,} rows have no {name}, so nobody can say whether they may be used.",
            hint="give every row its key, or leave those rows out.",
        )
    return column.to_numpy()  # type: ignore[no-any-return]


def _last(*by: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the positions of the last row of each value of the first array, in the order of all of them."""
    order = np.lexsort(by[::-1])
    ordered = by[0][order]
    return order[np.append(ordered[1:] != ordered[:-1], True)] if len(order) else order


def _reasons(
    verdict: npt.NDArray[np.int64], moment: npt.NDArray[np.int64], found: Mapping[str, Basis], needs_consent: bool
) -> pa.Array:
    """Say in words what decided."""
    kinds = " or ".join(sorted({basis.kind for basis in found.values()}))
    silent = "no consent given" if needs_consent else f"{kinds}, no objection"
    nothing = verdict == _NOTHING
    said = pa.array(_SAID, pa.string()).take(pa.array(verdict, pa.int64(), mask=nothing))
    day = pa.array(moment, pa.int64(), mask=nothing).cast(TIME).cast(pa.date32()).cast(pa.string())
    return pc.coalesce(pc.binary_join_element_wise(said, day, " "), pa.scalar(silent))
