"""`rag-app ask`."""

from __future__ import annotations

from pathlib import Path

import click

from rag_app.cli.frame import Call, Shown, command, pass_call
from rag_app.cli.options import evidence_kinds, filter_options
from rag_app.errors import UsageError


@command(
    "ask",
    example='rag-app ask "Which learning rate was used?"\n'
    'rag-app ask "What does Figure 2 show?" --paper clip.pdf --html answer.html\n'
    'rag-app ask "What does Figure 2 show?" --answer qwen2.5vl:7b --language fa\n'
    "rag-app ask «دقت مدل در جدول ۲ چقدر است؟» --json",
)
@click.argument("question")
@filter_options
@click.option(
    "-k", "k", metavar="N", type=click.IntRange(1, 100), default=8, show_default=True, help="Passages to answer from."
)
@click.option("--answer", "model", metavar="NAME", help="The model that answers. [default: models.answer in settings]")
@click.option(
    "--language",
    type=click.Choice(["en", "fa"]),
    help="The answer's language. [default: the question's; builtin quotes the papers in theirs]",
)
@click.option(
    "--html",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    metavar="FILE",
    help="Also write one self-contained page: answer, cited pages with their boxes, figures.",
)
@pass_call
def ask(
    call: Call,
    *,
    question: str,
    papers: tuple[str, ...],
    pages: tuple[int, ...],
    kinds: tuple[tuple[str, ...], ...],
    references: bool,
    k: int,
    model: str | None,
    language: str | None,
    html: Path | None,
) -> Shown:
    """Answer a question from the papers in the library.

    Each [n] in the answer leads to a citation: document, page, box, the words quoted, and the crop of a figure, table
    or formula. Where the papers do not hold the answer, that is said instead. While a language model writes, its draft
    is shown on a terminal; what is printed at the end is checked, and what nothing supports is left out and listed.
    """
    if not question.strip():
        raise UsageError("The question is empty; ask, for example: rag-app ask 'Which data was used?'")
    from rag_app.library import Library
    from rag_app.render.drafting import DraftView
    from rag_app.render.terminal import Screen, answer_text

    call.interrupted = "Interrupted; the library is unchanged. Ask again when you like."
    with Library.open(call.library, create=False) as library:
        with DraftView(library.settings.terminal.right_to_left) as draft:
            answer = library.ask(
                question,
                k=k,
                answer=model,
                papers=papers,
                pages=pages,
                kinds=evidence_kinds(kinds, references=references),
                language=language,
                on_text=draft,
            )
        if html is not None:
            from rag_app.render.page import write_page

            write_page(answer, html, library=library)
        screen = Screen.detect(library.settings.terminal.right_to_left, on_terminal=call.on_terminal)
    text = answer_text(answer, screen, library=call.library)
    return Shown(answer.to_dict(), f"{text}\n\nPage: {html}" if html else text)
