"""Which rules of the contract rows of each source broke, and how many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from coterie.collect import contract
from coterie.collect.contract import Contract, Rule, Severity
from coterie.collect.history import broken


@dataclass(frozen=True)
class Reason:
    """One rule of the contract that rows of a source broke.

    Parameters
    ----------
    source, rule
        Whose rows, and the name of the rule.
    severity
        ``quarantine``: the rows are set aside; ``warn``: they are stored.
    wrong, hint
        What is odd about them, in words that follow "the row"; and what helps.
    rows
        How many.
    """

    source: str
    rule: str
    severity: str
    wrong: str
    hint: str
    rows: int


def reasons(
    done: Sequence[Mapping[str, Any]], standing: Sequence[Mapping[str, Any]], contracts: Mapping[str, Contract]
) -> tuple[Reason, ...]:
    """Return the rules that were broken, the most frequent first.

    Parameters
    ----------
    done
        Imports: their warnings are counted, for a row is accepted once.
    standing
        Those of them whose bad rows no later one has gone over: what sets rows aside is counted.
    contracts
        The sources' own, which name the rules that are theirs.
    """
    counted: Counter[tuple[str, str]] = Counter()
    for severity, rows_of in ((Severity.WARN, done), (Severity.QUARANTINE, standing)):
        for row in rows_of:
            for name, rows in broken(row).items():
                rule = _rule(contracts, row["source"], name)
                if (rule.severity if rule else Severity.QUARANTINE) is severity:
                    counted[row["source"], name] += rows
    found = []
    for (source, name), rows in counted.most_common():
        rule = _rule(contracts, source, name)
        # A rule may be gone from the contract that a row was judged by.
        said = (
            (str(rule.severity), rule.wrong, rule.hint) if rule else (str(Severity.QUARANTINE), f"broke {name!r}", "")
        )
        found.append(Reason(source, name, *said, rows))
    return tuple(found)


def _rule(contracts: Mapping[str, Contract], source: str, name: str) -> Rule | None:
    own = contracts[source].own if source in contracts else ()
    return contract.BY_NAME.get(name) or next((rule for rule in own if rule.name == name), None)
