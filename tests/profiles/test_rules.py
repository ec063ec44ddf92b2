"""The rules of identity: what is usual, what is allowed, and what makes two sets of rules equal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from coterie.errors import ConfigError
from coterie.profiles.rules import HUB, LIMIT, IdentityRules
from coterie.schema import IdentifierKind

FILE = """
priority = ["loyalty_id"]

[limit]
email = 2
anonymous_id = "unlimited"

[hub]
email = "unlimited"
phone = 3

[blocked]
email = ["Till@Shop.example", "*@Market.example"]
phone = ["0043 1 234567"]
"""


def test_the_usual_rules_know_every_kind() -> None:
    usual = IdentityRules()
    assert dict(usual.limit) == dict(LIMIT)
    assert usual.priority == tuple(map(str, IdentifierKind))
    assert {kind for kind, most in usual.hub.items() if most is None} == {"customer_id"}
    assert dict(usual.hub) == {"customer_id": None, **HUB}


def test_a_file_changes_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "identity.toml"
    path.write_text(FILE, "utf-8")
    rules = IdentityRules.load(path)
    assert rules.limit == {**LIMIT, "email": 2, "anonymous_id": None}
    assert rules.hub == {"customer_id": None, **HUB, "email": None, "phone": 3}
    assert rules.priority[:3] == ("loyalty_id", "customer_id", "email")
    assert rules.blocked == {"email": ("*@market.example", "till@shop.example"), "phone": ("+431234567",)}
    assert rules.blocks("email", pa.array(["a@market.example", "a@shop.example"])).to_pylist() == [True, False]


def test_rules_go_through_json() -> None:
    rules = IdentityRules(limit={"phone": None}, priority=("email",), blocked={"email": ["a@x.example"]})
    assert IdentityRules.of(rules.to_json()) == rules


def test_equal_guards_have_equal_fingerprints_and_blocked_values_are_not_in_it() -> None:
    usual = IdentityRules()
    assert IdentityRules(limit={"email": 5}).fingerprint == usual.fingerprint
    assert IdentityRules(blocked={"email": ["a@x.example"]}).fingerprint == usual.fingerprint
    others = [IdentityRules(limit={"email": 4}), IdentityRules(hub={"email": 4}), IdentityRules(priority=("email",))]
    assert len({usual.fingerprint, *(rules.fingerprint for rules in others)}) == 4


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"limits": {}}, "there is no limits"),
        ({"limit": 3}, "limit must be a table"),
        ({"priority": "email"}, "priority must be a list"),
        ({"limit": {"e-mail": 3}}, "e-mail, which is no kind"),
        ({"limit": {"email": 0}}, "limit.email must be a whole number of at least 1, got 0"),
        ({"hub": {"email": True}}, "hub.email must be a whole number"),
        ({"hub": {"email": "many"}}, "got 'many'"),
        ({"priority": ["email", "email"]}, "names a kind twice"),
        ({"priority": ["face"]}, "face, which is no kind"),
        ({"blocked": {"email": "a@x.example"}}, "blocked.email must be a list of texts"),
        ({"blocked": {"email": ["*"]}}, "blocked.email must be a list of texts"),
        ({"blocked": {"email": [7]}}, "blocked.email must be a list of texts"),
    ],
)
def test_what_cannot_be_is_said_in_words(body: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said.replace(".", r"\.")):
        IdentityRules.of(body)


def test_a_file_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "identity.toml"
    path.write_text("limit = [", "utf-8")
    with pytest.raises(ConfigError, match="Cannot read"):
        IdentityRules.load(path)
