"""Answers of several models side by side, as a table in a terminal and as a self-contained page."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rag_app.comparing import ModelAnswer
from rag_app.render.rtl import is_right_to_left
from rag_app.render.terminal import Screen, grounds, printable

if TYPE_CHECKING:
    from rag_app.answering.answer import Answer

_NARROWEST = 26  # columns of a terminal below which answers stand below one another


def comparison_text(answers: Sequence[ModelAnswer], screen: Screen, *, width: int, colour: bool) -> str:
    """The answers as a table `width` columns wide, or below one another where that would be too narrow."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from rag_app.render.terminal_markdown import markdown_texts

    room = (width - 2) // len(answers) - 3
    if room < _NARROWEST:
        return _stacked(answers, dataclasses.replace(screen, width=min(width, screen.width)))
    table = Table(box=box.SIMPLE_HEAD, show_footer=True, pad_edge=False, padding=(0, 1))
    for answer in answers:
        table.add_column(
            Text("\n".join(_wrapped(answer.model, screen, room)), style="bold"),
            footer=Text("\n".join(_wrapped(counts(answer), screen, room)), style="dim"),
            width=room,
            no_wrap=True,
        )
    column = dataclasses.replace(screen, width=room)
    cells = [
        Text("\n".join(_wrapped(a.error, screen, room)), style="red")
        if a.error
        else Text("\n").join(markdown_texts(a.text, column))
        for a in answers
    ]
    table.add_row(*cells)
    drawn = io.StringIO()
    Console(file=drawn, width=width, force_terminal=colour, color_system="standard" if colour else None).print(table)
    return "\n".join(line.rstrip() for line in drawn.getvalue().splitlines()).strip("\n")


def beside_text(before: Answer, answer: Answer, screen: Screen, *, width: int, library: Path) -> str:
    """Two answers to one question side by side, then what the second rests on; see `answer_text`."""
    sides = comparison_text([_side(before), _side(answer)], screen, width=width, colour=True)
    below = grounds(answer, screen, library)
    cites = ["", f"{answer.models['answer']} cites:"] if answer.citations else []
    return "\n".join([sides, *cites, *below])


def _side(answer: Answer) -> ModelAnswer:
    return ModelAnswer(
        model=answer.models["answer"],
        text=answer.answer,
        seconds=answer.seconds.get("total", 0.0),
        load_seconds=answer.seconds.get("load", 0.0),
        prompt_tokens=answer.tokens.get("prompt"),
        reply_tokens=answer.tokens.get("reply"),
        context_tokens=answer.tokens.get("context"),
    )


def counts(answer: ModelAnswer) -> str:
    """Seconds and tokens of an answer, in words."""
    parts = [f"{answer.seconds:.1f} s"]
    if answer.load_seconds >= 0.1:
        parts[0] += f" ({answer.load_seconds:.1f} s loading)"
    if answer.reply_tokens is not None:
        parts.append(f"{answer.reply_tokens} tokens")
        writing = answer.seconds - answer.load_seconds
        if answer.reply_tokens and writing > 0:
            parts.append(f"{answer.reply_tokens / writing:.3g} a second")
    return " · ".join(parts)


def _stacked(answers: Sequence[ModelAnswer], screen: Screen) -> str:
    import click

    from rag_app.render.terminal_markdown import markdown_lines

    blocks = []
    for answer in answers:
        head = f"{click.style(answer.model, bold=True)}  {click.style(counts(answer), dim=True)}"
        if answer.error:
            said = click.style("\n".join(_wrapped(answer.error, screen, screen.width)), fg="red")
        else:
            said = "\n".join(markdown_lines(answer.text, screen))
        blocks.append(f"{head}\n{said}")
    return "\n\n".join(blocks)


def _wrapped(text: str, screen: Screen, width: int) -> list[str]:
    """`text` in lines of `width`, each put in the order of the eye where the terminal does not do it."""
    from rich.cells import cell_len

    column = dataclasses.replace(screen, width=width)
    lines: list[str] = []
    for paragraph in printable(text).splitlines() or [""]:
        for line in column.paragraph(paragraph):
            while cell_len(line) > width:  # a word longer than the column
                lines.append(line[:width])
                line = line[width:]
            lines.append(line)
    return lines


def write_comparison(
    answers: Sequence[ModelAnswer], path: Path, *, prompt: str, image: Path | None, language: str
) -> int:
    """Write the page to `path`, replacing it whole; its size in bytes.

    Raises UsageError when `path` cannot be written, InputError when `image` cannot be read.
    """
    from rag_app.captioning.pictures import thumbnail
    from rag_app.render.gallery import short_model
    from rag_app.render.page import answer_html
    from rag_app.render.self_contained import data_uri, environment, write_whole

    parts = (
        environment({"short_model": short_model})
        .get_template("comparison.html.j2")
        .generate(
            answers=[(a, counts(a), answer_html(a.text, shown={}), is_right_to_left(a.text)) for a in answers],
            prompt=prompt,
            image=image.name if image else "",
            picture=data_uri(thumbnail(image, side=960), "image/webp") if image else None,
            language=language,
        )
    )
    return write_whole(path, parts)
