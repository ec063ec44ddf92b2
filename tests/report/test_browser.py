"""The page in a real browser: it fits a phone, its script works under its policy, and nothing is fetched."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coterie.report.predictions import render_value
from coterie.report.segments import SegmentReport, render
from coterie.report.targets import render_target
from oracles.valued import targeted, valued

pytestmark = pytest.mark.browser

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--virtual-time-budget=5000", "--dump-dom"),
)

# The page lives in a frame, with its own policy in force; this script looks at it from outside and writes what it sees.
_PROBE = """
addEventListener("load", () => {
  const frame = document.querySelector("iframe"), page = frame.contentDocument, found = {};
  const all = (selector) => [...page.querySelectorAll(selector)];
  found.room = frame.clientWidth;
  found.needed = page.documentElement.scrollWidth;
  found.cut = all("h1,h2,h3,p,dd,dt,figcaption,li").filter((one) => one.scrollWidth > one.clientWidth + 1
    && getComputedStyle(one).textOverflow !== "ellipsis" && getComputedStyle(one).display !== "inline").length;
  found.smallest = Math.min(...all("svg.figure text").map((one) => one.getBoundingClientRect().height).filter(Boolean));
  const theme = page.getElementById("theme"), paper = () => getComputedStyle(page.body).backgroundColor;
  found.papers = [paper()];
  theme.click();
  found.papers.push(paper());
  found.theme = theme.textContent;
  const order = () => all("table.sortable tbody th bdi").map((one) => one.textContent);
  const heads = all("table.sortable th button");
  found.orders = [order()];
  heads[1]?.click(); found.orders.push(order());
  heads[1]?.click(); found.orders.push(order());
  found.sorted = heads[1]?.parentElement.getAttribute("aria-sort");
  const mark = all("svg [data-segment='2']").find((one) => one.getBoundingClientRect().width);
  mark?.querySelector("rect,path").dispatchEvent(new PointerEvent("pointerover", { bubbles: true }));
  found.dim = [...new Set(all("[data-segment].dim").map((one) => one.dataset.segment))].sort();
  found.named = all("svg[role=img]").every((one) => one.getAttribute("aria-label"));
  found.fetched = frame.contentWindow.performance.getEntriesByType("resource").map((one) => one.name)
    .filter((name) => !name.startsWith("data:"));
  document.getElementById("found").textContent = JSON.stringify(found);
});
"""


@pytest.fixture(scope="module")
def chromium() -> str:
    """A Chromium, or a word on why there is none."""
    for name in (os.environ.get("CHROMIUM", ""), *_NAMES):
        if name and (path := shutil.which(name)):
            return path
    pytest.skip("no Chromium on this machine (Debian: apt-get install chromium; or name one in CHROMIUM)")


def _look(chromium: str, page: str, width: int, folder: Path) -> dict[str, Any]:
    """Open a page in a frame of ``width`` pixels and return what the probe saw."""
    probe = folder / "probe.html"
    probe.write_text(
        f'<!doctype html><meta charset="utf-8"><iframe width="{width}" height="800" style="border:0" '
        f'srcdoc="{html.escape(page)}"></iframe><pre id="found"></pre><script>{_PROBE}</script>',
        "utf-8",
    )
    command = [chromium, *_FLAGS, f"--user-data-dir={folder / 'profile'}", "--window-size=1400,900", probe.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    match = re.search(r'<pre id="found">(.+?)</pre>', done.stdout, re.DOTALL)
    assert match, done.stderr[-2000:]
    return dict(json.loads(html.unescape(match[1])))


@pytest.mark.parametrize("width", [360, 1280])
def test_page_works(chromium: str, report: Callable[..., SegmentReport], width: int, tmp_path: Path) -> None:
    found = _look(chromium, render(report()), width, tmp_path)
    assert found["needed"] <= found["room"], "nothing sticks out to the side"
    assert found["cut"] == 0
    assert found["smallest"] >= 11, "the smallest words in figures can be read"
    assert found["papers"][0] != found["papers"][1]
    assert found["theme"] == "Light"
    names, down, up = found["orders"]
    assert down[0] == "Steady small baskets"
    assert up == down[::-1]
    assert sorted(names) == sorted(down)
    assert found["sorted"] == "ascending"
    assert found["dim"] == ["0", "1", "3", "4", "5"], "the other segments step back"
    assert found["named"]
    assert found["fetched"] == []


@pytest.mark.parametrize("width", [360, 1280])
def test_every_section_fits(chromium: str, full: Callable[..., SegmentReport], width: int, tmp_path: Path) -> None:
    found = _look(chromium, render(full()).replace("<details", "<details open"), width, tmp_path)
    assert found["needed"] <= found["room"]
    assert found["cut"] == 0
    assert found["smallest"] >= 11
    assert found["named"]
    assert found["fetched"] == []


@pytest.mark.parametrize("width", [360, 860, 1280])
@pytest.mark.parametrize(
    "page", [lambda: render_value(valued()), lambda: render_target(targeted())], ids=["values", "target"]
)
def test_predictions_fit(chromium: str, page: Callable[[], str], width: int, tmp_path: Path) -> None:
    found = _look(chromium, page().replace("<details", "<details open"), width, tmp_path)
    assert found["needed"] <= found["room"]
    assert found["cut"] == 0
    assert found["smallest"] >= 11
    assert found["papers"][0] != found["papers"][1]
    assert found["named"]
    assert found["fetched"] == []


def test_hostile_names_fit_a_phone(
    chromium: str, report: Callable[..., SegmentReport], described: Callable[..., Any], tmp_path: Path
) -> None:
    names = (
        "<b>" * 40,
        "x" * 400,
        "عملاء متكررون جدا في نهاية الأسبوع",
        "週末にまとめ買いをする家族" * 6,
        "\u202e!",
        "",
    )
    segments = tuple(described(index, name=name) for index, name in enumerate(names))
    found = _look(chromium, render(report(shop="y" * 300, segments=segments)), 360, tmp_path)
    assert found["needed"] <= found["room"]
    assert found["cut"] == 0
