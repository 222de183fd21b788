"""Evaluation runs of the library, and their reports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response

from eval.runs import Run
from rag_app.errors import RagAppError
from rag_app.render.evaluation import write_report
from rag_app.serve.forms import read_form
from rag_app.serve.pages import page, session_of

FOLDER = "evaluations"  # in the library
REPORT = "report.html"
# A report is a page of its own: it may show its own style and pictures, and can do nothing else.
_ALONE = {
    "Content-Security-Policy": (
        "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; "
        "frame-ancestors 'self'"
    ),
    "X-Frame-Options": "SAMEORIGIN",
}


@dataclass(frozen=True, slots=True)
class Listed:
    """A run: the name of its folder, its kind, when it began (UTC, ISO 8601), how many of its items are there.

    problem: why nothing more is known of it, in a sentence.
    """

    name: str
    kind: str = ""
    started: str = ""
    models: tuple[str, ...] = ()
    done: int = 0
    total: int = 0
    report: bool = False
    problem: str = ""


async def evaluations(request: Request) -> Response:
    """The runs of this library, the newest first."""
    session = session_of(request)
    runs = await session.run(_listed, session.library.path / FOLDER)
    return page(request, "evaluations.html.j2", runs=runs, folder=session.library.path)


async def evaluation(request: Request) -> Response:
    """One run with its report."""
    folder = _folder(request)
    session = session_of(request)
    return page(request, "evaluation.html.j2", run=await session.run(_look_at, folder))


async def report(request: Request) -> Response:
    """The report of a run, shut off from the page that shows it."""
    path = _folder(request) / REPORT
    if not path.is_file() or path.is_symlink():
        raise HTTPException(404)
    return FileResponse(path, media_type="text/html; charset=utf-8", headers=_ALONE)


async def make_report(request: Request) -> Response:
    """Make the report of a run from its items, in the place of an older one."""
    session = session_of(request)
    await read_form(request, secret=session.keys.form)
    folder = _folder(request)
    await session.run(_write, folder, session.library.path)
    return RedirectResponse(f"/evaluations/{quote(folder.name)}", status_code=303)


def _write(folder: Path, library: Path) -> None:
    write_report(Run.open(folder), library=library, html=folder / REPORT)


def _folder(request: Request) -> Path:
    """The run's folder: one of those that are listed, whatever the address says."""
    root = session_of(request).library.path / FOLDER
    asked = str(request.path_params["run"])
    found = next((folder for folder in _folders(root) if folder.name == asked), None)
    if found is None:
        raise HTTPException(404)
    return found


def _folders(root: Path) -> list[Path]:
    """Folders of runs, the newest first; links that lead elsewhere are none."""
    if not root.is_dir():
        return []
    return sorted((one for one in root.iterdir() if one.is_dir() and not one.is_symlink()), reverse=True)


def _listed(root: Path) -> list[Listed]:
    return [_look_at(folder) for folder in _folders(root)]


def _look_at(folder: Path) -> Listed:
    there = (folder / REPORT).is_file()
    try:
        with Run.open(folder) as run:
            manifest = run.manifest
            done = len(run.done())
    except RagAppError as exc:  # shown beside the other runs
        return Listed(folder.name, report=there, problem=str(exc))
    models = tuple(dict.fromkeys(manifest.models.values()))
    return Listed(folder.name, manifest.kind, manifest.started, models, done, manifest.total, there)
