"""Finding a person by one identifier, given as people type it: ``customer_id=1234``."""

from __future__ import annotations

import pyarrow.compute as pc

from coterie.collect.identifiers import normalised
from coterie.errors import ParameterError
from coterie.profiles.resolution import EDGES, person_of
from coterie.schema import IdentifierKind
from coterie.store.ports import Ledger, Vault


def subject_of(vault: Vault, identifier: str) -> int:
    """Return the subject key of an identifier.

    Raises
    ------
    ParameterError
        When it is not of the form kind=value, its kind is unknown, or nobody has it.
    """
    kind, equals, value = identifier.partition("=")
    kinds = [str(item) for item in IdentifierKind]
    if not equals or kind not in kinds:
        raise ParameterError(
            f"{kind!r} is not an identifier that can be looked up.",
            hint=f"write kind=value, where kind is one of {', '.join(kinds)}: customer_id=1234.",
        )
    clean = normalised(kind, value)
    subject = vault.find(kind, clean) if clean is not None else None
    if subject is None:
        raise ParameterError(f"Nobody in this shop has that {kind}.", hint="look at its spelling in the source.")
    return subject


def subjects_of_person(vault: Vault, ledger: Ledger, identifier: str) -> list[int]:
    """Return all subject keys of the person who has an identifier, sorted; errors as :func:`subject_of`."""
    subject = subject_of(vault, identifier)
    resolved = person_of(ledger.read(EDGES))
    mine = resolved.filter(pc.equal(resolved["subject"], subject))["person"]
    everyone = resolved.filter(pc.is_in(resolved["person"], mine.combine_chunks()))["subject"].to_pylist()
    return sorted({subject, *everyone})
