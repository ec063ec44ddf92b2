"""What the files of a source mean: a declarative mapping from their columns to the canonical schemas.

A mapping is a TOML file (reference: ``docs/reference/mapping.md``)::

    source = "webshop"
    currency = "EUR"
    timezone = "Europe/Berlin"

    [lawful_basis]
    segmentation = "legitimate interest: we group customers by what they bought, to send fewer and fitter offers"

    [[read]]
    file = "orders-*.csv"
    to = "order_line"
    id = ["order", "position"]
    identify = { customer_id = "customer", email = "mail" }
    fields = { order_id = "order", amount = "total", occurred_at = "paid_at" }
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterable
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from coterie.collect.conversion import Conversion
from coterie.collect.field import Field
from coterie.collect.lookup import Join
from coterie.collect.notation import Block
from coterie.collect.read import Read
from coterie.errors import MappingError
from coterie.schema import Purpose

__all__ = ["Conversion", "Field", "Join", "Mapping", "Read"]

RETENTION = 365
"""Days that the raw rows of the quarantine are kept, unless a mapping says otherwise."""

_CURRENCY = re.compile("[A-Z]{3}")
KEYS = ("source", "channel", "currency", "timezone", "lawful_basis", "conversion", "retention", "contract", "read")
"""The keys of a mapping."""


@dataclass(frozen=True)
class Mapping:
    """What a source's files mean, and why they may be used.

    Parameters
    ----------
    source
        The name that every fact carries; the same data imported under another name is another source.
    channel
        Where things happen unless a column says so: ``web``, ``store``, ``app``; None leaves it open.
    currency
        ISO 4217 code of amounts whose row names none; None is the shop's.
    lawful_basis
        Pairs of purpose and, in words, why the data may be used for it; empty: the gate refuses the source.
    reads
        The files.
    conversion
        The rates by which amounts in other currencies become the shop's; None refuses them.
    retention
        Days that quarantined raw rows are kept.
    contract
        File with further rules and expectations of this source, in the folder of the data; None has none.
    """

    source: str
    reads: tuple[Read, ...]
    channel: str | None = None
    currency: str | None = None
    lawful_basis: tuple[tuple[Purpose, str], ...] = ()
    conversion: Conversion | None = None
    retention: int = RETENTION
    contract: str | None = None

    @classmethod
    def load(cls, path: Path | str) -> Mapping:
        """Read a mapping from a TOML file.

        Raises
        ------
        MappingError
            When the file cannot be read or says something that cannot be followed; names the block and the key.
        """
        try:
            text = Path(path).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise MappingError(f"Cannot read the mapping {path}: {error}.") from error
        try:
            return cls.of(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise MappingError(f"{path} is not valid TOML: {error}.") from error
        except MappingError as error:
            raise MappingError(f"{path}: {error.message}", hint=error.hint) from error

    @classmethod
    def of(cls, body: Dictionary[str, Any]) -> Mapping:
        """Make a mapping of what TOML or JSON holds; see ``load``."""
        top = Block("the mapping", body)
        top.only(*KEYS)
        basis = top.inner("lawful_basis")
        purposes = tuple((Purpose(basis.one_of(key, Purpose)), basis.text(key, needed=True)) for key in basis.body)
        reads = top.body.get("read", [])
        if not isinstance(reads, list) or not reads or not all(isinstance(read, dict) for read in reads):
            raise MappingError("the mapping reads no file.", hint='add a block [[read]] with file = … and to = "…".')
        zone = top.zone("timezone", "UTC")
        currency = top.text("currency")
        if currency and not _CURRENCY.fullmatch(currency):
            raise top.fail(f"'currency' must be an ISO 4217 code, got {currency!r}.", 'such as currency = "EUR".')
        return cls(
            source=top.text("source", needed=True),
            channel=top.text("channel") or None,
            currency=currency or None,
            lawful_basis=purposes,
            reads=_numbered(Read.of(number, read, zone) for number, read in enumerate(reads, 1)),
            conversion=Conversion.of(top),
            retention=top.whole("retention", RETENTION, 1, 36_500),
            contract=top.path("contract") if "contract" in top.body else None,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the mapping as it is written, every default spelt out."""
        body = {
            "source": self.source,
            "channel": self.channel,
            "currency": self.currency,
            "conversion": self.conversion.to_json() if self.conversion else None,
            "retention": self.retention if self.retention != RETENTION else None,
            "contract": self.contract,
        }
        return {
            **{key: value for key, value in body.items() if value},
            "lawful_basis": {str(purpose): words for purpose, words in self.lawful_basis},
            "read": [read.to_json() for read in self.reads],
        }

    @classmethod
    def from_json(cls, body: Dictionary[str, Any]) -> Mapping:
        """Make a mapping of what ``to_json`` returned."""
        return cls.of(body)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of everything that the mapping says."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    def meaning(self, read: Read) -> str:
        """Return what decides the facts of one read, as text: another text makes other facts of the same file.

        The names of files are not in it: what is in them is for the caller to add, rates and look-ups included.
        """
        body: list[Any] = [self.source, self.channel, self.currency, {**read.to_json(), "file": ""}]
        if self.conversion and "amount" in read.target.fields:
            body.append({**self.conversion.to_json(), "file": ""})
        return json.dumps(body, sort_keys=True, ensure_ascii=False)


def _numbered(reads: Iterable[Read]) -> tuple[Read, ...]:
    """Return the reads, of which each can be told apart by its name."""
    seen: Counter[str] = Counter()
    found = []
    for read in reads:
        seen[read.name] += 1
        found.append(replace(read, number=seen[read.name]))
    return tuple(found)
