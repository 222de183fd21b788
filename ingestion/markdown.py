"""A paper as one Markdown text, in reading order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ingestion.elements import Element, Paper


def paper_markdown(paper: Paper, *, pages: Iterable[int] | None = None) -> str:
    """The paper as GitHub Markdown: headings by level, tables, captions, formulas as their text or LaTeX.

    pages: 1-based; only elements that begin on one of them. None is all.
    """
    wanted = set(pages) if pages is not None else None
    parts = [
        part
        for element in paper.elements
        if wanted is None or element.page in wanted
        for part in _parts(element)
        if part.strip()
    ]
    return "\n\n".join(parts) + "\n"


def _parts(element: Element) -> Iterator[str]:
    match element.kind:
        case "title":
            yield f"# {element.text}"
        case "heading":
            yield f"{'#' * min(6, 1 + (element.level or 1))} {element.text}"
        case "list_item":
            yield f"- {element.text}"
        case "table":
            yield element.caption or ""
            yield element.markdown or element.text
        case "figure":
            yield f"![{element.label or 'Figure'}]({element.image})" if element.image else ""
            yield element.caption or ""
            yield element.text
        case "formula":
            yield f"$${element.latex}$$" if element.latex else element.text
        case "code":
            yield f"```\n{element.text}\n```"
        case _:
            yield element.text
