"""A contract: who breaks a law is told by name, with what happened and what was expected."""

from dataclasses import dataclass

import pyarrow as pa
import pytest

from coterie.errors import EmptyShopError, MissingColumnError
from coterie.evaluation.contract import checks_of, expect, keyed, refused


@dataclass
class Trial:
    estimator: object


def check_parity(trial: Trial) -> None:
    """A model is
    an even number.
    """
    expect(trial.estimator % 2 == 0, f"{trial.estimator} is odd.")


def test_a_check_says_who_broke_which_law_and_how():
    (kept,) = checks_of([check_parity], Trial(4))
    kept()
    (broken,) = checks_of([check_parity], Trial(3))
    with pytest.raises(AssertionError, match=r"^check_parity: int fails: 3 is odd\. Expected: A model is an even numb"):
        broken()
    (strange,) = checks_of([check_parity], Trial("three"))
    with pytest.raises(AssertionError, match=r"^check_parity: str raises TypeError: .*Expected: A model is an even"):
        strange()


def test_keys_are_new_and_each_persons_own():
    people = keyed(pa.table({"person": [1, 1, 2], "spend": [5, 6, 7]}))
    assert people.column_names == ["spend", "person"]
    assert len(set(people["person"].to_pylist())) == 3
    assert not set(people["person"].to_pylist()) & {1, 2}


def test_a_refusal_is_of_the_right_kind_and_has_a_hint():
    def refuse(hint: str) -> None:
        raise EmptyShopError("There is nobody.", hint=hint)

    refused(lambda: refuse("import orders."), EmptyShopError, "asking")
    with pytest.raises(AssertionError, match="asking: its refusal must have a hint: There is nobody"):
        refused(lambda: refuse(""), EmptyShopError, "asking")
    with pytest.raises(AssertionError, match="asking raises no EmptyShopError"):
        refused(lambda: None, EmptyShopError, "asking")
    with pytest.raises(EmptyShopError):
        refused(lambda: refuse("import orders."), MissingColumnError, "asking")
