"""The contract: what a row must satisfy to become a fact, as rules that compile to one bitmask over a relation.

A row that breaks a rule of severity ``quarantine`` is set aside with all its reasons; one that breaks a rule of
severity ``warn`` is kept and counted. The built-in rules are data: ``contract.yaml``, a document of the Open Data
Contract Standard. A source may bring its own document, with more rules and with expectations of its data as a whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from coterie.collect import odcs
from coterie.collect import rules as compiled
from coterie.collect.expectation import Expectation
from coterie.collect.facts import CONTRACTS
from coterie.collect.rules import SET_ASIDE, Rule, Severity
from coterie.collect.targets import Target
from coterie.errors import MappingError
from coterie.store.ports import Ledger

__all__ = ["BY_NAME", "FINGERPRINT", "RULES", "SET_ASIDE", "Contract", "Rule", "Severity", "bit", "mask", "names"]


def _built_in() -> tuple[Rule, ...]:
    with as_file(files("coterie.collect") / "contract.yaml") as path:
        body = odcs.read(path)
    found: dict[str, Rule] = {}
    for schema in body["schema"]:
        for check in schema["quality"]:
            named = {each["property"]: each["value"] for each in check.get("customProperties", ())}
            before = found[check["name"]].conditions if check["name"] in found else ()
            found[check["name"]] = Rule(
                check["name"],
                check["description"],
                named.get("hint", ""),
                Severity.QUARANTINE if check["severity"] == "error" else Severity.WARN,
                (*before, (schema["name"], check.get("implementation", ""))),
            )
    return tuple(found.values())


RULES = _built_in()
BY_NAME = {rule.name: rule for rule in RULES}


def _fingerprint(some: Sequence[Rule]) -> str:
    said = [[rule.name, rule.wrong, rule.hint, rule.severity, rule.conditions] for rule in some]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]


FINGERPRINT = _fingerprint(RULES)
"""Changes with every change of a built-in rule, so that files are judged anew and what is mended is let in."""


def bit(name: str, rules: tuple[Rule, ...] = RULES) -> int:
    """Return the bit of a rule.

    >>> bit("malformed")
    1
    """
    return compiled.bit(name, rules)


def names(mask: int, rules: tuple[Rule, ...] = RULES) -> list[str]:
    """Return the names of the rules that a mask holds, in the order of the contract.

    >>> names(bit("future") | bit("no_amount"))
    ['future', 'no_amount']
    """
    return compiled.names(mask, rules)


def mask(
    target: Target,
    *,
    now: datetime,
    currency: str,
    rules: tuple[Rule, ...] = RULES,
    traits: Sequence[str] = (),
) -> str:
    """Return SQL for the bitmask of the rules that a translated row breaks.

    Parameters
    ----------
    target
        What the row becomes.
    now
        The import's clock, naive UTC.
    currency
        The shop's, ISO 4217.
    rules
        The contract's: of a source with one of its own, ``Contract.rules``.
    traits
        The traits that a wide table of them has a column for; empty where each row names its own.
    """
    return compiled.mask(target, rules, now=now, currency=currency, traits=traits)


@dataclass(frozen=True)
class Contract:
    """What one source promises of its data, beside what every source must.

    Parameters
    ----------
    own
        Its own rules about rows.
    expectations
        What must be true of its data as a whole; ``coterie check`` looks.
    body
        The document that said so; empty where there is none.

    Examples
    --------
    >>> amounts = {"name": "amount", "logicalType": "integer", "logicalTypeOptions": {"maximum": 500_000}}
    >>> lines = {"name": "order_line", "properties": [amounts]}
    >>> [rule.wrong for rule in Contract.of({"apiVersion": "v3.1.0", "schema": [lines]}).own]
    ['has an amount above 500000']
    """

    own: tuple[Rule, ...] = ()
    expectations: tuple[Expectation, ...] = ()
    body: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @classmethod
    def load(cls, path: Path | str) -> Contract:
        """Read a contract from a YAML file.

        Raises
        ------
        MappingError
            When the file cannot be read or demands something that coterie cannot judge; names the place.
        """
        body = odcs.read(path)
        try:
            return cls.of(body)
        except MappingError as error:
            raise MappingError(f"{path}: {error.message}", hint=error.hint) from error

    @classmethod
    def of(cls, body: Mapping[str, Any], *, tried: bool = False) -> Contract:
        """Make a contract of what YAML or JSON holds; see :meth:`load`. An empty one demands nothing.

        ``tried`` says that its SQL was tried before.
        """
        if not body:
            return cls()
        document = odcs.Document(body, frozenset(BY_NAME), tried=tried)
        found = cls(tuple(document.rules), tuple(document.expectations), body)
        if found.own:
            compiled.bit(found.own[0].name, found.rules)  # more rules than fit are told now
        return found

    @property
    def rules(self) -> tuple[Rule, ...]:
        """All rules that rows of the source are judged by, built-in ones first."""
        return (*RULES, *self.own)

    @property
    def fingerprint(self) -> str:
        """Changes with every change of a rule; expectations do not count, for they judge no row."""
        return _fingerprint(self.rules)

    def to_json(self) -> dict[str, Any]:
        """Return the document as JSON values."""
        return dict(self.body)


def keep(ledger: Ledger, source: str, contract: Contract, *, now: datetime) -> None:
    """Keep a source's contract with the shop, unless it is the one that is kept: ``check`` needs no file."""
    body = json.dumps(contract.to_json(), sort_keys=True)
    rows = ledger.read(CONTRACTS, source=source).sort_by("declared_at").to_pylist()
    if (rows[-1]["body"] if rows else "{}") != body:
        ledger.put(CONTRACTS, [{"source": source, "declared_at": now, "body": body}])


def kept(ledger: Ledger) -> dict[str, Contract]:
    """Return the contract of each source that has one, as it was kept last."""
    if CONTRACTS.name not in ledger.tables():
        return {}
    newest = {row["source"]: row["body"] for row in ledger.read(CONTRACTS).sort_by("declared_at").to_pylist()}
    return {source: Contract.of(json.loads(body), tried=True) for source, body in newest.items() if body != "{}"}
