"""What the verbs return: tables of features, and what is known of a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from coterie.errors import StoreError
from coterie.features.combination import Declared
from coterie.features.outcome import Outcome
from coterie.profiles.profile import Profile
from coterie.schema import Purpose

if TYPE_CHECKING:
    import narwhals as nw


@dataclass(frozen=True, repr=False)
class FeatureTable:
    """Features of people (or of products, categories, pairs) at moments, with outcomes beside them where asked for.

    Parameters
    ----------
    table
        Whom or what (``person``), ``as_of``, and one column a feature and an outcome, as Arrow: in order of person and
        moment, or of the spine that was given.
    features
        The definitions, in the order of the columns.
    outcomes
        The labels, whose columns come last.
    snapshot
        Fingerprint of definitions, rows and data; equal fingerprints mean equal tables.
    reused
        True when the table was read back rather than computed.
    missing
        Features that could not be built, with what would bring them.
    refused
        What was left out because it may not be processed, by reason: rows where a spine was given, else persons.
    given
        The rows of the spine that was given, where one was, without those that were left out.
    purpose
        What it was built for: whose data are in it.
    """

    table: pa.Table
    features: tuple[Declared, ...]
    outcomes: tuple[Outcome, ...] = ()
    snapshot: str = ""
    reused: bool = False
    missing: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)
    given: nw.DataFrame[Any] | None = None
    purpose: str = Purpose.SEGMENTATION

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the features, in the order of the columns."""
        return tuple(feature.name for feature in self.features)

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the outcomes, in the order of the columns."""
        return tuple(outcome.name for outcome in self.outcomes)

    @property
    def units(self) -> dict[str, str]:
        """The unit of each feature by name, as :class:`coterie.Matrix` takes them."""
        return {feature.name: feature.unit for feature in self.features}

    @property
    def as_of(self) -> datetime:
        """The moment whose past the table describes, naive UTC; the latest, where there are several."""
        latest: datetime = pc.max(self.table["as_of"]).as_py()
        return latest

    def frame(self, kind: str | None = None) -> Any:
        """Return the table as a dataframe: of a kind that is asked for, or as the spine was.

        Rows of a spine keep their order, their other columns and (in pandas) their index; ``person``, ``as_of`` where
        it was no column, features and outcomes come after these.

        Parameters
        ----------
        kind
            ``"pandas"``, ``"polars"``, ``"pyarrow"``, ``"modin"`` or ``"cudf"``; None is the spine's kind, and Arrow
            where there was none.

        Raises
        ------
        ParameterError
            There is no such kind, or it is not installed.
        """
        from coterie.features.frames import beside, converted, shaped  # brings narwhals

        if self.given is None:
            return shaped(self.table, kind or "pyarrow").to_native()
        given = self.given if kind is None else converted(self.given, kind)
        known = [name for name in self.table.column_names if name in given.columns]
        return beside(given, self.table.drop_columns(known)).to_native()

    def to_json(self) -> dict[str, Any]:
        """Return what the table is, without its rows."""
        return {
            "as_of": self.as_of.isoformat(),
            "moments": pc.count_distinct(self.table["as_of"]).as_py(),
            "rows": self.table.num_rows,
            "people": self._people,
            "features": list(self.columns),
            "outcomes": list(self.labels),
            "missing": dict(self.missing),
            "refused": dict(self.refused),
            "snapshot": self.snapshot,
            "reused": self.reused,
        }

    @property
    def _people(self) -> int | None:
        """How many persons there are rows of; None where the table is not about persons."""
        if "person" not in self.table.column_names:
            return None
        found: int = pc.count_distinct(self.table["person"]).as_py()
        return found

    def __repr__(self) -> str:
        rows = self.table.num_rows
        of = f"{rows:,} people" if self._people == rows else f"{rows:,} rows"
        what = f"{len(self.features)} features" + (f" and outcomes {', '.join(self.labels)}" if self.outcomes else "")
        return f"FeatureTable({of} × {what}, as of {self.as_of:%Y-%m-%d %H:%M} UTC)"


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
class Score:
    """What was predicted of a person, by one model.

    Parameters
    ----------
    feature
        The published feature, such as ``lifetime_value_365d`` (money in minor units) or ``advice``.
    value
        A number or a text; None where the model could not say.
    model_id
        The registered model.
    as_of
        The moment whose past it is predicted from, naive UTC.
    """

    feature: str
    value: float | str | None
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
    scores
        The newest of everything else that was published of the person.
    """

    profile: Profile
    memberships: tuple[Membership, ...]
    scores: tuple[Score, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        memberships = [{**asdict(one), "as_of": one.as_of.isoformat() + "Z"} for one in self.memberships]
        scores = [{**asdict(one), "as_of": one.as_of.isoformat() + "Z"} for one in self.scores]
        return {**self.profile.to_json(), "memberships": memberships, "scores": scores}


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


def local_day(moment: datetime, timezone: str) -> str:
    """Write a moment (naive UTC) as a command takes it: as a day where one begins then in the zone, else as a time.

    >>> local_day(datetime(2017, 5, 31, 4), "America/New_York"), local_day(datetime(2017, 5, 31, 4, 30), "UTC")
    ('2017-05-31', '2017-05-31T04:30:00Z')
    """
    local = moment.replace(tzinfo=UTC).astimezone(ZoneInfo(timezone))
    return f"{local:%Y-%m-%d}" if f"{local:%H%M%S}" == "000000" else f"{moment:%Y-%m-%dT%H:%M:%S}Z"
