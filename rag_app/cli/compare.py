"""`rag-app models compare`."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from rag_app.cli.frame import Call, Shown, command, pass_call
from rag_app.errors import UsageError

_WIDEST = 200  # columns
_PICTURE_PROMPTS = {
    "en": "Describe this picture in detail: what is in it, how many of each, where, what is written, the setting, "
    "the light. Say what is uncertain.",
    "fa": "این تصویر را با جزئیات به فارسی شرح بده: چه چیزهایی در آن است، از هر کدام چند تا، کجا، چه نوشته‌ای دیده "
    "می‌شود، مکان و نور. آنچه را نامطمئن است بگو.",
}
_LANGUAGE_ASKED = {"en": "Answer in English.", "fa": "پاسخ را فقط به فارسی بنویس."}


@command(
    "compare",
    example="rag-app models compare qwen2.5vl:7b gemma3:12b --image photo.jpg --language fa --html compare.html\n"
    'rag-app models compare gemma3:4b llama3.1:8b --prompt "What is contrastive learning?"',
)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option(
    "--image",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The picture they are asked about.",
)
@click.option("--prompt", metavar="TEXT", help="The question. [default with --image: describe the picture in detail]")
@click.option("--language", type=click.Choice(["en", "fa"]), help="Ask for answers in English or Persian.")
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Also write one self-contained page: the picture and the answers side by side.",
)
@pass_call
def compare(
    call: Call,
    *,
    names: tuple[str, ...],
    image: Path | None,
    prompt: str | None,
    language: str | None,
    html: Path | None,
) -> Shown:
    """Put one question to several models and show their answers side by side, with seconds and tokens.

    All names are checked before the first model is asked. A model that fails has its error in its column, and the exit
    code is 1.
    """
    question = _question(prompt, language, with_image=image is not None)
    from adapters.names import load_model, parse_model_name
    from rag_app.cli.progress import ProgressBar
    from rag_app.comparing import compare as ask_all
    from rag_app.render.comparison import comparison_text, write_comparison
    from rag_app.render.terminal import Screen
    from rag_app.settings import Settings

    settings = Settings.load(call.library)
    images = []
    if image is not None:
        from ingestion.limits import Limits
        from rag_app.captioning.pictures import read_picture

        images.append(read_picture(image, limits=Limits()))
    role = "vision" if images else "answer"
    models = []
    for name in dict.fromkeys(names):
        model = load_model(role, parse_model_name(name), settings)
        if not hasattr(model, "ask"):
            raise UsageError(f"{name} answers from papers only and cannot be compared; name models of Ollama.")
        models.append(model)
    call.interrupted = "Interrupted; nothing was changed."
    with ProgressBar("Asking", "models") as progress:
        answers = ask_all(models, question, images=images, on_progress=progress)
    written = None
    if html is not None:
        written = write_comparison(answers, html, prompt=question, image=image, language=language or "")
    screen = Screen.detect(settings.terminal.right_to_left, on_terminal=call.on_terminal)
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    text = comparison_text(answers, screen, width=width, colour=True)
    if written is not None:
        text += f"\n\nPage: {html} ({written / 1e3:.0f} kB)"
    document = {
        "prompt": question,
        "image": str(image) if image else None,
        "answers": [answer.to_dict() for answer in answers],
        "html": str(html) if html else None,
    }
    return Shown(document, text, exit_code=1 if any(answer.error for answer in answers) else 0)


def _question(prompt: str | None, language: str | None, *, with_image: bool) -> str:
    """What is asked: the prompt, or to describe the picture."""
    if prompt is None:
        if not with_image:
            raise UsageError("Say what to ask: --image FILE, --prompt TEXT, or both.")
        return _PICTURE_PROMPTS[language or "en"]
    if not prompt.strip():
        raise UsageError("The prompt is empty; leave it out to have the picture described.")
    return f"{prompt}\n\n{_LANGUAGE_ASKED[language]}" if language else prompt
