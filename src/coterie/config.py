"""A shop's settings: ``shop.toml`` in its folder, and the places outside it."""

from __future__ import annotations

import json
import os
import re
import tomllib
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from coterie.errors import ConfigError, ParameterError, ShopNotFoundError, StoreError

FILE = "shop.toml"
LAYOUT = 2
"""Which tables and columns a shop has: those of this version of coterie. Older ones are migrated when opened."""

# ISO 4217 minor units where they are not 2 (source: ISO 4217 list one).
_NO_DECIMALS = ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF")
_THREE_DECIMALS = ("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND")
EXPONENTS = {**dict.fromkeys((*_NO_DECIMALS, "XOF", "XPF"), 0), **dict.fromkeys(_THREE_DECIMALS, 3)}


def minor_units(currency: str) -> int:
    """Return the number of decimal places of an ISO 4217 currency.

    >>> minor_units("USD"), minor_units("JPY"), minor_units("KWD")
    (2, 0, 3)
    """
    return EXPONENTS.get(currency, 2)


@dataclass(frozen=True)
class Config:
    """What a shop has decided once.

    Parameters
    ----------
    name
        The shop's name, shown in reports.
    shop_id
        Random, made at creation; names the key of the vault.
    currency
        ISO 4217 code that amounts are kept in.
    timezone
        IANA name; days, weekdays and hours are the shop's local ones.
    minimum_group
        No group smaller than this leaves the shop or is shown with its size.
    layout
        Which tables and columns the shop has; written by coterie alone, and 1 where the file does not say.
    """

    name: str
    shop_id: str
    currency: str = "USD"
    timezone: str = "UTC"
    minimum_group: int = 50
    layout: int = LAYOUT

    def __post_init__(self) -> None:
        """Refuse settings that would only fail later."""
        for name in ("name", "shop_id", "currency", "timezone"):
            if not isinstance(value := getattr(self, name), str):
                raise ConfigError(f"{name} must be text, got {value!r}.", hint=f'for example {name} = "{value}".')
        if not re.fullmatch(r"[A-Z]{3}", self.currency):
            raise ConfigError(
                f"currency must be an ISO 4217 code of three capital letters, got {self.currency!r}.",
                hint='for example currency = "EUR".',
            )
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ConfigError(
                f"timezone must be an IANA name, got {self.timezone!r}.", hint='for example timezone = "Europe/Berlin".'
            ) from error
        if not isinstance(self.minimum_group, int) or self.minimum_group < 1:
            raise ConfigError(f"minimum_group must be a whole number of at least 1, got {self.minimum_group!r}.")

    @classmethod
    def load(cls, folder: Path) -> Config:
        """Read the settings of the shop in ``folder``."""
        path = folder / FILE
        if not path.is_file():
            raise ShopNotFoundError(f"There is no shop in {folder}.", hint=f"create one: coterie init --shop {folder}")
        try:
            values = tomllib.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(f"Cannot read {path}: {error}.") from error
        layout = values.setdefault("layout", 1)
        if not isinstance(layout, int) or layout < 1:
            raise ConfigError(f"{path}: layout must be a whole number of at least 1, got {layout!r}.")
        if layout > LAYOUT:
            raise StoreError(
                f"The shop in {folder} was written by a newer coterie: its layout is {layout}, and this version knows "
                f"layouts up to {LAYOUT}.",
                hint="pip install --upgrade coterie.",
            )
        allowed = set(cls.__dataclass_fields__)
        if unknown := sorted(set(values) - allowed):
            raise ConfigError(
                f"{path} has unknown settings {', '.join(unknown)}; allowed are {', '.join(sorted(allowed))}."
            )
        if lost := [name for name in ("name", "shop_id") if name not in values]:
            raise ConfigError(f"{path} lacks {' and '.join(lost)}.", hint="restore the file from a backup.")
        return cls(**values)

    def moment(self, value: str | date | datetime) -> datetime:
        """Return a moment as naive UTC.

        A date means the start of that day in the shop's time zone; a time with an offset is converted; a time without
        one is UTC already, as all stored times are.

        >>> Config(name="x", shop_id="0", timezone="America/New_York").moment("2017-09-01")
        datetime.datetime(2017, 9, 1, 4, 0)
        """
        if isinstance(value, str):
            try:
                value = date.fromisoformat(value) if len(value) == 10 else datetime.fromisoformat(value)
            except ValueError as error:
                raise ParameterError(
                    f"{value!r} is not a date or a time.", hint="write 2017-09-01 or 2017-09-01T12:00:00+02:00."
                ) from error
        if not isinstance(value, datetime):
            value = datetime.combine(value, time(), ZoneInfo(self.timezone))
        return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value

    def save(self, folder: Path) -> None:
        """Write the settings into ``folder``; a reader sees the old file or the new one, never half of one."""
        lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in asdict(self).items()]
        temporary = folder / f".{FILE}.new"
        with temporary.open("w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(folder / FILE)


def key_folder() -> Path:
    """Return the folder that keeps vault keys: outside every shop, so that a copied shop is not a readable one."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "coterie" / "keys"
