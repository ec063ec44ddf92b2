"""Recipes: by which method, on which columns, people are segmented, and under which name that is kept."""

from __future__ import annotations

from dataclasses import dataclass

from coterie.errors import ParameterError
from coterie.segments.clustering import KMeansSegments
from coterie.segments.evidence.validity import Question
from coterie.segments.goal import GoalSegments
from coterie.segments.hierarchy import WardSegments
from coterie.segments.people import Segmentation as Segmenter
from coterie.segments.rfm import RFMSegments
from coterie.segments.taste import TasteSegments
from coterie.segments.view import VIEWS, View

METHODS: dict[str, type[Segmenter]] = {
    "kmeans": KMeansSegments,
    "ward": WardSegments,
    "rfm": RFMSegments,
    "goal": GoalSegments,
    "taste": TasteSegments,
}
_WORDS = {
    "kmeans": "k-means",
    "ward": "Ward's hierarchy",
    "rfm": "recency, frequency and money in fifths (RFM)",
}
_SEEN = {
    "value": "log-scaled purchase behaviour",
    "engagement": "log-scaled engagement",
    "demographics": "what people say of themselves",
    "combined": "purchases, engagement and demographics, balanced",
}


@dataclass(frozen=True)
class Recipe:
    """One way to make segments.

    Parameters
    ----------
    method
        ``kmeans``, ``ward``, ``rfm``, ``goal`` or ``taste``.
    view
        What people are segmented on: ``value``, ``engagement``, ``demographics`` or ``combined``. RFM and taste have
        columns of their own, and know ``value`` only.
    """

    method: str = "kmeans"
    view: str = "value"

    def __post_init__(self) -> None:
        """Refuse what there is no recipe for."""
        if self.method not in METHODS:
            raise ParameterError.of("segment", "method", self.method, f"one of {', '.join(METHODS)}")
        if self.view not in VIEWS:
            raise ParameterError.of("segment", "view", self.view, f"one of {', '.join(VIEWS)}")
        if self.method in ("rfm", "taste") and self.view != "value":
            raise ParameterError(
                f"segment: {self.method} looks at columns of its own and takes no view.",
                hint="leave the view out, or use kmeans, ward or goal.",
            )

    @property
    def seen(self) -> View:
        """The view's columns and weights."""
        return VIEWS[self.view]

    @property
    def made_for(self) -> Question:
        """The question that the segments are to answer, with which a verdict on them leads."""
        return "mix" if self.method == "taste" else "spend"

    @property
    def model(self) -> str:
        """Under which name models are registered."""
        return f"segments-{self._name}"

    @property
    def feature(self) -> str:
        """Under which name people's segments are published."""
        return f"segment_{self._name.replace('-', '_')}"

    @property
    def words(self) -> str:
        """How the segments are made, in words."""
        if self.method == "goal":
            return f"a shallow tree on {_SEEN[self.view]}, grown for future spend"
        if self.method == "taste":
            return "k-means on what people buy"
        return _WORDS[self.method] if self.method == "rfm" else f"{_WORDS[self.method]} on {_SEEN[self.view]}"

    @property
    def _name(self) -> str:
        return self.method if self.view == "value" else f"{self.method}-{self.view}"
