"""Rows that are set aside and name a person without being filed under them: broken lines, and lines about two people.

They are sealed, so that no search by subject finds them: each is opened and searched for the person's identifiers. Of a
line that comes in and names somebody who was forgotten, nothing is kept.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from coterie.collect.facts import QUARANTINE
from coterie.collect.identifiers import normalise
from coterie.schema import IdentifierKind
from coterie.store.parquet import scanned
from coterie.store.ports import Lake, Vault

NAME = "mentions"

_BATCH = 20_000  # opened rows in memory at one time
_UNMISTAKABLE = 8  # characters: a shorter number may as well be a quantity
_DIGITS = 7  # of a telephone number that may stand inside a longer run of digits
_NUMBER = re.compile(r"\+?[0-9(][0-9 ()./\u00a0-]{3,}[0-9]")
_ADDRESS = re.compile(r"""[^\s@,;|:"'<>(){}\[\]=]+@[^\s@,;|:"'<>(){}\[\]=]+\w""")
_CELL = re.compile(r"[,;|\t\r\n]")
_WORD = re.compile(r"""[^\s,;|"'<>{}\[\]=]+""")
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")


@dataclass(frozen=True)
class Mentions:
    """Answers for rows in the quarantine that name a person and are not filed under any of the person's subjects.

    A row without a subject goes when one of the identifiers stands in it as a word of its own. Of a row that is filed
    under somebody else that is asked of e-mail addresses, telephone numbers and identifiers of eight characters or
    more: a shorter one may be a quantity.

    Parameters
    ----------
    lake
        Where the quarantine lies.
    vault
        Opens the rows, and knows the identifiers; so this holder erases before the vault does.
    """

    lake: Lake
    vault: Vault
    name: str = field(default=NAME, init=False)
    holds: tuple[str, ...] = field(default=(), init=False)  # the quarantine belongs to the owner of the lake

    def export(self, subjects: Iterable[int]) -> dict[str, pa.Table]:
        """Return where the rows lie and why they were set aside, as ``mentions``: what they say may be about others."""
        rows = self._rows({int(subject) for subject in subjects})
        return {NAME: rows.drop_columns(["raw", "subject"])}

    def erase(self, subjects: Iterable[int]) -> int:
        """Delete the rows, and their bytes."""
        rows = self._rows({int(subject) for subject in subjects})
        return self.lake.delete_rows(QUARANTINE, rows.select(list(QUARANTINE.key)))

    def _rows(self, subjects: set[int]) -> pa.Table:
        words = _Words([(row["kind"], row["value"]) for row in self.vault.reveal(subjects).to_pylist()])
        if not words:
            return QUARANTINE.empty()
        return scanned(self.lake, QUARANTINE, lambda rows: self._among(rows, words, subjects))

    def _among(self, rows: ds.Dataset, words: _Words, subjects: set[int]) -> pa.Table:
        """Return the rows of the quarantine that name a person, those filed under the person's subjects left out."""
        found = [QUARANTINE.empty()]
        for batch in _sealed(rows):
            filed = batch["subject"].to_pylist()
            opened = self.vault.unseal(batch["raw"].to_pylist())
            here = [
                subject not in subjects and words.stand_in(raw, sure=subject is not None)
                for raw, subject in zip(opened, filed, strict=True)
            ]
            found.append(pa.Table.from_batches([batch]).filter(pa.array(here, pa.bool_())))
        return pa.concat_tables(found)


def _sealed(rows: ds.Dataset) -> Iterator[pa.RecordBatch]:
    """Yield the quarantined rows that were kept."""
    for batch in rows.to_batches(columns=QUARANTINE.schema.names, batch_size=_BATCH):
        yield batch.filter(pc.is_valid(batch["raw"]))


def withheld(vault: Vault, raws: Sequence[bytes | None], nobodys: Sequence[bool]) -> list[bytes | None]:
    """Return source rows, null in place of those that are nobody's and in which a forgotten person is named.

    Only what cannot be mistaken counts, as in :class:`Mentions`: an address, a telephone number, eight characters.

    Parameters
    ----------
    vault
        Knows who is kept out.
    raws
        Rows as the source wrote them.
    nobodys
        Which of them are filed under no subject. The others are somebody else's.
    """
    found = list(raws)
    if not vault.suppressions().num_rows:
        return found
    places: dict[str, list[int]] = {kind: [] for kind in IdentifierKind}
    texts: dict[str, list[str]] = {kind: [] for kind in IdentifierKind}
    for place, raw in enumerate(raws):
        for reading in _readings(raw) if raw is not None and nobodys[place] else ():
            for kind, said in _candidates(reading):
                places[kind].append(place)
                texts[kind].append(said)
    for kind in IdentifierKind:
        values = normalise(kind, pa.array(texts[kind], pa.string()))
        named = pa.table({"kind": pa.repeat(str(kind), len(values)), "value": values, "at": places[kind]})
        named = named.filter(pc.is_valid(named["value"]))
        for place in named["at"].filter(vault.suppressed(named)).to_pylist():
            found[place] = None
    return found


def _candidates(text: str) -> Iterator[tuple[str, str]]:
    """Yield what in a text may be an identifier, with its kind."""
    for address in _ADDRESS.findall(text):
        yield IdentifierKind.EMAIL, address
    for number in _NUMBER.findall(text):
        yield IdentifierKind.PHONE, number
    words = {cell.strip(" \"'") for cell in _CELL.split(text)} | set(_WORD.findall(text))
    for word in words:
        if len(word) >= _UNMISTAKABLE:
            for kind in (kind for kind in IdentifierKind if kind not in (IdentifierKind.EMAIL, IdentifierKind.PHONE)):
                yield kind, word


class _Words:
    """What to look for in an opened row."""

    def __init__(self, identifiers: list[tuple[str, str]]) -> None:
        numbers = [value for kind, value in identifiers if kind == IdentifierKind.PHONE]
        others = [(kind, value) for kind, value in identifiers if kind != IdentifierKind.PHONE]
        self._numbers = {value.removeprefix("+") for value in numbers}
        self._all = _pattern(others)
        self._sure = _pattern(
            (kind, value) for kind, value in others if kind == IdentifierKind.EMAIL or len(value) >= _UNMISTAKABLE
        )

    def __bool__(self) -> bool:
        return bool(self._numbers or self._all)

    def stand_in(self, raw: bytes, *, sure: bool) -> bool:
        """Say whether one of the identifiers stands in a row; with ``sure``, only those that cannot be mistaken."""
        pattern = self._sure if sure else self._all
        for text in _readings(raw):
            if pattern is not None and pattern.search(text):
                return True
            if self._numbers and any(map(self._is_mine, _NUMBER.findall(text))):
                return True
        return False

    def _is_mine(self, number: str) -> bool:
        # "(0)" is the trunk prefix that is not dialled from abroad.
        for text in (number, number.replace("(0)", "")):
            digits = re.sub(r"[^0-9]", "", text)
            if digits in self._numbers or any(len(own) >= _DIGITS and own in digits for own in self._numbers):
                return True
        return False


def _pattern(identifiers: Iterable[tuple[str, str]]) -> re.Pattern[str] | None:
    """Return what finds identifiers as words of their own; addresses in any case."""
    parts = []
    for kind, value in identifiers:
        if kind == IdentifierKind.EMAIL:
            parts.append(rf"(?<![\w.+-])(?i:{re.escape(value)})(?![\w-])")
        else:
            parts.append(rf"(?<!\w){re.escape(value)}(?!\w)")
    return re.compile("|".join(parts)) if parts else None


def _readings(raw: bytes) -> Iterator[str]:
    """Yield the texts that bytes may be, in Unicode's composed form."""
    encodings = ["utf-8", *(["utf-16-le", "utf-16-be"] if b"\0" in raw else [])]
    try:
        raw.decode()
    except UnicodeDecodeError:
        encodings.append("cp1252")
    for encoding in encodings:
        text = raw.decode(encoding, "replace")
        if "\\" in text:
            yield _plain(text)
        yield unicodedata.normalize("NFC", text)


def _plain(text: str) -> str:
    """Return a text with the escapes of JSON undone, also where it is broken."""
    try:
        text = json.dumps(json.loads(text), ensure_ascii=False)
    except ValueError:
        text = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text).replace("\\/", "/")
    return unicodedata.normalize("NFC", text)
