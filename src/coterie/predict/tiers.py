"""Value tiers: the few people who make most of the value, named, with the value where each tier begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from coterie.charts import numbers
from coterie.errors import DataError, IntegrityError, ParameterError, TooFewPeopleError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
By = Literal["people", "value"]
CUTS = (0.01, 0.05, 0.2, 0.5)


@dataclass(frozen=True)
class Tiers:
    """People in order of value, cut into tiers; tier 0 is the most valuable.

    A tier holds everybody whose value is at least its ``begins``, and who is in no higher tier: people of the same
    value are always in the same tier, whatever order they come in, so that a tier can hold more than its share. Who is
    worth nothing, or less, is in the last tier.

    Parameters
    ----------
    names
        One a tier, the most valuable first.
    begins
        The least value in each tier but the last, in minor units, none above the one before; that of the tier before
        where all who would be in a tier are worth the same as somebody in it, infinite where nobody is worth anything.
    """

    names: tuple[str, ...]
    begins: tuple[float, ...]

    @classmethod
    def of(
        cls,
        value: npt.ArrayLike,
        *,
        cuts: Sequence[float] = CUTS,
        by: By = "people",
        names: Sequence[str] | None = None,
    ) -> Self:
        """Learn where the tiers begin from the values of people.

        Parameters
        ----------
        value
            What each person is worth, such as ``CustomerValue``'s expected value, in minor units: shape (people,).
        cuts
            Where tiers end, as rising shares in (0, 1); the last tier holds the rest. Of few people, a tier holds at
            least one: the share is rounded up.
        by
            ``"people"``: the top 1 % of people, the next 4 % …; ``"value"``: the people who make the first half of
            all value, those who make the next …
        names
            One more than cuts; None names tiers by their cuts.

        Raises
        ------
        ParameterError
            Cuts do not rise within (0, 1), or names do not fit them.
        DataError
            Somebody's value is no number.
        TooFewPeopleError
            There is nobody.

        Examples
        --------
        >>> tiers = Tiers.of([900, 50, 20, 20, 10], cuts=(0.2, 0.6))
        >>> tiers.names, tiers.begins, tiers.assign([900, 20, 19]).tolist()
        (('top 20%', 'next 40%', 'last 40%'), (900.0, 20.0), [0, 1, 2])
        """
        shares = tuple(float(cut) for cut in cuts)
        if not shares or not all(0 < one < 1 for one in shares) or any(np.diff(shares) <= 0):
            raise ParameterError.of("Tiers", "cuts", tuple(cuts), "rising shares between 0 and 1")
        if by not in ("people", "value"):
            raise ParameterError.of("Tiers", "by", by, "'people' or 'value'")
        called = _named(shares, by) if names is None else tuple(names)
        if len(called) != len(shares) + 1 or len(set(called)) < len(called):
            raise ParameterError.of("Tiers", "names", called, f"{len(shares) + 1} different names, one more than cuts")
        falling = np.sort(_known(value))[::-1]
        worth = falling[falling > 0]
        if by == "people":
            # a product such as .07 x 100 is a hair above 7: that is no eighth person
            last = [max(int(np.ceil(round(cut * len(falling), 9))), 1) - 1 for cut in shares]
        else:
            whole = np.cumsum(worth)
            last = [int(np.searchsorted(whole, cut * whole[-1])) if len(worth) else 0 for cut in shares]
        ends = [float(worth[min(one, len(worth) - 1)]) if len(worth) else float("inf") for one in last]
        return cls(called, tuple(ends))

    def assign(self, value: npt.ArrayLike) -> Ints:
        """Return each person's tier, 0 for the most valuable: shape (people,).

        Raises
        ------
        DataError
            Somebody's value is no number.
        TooFewPeopleError
            There is nobody.
        """
        known = _known(value)
        rising = np.array(self.begins[::-1])
        tier = len(rising) - np.searchsorted(rising, known, side="right")
        return np.where(known > 0, tier, len(rising)).astype(np.int64)

    def table(self, value: npt.ArrayLike, at_risk: npt.ArrayLike | None = None) -> pa.Table:
        """Return one row a tier, empty ones too: ``totals`` beside ``begins``, and value cumulated from the top."""
        table = totals(self.assign(value), value, at_risk, names=self.names).rename_columns({"group": "tier"})
        least = pa.array([one if np.isfinite(one) else None for one in self.begins] + [None], pa.float64())
        cumulated = np.cumsum(table["value_share"].to_numpy())
        return table.append_column("begins", least).append_column("cumulative_value_share", pa.array(cumulated))

    def to_json(self) -> dict[str, Any]:
        """Return the tiers as plain JSON values; ``from_json`` reads them back."""
        begins = [one if np.isfinite(one) else None for one in self.begins]
        return {"kind": "Tiers", "version": 1, "names": list(self.names), "begins": begins}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """Return the tiers that ``to_json`` wrote.

        Raises
        ------
        IntegrityError
            It is not what ``to_json`` wrote.
        """
        try:
            begins = tuple(float("inf") if one is None else float(one) for one in body["begins"])
            names = tuple(str(one) for one in body["names"])
            sound = body["kind"] == "Tiers" and body["version"] == 1 and 1 <= len(begins) == len(names) - 1
        except (KeyError, TypeError, ValueError):
            sound = False
        if not sound or not all(high >= low > 0 for high, low in zip(begins, (*begins[1:], begins[-1]), strict=True)):
            raise IntegrityError("These are no stored Tiers.", hint="learn them anew: Tiers.of(value).")
        return cls(names, begins)


def value_at_risk(value: npt.ArrayLike, active: npt.ArrayLike) -> Floats:
    """Return how much of the value that is counted on may well not come: shape (people,).

    Value times the chance of no order at all in the horizon. Expected value is already low for people who are as good
    as gone, so that a high figure means a valuable person in doubt: near 0 both for those who are sure to come (there
    is nothing to save) and for those who are lost (little is left to lose), largest, of people who would be worth the
    same if they came, where the odds are even. It is no loss expected on top of the expected value.

    Parameters
    ----------
    value
        Expected value in the horizon, in minor units: shape (people,).
    active
        The probability of at least one order in the same horizon: shape (people,).

    >>> value_at_risk([1000, 1000, 0], [1.0, 0.75, 0.0]).tolist()
    [0.0, 250.0, 0.0]
    """
    worth, chance = _known(value), _known(active)
    if worth.shape != chance.shape:
        raise ParameterError.of("value_at_risk", "active", chance.shape, f"of shape {worth.shape}")
    if ((chance < 0) | (chance > 1)).any():
        raise ParameterError.of("value_at_risk", "active", "numbers outside", "probabilities between 0 and 1")
    return worth * (1 - chance)


def totals(
    group: npt.ArrayLike,
    value: npt.ArrayLike,
    at_risk: npt.ArrayLike | None = None,
    *,
    names: Sequence[str] | None = None,
) -> pa.Table:
    """Return what groups of people, tiers or segments, are worth together.

    Parameters
    ----------
    group
        The group of each person, 0 …: shape (people,).
    value, at_risk
        In minor units: shape (people,).
    names
        One a group; None numbers them, up to the last that holds somebody.

    Returns
    -------
    Of each group, the empty ones too: ``group`` (its name), ``people``, ``people_share``, ``value``, ``value_share``
    (0 where all are worth nothing), ``value_mean`` (missing of an empty group), and ``at_risk`` if it is given.
    """
    worth, place = _known(value), np.asarray(group)
    if place.shape != worth.shape or place.dtype.kind not in "iu" or (place < 0).any():
        raise ParameterError.of("totals", "group", f"{place.dtype} of shape {place.shape}", "numbers 0 …, one a person")
    called = tuple(names) if names is not None else tuple(str(one) for one in range(int(place.max()) + 1))
    if int(place.max()) >= len(called):
        raise ParameterError.of("totals", "names", called, f"at least {int(place.max()) + 1} names")
    people = np.bincount(place, minlength=len(called))
    summed = np.bincount(place, weights=worth, minlength=len(called))
    whole = float(summed.sum())
    columns = {
        "group": pa.array(called, pa.string()),
        "people": pa.array(people, pa.int64()),
        "people_share": pa.array(people / len(worth)),
        "value": pa.array(summed),
        "value_share": pa.array(summed / whole if whole else np.zeros(len(called))),
        "value_mean": pa.array(summed / np.maximum(people, 1), mask=people == 0),
    }
    if at_risk is not None:
        doubt = _known(at_risk)
        if doubt.shape != worth.shape:
            raise ParameterError.of("totals", "at_risk", doubt.shape, f"of shape {worth.shape}")
        columns["at_risk"] = pa.array(np.bincount(place, weights=doubt, minlength=len(called)))
    return pa.table(columns)


def lorenz(value: npt.ArrayLike, points: int = 101) -> pa.Table:
    """Return how much of all value the most valuable shares of people make: ``people_share``, ``value_share``.

    From the top, as tiers are: (.2, .8) reads "a fifth of the people makes four fifths of the value". Values below 0
    count as 0. All shares of value are those of people where nobody is worth anything.
    """
    if points < 2:
        raise ParameterError.of("lorenz", "points", points, "a whole number of at least 2")
    falling = np.sort(np.maximum(_known(value), 0))[::-1]
    whole = np.concatenate([[0.0], np.cumsum(falling)])
    shares = np.linspace(0, 1, points)
    part = np.interp(shares * len(falling), np.arange(len(whole)), whole)
    return pa.table({"people_share": shares, "value_share": part / whole[-1] if whole[-1] > 0 else shares})


def concentration(value: npt.ArrayLike) -> float:
    """Return the Gini coefficient of values: 0 when all are worth the same, near 1 when one makes everything.

    Values below 0 count as 0; 0 where nobody is worth anything.

    References
    ----------
    Gini (1912), Variabilità e mutabilità; the formula by ranks is that of Dixon et al. (1987), uncorrected.

    >>> concentration([5, 5, 5]), concentration([0, 0, 0, 8])
    (0.0, 0.75)
    """
    rising = np.sort(np.maximum(_known(value), 0))
    whole, count = float(rising.sum()), len(rising)
    return float((2 * np.arange(1, count + 1) - count - 1) @ rising) / (count * whole) if whole else 0.0


def _named(shares: tuple[float, ...], by: By) -> tuple[str, ...]:
    """Return names such as "top 1%", "next 4%", "last 50%"."""
    of = "" if by == "people" else " of value"
    widths = np.round(np.diff([0.0, *shares, 1.0]), 12)
    words = ["top", *["next"] * (len(shares) - 1), "last"]
    named = [f"{word} {numbers.share(width)}{of}" for word, width in zip(words, widths, strict=True)]
    if len(set(named)) == len(named):
        return tuple(named)
    ends = [f"up to {numbers.share(cut)}{of}" for cut in shares]  # "next 5%" twice says nothing
    named = [*ends, f"last {numbers.share(widths[-1])}{of}"]
    return tuple(named) if len(set(named)) == len(named) else tuple(f"tier {one + 1}" for one in range(len(named)))


def _known(values: npt.ArrayLike) -> Floats:
    """Return values as floats, refusing what is no number: no tier would be right for it."""
    known = np.asarray(values, dtype=np.float64)
    if known.ndim != 1:
        raise ParameterError.of("Tiers", "value", f"an array of shape {known.shape}", "of shape (people,)")
    if not len(known):
        raise TooFewPeopleError.of("A table of tiers", 1, 0)
    if lost := int(len(known) - np.isfinite(known).sum()):
        raise DataError(
            f"Tiers: the value is no number for {lost:,} of {len(known):,} people.",
            hint="give 0 to people who are worth nothing, and leave out those who cannot be valued.",
        )
    return known
