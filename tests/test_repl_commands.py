"""The commands of a conversation, over the sample papers with the builtin models and the protocol server."""

from __future__ import annotations

import dataclasses
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from rag_app import Library
from rag_app.errors import UnknownDocument, UsageError
from rag_app.render.inline import inline, protocol
from rag_app.repl.bidi_line import drawn
from rag_app.repl.chat import Chat, Desk
from rag_app.repl.commands import COMMANDS, run_command
from rag_app.repl.completing import Names, completions
from rag_app.settings import Ollama, Settings
from tests.conftest import SAMPLE_PAPERS
from tests.contract.conftest import clean_environment  # noqa: F401  # autouse: no proxy or address of the user's
from tests.ollama_server import Model, OllamaServer
from tests.test_answering_ollama import TEMPERATURE, knows

PAIRS = "How many image-caption pairs was CLIP trained on?"
PAPER = "vision_language_models.pdf"


@pytest.fixture
def ollama() -> Iterator[OllamaServer]:
    models = [
        Model("gemma3:4b", context_length=32768, replies=knows),
        Model("eyes:7b", capabilities={"completion", "vision"}, replies=lambda body, images: "A <b>red</b> square."),
    ]
    with OllamaServer(models=models) as server:
        yield server


class Held:
    """A conversation, what it said, and which addresses it opened."""

    def __init__(
        self, library: Library, *, browser: bool = True, inline: Callable[[bytes], str | None] = lambda png: None
    ):
        self.said: list[str] = []
        self.opened: list[str] = []
        desk = Desk(browse=lambda address: browser and not self.opened.append(address), inline=inline)
        self.chat = Chat(library, say=self.said.append, desk=desk)

    def run(self, line: str) -> str:
        self.said.clear()
        run_command(self.chat, line)
        return "\n".join(self.said)


@pytest.fixture
def folder(sample_library: Path, copy_of: Callable[[Path], Path]) -> Path:
    return copy_of(sample_library)


@pytest.fixture
def library(folder: Path, ollama: OllamaServer) -> Iterator[Library]:
    with Library.open(folder, settings=Settings(ollama=Ollama(host=ollama.url, retries=0))) as opened:
        yield opened


def test_before_the_first_question_nothing_is_shown(library: Library) -> None:
    held = Held(library)
    for line in ("/why", "/open", "/figure 1", "/again builtin", "/save x.html"):
        with pytest.raises(UsageError, match="ask a question first"):
            held.run(line)
    assert held.run("/history") == "Nothing has been asked yet."


def test_why_tells_what_was_found_by_what_and_what_was_dropped(library: Library) -> None:
    held = Held(library)
    answer = held.chat.ask(PAIRS)
    said = held.run("/why")
    found = held.chat.retriever_for(held.chat.scope).find(PAIRS)
    assert f"{len(found.hits)} of {found.library_size} passages" in said
    for hit in (*found.hits, *found.dropped):
        assert f"{hit.score:.3f} by {' + '.join(hit.found_by)}" in said
        assert all(f"{name} {value:.3f}" in " ".join(said.split()) for name, value in hit.parts.items())
    assert ("Dropped" in said) == bool(found.dropped)
    one = held.run("/why 1")
    assert "[1]" in one and " ".join(answer.citations[0].quote.split())[:60] in " ".join(one.split())
    with pytest.raises(UsageError, match="no citation 99"):
        held.run("/why 99")
    with pytest.raises(UsageError, match="no number"):
        held.run("/why x")


def test_open_shows_the_page_at_the_cited_box(library: Library) -> None:
    held = Held(library)
    n = held.chat.ask(PAIRS).citations[-1].n
    assert "opened in the browser" in held.run(f"/open {n}")
    address, _, anchor = held.opened[0].partition("#")
    page = Path(address.removeprefix("file://"))
    assert f'id="{anchor}"' in page.read_text(encoding="utf-8") and anchor == f"b{n}"
    assert page.stat().st_mode & 0o777 == 0o600 and page.parent.stat().st_mode & 0o777 == 0o700
    without = Held(library, browser=False)
    without.chat.turns = held.chat.turns
    assert f"open {held.opened[0]}" in without.run(f"/open {n}")


