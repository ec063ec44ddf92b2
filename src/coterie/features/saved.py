"""Fitted things as files: JSON that says what it is, in which layout, and whether it is still what was written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coterie.errors import IntegrityError, StoreError


def write(path: str | Path, kind: str, layout: int, body: Mapping[str, Any]) -> Path:
    """Write something fitted to a file, in whole or not at all, and return where it lies.

    Parameters
    ----------
    path
        The file; it is written over when it is there.
    kind
        What it is, such as ``"matrix"``.
    layout
        Rises with every change of its JSON that earlier versions cannot read.
    body
        It, as plain JSON values.

    Raises
    ------
    StoreError
        The file cannot be written.
    """
    target = Path(path).expanduser().resolve()
    text = json.dumps({"coterie": kind, "format": layout, "sha256": _digest(body), kind: body}, indent=1)
    try:
        half = target.with_name(f".{target.name}.new")
        half.write_text(text + "\n", "utf-8")
        half.replace(target)
    except OSError as error:
        raise StoreError(f"Cannot write {target}: {error.strerror or error}.") from error
    return target


def read(path: str | Path, kind: str, layout: int) -> dict[str, Any]:
    """Return what :func:`write` wrote.

    Parameters
    ----------
    path
        The file.
    kind
        What it has to be.
    layout
        The newest that can be read.

    Raises
    ------
    StoreError
        The file cannot be read, or was written by a newer coterie.
    IntegrityError
        It is something else, or was changed.
    """
    try:
        content = json.loads(Path(path).expanduser().read_bytes())
    except OSError as error:
        raise StoreError(f"Cannot read {path}: {error.strerror or error}.") from error
    except ValueError:
        content = None
    if not isinstance(content, dict) or content.get("coterie") != kind or not isinstance(content.get("format"), int):
        raise IntegrityError(f"{path} is not a saved {kind}.", hint="give the file that its save() wrote.")
    if content["format"] > layout:
        raise StoreError(
            f"{path} was written by a newer coterie: its format is {content['format']}, and this version reads formats "
            f"up to {layout}.",
            hint="pip install --upgrade coterie.",
        )
    body = content.get(kind)
    if not isinstance(body, dict) or _digest(body) != content.get("sha256"):
        raise IntegrityError(f"{path} was changed after it was saved.", hint="take the original, or save it again.")
    return body


def _digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
