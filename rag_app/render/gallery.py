"""`caption --html`: pictures with the captions of all models side by side, on one self-contained page.

No script and no network: a Content-Security-Policy says so to the browser, thumbnails are embedded, and languages are
shown and hidden by the page's own style. Templates escape everything that comes from a model or a file name.
"""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, select_autoescape

from rag_app.captioning.pictures import thumbnail
from rag_app.captioning.records import CaptionRow, latest, picture_file
from rag_app.errors import InputError, UsageError

LANGUAGE_NAMES = {"en": "English", "fa": "فارسی"}


@dataclass(frozen=True, slots=True)
class Cell:
    """What one model gave for one picture in one language; None where it was not asked."""

    model: str
    row: CaptionRow | None


@dataclass(frozen=True, slots=True)
class Shelf:
    """One picture of the gallery: its name, thumbnail and a line of cells for each language.

    thumbnail is a data URI; None where the picture cannot be shown, and `problem` says why.
    """

    image: str
    thumbnail: str | None
    problem: str
    lines: tuple[tuple[str, tuple[Cell, ...]], ...]

    @property
    def failed(self) -> bool:
        """Whether any cell failed."""
        return any(cell.row is not None and not cell.row.ok for _, cells in self.lines for cell in cells)


def write_gallery(rows: Sequence[CaptionRow], path: Path, *, beside: Path, title: str = "Captions") -> int:
    """Write the gallery of `rows` to `path`, replacing it whole; its size in bytes.

    One picture at a time is in memory. A thumbnail takes about 15 kB: 1,000 pictures make a page of some 20 MB.

    Args:
        rows: as `read_captions(jsonl, failed=True)` gives them; failures are shown with their reason.
        beside: the JSON Lines file, to which the pictures' names are relative.

    Raises UsageError when `path` cannot be written.
    """
    kept = latest(rows)
    languages = [name for name in LANGUAGE_NAMES if any(row.language == name for row in kept)]
    parts = (
        environment()
        .get_template("gallery.html.j2")
        .generate(
            title=title,
            rows=kept,
            pictures=len({row.image for row in kept}),
            models=list(dict.fromkeys(row.model for row in kept)),
            languages=languages,
            language_names=LANGUAGE_NAMES,
            shelves=_shelves(kept, languages, beside),
        )
    )
    return write_whole(path, parts)


def _shelves(rows: Sequence[CaptionRow], languages: Sequence[str], beside: Path) -> Iterator[Shelf]:
    models = list(dict.fromkeys((row.model, row.translated_from) for row in rows))
    names = list(dict.fromkeys(model for model, _ in models))
    by_image: dict[str, list[CaptionRow]] = {}
    for row in rows:
        by_image.setdefault(row.image, []).append(row)
    for image, found in by_image.items():
        shown, problem = _thumbnail(picture_file(found[0], beside))
        lines = []
        for language in languages:
            cells = []
            for model in names:
                given = [row for row in found if row.model == model and row.language == language]
                cells += [Cell(model, row) for row in given] or [Cell(model, None)]
            lines.append((language, tuple(cells)))
        yield Shelf(image, shown, problem, tuple(lines))


def _thumbnail(path: Path) -> tuple[str | None, str]:
    try:
        return data_uri(thumbnail(path)), ""
    except FileNotFoundError:
        return None, "The picture is no longer there."
    except InputError as exc:
        return None, str(exc)
    except OSError as exc:
        return None, f"The picture cannot be read ({exc.strerror})."


def data_uri(content: bytes, media_type: str = "image/webp") -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"


def write_whole(path: Path, parts: Iterator[str]) -> int:
    """Write text to a temporary name, flush it, rename it to `path`; its size in bytes. Raises UsageError."""
    scratch: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", errors="replace", dir=path.parent, suffix=".html", delete=False
        ) as file:
            scratch = Path(file.name)
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        scratch.chmod(0o644)
        scratch.replace(path)
    except OSError as exc:
        raise UsageError(f"{path} cannot be written ({exc.strerror}). Choose another file with --html.") from exc
    finally:
        if scratch is not None:
            scratch.unlink(missing_ok=True)
    return path.stat().st_size


@cache
def environment() -> Environment:
    """The templates of pages with models side by side; everything in them is escaped."""
    made = Environment(
        loader=PackageLoader("rag_app.render"),
        autoescape=select_autoescape(default=True),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["short_model"] = lambda name: name.removeprefix("ollama:")
    return made
