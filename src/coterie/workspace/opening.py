"""Opening a shop: a folder with its settings, ledger, vault, lake and archive; or a shop in memory."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from coterie.collect.facts import IMPORTS
from coterie.config import FILE, LAYOUT, Config
from coterie.errors import ConfigError, IntegrityError, ShopNotFoundError, StoreError
from coterie.progress import SILENT, Progress
from coterie.store.archive import FolderArchive, MemoryArchive
from coterie.store.backup import Manifest, bring_back
from coterie.store.disk import RESTORE, remedy
from coterie.store.keys import create_key, key_of
from coterie.store.lake import DeltaLake, MemoryLake
from coterie.store.ledger import MemoryLedger, SqliteLedger
from coterie.store.vault import MemoryVault, SqliteVault
from coterie.workspace.keeping import LAKE
from coterie.workspace.migrations import migrate
from coterie.workspace.shop import Workspace


def open(
    folder: str | Path | None,
    *,
    create: bool = False,
    name: str | None = None,
    currency: str | None = None,
    timezone: str | None = None,
    minimum_group: int | None = None,
) -> Workspace:
    """Open the shop in a folder.

    Parameters
    ----------
    folder
        Where the shop lives. None opens an empty shop in memory, for trials and tests.
    create
        Make the shop when there is none yet. An existing shop is opened as it is.
    name, currency, timezone, minimum_group
        Settings of a new shop (see :class:`coterie.Config`). For an existing shop they must agree with its own.

    Returns
    -------
    Workspace
        Close it, or use it in a ``with`` block.

    Raises
    ------
    ShopNotFoundError
        When there is no shop and ``create`` is False.
    ConfigError
        When a setting is not allowed, or another one than the existing shop's.
    KeyMismatchError
        When the vault was made with another key.
    ShopLockedError
        When the shop is of an older layout and cannot be migrated, because another process is writing to it.
    IntegrityError
        When a part of the shop is lost or damaged.
    """
    asked = {"name": name, "currency": currency, "timezone": timezone, "minimum_group": minimum_group}
    given = {key: value for key, value in asked.items() if value is not None}
    if folder is None:
        config = Config(**{"name": "in memory", "shop_id": secrets.token_hex(8), **given})  # type: ignore[arg-type]
        stores = (MemoryLedger(), MemoryVault(secrets.token_bytes(32)), MemoryLake(), MemoryArchive())
        return Workspace(None, config, *stores)
    path = Path(folder).expanduser().resolve()
    if not (path / FILE).is_file():
        if not create:
            raise ShopNotFoundError(f"There is no shop in {path}.", hint=f"create one: coterie init --shop {folder}")
        _create(path, given)
    config = Config.load(path)
    for key, value in given.items():
        if getattr(config, key) != value:
            raise ConfigError(
                f"The shop in {path} has {key} {getattr(config, key)!r}, not {value!r}.",
                hint=f"leave {key} out, or change it in {path / FILE}.",
            )
    key_bytes = key_of(config.shop_id)
    _check_files(path)
    with ExitStack() as opened:
        ledger = SqliteLedger(path / "ledger.sqlite")
        opened.callback(ledger.close)
        lake = DeltaLake(path / "lake")
        _check_whole(path, config, ledger, lake)
        vault = SqliteVault(path / "vault.sqlite", key_bytes)
        opened.callback(vault.close)
        if config.layout < LAYOUT:
            config = migrate(path, config, ledger, vault, lake)
        shop = Workspace(path, config, ledger, vault, lake, FolderArchive(path / "archive"))
        opened.pop_all()  # from here on the shop closes them
    return shop


def restore(source: str | Path, folder: str | Path, *, progress: Progress = SILENT) -> Workspace:
    """Make a shop of a backup and open it. Its key is asked for as for any shop: it is not in the backup.

    Who was forgotten after the backup was made is in it, and so in the restored shop: forget them again.

    Parameters
    ----------
    source
        The folder that :meth:`Workspace.backup` made.
    folder
        Where the shop goes: a folder that does not exist, or is empty.
    progress
        Where steps are reported.

    Raises
    ------
    StoreError
        When there is no backup, or the folder cannot be used; nothing is left in it.
    IntegrityError
        When a file of the backup is missing or is not what was backed up; nothing is left in the folder.
    ConfigError, KeyMismatchError
        When the key is not here, or another one.
    """
    place, target = Path(source).expanduser().resolve(), Path(folder).expanduser().resolve()
    key_of(Manifest.load(place).shop_id)  # asked for first: a restored shop without its key cannot be opened
    bring_back(place, target, tell=lambda done, total: progress.step("copying", done, total))
    return open(target)


def _check_files(path: Path) -> None:
    """Refuse a shop whose ledger is gone or empty while later parts are there: the ledger is made first."""
    later = [name for name in ("vault.sqlite", "lake") if _size(path / name)]
    if later and not _size(path / "ledger.sqlite"):
        raise IntegrityError(
            f"The shop in {path} has lost ledger.sqlite: it is missing or empty, though {later[0]} is there.",
            hint=RESTORE,
        )


def _check_whole(path: Path, config: Config, ledger: SqliteLedger, lake: DeltaLake) -> None:
    """Refuse a shop that has lost a part: a new, empty one in its place would make everybody a stranger."""
    lost = [name for name in ("vault.sqlite", "lake") if not _size(path / name)]
    if config.layout == LAYOUT and "lake" not in lost:
        # Its tables are made when a shop is made or migrated, before there is anything in the book of imports.
        there = lake.tables()
        lost += [f"lake/{table.name}" for table in LAKE if table.name not in there]
    if not lost or IMPORTS.name not in ledger.tables():
        return
    ledger.extend(IMPORTS)  # of an older layout perhaps
    if ledger.read(IMPORTS).num_rows:
        raise IntegrityError(
            f"The shop in {path} has lost {' and '.join(lost)}, though data were ingested.", hint=RESTORE
        )


def _size(path: Path) -> int:
    """Return the bytes of a file, or how many entries a folder has; 0 where there is neither."""
    try:
        return len(list(path.iterdir())) if path.is_dir() else path.stat().st_size
    except OSError:
        return 0


def _create(path: Path, given: Mapping[str, object]) -> None:
    """Make the folder, the settings and the key of a new shop."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        strangers = [entry.name for entry in path.iterdir() if not entry.name.startswith(".")]
    except OSError as error:
        raise StoreError(f"Cannot make a shop in {path}: {error.strerror or error}.", hint=remedy(error)) from error
    if strangers:
        raise StoreError(
            f"Cannot make a shop in {path}: it holds other things ({', '.join(sorted(strangers)[:3])} …).",
            hint="choose an empty or a new folder.",
        )
    config = Config(**{"name": path.name, "shop_id": secrets.token_hex(8), **given})  # type: ignore[arg-type]
    create_key(config.shop_id)
    config.save(path)
