"""What the verb ``follow`` returns: one model's segments through time, and whether they should be looked at again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from coterie.config import Config
from coterie.evaluation.drift import Drift
from coterie.evaluation.intervals import Estimate
from coterie.govern.privacy import shown, small
from coterie.report.summary import date
from coterie.segments.notebooks import of_following
from coterie.segments.time.alignment import Alignment
from coterie.segments.time.migration import Migration
from coterie.segments.time.redefinition import Change
from coterie.segments.time.review import Review


@dataclass(frozen=True)
class Moment:
    """A model's segments at one moment.

    Parameters
    ----------
    as_of
        The moment whose past they describe, naive UTC.
    sizes
        People in each segment, by id.
    values
        What they had spent together, in minor units, by id; empty where the shop has no such feature.
    shares
        Drift of the sizes since the model was made.
    features
        Drift of what the segments are made of since then.
    """

    as_of: datetime
    sizes: tuple[int, ...]
    values: tuple[int, ...]
    shares: Drift
    features: tuple[Drift, ...]

    @property
    def people(self) -> int:
        """How many people are in a segment."""
        return sum(self.sizes)


@dataclass(frozen=True)
class Remade:
    """Segments made anew at one moment, in the numbering of those before.

    Parameters
    ----------
    as_of
        The moment at which they were made, naive UTC.
    sizes
        People in each segment, by aligned id.
    alignment
        With the segments before, both at this moment.
    change
        What became of people's segments since the moment before; None at the first one.
    stayed
        The share of people known at both moments whose aligned segment is the same; None at the first one.
    unaligned
        The same by the numbers that the new segments came with.
    """

    as_of: datetime
    sizes: tuple[int, ...]
    alignment: Alignment
    change: Change | None
    stayed: Estimate | None
    unaligned: Estimate | None


@dataclass(frozen=True, repr=False)
class Following:
    """One model's segments at several moments.

    Parameters
    ----------
    config
        The shop's settings.
    method
        What made the segments, in words.
    model_id
        The registered model; it was not fitted again.
    made
        The moment whose past it was made of, naive UTC.
    names
        The segments, by id, as named when the model was made.
    moments
        Sizes, value and drift at each moment, in order of time.
    migrations
        Between each moment and the next: one fewer than moments.
    review
        Whether to look at the segments again, as of the last moment.
    members
        ``person, as_of, segment``, in order of moment and person.
    remade
        Segments made anew at each moment; empty unless asked for.
    margin
        How much nearer another segment had to be for a person to change; 0 takes the nearest.
    refused
        People left out at the last moment because they may not be processed, by reason.
    """

    config: Config
    method: str
    model_id: str
    made: datetime
    names: tuple[str, ...]
    moments: tuple[Moment, ...]
    migrations: tuple[Migration, ...]
    review: Review
    members: pa.Table
    remade: tuple[Remade, ...]
    margin: float
    refused: dict[str, int]

    @property
    def left_out(self) -> tuple[str, ...]:
        """How many people were left out because they may not be processed, and why, in words."""
        return tuple(f"{shown(count, self.config.minimum_group)} people: {why}" for why, count in self.refused.items())

    def told(self, sizes: tuple[int, ...]) -> tuple[int | None, ...]:
        """Return sizes of segments as they may be told: None for what is too small, or would tell another that is."""
        hidden = small(sizes, self.config.minimum_group)
        return tuple(None if hide else size for size, hide in zip(sizes, hidden, strict=True))

    def to_json(self) -> dict[str, Any]:
        """Return everything but the members, as JSON values; what is told of too small a group is nothing."""
        body = {
            "shop": self.config.name,
            "method": self.method,
            "model_id": self.model_id,
            "made": _stamp(self.made),
            "margin": self.margin,
            "currency": self.config.currency,
            "segments": list(self.names),
            "moments": [self._moment(one) for one in self.moments],
            "migrations": [
                {"from": _stamp(start.as_of), "until": _stamp(end.as_of), **self._migration(moved)}
                for start, end, moved in zip(self.moments, self.moments[1:], self.migrations, strict=False)
            ],
            "remade": [self._remade(one) for one in self.remade],
            "review": asdict(self.review),
            "left_out": list(self.left_out),
        }
        # NaN is no JSON: a figure that is not known is null
        plain: dict[str, Any] = json.loads(json.dumps(body, default=str), parse_constant=lambda _: None)
        return plain

    def _moment(self, moment: Moment) -> dict[str, Any]:
        sizes = self.told(moment.sizes)
        total = moment.people
        return {
            "as_of": _stamp(moment.as_of),
            "people": total if total >= self.config.minimum_group else None,
            "sizes": list(sizes),
            "shares": [None if size is None else size / total for size in sizes],
            "values": [
                None if size is None else value for size, value in zip(sizes, moment.values or sizes, strict=True)
            ] if moment.values else [],
            "drift_of_sizes": _coarse(moment.shares) if None in sizes else asdict(moment.shares),
            "drift_of_features": [asdict(one) for one in moment.features],
        }  # fmt: skip

    def _migration(self, moved: Migration) -> dict[str, Any]:
        """Return who went where; the long run only where all cells are told, from which it could be taken back."""
        hidden = moved.withheld(self.config.minimum_group)
        open_ = [not hide for row in hidden for hide in row]
        k = len(moved.names)

        def cell(value: Any, i: int, j: int) -> Any:
            return None if hidden[i][j] else value

        return {
            "counts": [[cell(moved.counts[i][j], i, j) for j in range(k)] for i in range(k)],
            "probabilities": [
                [cell(one and asdict(one), i, j) for j, one in enumerate(row)]
                for i, row in enumerate(moved.probabilities)
            ],
            "new": [cell(moved.entered[j], k, j) for j in range(k)],
            "gone": [cell(moved.left[i], i, k) for i in range(k)],
            "stayed": asdict(moved.stayed),
            "steady": [asdict(one) for one in moved.steady] if moved.steady and all(open_) else None,
            "caveat": moved.caveat,
        }

    def _remade(self, made: Remade) -> dict[str, Any]:
        sizes = self.told(made.sizes)
        body: dict[str, Any] = {
            "as_of": _stamp(made.as_of),
            "sizes": list(sizes),
            "continues": list(made.alignment.mapping),
            "jaccard": [_plain(one) for one in made.alignment.jaccard]
            if None in sizes
            else list(made.alignment.jaccard),
            "agreement": made.alignment.agreement,
            "stayed": made.stayed and asdict(made.stayed),
            "stayed_unaligned": made.unaligned and asdict(made.unaligned),
        }
        if (change := made.change) is not None:
            kinds = ("unmoved", "behaved", "redefined", "both", "returned")
            people = self.told(tuple(getattr(change, kind) for kind in kinds))
            body["people"] = dict(zip(kinds, people, strict=True))
            parts = {
                part: self.told(tuple(getattr(one, part) for one in change.segments))
                for part in ("before", "between", "after")
            }
            body["segments"] = [
                {"name": one.name, **{part: parts[part][place] for part in parts}}
                for place, one in enumerate(change.segments)
            ]
        return body

    def __repr__(self) -> str:
        minimum = self.config.minimum_group
        lines = [f"Following of {self.model_id} at {len(self.moments)} moments, {self.method}"]
        for number, moment in enumerate(self.moments):
            stayed = f", {self.migrations[number - 1].stayed.value:.0%} stayed" if number else ""
            lines.append(f"  {moment.as_of:%Y-%m-%d %H:%M} UTC  {shown(moment.people, minimum):>9} people{stayed}")
        return "\n".join([*lines, self.review.words])

    def _repr_html_(self) -> str:
        """Show sizes, who went where and the review inside a notebook."""
        return of_following(
            f"{self.config.name}: {self.method}, made of the past of {date(self.made, self.config.timezone)}",
            self.names,
            [date(moment.as_of, self.config.timezone, brief=True) for moment in self.moments],
            [self.told(moment.sizes) for moment in self.moments],
            self.migrations,
            self.review,
            self.config.minimum_group,
        )


def _coarse(drift: Drift) -> dict[str, Any]:
    """Return the drift of sizes of which some are withheld: in full, it would be an equation for them."""
    return {name: _plain(value) if isinstance(value, float) else value for name, value in asdict(drift).items()}


def _plain(value: float) -> float:
    return round(value, 1)


def _stamp(moment: datetime) -> str:
    return moment.isoformat() + "Z"
