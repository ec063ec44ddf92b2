"""Identifiers, normalised so that the same person's are the same text; junk never becomes one.

One implementation serves files, live events and the desk that answers a person's request: Arrow's, over the distinct
values only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from coterie.schema import IdentifierKind

_JUNK = """
    - -1 anonymous anonymous@example.com deleted false guest invalid n/a na nan nil none not_provided null test
    true undefined unknown user void xxx
"""
BLOCKED = frozenset(_JUNK.split())
"""What sources write, in any case, when there is nobody: it would make one person of everybody."""

LONGEST = 256
_EDGES = " \t\r\n\u00a0\u200b\ufeff"


def normalise(
    kind: IdentifierKind | str,
    values: pa.Array | pa.ChunkedArray,
    nobody: Mapping[str, Sequence[str]] | None = None,
) -> pa.Array:
    """Return identifiers in their one form; null where there is none.

    Parameters
    ----------
    kind
        E-mail addresses are put in lower case; of telephone numbers the digits are kept, with the ``+`` (or ``00``) of
        an international one, others as they were dialled, because their country is not known; all others are trimmed.
    values
        Texts as the source wrote them; nulls stay null.
    nobody
        By kind, the values that the shop has blocked (:func:`blocked`): these are null, too.

    Returns
    -------
    pa.Array
        Texts of the same length, in Unicode's composed form (NFC).

    Examples
    --------
    >>> normalise(IdentifierKind.EMAIL, pa.array([" Ada@Example.ORG ", "undefined", "no address"])).to_pylist()
    ['ada@example.org', None, None]
    >>> normalise(IdentifierKind.PHONE, pa.array(["+44 (0)20 7946 0958", "020 7946 0958"])).to_pylist()
    ['+442079460958', '02079460958']
    """
    texts = pc.utf8_normalize(pc.cast(values, pa.string()), form="NFC")
    texts = pc.utf8_trim(texts, characters=_EDGES)
    usable = pc.and_(
        pc.invert(pc.is_in(pc.utf8_lower(texts), value_set=pa.array(sorted(BLOCKED)))),
        pc.and_(pc.greater(pc.utf8_length(texts), 0), pc.less_equal(pc.utf8_length(texts), LONGEST)),
    )
    # Nothing but zeros is a field left empty, or the advertising id of a device whose owner allows none.
    usable = pc.and_(usable, pc.invert(pc.match_substring_regex(texts, "^[0-]+$")))
    if kind == IdentifierKind.EMAIL:
        texts = pc.utf8_normalize(pc.utf8_lower(texts), form="NFC")
        usable = pc.and_(usable, pc.match_substring_regex(texts, r"^[^@\s]+@[^@\s]+$"))
    elif kind == IdentifierKind.PHONE:
        # "(0)" is the trunk prefix that is not dialled from abroad.
        texts = pc.replace_substring_regex(texts, r"^(\+[^(]*)\(0\)", r"\1")
        texts = pc.replace_substring_regex(texts, r"[^0-9+]", "")
        texts = pc.replace_substring_regex(texts, r"^00", "+")
        usable = pc.and_(usable, pc.match_substring_regex(texts, r"^\+?[0-9]{5,15}$"))
        usable = pc.and_(usable, pc.invert(pc.match_substring_regex(texts, r"^\+?0+$")))
    usable = pc.and_(usable, pc.invert(blocked(texts, (nobody or {}).get(str(kind), ()))))
    found = pc.if_else(pc.fill_null(usable, False), texts, pa.scalar(None, pa.string()))
    return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found


def blocked(values: pa.Array | pa.ChunkedArray, patterns: Sequence[str]) -> pa.Array | pa.ChunkedArray:
    """Return of each normalised value whether one of the patterns is it; ``*`` stands for any characters.

    >>> blocked(pa.array(["till@shop.example", "ada@market.example"]), ["*@market.example"]).to_pylist()
    [False, True]
    """
    exact = pa.array([pattern for pattern in patterns if "*" not in pattern], pa.string())
    found = pc.is_in(values, value_set=exact)
    for pattern in patterns:
        if "*" in pattern:
            wild = ".*".join(map(re.escape, pattern.split("*")))
            found = pc.or_(found, pc.fill_null(pc.match_substring_regex(values, f"(?s)^{wild}$"), False))
    return found


def normalised(kind: IdentifierKind | str, value: str) -> str | None:
    """Return one identifier in its one form, or None when it is none.

    >>> normalised(IdentifierKind.CUSTOMER_ID, " 00042 ")
    '00042'
    """
    text: str | None = normalise(kind, pa.array([value], pa.string()))[0].as_py()
    return text
