"""/open and /figure: what was cited, as it stands in the paper."""

from __future__ import annotations

from collections.abc import Sequence

from rag_app.answering.pictures import LibraryPictures
from rag_app.errors import UsageError
from rag_app.render.page import write_page
from rag_app.render.self_contained import write_whole
from rag_app.render.terminal import place_of, printable
from rag_app.repl.chat import Chat
from rag_app.repl.words import citation_of


def open_page(chat: Chat, words: Sequence[str]) -> None:
    """Show the answer's page at the cited box: in the browser where there is one, else say where the page lies."""
    turn = chat.turn()
    citation = citation_of(turn, words, "open")
    path = chat.folder / f"answer-{len(chat.turns)}.html"
    write_page(turn.answer, path, library=chat.library)
    path.chmod(0o600)
    address = f"{path.resolve().as_uri()}#b{citation.n}"
    where = f"{printable(citation.document)}, {place_of(citation)}"
    if chat.desk.browse(address):
        chat.say(f"[{citation.n}] {where}: opened in the browser.")
    else:
        chat.say(f"[{citation.n}] {where}: open {address}")


def figure(chat: Chat, words: Sequence[str]) -> None:
    """Show the crop of a figure, table or formula, or the passage cut out of its page; where it lies, else."""
    turn = chat.turn()
    citation = citation_of(turn, words, "figure")
    passages = chat.library.passages([citation.node_id])
    if not passages:
        raise UsageError(f"Passage [{citation.n}] is no longer in the library: its paper changed. Ask again.")
    png = LibraryPictures(chat.library.path)(passages[0])
    if png is None:
        raise UsageError(f"{printable(citation.document)} is encrypted, so its pages cannot be shown.")
    where = f"[{citation.n}] {printable(citation.document)}, {place_of(citation)}"
    shown = chat.desk.inline(png)
    if shown is not None:
        chat.say(f"{where}\n{shown}")
        return
    if citation.image:
        path = chat.library.path / "crops" / citation.image
    else:
        path = chat.folder / f"passage-{citation.node_id[:16]}.png"
        write_whole(path, iter([png]), option="/figure")
    chat.say(f"{where}: {path}")
