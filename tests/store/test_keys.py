"""Where the vault's key comes from."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from coterie.config import key_folder
from coterie.errors import ConfigError
from coterie.store.keys import create_key, key_of


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("COTERIE_KEY", raising=False)


def test_a_made_key_is_found_again() -> None:
    key = create_key("shop-1")
    assert len(key) == 32
    assert key_of("shop-1") == key
    assert create_key("shop-2") != key
    assert [path.stat().st_mode & 0o777 for path in key_folder().iterdir()] == [0o600, 0o600]


def test_a_key_is_never_replaced() -> None:
    key = create_key("shop-1")
    with pytest.raises(ConfigError, match="has a key already"):
        create_key("shop-1")
    assert key_of("shop-1") == key


def test_the_environment_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    create_key("shop-1")
    monkeypatch.setenv("COTERIE_KEY", base64.b64encode(bytes(range(32))).decode() + "\n")
    assert key_of("shop-1") == bytes(range(32))
    assert create_key("shop-9") == bytes(range(32))
    assert [path.name for path in key_folder().iterdir()] == ["shop-1.key"]


@pytest.mark.parametrize("text", ["no base64!", base64.b64encode(bytes(31)).decode(), "AAAA"])
def test_what_is_no_key_is_refused_and_not_shown(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    create_key("shop-1")
    (key_folder() / "shop-1.key").write_text(text)
    with pytest.raises(ConfigError, match=r"key file .* must hold 32 bytes in base64") as caught:
        key_of("shop-1")
    assert text not in str(caught.value)
    monkeypatch.setenv("COTERIE_KEY", text)
    with pytest.raises(ConfigError, match="variable COTERIE_KEY must hold 32 bytes in base64"):
        key_of("shop-1")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_key_that_others_can_read_is_refused(mode: int) -> None:
    create_key("shop-1")
    (key_folder() / "shop-1.key").chmod(mode)
    with pytest.raises(ConfigError, match=r"chmod 600 .*shop-1\.key"):
        key_of("shop-1")


def test_a_missing_key_says_where_it_should_be() -> None:
    with pytest.raises(ConfigError, match=r"shop-1\.key does not exist[\s\S]*COTERIE_KEY"):
        key_of("shop-1")


@pytest.mark.parametrize("shop_id", ["", "../shop", "a/b", ".hidden"])
def test_a_shop_id_is_no_path(shop_id: str) -> None:
    with pytest.raises(ConfigError, match="shop_id"):
        create_key(shop_id)
