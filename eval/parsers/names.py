"""Parsers by name."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

from eval.parsers.own import OwnParser, VisionParser
from eval.parsers.records import Parser
from rag_app.errors import UnknownName
from rag_app.models import LanguageModel

PARSERS = ("rag-app", "pymupdf4llm", "pymupdf")


def parsers(
    names: Sequence[str], models: Sequence[LanguageModel] = (), *, crops: Path, parallel: int = 1
) -> list[Parser]:
    """The parsers of these names, then one for each vision model, which looks at the elements of our own layout.

    Raises UnknownName with the nearest name.
    """
    own = OwnParser(crops)
    made = [_parser(name, own) for name in dict.fromkeys(names)]
    return [*made, *(VisionParser(own, model, parallel=parallel) for model in models)]


def _parser(name: str, own: OwnParser) -> Parser:
    if name == own.name:
        return own
    if name == "pymupdf4llm":
        from eval.parsers.layout_markdown import LayoutMarkdown

        return LayoutMarkdown(own)
    if name == "pymupdf":
        from eval.parsers.plain import PlainText

        return PlainText()
    near = difflib.get_close_matches(name, PARSERS, n=1, cutoff=0.0)[0]
    raise UnknownName(f"There is no parser {name!r}. Did you mean {near}? The parsers are {', '.join(PARSERS)}.")
