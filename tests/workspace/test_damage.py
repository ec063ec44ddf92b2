"""What can happen to a shop's folder: full and read-only disks, lost and cut files. Each is told, and can be mended."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import coterie
from coterie.collect.facts import ORDER_LINES
from coterie.errors import IntegrityError, StoreError

MAPPING = """
source = "till"
currency = "EUR"
timezone = "UTC"

[lawful_basis]
segmentation = "legitimate interest: we group customers by what they bought, see our privacy notice"

[[read]]
file = "orders-*.csv"
to = "order_line"
id = ["line"]
identify = { customer_id = "customer", email = "mail" }
fields = { order_id = "order", product_id = "sku", amount = "total", occurred_at = "at" }
"""


def write_files(folder: Path, lines: int) -> None:
    folder.mkdir()
    (folder / "till.toml").write_text(MAPPING, "utf-8")
    for number in (1, 2):
        rows = ["line,order,sku,customer,mail,total,at"]
        for n in range(lines):
            who = (n * 7919 + number) % (lines // 3)
            at = f"2025-{n % 12 + 1:02}-{n % 28 + 1:02} 10:00:00"
            rows.append(f"l{number}-{n},o{number}-{n // 2},s{n % 97},c{who},p{who}@shop.example,{n % 90}.50,{at}")
        (folder / f"orders-{number}.csv").write_text("\n".join(rows) + "\n", "utf-8")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, a shop of theirs, its backup and its key."""
    folder = tmp_path_factory.mktemp("whole")
    write_files(folder / "data", 3000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        patch.delenv("COTERIE_KEY", raising=False)
        with coterie.open(folder / "shop", create=True, currency="EUR") as made:
            made.ingest(folder / "data" / "till.toml")
            made.backup(folder / "backup")
    return folder


@pytest.fixture
def place(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it."""
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("COTERIE_KEY", raising=False)
    return tmp_path


def newest(folder: Path) -> Path:
    return max((folder / "_delta_log").glob("*.json"))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def in_the_middle(folder: Path) -> None:
    sorted((folder / "_delta_log").glob("*.json"))[1].unlink()


HARM: dict[str, tuple[Callable[[Path], object], str]] = {
    "vault lost": (lambda shop: (shop / "vault.sqlite").unlink(), r"lost vault\.sqlite"),
    "vault empty": (lambda shop: emptied(shop / "vault.sqlite"), r"lost vault\.sqlite"),
    "vault cut": (lambda shop: cut(shop / "vault.sqlite"), r"vault\.sqlite"),
    "ledger lost": (lambda shop: (shop / "ledger.sqlite").unlink(), r"lost ledger\.sqlite"),
    "ledger empty": (lambda shop: emptied(shop / "ledger.sqlite"), r"lost ledger\.sqlite"),
    "ledger cut": (lambda shop: cut(shop / "ledger.sqlite"), r"ledger\.sqlite"),
    "ledger overwritten": (lambda shop: (shop / "ledger.sqlite").write_text("dear " * 9000), r"ledger\.sqlite"),
    "lake lost": (lambda shop: shutil.rmtree(shop / "lake"), "lost lake"),
    "table lost": (lambda shop: shutil.rmtree(shop / "lake" / "order_lines"), "lost lake/order_lines"),
    "log lost": (lambda shop: shutil.rmtree(shop / "lake" / "order_lines" / "_delta_log"), "lake/order_lines"),
    "newest entry lost": (lambda shop: newest(shop / "lake" / "order_lines").unlink(), "'order_lines' is damaged"),
    "middle entry lost": (lambda shop: in_the_middle(shop / "lake" / "order_lines"), "'order_lines'"),
    "newest entry cut": (lambda shop: cut(newest(shop / "lake" / "order_lines")), "'order_lines'"),
    "file lost": (lambda shop: next(shop.glob("lake/order_lines/*.parquet")).unlink(), r"'order_lines' .*is missing"),
    "file cut": (lambda shop: cut(next(shop.glob("lake/order_lines/*.parquet"))), r"'order_lines' .*bytes instead of"),
}


@pytest.mark.parametrize("harm", HARM)
def test_a_damaged_shop_says_which_file_and_the_backup_brings_it_back(place: Path, harm: str) -> None:
    done, said = HARM[harm]
    done(place / "shop")
    before = {path: path.read_bytes() for path in (place / "shop").rglob("*.parquet")}

    def use() -> None:
        with coterie.open(place / "shop") as opened:
            opened.check()

    for _ in range(2):  # nothing was put in the place of what is lost
        with pytest.raises(StoreError, match=said) as refused:
            use()
        assert refused.value.hint == "restore the shop from a backup: coterie restore."
        assert isinstance(refused.value, IntegrityError) or "log" in harm or "entry" in harm
    assert {path: path.read_bytes() for path in (place / "shop").rglob("*.parquet")} == before
    with coterie.restore(place / "backup", place / "again") as restored:
        assert restored.check().people == 1000
        assert restored.ingest(place / "data" / "till.toml").reused


FULL = """
    import resource, sys
    import coterie
    from coterie.errors import StoreError
    with coterie.open("shop", create=True, currency="EUR") as shop:
        limit = int(sys.argv[1])
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            shop.ingest("data/till.toml")
        except StoreError as error:
            print(str(error).replace("\\n", " "))
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        shop.ingest("data/till.toml")
        print(shop.check().people, shop.warehouse.query("SELECT count(*) AS n, count(DISTINCT line_id) AS m, "
            "sum(amount)::BIGINT AS s FROM order_lines").to_pylist())
    """


SLOW = pytest.mark.slow


@pytest.mark.parametrize("limit", [70_000, pytest.param(200_000, marks=SLOW), pytest.param(400_000, marks=SLOW)])
def test_an_import_that_fills_the_disk_is_told_and_repeated(place: Path, run: Callable, limit: int) -> None:
    """No file may grow above a limit: with the least it is a table that does not fit, then the vault."""
    shutil.rmtree(place / "shop")
    writer = run(FULL, limit)
    said, trouble = writer.communicate()
    assert trouble == ""
    refused, found = said.splitlines()
    assert "Hint: make space on the disk and repeat the command" in refused
    assert found == "1000 [{'n': 6000, 'm': 6000, 's': " + str(2 * sum(n % 90 * 100 + 50 for n in range(3000))) + "}]"


@pytest.fixture
def disk(place: Path) -> Iterator[Path]:
    """A disk of its own for the shop."""
    folder = place / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=900k", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        said = mounted.stderr.decode().strip()
        pytest.skip(f"a small disk cannot be mounted here ({said}); as root with the right to mount it runs")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_on_a_disk_that_is_full_nothing_is_lost_and_with_more_space_it_goes_on(disk: Path, place: Path) -> None:
    hints = []
    for size in (900, 1200, 1600, 2200, 3000, 64_000):
        subprocess.run(["mount", "-o", f"remount,size={size}k", str(disk)], check=True)
        try:
            with coterie.open(disk / "shop", create=True, currency="EUR") as shop:
                done = shop.ingest(place / "data" / "till.toml")
        except StoreError as error:
            hints.append(error.hint)
    assert hints
    assert set(hints) == {"make space on the disk and repeat the command: what was stored before is whole."}
    with coterie.open(disk / "shop") as shop:
        assert sum(file.received for file in done.files) == 6000
        assert shop.check().people == 1000
        assert shop.lake.count(ORDER_LINES) == 6000
        shop.gate.audit.verify()


BARRED = """
    import ctypes, os, sys
    import coterie
    from coterie.errors import CoterieError

    # The rights of files do not bind root: give up the capabilities that make it so.
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    rights = (ctypes.c_uint32 * 6)()
    libc = ctypes.CDLL(None)
    if os.geteuid() == 0:
        assert libc.capget(header, rights) == 0
        for place in range(6):
            rights[place] &= ~0b110 if place < 3 else 0xFFFFFFFF
        assert libc.capset(header, rights) == 0

    def tried(name, work):
        try:
            work()
            print(name, "done")
        except CoterieError as error:
            print(name, "|", type(error).__name__, "|", error.hint)

    def ingest():
        with coterie.open("shop") as shop:
            shop.ingest("data/till.toml")

    tried("ingest", ingest)
    tried("create", lambda: coterie.open("barred/shop", create=True))
    tried("backup", lambda: coterie.restore("backup", "barred/again"))
    """


@pytest.mark.parametrize(
    "barred", ["everything", pytest.param("ledger", marks=SLOW), pytest.param("lake", marks=SLOW), "table"]
)
def test_where_nothing_may_be_written_it_is_told_and_nothing_changes(place: Path, run: Callable, barred: str) -> None:
    shop = place / "shop"
    (place / "barred").mkdir(mode=0o555)
    with (place / "data" / "orders-1.csv").open("a") as file:
        file.write("more,o,s,c1,p1@shop.example,3.00,2025-06-01 10:00:00\n")
    paths = {
        "everything": list(shop.rglob("*")),
        "ledger": [shop / "ledger.sqlite"],
        "lake": [*(shop / "lake").rglob("*"), shop / "lake"],
        "table": [shop / "lake" / "order_lines", shop / "lake" / "order_lines" / "_delta_log"],
    }[barred]
    modes = {path: path.stat().st_mode for path in [*paths, shop]}
    for path in [*paths, *([shop] if barred == "everything" else [])]:
        path.chmod(path.stat().st_mode & 0o555)
    said, trouble = run(BARRED).communicate()
    for path, mode in modes.items():
        path.chmod(mode)
    assert trouble == ""
    hint = "give this user the right to write in the shop's folder, and repeat the command."
    assert said.splitlines() == [f"{verb} | StoreError | {hint}" for verb in ("ingest", "create", "backup")]
    with coterie.open(shop) as opened:
        assert opened.check().people == 1000
        opened.ingest(place / "data" / "till.toml")
        assert opened.lake.count(ORDER_LINES) == 6001
