"""How a mapping is written: one block of TOML, read with errors that say where and what was meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import PurePosixPath
from typing import Any
from zoneinfo import ZoneInfo

from coterie.errors import MappingError

_STRPTIME = re.compile(r"[^%]*(%(-?[dmyHIjMS]|[abfghnpuwxzABGTUVWXYZ%])[^%]*)+")
UNIX = {"unix": 1_000_000, "unix_ms": 1_000, "unix_us": 1}
"""Names for times that are numbers since 1970, and how many microseconds one of their units has."""
ISO = "iso"
"""The name of the notation that is read where no other is given: ISO 8601."""


class Block:
    """One table of the mapping, which knows where it stands so that its errors can say so.

    Parameters
    ----------
    where
        Words for the place, which begin every error.
    body
        What TOML or JSON holds there.
    """

    def __init__(self, where: str, body: Mapping[str, Any]) -> None:
        self.where = where
        self.body = body

    def fail(self, message: str, hint: str | None = None) -> MappingError:
        """Return the error, which begins with where this block stands."""
        return MappingError(f"{self.where}: {message}", hint=hint)

    def unknown(self, what: str, name: str, allowed: Iterable[str]) -> MappingError:
        """Return the error about a name that is not one of the allowed ones, with the nearest of them."""
        names = [str(each) for each in allowed]
        near = get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else None
        return self.fail(f"unknown {what} {name!r}; allowed are {', '.join(names)}.", hint)

    def only(self, *allowed: str, what: str = "key") -> None:
        """Refuse keys that are not allowed."""
        for key in self.body:
            if key not in allowed:
                raise self.unknown(what, key, allowed)

    def one_of(self, name: str, allowed: Iterable[str], what: str = "purpose") -> str:
        """Return a name that is one of the allowed ones; refuse others."""
        names = [str(each) for each in allowed]
        if name not in names:
            raise self.unknown(what, name, names)
        return name

    def text(self, key: str, default: str = "", *, needed: bool = False) -> str:
        """Return the text under a key."""
        value = self.body.get(key, default)
        if not isinstance(value, str) or (needed and not value.strip()):
            if needed and key not in self.body:
                raise self.fail(f"{key!r} is missing.")
            raise self.fail(f"{key!r} must be text, got {value!r}.")
        return value

    def time_formats(self, key: str) -> tuple[str, ...]:
        """Return how times may be written: ``iso``, ``unix`` and its kin, or directives of strptime; see ``UNIX``."""
        found = self.texts(key)
        for each in found:
            if each not in (ISO, *UNIX) and not _STRPTIME.fullmatch(each):
                raise self.fail(
                    f"{key!r} must be {ISO}, {', '.join(UNIX)} or made of strptime's directives, got {each!r}.",
                    hint='such as "%d/%m/%Y %H:%M"; of several, all that can read a time must agree.',
                )
        return tuple(dict.fromkeys(found))

    def flag(self, key: str) -> bool:
        """Return the truth value under a key; an absent one is false."""
        value = self.body.get(key, False)
        if not isinstance(value, bool):
            raise self.fail(f"{key!r} must be true or false, got {value!r}.")
        return value

    def whole(self, key: str, default: int, least: int, most: int) -> int:
        """Return the whole number under a key, from ``least`` to ``most``."""
        value = self.body.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self.fail(f"{key!r} must be a whole number from {least:,} to {most:,}, got {value!r}.")
        return value

    def path(self, key: str) -> str:
        """Return a path that stays in the folder of the data; a mapping from elsewhere must not read other files."""
        file = self.text(key, needed=True)
        path = PurePosixPath(file)
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise self.fail(f"{file!r} must be a path inside the folder of the data.")
        return file

    def texts(self, key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Return the texts under a key, which may also be one bare text."""
        value = self.body.get(key, list(default))
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
            raise self.fail(f"{key!r} must be text or a list of texts, got {value!r}.")
        return tuple(listed)

    def inner(self, key: str) -> Block:
        """Return the table under a key; an absent one is empty."""
        value = self.body.get(key, {})
        if not isinstance(value, dict):
            raise self.fail(f"{key!r} must be a table, got {value!r}.")
        return Block(f"{self.where}, {key}", value)

    def entry(self, key: str, what: str = "") -> Block:
        """Return what stands under a key, which may be a bare text: then the table has it under the empty key."""
        value = self.body.get(key, {})
        if not isinstance(value, str | dict):
            raise self.fail(f"{key!r} must be text or a table, got {value!r}.")
        return Block(f"{self.where}, {what}{key}", {"": value} if isinstance(value, str) else value)

    def meanings(self, key: str) -> tuple[tuple[str, str], ...]:
        """Return the table of words and what they mean under a key."""
        block = self.inner(key)
        return tuple((word, block.text(word, needed=True)) for word in block.body)

    def pairs(self, key: str) -> tuple[tuple[str, str], ...]:
        """Return name → column; a list of columns names each after itself."""
        value = self.body.get(key, {})
        if isinstance(value, str | list):
            return tuple((column, column) for column in self.texts(key))
        block = self.inner(key)
        return tuple((name, block.text(name, needed=True)) for name in block.body)

    def zone(self, key: str, default: str) -> str:
        """Return the IANA time zone under a key."""
        name = self.text(key, default)
        try:
            ZoneInfo(name)
        except (ValueError, OSError, KeyError) as error:
            raise self.fail(f"{key!r} must be an IANA time zone, got {name!r}.", 'such as "Europe/Berlin".') from error
        return name
