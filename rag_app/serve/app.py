"""The web page's addresses, and what each of them answers: start reading rag_app.serve here.

    browser -> Gate (who may ask) -> a function of this table -> Session (library, conversation, work) -> a template

Everything is drawn on the server. The one script, static/app.js, adds streaming, the page beside the answer, dropped
files and keys; without it every page still works, but for pictures that are pasted.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from rag_app.errors import LibraryBusy, ModelError, RagAppError, TooLarge, UnknownDocument, UsageError
from rag_app.serve import asking, choosing, evaluations, finding, papers
from rag_app.serve.gate import Gate
from rag_app.serve.pages import page
from rag_app.serve.session import Session

_STATIC = Path(__file__).parent / "static"
_RENDER = Path(__file__).parents[1] / "render" / "templates"
# The first match counts. What the reader asked for is in the wrong; what a file or a model lacks is not.
_STATUS: tuple[tuple[type[RagAppError], int], ...] = (
    (TooLarge, 413),
    (UnknownDocument, 404),
    (UsageError, 400),
    (LibraryBusy, 409),
    (ModelError, 503),
    (RagAppError, 422),
)


async def _style(request: Request) -> Response:
    """One sheet: that of answers, that of hits, and what is the page's own."""
    sheets = (_RENDER / "answer.css", _RENDER / "hits.css", _STATIC / "app.css")
    text = "\n".join(sheet.read_text(encoding="utf-8") for sheet in sheets)
    return Response(text, media_type="text/css")


async def _script(request: Request) -> Response:
    return FileResponse(_STATIC / "app.js", media_type="text/javascript")


ROUTES = [
    Route("/", asking.conversation),
    Route("/ask", asking.ask, methods=["POST"]),
    Route("/conversation/new", asking.forget, methods=["POST"]),
    Route("/conversation/{file}", asking.save),
    Route("/papers", papers.papers),
    Route("/papers", papers.add, methods=["POST"]),
    Route("/papers/{paper}/pages/{page:int}", papers.view),
    Route("/papers/{paper}/pages/{page:int}.webp", papers.picture),
    Route("/papers/{paper}/remove", papers.remove, methods=["POST"]),
    Route("/crops/{name}", papers.crop),
    Route("/work", papers.work),
    Route("/figures", finding.figures),
    Route("/figures/{node}/captions", finding.write_captions, methods=["POST"]),
    Route("/search", finding.search),
    Route("/search", finding.search_by_picture, methods=["POST"]),
    Route("/models", choosing.models),
    Route("/models", choosing.use, methods=["POST"]),
    Route("/language", choosing.speak, methods=["POST"]),
    Route("/evaluations", evaluations.evaluations),
    Route("/evaluations/{run}", evaluations.evaluation),
    Route("/evaluations/{run}/report", evaluations.report),
    Route("/evaluations/{run}/report", evaluations.make_report, methods=["POST"]),
    Route("/static/style.css", _style),
    Route("/static/app.js", _script),
]


def make_app(session: Session) -> ASGIApp:
    """The application behind its gate. What it raises is said on a page, or as JSON to the page's script."""
    inner = Starlette(
        routes=ROUTES,
        exception_handlers={RagAppError: _failed, HTTPException: _missing},
        lifespan=_lifespan,
    )
    inner.state.session = session
    return Gate(inner, session.keys)


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncGenerator[None, None]:
    session: Session = app.state.session
    asyncio.get_running_loop().set_default_executor(session.threads)  # that the engine's own threads are few, too
    yield
    await session.close()


async def _failed(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, RagAppError)
    status = next(status for kind, status in _STATUS if isinstance(exc, kind))
    return _said(request, str(exc), status)


async def _missing(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)
    standard = HTTPStatus(exc.status_code).phrase
    return _said(request, "" if exc.detail == standard else exc.detail, exc.status_code)


def _said(request: Request, sentence: str, status: int) -> Response:
    if "text/html" not in request.headers.get("accept", "text/html"):
        return JSONResponse({"error": sentence or HTTPStatus(status).phrase}, status_code=status)
    return page(request, "error.html.j2", status=status, sentence=sentence, missing=status == HTTPStatus.NOT_FOUND)
