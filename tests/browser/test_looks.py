"""Every page, small and large, light and dark, English and Persian: nothing overflows, Axe finds nothing serious."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Page

from rag_app import Library
from rag_app.answering.turns import Scope, Turn
from rag_app.render.conversation import conversation_html
from rag_app.render.page import write_page
from tests.browser.conftest import Open
from tests.browser.looking import overflows, serious
from tests.serving import Served


class Look(NamedTuple):
    """A window: its width in pixels, light or dark, and the reader's language."""

    width: int
    scheme: str
    language: str

    def __str__(self) -> str:
        return f"{self.language}-{self.scheme}-{self.width}"


LOOKS = [Look(*one) for one in itertools.product((400, 1600), ("light", "dark"), ("en", "fa"))]

QUESTIONS = {
    "en": ("Which initial value does CLIP give to the temperature?", "What does Table 1 compare?"),
    "fa": ("متن‌ها پیش از جست‌وجو چگونه یکدست می‌شوند؟", "شکل ۱ چه چیزی را نشان می‌دهد؟"),
}
SEARCHES = {"en": "cosine similarities", "fa": "مسیر پرسش"}


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_every_page_can_be_read_by_everyone(served: Served, open_page: Open, look: Look) -> None:
    """Set RAG_APP_SCREENSHOTS to a folder to look at each page yourself."""
    served.post("/conversation/new")
    for question in QUESTIONS[look.language]:
        served.post("/ask", ("question", question))
    with Library.open(served.library, create=False, read_only=True) as library:
        paper = library.documents()[0].document_id
        figure = library.figures().shown[0]
    page = open_page(**look._asdict())
    page.goto(served.url)
    assert page.evaluate("document.documentElement.lang") == look.language
    cited = page.locator(".turn a.cite").first.get_attribute("href")
    for name, path in {
        "answers": "/",
        "cited": str(cited),
        "papers": "/papers",
        "paper": f"/papers/{paper}/pages/1",
        "found": f"/papers/{figure.document_id}/pages/{figure.page}?node={figure.node_id}#b1",
        "figures": "/figures",
        "search": "/search",
        "pictures": f"/search?q={SEARCHES[look.language]}",
        "passages": f"/search?in=passages&q={SEARCHES[look.language]}",
        "models": "/models",
        "evaluations": "/evaluations",
    }.items():
        page.goto(served.address + path)
        keep(page, f"{name}-{look}")
        assert overflows(page) == [], path
        assert serious(page) == [], path
    page.goto(f"{served.address}/")
    if look.width > 1000:
        page.locator(".turn a.cite").first.click()
        page.wait_for_selector("#panel .box.current")
        keep(page, f"beside-{look}")
        assert overflows(page) == [] and serious(page) == [], "with the cited page beside it"
    page.click(".narrow summary")
    assert overflows(page) == [] and serious(page) == [], "with its choices open"


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_saved_pages_can_be_read_by_everyone(sample_library: Path, tmp_path: Path, open_page: Open, look: Look) -> None:
    """`ask --html` and the saved conversation, opened from the disk."""
    with Library.open(sample_library, create=False, read_only=True) as library:
        answers = [library.ask(question) for question in QUESTIONS[look.language]]
        write_page(answers[1], tmp_path / "answer.html", library=library)
        turns = [Turn(answer.question, answer, Scope()) for answer in answers]
        (tmp_path / "conversation.html").write_text(conversation_html(turns, library=library), encoding="utf-8")
    page = open_page(**look._asdict(), offline=True)
    for name in ("answer", "conversation"):
        page.goto((tmp_path / f"{name}.html").as_uri())
        keep(page, f"saved-{name}-{look}")
        assert overflows(page) == [], name
        assert serious(page) == [], name


def keep(page: Page, name: str) -> None:
    folder = os.environ.get("RAG_APP_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png")
