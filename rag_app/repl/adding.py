"""/add and /image: files that come into the conversation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from adapters.names import parse_model_name
from rag_app.answering.seeing import QUESTION, Eyes
from rag_app.answering.turns import Turn
from rag_app.errors import UsageError
from rag_app.medical import DISCLAIMER
from rag_app.render.terminal import printable
from rag_app.repl.chat import Chat, check_length
from rag_app.repl.words import exists, path_of

_LIKE_IT = 5


def add(chat: Chat, words: Sequence[str]) -> None:
    """Read files into the library; they are asked from the next question on."""
    if not words:
        raise UsageError("Write /add PATH, a PDF, a picture or a folder of them.")
    paths = [_there(path_of(word)) for word in _joined(words)]
    with chat.desk.progress("Reading", "pages") as on_progress:
        report = chat.library.ingest(paths, on_progress=on_progress)
    chat.renew()
    lines = []
    for document in report.documents:
        if document.error:
            lines.append(f"failed     {document.document}: {document.error}")
        elif document.skipped:
            lines.append(f"unchanged  {document.document}")
        else:
            counted = ", ".join(f"{count} {kind}" for kind, count in document.nodes.items())
            lines.append(f"read       {document.document}: {document.pages} pages; {counted}")
            lines += [f"           {problem.message}" for problem in document.problems[:5]]
    lines += [report.note] if report.note else []
    chat.say(printable("\n".join(lines)) or "No PDF or picture was found there.")


def image(chat: Chat, words: Sequence[str]) -> None:
    """Ask the vision model about a picture; with the builtin one, find the library's pictures that are like it."""
    from ingestion.limits import Limits
    from rag_app.captioning.pictures import read_picture, thumbnail

    if not words:
        raise UsageError("Write /image FILE, or /image FILE QUESTION.")
    file, rest = _joined(words)[:1], words[1:]
    path = _there(path_of(file[0]))
    if file[0] != words[0]:
        rest = ()
    if path.is_dir():
        raise UsageError(f"{path} is a folder; name one picture in it, or read it in with /add.")
    content = read_picture(path, limits=Limits())
    if parse_model_name(chat.models["vision"]).scheme == "builtin":
        _similar(chat, path, " ".join(rest))
        return
    question = " ".join(rest) or QUESTION["fa" if chat.scope.language == "fa" else "en"]
    check_length(question)
    eyes = Eyes(chat.models["vision"], chat.library.settings)
    eyes.check()
    with chat.desk.drafting() as on_text:
        answer = eyes.ask(content, question, on_text=on_text)
    turn = Turn(question, answer, chat.scope, picture=path.name, thumbnail=thumbnail(path), medical=eyes.tuned)
    chat.turns.append(turn)
    chat.show(answer)
    said = f"{answer.models['vision']} says what it sees in {path.name}; nothing here was checked against the papers."
    chat.say(chat.dim(said))
    if turn.medical:
        chat.say(chat.dim(DISCLAIMER["fa" if answer.language == "fa" else "en"]))


def _similar(chat: Chat, path: Path, text: str) -> None:
    from rag_app.render.hits import hits_text, image_hits

    scope = chat.scope
    result = chat.library.search_images(text or None, image=path, k=_LIKE_IT, papers=scope.papers, pages=scope.pages)
    said = (
        "The builtin models cannot say what a picture shows; these pictures of the library are most like it. To ask "
        "about it, name a model that sees: /model vision NAME."
    )
    chat.say("\n".join([*chat.screen.paragraph(said), "", hits_text(image_hits(result, chat.library), chat.screen)]))


def _joined(words: Sequence[str]) -> Sequence[str]:
    """The words, or where all of them together name a file that is there, that one name."""
    whole = " ".join(words)
    return [whole] if len(words) > 1 and not exists(path_of(words[0])) and exists(path_of(whole)) else words


def _there(path: Path) -> Path:
    if not exists(path):
        raise UsageError(
            f"There is nothing at {str(path)[:200]}; write the path of a file, in quotes if it has blanks."
        )
    return path
