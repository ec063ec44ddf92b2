"""Choices and lawful bases: kept whole, never replaced, understood or refused."""

from __future__ import annotations

from datetime import datetime, timedelta

import pyarrow as pa
import pytest

from coterie.errors import GateRefusedError, MissingColumnError, ParameterError
from coterie.govern.consent import BASES, CONSENTS, Basis, bases, declare, record
from coterie.schema import CONSENT, TIME
from coterie.store.ledger import MemoryLedger
from coterie.store.ports import Ledger

NOW = datetime(2026, 3, 1, 12)
INTEREST = "legitimate interest: we group customers by what they bought"


@pytest.fixture
def ledger() -> Ledger:
    ledger = MemoryLedger()
    ledger.create(CONSENTS, BASES)
    return ledger


def choice(subject: int, choice: str, day: int = 1, **more: object) -> dict[str, object]:
    said = {"source": "shop", "subject": subject, "purpose": "marketing", "choice": choice}
    return {**said, "occurred_at": datetime(2026, 1, day), **more}


def choices(*rows: dict[str, object]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=CONSENT)


def test_a_choice_is_known_when_it_was_made_unless_the_source_says_otherwise(ledger: Ledger) -> None:
    record(ledger, choices(choice(1, "granted"), choice(2, "objected", available_at=datetime(2026, 2, 2))), now=NOW)
    kept = {row["subject"]: row for row in ledger.read(CONSENTS).to_pylist()}
    assert kept[1]["available_at"] == datetime(2026, 1, 1)
    assert kept[2]["available_at"] == datetime(2026, 2, 2)
    assert kept[1]["ingested_at"] == NOW


def test_recording_twice_is_recording_once_and_history_stays(ledger: Ledger) -> None:
    said = choices(choice(1, "granted", 1), choice(1, "withdrawn", 2), choice(1, "granted", 3), choice(1, "granted", 3))
    assert record(ledger, said) == 3
    record(ledger, said)
    assert sorted(ledger.read(CONSENTS)["occurred_at"].to_pylist()) == [datetime(2026, 1, day) for day in (1, 2, 3)]


def test_values_cannot_run_into_each_other(ledger: Ledger) -> None:
    record(ledger, choices(choice(1, "granted", source="a", words="b"), choice(1, "granted", source="a", words=None)))
    assert ledger.read(CONSENTS).num_rows == 2


@pytest.mark.parametrize("column", ["source", "subject", "purpose", "choice", "occurred_at"])
def test_what_is_not_filled_is_not_recorded(ledger: Ledger, column: str) -> None:
    with pytest.raises(ParameterError, match=f"1 rows have no {column}"):
        record(ledger, choices(choice(1, "granted"), {**choice(2, "granted"), column: None}))
    with pytest.raises(MissingColumnError, match=column):
        record(ledger, choices(choice(1, "granted")).drop_columns(column))
    assert ledger.read(CONSENTS).num_rows == 0


@pytest.mark.parametrize(("column", "value"), [("purpose", "everything"), ("choice", "maybe")])
def test_what_is_not_understood_is_not_recorded(ledger: Ledger, column: str, value: str) -> None:
    with pytest.raises(ParameterError, match=value):
        record(ledger, choices({**choice(1, "granted"), column: value}))
    assert ledger.read(CONSENTS).num_rows == 0


def test_only_needed_columns_suffice(ledger: Ledger) -> None:
    said = pa.table(
        {
            "source": ["shop"],
            "subject": [1],
            "purpose": ["marketing"],
            "choice": ["granted"],
            "occurred_at": pa.array([NOW], TIME),
        }
    )
    assert record(ledger, said) == 1


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("consent: the box at the checkout", "consent"),
        ("  Consent : the box", "consent"),
        ("Contract: we deliver what was ordered", "contract"),
        ("legitimate interests: fewer and fitter offers", "legitimate interest"),
        ("legal obligation: invoices are kept", "legal obligation"),
        ("Legitimate interest in knowing our own customers", "legitimate interest"),
        ("Consent was asked at the checkout", "consent"),
    ],
)
def test_a_basis_begins_with_its_kind(words: str, kind: str) -> None:
    assert Basis.of(words).kind == kind


@pytest.mark.parametrize(
    "words",
    ["", "consent", "consent: ", "consents", "consnet: the box", "consensus: x", "because we can", "our consent: x"],
)
def test_what_does_not_state_a_basis_is_refused_with_the_line_to_write(words: str) -> None:
    with pytest.raises(GateRefusedError) as refused:
        Basis.of(words)
    assert '[lawful_basis]\nsegmentation = "legitimate interest: ' in str(refused.value)


def test_a_declaration_is_whole_and_its_history_stays(ledger: Ledger) -> None:
    assert declare(ledger, "till", {"segmentation": INTEREST, "marketing": "consent: a box"}, now=NOW) == [
        "marketing",
        "segmentation",
    ]
    assert declare(ledger, "till", {"segmentation": INTEREST, "marketing": "consent: a box"}, now=NOW) == []
    assert declare(ledger, "till", {"segmentation": INTEREST}, now=NOW + timedelta(days=1)) == ["marketing"]
    assert bases(ledger, "marketing") == {}
    assert bases(ledger, "segmentation") == {"till": Basis("legitimate interest", INTEREST)}
    assert ledger.read(BASES).num_rows == 3


def test_the_last_declaration_counts_even_when_the_clock_was_set_back(ledger: Ledger) -> None:
    declare(ledger, "till", {"marketing": "consent: a box"}, now=NOW)
    declare(ledger, "till", {"marketing": "contract: the club's terms"}, now=NOW - timedelta(days=30))
    assert bases(ledger, "marketing")["till"].kind == "contract"


def test_a_wrong_declaration_changes_nothing(ledger: Ledger) -> None:
    declare(ledger, "till", {"segmentation": INTEREST})
    for wrong in ({"marketing": "because"}, {"world domination": INTEREST}):
        with pytest.raises(GateRefusedError):
            declare(ledger, "till", {"segmentation": "contract: other words", **wrong})
    assert bases(ledger, "segmentation")["till"].words == INTEREST
