"""Names by what a view sees: levels of text, engagement, purchases, or those of them that set a segment apart most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, combinations, count

from coterie.segments.view import DEMOGRAPHICS, ENGAGEMENT, VALUE
from coterie.segments.words.levels import CLEAR, Level
from coterie.segments.words.naming import Stem, distinct_names, stem_of

_WORDS = 5  # in a name
_STRONG = 1.0  # standard deviations from which what is no purchase is named beside purchases
# traits told in numbers: the word when higher, the word when lower, where it stands
_TRAITS = {
    "age": ("older", "younger", "before"),
    "income": ("higher-income", "lower-income", "before"),
    "household_size": ("in larger households", "in smaller households", "after"),
    "kids_count": ("with more kids", "with fewer kids", "after"),
}
# features, the noun, the word before another noun
_FAMILIES: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        (
            "site_days_30d", "site_days_90d", "page_views_30d", "page_views_90d", "product_views_30d",
            "product_views_90d", "viewed_categories_30d",
        ),
        "site visitors",
        "much-browsing",
    ),
    (("searches_30d", "searches_90d"), "searchers", "searching"),
    (("cart_adds_30d", "cart_adds_90d", "checkouts_90d"), "cart fillers", "cart-filling"),
    (("wishlist_adds_90d",), "wish-listers", "wish-listing"),
    (("sign_ins_30d",), "signed-in visitors", "signed-in"),
    (("email_opens_30d", "email_opens_90d", "email_open_rate_90d"), "mail readers", "mail-reading"),
    (("email_clicks_90d", "email_click_rate_90d"), "mail clickers", "mail-clicking"),
    (("coupons_90d", "coupons_365d"), "coupon users", "coupon-using"),
    (("campaign_response",), "campaign responders", "campaign-answering"),
)  # fmt: skip


def names_by(
    seen: Sequence[str],
    effects: Sequence[Mapping[str, float]],
    typical: Sequence[Mapping[str, float]],
    base: Mapping[str, float],
    levels: Sequence[Sequence[Level]],
) -> list[str]:
    """Name segments, each unlike the others, by what the columns that they were made of say of them.

    Parameters
    ----------
    seen
        The columns that the segments were made of; with none of text and none of engagement (``view.ENGAGEMENT``),
        segments are named by purchases.
    effects, typical, base
        As ``naming.distinct_names`` takes them, of all features.
    levels
        For each segment the levels of text that set it apart, as ``levels.levels_of`` finds them.
    """
    traits = [_traits(one, middle, base, seen) for one, middle in zip(effects, typical, strict=True)]
    levels = [(*some, *more) for some, more in zip(levels, traits, strict=True)]
    text = any(levels) or any(name in DEMOGRAPHICS for name in seen)
    engaged = any(name in ENGAGEMENT for name in seen)
    bought = any(name in VALUE for name in seen) or not (text or engaged)
    if bought and not (text or engaged):
        return distinct_names(effects, typical, base)
    families = [_families(one, middle, seen) for one, middle in zip(effects, typical, strict=True)]
    if bought:
        stems = [stem_of(one, middle, base) for one, middle in zip(effects, typical, strict=True)]
        apart = distinct_names(effects, typical, base)  # rather than a number, the habit of buying that tells two apart
        told = [[*_of_all(*one[:3]), one[3]] for one in zip(stems, families, levels, apart, strict=True)]
    elif engaged and not text:
        told = [_of_engagement(place, families, effects) for place in range(len(families))]
    else:
        adjectives = [[adjective for strength, _, adjective in one if strength >= _STRONG] for one in families]
        told = [_of_levels(one, before) for one, before in zip(levels, adjectives, strict=True)]
    return _distinct(told)


def _distinct(told: Sequence[Sequence[str]]) -> list[str]:
    """Choose of each segment's names the first that no other segment wants; at last a number tells two apart."""
    wanted = [one[0] for one in told]
    names = ["" if wanted.count(first) > 1 else first for first in wanted]
    for place, candidates in enumerate(told):
        if not names[place]:
            free = (name for name in candidates[1:] if name not in wanted)
            numbered = (f"{candidates[0]} ({number})" for number in count(2))
            names[place] = next(name for name in chain(free, [candidates[0]], numbered) if name not in names)
    return names


def _traits(
    effects: Mapping[str, float], typical: Mapping[str, float], base: Mapping[str, float], seen: Sequence[str]
) -> tuple[Level, ...]:
    """Return what sets a segment apart of traits that are told in numbers: means and medians agree on which way."""
    found = []
    for name, (higher, lower, place) in _TRAITS.items():
        effect = effects.get(name, 0.0)
        if name in seen and abs(effect) >= CLEAR and (typical[name] - base[name]) * effect > 0:
            found.append(Level(name, place, higher if effect > 0 else lower, 0, 0, 0.0, abs(effect)))
    return tuple(sorted(found, key=lambda one: (-round(one.effect, 6), one.column)))


