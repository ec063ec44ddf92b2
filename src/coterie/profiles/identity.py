"""A shop's identity as its ledger keeps it: what was seen together, what was decided, and by which rules."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coterie.profiles.decision import DECISIONS
from coterie.profiles.edges import EDGES
from coterie.profiles.graph import BEGINNING, Subjects
from coterie.profiles.resolution import Resolution, resolve
from coterie.profiles.rules import IdentityRules
from coterie.schema import KEY, TIME, Table, utc_now
from coterie.store.ports import Ledger, Vault

ASIDE = Table(
    "identity_aside",
    pa.schema(
        [
            ("subject", KEY),
            ("kind", pa.string()),
            ("since", TIME),
            (
                "seen_with",
                pa.int64(),
            ),  # of a hub, with how many of one stronger kind it was seen; null for a blocked one
        ]
    ),
    key=("subject",),
    subject="subject",
    meaning="Which subjects join nobody: blocked ones, and hubs that people were seen with who are forgotten.",
)

RULES = Table(
    "identity_rules",
    pa.schema(
        [
            ("version", pa.int64()),  # 1, 2, 3 …; the last one is in force
            ("set_at", TIME),
            ("fingerprint", pa.string()),
            ("guards", pa.string()),  # limits, hubs and priorities as JSON
            ("blocked", pa.binary()),  # sealed: a blocked value may be somebody's
        ]
    ),
    key=("version",),
    meaning="The rules by which identifiers are joined to persons, and when they were set; blocked values are sealed.",
)

PERSONAL = (EDGES, DECISIONS, ASIDE)
"""The tables by which a person is found: erased together and last of all (an edge left alone could join strangers)."""

TABLES = (*PERSONAL, RULES)
"""All tables of identity; they lie in the ledger."""


@dataclass(frozen=True)
class Identity:
    """Everything that who is who depends on.

    Parameters
    ----------
    edges
        :data:`EDGES`.
    decisions
        :data:`DECISIONS`.
    aside
        :data:`ASIDE`.
    rules
        The rules in force; without their blocked values, which act through ``aside``.
    """

    edges: pa.Table
    decisions: pa.Table
    aside: pa.Table
    rules: IdentityRules

    @classmethod
    def read(cls, ledger: Ledger, rules: IdentityRules | None = None) -> Identity:
        """Read the identity of a shop; with ``rules``, as if these were in force."""
        edges, decisions, aside = (ledger.read(table) for table in PERSONAL)
        return cls(edges, decisions, aside, rules or in_force(ledger))

    @classmethod
    def near(cls, ledger: Ledger, subject: int, *, most: int = 1_000) -> Identity:
        """Read what the identity of one subject depends on: who was ever seen with it, and with these, and so on.

        Parameters
        ----------
        ledger
            The shop's ledger.
        subject
            The subject key.
        most
            With more subjects than that around it (a shared device), everything is read.
        """
        decisions = ledger.read(DECISIONS)
        joined: dict[int, set[int]] = {}
        for a, b in zip(decisions["subject_a"].to_pylist(), decisions["subject_b"].to_pylist(), strict=True):
            joined.setdefault(a, set()).add(b)
            joined.setdefault(b, set()).add(a)
        found, waiting, parts = {subject}, [subject], [EDGES.empty()]
        while waiting:
            one = waiting.pop()
            here, there = (ledger.read(EDGES, **{f"subject_{end}": one}) for end in "ab")
            parts.append(here)
            new = {*here["subject_b"].to_pylist(), *there["subject_a"].to_pylist(), *joined.get(one, ())} - found
            found |= new
            waiting += new
            if len(found) > most:
                return cls.read(ledger)
        inside = pc.is_in(decisions["subject_a"], pa.array(sorted(found), KEY))
        aside = pa.concat_tables([ledger.read(ASIDE, subject=one) for one in sorted(found)])
        return cls(pa.concat_tables(parts), decisions.filter(inside), aside, in_force(ledger))

    @property
    def version(self) -> str:
        """Equal versions, equal persons."""
        rows = (self.edges.num_rows, self.decisions.num_rows)
        aside = hashlib.sha256(np.sort(self.aside["subject"].to_numpy()).tobytes()).hexdigest()[:8]
        return f"{self.rules.fingerprint}/{rows[0]}/{rows[1]}/{aside}"

    def resolve(self, subjects: Subjects = None) -> Resolution:
        """Return who is who (:func:`coterie.profiles.resolution.resolve`)."""
        most = pa.array([self.rules.hub.get(kind) for kind in self.aside["kind"].to_pylist()], pa.int64())
        seen = self.aside["seen_with"].combine_chunks()
        holds = pc.or_(seen.is_null(), pc.fill_null(pc.greater(seen, most), False))
        return resolve(self.edges, subjects, rules=self.rules, decisions=self.decisions, aside=self.aside.filter(holds))

    def kinds(self) -> pa.Table:
        """Return ``subject, kind`` of every subject that was seen with another, sorted, each once."""
        parts = [
            table.select([f"subject_{end}", f"kind_{end}"]).rename_columns(["subject", "kind"])
            for table in (self.edges, self.decisions)
            for end in "ab"
        ]
        found = pa.concat_tables(parts).group_by("subject", use_threads=False).aggregate([("kind", "max")])
        return found.rename_columns({"kind_max": "kind"}).select(["subject", "kind"]).sort_by("subject")


def in_force(ledger: Ledger) -> IdentityRules:
    """Return the rules in force without their blocked values; the usual ones when none were set."""
    rows = ledger.read(RULES)
    return IdentityRules.of(json.loads(rows["guards"][-1].as_py())) if rows.num_rows else IdentityRules()


def blocked_values(ledger: Ledger, vault: Vault) -> dict[str, Sequence[str]]:
    """Return the blocked values in force, by kind, in the clear: what intake leaves out."""
    rows = ledger.read(RULES)
    if not rows.num_rows:
        return {}
    found: dict[str, Sequence[str]] = json.loads(vault.unseal([rows["blocked"][-1].as_py()])[0])
    return found


def set_rules(ledger: Ledger, vault: Vault, rules: IdentityRules, *, now: datetime | None = None) -> int:
    """Put rules in force, and set the subjects that they block aside; return the number of this version."""
    aside = blocked_subjects(ledger, vault, rules)
    before = ledger.read(ASIDE)
    with ledger.transaction():
        ledger.delete(ASIDE, "subject", before.filter(before["seen_with"].is_null())["subject"].to_pylist())
        ledger.put(ASIDE, aside)
        version = int(ledger.read(RULES).num_rows) + 1
        sealed = vault.seal([json.dumps({kind: list(values) for kind, values in rules.blocked.items()}).encode()])[0]
        row = {"version": version, "set_at": now or utc_now(), "fingerprint": rules.fingerprint}
        ledger.insert(RULES, RULES.rows([{**row, "guards": json.dumps(rules.guards()), "blocked": sealed}]))
    return version


def blocked_subjects(ledger: Ledger, vault: Vault, rules: IdentityRules) -> pa.Table:
    """Return the rows of :data:`ASIDE` for the subjects that rules block, of those that the shop knows already."""
    rows: dict[int, str] = {}
    edges = ledger.read(EDGES) if any("*" in value for values in rules.blocked.values() for value in values) else None
    for kind, values in rules.blocked.items():
        exact = (vault.find(kind, value) for value in values if "*" not in value)
        rows |= {subject: kind for subject in exact if subject is not None}
        if edges is None or not any("*" in value for value in values):
            continue
        ends = [edges.filter(pc.equal(edges[f"kind_{end}"], kind))[f"subject_{end}"].to_numpy() for end in "ab"]
        known = vault.reveal(np.unique(np.concatenate(ends)).tolist())
        found = known.filter(rules.blocks(kind, known["value"]))["subject"].to_pylist()
        rows |= dict.fromkeys(found, kind)
    return ASIDE.rows(
        [{"subject": subject, "kind": kind, "since": BEGINNING} for subject, kind in sorted(rows.items())]
    )


def keep_hubs(ledger: Ledger, subjects: Iterable[int]) -> int:
    """Set the hubs aside that subjects were seen with, and return how many: to be asked before these are forgotten.

    A hub is one because it was seen with many. When one of them is forgotten, it stays one: nobody else's person may
    change by that.
    """
    identity = Identity.read(ledger)
    gone = pa.array(sorted({int(subject) for subject in subjects}), KEY)
    touched = [
        identity.edges.filter(pc.is_in(identity.edges[f"subject_{end}"], gone))[f"subject_{other}"]
        for end, other in ("ab", "ba")
    ]
    near = pa.chunked_array([chunk for column in touched for chunk in column.chunks], KEY)
    near = near.filter(pc.invert(pc.is_in(near, gone)))
    if not len(near):
        return 0
    hubs = identity.resolve().hubs
    kept = hubs.filter(pc.is_in(hubs["subject"], near))
    kept = kept.filter(pc.invert(pc.is_in(kept["subject"], identity.aside["subject"])))
    return ledger.put(ASIDE, kept.select(ASIDE.schema.names).cast(ASIDE.schema)) if kept.num_rows else 0


def sweep(ledger: Ledger, vault: Vault) -> int:
    """Delete what identity keeps of subjects that the vault does not know, and its bytes; return how many rows.

    Such orphans are left when a request to forget is cut off between the vault and the ledger: nobody could ask for
    them any more.
    """
    columns = [(table, name) for table in PERSONAL for name in table.properties.get("subjects", (table.subject,))]
    known = [ledger.read(table)[name].to_numpy() for table, name in columns]
    gone = vault.strangers(np.unique(np.concatenate(known)).tolist())
    if not gone:
        return 0
    with ledger.transaction():
        return sum(ledger.delete(table, name, gone) for table, name in columns)
