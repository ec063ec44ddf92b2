"""Who people are, as far as they have said: traits."""

from __future__ import annotations

from coterie.features.aggregation import Aggregation
from coterie.features.combination import Declared
from coterie.features.feature import TRAIT, Feature
from coterie.features.rule import Compare


def trait(name: str, title: str = "", meaning: str = "") -> Feature:
    """Return the feature that is the last known value of a trait.

    >>> trait("kids").name, trait("kids").unit
    ('kids', 'text')
    """
    shown = title or name.replace("_", " ").capitalize()
    return Feature(
        name, TRAIT, Aggregation("last"), "value", where=Compare("trait", "=", name), unit="text",
        title=shown, meaning=meaning or f"The last known value of the trait {name}.",
    )  # fmt: skip


DEMOGRAPHICS: tuple[Declared, ...] = (
    trait("age"), trait("age_band"), trait("gender"), trait("income"), trait("education"), trait("home_ownership"),
    trait("marital_status"), trait("household_size"), trait("household_comp", "Household"),
    trait("kids_count", "Kids"), trait("country"), trait("region"), trait("city"),
)  # fmt: skip
