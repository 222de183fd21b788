"""The page of `ask --html`: a citation jumps to its box, which overlaps the truth; nothing is asked of a network."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from eval.comparing import iou
from rag_app import Library
from rag_app.render.page import write_page
from tests.browser.conftest import Open
from tests.browser.looking import points, truth


@pytest.mark.parametrize(
    "cited",
    [
        ("What does Figure 2 show?", "vision_language_models", "Figure 2"),
        ("What does Table 1 compare?", "vision_language_models", "Table 1"),
        ("شکل ۱ چه چیزی را نشان می‌دهد؟", "clip_fa", "Figure 1"),
    ],
)
@pytest.mark.parametrize("width", [400, 1600])
def test_a_citation_jumps_to_its_box(
    sample_library: Path, tmp_path: Path, open_page: Open, cited: tuple[str, str, str], width: int
) -> None:
    question, paper, label = cited
    with Library.open(sample_library, create=False, read_only=True) as library:
        write_page(library.ask(question), tmp_path / "answer.html", library=library)
        number, true_box = truth(paper, label)
        size = library.paper(f"{paper}.pdf").pages[number - 1]
    page = open_page(width=width, offline=True)
    asked_for: list[str] = []
    page.on("request", lambda request: asked_for.append(request.url))
    page.goto((tmp_path / "answer.html").as_uri())
    page.locator("a.cite").first.click()
    box = page.locator(".box:target")
    expect(box).to_be_in_viewport()
    page.locator(".sheet img").first.evaluate("picture => picture.decode()")
    shown = points(box, size.width, size.height)
    assert iou(shown, true_box) >= 0.7, (shown, true_box)
    assert all(address.startswith(("file:", "data:")) for address in asked_for), asked_for
