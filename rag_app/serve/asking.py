"""The conversation: questions with streamed drafts and checked answers, and the whole of it as a file."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from pathlib import Path

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from ingestion.limits import Limits
from rag_app.answering.seeing import QUESTION
from rag_app.answering.turns import Scope, Turn
from rag_app.captioning.pictures import read_picture, thumbnail
from rag_app.errors import RagAppError, UsageError
from rag_app.library import ANSWER_LANGUAGES
from rag_app.render.conversation import conversation_html, conversation_jsonl, conversation_markdown
from rag_app.render.terminal import printable
from rag_app.serve.forms import (
    FORM_BYTES,
    PICTURE_BYTES,
    digests,
    files_of,
    put_down,
    read_form,
    text_of,
    texts_of,
)
from rag_app.serve.pages import page, session_of, turn_html, words_of
from rag_app.serve.session import Picture, check_question

STREAM = "application/x-ndjson"  # a JSON object a line: asked, text (of the draft), and last html or error
KINDS = ("text", "table", "formula", "figure", "footnote", "reference")
Begin = Callable[[Callable[[str], None], Callable[[str], None]], Coroutine[None, None, Turn]]  # on_asked, on_text
_FILES = {"html": "text/html", "md": "text/markdown", "jsonl": STREAM}


async def conversation(request: Request) -> Response:
    """The start page: what was asked so far, and where to ask on."""
    session = session_of(request)
    return page(
        request,
        "conversation.html.j2",
        turns=[turn_html(request, n) for n in range(1, len(session.turns) + 1)],
        papers=await session.run(session.library.documents),
        kinds=KINDS,
        languages=ANSWER_LANGUAGES,
        scope=session.scope,
        model=session.library.settings.models.answer,
        vision=session.library.settings.models.vision,
        most_bytes=PICTURE_BYTES,
    )


async def ask(request: Request) -> Response:
    """Answer a question, on the papers or on a picture that comes with it: line by line for the page's script, else by
    going back to the page, which then holds the answer."""
    session = session_of(request)
    with_files = request.headers.get("content-type", "").startswith("multipart/form-data")
    form = await read_form(request, secret=session.keys.form, most_bytes=PICTURE_BYTES if with_files else FORM_BYTES)
    try:
        typed = printable(text_of(form, "question").replace("\r", "")).strip()
        kinds = tuple(kind for kind in texts_of(form, "kind") if kind in KINDS)
        scope = Scope(digests(texts_of(form, "paper")), kinds=kinds, language=text_of(form, "language") or None)
        files = files_of(form, "picture")[:1]
        picture = await session.run(_opened, files) if files else None
    finally:
        await form.close()
    if picture is not None:
        typed = typed or QUESTION[words_of(request).language]
    check_question(typed)

    def begin(on_asked: Callable[[str], None], on_text: Callable[[str], None]) -> Coroutine[None, None, Turn]:
        if picture is not None:
            return session.look(picture, typed, scope, on_text=on_text)
        return session.ask(typed, scope, on_asked=on_asked, on_text=on_text)

    if STREAM in request.headers.get("accept", ""):
        return StreamingResponse(_lines(request, begin), media_type=STREAM)
    await begin(lambda asked: None, lambda piece: None)
    return RedirectResponse(f"/#t{len(session.turns)}", status_code=303)


def _opened(files: Sequence[UploadFile]) -> Picture:
    """The picture that was sent, under its own name. Raises InputError where it is none, or damaged."""
    with tempfile.TemporaryDirectory(prefix="rag-app-") as folder:
        path = put_down(files, Path(folder))[0]
        return Picture(path.name, read_picture(path, limits=Limits()), thumbnail(path))


async def _lines(request: Request, begin: Begin) -> AsyncGenerator[str, None]:
    """What comes of a question, as it comes. Left early, as by a reader who stops it, the model is stopped too."""
    session = session_of(request)
    loop = asyncio.get_running_loop()
    arrived: asyncio.Queue[dict[str, str] | None] = asyncio.Queue()

    def tell(line: dict[str, str] | None) -> None:
        loop.call_soon_threadsafe(arrived.put_nowait, line)  # a model may call from a thread of its own

    asking = asyncio.ensure_future(begin(lambda asked: tell({"asked": asked}), lambda piece: tell({"text": piece})))
    asking.add_done_callback(lambda _: tell(None))
    try:
        while (line := await arrived.get()) is not None:
            yield _line(line)
        turn = await asking
    except RagAppError as exc:
        yield _line({"error": str(exc)})
        return
    finally:
        asking.cancel()
    n = session.turns.index(turn) + 1
    yield _line({"html": str(turn_html(request, n))})


def _line(content: dict[str, str]) -> str:
    return f"{json.dumps(content, ensure_ascii=False)}\n"


async def forget(request: Request) -> Response:
    """Begin a new conversation."""
    session = session_of(request)
    await read_form(request, secret=session.keys.form)
    session.turns.clear()
    return RedirectResponse("/", status_code=303)


async def save(request: Request) -> Response:
    """The conversation as one self-contained page, as Markdown, or as JSON Lines: a file to keep or to send."""
    session = session_of(request)
    name = str(request.path_params["file"])
    kind = name.removeprefix("conversation.")
    if kind not in _FILES or name == kind:
        raise HTTPException(404)
    turns = list(session.turns)
    if not turns:
        raise UsageError("Nothing has been asked yet; ask a question first.")
    if kind == "html":
        text = await session.run(conversation_html, turns, library=session.library)
    else:
        text = conversation_markdown(turns) if kind == "md" else conversation_jsonl(turns)
    return Response(
        text.encode("utf-8", errors="replace"),
        media_type=_FILES[kind],
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Content-Security-Policy": "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'",
        },
    )