def test_figure_is_shown_inline_or_its_file_is_named(library: Library) -> None:
    held = Held(library)
    held.chat.ask("What does Figure 1 show?")
    cited = next(c for c in held.chat.turns[-1].answer.citations if c.kind == "figure")
    assert str(library.path / "crops" / str(cited.image)) in held.run(f"/figure {cited.n}")
    held.chat.ask(PAIRS)
    text = next(c for c in held.chat.turns[-1].answer.citations if c.kind == "text")
    named = held.run(f"/figure {text.n}").rsplit(": ", 1)[1]
    with Image.open(named) as cut_out:
        assert cut_out.width > 100
    able = Held(library, inline=lambda png: f"<{len(png)}>")
    able.chat.turns = held.chat.turns
    assert re.search(r"\n<\d+>$", able.run(f"/figure {text.n}"))


def test_filters_hold_from_the_next_question_and_a_wrong_one_changes_nothing(library: Library) -> None:
    held = Held(library)
    assert f"papers: {PAPER}" in held.run(f"/filter paper {PAPER}")
    assert "pages: 1, 2, 3" in held.run("/filter page 1-2,3")
    assert "kinds: table, figure" in held.run("/kind tables figure")
    scope = held.chat.scope
    with pytest.raises(UnknownDocument, match=PAPER):
        held.run("/filter paper vision_language_model.pdf")
    for line in (
        "/filter page 3-1",
        "/filter page 0",
        "/filter page",
        "/kind tabel",
        "/language de",
        "/language en fa",
    ):
        with pytest.raises(UsageError):
            held.run(line)
    assert held.chat.scope == scope
    evidence = held.chat.ask(PAIRS).evidence
    assert evidence and {one.document for one in evidence} == {PAPER}
    assert {one.kind for one in evidence} <= {"table", "figure"} and {one.page for one in evidence} <= {1, 2, 3}
    held.run("/filter none")
    held.run("/kind none")
    assert held.run("/language fa").endswith("answers in fa")
    assert held.chat.ask("xyzzy plugh?").language == "fa"


def test_add_makes_a_paper_askable(folder: Path, tmp_path: Path, ollama: OllamaServer) -> None:
    with Library.open(tmp_path / "new") as library:
        held = Held(library)
        assert held.run("/papers").startswith("The library is empty")
        assert held.chat.ask(PAIRS).refused
        assert "read" in held.run(f"/add {SAMPLE_PAPERS / PAPER}")
        assert PAPER in held.run("/papers") and not held.chat.ask(PAIRS).refused
        assert "unchanged" in held.run(f"/add {SAMPLE_PAPERS / PAPER}")
        with pytest.raises(UsageError, match="nothing at"):
            held.run("/add nowhere.pdf")


def test_again_stands_beside_the_first_answer_and_the_model_stays(library: Library) -> None:
    held = Held(library)
    held.chat.ask(TEMPERATURE)
    said = held.run("/again gemma3:4b")
    assert "builtin" in said and "gemma3:4b" in said and "CLIP starts it at 0.07." in said
    assert [turn.answer.models["answer"] for turn in held.chat.turns] == ["builtin", "ollama:gemma3:4b"]
    assert held.chat.models["answer"] == "builtin"


def test_a_picture_is_shown_to_the_model_that_sees(library: Library, tmp_path: Path, ollama: OllamaServer) -> None:
    picture = tmp_path / "a square.png"
    Image.new("RGB", (64, 64), "red").save(picture)
    held = Held(library)
    said = held.run(f"/image '{picture}'")
    assert "cannot say what a picture shows" in " ".join(said.split()) and "by image" in said
    assert not held.chat.turns
    held.run("/model vision eyes:7b")
    assert "A <b>red</b> square." in held.run(f"/image '{picture}' Which colour is it?")
    asked = [request for request in ollama.requests if request.images][-1]
    assert "Which colour is it?" in str(asked.body) and held.chat.turns[-1].picture == "a square.png"
    with pytest.raises(UsageError, match="nothing was searched"):
        held.run("/why")


