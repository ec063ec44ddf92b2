"""The verbs about who is who: what the rules make of it, why, and what people decide otherwise."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from coterie.errors import ParameterError
from coterie.profiles import decision
from coterie.profiles.decision import Verb
from coterie.profiles.identity import Identity, blocked_subjects, set_rules
from coterie.profiles.path import Why, why
from coterie.profiles.preview import Preview, preview
from coterie.profiles.resolution import Resolution
from coterie.profiles.rules import IdentityRules
from coterie.workspace.collecting import Collecting
from coterie.workspace.finding import subject_of


@dataclass(frozen=True)
class Resolved:
    """Who is who, in numbers, and what was held back.

    Parameters
    ----------
    rules
        The rules that it was made by; without their blocked values.
    version
        Fingerprint of the rules.
    subjects, persons
        How many identifiers the shop knows, and how many persons they are.
    joined
        How many persons have more than one identifier.
    largest
        How many identifiers the largest person has.
    blocked
        How many of the identifiers are blocked.
    refused
        ``subject_a, subject_b, kind_a, kind_b, available_at, reason``: seen together, and yet two persons.
    hubs
        ``subject, kind, since, seen_with``: seen with too many, so that they join nobody.
    decisions
        What people decided and is in force: ``decision, verb, subject_a, subject_b, kind_a, kind_b, decided_at``.
    preview
        What would change, when this was a rehearsal of other rules; else None.
    revealed
        Identifiers in the clear, by subject key, of those told of in the preview; empty unless asked for.
    """

    rules: IdentityRules
    version: str
    subjects: int
    persons: int
    joined: int
    largest: int
    blocked: int
    refused: pa.Table = field(repr=False)
    hubs: pa.Table = field(repr=False)
    decisions: pa.Table = field(repr=False)
    preview: Preview | None = None
    revealed: dict[int, str] = field(default_factory=dict, repr=False)

    def reasons(self) -> dict[str, int]:
        """Return how many pairs were refused, by reason."""
        found = self.refused.group_by("reason").aggregate([("reason", "count")]).sort_by("reason").to_pylist()
        return {row["reason"]: row["reason_count"] for row in found}

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values; no identifier is in it unless it was asked for."""
        numbers = ("version", "subjects", "persons", "joined", "largest", "blocked")
        return {
            "rules": self.rules.guards(),
            **{name: getattr(self, name) for name in numbers},
            "refused": _plain(self.refused),
            "hubs": _plain(self.hubs),
            "decisions": _plain(self.decisions),
            "preview": None if self.preview is None else self.preview.to_json(),
            "revealed": {str(subject): value for subject, value in self.revealed.items()},
        }


