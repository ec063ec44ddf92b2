"""The verbs about one person: what is known, what is exported, what is erased."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from coterie.collect.facts import QUARANTINE
from coterie.features import published
from coterie.govern import requests
from coterie.govern.requests import Receipt as ErasureReceipt
from coterie.profiles.profile import Profile
from coterie.schema import utc_now
from coterie.workspace.facts import PERSONAL, SHARED, attach
from coterie.workspace.finding import subject_of, subjects_of_person
from coterie.workspace.results import Membership, Person

if TYPE_CHECKING:
    pass

from coterie.workspace.collecting import Collecting


class People(Collecting):
    """A shop that answers for the people in it."""

    def show(self, identifier: str) -> Person:
        """Show what is known of one person, found by an identifier such as ``customer_id=1234``; goes on the audit."""
        subject = subject_of(self.vault, identifier)
        attach(self.warehouse, self.lake, self.ledger, (*PERSONAL, *SHARED), None)
        profile = Profile.of(self.warehouse, subject, vault=self.vault)
        self.gate.audit.append("show", "one person", {"by": identifier.partition("=")[0]})
        memberships = []
        for segmentation in ("segment_kmeans", "segment_ward", "segment_rfm"):
            found = published.read(self.warehouse, segmentation, at=utc_now())
            memberships += [
                Membership(segmentation, row["label"], row["version"], row["as_of"])
                for row in found.filter(pc.equal(found["person"], profile.person)).to_pylist()
            ]
        return Person(profile, tuple(memberships))

    def export(self, identifier: str) -> dict[str, pa.Table]:
        """Export everything that is kept about one person (GDPR articles 15 and 20), by table."""
        found = requests.export_person(
            self.holders(), subjects_of_person(self.vault, self.ledger, identifier), audit=self.gate.audit
        )
        if (rows := found.get(QUARANTINE.name)) is not None:  # sealed for us, but the person's own
            raw = [text.decode("utf-8", "replace") for text in self.vault.unseal(rows["raw"].to_pylist())]
            found[QUARANTINE.name] = rows.set_column(rows.column_names.index("raw"), "raw", pa.array(raw, pa.string()))
        return found

    def exported(self, identifier: str) -> str:
        """Return :meth:`export` as JSON that people can read and programs can take over."""
        return requests.exported_json(self.export(identifier))

    def forget(self, identifier: str, *, dry_run: bool = False) -> ErasureReceipt:
        """Erase one person from every table and file of the shop (GDPR article 17).

        Parameters
        ----------
        identifier
            One identifier of the person, such as ``customer_id=1234``; all identifiers of the person go.
        dry_run
            Erase nothing: the receipt's ``left`` then counts what is held, by table.
        """
        subjects = subjects_of_person(self.vault, self.ledger, identifier)
        if dry_run:
            return requests.rehearse(self.holders(), subjects)
        with self._writing("forget", {}):
            return requests.forget(self.holders(), subjects, audit=self.gate.audit)
