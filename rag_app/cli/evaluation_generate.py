"""`rag-app eval generate` and `rag-app eval review`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rag_app.cli.frame import Call, Shown, command, pass_call
from rag_app.errors import UsageError

if TYPE_CHECKING:
    from eval.generation.generating import Generated
    from eval.generation.reviewing import Review
    from rag_app.models import LanguageModel
    from rag_app.render.terminal import Screen
    from rag_app.settings import Settings

_KINDS = ("text", "table", "figure")


@command(
    "generate",
    example="rag-app eval generate mine.jsonl --model ollama:qwen2.5:7b --count 30 --language en --language fa\n"
    "rag-app eval generate mine.jsonl --paper clip.pdf --kind table",
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), metavar="JSONL")
@click.option("--model", "name", metavar="NAME", help="Who writes. [default: models.answer in settings]")
@click.option(
    "--count", metavar="N", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Questions to add."
)
@click.option(
    "--language",
    "languages",
    type=click.Choice(["en", "fa"]),
    multiple=True,
    help="Of the questions; several take turns. Repeatable. [default: en]",
)
@click.option("--paper", "papers", metavar="ID|FILE", multiple=True, help="Only about this paper. Repeatable.")
@click.option("--kind", "kinds", type=click.Choice(_KINDS), multiple=True, help="Only about this. Repeatable.")
@click.option("--seed", metavar="N", type=click.IntRange(min=0), default=0, show_default=True, help="Of the passages.")
@pass_call
def generate(
    call: Call,
    *,
    file: Path,
    name: str | None,
    count: int,
    languages: tuple[str, ...],
    papers: tuple[str, ...],
    kinds: tuple[str, ...],
    seed: int,
) -> Shown:
    """Let a model write questions about the library's papers, and add those that pass the checks to a file.

    Each question keeps the passage, page and words it comes from. It is dropped when its answer is not in those words,
    when it holds its answer, leans on a passage that its reader does not see, is in another language, or was asked
    already. The file grows question by question, so it can be interrupted and called again. Then look at them:
    rag-app eval review JSONL.
    """
    from eval.generation.files import QuestionFile
    from eval.generation.generating import generate as run
    from rag_app import prompts
    from rag_app.cli.progress import ProgressBar
    from rag_app.library import Library

    questions = QuestionFile(file)
    call.interrupted = f"Interrupted; what was made is in {file}. The same command adds more."
    with Library.open(call.library, create=False, read_only=True) as library:
        if not library.documents():
            raise UsageError(prompts.empty_library("en"))
        model = _writer(name or library.settings.models.answer, library.settings)
        model.check()
        with ProgressBar("Writing", "questions") as progress:
            result = run(
                library,
                model,
                questions,
                count=count,
                languages=languages or ("en",),
                kinds=kinds or _KINDS,
                papers=papers,
                seed=seed,
                on_progress=progress,
            )
    document = {"file": str(file), "model": model.name, "seed": seed, **result.to_dict()}
    return Shown(document, _told(result, file), exit_code=1 if result.failed else 0)


def _writer(name: str, settings: Settings) -> LanguageModel:
    from adapters.names import load_model, parse_model_name

    parsed = parse_model_name(name)
    if parsed.scheme == "builtin":
        raise UsageError(
            "The builtin answerer quotes and cannot write questions. Name a model that can: rag-app eval generate FILE "
            "--model ollama:qwen2.5:7b"
        )
    return load_model("answer", parsed, settings)


def _told(result: Generated, file: Path) -> str:
    from collections import Counter

    from eval.statistics import text_table

    document = result.to_dict()
    groups = Counter((question.language, question.kind) for question in result.kept)
    rows = [[f"{language} {kind}", count] for (language, kind), count in sorted(groups.items())]
    parts = [text_table(["kept", "n"], rows)] if rows else []
    dropped = ", ".join(f"{count} {reason}" for reason, count in document["reasons"].items())
    found = sum(question.origin is not None and question.origin.found_at is not None for question in result.kept)
    passages = document["passages"]
    lines = [
        f"{passages['asked']} passages asked about, {passages['failed']} of them failed.",
        f"{document['proposed']} questions proposed, {len(result.kept)} kept, {len(result.dropped)} dropped"
        f"{f' ({dropped})' if dropped else ''}.",
        f"The page of {found} of the {len(result.kept)} is among the first ten passages that a search finds.",
        *(f"Failed: {one.node_id}: {one.error}" for one in result.failed),
    ]
    if len(result.kept) < result.wanted:
        lines.append(f"{result.wanted - len(result.kept)} of the {result.wanted} wanted are missing.")
    lines.append(f"Written: {file}. Look at each: rag-app eval review {file}")
    return "\n\n".join([*parts, "\n".join(lines)])


@command("review", example="rag-app eval review mine.jsonl")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="JSONL")
@pass_call
def review(call: Call, *, file: Path) -> Shown:
    """Keep, edit or drop generated questions, one by one.

    Each is shown with its answer, the words it rests on and their passage. What you say is written at once: dropped
    questions go to JSONL's neighbour NAME.dropped.jsonl, and are not made again.
    """
    from eval.generation.files import QuestionFile
    from eval.generation.reviewing import Review
    from rag_app.library import Library
    from rag_app.render.review import counts_text
    from rag_app.render.terminal import Screen

    call.interrupted = "Interrupted; what you said so far is kept."
    with Library.open(call.library, create=False, read_only=True) as library:
        going = Review(QuestionFile(file), library)
        screen = Screen.detect(library.settings.terminal.right_to_left, on_terminal=sys.stderr.isatty())
        while going.waiting and _looked_at(going, screen):
            pass
    return Shown({"file": str(file), **going.counts()}, counts_text(going))


def _looked_at(going: Review, screen: Screen) -> bool:
    """Show one question and do what is said of it; False at the end of the input or when the person stops."""
    from rag_app.errors import RagAppError
    from rag_app.render.review import review_text

    click.echo(review_text(going, screen), err=True)
    try:
        said = click.prompt("[k]eep, [e]dit, [d]rop, [s]kip or [q]uit", err=True).strip().lower()
        match said[:1]:
            case "k":
                going.keep()
            case "d":
                going.drop()
            case "s":
                going.skip()
            case "e":
                _edit(going)
            case "q":
                return False
            case _:
                click.echo("Write k, e, d, s or q.", err=True)
    except click.Abort:  # the end of the input
        return False
    except RagAppError as exc:
        click.echo(str(exc), err=True)
    return True


def _edit(going: Review) -> None:
    old = going.current
    question = click.prompt("Question (Enter keeps it)", default=old.question, show_default=False, err=True)
    answer = click.prompt("Answer (Enter keeps it)", default=old.answers[0], show_default=False, err=True)
    going.edit(question=question, answer=answer if answer != old.answers[0] else None)
    going.keep()
