"""Names for segments: fixed words chosen by what is true of the segment beside everybody, never the same name twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, combinations, count

# feature → (word when higher, word when lower); the order breaks ties of strength
_WORDS: dict[str, tuple[str, str]] = {
    "basket_value": ("big-basket", "small-basket"),
    "discount_share": ("bargain-minded", "full-price"),
    "coupons_365d": ("coupon-using", ""),
    "categories": ("all-round", "few-aisle"),
    "top_category_share": ("one-aisle", "many-aisle"),
    "weekend_share": ("weekend", "weekday"),
    "morning_share": ("morning", ""),
    "evening_share": ("evening", ""),
    "night_share": ("night-time", ""),
    "basket_lines": ("full-trolley", "few-item"),
    "tenure_days": ("long-standing", "newer"),
    "category_entropy": ("varied", "focused"),
    "gap_std_days": ("irregular", "clockwork"),
    "private_label_share": ("own-brand", "name-brand"),
    "products": ("wide-range", "narrow-range"),
    "web_share": ("online", ""),
    "store_share": ("in-store", ""),
    "app_share": ("app-using", ""),
    "phone_share": ("phoning", ""),
    "refunded_share": ("often-refunded", "seldom-refunded"),
    "site_days_90d": ("much-browsing", "little-browsing"),
    "searches_90d": ("searching", ""),
    "cart_abandonment_90d": ("cart-leaving", "cart-keeping"),
    "email_open_rate": ("mail-reading", "mail-ignoring"),
    "email_click_rate": ("mail-clicking", ""),
    "spend": ("high-spend", "low-spend"),
    "orders": ("frequent", "infrequent"),
    "gap_mean_days": ("slow-paced", "quick-paced"),
    "active_days": ("often-seen", "seldom-seen"),
}
_ALSO_SAID = {  # what a word of the stem says already, so that no name says it twice
    "regulars": ("orders", "active_days", "gap_mean_days"),
    "occasional": ("orders", "active_days", "gap_mean_days"),
    "light": ("orders", "active_days", "gap_mean_days", "basket_value", "spend", "basket_lines"),
    "one-time buyers": ("orders", "active_days", "gap_mean_days", "gap_std_days", "categories", "products", "spend"),
    "top": ("spend",),
    "loyal": ("spend",),
    "devoted": ("spend",),
    "big-spending": ("spend",),
    "small-spending": ("spend",),
    "big-basket": ("basket_value", "basket_lines"),
    "small-basket": ("basket_value", "basket_lines"),
    "new": ("tenure_days",),
}
Stem = tuple[tuple[str, ...], str]  # the words before, and the noun
_STRIKING = 0.45  # baskets that far from everybody's are in the name
_TRUE = 0.2  # a word is used where the segment is at least so many standard deviations from everybody

_VALUE = ("spend", "spend_365d", "spend_90d")
_OFTEN = ("orders", "orders_365d", "orders_90d", "active_days")


def distinct_names(
    effects: Sequence[Mapping[str, float]],
    typical: Sequence[Mapping[str, float]],
    base: Mapping[str, float],
) -> list[str]:
    """Name segments, each unlike the others.

    A name says how lately people came or what they are worth, how often they come, and what is striking in their
    baskets; where two would be named alike, it adds the words that are true of the segment and set it furthest apart
    from its namesakes, and at last a number.

    Parameters
    ----------
    effects
        For each segment, feature → distance of its mean from everybody's in standard deviations.
    typical
        For each segment, feature → its median.
    base
        Feature → everybody's median.
    """
    stems = [stem_of(one, middle, base) for one, middle in zip(effects, typical, strict=True)]
    names = [""] * len(stems)
    taken: set[str] = set()
    for stem in sorted(set(stems)):
        same = [place for place, other in enumerate(stems) if other == stem]
        for place in same:
            namesakes = [effects[other] for other in same if other != place]
            candidates = [_joined(stem, words) for words in _choices(effects[place], namesakes, stem)]
            numbered = (f"{candidates[0]} ({number})" for number in count(2))
            names[place] = next(name for name in chain(candidates, numbered) if name not in taken)
            taken.add(names[place])
    return names


def stem_of(effects: Mapping[str, float], typical: Mapping[str, float], base: Mapping[str, float]) -> Stem:
    """Return the words before and the noun of a name by purchases; both only say what the figures say."""
    often, worth = _mean(effects, _OFTEN), _mean(effects, _VALUE)
    away, age = effects.get("recency_days", 0.0), effects.get("tenure_days", 0.0)
    basket = effects.get("basket_value", 0.0)
    longer = typical.get("recency_days", 0.0) > base.get("recency_days", 0.0)
    before: list[str] = []
    if not any(feature in effects for feature in (*_OFTEN, *_VALUE, "recency_days")):
        return (), "people"  # nothing is known that could be said
    if away >= 0.6 and longer:
        before.append("lapsed" if away >= 1.5 else "lapsing")
    elif age <= -1.0:
        before.append("new")
    elif often >= 0.5 and worth >= 0.5:
        before.append("top" if worth >= 1.25 else "devoted" if often >= 1.0 else "loyal")
    elif often >= 0.5:
        before.append("busy")
    elif worth >= 0.5 and basket < _STRIKING:
        before.append("big-spending")
    elif worth <= -1.0 and basket > -_STRIKING:
        before.append("small-spending")
    if typical.get("orders") == 1:
        return (*before,), "one-time buyers"
    fresh = "new" in before  # who has just come, or has gone, had no time to come often: that is said already
    if often <= -0.5 and basket <= -_STRIKING and not fresh:
        return (*(word for word in before if word != "small-spending"), "light"), "shoppers"
    striking = abs(basket) >= _STRIKING
    if often <= -0.5 and not (before and striking):
        before.append("occasional")
    elif not before:
        before.append("steady" if abs(often) < 0.35 and abs(away) < 0.35 else "active" if away < 0 else "casual")
    if striking:
        before.append("big-basket" if basket > 0 else "small-basket")
    return (*before,), "regulars" if often >= 0.5 else "shoppers"


def _choices(
    effects: Mapping[str, float], namesakes: Sequence[Mapping[str, float]], stem: Stem
) -> list[tuple[str, ...]]:
    """Return word lists to try in turn: none where nobody else has the name, else the most telling true ones."""
    if not namesakes:
        return [()]
    known = {feature for word in (*stem[0], stem[1]) for feature in _ALSO_SAID.get(word, ())}
    apart: list[tuple[bool, float, int, str]] = []
    for order, (feature, (higher, lower)) in enumerate(_WORDS.items()):
        effect = effects.get(feature, 0.0)
        gap = effect - sum(other.get(feature, 0.0) for other in namesakes) / len(namesakes)
        word = higher if effect > 0 else lower
        if abs(effect) >= _TRUE and word and word not in stem[0] and gap * effect > 0:
            apart.append((feature in known, -round(abs(gap), 6), order, word))
    words = [word for *_, word in sorted(apart)]
    return [*((word,) for word in words), *combinations(words[:6], 2), ()]


def _joined(stem: Stem, words: tuple[str, ...]) -> str:
    name = " ".join([*stem[0], *words, stem[1]])
    return name[0].upper() + name[1:]


def _mean(effects: Mapping[str, float], features: Sequence[str]) -> float:
    there = [effects[feature] for feature in features if feature in effects]
    return sum(there) / len(there) if there else 0.0
