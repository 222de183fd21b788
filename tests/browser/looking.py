"""What a page looks like: boxes on a sheet of paper, what overflows, what Axe finds."""

from __future__ import annotations

import json
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page

from ingestion.elements import BBox
from tests.conftest import SAMPLE_PAPERS

SERIOUS = ("serious", "critical")


def truth(paper: str, label: str) -> tuple[int, BBox]:
    """Page (1-based) and box, in points, of a figure or table of a sample paper."""
    known = json.loads((SAMPLE_PAPERS / f"{paper}.truth.json").read_text(encoding="utf-8"))
    found = next(one for one in (*known["figures"], *known["tables"]) if one["label"] == label)
    left, top, right, bottom = found["bbox"]
    return found["page"], (left, top, right, bottom)


def points(box: Locator, width: float, height: float) -> BBox:
    """Where `box` stands on its sheet as it is drawn, in points of a page of this size."""
    left, top, right, bottom = box.evaluate(
        """(box) => {
            const drawn = box.getBoundingClientRect();
            const page = box.closest(".sheet").querySelector("img").getBoundingClientRect();
            const across = (x) => (x - page.left) / page.width;
            const down = (y) => (y - page.top) / page.height;
            return [across(drawn.left), down(drawn.top), across(drawn.right), down(drawn.bottom)];
        }"""
    )
    return (left * width, top * height, right * width, bottom * height)


def serious(page: Page) -> list[str]:
    """What Axe finds that is serious or critical: rule, and the first elements."""
    found: dict[str, Any] = Axe().run(page).response  # Any: JSON
    assert len(found["passes"]) > 5, "Axe looked at the page"
    return [
        f"{one['id']}: {one['help']}: {[node['html'][:200] for node in one['nodes'][:3]]}"
        for one in found["violations"]
        if one["impact"] in SERIOUS
    ]


def overflows(page: Page) -> list[str]:
    """The page's width in pixels where it is more than the window's, and the elements that reach out of it."""
    return page.evaluate(
        """() => {
            const most = document.documentElement.clientWidth;
            if (document.documentElement.scrollWidth <= most) return [];
            const wide = [...document.body.querySelectorAll("*")].filter((one) => {
                const box = one.getBoundingClientRect();
                return box.right > most + 1 || box.left < -1;
            });
            const shown = wide.slice(0, 5).map((one) => one.outerHTML.slice(0, 150));
            return [String(document.documentElement.scrollWidth), ...shown];
        }"""
    )
