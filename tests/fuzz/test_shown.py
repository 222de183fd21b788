"""Whatever a paper or a model wrote, a page shows it as words, and a terminal is not steered by it."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from rag_app.answering.turns import Scope, Turn
from rag_app.citations import Reading
from rag_app.render.conversation import conversation_jsonl, conversation_markdown
from rag_app.render.page import answer_html, raised, reading_html
from rag_app.render.terminal import Screen, answer_text, printable
from rag_app.render.terminal_markdown import markdown_texts
from tests.answers import english_answer, persian_answer
from tests.fuzz import examples
from tests.fuzz.making import texts, whole_characters

_TAGS = frozenset("p a ul ol li strong em code pre table thead tbody tr th td br hr blockquote sub sup math".split())
_STEERS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_STYLE = re.compile(r"\x1b\[[0-9;]*m")
_BLOCKS = (
    "# a", "- a\n  - b", "1. a\n\n   b", "99999999999. x", "> a\n> > b", "```\nx\n```", "***", "a\n===", "    code",
    "| a | b |\n|--|:-:|\n| 1 |", "| a |\n|-|\n" * 3, "**a _b** c_", "~~a~~", "&lt;b&gt; &#60;script&#62; &colon;",
    "<a href='javascript:x'>y</a>", "[x]: javascript:alert(1)\n[x]", "![](file:///etc/passwd)", "<!--", "]]>",
    "x_1 x_{ij} 10^5 x^{a^{b_{c}}} _{", "[1] [2] [1][1] [۱]", "\\[1\\]", "`[1]`", "*" * 50 + "a" + "*" * 50,
)  # fmt: skip
markdown = st.one_of(
    st.lists(st.one_of(st.sampled_from(_BLOCKS), texts(whole_characters, most=4)), max_size=5).map("\n".join),
    st.lists(
        st.sampled_from([">", "- ", "  ", "1. ", "|", "\n", "*", "_", "`", "a", "[1]", "<", "سلام"]), max_size=40
    ).map("".join),
    texts(whole_characters),
)


class _Looked(HTMLParser):
    """The tags of a page and their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(f"a declaration: {decl}")

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"an instruction: {data}")


def harmless(html: str, *, address: str = "#b1", tags: frozenset[str] = _TAGS) -> None:
    for tag, attributes in _Looked(html).tags:
        assert tag in tags, f"<{tag}> in {html}"
        assert set(attributes) <= {"class", "href", "dir", "start", "style"}, f"{attributes} in {html}"
        assert attributes.get("href") in (None, address)
        assert re.fullmatch(r"(text-align:\s*\w+)?", attributes.get("style") or ""), attributes
        assert attributes.get("dir") in (None, "rtl", "ltr", "auto")


@examples(400)
@given(text=markdown)
@example("![x](javascript:alert(1)) <img src=x onerror=alert(1)> [1]")
def test_answers_on_a_page(text: str) -> None:
    harmless(answer_html(text, shown={1: "<1>"}))
    harmless(raised(text), tags=frozenset({"sub", "sup"}))


@examples(150)
@given(text=markdown, kind=st.sampled_from(["figure", "table"]))
def test_readings_on_a_page(text: str, kind: str) -> None:
    harmless(reading_html(Reading("m", kind, text[:50], text, False)))


@examples(200)
@given(
    text=st.one_of(
        texts(most=8),
        st.lists(
            st.sampled_from(r"\frac { } x ^ _ \text{<b>} \href{javascript:x}{y} \mathrm \left( & \\ 1 < >".split()),
            max_size=10,
        ).map(" ".join),
    )
)
def test_formulas_on_a_page(text: str) -> None:
    html = reading_html(Reading("m", "formula", "", text, True))
    for tag, attributes in _Looked(html).tags:
        assert tag not in {"script", "a", "img", "iframe", "style", "object"}, html
        assert not any(name.startswith("on") or name in ("href", "src", "xlink:href") for name in attributes), html


@examples(300)
@given(text=st.one_of(markdown, texts()), width=st.integers(1, 120), reorder=st.booleans())
def test_answers_in_a_terminal(text: str, width: int, reorder: bool) -> None:
    screen = Screen(width, reorder)
    for line in markdown_texts(text, screen):
        assert not _STEERS.search(line.plain), ascii(line.plain)
        assert "\n" not in line.plain
    for line in screen.paragraph(text, indent="  ", first="- "):
        assert not _STEERS.search(line.replace("\n", "")), ascii(line)


@examples(120)
@given(text=texts(), quote=texts(most=8), name=texts(most=3), persian=st.booleans(), reorder=st.booleans())
def test_whole_answers(text: str, quote: str, name: str, persian: bool, reorder: bool) -> None:
    """The document's own name, title, label and quote are a stranger's too."""
    answer = persian_answer() if persian else english_answer()
    reading = Reading(name, "table", quote, quote, False)
    cited = dataclasses.replace(
        answer.citations[0], quote=quote, document=name, title=quote, label=name, reading=reading, read_by=name
    )
    answer = dataclasses.replace(
        answer, answer=f"{text} [1]", citations=(cited,), unsupported=(text, quote), unsupported_numbers=(name,)
    )
    shown = _STYLE.sub("", answer_text(answer, Screen(80, reorder), library=Path("library")))
    assert not _STEERS.search(shown), ascii(shown)
    turns = [Turn(quote, answer, Scope())]
    for saved in (conversation_markdown(turns), conversation_jsonl(turns)):
        assert saved.encode("utf-8", "replace")


@examples(100)
@given(text=texts())
def test_what_is_printable(text: str) -> None:
    assert not _STEERS.search(printable(text))
    assert printable(printable(text)) == printable(text)
