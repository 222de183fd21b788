"""What a browser sends: forms with their token, bounded in size, and files put where the library can read them."""

from __future__ import annotations

import re
import shutil
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message, Receive

from ingestion.files import PDF_SUFFIXES, PICTURE_SUFFIXES, check_file
from ingestion.limits import Limits
from rag_app.errors import NotAPaper, TooLarge, UnknownDocument, UsageError
from rag_app.serve.gate import same

FORM_BYTES = 64 << 10  # of a form without files
UPLOAD_BYTES = 512 << 20  # of papers sent at once
PICTURE_BYTES = 32 << 20  # of a picture to search with
MOST_FILES = 100
_DIGEST = re.compile(r"[0-9a-f]{64}")
_MOST_FIELDS = 1100  # a box for each paper that a question may be narrowed to
_NAME_BYTES = 180  # of a file's name; file systems take 255 with what a library adds


async def read_form(request: Request, *, secret: str, most_bytes: int = FORM_BYTES) -> FormData:
    """The form that was posted; close it after use. Files of it lie in temporary files, not in memory.

    Raises TooLarge over `most_bytes`, known from its length where that is said, and HTTPException (403) where the
    form does not carry `secret`: it was not made by this run's page then.
    """
    said = request.headers.get("content-length", "")
    if said.isdigit() and int(said) > most_bytes:
        raise _too_large(most_bytes)
    bounded = Request(request.scope, _bounded(request.receive, most_bytes))
    form = await bounded.form(max_files=MOST_FILES, max_fields=_MOST_FIELDS, max_part_size=FORM_BYTES)
    if not same(text_of(form, "form_token"), secret):
        await form.close()
        raise HTTPException(403, "This form was made by an earlier run; load the page again.")
    return form


def _bounded(receive: Receive, most_bytes: int) -> Receive:
    taken = 0

    async def counted() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > most_bytes:
            raise _too_large(most_bytes)
        return message

    return counted


def _too_large(most_bytes: int) -> TooLarge:
    shown = f"{most_bytes >> 20} MiB" if most_bytes >= 1 << 20 else f"{most_bytes >> 10} KiB"
    return TooLarge(f"That is more than the {shown} that may be sent at once; send less, or run: rag-app ingest FOLDER")


def text_of(form: FormData, name: str) -> str:
    """The text of a field, "" where there is none or a file in its place."""
    value = form.get(name, "")
    return value if isinstance(value, str) else ""


def texts_of(form: FormData, name: str) -> tuple[str, ...]:
    """The texts of all fields of that name."""
    return tuple(value for value in form.getlist(name) if isinstance(value, str) and value)


def digests(papers: Sequence[str]) -> tuple[str, ...]:
    """The papers, which pages name by their digest alone; no other name is looked for. Raises UnknownDocument."""
    for paper in papers:
        if not _DIGEST.fullmatch(paper):
            raise UnknownDocument(f"There is no paper {paper[:80]!r} here; load the page again.")
    return tuple(papers)


def files_of(form: FormData, name: str) -> list[UploadFile]:
    """The files of that name; an empty choice, which browsers send as a file without a name, is none."""
    return [value for value in form.getlist(name) if isinstance(value, UploadFile) and value.filename]


def put_down(files: Sequence[UploadFile], folder: Path) -> list[Path]:
    """The files under their own names in `folder`, which is made, checked to be a PDF or picture by their content.

    Raises UsageError without any, NotAPaper, EmptyFile, TooLarge for the first that is none.
    """
    if not files:
        raise UsageError("No file was chosen; choose PDFs or pictures.")
    paths = []
    for number, file in enumerate(files, start=1):
        path = folder / plain_name(file.filename or "")
        if path.exists():  # two files may have the same name
            path = folder / str(number) / path.name
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as written:
            shutil.copyfileobj(file.file, written)
        check_file(path, limits=Limits(file_bytes=UPLOAD_BYTES))
        paths.append(path)
    return paths


def plain_name(sent: str) -> str:
    """A file's name without folders, control characters and leading dots; it keeps its suffix.

    Raises NotAPaper where nothing that we read is left.
    """
    last = unicodedata.normalize("NFC", sent).replace("\\", "/").rpartition("/")[2]
    name = "".join(c for c in last if unicodedata.category(c)[0] != "C" or c == "\u200c").strip().lstrip(".")
    stem, dot, suffix = name.rpartition(".")
    if not stem or f"{dot}{suffix}".lower() not in PDF_SUFFIXES | PICTURE_SUFFIXES:
        known = " ".join(sorted(PDF_SUFFIXES | PICTURE_SUFFIXES))
        raise NotAPaper(f"{name or 'A file without a name'} is not of a kind that is read ({known}).")
    short = stem.encode()[: _NAME_BYTES - len(suffix)].decode(errors="ignore")
    return f"{short}.{suffix}"
