"""`caption --html`: pictures with the captions of all models side by side, on one self-contained page.

Thumbnails are embedded, and languages are shown and hidden by the page's own style, without a script.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rag_app.captioning.records import CaptionRow, latest, picture_file
from rag_app.render.self_contained import embedded, environment, write_whole

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
        environment({"short_model": short_model})
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
        picture = embedded(picture_file(found[0], beside))
        lines = []
        for language in languages:
            cells = []
            for model in names:
                given = [row for row in found if row.model == model and row.language == language]
                cells += [Cell(model, row) for row in given] or [Cell(model, None)]
            lines.append((language, tuple(cells)))
        yield Shelf(image, picture.uri, picture.problem, tuple(lines))


def short_model(name: str) -> str:
    """A model's name without `ollama:`."""
    return name.removeprefix("ollama:")
