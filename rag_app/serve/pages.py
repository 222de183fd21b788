"""Templates filled in: what every page has around its own content, in the reader's language."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, cast

from jinja2 import ChoiceLoader, Environment, PackageLoader
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from rag_app.medical import DISCLAIMER
from rag_app.render.conversation import numbered_on, shown_picture
from rag_app.render.hits import page_of
from rag_app.render.page import answer_html, direction, raised, reading_html
from rag_app.render.quotes import readable_quote
from rag_app.render.self_contained import environment
from rag_app.render.terminal import shorten
from rag_app.render.words import WORDS
from rag_app.serve.words import NAMES, PAGE_WORDS, PageWords

if TYPE_CHECKING:
    from rag_app.citations import Citation
    from rag_app.serve.session import Session

LANGUAGE_COOKIE = "rag_app_language"
SECTIONS = (
    ("/", "ask"),
    ("/papers", "papers"),
    ("/figures", "figures"),
    ("/search", "search"),
    ("/models", "models"),
    ("/evaluations", "evaluations"),
)


def session_of(request: Request) -> Session:
    """The session that the application was made with."""
    return cast("Session", request.app.state.session)


def words_of(request: Request) -> PageWords:
    """The words of the language that the reader chose, or that their browser asks for first."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    if chosen not in PAGE_WORDS:
        chosen = "fa" if request.headers.get("accept-language", "").lower().startswith("fa") else "en"
    return PAGE_WORDS[chosen]


def page(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:  # Any: of a template
    """A whole page, or with the header X-Part its part alone, as the page's script asks for."""
    return HTMLResponse(fill(request, template, **values), status_code=status)


def fill(request: Request, template: str, **values: Any) -> Markup:  # Any: as above
    """A template as safe HTML."""
    words = words_of(request)
    session = session_of(request)
    path = request.url.path
    current = next((name for address, name in SECTIONS[1:] if path.startswith(address)), "ask")
    around = {
        "w": words,
        "words": words.hits,
        "names": NAMES,
        "sections": SECTIONS,
        "current": current,
        "here": f"{path}?{request.url.query}" if request.url.query else path,
        "form_token": session.keys.form,
        "read_only": session.library.read_only,
    }
    return Markup(_templates(words.language).get_template(template).render(around | values))


def turn_html(request: Request, n: int) -> Markup:
    """The `n`-th question of the conversation (1-based) with its answer; its words are those of the answer."""
    session = session_of(request)
    turn, answer = session.turns[n - 1], numbered_on(session.turns)[n - 1]
    words = WORDS.get(answer.language, WORDS["en"])
    places = {citation.n: place(citation, turn=n) for citation in answer.citations}
    language = answer.language if answer.language in PAGE_WORDS else "en"
    filled = (
        _templates(language)
        .get_template("turn.html.j2")
        .render(
            n=n,
            turn=turn,
            answer=answer,
            body=answer_html(
                answer.answer, shown={c.n: words.digits(c.n) for c in answer.citations}, address=places.__getitem__
            ),
            words=words,
            w=words_of(request),
            crops={c.n: f"/crops/{c.image}" for c in answer.citations if c.image},
            address=places.__getitem__,
            direction=direction,
            shown=shown_picture(turn),
            disclaimer=DISCLAIMER,
        )
    )
    return Markup(filled)


def place(citation: Citation, *, turn: int) -> str:
    """The address of a cited box in the page viewer."""
    return f"/papers/{citation.document_id}/pages/{citation.page}?turn={turn}#b{citation.n}"


@cache
def _templates(language: str) -> Environment:
    words = PAGE_WORDS[language]
    made = environment(
        {
            "digits": words.hits.common.digits,
            "label": words.hits.common.label,
            "raised": raised,
            "readable": readable_quote,
            "reading": reading_html,
            "shorten": shorten,
            "page": lambda found: page_of(found, words.hits),
        }
    )
    made.loader = ChoiceLoader([PackageLoader("rag_app.serve"), PackageLoader("rag_app.render")])
    return made
