"""Search by words and by a picture, the figures of the library, and captions for one of them."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from rag_app.captioning import caption
from rag_app.errors import UsageError
from rag_app.imaging.records import ImageHit
from rag_app.library import Library
from rag_app.models import LanguageModel
from rag_app.render.hits import Hits, image_hits, passage_hits
from rag_app.render.self_contained import Embedded, embedded
from rag_app.render.terminal import printable
from rag_app.reports import SearchHit
from rag_app.serve.forms import PICTURE_BYTES, digests, files_of, put_down, read_form, text_of, texts_of
from rag_app.serve.pages import page, session_of, words_of
from rag_app.serve.work import Job, Progress, Work
from rag_app.store.strangers import crop_file

PICTURES, PASSAGES = "pictures", "passages"
_HITS = 12
_FIGURES = 24  # on one page
_ASKED_SIDE = 320  # pixels, of the picture searched with
_NODE = re.compile(r"[\w:.-]{1,200}")


async def search(request: Request) -> Response:
    """Search by words: figures, or passages."""
    session = session_of(request)
    text = printable(request.query_params.get("q", "")).strip()
    kind = PASSAGES if request.query_params.get("in") == PASSAGES else PICTURES
    if not text:
        return page(request, "search.html.j2", text="", kind=kind, hits=None, most_bytes=PICTURE_BYTES)
    if kind == PASSAGES:
        found = await session.run(session.library.search, text, k=_HITS)
        return _results(request, text, kind, passage_hits(found, session.library), found.hits)
    images = await session.run(session.library.search_images, text, k=_HITS)
    return _results(request, text, kind, image_hits(images, session.library), images.hits)


async def search_by_picture(request: Request) -> Response:
    """Search figures by a picture that was dropped, pasted or chosen, and by words where there are some."""
    session = session_of(request)
    form = await read_form(request, secret=session.keys.form, most_bytes=PICTURE_BYTES)
    text = printable(text_of(form, "q")).strip()
    with tempfile.TemporaryDirectory(prefix="rag-app-") as folder:
        try:
            path = (await session.run(put_down, files_of(form, "picture")[:1], Path(folder)))[0]
        finally:
            await form.close()
        images = await session.run(session.library.search_images, text or None, image=path, k=_HITS)
        hits = image_hits(images, session.library, picture=path)
        asked = await session.run(embedded, path, side=_ASKED_SIDE)
    return _results(request, text, PICTURES, hits, images.hits, asked=asked)


def _results(
    request: Request,
    text: str,
    kind: str,
    hits: Hits,
    found: tuple[SearchHit, ...] | tuple[ImageHit, ...],
    *,
    asked: Embedded | None = None,
) -> Response:
    return page(
        request,
        "search.html.j2",
        text=text,
        kind=kind,
        hits=hits,
        cards=[
            (card, _picture(card.picture), [(twin, _picture(twin.picture)) for twin in card.twins])
            for card in hits.cards
        ],
        address=[f"/papers/{hit.document_id}/pages/{hit.page}?node={hit.node_id}#b1" for hit in found].__getitem__,
        asked=asked,
        most_bytes=PICTURE_BYTES,
    )


def _picture(path: Path | None) -> Embedded:
    return Embedded(f"/crops/{path.name}" if path else None)


async def figures(request: Request) -> Response:
    """The figures with all that is said of them, a page at a time; ?paper=ID: of one paper."""
    session = session_of(request)
    paper = request.query_params.get("paper", "")
    sheet = request.query_params.get("sheet", "1")
    number = int(sheet) if sheet.isascii() and sheet.isdigit() and int(sheet[:6]) >= 1 else 1
    found = await session.run(
        session.library.figures, papers=digests([paper] if paper else []), first=(number - 1) * _FIGURES, count=_FIGURES
    )
    return page(
        request,
        "figures.html.j2",
        figures=found.shown,
        number=number,
        sheets=-(-found.total // _FIGURES),
        paper=paper,
        papers=await session.run(session.library.documents),
        vision=session.library.settings.models.vision,
        jobs=session.jobs.all(),
    )


async def write_captions(request: Request) -> Response:
    """Let the vision model write captions of one figure, behind the page; they are stored and found from then on."""
    session, words = session_of(request), words_of(request)
    form = await read_form(request, secret=session.keys.form)
    languages = texts_of(form, "language")
    back = text_of(form, "back")
    node = str(request.path_params["node"])
    passages = await session.run(session.library.passages, [node]) if _NODE.fullmatch(node) else []
    if not passages or not passages[0].image:
        raise HTTPException(404, "That figure is no longer in the library.")
    if not languages:
        raise UsageError("No language is chosen; choose English, Persian or both.")
    model = await session.run(session.library.vision_model)
    where = f"{passages[0].document}, {words.hits.common.page} {words.hits.common.digits(passages[0].page)}"
    picture = crop_file(session.library.path / "crops", passages[0].image)

    def named(count: int) -> str:
        return words.filled("is_captioned", name=where, n=count)

    session.jobs.add(where, "captions", _captioning(session.library, model, picture, languages, named=named))
    inside = back if re.fullmatch(r"/figures(\?[\w=&%.-]*)?", back) else "/figures"
    return RedirectResponse(f"{inside}#{node}", status_code=303)


def _captioning(
    library: Library,
    model: LanguageModel,
    picture: Path,
    languages: tuple[str, ...],
    *,
    named: Callable[[int], str],
) -> Work:
    """The work of captioning one picture of the library. named: says that so many captions of it were stored."""

    def write(job: Job, on_progress: Progress) -> None:
        with tempfile.TemporaryDirectory(prefix="rag-app-") as folder:
            out = Path(folder) / "captions.jsonl"
            report = caption([picture], [model], languages, out=out, on_progress=on_progress)
            job.problems += [failure.error for one in report.models for failure in one.failures]
            stored = library.add_captions(out) if any(one.done for one in report.models) else None
        if stored is not None:
            job.said.append(named(stored.added))

    return write
