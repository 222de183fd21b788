"""The library: its papers, those that are added, one page of one of them with the boxes that are cited on it."""

from __future__ import annotations

import dataclasses
import re
import shutil
import tempfile
from datetime import datetime
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response

from ingestion.elements import Paper
from rag_app.citations import Citation
from rag_app.evidence import Passage
from rag_app.library import Library
from rag_app.render.conversation import numbered_on
from rag_app.render.page import PAGE_DPI, CitedPage, cited_pages
from rag_app.render.terminal import shorten
from rag_app.serve.forms import UPLOAD_BYTES, digests, files_of, put_down, read_form
from rag_app.serve.pages import fill, page, place, session_of, words_of
from rag_app.serve.session import SHARP_DPI, Session
from rag_app.serve.words import PageWords
from rag_app.serve.work import Job, Progress, Work
from rag_app.store.strangers import crop_file

_CROP = re.compile(r"[0-9a-f]{64}\.png")
_QUOTED = 400  # characters of a passage that was found


async def papers(request: Request) -> Response:
    """The papers of the library, where to add more, and the work in hand."""
    session = session_of(request)
    documents = await session.run(session.library.documents)
    return page(
        request,
        "papers.html.j2",
        papers=documents,
        jobs=session.jobs.all(),
        most_mebibytes=UPLOAD_BYTES >> 20,
        most_bytes=UPLOAD_BYTES,
    )


async def add(request: Request) -> Response:
    """Take files in; they are read behind the page."""
    session, words = session_of(request), words_of(request)
    form = await read_form(request, secret=session.keys.form, most_bytes=UPLOAD_BYTES)
    folder = Path(tempfile.mkdtemp(prefix="rag-app-"))
    try:
        # The library tells papers of the same name apart by their folders.
        place = folder / f"{datetime.now():%Y-%m-%d %H.%M.%S}"
        paths = await session.run(put_down, files_of(form, "file"), place)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        await form.close()
    name = paths[0].name if len(paths) == 1 else f"{paths[0].name} + {words.hits.common.digits(len(paths) - 1)}"
    session.jobs.add(name, "pages", _reading(session.library, folder, words))
    return RedirectResponse("/papers", status_code=303)


def _reading(library: Library, folder: Path, words: PageWords) -> Work:
    """The work of reading the files in `folder`, which is then removed."""

    def read(job: Job, on_progress: Progress) -> None:
        try:
            report = library.ingest(folder, on_progress=on_progress)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        for document in report.documents:
            if document.error:
                job.problems.append(f"{document.document}: {document.error}")
                continue
            said = "is_known" if document.skipped else "is_read"
            job.said.append(words.filled(said, name=document.document, pages=words.count("page", document.pages)))
            job.problems += [problem.message for problem in document.problems]
        job.said += [report.note] if report.note else []

    return read


async def remove(request: Request) -> Response:
    """Take a paper out of the library."""
    session = session_of(request)
    await read_form(request, secret=session.keys.form)
    await session.run(session.library.remove, _digest(request))
    return RedirectResponse("/papers", status_code=303)


async def work(request: Request) -> Response:
    """The work in hand, for the page's script: whether all is over, and the list as HTML."""
    jobs = session_of(request).jobs.all()
    html = fill(request, "jobs.html.j2", jobs=jobs)
    return JSONResponse({"over": all(job.over for job in jobs), "html": str(html)})


async def view(request: Request) -> Response:
    """One page of a paper with the boxes of an answer (?turn=3), or of one passage (?node=...), on it."""
    session = session_of(request)
    paper, number = await _page_of(request)
    turn = _turn(request, session)
    node = request.query_params.get("node", "")
    cited: list[Citation] = []
    if turn:
        cited = list(numbered_on(session.turns)[turn - 1].citations)
    elif node:
        found = await session.run(session.library.passages, [node])
        cited = [_found(passage) for passage in found]
    here = [
        dataclasses.replace(one, places=tuple(at for at in one.places if at[0] == number))
        for one in cited
        if one.document_id == paper.sha256 and any(at[0] == number for at in one.places)
    ]
    drawn = await session.page_picture(paper.sha256, number)
    address = f"/papers/{paper.sha256}/pages/{number}.webp"
    shown = cited_pages(here, library=session.library, address=lambda *_: address if drawn else None)
    bare = CitedPage("p1", paper.name, number, address if drawn else None, paper.pages[number - 1], ())
    part = request.headers.get("x-part") == "sheet"
    values = {
        "paper": paper,
        "name": paper.name,
        "number": number,
        "sheet": shown[0] if shown else bare,
        "sharp": f"{address}?sharp=1",
        "citations": here,
        "crops": {},
        "address": {one.n: place(one, turn=turn) if turn else f"#b{one.n}" for one in here}.__getitem__,
        "turn": turn,
        "part": part,
        "node": node,
        "words": words_of(request).hits.common,
    }
    return page(request, "sheet.html.j2" if part else "viewer.html.j2", **values)


async def picture(request: Request) -> Response:
    """One page of a paper as a picture."""
    session = session_of(request)
    paper, number = await _page_of(request)
    dpi = SHARP_DPI if "sharp" in request.query_params else PAGE_DPI
    drawn = await session.page_picture(paper.sha256, number, dpi=dpi)
    if drawn is None:
        raise HTTPException(404, "This paper is encrypted, so its pages are not shown.")
    return Response(drawn, media_type="image/webp")


async def crop(request: Request) -> Response:
    """The picture of a figure, table or formula."""
    name = str(request.path_params["name"])
    if not _CROP.fullmatch(name):
        raise HTTPException(404)
    path = crop_file(session_of(request).library.path / "crops", name)
    if not path.is_file():
        raise HTTPException(404)
    return FileResponse(path, media_type="image/png")


def _digest(request: Request) -> str:
    """The document that the address names."""
    return digests([str(request.path_params["paper"])])[0]


async def _page_of(request: Request) -> tuple[Paper, int]:
    """The paper and the page (1-based) that the address names."""
    session = session_of(request)
    paper = await session.run(session.library.paper, _digest(request))
    number = int(request.path_params["page"])
    if not 1 <= number <= len(paper.pages):
        raise HTTPException(404, f"{paper.name} has pages 1 to {len(paper.pages)}, not {number}.")
    return paper, number


def _turn(request: Request, session: Session) -> int:
    """Which answer's boxes are asked for, 1-based; 0 for none, also where the conversation was begun anew."""
    asked = request.query_params.get("turn", "")
    return int(asked) if asked.isascii() and asked.isdigit() and 1 <= int(asked[:6]) <= len(session.turns) else 0


def _found(passage: Passage) -> Citation:
    """A passage that was found, as a citation of the whole of it."""
    return Citation(
        n=1,
        document=passage.document,
        document_id=passage.document_id,
        title=passage.title,
        page=passage.page,
        bbox=passage.bbox,
        places=passage.places,
        kind=passage.kind,
        label=passage.label,
        quote=shorten(passage.text, _QUOTED),
        node_id=passage.node_id,
        image=passage.image,
    )
