"""Opening a shop: a folder with its settings, ledger, vault, lake and archive; or a shop in memory."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

from coterie.collect.facts import IMPORTS
from coterie.config import FILE, Config
from coterie.errors import ConfigError, ShopNotFoundError, StoreError
from coterie.store.archive import FolderArchive, MemoryArchive
from coterie.store.keys import create_key, key_of
from coterie.store.lake import DeltaLake, MemoryLake
from coterie.store.ledger import MemoryLedger, SqliteLedger
from coterie.store.vault import MemoryVault, SqliteVault
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
    ledger = SqliteLedger(path / "ledger.sqlite")
    _check_whole(path, ledger)
    vault = SqliteVault(path / "vault.sqlite", key_bytes)
    return Workspace(path, config, ledger, vault, DeltaLake(path / "lake"), FolderArchive(path / "archive"))


def _check_whole(path: Path, ledger: SqliteLedger) -> None:
    """Refuse a shop that has lost a part: a new, empty one in its place would make everybody a stranger."""
    ledger.create(IMPORTS)
    if not ledger.read(IMPORTS).num_rows:
        return
    if lost := [name for name in ("vault.sqlite", "lake") if not (path / name).exists()]:
        ledger.close()
        raise StoreError(
            f"The shop in {path} has lost {' and '.join(lost)}, though data were ingested.",
            hint="restore the folder from a backup.",
        )


def _create(path: Path, given: Mapping[str, object]) -> None:
    """Make the folder, the settings and the key of a new shop."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        strangers = [entry.name for entry in path.iterdir() if not entry.name.startswith(".")]
    except OSError as error:
        raise StoreError(f"Cannot make a shop in {path}: {error.strerror or error}.") from error
    if strangers:
        raise StoreError(
            f"Cannot make a shop in {path}: it holds other things ({', '.join(sorted(strangers)[:3])} …).",
            hint="choose an empty or a new folder.",
        )
    config = Config(**{"name": path.name, "shop_id": secrets.token_hex(8), **given})  # type: ignore[arg-type]
    create_key(config.shop_id)
    config.save(path)
