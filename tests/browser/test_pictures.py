"""A picture dropped on the question of `rag-app serve`, in Chromium."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.looking import overflows, serious
from tests.browser.test_serve import drop
from tests.ollama_server import Model, OllamaServer
from tests.serving import Served
from tests.xrays import xray


@pytest.mark.parametrize(("language", "width"), [("en", 1300), ("fa", 420)])
def test_a_picture_dropped_on_the_question_is_asked_about(
    open_page: Open, tmp_path: Path, sample_library: Path, language: str, width: int
) -> None:
    library = Path(shutil.copytree(sample_library, tmp_path / "library"))
    (library / "settings.toml").write_text('[models]\nvision = "ollama:eyes:7b"\n', encoding="utf-8")
    written = io.BytesIO()
    xray("nodule", np.random.default_rng(1)).save(written, "PNG")
    eyes = Model("eyes:7b", {"completion", "vision"}, replies=lambda body, images: "A bright spot. <img src=x>")
    with OllamaServer([eyes]) as ollama, Served(library, OLLAMA_HOST=ollama.url) as served:
        page = open_page(width=width, language=language)
        page.goto(served.url)
        drop(page, "#question", "scan.png", written.getvalue(), "image/png")
        expect(page.locator("#picture")).to_be_visible()  # it unfolds, and shows the file's name
        page.click("#ask button.main")  # a picture alone is question enough
        turn = page.locator(".turn:not(.pending)")
        expect(turn).to_have_count(1, timeout=30_000)
        expect(turn.locator(".asked-about img")).to_be_visible()
        assert turn.locator(".asked-about img").evaluate("(one) => one.naturalWidth") == 112
        expect(turn.locator(".answer")).to_have_text("A bright spot. <img src=x>")
        expect(turn.locator(".unverified")).to_be_visible()
        expect(page.locator("#picture")).to_be_hidden()
        assert page.locator("#picture").evaluate("(one) => one.files.length") == 0, "the next question is without it"
        assert page.locator("#question").evaluate("(one) => one.required")
        assert not serious(page) and not overflows(page)
        assert len([request for request in ollama.requests if request.images]) == 1