def _families(
    effects: Mapping[str, float], typical: Mapping[str, float], seen: Sequence[str]
) -> list[tuple[float, str, str]]:
    """Return what most of the segment do beside buying, and more than everybody: strength, noun and adjective."""
    found = []
    for features, noun, adjective in _FAMILIES:
        there = [name for name in features if name in seen and name in effects]
        strength = sum(effects[name] for name in there) / max(len(there), 1)
        done = [name for name in there if typical.get(name, 0.0) > 0]
        if strength < CLEAR or not done:
            continue
        lately = [name for name in there if not name.endswith("365d")]
        if lately and len(done) < len(there) and not any(name in done for name in lately):
            noun, adjective = f"past {noun}", f"once {adjective}"
        found.append((strength, noun, adjective))
    return sorted(found, key=lambda one: -round(one[0], 6))


def _of_engagement(
    place: int, families: Sequence[Sequence[tuple[float, str, str]]], effects: Sequence[Mapping[str, float]]
) -> list[str]:
    """Return names by what people do beside buying, the first choice first."""
    mine = families[place]
    if not mine:
        low = all(effects[place].get(name, 0.0) <= 0.1 for name in ENGAGEMENT if not name.endswith("recency_days"))
        return ["Little engaged" if low else "Moderately engaged"]
    strength, noun, _ = mine[0]
    others = [one[0][0] for number, one in enumerate(families) if one and number != place and one[0][1] == noun]
    rest = [adjective for much, _, adjective in mine[1:] if much >= CLEAR]
    keen = [f"keen {noun}"] if others and strength > max(others) else []
    also = [f"{adjective} {noun}" for adjective in rest]
    both = [f"keen {one}" for one in also] if keen else []
    return [_upper(name) for name in (noun, *keen, *also, *both)]


def _of_levels(levels: Sequence[Level], before: Sequence[str] = (), nouns: str = "people") -> list[str]:
    """Return names by levels of text, the first choice first: as many levels as a name has room for."""
    if levels and not levels[0].column:
        return ["Demographics unknown", *(f"Demographics unknown, {one}" for one in before)]
    clear = [one for one in levels if one.effect >= CLEAR]
    chosen = [some for size in (3, 2, 1) for some in combinations(clear[:5], min(size, len(clear)))]
    names = [_assembled(some, before[:1], nouns) for some in chosen if some]
    names += [_assembled(some, (), nouns) for some in chosen if some]
    short = [name for name in dict.fromkeys(names) if len(name.split()) <= _WORDS]
    return short or [_upper(" ".join([*before[:1], nouns])) if before else "Mixed demographics"]


def _of_all(stem: Stem, families: Sequence[tuple[float, str, str]], levels: Sequence[Level]) -> list[str]:
    """Return names by purchases together with what else sets the segment strongly apart, the first choice first."""
    before, noun = stem
    engaged = [adjective for strength, _, adjective in families if strength >= _STRONG]
    clear = [one for one in levels if one.column and one.effect >= _STRONG]
    plain = _upper(" ".join([*before, noun]))
    names = []
    for some in (some for size in (2, 1) for some in combinations(clear[:4], size)):
        names += [_assembled(some, words, noun) for words in ((*before[:1], *engaged[:1]), before[:1])]
    names += [_upper(" ".join([*before[:1], one, noun])) for one in engaged]
    weaker = [_assembled([one], before[:1], noun) for one in levels if one.column and one.effect >= CLEAR]
    weaker += [_upper(" ".join([*before[:1], adjective, noun])) for _, _, adjective in families]
    ordered = dict.fromkeys([*names, plain, *weaker])
    return [name for name in ordered if len(name.split()) <= _WORDS] or [plain]


def _assembled(levels: Sequence[Level], before: Sequence[str], noun: str) -> str:
    """Put levels into one phrase: what they are like, what they are, with whom, and how old or rich."""
    at: dict[str, list[str]] = {"before": list(before), "noun": [], "after": [], "comma": []}
    for one in levels:
        at[one.place].append(one.words)
    parts = [*at["before"], *(at["noun"] or [noun]), *at["after"]]
    words = " ".join(
        word if place == 0 or word.isupper() else word[:1].lower() + word[1:] for place, word in enumerate(parts)
    )
    return _upper(", ".join([words, *at["comma"]]))


def _upper(name: str) -> str:
    return name[:1].upper() + name[1:]
