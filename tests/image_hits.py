"""Hits of image search made by hand, over pictures drawn here."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from rag_app.evidence import Passage
from rag_app.imaging.records import ImageHit, ImageQuery, ImageResult

ENGLISH = "A bar chart with error bars."
PERSIAN = "نمودار میله‌ای با خط خطا، که نتیجه را می‌سنجد."


def draw(path: Path, *, colour: str = "#c03020", size: tuple[int, int] = (240, 160)) -> Path:
    """A coloured disc on white."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).ellipse((20, 20, size[0] - 20, size[1] - 20), fill=colour)
    image.save(path)
    return path


@dataclasses.dataclass(frozen=True, slots=True)
class Shelf:
    """A library's folder with a picture for each name, and the near-duplicates it knows."""

    path: Path
    twins: tuple[Passage, ...] = ()

    def passages(self, node_ids: Sequence[str]) -> list[Passage]:
        known = {twin.node_id: twin for twin in self.twins}
        return [known[node_id] for node_id in node_ids if node_id in known]


def shelf(folder: Path, *names: str, twins: tuple[Passage, ...] = ()) -> Shelf:
    for name in (*names, *(str(twin.image) for twin in twins)):
        draw(folder / "crops" / name)
    return Shelf(folder, twins)


def twin(node_id: str, document: str, image: str, page: int = 1) -> Passage:
    return Passage(
        node_id, document, "d2", document, page, ((page, (0.0, 0.0, 9.0, 9.0)),), "figure", "", 0.0, image=image
    )


def hit(**more: object) -> ImageHit:
    """Figure 3 on page 4 of paper.pdf, found by its caption."""
    made = ImageHit(
        node_id="n1",
        document="paper.pdf",
        document_id="d1",
        page=4,
        bbox=(10.0, 20.0, 110.0, 70.0),
        kind="figure",
        label="Figure 3",
        caption=ENGLISH,
        score=0.8312,
        found_by=("image", "caption"),
        parts={"look": 0.27, "meaning": 0.41, "without": -0.12, "words": 0.001},
        text=f"{ENGLISH}\nscore 100 80 60",
        image="a.png",
    )
    return dataclasses.replace(made, **more)  # pyright: ignore[reportArgumentType]  # fields by name


def result(
    *hits: ImageHit, text: str | None = "bars", without: str | None = None, note: str | None = None
) -> ImageResult:
    return ImageResult(
        ImageQuery(text, None, without), hits, {"total": 0.1234}, {"image_embedding": "openclip:ViT-B-32/x"}, note
    )
