"""Combinations: features made of the values of two others, worked out when these are read, in both planes alike."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from coterie.errors import ParameterError
from coterie.features.feature import Feature, check_name
from coterie.features.outcome import Outcome

OPERATIONS = {
    "ratio": ("share", "number", "money"),
    "remainder": ("share",),
    "difference": ("money", "count", "number", "days"),
}


@dataclass(frozen=True)
class Combination:
    """A feature made of two others of the same owner.

    ==============  ===============================================  ================================================
    operation       value                                            missing
    ==============  ===============================================  ================================================
    ratio           left / right                                     when either is missing, or right is 0
    remainder       1 - left / right                                 as for ratio
    difference      left - right                                     when left is missing; a missing right counts as 0
    ==============  ===============================================  ================================================

    ``otherwise`` says what a missing left counts as, where that is known: no refund is a refund of 0. Money stays
    in whole minor units: a ratio of unit money is rounded to the nearest, halves away from zero.

    Parameters
    ----------
    name
        Snake case; the column's name.
    operation
        One of the table above.
    left, right
        Features of numbers; their own names do not matter, and they need not be asked for besides.
    unit
        ``share``, ``number``, ``money``, ``count`` or ``days``; of a difference that of both parts.
    title
        A short name for people.
    meaning
        One sentence.
    otherwise
        What a missing left counts as; None leaves the value missing.

    Raises
    ------
    ParameterError
        The parts do not fit each other; the text says which.

    Examples
    --------
    >>> from coterie.features.catalog import CATALOG
    >>> made = Combination("orders_per_day", "ratio", CATALOG["orders"], CATALOG["active_days"], "number")
    >>> Combination.from_json(made.to_json()) == made
    True
    """

    name: str
    operation: str
    left: Feature
    right: Feature
    unit: str = "share"
    title: str = ""
    meaning: str = ""
    otherwise: int | None = None

    future: ClassVar[bool] = False
    empty: ClassVar[None] = None

    def __post_init__(self) -> None:
        """Refuse parts that do not fit each other."""
        check_name(self.name)
        owner = f"Feature {self.name}"
        if self.operation not in OPERATIONS:
            raise ParameterError.of(owner, "operation", self.operation, f"one of {', '.join(OPERATIONS)}")
        allowed = OPERATIONS[self.operation]
        if self.unit not in allowed:
            raise ParameterError.of(owner, "unit", self.unit, f"one of {', '.join(allowed)} for {self.operation}")
        for part in (self.left, self.right):
            if not isinstance(part, Feature) or isinstance(part, Outcome):
                raise ParameterError.of(owner, "a part", type(part).__name__, "a plain feature")
            if part.unit == "text":
                raise ParameterError.of(owner, "a part", f"{part.name}, which is text", "a feature of numbers")
        if self.left.per != self.right.per:
            raise ParameterError.of(
                owner, "parts", f"{self.left.per} and {self.right.per}", "about the same (per) on both sides"
            )
        if self.operation == "difference" and {self.left.unit, self.right.unit} != {self.unit}:
            given = f"{self.unit} for {self.left.unit} less {self.right.unit}"
            raise ParameterError.of(owner, "unit", given, "that of its parts, one for both")

    @property
    def per(self) -> str:
        """Whom or what the feature is about: as its parts."""
        return self.left.per

    @property
    def owner(self) -> tuple[str, ...]:
        """The columns that name, in a spine, whom or what the feature is about."""
        return self.left.owner

    @property
    def parts(self) -> tuple[Feature, Feature]:
        """Both parts."""
        return self.left, self.right

    def to_json(self) -> dict[str, Any]:
        """Return the definition as plain JSON values; ``from_json`` reads it back."""
        return {
            "name": self.name,
            "operation": self.operation,
            "left": self.left.to_json(),
            "right": self.right.to_json(),
            "unit": self.unit,
            "title": self.title,
            "meaning": self.meaning,
            "otherwise": self.otherwise,
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Combination:
        """Return the definition that ``to_json`` wrote."""
        return cls(**{**body, "left": Feature.from_json(body["left"]), "right": Feature.from_json(body["right"])})

    @property
    def fingerprint(self) -> str:
        """SHA-256, in hexadecimal, of all that changes the value; names and words do not."""
        content = {
            "operation": self.operation,
            "left": self.left.fingerprint,
            "right": self.right.fingerprint,
            "unit": self.unit,
            "otherwise": self.otherwise,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


Declared = Feature | Combination


def parts_of(features: list[Declared] | tuple[Declared, ...]) -> dict[str, Feature]:
    """Return the plain features that are needed for all of these, once each, by fingerprint.

    Of features with the same fingerprint one stands for all. Its name is made of the fingerprint, so that no two parts
    of different features clash.
    """
    needed: dict[str, Feature] = {}
    for feature in features:
        for part in feature.parts if isinstance(feature, Combination) else (feature,):
            needed.setdefault(part.fingerprint, replace(part, name=f"f{part.fingerprint[:16]}"))
    return needed
