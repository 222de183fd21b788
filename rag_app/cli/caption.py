"""`rag-app caption`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rag_app.cli.frame import Call, Shown, command, pass_call
from rag_app.errors import UsageError

if TYPE_CHECKING:
    from rag_app.captioning import CaptionReport, ModelReport
    from rag_app.models import LanguageModel
    from rag_app.settings import Settings

_FAILURES_SHOWN = 5


@command(
    "caption",
    example="rag-app caption photos/ --vision qwen2.5vl:7b --vision gemma3:12b --languages en,fa --html gallery.html\n"
    "rag-app caption cat.jpg --vision gemma3:4b --languages fa --out cat.jsonl --json",
)
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="PATH...")
@click.option(
    "--vision",
    "names",
    multiple=True,
    metavar="NAME",
    help="A model that sees pictures (repeat). [default: models.vision in settings]",
)
@click.option("--languages", default="en,fa", show_default=True, metavar="en,fa", help="Which, with commas between.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("captions.jsonl"),
    show_default=True,
    metavar="FILE",
    help="JSON Lines: a row for each picture, model and language. What it holds is not asked again.",
)
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Also write a gallery: the pictures of the whole file, models side by side.",
)
@click.option("--translate", is_flag=True, help="Translate the English captions to Persian instead of asking in it.")
@click.option("--again", is_flag=True, help="Ask again for what has its caption already.")
@pass_call
def caption(
    call: Call,
    *,
    paths: tuple[Path, ...],
    names: tuple[str, ...],
    languages: str,
    out: Path,
    html: Path | None,
    translate: bool,
    again: bool,
) -> Shown:
    """Write a short and a detailed caption of each picture, by each model, in English and Persian.

    Persian is asked for in Persian and checked to be Persian; captions that loop, refuse, break off or are too short
    are asked for again, three times in all. Run the same command again to go on after an interruption: what is done is
    not asked again, what failed is. Exit code 1 when a caption could not be made.
    """
    from adapters.limits import limits_of
    from adapters.names import parse_model_name
    from rag_app.captioning import caption as write_captions
    from rag_app.captioning import read_captions
    from rag_app.cli.progress import ProgressBar
    from rag_app.settings import Settings

    settings = Settings.load(call.library)
    models = _models(names, settings)
    call.interrupted = f"Interrupted. What was finished is kept in {out}; run the same command again to go on."
    with ProgressBar("Captioning", "captions") as progress:
        report = write_captions(
            paths,
            models,
            [name.strip() for name in languages.split(",") if name.strip()],
            out=out,
            translate=translate,
            again=again,
            parallel=max(limits_of(parse_model_name(model.name), settings).at_once for model in models),
            on_progress=progress,
        )
    page_bytes = None
    if html is not None:
        from rag_app.render.gallery import write_gallery

        rows = read_captions(out, failed=True) if out.exists() else []
        page_bytes = write_gallery(rows, html, beside=out, title=_title(paths))
    document = report.to_dict() | {"html": str(html) if html else None, "html_bytes": page_bytes}
    text = summary(report)
    if html is not None and page_bytes is not None:
        text += f"\nGallery: {html} ({page_bytes / 1e6:.1f} MB)"
    return Shown(document, text, exit_code=1 if report.missing else 0)


def _models(names: tuple[str, ...], settings: Settings) -> list[LanguageModel]:
    """The models named, not yet asked anything."""
    from adapters.names import load_model, parse_model_name

    chosen = names or ((settings.models.vision,) if settings.models.vision != "builtin" else ())
    if not chosen:
        raise UsageError("Name a model that sees pictures: --vision qwen2.5vl:7b. See what is there: rag-app models")
    return [load_model("vision", parse_model_name(name), settings) for name in chosen]


def _title(paths: tuple[Path, ...]) -> str:
    return f"Captions of {', '.join(path.resolve().name for path in paths[:3])}{' and more' if len(paths) > 3 else ''}"


def summary(report: CaptionReport) -> str:
    """What a run did, for people: a line for each model, then the first failures."""
    if not report.pictures:
        return "No picture was found there."
    width = max(len("model"), *(len(model.model) for model in report.models))
    lines = [click.style(f"{'model':{width}}  {'done':>6}  {'unchanged':>9}  {'failed':>6}", bold=True)]
    for model in report.models:
        lines.append(_model_line(model, width))
        lines += [f"  stopped: {model.stopped}"] if model.stopped else []
    failures = _failure_lines(report)
    if failures:
        lines += ["", *failures[:_FAILURES_SHOWN]]
    if len(failures) > _FAILURES_SHOWN:
        lines.append(f"        and {len(failures) - _FAILURES_SHOWN} more, in {report.out}")
    pictures = "1 picture" if report.pictures == 1 else f"{report.pictures} pictures"
    lines += ["", f"{pictures} in {', '.join(report.languages)}, {report.seconds:.1f} s. Captions: {report.out}"]
    if any(model.left or set(model.reasons) - {"picture"} for model in report.models):
        lines.append("Run the same command again to ask for what failed.")
    return "\n".join(lines)


def _failure_lines(report: CaptionReport) -> list[str]:
    """A line for each failure; what holds for a picture whatever the model and language is said once."""
    lines: dict[str, None] = {}
    for model in report.models:
        for failure in model.failures:
            place = failure.image
            if failure.reason != "picture":
                place += f" · {failure.language} · {model.model}"
            lines[f"{click.style('failed', fg='red')}  {place}: {failure.error}"] = None
    return list(lines)


def _model_line(model: ModelReport, width: int) -> str:
    reasons = ", ".join(f"{count} {reason}" for reason, count in model.reasons.items())
    if model.left:
        reasons = ", ".join(filter(None, (reasons, f"{model.left} not asked")))
    line = f"{model.model:{width}}  {model.done:>6}  {model.unchanged:>9}  {len(model.failures) + model.left:>6}"
    return f"{line}  ({reasons})" if reasons else line
