"""What every vault does, whatever keeps it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.errors import IntegrityError, MissingColumnError, ParameterError
from coterie.store.ports import Vault
from coterie.store.vault import MemoryVault, SqliteVault

KEY = bytes(range(32))


@pytest.fixture(params=["sqlite", "memory"])
def vault(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Vault]:
    made: Vault = SqliteVault(tmp_path / "vault.db", KEY) if request.param == "sqlite" else MemoryVault(KEY)
    yield made
    made.close()


def identifiers(*pairs: tuple[str, str]) -> pa.Table:
    return pa.table({"kind": [kind for kind, _ in pairs], "value": [value for _, value in pairs]})


ANNA, BEN, PHONE = ("email", "anna@example.com"), ("email", "ben@example.com"), ("phone", "anna@example.com")


def test_each_identifier_has_one_random_positive_key(vault: Vault) -> None:
    found = vault.subjects(identifiers(ANNA, BEN, ANNA, PHONE))
    assert found.type == pa.int64()
    anna, ben, again, phone = found.to_pylist()
    assert anna == again
    assert len({anna, ben, phone}) == 3
    assert min(anna, ben, phone) > 0
    assert vault.count() == 3
    assert vault.subjects(identifiers(PHONE, BEN, ("email", "new"), ANNA)).to_pylist()[0::3] == [phone, anna]
    assert vault.count() == 4


def test_no_identifiers_no_keys(vault: Vault) -> None:
    empty = pa.table({"kind": pa.array([], pa.string()), "value": pa.array([], pa.string())})
    assert vault.subjects(empty).equals(pa.array([], pa.int64()))
    assert vault.count() == 0
    assert vault.reveal([]).num_rows == 0
    assert vault.erase([]) == 0


def test_columns_of_any_text_type_and_in_chunks(vault: Vault) -> None:
    plain = identifiers(ANNA, BEN, ANNA)
    chunked = pa.concat_tables([plain.slice(0, 1), plain.slice(1)])
    encoded = pa.table({name: plain[name].combine_chunks().dictionary_encode() for name in plain.column_names})
    large = plain.cast(pa.schema([("kind", pa.large_string()), ("value", pa.large_string())]))
    assert len({tuple(vault.subjects(table).to_pylist()) for table in (plain, chunked, encoded, large)}) == 1


def test_find_makes_nothing(vault: Vault) -> None:
    assert vault.find(*ANNA) is None
    assert vault.count() == 0
    (anna,) = vault.subjects(identifiers(ANNA)).to_pylist()
    assert vault.find(*ANNA) == anna
    assert vault.find(*PHONE) is None


def test_reveal_gives_the_clear_text(vault: Vault) -> None:
    odd = ("customer_id", "Zoë\0 ''\" \N{SNOWMAN}")
    keys = vault.subjects(identifiers(ANNA, BEN, odd)).to_pylist()
    found = vault.reveal([keys[2], keys[0], keys[2], 12345])
    assert found.column_names == ["subject", "kind", "value"]
    expected = sorted([(keys[0], *ANNA), (keys[2], *odd)])
    assert [tuple(row.values()) for row in found.to_pylist()] == expected


def test_erased_identifiers_are_forgotten(vault: Vault) -> None:
    anna, ben = vault.subjects(identifiers(ANNA, BEN)).to_pylist()
    assert vault.erase([anna, anna, 777]) == 1
    assert vault.erase([anna]) == 0
    assert vault.find(*ANNA) is None
    assert vault.find(*BEN) == ben
    assert vault.reveal([anna, ben])["subject"].to_pylist() == [ben]
    assert vault.strangers([ben, anna, 777, anna]) == sorted([anna, 777])


def test_erased_identifiers_are_kept_out_until_they_are_readmitted(vault: Vault) -> None:
    anna, ben = vault.subjects(identifiers(ANNA, BEN)).to_pylist()
    assert vault.suppressed(identifiers(ANNA, BEN)).to_pylist() == [False, False]
    assert vault.suppressions().num_rows == 0
    vault.erase([anna, 777], now=datetime(2026, 1, 2))
    asked = identifiers(BEN, ANNA, PHONE, ANNA)
    assert vault.suppressed(asked).to_pylist() == [False, True, False, True]
    assert vault.suppressed(asked).type == pa.bool_()
    assert vault.count() == 1
    found = vault.subjects(asked).to_pylist()
    assert found[0] == ben
    assert found[1] is found[3] is None
    assert found[2] is not None
    assert vault.count() == 2
    assert vault.find(*ANNA) is None
    assert vault.suppressions()["at"].to_pylist() == [datetime(2026, 1, 2)]
    assert vault.readmit(*BEN) == 0
    assert vault.readmit(*ANNA) == 1
    assert vault.readmit(*ANNA) == 0
    assert vault.suppressed(asked).to_pylist() == [False] * 4
    assert vault.subjects(identifiers(ANNA)).to_pylist() not in ([anna], [None])


def test_what_was_erased_together_is_readmitted_together(vault: Vault) -> None:
    anna, ben, phone = vault.subjects(identifiers(ANNA, BEN, PHONE)).to_pylist()
    vault.erase([anna, phone], now=datetime(2026, 1, 2))
    vault.erase([ben], now=datetime(2026, 1, 2))
    assert len(set(vault.suppressions()["at"].to_pylist())) == 2
    assert len(vault.together(*PHONE)) == 2
    assert vault.readmit(*PHONE) == 2
    assert vault.together(*PHONE) == []
    assert vault.suppressed(identifiers(ANNA, BEN, PHONE)).to_pylist() == [False, True, False]


def test_hashes_of_suppressed_identifiers_find_their_people_in_an_older_vault(tmp_path: Path) -> None:
    pairs = identifiers(ANNA, BEN)
    older: list[Vault] = [SqliteVault(tmp_path / "old.db", KEY), MemoryVault(KEY)]
    for old in older:
        anna, ben = old.subjects(pairs).to_pylist()
        new = MemoryVault(KEY)
        new.erase(new.subjects(identifiers(ANNA)).to_pylist())
        kept = new.suppressions()
        assert kept.column_names == ["digest", "at"]
        assert old.suppress(kept["digest"].to_pylist()) == [anna]
        assert old.suppress(kept["digest"].to_pylist()) == [anna]
        assert old.suppressions().num_rows == 1
        assert old.subjects(pairs).to_pylist() == [None, ben]  # kept out at once, also before it is erased
        assert old.find(*ANNA) == anna
        assert old.erase([anna]) == 1
        assert old.suppress([]) == []
        old.close()


def test_identifiers_without_a_value_are_refused(vault: Vault) -> None:
    with pytest.raises(ParameterError, match="null"):
        vault.subjects(pa.table({"kind": ["email", "email"], "value": ["a", None]}))
    with pytest.raises(ParameterError, match="NUL"):
        vault.subjects(identifiers(("e\0mail", "a")))
    with pytest.raises(MissingColumnError, match="value"):
        vault.subjects(pa.table({"kind": ["email"]}))
    assert vault.count() == 0


def test_sealed_values_come_back_and_changes_are_seen(vault: Vault) -> None:
    values = [b"", b"row 1", b"row 1", "Zoë".encode()]
    sealed = vault.seal(values)
    assert vault.unseal(sealed) == values
    assert len(set(sealed)) == 4
    assert all(value not in secret for value, secret in zip(values, sealed, strict=True) if value)
    for changed in (sealed[1][:-1], bytes([sealed[1][0] ^ 1]) + sealed[1][1:], b"", sealed[1] + b"\0"):
        with pytest.raises(IntegrityError):
            vault.unseal([sealed[0], changed])


@pytest.mark.parametrize("length", [0, 16, 33])
def test_a_key_of_another_length_is_refused(length: int, tmp_path: Path) -> None:
    for made in (lambda key: MemoryVault(key), lambda key: SqliteVault(tmp_path / "vault.db", key)):
        with pytest.raises(ParameterError, match="32 bytes"):
            made(bytes(length))


class Narrow(np.random.Generator):
    """Draws from a few numbers alone, so that almost every draw was drawn before."""

    def integers(self, low, high=None, size=None, dtype=np.int64, endpoint=False):  # type: ignore[no-untyped-def,override]
        return super().integers(low, 40, size, dtype=dtype)


@pytest.mark.parametrize("kind", ["sqlite", "memory"])
def test_a_key_that_was_drawn_before_is_drawn_again(kind: str, tmp_path: Path) -> None:
    draw = Narrow(np.random.PCG64(3))
    path = tmp_path / "vault.db"
    vault: Vault = SqliteVault(path, KEY, generator=draw) if kind == "sqlite" else MemoryVault(KEY, generator=draw)
    keys = [
        key
        for n in range(13)
        for key in vault.subjects(identifiers(*[("email", f"{n} {i}") for i in range(3)])).to_pylist()
    ]
    assert sorted(keys) == list(range(1, 40))
    vault.close()


def test_one_seed_gives_the_same_keys_in_every_vault(tmp_path: Path) -> None:
    vaults: list[Vault] = [
        SqliteVault(tmp_path / "vault.db", KEY, generator=np.random.default_rng(5)),
        MemoryVault(bytes(32), generator=np.random.default_rng(5)),
    ]
    first, second = ([v.subjects(identifiers(*p)).to_pylist() for p in ([BEN, ANNA], [PHONE, ANNA])] for v in vaults)
    assert first == second
    vaults[0].close()


words = st.tuples(st.sampled_from(["email", "phone"]), st.text(max_size=4))


actions = st.sampled_from(["look up", "look up", "erase", "readmit"])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(actions, st.lists(words, max_size=6)), max_size=6))
def test_a_vault_is_a_dictionary_with_a_list_of_who_is_kept_out(
    steps: list[tuple[str, list[tuple[str, str]]]],
) -> None:
    folder = tempfile.TemporaryDirectory()
    for vault in (SqliteVault(Path(folder.name) / "vault.db", KEY), MemoryVault(KEY)):
        known: dict[tuple[str, str], int] = {}
        out: dict[tuple[str, str], int] = {}
        for number, (step, pairs) in enumerate(steps):
            table = identifiers(*pairs).cast(pa.schema([("kind", pa.string()), ("value", pa.string())]))
            assert vault.suppressed(table).to_pylist() == [pair in out for pair in pairs]
            if step == "erase":
                assert vault.erase([known[p] for p in pairs if p in known]) == len(set(pairs) & known.keys())
                out |= dict.fromkeys(set(pairs) & known.keys(), number)
                known = {pair: key for pair, key in known.items() if pair not in pairs}
            elif step == "readmit":
                for pair in pairs:
                    together = {other for other in out if out[other] == out.get(pair)}
                    assert vault.readmit(*pair) == len(together)
                    out = {other: at for other, at in out.items() if other not in together}
            else:
                for pair, key in zip(pairs, vault.subjects(table).to_pylist(), strict=True):
                    assert (key is None) == (pair in out)
                    if key is not None:
                        assert known.setdefault(pair, key) == key
        assert vault.count() == len(known)
        assert {(r["kind"], r["value"]): r["subject"] for r in vault.reveal(known.values()).to_pylist()} == known
        vault.close()
    folder.cleanup()


def test_the_kind_of_a_subject_is_told_without_its_value(vault: Vault) -> None:
    anna, ben, phone = vault.subjects(identifiers(ANNA, BEN, PHONE)).to_pylist()
    vault.erase([ben])
    found = vault.kinds([phone, anna, ben, anna, 12345])
    assert found.schema == pa.schema([("subject", pa.int64()), ("kind", pa.string())])
    assert [tuple(row.values()) for row in found.to_pylist()] == sorted([(anna, "email"), (phone, "phone")])
    assert vault.kinds([]).num_rows == 0
