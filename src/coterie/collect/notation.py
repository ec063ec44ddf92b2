"""How a mapping is written: one block of TOML, read with errors that say where and what was meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any
from zoneinfo import ZoneInfo

from coterie.errors import MappingError

_STRPTIME = re.compile(r"[^%]*(%(-?[dmyHIjMS]|[abfghnpuwxzABGTUVWXYZ%])[^%]*)+")


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

    def time_format(self, key: str) -> str | None:
        """Return how times are written: ``unix``, ``unix_ms`` or directives of strptime that DuckDB reads."""
        found = self.text(key)
        if found and found not in ("unix", "unix_ms") and not _STRPTIME.fullmatch(found):
            raise self.fail(
                f"{key!r} must be unix, unix_ms or made of strptime's directives, got {found!r}.",
                hint='such as "%d/%m/%Y %H:%M".',
            )
        return found or None

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
