"""The verbs about one person: what is known, what is exported, what is erased, who is let back in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from coterie.collect.facts import QUARANTINE
from coterie.errors import GateRefusedError, ParameterError, StoreError
from coterie.features import published
from coterie.govern import requests
from coterie.govern.requests import Receipt as ErasureReceipt
from coterie.ops.registry import MODELS
from coterie.ops.runs import RUNS, record
from coterie.profiles.identity import keep_hubs, sweep
from coterie.profiles.profile import Profile
from coterie.schema import IDENTIFIER, Kind, Purpose, utc_now
from coterie.workspace.facts import PERSONAL, SHARED, attach
from coterie.workspace.finding import identifier_of, subject_of, subjects_of_person
from coterie.workspace.identities import Identities
from coterie.workspace.results import Membership, Person, Score


class People(Identities):
    """A shop that answers for the people in it."""

    def show(self, identifier: str) -> Person:
        """Show what is known of one person, found by an identifier such as ``customer_id=1234``; goes on the audit.

        Returns
        -------
        Person
            ``profile``: counts, dates (UTC) and traits; identifiers are counted, not shown. ``memberships``: segments;
            ``scores``: what else was published, such as a predicted value; none, from that moment on, of somebody who
            has said no to segmentation.

        Raises
        ------
        ParameterError
            When nobody in the shop has the identifier.
        """
        subject = subject_of(self.vault, identifier)
        attach(self.warehouse, self.inbox, self.ledger, (*PERSONAL, *SHARED), None)
        profile = Profile.of(self.warehouse, subject, vault=self.vault)
        self.gate.audit.append("show", "one person", {"by": identifier.partition("=")[0]})
        memberships: list[Membership] = []
        scores: list[Score] = []
        if self._may(profile.person, subjects_of_person(self.vault, self.ledger, identifier), Purpose.SEGMENTATION):
            for row in published.of_person(self.warehouse, profile.person, at=utc_now()).to_pylist():
                name, made = row["feature"], (row["version"], row["as_of"])
                if name.startswith("segment_") and row["label"] is not None:
                    memberships.append(Membership(name, row["label"], *made))
                elif not name.startswith("segment_"):  # distances to segments are for machines
                    scores.append(Score(name, row["number"] if row["label"] is None else row["label"], *made))
        return Person(profile, tuple(memberships), tuple(scores))

    def _may(
        self,
        person: int,
        subjects: Sequence[int],
        purpose: Purpose,
        *,
        at: datetime | None = None,
        unknown: bool = False,
    ) -> bool:
        """Say whether a person, who consists of these today, may be used for a purpose now, or could be at a moment.

        What was published of somebody stays where it is when they say no, until it is made anew: it is not read.
        ``unknown`` is said where no source has a basis for the purpose any more.
        """
        members = pa.table({"person": [person] * len(subjects), "subject": subjects})
        try:
            verdict = self.gate.permitted(members, purpose, at=at)
        except GateRefusedError:
            return unknown
        return bool(verdict["permitted"][0].as_py())

    def export(self, identifier: str) -> dict[str, pa.Table]:
        """Export everything that is kept about one person (GDPR articles 15 and 20), by table.

        Of rows that were set aside and only mention the person, it says where they lie, not what is in them: it may be
        about others.

        Parameters
        ----------
        identifier
            One identifier of the person, such as ``customer_id=1234``.

        Returns
        -------
        dict
            Name of the table → its rows about the person, identifiers in the clear. Tables without any are left out.
        """
        found = requests.export_person(
            self.holders(), subjects_of_person(self.vault, self.ledger, identifier), audit=self.gate.audit
        )
        if (rows := found.get(QUARANTINE.name)) is not None:  # sealed for us, but the person's own
            raw = [None if text is None else self._opened(text) for text in rows["raw"].to_pylist()]
            found[QUARANTINE.name] = rows.set_column(rows.column_names.index("raw"), "raw", pa.array(raw, pa.string()))
        return found

    def exported(self, identifier: str, path: Path | None = None) -> str:
        """Return :meth:`export` as JSON that people can read and programs can take over.

        With ``path``, say that it goes into that file: the receipt of a later request to forget names it.
        """
        text = requests.exported_json(self.export(identifier))
        if path is not None:
            self._note("export", path)
        return text

    def forget(
        self, identifier: str | None = None, *, dry_run: bool = False, again: Sequence[str | Path] = ()
    ) -> ErasureReceipt:
        """Erase one person from every table and file of the shop (GDPR article 17), and keep them out of later imports.

        Of each identifier only a keyed hash stays, by which later imports leave out every row that names it. A request
        that was cut off is finished by the next verb that writes to the shop, or by asking again.

        Parameters
        ----------
        identifier
            One identifier of the person, such as ``customer_id=1234``; all identifiers of the person go.
        dry_run
            Erase nothing: the receipt's ``left`` then counts what is held, by table. Models that were trained with the
            person are named in ``models`` either way; they hold figures of groups and stay.
        again
            Instead of an identifier: receipts of earlier requests, JSON files. Whoever they speak of is erased and kept
            out once more, after a backup that is older than they are was restored.

        Raises
        ------
        ParameterError
            When nobody in the shop has the identifier, and nobody who had it was forgotten.
        """
        if (identifier is None) is not bool(again) or (dry_run and again):
            raise ParameterError("forget: give an identifier, or receipts of earlier requests, which cannot be tried.")
        if dry_run:
            subjects = self._meant(identifier, ())
            return requests.rehearse(self.holders(), subjects, models=self._taught(subjects))
        self._finished.clear()
        begun, pending = utc_now(), self._pending(identifier)
        with self._writing("forget", {}):
            subjects = self._meant(identifier, again)
            repeated = [each for each in self._finished if pending is None or each.request == pending]
            if not subjects and repeated:
                receipt = repeated[-1]  # the request was repeated, and is done now
            else:
                taught = self._taught(subjects)
                keep_hubs(self.ledger, subjects)
                receipt = requests.forget(self.holders(), subjects, audit=self.gate.audit, models=taught)
            sweep(self.ledger, self.vault)
        if identifier is None:
            kept = self.vault.suppressions()
            since = pa.scalar(min(begun, receipt.asked_at), kept["at"].type)
            digests = kept.filter(pc.greater_equal(kept["at"], since))["digest"].to_pylist()
        else:  # also of a request that was finished by another verb, whose receipt nobody has seen
            kind, value = identifier_of(identifier)
            digests = self.vault.together(kind, value or "")
        marks = tuple(digest.hex() for digest in digests)
        return replace(receipt, kept_out=marks, outside=self._outside())

    def readmit(self, identifier: str) -> int:
        """Let a person back in who was forgotten, on their own wish; goes on the audit.

        All identifiers that were forgotten in the same request are let in by later imports. What was erased stays
        erased, and files that were imported meanwhile are not read again unless they have changed.

        Returns
        -------
        int
            How many identifiers are let in again.

        Raises
        ------
        ParameterError
            When the identifier is not kept out.
        """
        kind, value = identifier_of(identifier)
        with self._writing("readmit", {}):
            if value is None or not self._kept_out(kind, value):
                raise ParameterError(
                    f"Nobody with that {kind} is kept out of this shop.", hint="look at its spelling: kind=value."
                )
            self.gate.audit.append("readmit", "one person", {"by": kind})
            return self.vault.readmit(kind, value)

    def _taught(self, subjects: Sequence[int]) -> tuple[dict[str, str], ...]:
        """Return the models that were trained when these subjects had bought something and had not said no."""
        models = self.ledger.read(MODELS).sort_by("trained_at").to_pylist()
        if not models or not subjects:
            return ()
        attach(self.warehouse, self.inbox, self.ledger, (*PERSONAL, *SHARED), None)
        # every order counts, whatever its source may be used for today: rather one model too many than one too few
        first = self.warehouse.query(
            "SELECT MIN(GREATEST(occurred_at, available_at)) AS moment FROM order_lines "
            f"WHERE kind = '{Kind.ORDER_COMPLETED}' AND subject IN ({', '.join(map(str, subjects))})"
        )["moment"][0].as_py()
        return tuple(
            {"model_id": model["model_id"], "kind": model["kind"], "as_of": model["as_of"].isoformat() + "Z"}
            for model in models
            if first is not None and first <= model["as_of"] and self._was_segmented(model, subjects)
        )

    def _was_segmented(self, model: Mapping[str, Any], subjects: Sequence[int]) -> bool:
        """Say whether a person was not left out of a model's training; of models for other purposes this is assumed."""
        if not model["name"].startswith("segments-"):
            return True
        return self._may(subjects[0], subjects, Purpose.SEGMENTATION, at=model["trained_at"], unknown=True)

    def _note(self, verb: str, path: str | Path) -> None:
        """Note that something about people was written to a file outside the shop, for the receipts of erasure.

        The path is sealed: a file may be named after somebody.
        """
        whole = str(Path(path).expanduser().resolve())
        with record(self.ledger, verb, {"sealed_path": self.vault.seal([whole.encode()])[0].hex()}):
            pass

    def _meant(self, identifier: str | None, again: Iterable[str | Path]) -> list[int]:
        """Return the subject keys of whom a request is about; none when they were forgotten before."""
        if identifier is not None:
            try:
                return subjects_of_person(self.vault, self.ledger, identifier)
            except ParameterError:
                kind, value = identifier_of(identifier)
                if value is None or not self._kept_out(kind, value):
                    raise
                return []
        found: set[int] = set()
        for receipt in map(_read, again):  # one person each: they are let back in one by one
            for row in self.vault.reveal(self.vault.suppress(requests.kept_out([receipt]))).to_pylist():
                found |= {*subjects_of_person(self.vault, self.ledger, f"{row['kind']}={row['value']}")}
        return sorted(found)

    def _pending(self, identifier: str | None) -> str | None:
        """Return the number of the request to forget the person that was cut off; None where that cannot be told."""
        if identifier is None:
            return None
        kind, value = identifier_of(identifier)
        if value is None:
            return None
        if (subject := self.vault.find(kind, value)) is not None:
            rows = self.ledger.read(requests.ERASURES, subject=subject)
        else:  # the vault has forgotten them already, after they asked and before whoever asked next did
            digests = pa.array(self.vault.together(kind, value), pa.binary())
            kept = self.vault.suppressions()
            at = pc.max(kept.filter(pc.is_in(kept["digest"].cast(pa.binary()), digests))["at"])
            rows = self.ledger.read(requests.ERASURES)
            rows = rows.filter(pc.fill_null(pc.less_equal(rows["asked_at"], at), False))
        found: list[str] = rows.sort_by("asked_at")["request"].to_pylist()
        return found[-1] if found else None

    def _kept_out(self, kind: str, value: str) -> bool:
        """Say whether an identifier is kept out of the shop."""
        return bool(self.vault.suppressed(pa.table([[kind], [value]], schema=IDENTIFIER))[0].as_py())

    def _opened(self, sealed: bytes) -> str:
        return self.vault.unseal([sealed])[0].decode("utf-8", "replace")

    def _outside(self) -> tuple[str, ...]:
        """Return the files outside the shop that something about people was written to and that are still there."""
        said = [json.loads(row) for row in self.ledger.read(RUNS)["arguments"].to_pylist()]
        noted = {each["path"] for each in said if "path" in each}  # of a shop's first layout
        noted |= {self._opened(bytes.fromhex(each["sealed_path"])) for each in said if "sealed_path" in each}
        return tuple(sorted(path for path in noted if Path(path).exists()))


def _read(path: str | Path) -> str:
    """Return the text of a file."""
    try:
        return Path(path).expanduser().read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"Cannot read the receipt {path}: {type(error).__name__}.") from None
