"""What the verbs return: tables of features, and what is known of a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from coterie.errors import StoreError
from coterie.features.feature import Feature
from coterie.profiles.profile import Profile


@dataclass(frozen=True)
class FeatureTable:
    """Features of people at a moment.

    Parameters
    ----------
    table
        ``person``, ``as_of`` and one column a feature, in order of person. Any dataframe library reads it
        (``polars.from_arrow(result.table)``, ``result.table.to_pandas()``).
    features
        The definitions, in the order of the columns.
    as_of
        The moment whose past they describe, naive UTC.
    snapshot
        Fingerprint of definitions, people and data; equal fingerprints mean equal tables.
    reused
        True when the table was read back rather than computed.
    missing
        Features that could not be built, with what would bring them.
    refused
        How many persons may not be processed, by reason.
    """

    table: pa.Table
    features: tuple[Feature, ...]
    as_of: datetime
    snapshot: str
    reused: bool
    missing: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the features, in the order of the columns."""
        return tuple(feature.name for feature in self.features)

    def to_json(self) -> dict[str, Any]:
        """Return what the table is, without its rows."""
        return {
            "as_of": self.as_of.isoformat(),
            "people": self.table.num_rows,
            "features": list(self.columns),
            "missing": dict(self.missing),
            "refused": dict(self.refused),
            "snapshot": self.snapshot,
            "reused": self.reused,
        }

    def __repr__(self) -> str:
        return (
            f"FeatureTable({self.table.num_rows:,} people × {len(self.features)} features, "
            f"as of {self.as_of:%Y-%m-%d %H:%M} UTC)"
        )


@dataclass(frozen=True)
class Membership:
    """The segment that a person is in, by one segmentation.

    Parameters
    ----------
    segmentation
        The published feature, such as ``segment_kmeans``.
    segment
        Its name.
    model_id
        The registered model.
    as_of
        The moment whose past it describes, naive UTC.
    """

    segmentation: str
    segment: str
    model_id: str
    as_of: datetime


@dataclass(frozen=True)
class Person:
    """One person: what is known, and which segments they are in.

    Parameters
    ----------
    profile
        What the shop knows. Identifiers are counted, not shown.
    memberships
        The newest membership by each segmentation.
    """

    profile: Profile
    memberships: tuple[Membership, ...]

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        memberships = [{**asdict(one), "as_of": one.as_of.isoformat() + "Z"} for one in self.memberships]
        return {**self.profile.to_json(), "memberships": memberships}


def write_whole(path: str | Path, text: str) -> Path:
    """Write text to a file, in whole or not at all, and return where it lies."""
    target = Path(path).expanduser().resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        half = target.with_name(f".{target.name}.new")
        half.write_text(text, "utf-8")
        half.replace(target)
    except OSError as error:
        raise StoreError(f"Cannot write {target}: {error.strerror or error}.") from error
    return target