class Identities(Collecting):
    """A shop that knows who is who, and answers for it."""

    def resolve(
        self,
        rules: IdentityRules | str | Path | None = None,
        *,
        dry_run: bool = False,
        reveal: bool = False,
        now: datetime | None = None,
    ) -> Resolved:
        """Tell who is who, by the rules in force or by new ones, which are put in force.

        Nothing else is needed to make persons: every verb reads who is who as it is known at its moment.

        Parameters
        ----------
        rules
            New rules, or the TOML file that states them. The shop keeps what they say; blocked values sealed.
        dry_run
            Put nothing in force: the answer's ``preview`` says who would split or merge.
        reveal
            With ``dry_run``: show the identifiers of those whom the preview tells of. This goes on the audit.
        now
            The moment of a change of the rules, naive UTC; None is the present.

        Returns
        -------
        Resolved
            Numbers, and the lists of what was refused and set aside.

        Raises
        ------
        ConfigError
            When the rules say something that is not allowed.
        ParameterError
            When ``reveal`` is asked for without a rehearsal.
        ShopLockedError
            When another process is writing to the shop.
        """
        meant = IdentityRules.load(rules) if isinstance(rules, str | Path) else rules
        if reveal and not dry_run:
            raise ParameterError("resolve: only a dry run reveals identifiers.", hint="say dry_run as well.")
        if meant is None or dry_run:
            return self._resolved(meant, dry_run=dry_run, reveal=reveal)
        with self._writing("resolve", {}) as run:
            version = set_rules(self.ledger, self.vault, meant, now=now)
            counts = {kind: len(values) for kind, values in meant.blocked.items()}
            details = {"fingerprint": meant.fingerprint, **meant.guards(), "blocked": counts}
            self.gate.audit.append("identity rules", f"version {version}", details, now=now)
            found = self._resolved(None, dry_run=False, reveal=False)
            run.facts = {"version": found.version, "subjects": found.subjects, "persons": found.persons}
        return found

    def why(self, identifier: str, other: str | None = None) -> Why:
        """Explain why identifiers are one person, or two; goes on the audit.

        Parameters
        ----------
        identifier
            One of the person's, such as ``customer_id=1234``.
        other
            Another one: why it is the same person, or why not.

        Returns
        -------
        Why
            The chains of what was seen together, and what was held back. Identifiers are told by kind and subject
            key, never by value.
        """
        ends = [subject_of(self.vault, text) for text in (identifier, other) if text is not None]
        identity = Identity.read(self.ledger)
        found = why(identity, identity.resolve(ends), *ends)
        self.gate.audit.append("why", "one person", {"by": identifier.partition("=")[0]})
        return found

    def separate(self, a: str, b: str, *, now: datetime | None = None) -> int:
        """Decide that two identifiers are not the same person, from now on; return the number of the decision.

        What was known before stays as it was. Of the edges that would join the two, the one that became known last
        is refused. The decision goes on the audit, without the identifiers.

        Parameters
        ----------
        a, b
            The identifiers, such as ``customer_id=1234``.
        now
            The moment of the decision, naive UTC; None is the present.

        Raises
        ------
        ParameterError
            When nobody in the shop has one of the identifiers.
        ShopLockedError
            When another process is writing to the shop.
        """
        return self._decide(Verb.SEPARATE, a, b, now)

    def join(self, a: str, b: str, *, now: datetime | None = None) -> int:
        """Decide that two identifiers are the same person, from now on; return the number of the decision.

        Parameters
        ----------
        a, b, now
            As for :meth:`separate`.

        Raises
        ------
        ParameterError
            As for :meth:`separate`; also when they cannot be one, because one of them is a hub or blocked, or because
            they are separated.
        """
        return self._decide(Verb.JOIN, a, b, now)

    def undo_decision(self, decided: int, *, now: datetime | None = None) -> int:
        """Take a decision back: from now on all is as if it had not been made; return the number of this decision.

        Parameters
        ----------
        decided
            The number of the decision that is taken back, as ``join`` and ``separate`` returned it.
        now
            The moment, naive UTC; None is the present.
        """
        with self._writing("undo_decision", {"decision": decided}):
            number = decision.undo(self.ledger, decided, now=now)
            self.gate.audit.append("undo decision", f"decision {decided}", {"decision": number}, now=now)
        return number

    def _decide(self, verb: Verb, a: str, b: str, now: datetime | None) -> int:
        ends = [(subject_of(self.vault, text), text.partition("=")[0]) for text in (a, b)]
        with self._writing(str(verb), {}), self.ledger.transaction():
            number = decision.decide(self.ledger, verb, *ends, now=now)
            if verb is Verb.JOIN:
                identity = Identity.read(self.ledger)
                found = why(identity, identity.resolve(), ends[0][0], ends[1][0])
                if found.other is not None:  # leaving the transaction by an error takes the decision back
                    raise ParameterError(
                        "join: the two cannot be one person.",
                        hint="coterie why ID ID2 says what holds them apart; coterie undo-decision lifts a separation.",
                    )
            self.gate.audit.append(
                f"{verb} identifiers", f"decision {number}", {"kinds": [ends[0][1], ends[1][1]]}, now=now
            )
        return number

    def _resolved(self, rules: IdentityRules | None, *, dry_run: bool, reveal: bool) -> Resolved:
        identity = Identity.read(self.ledger)
        found = identity.resolve()
        compared = None
        if dry_run:
            other = identity
            if rules is not None:
                hubs = identity.aside.filter(identity.aside["seen_with"].is_valid())
                blocked = blocked_subjects(self.ledger, self.vault, rules)
                fresh = hubs.filter(np.isin(hubs["subject"].to_numpy(), blocked["subject"].to_numpy(), invert=True))
                other = Identity(identity.edges, identity.decisions, pa.concat_tables([blocked, fresh]), rules)
            before, identity, found = found, other, other.resolve()
            compared = preview(before, found, identity.kinds())
        revealed = self._revealed(compared, found) if reveal and compared else {}
        return self._counted(identity, found, compared, revealed)

    def _counted(
        self, identity: Identity, found: Resolution, compared: Preview | None, revealed: dict[int, str]
    ) -> Resolved:
        persons, sizes = np.unique(found.today["person"].to_numpy(), return_counts=True)
        subjects = self.vault.count()
        standing = {turn.decision for turn in {t.pair: t for t in decision.turns(identity.decisions)}.values()}
        in_force = np.isin(identity.decisions["decision"].to_numpy(), sorted(standing))
        return Resolved(
            rules=identity.rules,
            version=identity.rules.fingerprint,
            subjects=subjects,
            persons=subjects - found.today.num_rows + len(persons),
            joined=int((sizes > 1).sum()),
            largest=int(sizes.max(initial=min(subjects, 1))),
            blocked=identity.aside["seen_with"].null_count,
            refused=found.refused,
            hubs=found.hubs,
            decisions=identity.decisions.filter(pa.array(in_force)).drop_columns("undoes"),
            preview=compared,
            revealed=revealed,
        )

    def _revealed(self, compared: Preview, found: Resolution) -> dict[int, str]:
        """Return the identifiers of the persons that a preview tells of."""
        told = (*compared.largest_splits, *compared.largest_merges)
        keys = {key for one in told for key in (one.person, *one.parts)}
        mine = np.isin(found.today["person"].to_numpy(), sorted(keys))
        rows = self.vault.reveal({*keys, *found.today.filter(pa.array(mine))["subject"].to_pylist()})
        self.gate.audit.append("reveal", "identity preview", {"identifiers": rows.num_rows})
        return {row["subject"]: f"{row['kind']}={row['value']}" for row in rows.to_pylist()}


def _plain(table: pa.Table) -> list[dict[str, Any]]:
    """Return rows as JSON values."""
    return [
        {name: value.isoformat() + "Z" if isinstance(value, datetime) else value for name, value in row.items()}
        for row in table.to_pylist()
    ]
