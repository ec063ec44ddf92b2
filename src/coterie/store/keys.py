"""The vault's key: 32 bytes kept outside the shop's folder, in the environment or in a file of their own."""

from __future__ import annotations

import base64
import binascii
import os
import re
import secrets
import stat
from pathlib import Path

from coterie.config import key_folder
from coterie.errors import ConfigError

VARIABLE = "COTERIE_KEY"
LENGTH = 32


def key_of(shop_id: str) -> bytes:
    """Return the key of a shop: from the variable COTERIE_KEY if it is set, else from the shop's key file.

    Raises
    ------
    ConfigError
        There is no key, it is not 32 bytes in base64, or others than the owner may read the file.
    """
    if text := os.environ.get(VARIABLE):
        return _decoded(text, f"The variable {VARIABLE}")
    path = _path(shop_id)
    try:
        mode = path.stat().st_mode
        text = path.read_text("ascii")
    except FileNotFoundError:
        raise ConfigError(
            f"The key of this shop's vault is not here: {path} does not exist.",
            hint=f"copy the file from where the shop was made, or set {VARIABLE} to its content.",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Cannot read the key file {path}: {type(error).__name__}.") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"The key file {path} can be read by others than its owner.", hint=f"chmod 600 {path}")
    return _decoded(text, f"The key file {path}")


def create_key(shop_id: str) -> bytes:
    """Make the key of a new shop and return it.

    With COTERIE_KEY set that key is used, and no file is written. A key that exists is never replaced.

    Raises
    ------
    ConfigError
        The shop has a key already, or the file cannot be written.
    """
    if os.environ.get(VARIABLE):
        return key_of(shop_id)
    path = _path(shop_id)
    key = secrets.token_bytes(LENGTH)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Made for the owner alone from the first moment, and only if there is none.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.b64encode(key) + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise ConfigError(f"The shop has a key already: {path}.") from None
    except OSError as error:
        raise ConfigError(f"Cannot write the key file {path}: {error}.", hint=f"or set {VARIABLE}.") from error
    return key


def _path(shop_id: str) -> Path:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", shop_id):
        raise ConfigError(f"shop_id must be letters, digits, '.', '_' and '-', got {shop_id!r}.")
    return key_folder() / f"{shop_id}.key"


def _decoded(text: str, where: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != LENGTH:
        raise ConfigError(
            f"{where} must hold {LENGTH} bytes in base64.", hint="a new one: head -c 32 /dev/urandom | base64"
        )
    return key
