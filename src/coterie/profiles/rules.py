"""The rules of identity: how many identifiers a person may have, which are strong, and which join nobody."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from coterie.collect.identifiers import blocked, normalised
from coterie.errors import ConfigError
from coterie.schema import IdentifierKind

_KINDS = tuple(str(kind) for kind in IdentifierKind)
UNLIMITED = "unlimited"

LIMIT: Mapping[str, int | None] = {
    "customer_id": 1,
    "loyalty_id": 3,
    "email": 5,
    "phone": 5,
    "device_id": 20,
    "anonymous_id": 500,
}
"""How many different identifiers of a kind one person may have, unless a shop says otherwise.

The shop gives a person one customer id: two are two persons, until somebody decides otherwise. Loyalty cards are lost
and replaced. E-mail addresses and telephone numbers change a few times in a life as a customer, so a sixth tells of a
family, a reseller or an office. Devices include those that an app calls new after it was installed anew. Anonymous ids
are cookies, which a browser may drop after seven days: three browsers make some 150 in a year.
"""

HUB: Mapping[str, int | None] = dict.fromkeys(_KINDS[1:], 5)
"""How many different identifiers of one stronger kind an identifier may be seen with, unless a shop says otherwise.

Five, as many as a family that shares a telephone or an address; the till's own card, the shop's own address and the
tablet in the store pass it within a day.
"""


@dataclass(frozen=True)
class IdentityRules:
    """What guards the joining of identifiers to persons; every part has a default.

    Parameters
    ----------
    limit
        By kind, how many different identifiers of it one person may have; None is unlimited (in TOML:
        ``"unlimited"``). An edge that would exceed a limit is refused, and listed.
    hub
        By kind, how many different identifiers of one stronger kind such an identifier may be seen with; None is
        unlimited. One that is seen with more is a hub (a till's e-mail, a tablet in the store): it joins nobody from
        then on, and is listed.
    priority
        The kinds, strongest first; those not named follow in their usual order. Of edges that became known at one
        moment, those between stronger identifiers are joined first.
    blocked
        By kind, values that are nobody's; ``*`` stands for any characters. They are not taken in any more, and such as
        were taken in before join nobody, in the past neither.

    Examples
    --------
    >>> rules = IdentityRules(limit={"email": 3}, blocked={"email": ["till@shop.example", "*@market.example"]})
    >>> rules.limit["email"], rules.limit["customer_id"], rules.priority[0]
    (3, 1, 'customer_id')
    >>> IdentityRules.of(rules.to_json()) == rules
    True
    """

    limit: Mapping[str, int | None] = field(default_factory=dict)
    hub: Mapping[str, int | None] = field(default_factory=dict)
    priority: Sequence[str] = ()
    blocked: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Fill in defaults and refuse what would only fail later."""
        for name, usual in (("limit", LIMIT), ("hub", HUB)):
            given: Mapping[str, Any] = getattr(self, name)
            _known(name, given)
            for kind, most in given.items():
                if most is not None and (not isinstance(most, int) or isinstance(most, bool) or most < 1):
                    raise ConfigError(
                        f"identity rules: {name}.{kind} must be a whole number of at least 1, got {most!r}.",
                        hint=f'{kind} = "{UNLIMITED}" sets no bound.',
                    )
            object.__setattr__(self, name, {kind: dict(usual, **given).get(kind) for kind in _KINDS})
        _known("priority", self.priority)
        if len(set(self.priority)) != len(self.priority):
            raise ConfigError("identity rules: priority names a kind twice.")
        rest = tuple(kind for kind in _KINDS if kind not in self.priority)
        object.__setattr__(self, "priority", (*self.priority, *rest))
        _known("blocked", self.blocked)
        for kind, values in self.blocked.items():
            if isinstance(values, str) or not all(isinstance(value, str) and value.strip("*") for value in values):
                raise ConfigError(
                    f"identity rules: blocked.{kind} must be a list of texts.",
                    hint=f'for example {kind} = ["till@shop.example", "*@market.example"]; "*" alone would block all.',
                )
        clean = {
            kind: tuple(sorted({_pattern(kind, value) for value in self.blocked[kind]}))
            for kind in _KINDS
            if self.blocked.get(kind)
        }
        object.__setattr__(self, "blocked", clean)

    @classmethod
    def load(cls, path: str | Path) -> IdentityRules:
        """Read rules from a TOML file.

        Raises
        ------
        ConfigError
            When the file cannot be read or says something that is not allowed.
        """
        try:
            body = tomllib.loads(Path(path).expanduser().read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(f"Cannot read {path}: {error}.") from error
        return cls.of(body)

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> IdentityRules:
        """Make rules from the content of a TOML file or from :meth:`to_json`."""
        allowed = ("limit", "hub", "priority", "blocked")
        if unknown := sorted(set(body) - set(allowed)):
            raise ConfigError(
                f"identity rules: there is no {', '.join(unknown)}; allowed are {', '.join(allowed)}.",
                hint="write a number under [limit] or [hub] as email = 5.",
            )
        for name in allowed:
            if name in body and not isinstance(body[name], list if name == "priority" else Mapping):
                raise ConfigError(f"identity rules: {name} must be a {'list' if name == 'priority' else 'table'}.")
        bounds = {
            name: {kind: None if most == UNLIMITED else most for kind, most in body.get(name, {}).items()}
            for name in ("limit", "hub")
        }
        return cls(**bounds, priority=tuple(body.get("priority", ())), blocked=body.get("blocked", {}))

    def to_json(self) -> dict[str, Any]:
        """Return the rules as JSON values, which :meth:`of` reads."""
        return {**self.guards(), "blocked": {kind: list(values) for kind, values in self.blocked.items()}}

    def guards(self) -> dict[str, Any]:
        """Return the rules without the blocked values, which may be personal, as JSON values."""
        body: dict[str, Any] = {
            name: {kind: UNLIMITED if most is None else most for kind, most in getattr(self, name).items()}
            for name in ("limit", "hub")
        }
        return {**body, "priority": list(self.priority)}

    @property
    def fingerprint(self) -> str:
        """The version of the rules: equal guards, equal fingerprints.

        Blocked values are not in it: a hash of an address could be tested against a guess. They act through the
        subjects that they name, which are data (:class:`coterie.profiles.identity.Identity`).
        """
        return hashlib.sha256(json.dumps(self.guards(), sort_keys=True).encode()).hexdigest()[:16]

    def blocks(self, kind: str, values: pa.Array) -> pa.Array:
        """Return of each normalised value whether it is blocked."""
        return blocked(values, self.blocked.get(kind, ()))


def _pattern(kind: str, text: str) -> str:
    """Return a blocked value or pattern in the form that identifiers of its kind have."""
    if "*" in text:
        return text.strip().lower() if kind == "email" else text.strip()
    return normalised(kind, text) or text


def _known(name: str, kinds: Iterable[object]) -> None:
    """Refuse kinds of identifiers that there are not."""
    unknown = [str(kind) for kind in kinds if kind not in _KINDS]
    if unknown:
        raise ConfigError(
            f"identity rules: {name} names {', '.join(unknown)}, which is no kind of identifier.",
            hint=f"kinds are {', '.join(_KINDS)}.",
        )