def test_the_conversation_is_saved_as_a_page_markdown_and_json(library: Library, tmp_path: Path) -> None:
    held = Held(library)
    held.chat.ask(PAIRS)
    held.chat.ask("and ALIGN?")
    turn = held.chat.turns[-1]
    hostile = dataclasses.replace(turn, typed="<script>alert(1)</script>")
    held.chat.turns.append(hostile)
    for suffix in ("html", "md", "jsonl"):
        assert "3 answers" in held.run(f"/save {tmp_path / 'talk'}.{suffix}")
    page = (tmp_path / "talk.html").read_text(encoding="utf-8")
    assert "<script" not in page and "&lt;script&gt;" in page and "→ How many image-caption pairs was ALIGN" in page
    links, targets = set(re.findall(r'href="#([bc]\d+)"', page)), re.findall(r' id="([^"]+)"', page)
    assert links and links <= set(targets) and len(targets) == len(set(targets))
    total = sum(len(one.answer.citations) for one in held.chat.turns)
    assert f'id="c{total}"' in page and not re.search(r'(?:src|href)="https?:', page)
    markdown = (tmp_path / "talk.md").read_text(encoding="utf-8")
    assert f"## {PAIRS}" in markdown and f"\n[{total}] " in markdown
    saved = [json.loads(line) for line in (tmp_path / "talk.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [one["typed"] for one in saved[:2]] == [PAIRS, "and ALIGN?"] and saved[1]["question"] != "and ALIGN?"
    with pytest.raises(UsageError, match=r"\.jsonl"):
        held.run("/save talk.pdf")
    with pytest.raises(UsageError, match="cannot be written"):
        held.run(f"/save {tmp_path}/talk.md/x.html")


def test_history_and_stats_tell_what_was_done(library: Library) -> None:
    held = Held(library)
    held.chat.ask(PAIRS)
    held.chat.ask("and ALIGN?")
    assert re.search(r"2\. and ALIGN\?\n +→ How many .*ALIGN", held.run("/history"))
    assert "2 papers, 9 pages" in held.run("/stats") and "2 questions, 0 not answered" in held.said[0]


def test_lines_are_completed_without_waiting(library: Library, ollama: OllamaServer, tmp_path: Path) -> None:
    names = Names(library)
    assert next(text for text, _ in completions("/model ", names)) == "builtin"
    names.ask_for_models().join(30)
    assert {"gemma3:4b", "eyes:7b"} <= {text for text, _ in completions("/again ", names)}
    assert list(completions("/hi", names)) == [("history", 2)]
    assert (PAPER, 6) in list(completions("/filter paper vision", names))
    assert [text for text, _ in completions("/kind fo", names)] == ["formula", "footnote"]
    (tmp_path / "my papers").mkdir()
    assert list(completions(f"/add {tmp_path}/my", names)) == [("'my papers/'", 2)]
    assert not list(completions("What is /hi", names))
    assert {text for text, _ in completions("/", names)} == set(COMMANDS)


def test_a_persian_line_is_drawn_in_the_order_of_the_eye() -> None:
    line = "دمای CLIP چند"
    shown = drawn(line)
    assert shown.text.split()[1] == "CLIP" and len(shown.text.split()) == 3
    assert len(shown.place) == len(line) + 1 and shown.place[-1] == 0
    assert shown.place[0] == len(shown.text) - 1  # the first letter is the rightmost
    assert shown.text[shown.place[line.index("C")]] == "C"
    joiner = drawn("می‌شود")
    assert "\u200c" not in joiner.text and joiner.place[2] == joiner.place[3]
    assert drawn("plain").text == "plain" and drawn("plain").place == tuple(range(6))


def test_pictures_in_the_terminal() -> None:
    assert protocol({"TERM": "xterm-kitty", "KITTY_WINDOW_ID": "1"}) == "kitty"
    assert protocol({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}) == "iterm2"
    assert protocol({"TERM": "foot"}) == "sixel"
    assert protocol({"TERM": "xterm-256color"}) is None
    assert protocol({"TERM": "xterm-kitty", "TMUX": "/tmp/x"}) is None
    png = io.BytesIO()
    image = Image.effect_noise((300, 100), 90).convert("RGB")
    image.save(png, "PNG")
    kitty = inline(png.getvalue(), "kitty")
    pieces = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", kitty)
    assert pieces[0][0] == "a=T,f=100,m=1" and pieces[-1][0] == "m=0" and max(len(data) for _, data in pieces) <= 4096
    assert inline(png.getvalue(), "iterm2").startswith("\x1b]1337;File=inline=1;size=")
    assert decoded(inline(png.getvalue(), "sixel")) == (300, 102)


def decoded(sixel: str) -> tuple[int, int]:
    """Width and height of what a sixel picture paints, by an own reader of its rows."""
    body = re.fullmatch(r'\x1bPq"1;1;\d+;\d+(.*)\x1b\\', sixel, re.DOTALL)
    assert body is not None
    rows = re.sub(r"#\d+;2;\d+;\d+;\d+", "", body[1]).split("-")[:-1]
    widths = set()
    for row in rows:
        for band in row.split("$"):
            runs = re.findall(r"!(\d+)([?-~])|([?-~])", re.sub(r"^#\d+", "", band))
            widths.add(sum(int(count) if count else 1 for count, _, _ in runs))
    assert len(widths) == 1
    return widths.pop(), 6 * len(rows)
