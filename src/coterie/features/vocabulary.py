"""The vocabulary of a state: words that many people share, such as categories, kept once and named by a number."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container, Iterable

from coterie.errors import StoreError

WORDS = b"\x01"
_TEXT, _NUMBER, _NEXT = WORDS, b"\x02", b"\x00next"
_LONG = 400  # bytes of a word that is its own key

Get = Callable[[list[bytes]], list[bytes | None]]


class Vocabulary:
    """Words and their numbers, which never change while the state is not cleared.

    Parameters
    ----------
    get
        Reads keys of the state; raises when the state has been cleared since its user began.
    """

    def __init__(self, get: Get) -> None:
        self._get = get
        self._numbers: dict[str, int] = {}
        self._texts: dict[int, str] = {}
        self._next: int | None = None
        self._new: dict[bytes, bytes | None] = {}

    def forget(self) -> None:
        """Drop what was read and what is not written: the state was cleared, or a write failed."""
        self._numbers, self._texts, self._next, self._new = {}, {}, None, {}

    def number(self, word: str) -> int:
        """Return the number of a word, making one where there is none yet; ``written`` has to be put then."""
        found = self._numbers.get(word)
        if found is None:
            found = self._numbers[word] = self._look_up(word)
        return found

    def _look_up(self, word: str) -> int:
        key = _key(word)
        kept, begin = self._get([key, _NEXT])
        if kept is not None:
            return int.from_bytes(kept, "big")
        if self._next is None:
            self._next = int.from_bytes(begin or b"", "big")
        number, self._next = self._next, self._next + 1
        packed = number.to_bytes(4, "big")
        self._new |= {key: packed, _TEXT + packed: word.encode(), _NEXT: self._next.to_bytes(4, "big")}
        self._texts[number] = word
        return number

    def text(self, number: int) -> str:
        """Return the word of a number."""
        found = self._texts.get(number)
        if found is None:
            [kept] = self._get([_TEXT + number.to_bytes(4, "big")])
            if kept is None:
                raise StoreError("A word of the state is not there.", hint="make it anew from the facts: rebuild.")
            found = self._texts[number] = kept.decode()
        return found

    def written(self) -> dict[bytes, bytes | None]:
        """Return what is new since the last call, to be put with what uses it."""
        new, self._new = self._new, {}
        return new


def others(kept: Iterable[tuple[bytes, bytes]], words: Container[str]) -> list[bytes]:
    """Return the keys of all words but some.

    Parameters
    ----------
    kept
        The keys of the state that begin with ``WORDS``, and their values.
    words
        Those to keep.
    """
    found = [(key, packed.decode()) for key, packed in kept]
    return [one for key, word in found if word not in words for one in (key, _key(word))]


def _key(word: str) -> bytes:
    packed = word.encode()
    return _NUMBER + (packed if len(packed) <= _LONG else b"\0" + hashlib.sha256(packed).digest())
