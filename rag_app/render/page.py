"""`ask --html`: one self-contained page with the answer, the cited pages with their boxes, and the crops.

No script, no network (a Content-Security-Policy says so to the browser), and nothing from a paper reaches the page
unescaped: templates escape by default, and of Markdown only emphasis, lists, tables and code are read.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from markupsafe import Markup, escape
from PIL import Image

from rag_app.errors import EncryptedPdf, LibraryDamaged
from rag_app.render.formulas import mathml
from rag_app.render.markdown import hidden, reader, seen
from rag_app.render.quotes import readable_quote
from rag_app.render.rtl import reads_right_to_left
from rag_app.render.self_contained import data_uri, environment, write_whole
from rag_app.render.words import WORDS
from rag_app.store.strangers import crop_file

if TYPE_CHECKING:
    from markdown_it.renderer import RendererHTML
    from markdown_it.token import Token
    from markdown_it.utils import EnvType, OptionsDict

    from ingestion.elements import PageSize, Paper
    from rag_app.answering.answer import Answer
    from rag_app.citations import Citation, Reading
    from rag_app.evidence import BBox

PAGE_DPI = 130  # sharp enough to read on a laptop's screen at full width
_AIR = 2.0  # points around a cited box
_WEBP_QUALITY = 82
_BRACED = re.compile(r"([_^])\{([^{}]{1,80})\}")
_SINGLE = re.compile(r"(?<=[^\W_])([_^])([^\W_])(?![\w^])")
_NUMBER = re.compile(r"( ?)\[(\d+)\]")
_BLOCK = re.compile(r"<(p|li|td|th|table)>(?=(.*?)</\1>)", re.DOTALL)
_TAG = re.compile(r"<[^>]*>")


@dataclass(frozen=True, slots=True)
class Box:
    """A cited box in percent of its page, so that it fits at any width.

    first: of its citation, and so carries the number. rank: how many numbers stand at the same corner before it. same:
    an earlier citation has this very box.
    """

    n: int
    first: bool
    rank: int
    same: bool
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class CitedPage:
    """One page of one paper with the boxes cited on it.

    image is its picture's address, None where the paper is encrypted; size in points.
    """

    anchor: str
    document: str
    page: int
    image: str | None
    size: PageSize
    boxes: tuple[Box, ...]


class Shelf(Protocol):
    """What a page needs of a library: its folder with the stored papers and crops, and the papers' page sizes."""

    path: Path

    def paper(self, document: str) -> Paper: ...


def write_page(answer: Answer, path: Path, *, library: Shelf) -> None:
    """Write the page for `answer` to `path`, replacing it whole.

    Raises LibraryDamaged when a cited paper's stored copy or crop is gone, UsageError when `path` cannot be written.
    """
    write_whole(path, iter([render_page(answer, library=library)]))


def render_page(answer: Answer, *, library: Shelf) -> str:
    """The page as text; see `write_page`."""
    words = WORDS.get(answer.language, WORDS["en"])
    filters = {
        "digits": words.digits,
        "raised": raised,
        "readable": readable_quote,
        "label": words.label,
        "reading": reading_html,
    }
    return (
        environment(filters)
        .get_template("answer.html.j2")
        .render(
            answer=answer,
            body=answer_html(answer.answer, shown={c.n: words.digits(c.n) for c in answer.citations}),
            pages=cited_pages(answer.citations, library=library),
            crops=crops_of(answer.citations, library=library),
            address=box_on_this_page,
            total_seconds=answer.seconds.get("total", sum(answer.seconds.values())),
            direction=direction,
            words=words,
        )
    )


def direction(text: str) -> str:
    """ "rtl" or "ltr", of a whole text."""
    return "rtl" if reads_right_to_left(text) else "ltr"


def box_on_this_page(n: int) -> str:
    """The address of a cited box on the page that cites it."""
    return f"#b{n}"


