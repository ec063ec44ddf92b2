"""Profiles: bars as long as their effects, to their side, for few parts and many."""

from __future__ import annotations

import math
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.charts.profile import Profile, profile

SVG = "{http://www.w3.org/2000/svg}"


def _bars(drawn: str) -> dict[int, list[tuple[float, float]]]:
    """Return, by segment, where each bar begins and ends."""
    found: dict[int, list[tuple[float, float]]] = {}
    for group in ElementTree.fromstring(drawn).iter(f"{SVG}g"):
        bars = [(float(box.get("x", "nan")), float(box.get("width", "nan"))) for box in group.iter(f"{SVG}rect")]
        found[int(group.get("data-segment", "-1"))] = [(x, x + width) for x, width in bars]
    return found


@given(st.lists(st.floats(-4, 4), min_size=1, max_size=25), st.integers(2, 12), st.sampled_from([360, 860]))
@settings(deadline=None, max_examples=40)
def test_bars_go_to_their_side_as_far_as_their_effect(effects: list[float], parts: int, width: int) -> None:
    names = [f"feature {index}" for index in range(len(effects))]
    profiles = [Profile(f"part {index}", index, tuple(effects)) for index in range(parts)]
    bars = _bars(profile(profiles, names, title="", description="", reach=2.0, width=width))
    assert sorted(bars) == list(range(parts))
    ends = [end for spans in bars.values() for span in spans for end in span]
    assert min(ends) >= 0
    assert max(ends) <= width
    for spans in bars.values():
        middles = {round(low if effect >= 0 else high, 0) for (low, high), effect in zip(spans, effects, strict=True)}
        assert max(middles) - min(middles) <= 1, "all bars of a part begin at one middle"
        scale = [
            (high - low) / min(abs(effect), 2.0)
            for (low, high), effect in zip(spans, effects, strict=True)
            if abs(effect) > 0.5
        ]
        assert max(scale, default=1.0) - min(scale, default=1.0) <= 0.5


def test_columns_do_not_overlap() -> None:
    profiles = [Profile(f"part {index}", index, (9.0, -9.0)) for index in range(12)]
    bars = _bars(profile(profiles, ["a", "b"], title="", description=""))
    for segment in range(11):
        assert max(high for _, high in bars[segment]) <= min(low for low, _ in bars[segment + 1])


@pytest.mark.parametrize(("parts", "width", "said"), [(2, 860, True), (6, 860, True), (12, 360, False)])
def test_figures_are_written_where_there_is_room(parts: int, width: int, said: bool) -> None:
    profiles = [Profile("part", index, (1.26, 0.02)) for index in range(parts)]
    drawn = profile(profiles, ["a", "b"], title="", description="", width=width)
    assert (">+1.3</text>" in drawn) == said
    assert ">+0.0</text>" not in drawn, "nothing is said of what is like everyone"
    assert "+1.3\u00a0SD" in drawn, "but the bar tells when it is pointed at"


def test_what_is_not_known_is_a_dash_and_no_bar() -> None:
    drawn = profile([Profile("part", 0, (math.nan, 1.0))], ["a", "b"], title="", description="")
    assert len(_bars(drawn)[0]) == 1
    assert ">–</text>" in drawn


def test_names_stand_once_though_columns_are_narrow() -> None:
    profiles = [Profile(f"Kind number {index}", index, (1.0,)) for index in range(12)]
    drawn = profile(profiles, ["a"], title="", description="", width=360)
    words = " ".join(element.text or "" for element in ElementTree.fromstring(drawn).iter(f"{SVG}text"))
    assert all(f"{index + 1} Kind number {index}" in words for index in range(12))


def test_nothing_is_drawn_of_nothing() -> None:
    ElementTree.fromstring(profile([], [], title="", description=""))
