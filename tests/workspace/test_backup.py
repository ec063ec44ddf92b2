"""Backups of a shop and the way back: equal content, nothing half, nothing damaged, no key."""

from __future__ import annotations

import base64
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import coterie
from coterie import Workspace
from coterie.collect.facts import ORDER_LINES
from coterie.config import key_folder
from coterie.errors import ConfigError, IntegrityError, KeyMismatchError, StoreError
from coterie.govern.audit import AUDIT
from coterie.store.backup import Manifest


@pytest.fixture(scope="module")
def template(exports: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the shop and its key, made once."""
    folder = tmp_path_factory.mktemp("template")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        patch.delenv("COTERIE_KEY", raising=False)
        with coterie.open(folder / "shop", create=True, currency="EUR", timezone="Europe/Berlin") as made:
            made.ingest(exports / "till.toml")
            made.archive.put(b'{"mean": 3}')
    return folder


@pytest.fixture
def shop(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """The shop in a folder, with everything ingested."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("COTERIE_KEY", raising=False)
    with coterie.open(tmp_path / "shop") as opened:
        yield opened


def test_a_restored_shop_holds_what_the_shop_held(shop: Workspace, tmp_path: Path) -> None:
    made = shop.backup(tmp_path / "far" / "backup")
    before = shop.content_hash()
    assert Manifest.load(tmp_path / "far" / "backup") == made
    assert {path.name for path in (tmp_path / "far").iterdir()} == {"backup"}
    shop.close()
    with coterie.restore(tmp_path / "far" / "backup", tmp_path / "again") as restored:
        assert restored.content_hash() == before
        assert restored.config == shop.config
        assert restored.show("customer_id=c1").profile.person
        assert restored.ledger.read(AUDIT)["action"].to_pylist()[-2:] == ["backup", "show"]
        restored.gate.audit.verify()
        assert restored.check().people > 200
    with coterie.open(tmp_path / "shop") as again, coterie.open(tmp_path / "again") as restored:
        assert restored.content_hash() != again.content_hash()  # somebody was shown there, which is on the audit
        restored.compact()  # nobody holds the lease of the copy
        assert not restored.unlock()


def test_the_hash_sees_every_change_and_no_order(shop: Workspace) -> None:
    seen = [shop.content_hash()]
    shop.lake.compact(ORDER_LINES)
    assert shop.content_hash() == seen[0]
    for change in (
        lambda: shop.archive.put(b"more"),
        lambda: shop.gate.audit.append("look", "something"),
        lambda: shop.lake.append(ORDER_LINES, ORDER_LINES.rows([{"source": "x", "line_id": "1"}])),
        lambda: shop.lake.append(ORDER_LINES, ORDER_LINES.rows([{"source": "x", "line_id": "1"}])),
        lambda: shop.lake.append(ORDER_LINES, ORDER_LINES.rows([{"source": "x1", "line_id": ""}])),
        lambda: shop.vault.erase([shop.show("customer_id=c3").profile.person]),
    ):
        change()
        seen.append(shop.content_hash())
    assert len(set(seen)) == len(seen)


def test_no_key_and_no_name_is_in_a_backup(shop: Workspace, tmp_path: Path) -> None:
    shop.backup(tmp_path / "backup")
    key = (key_folder() / f"{shop.config.shop_id}.key").read_bytes().strip()
    files = [path for path in (tmp_path / "backup").rglob("*") if path.is_file()]
    assert len(files) > 20
    for secret in (key, base64.b64decode(key), b"p7@shop.example"):
        assert [path for path in files if secret in path.read_bytes()] == []
    assert "not in here" in json.loads((tmp_path / "backup" / "backup.json").read_text())["key"]
    assert not list((tmp_path / "backup").rglob("*-wal"))


@pytest.mark.slow
def test_a_backup_is_consistent_while_others_read_and_show(shop: Workspace, tmp_path: Path, run: Callable) -> None:
    """Another process looks people up all the while, which goes on the audit; the chain in the backup is whole."""
    reader = run(
        """
    import coterie
    print("go", flush=True)
    with coterie.open("shop") as shop:
        for n in range(100_000):
            assert shop.check().people > 200
            shop.show(f"customer_id=c{n % 200 + 1}")
            print(n, flush=True)
    """
    )
    assert reader.stdout.readline() == "go\n"
    assert reader.stdout.readline() == "0\n"
    for n in range(3):
        shop.backup(tmp_path / f"backup-{n}")
        assert reader.stdout.readline() == f"{n + 1}\n"
    reader.kill()
    assert reader.communicate()[1] == ""
    for n in range(3):
        with coterie.restore(tmp_path / f"backup-{n}", tmp_path / f"shop-{n}") as restored:
            restored.gate.audit.verify()
            assert restored.check().people > 200


def test_a_second_writer_waits_its_turn(shop: Workspace, tmp_path: Path) -> None:
    """The lease is the shop's: what is backed up does not change meanwhile."""
    refused: list[BaseException] = []

    class Busy:
        def step(self, name: str, done: int, total: int | None = None) -> None:
            if done == 3:

                def write() -> None:
                    try:
                        shop.compact()
                    except StoreError as error:
                        refused.append(error)

                thread = threading.Thread(target=write)
                thread.start()
                thread.join()

    shop.backup(tmp_path / "backup", progress=Busy())
    assert "holds the lease" in str(refused[0])


def test_where_a_backup_cannot_go(shop: Workspace, tmp_path: Path) -> None:
    assert shop.folder is not None
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    (tmp_path / "file").write_text("")
    for target in (tmp_path / "full", tmp_path / "file"):
        with pytest.raises(StoreError, match="holds things already"):
            shop.backup(target)
    for target in (shop.folder, shop.folder / "backup", shop.folder / "lake" / ".." / "archive"):
        with pytest.raises(StoreError, match="lies within the shop"):
            shop.backup(target)
    (tmp_path / "empty").mkdir()
    shop.backup(tmp_path / "empty")
    with pytest.raises(StoreError, match="holds things already"):
        coterie.restore(tmp_path / "empty", tmp_path / "full")
    assert (tmp_path / "full" / "letter.txt").read_text() == "dear"
    with coterie.open(None) as memory, pytest.raises(StoreError, match="in memory"):
        memory.backup(tmp_path / "nowhere")


def change(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


DAMAGE: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "changed ledger": ("files/ledger.sqlite", change, "ledger.sqlite is not what was backed up"),
    "changed vault": ("files/vault.sqlite", change, "vault.sqlite is not what was backed up"),
    "changed table": ("files/lake/order_lines/*.parquet", change, "order_lines/.* is not what was backed up"),
    "cut log": (
        "files/lake/traits/_delta_log/*1.json",
        lambda path: path.write_bytes(path.read_bytes()[:99]),
        "traits/_delta_log/.* is not what was backed up",
    ),
    "lost settings": ("files/shop.toml", Path.unlink, "lacks shop.toml"),
    "lost model": ("files/archive/*/*", Path.unlink, "lacks archive/"),
    "stranger": ("files", lambda path: (path / "more.json").write_text("{}"), "holds more.json, which was not in it"),
    "cut manifest": ("backup.json", lambda path: path.write_text(path.read_text()[:-9]), "backup.json is damaged"),
    "no manifest": ("backup.json", Path.unlink, "no backup in"),
    "a way out": (
        "backup.json",
        lambda path: path.write_text(path.read_text().replace('"shop.toml"', '"../../shop.toml"')),
        "names a file outside",
    ),
    "newer": (
        "backup.json",
        lambda path: path.write_text(path.read_text().replace('"format": 1', '"format": 9')),
        "made by a newer coterie",
    ),
}


@pytest.fixture(scope="module")
def backup(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of the shop, and its keys beside it."""
    folder = tmp_path_factory.mktemp("backups")
    shutil.copytree(template / "config", folder / "config")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(template / "config"))
        with coterie.open(template / "shop") as opened:
            opened.backup(folder / "backup")
    return folder / "backup"


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_backup_is_refused_and_nothing_is_restored(
    backup: Path, tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(backup.parent / "config"))
    shutil.copytree(backup, tmp_path / "backup")
    where, harm, said = DAMAGE[damage]
    harm(sorted((tmp_path / "backup").glob(where))[0])
    with pytest.raises(StoreError, match=said) as refused:
        coterie.restore(tmp_path / "backup", tmp_path / "again")
    assert refused.value.hint or damage == "a way out"
    assert {path.name for path in tmp_path.iterdir()} == {"backup"}


def test_the_key_is_asked_for(backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "nothing"))
    with pytest.raises(ConfigError, match="key of this shop's vault is not here"):
        coterie.restore(backup, tmp_path / "again")
    assert not (tmp_path / "again").exists()
    monkeypatch.setenv("COTERIE_KEY", base64.b64encode(bytes(32)).decode())
    with pytest.raises(KeyMismatchError):
        coterie.restore(backup, tmp_path / "again")
    monkeypatch.delenv("COTERIE_KEY")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(backup.parent / "config"))
    coterie.open(tmp_path / "again").close()


def test_a_damaged_shop_is_not_backed_up(shop: Workspace, tmp_path: Path) -> None:
    file = Path(shop.lake.source(ORDER_LINES)[0])  # type: ignore[arg-type]
    file.rename(tmp_path / "aside.parquet")
    with pytest.raises(IntegrityError, match=rf"'order_lines' is damaged: .*{file.name} is missing"):
        shop.backup(tmp_path / "backup")
    (tmp_path / "aside.parquet").rename(file)
    assert not (tmp_path / "backup").exists()
    assert shop.folder is not None
    shop.close()
    vault = shop.folder / "vault.sqlite"
    content = bytearray(vault.read_bytes())
    content[8192:12288] = bytes(4096)  # a page in the middle
    vault.write_bytes(bytes(content))
    with coterie.open(shop.folder) as opened, pytest.raises(IntegrityError, match=r"vault\.sqlite"):
        opened.backup(tmp_path / "backup")
    assert not list(tmp_path.glob("*backup*"))


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "seconds", [0.02, pytest.param(0.0, marks=SLOW), pytest.param(0.05, marks=SLOW), pytest.param(0.1, marks=SLOW)]
)
def test_a_killed_backup_is_none_and_the_next_one_is_whole(
    shop: Workspace, tmp_path: Path, run: Callable, seconds: float
) -> None:
    assert shop.folder is not None
    shop.close()
    killed = run(
        """
    import coterie
    with coterie.open("shop") as shop:
        for n in range(1000):
            print("go", flush=True)
            shop.backup(f"backup-{n}")
    """
    )
    assert killed.stdout.readline() == "go\n"
    time.sleep(seconds)
    killed.kill()
    started = 1 + len(killed.communicate()[0].splitlines())
    for n in range(started - 1):
        coterie.restore(tmp_path / f"backup-{n}", tmp_path / f"shop-{n}").close()
    last = tmp_path / f"backup-{started - 1}"
    with coterie.open(shop.folder) as opened:
        if not last.exists():
            half = tmp_path / f".backup-{started - 1}.unfinished"
            try:  # it is none, or whole: killed after its last byte, before it got its name
                with coterie.restore(half, tmp_path / "never") as unnamed:
                    found = unnamed.content_hash() == opened.content_hash()
            except StoreError as error:
                found = "no backup" in str(error)
            assert found
            opened.backup(last)
        before = opened.content_hash()
    assert not list(tmp_path.glob(".*unfinished"))
    with coterie.restore(last, tmp_path / "again") as restored:
        assert restored.content_hash() == before


def test_a_full_disk_leaves_no_backup_and_no_shop(shop: Workspace, backup: Path, tmp_path: Path, run: Callable) -> None:
    shop.close()
    writer = run(
        """
    import resource, sys
    import coterie
    from coterie.errors import StoreError
    with coterie.open("shop") as shop:
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))
        for work in (lambda: shop.backup("backup"), lambda: coterie.restore(sys.argv[1], "again")):
            try:
                work()
            except StoreError as error:
                print(str(error).replace("\\n", " "))
    """,
        backup,
    )
    said, trouble = writer.communicate()
    assert trouble == ""
    assert [line.count("Hint: make space on the disk") for line in said.splitlines()] == [1, 1]
    assert not (tmp_path / "backup").exists()
    assert not (tmp_path / "again").exists()
    assert not list(tmp_path.glob(".*unfinished"))