def answer_html(markdown: str, *, shown: Mapping[int, str], address: Callable[[int], str] = box_on_this_page) -> Markup:
    """The answer's Markdown as safe HTML, each [n] a link to `address(n)`, its cited box, that reads `shown[n]`.

    Links, images and HTML of the Markdown stay text.
    """
    read = reader()

    def text(self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
        def link(match: re.Match[str]) -> str:
            n = int(match[2])
            if n not in shown:
                return match[0]
            blank = "\N{NO-BREAK SPACE}" if match[1] else ""  # the number stays on the line of its sentence
            return f'{blank}<a class="cite" href="{escape(address(n))}">{escape(shown[n])}</a>'

        return _NUMBER.sub(link, str(raised(seen(tokens[index].content))))

    read.add_render_rule("text", text)
    html = seen(read.render(hidden(markdown)))
    return Markup(_BLOCK.sub(_directed, html))  # markdown-it escaped the rest


def _directed(match: re.Match[str]) -> str:
    """An opening tag with the direction of its text: the browser's own rule would go by the first letter alone."""
    right_to_left = match[1] != "table" and reads_right_to_left(_TAG.sub("", match[2]))
    return f'<{match[1]} dir="{"rtl" if right_to_left else "auto"}">'


def reading_html(reading: Reading) -> Markup:
    """What a model read, as safe HTML: a formula as MathML, or its LaTeX; a table as one; a figure in words."""
    if reading.kind == "formula":
        return mathml(reading.text) or Markup("<code dir=ltr>{}</code>").format(reading.text)
    if reading.kind == "table":
        return answer_html(reading.text, shown={})
    parts = dict.fromkeys(part for part in (reading.summary, reading.text) if part)
    return Markup("").join(Markup('<p dir="auto">{}</p>').format(raised(part)) for part in parts)


def raised(text: str) -> Markup:
    """`text` escaped, its x_1, x_{ij}, 10^5 and 10^{-9} as subscripts and superscripts, as they stand in the paper."""
    html = str(escape(text))
    for _ in range(3):  # as deep as scripts of scripts go
        html = _BRACED.sub(lambda match: _script(match[1], match[2]), html)
    return Markup(_SINGLE.sub(lambda match: _script(match[1], match[2]), html))


def _script(sign: str, content: str) -> str:
    tag = "sub" if sign == "_" else "sup"
    return f"<{tag}>{content}</{tag}>"


def cited_pages(
    citations: Sequence[Citation], *, library: Shelf, address: Callable[[str, int], str | None] | None = None
) -> list[CitedPage]:
    """Every cited page once, in order of first citation, with the boxes of all citations on it.

    address: gives that of the picture of a document's page, None where it cannot be shown; drawn and embedded else.
    """
    places: dict[tuple[str, int], list[tuple[Citation, BBox]]] = {}
    for citation in citations:
        for page, bbox in citation.places:
            places.setdefault((citation.document_id, page), []).append((citation, bbox))
    pages = []
    numbered: set[int] = set()
    for (document_id, page), found in places.items():
        size = library.paper(document_id).pages[page - 1]
        boxes: list[Box] = []
        for citation, bbox in found:
            box = _box(citation.n, bbox, size, first=citation.n not in numbered)
            rank = sum(b.first and abs(b.left - box.left) < 2 and abs(b.top - box.top) < 1.5 for b in boxes)
            boxes.append(replace(box, rank=rank, same=any(bbox == earlier for _, earlier in found[: len(boxes)])))
            numbered.add(citation.n)
        image = address(document_id, page) if address else _embedded(library, document_id, page)
        pages.append(CitedPage(f"p{len(pages) + 1}", found[0][0].document, page, image, size, tuple(boxes)))
    return pages


def _box(n: int, bbox: BBox, size: PageSize, *, first: bool) -> Box:
    """`bbox` with a little air, kept on the page."""
    left, top = max(bbox[0] - _AIR, 0), max(bbox[1] - _AIR, 0)
    right, bottom = min(bbox[2] + _AIR, size.width), min(bbox[3] + _AIR, size.height)
    return Box(
        n=n,
        first=first,
        rank=0,
        same=False,
        left=round(100 * left / size.width, 3),
        top=round(100 * top / size.height, 3),
        width=round(100 * max(right - left, 0) / size.width, 3),
        height=round(100 * max(bottom - top, 0) / size.height, 3),
    )


def _embedded(library: Shelf, document_id: str, page: int) -> str | None:
    webp = draw_page(library, document_id, page)
    return data_uri(webp, "image/webp") if webp else None


def draw_page(library: Shelf, document_id: str, page: int, *, dpi: int = PAGE_DPI) -> bytes | None:
    """The page as WebP; None where only a password would show it. Raises LibraryDamaged without a stored copy."""
    from ingestion.pdf import render_page as render

    files = library.path / "files"
    stored = next(files.glob(f"{document_id}.*"), None)
    if stored is None:
        raise LibraryDamaged(f"The stored copy of {document_id[:16]} is gone from {files}. Ingest that paper again.")
    try:
        png = render(stored, page, dpi=dpi)
    except EncryptedPdf:
        return None
    with Image.open(io.BytesIO(png)) as image:
        webp = io.BytesIO()
        image.convert("RGB").save(webp, "WEBP", quality=_WEBP_QUALITY, method=4)
    return webp.getvalue()


def crops_of(citations: Sequence[Citation], *, library: Shelf) -> dict[int, str]:
    """Citation number -> crop as a data URI; a crop cited several times stands at the first."""
    first = {citation.image: citation.n for citation in reversed(citations) if citation.image}
    return {n: data_uri(_crop(library, image), "image/png") for image, n in first.items()}


def _crop(library: Shelf, name: str) -> bytes:
    path = crop_file(library.path / "crops", name)
    try:
        return path.read_bytes()
    except FileNotFoundError as exc:
        raise LibraryDamaged(f"The crop {path} is gone. Ingest that paper again.") from exc
