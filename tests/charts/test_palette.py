"""The colours can be told apart, also by those who do not see all of them."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest

from coterie.charts.palette import DARK, GROUPS, LIGHT, page_css

# Machado, Oliveira & Fernandes (2009), severity 1, on linear RGB.
_VISION = {
    "full": np.eye(3),
    "protanopia": np.array([[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]]),
    "deuteranopia": np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]]),
    "tritanopia": np.array([[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]]),
}
_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def _linear(colour: str) -> npt.NDArray[np.float64]:
    value = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def _lab(linear: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    xyz = _TO_XYZ @ np.clip(linear, 0, 1) / np.array([0.9505, 1.0, 1.089])
    root = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])


def _contrast(one: str, other: str) -> float:
    light = sorted(float(_linear(colour) @ [0.2126, 0.7152, 0.0722]) for colour in (one, other))
    return (light[1] + 0.05) / (light[0] + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
class TestColours:
    @pytest.mark.parametrize("vision", list(_VISION))
    def test_groups_are_told_apart(self, colours: dict[str, str], vision: str) -> None:
        seen = [_lab(_VISION[vision] @ _linear(colours[f"g{index}"])) for index in range(GROUPS)]
        assert min(float(np.linalg.norm(a - b)) for a, b in combinations(seen, 2)) > 12

    def test_shapes_stand_out(self, colours: dict[str, str]) -> None:
        for name in [*(f"g{index}" for index in range(GROUPS)), "accent", "muted", "warn"]:
            assert _contrast(colours[name], colours["paper"]) >= 3, name

    def test_words_can_be_read(self, colours: dict[str, str]) -> None:
        for name in ("ink", "muted", "accent", "warn"):
            assert _contrast(colours[name], colours["paper"]) >= 4.5, name

    def test_every_colour_is_in_the_page(self, colours: dict[str, str]) -> None:
        assert all(f"--{name}:{value};" in page_css() for name, value in colours.items())


def test_light_and_dark_name_the_same_colours() -> None:
    assert LIGHT.keys() == DARK.keys()
