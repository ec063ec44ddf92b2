"""Each section of the page: there when there is something to tell, silent on small groups, else gone."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from html.parser import HTMLParser

import numpy as np
import pyarrow as pa
import pytest

from coterie.report.segments import SegmentReport, render
from coterie.segments.relations import Relations
from coterie.segments.time.migration import migration
from coterie.segments.tree import TreeNode
from coterie.segments.words.description import SegmentDescription

Report = Callable[..., SegmentReport]
Described = Callable[..., SegmentDescription]

SECTIONS = {
    "profile": {},
    "goal": {"goal": None},
    "rules": {},
    "relations": {"relations": None},
    "movement": {"migrations": (), "moments": ()},
}


class _Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self.identifiers: list[str] = []
        self.links: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.identifiers += [value or "" for name, value in attrs if name == "id"]
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def test_every_section_is_there_and_linked(full: Report) -> None:
    html = render(full())
    page = _Page(html)
    assert len(html.encode()) < 700_000
    assert len(page.identifiers) == len(set(page.identifiers))
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.identifiers)
    assert set(SECTIONS) <= {link[1:] for link in page.links}


@pytest.mark.parametrize("section", [name for name, missing in SECTIONS.items() if missing])
def test_a_section_without_data_is_gone(full: Report, section: str) -> None:
    page = _Page(render(full(**SECTIONS[section])))
    assert section not in page.identifiers
    assert f"#{section}" not in page.links


def test_plain_descriptions_have_no_rules_exemplars_or_notes(full: Report, described: Described) -> None:
    page = _Page(render(full(segments=tuple(described(index) for index in range(6)), likings=())))
    assert "rules" not in page.identifiers
    for words in ("Typical people", "Look twice", "it has shrunk", "They choose more"):
        assert words not in page.text


def test_a_segment_says_its_trend_its_note_its_rule_and_its_tastes(full: Report) -> None:
    text = _Page(render(full())).text
    assert "Since 2017-07-01 it has shrunk from 553 people." in text
    assert "Look twice. People of 65+ are here 2.5 times as often." in text
    assert re.search(r"9 plain rules together name the segment of 81% of people", text)
    assert re.search(r"Orders in 90 days: more than 2. 86% 79%", text)
    assert "No rule this short tells it from the others." in text
    assert re.search(r"Produce 20% 10% 2x", text)
    assert re.search(r"Spend in the next 91 days . Of people .* R² is .52 \(95% interval .48 to .55\)", text)
    assert "$600" in text


def test_exemplars_are_rounded_and_have_no_words_of_their_own(full: Report, complete: Described) -> None:
    first = complete(0)
    figures = (*first.exemplars[0].figures, replace(first.exemplars[0].figures[0], feature="age", value="65+"))
    changed = replace(first, exemplars=(replace(first.exemplars[0], figures=figures), *first.exemplars[1:]))
    text = _Page(render(full(segments=(changed, *(complete(index) for index in range(1, 6)))))).text
    article = text[text.index("Of somebody typical") :][:400]
    assert re.search(r"Basket value \$46 \$46 \$46", article), "4,626.53 cents are told as $46"
    assert "65+" not in article


def test_the_card_shows_views_the_mix_and_comparisons(full: Report) -> None:
    text = _Page(render(full())).text
    for words in ("Engagement", "Demographics", "Combined", "R² of the mix", "Silhouette", "What is bought next"):
        assert words in text
    assert re.search(
        r"equal parts as many, by past spend 6 −.010 −.019 to \+.004 not inferior \(up to .02 less allowed\)",
        text,
    )
    assert "Silhouette says how far apart groups lie, not whether they mean anything." in text
    assert ".021 .015 to .028" in text


def test_a_card_without_mix_has_no_column_for_it(report: Report) -> None:
    text = _Page(render(report())).text
    assert "R² of the mix" not in text
    assert "What is bought next" not in text
    assert "A ring" not in text


def test_levels_go_from_coarse_to_fine(full: Report) -> None:
    text = _Page(render(full())).text
    assert "the same people in 2 to 7 groups" in text
    assert re.search(r"2 Active 1,915 ; Seldom here 531", text)


def test_a_group_too_small_is_not_split_off_above_segments_either(full: Report) -> None:
    # A tree of another origin than the segments has nodes that belong to no segment.
    nodes = (
        TreeNode(0, None, 9.0, 900, "Everybody", None),
        TreeNode(1, 0, 5.0, 500, "Many", None),
        TreeNode(2, 0, 3.0, 400, "Fewer", None),
        TreeNode(3, 1, 0.0, 470, "Most of the many", None),
        TreeNode(4, 1, 0.0, 30, "A handful", None),
        TreeNode(5, 2, 0.0, 200, "Half", None),
        TreeNode(6, 2, 0.0, 200, "Other half", None),
    )
    text = _Page(render(full(tree=nodes))).text
    assert "A handful" not in text
    assert "Most of the many" not in text, "whose size would tell the other's"
    assert "Other half" in text


def test_a_method_that_stands_there_twice_is_told_once(full: Report) -> None:
    report = full()
    assert report.card is not None
    again = replace(report.card.comparisons[0], standing="strongest", margin=0.0, finding="no different")
    text = _Page(render(full(card=replace(report.card, comparisons=(*report.card.comparisons, again))))).text
    assert text.count("−.010 −.019 to +.004") == 1
    assert "as many, by past spend" in text


def test_neighbours_of_fewer_than_the_minimum_are_not_told(full: Report) -> None:
    html = render(full())
    drawn = re.search(r"<title[^>]*>Which segment is next to which</title>.*?</svg>", html, re.DOTALL)
    assert drawn
    # 5 % of 565 people are 28.
    assert "&lt;50" in drawn[0]
    assert ">5%<" not in drawn[0]
    assert "12% of people stand nearly on a border" in html


def test_relations_of_two_segments_are_no_section(full: Report, complete: Described) -> None:
    two = Relations(((0.0, 1.0), (1.0, 0.0)), ((0.0, 1.0), (1.0, 0.0)), 0.1, (0.1, 0.1), 1000)
    bare = {"migrations": (), "moments": (), "goal": None, "likings": (), "tree": ()}
    page = _Page(render(full(segments=(complete(0), complete(1)), relations=two, **bare)))
    assert "relations" not in page.identifiers


def _moved(small: int) -> dict[str, object]:
    """Two moments between which ``small`` people go from the first segment to the third; 200 people a segment."""
    before = np.repeat([0, 1, 2], [250, 250, 250])
    after = before.copy()
    after[:small] = 2
    after[250:370] = 2
    tables = [pa.table({"person": np.arange(750), "segment": labels}) for labels in (before, after)]
    step = migration(*tables, 3, ["Big-basket families", "Frequent regulars", "Occasional stock-ups"])
    return {"migrations": (step,), "moments": (datetime(2017, 6, 1), datetime(2017, 7, 1))}


def test_small_movements_are_not_told(full: Report, complete: Described) -> None:
    three = tuple(complete(index) for index in range(3))
    bare = {"relations": None, "goal": None, "likings": (), "tree": (), "segments": three}
    told, hidden = (render(full(**bare, **_moved(small))) for small in (60, 7))
    assert "1 Big-basket families → 3 Occasional stock-ups: 60 people" in told
    assert "1 Big-basket families → 3 Occasional stock-ups: 7" not in hidden
    assert "1 Big-basket families → 3 Occasional stock-ups: –" in hidden
    assert "≈" in hidden, "the other bands are rounded, or the small one could be worked out"


def test_the_long_run_is_told_only_where_every_cell_is(full: Report, complete: Described) -> None:
    three = tuple(complete(index) for index in range(3))
    bare = {"relations": None, "goal": None, "likings": (), "tree": (), "segments": three}
    random = np.random.default_rng(1)
    before, after = random.integers(0, 3, 3000), random.integers(0, 3, 3000)
    everyone = np.arange(3000)
    came = pa.table(
        {
            "person": np.append(everyone[300:], np.arange(5000, 5300)),
            "segment": np.append(after[300:], np.arange(300) % 3),
        }
    )
    step = migration(pa.table({"person": everyone, "segment": before}), came, 3, [one.name for one in three])
    assert step.steady is not None
    moments = (datetime(2017, 6, 1), datetime(2017, 7, 1))
    open_ = _Page(render(full(**bare, migrations=(step,), moments=moments))).text
    assert "Where it would end" in open_
    assert "are not told" not in open_[open_.index("Who went where") : open_.index("Where it would end")]
    assert "Where it would end" not in _Page(render(full())).text


def test_a_small_segment_has_no_portrait(full: Report, complete: Described) -> None:
    segments = (*(complete(index) for index in range(5)), complete(5, size=12))
    html = render(full(segments=segments, migrations=(), moments=(), tree=(), projection=None))
    article = html[html.index('<article id="segment-6"') :]
    article = article[: article.index("</article>")]
    for words in ("Typical people", "Produce", "Since 2017-07-01"):
        assert words not in article
    assert "Orders in 90 days: more than 5" not in html
    assert "People of 65+ are here much more often." in html, "once sizes are rounded, notes come without figures"
    assert "2.5 times" not in html
    assert "it has shrunk from" not in html


def test_hostile_words_are_only_words(full: Report, complete: Described) -> None:
    bad = "<script>alert(1)</script>{{ 7 * 7 }}\x00"
    whole = complete(0)
    assert whole.trend is not None
    assert whole.rule is not None
    hostile = replace(
        whole,
        name=bad,
        rule=replace(whole.rule, sentence=bad),
        trend=replace(whole.trend, sentence=bad),
        notes=(replace(complete(2).notes[0], words=bad),),
    )
    report = full()
    assert report.goal is not None
    liked = (tuple(replace(one, item=bad) for one in report.likings[0]), *report.likings[1:])
    html = render(
        full(
            segments=(hostile, *(complete(index) for index in range(1, 6))),
            likings=liked,
            goal=replace(report.goal, title=bad, sentences=(bad,) * 6),
        )
    )
    assert html.count("<script") == 1
    assert "\x00" not in html
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;{{ 7 * 7 }}") >= 6, "name, rule, trend, note, item, goal"
