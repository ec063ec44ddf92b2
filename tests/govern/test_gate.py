"""The three doors: in, choosing people, out. Every doubt is a no."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.errors import GateRefusedError, MissingColumnError
from coterie.govern.consent import record
from coterie.govern.gate import Gate
from coterie.schema import CONSENT, KEY
from coterie.store.ledger import MemoryLedger
from oracles.permission import Said
from oracles.permission import permitted as slow

START = datetime(2026, 1, 1)
DAY = timedelta(days=1)
OPT_IN = {"marketing": "consent: the newsletter box"}
OPT_OUT = {"marketing": "legitimate interest: we write to customers about what they bought"}


def a_gate(bases: dict[str, str] | None = None, said: list[Said] | None = None, minimum_group: int = 3) -> Gate:
    gate = Gate(MemoryLedger(), minimum_group=minimum_group)
    gate.admit("shop", bases or OPT_OUT)
    rows = [
        {
            "source": "shop",
            "subject": subject,
            "purpose": "marketing",
            "choice": choice,
            "occurred_at": occurred_at,
            "available_at": available_at,
        }
        for subject, choice, occurred_at, available_at in said or []
    ]
    record(gate.ledger, pa.Table.from_pylist(rows, schema=CONSENT))
    return gate


def members(persons: dict[int, list[int]]) -> pa.Table:
    pairs = [(person, subject) for person, subjects in persons.items() for subject in subjects]
    return pa.table(
        {"person": pa.array([pair[0] for pair in pairs], KEY), "subject": pa.array([pair[1] for pair in pairs], KEY)}
    )


def alone(*people: int) -> pa.Table:
    return members({person: [person] for person in people})


def audited(gate: Gate) -> list[tuple[str, str, dict[str, object]]]:
    return [(row["action"], row["about"], json.loads(row["details"])) for row in gate.audit.entries().to_pylist()]


class TestAdmit:
    def test_a_source_without_any_basis_is_refused_with_the_line_to_write(self) -> None:
        with pytest.raises(GateRefusedError, match="'till' declares no lawful basis") as refused:
            Gate(MemoryLedger()).admit("till", {})
        assert refused.value.hint is not None
        assert '[lawful_basis]\nsegmentation = "legitimate interest: ' in refused.value.hint
        assert refused.value.exit_code == 4

    def test_a_change_of_bases_is_on_the_audit_once(self) -> None:
        gate = a_gate(OPT_IN)
        gate.admit("shop", OPT_IN)
        assert audited(gate) == [("declare", "shop", {"purposes": ["marketing"]})]

    def test_sources_are_those_with_a_basis_for_the_purpose(self) -> None:
        gate = a_gate(OPT_IN)
        gate.admit("till", {"segmentation": "contract: the club"})
        gate.admit("web", {**OPT_OUT, "segmentation": "contract: the club"})
        assert gate.sources("marketing") == ["shop", "web"]
        assert gate.sources("segmentation") == ["till", "web"]

    def test_a_purpose_without_a_basis_is_refused_with_the_line_to_write(self) -> None:
        with pytest.raises(GateRefusedError) as refused:
            a_gate().sources("advertising")
        assert '[lawful_basis]\nadvertising = "' in str(refused.value)
        with pytest.raises(GateRefusedError, match="Unknown purpose 'spying'"):
            a_gate().sources("spying")


class TestPermitted:
    def test_silence_is_a_yes_or_a_no_by_the_basis(self) -> None:
        row = a_gate(OPT_OUT).permitted(alone(7), "marketing").to_pylist()
        assert row == [{"person": 7, "permitted": True, "reason": "legitimate interest, no objection"}]
        row = a_gate(OPT_IN).permitted(alone(7), "marketing").to_pylist()
        assert row == [{"person": 7, "permitted": False, "reason": "no consent given"}]

    def test_the_strictest_basis_of_several_sources_counts(self) -> None:
        gate = a_gate(OPT_OUT)
        gate.admit("web", OPT_IN)
        assert gate.permitted(alone(7), "marketing")["permitted"].to_pylist() == [False]

    def test_every_reason_is_in_words(self) -> None:
        said = [
            (subject, choice, START, START) for subject, choice in enumerate(["granted", "withdrawn", "objected"], 1)
        ]
        for bases in (OPT_IN, OPT_OUT):
            verdict = a_gate(bases, said).permitted(alone(3, 2, 1), "marketing")
            assert verdict.to_pylist() == [
                {"person": 1, "permitted": True, "reason": "consent given on 2026-01-01"},
                {"person": 2, "permitted": False, "reason": "consent withdrawn on 2026-01-01"},
                {"person": 3, "permitted": False, "reason": "objected on 2026-01-01"},
            ]

    def test_over_merged_subjects_the_latest_choice_wins_and_an_objection_wins_a_tie(self) -> None:
        said = [(1, "objected", START, START), (2, "granted", START + DAY, START + DAY)]
        said += [(3, "granted", START, START), (4, "objected", START, START), (4, "withdrawn", START, START)]
        verdict = a_gate(OPT_OUT, said).permitted(members({10: [1, 2], 20: [3, 4], 30: [1]}), "marketing")
        assert verdict["permitted"].to_pylist() == [True, False, False]
        assert verdict["reason"].to_pylist()[1] == "objected on 2026-01-01"

    def test_a_choice_counts_from_when_it_is_known_and_only_for_its_purpose(self) -> None:
        gate = a_gate({**OPT_OUT, "segmentation": "contract: the club"}, [(1, "objected", START, START + 5 * DAY)])
        assert gate.permitted(alone(1), "marketing", at=START + 4 * DAY)["permitted"].to_pylist() == [True]
        assert gate.permitted(alone(1), "marketing", at=START + 5 * DAY)["permitted"].to_pylist() == [False]
        assert gate.permitted(alone(1), "segmentation")["permitted"].to_pylist() == [True]

    def test_the_moment_of_use_is_now_unless_said(self) -> None:
        tomorrow = datetime.now() + 2 * DAY
        gate = a_gate(OPT_OUT, [(1, "objected", START, START), (2, "objected", tomorrow, tomorrow)])
        assert gate.permitted(alone(1, 2), "marketing")["permitted"].to_pylist() == [False, True]

    @settings(deadline=None)
    @given(
        persons=st.dictionaries(st.integers(1, 5), st.lists(st.integers(1, 8), min_size=1, max_size=4), max_size=5),
        said=st.lists(
            st.tuples(
                st.integers(1, 8),
                st.sampled_from(["granted", "withdrawn", "objected"]),
                st.integers(0, 4).map(lambda day: START + day * DAY),
                st.integers(0, 4).map(lambda day: START + day * DAY),
            ),
            max_size=15,
        ),
        day=st.integers(0, 5),
        opt_in=st.booleans(),
    )
    def test_the_verdict_is_that_of_looking_at_each_person(
        self, persons: dict[int, list[int]], said: list[Said], day: int, opt_in: bool
    ) -> None:
        gate = a_gate(OPT_IN if opt_in else OPT_OUT, said)
        verdict = gate.permitted(members(persons), "marketing", at=START + day * DAY)
        assert verdict["person"].to_pylist() == sorted(persons)
        answer = dict(zip(verdict["person"].to_pylist(), verdict["permitted"].to_pylist(), strict=True))
        assert answer == slow(persons, said, START + day * DAY, needs_consent=opt_in)
        assert verdict["reason"].null_count == 0

    def test_who_cannot_be_told_apart_is_refused(self) -> None:
        with pytest.raises(GateRefusedError, match="1 rows have no subject"):
            a_gate().permitted(pa.table({"person": pa.array([1], KEY), "subject": pa.array([None], KEY)}), "marketing")
        with pytest.raises(MissingColumnError, match="subject"):
            a_gate().permitted(pa.table({"person": [1]}), "marketing")
        with pytest.raises(GateRefusedError):
            a_gate().permitted(alone(1), "segmentation")

    def test_nobody_asked_for_is_nobody(self) -> None:
        verdict = a_gate(OPT_OUT, [(1, "objected", START, START)]).permitted(alone(), "marketing")
        assert verdict.num_rows == 0
        assert verdict.column_names == ["person", "permitted", "reason"]


class TestRelease:
    def test_only_the_permitted_leave_and_it_is_on_the_audit(self) -> None:
        gate = a_gate(OPT_OUT, [(2, "objected", START, START)])
        rows = pa.table({"person": [1, 2, 3, 4, 4], "offer": list("abcde")})
        released = gate.release(rows, "mail", "marketing", members=alone(1, 2, 3, 4))
        assert released.rows.to_pylist() == [row for row in rows.to_pylist() if row["person"] != 2]
        assert (released.asked, released.released, released.refused) == (4, 3, 1)
        action, about, details = audited(gate)[-1]
        assert (action, about) == ("release", "mail")
        assert (details["purpose"], details["released"], details["refused"]) == ("marketing", 3, 1)

    def test_a_choice_on_another_subject_of_the_person_counts(self) -> None:
        gate = a_gate(OPT_OUT, [(9, "objected", START, START)])
        rows = pa.table({"person": [1, 2, 3, 4]})
        released = gate.release(rows, "mail", "marketing", members=members({1: [1, 9], 2: [2], 3: [3], 4: [4]}))
        assert released.rows["person"].to_pylist() == [2, 3, 4]

    def test_of_whom_the_gate_was_told_nothing_stays(self) -> None:
        released = a_gate().release(pa.table({"person": [1, 2, 3, 99]}), "mail", "marketing", members=alone(1, 2, 3))
        assert released.rows["person"].to_pylist() == [1, 2, 3]
        assert released.refused == 1

    def test_too_few_persons_stay_and_the_refusal_is_on_the_audit(self) -> None:
        gate = a_gate(OPT_OUT, [(3, "objected", START, START)])
        rows = pa.table({"person": [1, 1, 2, 2, 3, 3]})  # six rows, three persons, two of them permitted
        with pytest.raises(GateRefusedError, match="Fewer than 3 persons may leave for 'mail'"):
            gate.release(rows, "mail", "marketing", members=alone(1, 2, 3))
        action, _, details = audited(gate)[-1]
        assert action == "release refused"
        assert details["released"] == 0

    def test_small_groups_are_withheld_and_counted(self) -> None:
        gate = a_gate(OPT_OUT, [(3, "objected", START, START)])
        rows = pa.table(
            {"person": [1, 2, 3, 4, 5, 6, 7, 7, 8], "segment": ["a", "a", "a", "b", "b", "b", "c", "c", None]}
        )
        released = gate.release(rows, "mail", "marketing", members=alone(*range(1, 9)), group="segment")
        assert released.rows.to_pylist() == [{"person": person, "segment": "b"} for person in (4, 5, 6)]
        assert released.counts() == {
            "released": 3,
            "asked": 8,
            "refused": 1,
            "withheld": 4,
            "groups_withheld": 3,
        }

    def test_a_person_in_two_groups_counts_in_each(self) -> None:
        rows = pa.table({"person": [1, 2, 3, 1, 2], "segment": [0, 0, 0, 1, 1]})
        released = a_gate().release(rows, "mail", "marketing", members=alone(1, 2, 3), group="segment")
        assert released.rows["segment"].to_pylist() == [0, 0, 0]
        assert (released.withheld, released.groups_withheld) == (2, 1)

    def test_totals_of_few_persons_are_withheld(self) -> None:
        gate = a_gate(OPT_OUT, [(3, "objected", START, START)])
        gate.release_totals(7, "sold", "marketing", members=alone(1, 2, 4))
        # 2 and 5 were merged into 9: one person, with three keys
        merged = pa.table({"person": [1, 2, 5, 9, 9], "subject": [1, 2, 5, 2, 5]})
        merged = pa.concat_tables([merged, pa.table({"person": [2, 5], "subject": [5, 2]})])
        for members in (alone(1, 2, 3), merged):
            with pytest.raises(GateRefusedError, match="of fewer than 3 persons"):
                gate.release_totals(7, "sold", "marketing", members=members)

    def test_every_doubt_is_a_no(self) -> None:
        gate, people = a_gate(), alone(1, 2, 3)
        rows = pa.table({"person": [1, 2, 3]})
        for wrong in (
            {"rows": pa.table({"subject": [1, 2, 3]})},
            {"rows": pa.table({"person": pa.array([1, 2, 3, None], KEY)})},
            {"rows": rows.slice(0, 0)},
            {"purpose": "spying"},
            {"purpose": "segmentation"},
            {"group": "segment"},
            {"members": alone()},
        ):
            asked = {"rows": rows, "purpose": "marketing", "group": None, "members": people, **wrong}
            with pytest.raises(GateRefusedError):
                gate.release(asked["rows"], "mail", asked["purpose"], members=asked["members"], group=asked["group"])

    def test_the_audit_names_no_person(self) -> None:
        gate = a_gate()
        people = [910_000_000_000 + number for number in range(3)]
        gate.release(pa.table({"person": people}), "mail", "marketing", members=alone(*people))
        gate.audit.verify()
        assert "91000000" not in json.dumps(audited(gate))


@pytest.mark.slow
def test_a_million_people_are_judged_in_one_call() -> None:
    import numpy as np

    count = 1_000_000
    person = np.arange(count) // 2
    gate = a_gate(OPT_OUT)
    objecting = np.arange(0, count, 7)
    table = pa.table(
        {
            "source": pa.array(["shop"] * len(objecting)),
            "subject": objecting,
            "purpose": ["marketing"] * len(objecting),
            "choice": ["objected"] * len(objecting),
            "occurred_at": [START] * len(objecting),
        }
    )
    record(gate.ledger, table)
    verdict = gate.permitted(pa.table({"person": person, "subject": np.arange(count)}), "marketing")
    expected = np.ones(count // 2, dtype=bool)
    expected[objecting // 2] = False
    assert (verdict["permitted"].to_numpy() == expected).all()
