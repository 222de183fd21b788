"""A headless Chromium: the system's, else Playwright's own; where there is none these tests are skipped and say so."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Error, Page, sync_playwright

from tests.serving import Served

LOCALES = {"en": "en-GB", "fa": "fa-IR"}
HEIGHT = 900


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium without its sandbox, which needs rights that test machines do not give; it sees our own pages only.

    Playwright holds an event loop in this thread, in which no other can run: it ends with the tests of this folder.
    """
    found = next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
    )
    with sync_playwright() as playwright:
        try:
            made = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        except Error as exc:
            pytest.skip(f"no Chromium can be started: {exc.message.splitlines()[0]}; run: playwright install chromium")
        yield made
        made.close()


Open = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Opens a window: open_page(width=400, scheme="dark", language="fa").

    What a page reports as an error fails the test, unless it begins with `but`.
    """
    contexts: list[BrowserContext] = []
    wrong: list[str] = []

    def opened(
        *, width: int = 1600, scheme: str = "light", language: str = "en", offline: bool = False, but: str = "\0"
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": HEIGHT},
            color_scheme="dark" if scheme == "dark" else "light",
            locale=LOCALES[language],
            offline=offline,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: report(said, but))
        page.on("dialog", refuse)
        return page

    def refuse(dialog: Dialog) -> None:
        wrong.append(f"a dialog: {dialog.message}")
        dialog.dismiss()

    def report(said: ConsoleMessage, but: str) -> None:
        if said.type == "error" and not said.text.startswith(but):
            wrong.append(said.text)

    yield opened
    for context in contexts:
        context.close()
    assert not wrong, wrong


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, sample_library: Path) -> Iterator[Served]:
    """A page over a copy of the sample library."""
    with Served(Path(shutil.copytree(sample_library, tmp_path_factory.mktemp("browser") / "library"))) as served:
        yield served
