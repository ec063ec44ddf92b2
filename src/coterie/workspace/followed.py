"""What the verb ``follow`` returns: one model's segments through time, and whether they should be looked at again."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import pyarrow as pa

from coterie.config import Config
from coterie.evaluation.drift import Drift
from coterie.evaluation.intervals import Estimate
from coterie.govern.privacy import shown, small
from coterie.report.summary import date
from coterie.segments.notebooks import of_following
from coterie.segments.suppression import in_steps, told_share
from coterie.segments.time.alignment import Alignment
from coterie.segments.time.migration import Migration, coarse
from coterie.segments.time.redefinition import Change
from coterie.segments.time.review import Review

_DIGITS = 2  # of a PSI: it is judged at .1 and .25


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
    dominated
        The segments of which that may not be told: one or two people made nearly all of it, or of its change since it
        could be told last.
    shares
        Drift of the sizes since the model was made.
    features
        Drift of what the segments are made of since then.
    """

    as_of: datetime
    sizes: tuple[int, ...]
    values: tuple[int, ...]
    dominated: tuple[int, ...]
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

    def stayed_told(self, minimum: int, *, aligned: bool = True) -> Estimate:
        """Return ``stayed``, or ``unaligned``, as it may be told, rounded as :meth:`Migration.stayed_told` does."""
        found = self.stayed if aligned else self.unaligned
        if found is None or self.change is None:
            return Estimate(math.nan, math.nan, math.nan)
        return coarse(found, self.change.people, minimum)


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
    sizes_then
        People in each segment when the model was made, by id, whom drift is measured from.
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
    sizes_then: tuple[int, ...]

    @property
    def left_out(self) -> tuple[str, ...]:
        """How many people were left out because they may not be processed, and why, in words."""
        return tuple(f"{shown(count, self.config.minimum_group)} people: {why}" for why, count in self.refused.items())

    def told(self, sizes: tuple[int, ...]) -> tuple[int | None, ...]:
        """Return sizes of segments as they may be told: None for what is too small, or would tell another that is."""
        hidden = small(sizes, self.config.minimum_group)
        return tuple(None if hide else size for size, hide in zip(sizes, hidden, strict=True))

    def drift_of_sizes(self, moment: Moment) -> Drift:
        """Return the drift of sizes as it may be told: to one digit where a size on one side may not be.

        In full it would be an equation for that size.
        """
        small_ = None in (*self.told(moment.sizes), *self.told(self.sizes_then))
        return _plain_drift(moment.shares, 1 if small_ else _DIGITS)

    def to_json(self) -> dict[str, Any]:
        """Return everything but the members, as JSON values, without anything that a small group follows from.

        Sizes, cells and sums of small groups are null, and so are some of larger ones that would give them away. Shares
        beside them are rounded to steps of ``minimum_group`` people, and are 1 (or 0) where fewer than that are missing
        (or there). A drift has two digits, or one.
        """
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
                None if size is None or segment in moment.dominated else value
                for segment, (size, value) in enumerate(zip(sizes, moment.values or sizes, strict=True))
            ] if moment.values else [],
            "drift_of_sizes": asdict(self.drift_of_sizes(moment)),
            "drift_of_features": [asdict(self._drift(one, total)) for one in moment.features],
        }  # fmt: skip

    def _drift(self, drift: Drift, people: int) -> Drift:
        """Return the drift of a feature without how few people lack it."""
        minimum = self.config.minimum_group
        before, after = (
            told_share(one, many, minimum)
            for one, many in zip(drift.missing, (sum(self.sizes_then), people), strict=True)
        )
        return replace(_plain_drift(drift, _DIGITS), missing=(before, after))

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
                [one and asdict(one) for one in row] for row in moved.probabilities_told(self.config.minimum_group)
            ],
            "new": [cell(moved.entered[j], k, j) for j in range(k)],
            "gone": [cell(moved.left[i], i, k) for i in range(k)],
            "stayed": asdict(moved.stayed_told(self.config.minimum_group)),
            "steady": [asdict(one) for one in moved.steady] if moved.steady and all(open_) else None,
            # why there is none may say that nobody went from here to there
            "caveat": moved.caveat if all(open_) else "Not told: some cells of the table are not.",
        }

    def _remade(self, made: Remade) -> dict[str, Any]:
        minimum = self.config.minimum_group
        sizes = self.told(made.sizes)
        body: dict[str, Any] = {
            "as_of": _stamp(made.as_of),
            "sizes": list(sizes),
            "continues": list(made.alignment.mapping),
            "jaccard": [
                in_steps(one, sizes[number] or 0, minimum)
                if number < len(sizes) and None not in sizes
                else round(one, 1)
                for one, number in zip(made.alignment.jaccard, made.alignment.renumbered, strict=True)
            ],
            "agreement": told_share(made.alignment.agreement, sum(made.sizes), minimum),
            "stayed": made.stayed and asdict(made.stayed_told(minimum)),
            "stayed_unaligned": made.unaligned and asdict(made.stayed_told(minimum, aligned=False)),
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
            stayed = f", {self.migrations[number - 1].stayed_told(minimum).value:.0%} stayed" if number else ""
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


def _plain_drift(drift: Drift, digits: int) -> Drift:
    """Return a drift with so many digits: in full, its two measures are equations for the people in two cells."""
    psi, js, chance = (round(one, digits) for one in (drift.psi, drift.js, drift.chance))
    return replace(drift, psi=psi, js=js, chance=chance)


def _stamp(moment: datetime) -> str:
    return moment.isoformat() + "Z"
