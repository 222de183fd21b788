"""What is true of a paper, in a shape that any parser's result can be held against.

Two forms beside `paper.pdf`, or in a folder of their own:

paper.truth.json   as data/build.py writes it (`eval.truth`): texts in reading order, tables, LaTeX, captions, places
paper.truth.md, paper.md   GitHub Markdown in reading order, pages not told. Pipe tables are tables; `$$...$$` is a
                   display formula; a paragraph that begins with "Figure 3" is the caption of a figure; HTML and code
                   are left out. A merged cell repeats its text or is blank after the first: both are taken.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from eval.truth import Truth, read_truth
from ingestion.elements import BBox
from ingestion.script import language_of
from rag_app.errors import InputError

if TYPE_CHECKING:
    from markdown_it.token import Token

_DISPLAY = re.compile(r"\$\$(.+?)\$\$|\\\[(.+?)\\\]", re.DOTALL)
_MARKUP = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|<[^>]*>|[*_`]")
_FIGURE = re.compile(r"(?:fig(?:ure|\.)|شکل|نمودار)\s*[\d۰-۹]+", re.IGNORECASE)
_TABLE = re.compile(r"(?:table|جدول)\s*[\d۰-۹]+", re.IGNORECASE)
_LONGEST = 20_000_000  # bytes of a truth file


@dataclass(frozen=True, slots=True)
class TrueItem:
    """One true thing.

    id       unique in its paper
    kind     "text" (headings and list items too), "table", "formula" or "figure"
    text     of a text; of a figure or table its caption
    page, bbox   None where the truth does not tell
    cells    of a table, rows of equal length, the first `header_rows` of them header
    latex    of a formula
    """

    id: str
    kind: str
    text: str = ""
    pages: tuple[int, ...] = ()
    bbox: BBox | None = None
    cells: tuple[tuple[str, ...], ...] = ()
    header_rows: int = 1
    latex: str = ""


@dataclass(frozen=True, slots=True)
class TruePaper:
    """path: of the truth; sha256: of its file; items: the texts in reading order, then tables, formulas, figures."""

    path: Path
    sha256: str
    language: str
    items: tuple[TrueItem, ...]

    def of(self, kind: str) -> list[TrueItem]:
        return [item for item in self.items if item.kind == kind]


def find_truth(pdf: Path, folder: Path | None = None) -> Path | None:
    """The truth of a PDF: beside it, or in `folder`; None where there is none."""
    there = folder or pdf.parent
    names = (f"{pdf.stem}.truth.json", f"{pdf.stem}.truth.md", f"{pdf.stem}.md")
    return next((there / name for name in names if (there / name).is_file()), None)


def read_true_paper(path: Path) -> TruePaper:
    """The truth in a file of either form; raises InputError when it is none."""
    try:
        content = path.read_bytes()
        if len(content) > _LONGEST:
            raise InputError(f"{path} has {len(content):,} bytes; a truth has at most {_LONGEST:,}.")
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(f"{path} cannot be read as the truth of a paper: {exc}.") from exc
    digest = hashlib.sha256(content).hexdigest()
    if path.suffix == ".json":
        truth = read_truth(path)
        return TruePaper(path, digest, truth.language, tuple(_of_truth(truth)))
    items = tuple(_of_markdown(text))
    if not items:
        raise InputError(f"{path} holds no text, table, formula or caption to compare with.")
    return TruePaper(path, digest, language_of(text), items)


def _of_truth(truth: Truth) -> Iterator[TrueItem]:
    for block in truth.blocks:
        if block.kind != "formula":
            yield TrueItem(block.id, "text", block.text, block.pages)
    for kind, floats in (("table", truth.tables), ("figure", truth.figures)):
        for one in floats:
            head = one.header_rows
            yield TrueItem(one.label, kind, one.caption, (one.page,), one.bbox, cells=one.cells, header_rows=head)
    for formula in truth.formulas:
        yield TrueItem(formula.label, "formula", "", (formula.page,), formula.bbox, latex=formula.latex)


def _of_markdown(text: str) -> Iterator[TrueItem]:
    """Texts first, in order; numbers of tables, formulas and figures count from 1."""
    from markdown_it import MarkdownIt

    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    texts: list[TrueItem] = []
    tables: list[TrueItem] = []
    formulas: list[TrueItem] = []
    figures: list[TrueItem] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        if token.type == "table_open":
            end = next(i for i in range(at, len(tokens)) if tokens[i].type == "table_close")
            head = sum(one.type == "thead_open" for one in tokens[at:end])
            cells = tuple(_rows(tokens[at:end]))
            tables.append(TrueItem(f"table {len(tables) + 1}", "table", cells=cells, header_rows=head))
            at = end
        elif token.type == "inline":
            for match in _DISPLAY.finditer(token.content):
                latex = (match[1] or match[2]).strip()
                formulas.append(TrueItem(f"formula {len(formulas) + 1}", "formula", latex=latex))
            plain = " ".join(_MARKUP.sub(r"\1", _DISPLAY.sub(" ", token.content)).split())
            if _FIGURE.match(plain):
                figures.append(TrueItem(f"figure {len(figures) + 1}", "figure", plain))
            elif plain and not _TABLE.match(plain):
                texts.append(TrueItem(f"text {len(texts) + 1}", "text", plain))
        at += 1
    yield from (*texts, *tables, *formulas, *figures)


def _rows(tokens: Sequence[Token]) -> Iterator[tuple[str, ...]]:
    row: list[str] = []
    for token in tokens:
        if token.type == "tr_open":
            row = []
        elif token.type == "inline":
            row.append(" ".join(_MARKUP.sub(r"\1", token.content).split()))
        elif token.type == "tr_close":
            yield tuple(row)
