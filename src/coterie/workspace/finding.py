"""Finding a person by one identifier, given as people type it: ``customer_id=1234``."""

from __future__ import annotations

import pyarrow.compute as pc

from coterie.collect.identifiers import normalised
from coterie.errors import ParameterError
from coterie.profiles.identity import Identity
from coterie.schema import IdentifierKind
from coterie.store.ports import Ledger, Vault


def identifier_of(identifier: str) -> tuple[str, str | None]:
    """Return the kind and the normalised value of an identifier as typed; None for a value that is none.

    Raises
    ------
    ParameterError
        When it is not of the form kind=value, or its kind is unknown.
    """
    kind, equals, value = identifier.partition("=")
    kinds = [str(item) for item in IdentifierKind]
    if not equals or kind not in kinds:
        # what was typed without a kind may be the identifier itself
        raise ParameterError(
            f"{repr(kind) if equals else 'That'} is not an identifier that can be looked up.",
            hint=f"write kind=value, where kind is one of {', '.join(kinds)}: customer_id=1234.",
        )
    return kind, normalised(kind, value)


def subject_of(vault: Vault, identifier: str) -> int:
    """Return the subject key of an identifier.

    Raises
    ------
    ParameterError
        As :func:`identifier_of`, or when nobody has it.
    """
    kind, clean = identifier_of(identifier)
    subject = vault.find(kind, clean) if clean is not None else None
    if subject is None:
        raise ParameterError(f"Nobody in this shop has that {kind}.", hint="look at its spelling in the source.")
    return subject


def subjects_of_person(vault: Vault, ledger: Ledger, identifier: str) -> list[int]:
    """Return all subject keys of who is today the person with an identifier, sorted; errors as :func:`subject_of`.

    Identifiers that were the person's once and were separated since are somebody else's.
    """
    subject = subject_of(vault, identifier)
    today = Identity.read(ledger).resolve().today
    mine = today.filter(pc.equal(today["subject"], subject))["person"]
    everyone = today.filter(pc.is_in(today["person"], mine.combine_chunks()))["subject"].to_pylist()
    return sorted({subject, *everyone})
