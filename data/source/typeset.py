"""From a Document to one typst file, and from typst to PDF and marks."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import typst
from source.blocks import Block, Cell, Document, Figure, Formula, Heading, Items, Numbers, Para, Table, numbers_of
from source.inline import Inline, typst_text

SOURCE = Path(__file__).parent
STAMP = datetime(2026, 1, 15, tzinfo=UTC)  # in the PDF's dates: equal input, equal bytes
FONTS = {"en": '("New Computer Modern",)', "fa": '("Noto Naskh Arabic", "Libertinus Serif")'}


@dataclass(frozen=True)
class Mark:
    """Where something starts or ends: page from 1, points from the top left."""

    id: str
    at: str
    page: int
    x: float
    y: float


@dataclass(frozen=True)
class Typeset:
    pdf: bytes
    marks: tuple[Mark, ...]


def block_id(index: int, block: Block) -> str:
    """The mark of a block: its own id where it has one."""
    if isinstance(block, Heading | Table | Figure | Formula):
        return f"{type(block).__name__.lower()}:{block.id}"
    return f"{type(block).__name__.lower()}:{index}"


def typeset(document: Document) -> Typeset:
    """Compile; raises typst.TypstError with the place in the generated file, and ValueError where a mark is missing."""
    code = typst_code(document).encode()
    with tempfile.NamedTemporaryFile(
        suffix=".typ", dir=SOURCE
    ) as file:  # in the root, for its imports; query takes no bytes
        file.write(code)
        file.flush()
        compiler = typst.Compiler(
            file.name, root=str(SOURCE), font_paths=[str(SOURCE / "fonts")], ignore_system_fonts=True
        )
        pdf = compiler.compile(format="pdf", timestamp=STAMP)
        raw = json.loads(compiler.query("<truth>", field="value"))
    if not isinstance(pdf, bytes):
        raise ValueError(f"{document.name}: typst gave no PDF")
    return Typeset(pdf, tuple(Mark(m["id"], m["at"], m["page"], m["x"], m["y"]) for m in raw))


def typst_code(document: Document) -> str:
    numbers = numbers_of(document)
    inline = Inline(document, numbers)
    settings = {"columns": "1", "margin": "2.4", "size": "10.5", "leading": "0.7", "spacing": "1", **document.settings}
    text = inline.typst
    meta = {
        "lang": json.dumps(document.language),
        "title": f"[{text(document.title)}]",
        "authors": json.dumps(document.authors, ensure_ascii=False),
        "header_odd": f"[{text(document.header_odd)}]",
        "header_even": f"[{text(document.header_even)}]",
        "footer": f"[{text(document.footer)}]",
        "font": FONTS[document.language],
        **settings,
    }
    lines = [
        '#import "template.typ": *',
        '#import "figures.typ": *',
        f"#let meta = ({', '.join(f'{key}: {value}' for key, value in meta.items())})",
        "#show: body => paper(meta, body)",
        f"#front(meta, [{text(document.authors)}], [{text(document.affiliation)}], [{text(document.words.abstract)}], "
        f"[{text(document.abstract)}], [{text(document.keywords)}])",
    ]
    for index, block in enumerate(document.blocks):
        lines.append(_code(block_id(index, block), block, document, inline, numbers))
    lines.append(f'#h("references", 1)[{text(document.words.references)}]')
    for key, reference in document.references.items():
        number = typst_text(document.words.number(numbers.reference[key]))
        body = text(reference)
        if document.language == "fa" and reference.isascii():
            body = f'#text(lang: "en", dir: ltr)[{body}]'
        lines.append(f'#reference("{key}", [{number}])[{body}]')
    return "\n".join(lines) + "\n"


def heading_text(block: Heading, document: Document, numbers: Numbers) -> str:
    number = document.words.number(numbers.heading[block.id])
    return f"{number} {block.title}" if number else block.title


def label_of(block: Figure | Table, document: Document, numbers: Numbers) -> str:
    """ "Figure 2" as printed."""
    words = document.words
    if isinstance(block, Figure):
        return f"{words.figure} {words.number(numbers.figure[block.id])}"
    return f"{words.table} {words.number(numbers.table[block.id])}"


def _code(mark: str, block: Block, document: Document, inline: Inline, numbers: Numbers) -> str:
    match block:
        case Heading():
            return f'#h("{mark}", {block.level})[{inline.typst(heading_text(block, document, numbers))}]'
        case Para():
            return f'#p("{mark}")[{inline.typst(block.text)}]'
        case Items():
            ids = "".join(f'"{mark}:{i}", ' for i in range(len(block.texts)))
            return f"#items(({ids}), ({''.join(f'[{inline.typst(t)}], ' for t in block.texts)}))"
        case Formula():
            number = f"({document.words.number(numbers.formula[block.id])})"
            flip = "true" if document.language == "fa" else "false"
            shown = (
                f"[#text(dir: rtl)[{typst_text(number)}]]" if document.language == "fa" else f"[{typst_text(number)}]"
            )
            return f'#formula("{mark}", {shown}, $ {block.typst} $, flip: {flip})'
        case Figure():
            return f"#figure-block({_float_head(mark, block, document, inline, numbers)}, {block.body})"
        case Table():
            return f"#table-block({_float_head(mark, block, document, inline, numbers)}, {_table(block, inline)})"


def _float_head(mark: str, block: Figure | Table, document: Document, inline: Inline, numbers: Numbers) -> str:
    label = typst_text(label_of(block, document, numbers) + ":")
    return f'"{mark}", {str(block.wide).lower()}, "{block.where}", [{label}], [{inline.typst(block.caption)}]'


def _table(block: Table, inline: Inline) -> str:
    cells = []
    for r, row in enumerate(block.rows):
        for item in row:
            cell = item if isinstance(item, Cell) else Cell(item)
            body = inline.typst(cell.text)
            if r < block.header_rows:
                body = f"#strong[{body}]"
            align = ", align: center + horizon" if cell.colspan > 1 or cell.rowspan > 1 else ""
            cells.append(f"table.cell(colspan: {cell.colspan}, rowspan: {cell.rowspan}{align})[{body}]")
    rules = "".join(f"({r}, {c0}, {c1}), " for r, c0, c1 in block.rules)
    shape = f"{block.columns}, {block.align}, {block.header_rows}, {len(block.rows)}"
    return f"booktabs({shape}, ({rules}), ({', '.join(cells)},))"
