"""The Markdown of answers, read one way for pages and terminals: emphasis, lists, tables and code, nothing else.

Links, images, headings and HTML stay text: what a paper or a model writes must not become more than words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_UNDERSCORE = "\ue000"  # of the private use area


def reader() -> MarkdownIt:
    """The parser; give it `hidden` text."""
    from markdown_it import MarkdownIt

    return (
        MarkdownIt("commonmark", {"html": False, "breaks": True})
        .enable("table")
        .disable(["html_block", "html_inline", "link", "image", "autolink", "reference", "heading", "lheading", "code"])
    )


def hidden(markdown: str) -> str:
    """`markdown` with its underscores out of the reader's way: in a paper's words one is a subscript."""
    return markdown.replace("_", _UNDERSCORE)


def seen(text: str) -> str:
    """What was read of `hidden` text, its underscores back."""
    return text.replace(_UNDERSCORE, "_")
