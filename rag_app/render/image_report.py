"""`eval images --html`: the figures, a heat map, and the worst misses as pictures, on one self-contained page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup

from eval.images.metrics import MEASURES
from eval.images.records import (
    CLASS_HEADER,
    FUSED,
    ImagesReport,
    LanguageReport,
    Query,
    accounting,
    cells,
    class_accounting,
    class_cells,
    name,
    provenance,
)
from rag_app.render.heat_map import HeatMap, svg
from rag_app.render.rtl import reads_right_to_left
from rag_app.render.self_contained import Embedded, embedded, environment, write_whole

MOST_SHOWN = 360  # images of a heat map: two pixels each
_SIDE = 200  # pixels of a thumbnail


@dataclass(frozen=True, slots=True)
class _Came:
    """An image that came for a query. own: the one that should have."""

    rank: int
    name: str
    shown: Embedded
    score: float
    own: bool


@dataclass(frozen=True, slots=True)
class _Miss:
    """A query whose image did not come first. rank: of its image, 0 where it did not come."""

    caption: str
    right_to_left: bool
    rank: int
    name: str
    shown: Embedded
    came: tuple[_Came, ...]


def heat_map(report: ImagesReport, language: LanguageReport) -> HeatMap | None:
    """The fused scores of images and captions; of many images evenly chosen ones. None where nothing was scored."""
    n = len(language.heat_images)
    if not n:
        return None
    chosen = np.unique(np.linspace(0, n - 1, min(n, MOST_SHOWN)).round().astype(int))
    captions: dict[int, str] = {}
    for query in language.queries:
        if query.error is None:
            captions.setdefault(query.image, query.caption)
    images = [language.heat_images[i] for i in chosen]
    some = f", {len(chosen)} of {n} images" if len(chosen) < n else ""
    return HeatMap(
        language.heat[np.ix_(chosen, chosen)],
        tuple(Path(report.images[i].name).name for i in images),
        tuple(captions[i] for i in images),
        f"Images and their held-out captions, {name(language.language)}{some}",
        "Fused score",
    )


def write_image_report(report: ImagesReport, path: Path, *, misses: int = 12) -> int:
    """Write the page to `path`, replacing it whole; its size in bytes, about 30 kB a miss.

    misses: shown of each language, the worst first. Raises UsageError when `path` cannot be written.
    """
    parts = (
        environment()
        .get_template("image_report.html.j2")
        .generate(
            report=report,
            languages=_languages(report, misses),
            measures=MEASURES,
            class_header=CLASS_HEADER,
            class_rows=class_cells(report.classes) if report.classes else [],
            class_accounting=class_accounting(report.classes) if report.classes else "",
            provenance=provenance(report),
            fused=FUSED,
        )
    )
    return write_whole(path, parts)


def _languages(report: ImagesReport, misses: int) -> Iterator[dict[str, object]]:
    for one in report.languages:
        heat = heat_map(report, one)
        asked = sum(query.error is None for query in one.queries)
        yield {
            "code": one.language,
            "name": name(one.language),
            "rows": [(row, cells(row)) for row in one.rows],
            "accounting": accounting(one).splitlines(),
            "heat": Markup(svg(heat, page=True)) if heat else None,  # svg() escapes its words
            "asked": asked,
            "heading": _heading(len(one.worst), asked, misses),
            "misses": (_miss(report, query) for query in one.worst[:misses]),
        }


def _heading(missed: int, asked: int, shown: int) -> str:
    queries = f"{asked} {'query' if asked == 1 else 'queries'}"
    if not missed:
        return f"No misses in {queries}"
    found = f"{missed} {'miss' if missed == 1 else 'misses'} in {queries}"
    return found if missed <= shown else f"{found}, the {shown} worst of them"


def _miss(report: ImagesReport, query: Query) -> _Miss:
    own = report.images[query.image]
    came = tuple(
        _Came(rank, report.images[i].name, embedded(report.images[i].path, side=_SIDE), score, i == query.image)
        for rank, (i, score) in enumerate(query.first, start=1)
    )
    right_to_left = reads_right_to_left(query.caption)
    return _Miss(query.caption, right_to_left, query.ranks[FUSED], own.name, embedded(own.path, side=_SIDE), came)
