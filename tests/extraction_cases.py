"""What the tests of extraction quality share: a made parser, a truth by hand, a vision model that reads by script."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from eval.extraction.scores import Case
from eval.extraction.truths import TrueItem, TruePaper
from eval.parsers.records import FIGURES, FORMULAS, LATEX, TABLES, TEXT, Parsed
from eval.transcriptions import truth_cases
from ingestion.elements import Element, Paper
from tests.conftest import SAMPLE_PAPERS

CELLS = (("Model", "R@1"), ("A", "39.3"), ("B", "49.3"))
FIRST = "The first paragraph tells what was measured and how."
SECOND = "The second paragraph tells what came of it in the end."
FIGURE = "Figure 1: Loss by epoch, of both models."
TEXTS = (TrueItem("p1", "text", FIRST), TrueItem("p2", "text", SECOND))
TABLE = TrueItem("Table 1", "table", pages=(1,), bbox=(50, 50, 250, 150), cells=CELLS)
FORMULA = TrueItem("Equation 1", "formula", pages=(1,), bbox=(50, 200, 250, 220), latex=r"a = \frac{b}{2}")
PICTURE = TrueItem("Figure 1", "figure", FIGURE, (1,), (300, 50, 500, 250))


class Made:
    """A parser that gives what it was made with, or raises it."""

    def __init__(self, parsed: Parsed | Exception, *, name: str = "made", gives: Sequence[str] | None = None) -> None:
        self.name = name
        self.gives = frozenset((TEXT, TABLES, FORMULAS, LATEX, FIGURES) if gives is None else gives)
        self._parsed = parsed
        self.asked = 0

    def elements(self, path: Path) -> list[Element]:
        return []

    def parse(self, path: Path) -> Parsed:
        self.asked += 1
        if isinstance(self._parsed, Exception):
            raise self._parsed
        return self._parsed


def case(*items: TrueItem, checks: Sequence[dict[str, Any]] = ()) -> Case:  # Any: JSON
    truth = TruePaper(Path("paper.truth.json"), "0" * 64, "en", items) if items else None
    return Case("paper.pdf", Path("paper.pdf"), truth, tuple(checks))


def right_eyes(paper: Paper, crops: Path) -> Callable[[dict[str, Any], list[bytes]], str]:
    """A script that knows each formula and table of the Persian sample paper by its picture; of a figure it says
    little, and nothing that is not there."""
    readings = {
        case.element.image: case.reading.model_dump_json()
        for case in truth_cases(paper, SAMPLE_PAPERS / "clip_fa.truth.json")
    }
    looks = {name: _look((crops / str(name)).read_bytes()) for name in readings}

    def script(body: dict[str, Any], images: list[bytes]) -> str:  # Any: JSON
        if "kind" in body["format"]["properties"]:
            empty: dict[str, Any] = {key: [] for key in ("axes", "series", "trends", "numbers", "visible_text")}
            told = {"kind": "diagram", "title": "", "summary": "نمودار", "description": "یک نمودار"}
            return json.dumps({**empty, **told}, ensure_ascii=False)
        seen = _look(images[0])
        return readings[min(looks, key=lambda name: float(np.abs(looks[name] - seen).sum()))]

    return script


def _look(picture: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(picture)) as image:
        return np.asarray(image.convert("L").resize((24, 24)), dtype=np.float32)
