"""A library of made-up papers that are mostly figures, for tests and benchmarks of describing: ready in seconds."""

from __future__ import annotations

import hashlib
import io
import math
import random
from pathlib import Path

from PIL import Image, ImageDraw

from ingestion.crops import save_png
from ingestion.elements import Element, PageSize, Paper, Place
from rag_app.library import Library
from rag_app.settings import Settings

_METHODS = ("contrastive", "masked", "distilled", "recurrent", "sparse", "gated")


def make_library(
    folder: Path,
    *,
    papers: int = 2,
    figures: int = 10,
    settings: Settings | None = None,
    size: tuple[int, int] = (640, 480),
) -> Library:
    """An open library of `papers` with `figures` each, as `ingest` embeds them. Equal numbers give equal crops."""
    library = Library.open(folder, settings=settings)
    for number in range(papers):
        paper = figure_paper(number, figures, folder / "crops", size=size)
        made = library._intake().make(paper, {})  # pyright: ignore[reportPrivateUsage]  # as ingest embeds
        library._store.commit(paper, made.nodes, made.vectors)  # pyright: ignore[reportPrivateUsage]  # without a PDF
    return library


def figure_paper(number: int, figures: int, crops: Path, *, size: tuple[int, int] = (640, 480)) -> Paper:
    """A paper of `figures`, each introduced by a sentence, with its crop in `crops`."""
    elements: list[Element] = []
    for i in range(figures):
        method = _METHODS[(number + i) % len(_METHODS)]
        page, top = i // 2 + 1, 100.0 + 300 * (i % 2)
        label = f"Figure {i + 1}"
        text = f"{label} shows the loss of the {method} model in run {number}-{i}."
        elements.append(
            Element(
                f"e{2 * i:04}",
                2 * i,
                "text",
                (Place(page, (72, top - 30, 500, top - 10)),),
                ("1 Runs",),
                text,
                mentions=(label,),
            )
        )
        elements.append(
            Element(
                f"e{2 * i + 1:04}",
                2 * i + 1,
                "figure",
                (Place(page, (72, top, 500, top + 200)),),
                ("1 Runs",),
                f"loss epoch 0 10 20 {method}",
                label=label,
                caption=f"{label}: Loss of the {method} model, run {number}-{i}.",
                image=save_png(curve(f"{number}-{i}", size), crops),
            )
        )
    sha256 = hashlib.sha256(f"figures {number} {figures}".encode()).hexdigest()
    pages = tuple(PageSize(595.0, 842.0) for _ in range((figures + 1) // 2))
    return Paper(sha256, f"runs{number}.pdf", f"Runs {number}", "en", pages, tuple(elements), (), "made up 1")


def curve(seed: str, size: tuple[int, int] = (640, 480)) -> bytes:
    """A line chart as PNG; another seed, another curve."""
    draw = random.Random(seed)
    image = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(image)
    width, height = size
    pen.line([(40, 10), (40, height - 30), (width - 10, height - 30)], fill="black", width=2)
    for colour in ("steelblue", "darkorange", "seagreen"):
        high, fall, wave = draw.uniform(0.5, 0.95), draw.uniform(1, 5), draw.uniform(0, 0.05)
        points = []
        for x in range(40, width - 10, 4):
            at = (x - 40) / (width - 50)
            value = high * math.exp(-fall * at) + wave * math.sin(40 * at)
            points.append((x, (height - 30) * (1 - value)))
        pen.line(points, fill=colour, width=3)
    pen.text((50, 12), f"run {seed}", fill="black")
    written = io.BytesIO()
    image.save(written, "PNG")
    return written.getvalue()
