"""A conversation in a real terminal, by tmux: every command, follow-ups, Persian, Ctrl-C, completion, the way out.

    python -m tests.terminal_session --pictures FOLDER

The models are the builtin ones and the protocol server's. After each line the screen is read; with --pictures it is
drawn as PNG, as a terminal without right-to-left text of its own shows it. tests/test_repl_terminal.py runs the same.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont
from rich.color import ColorType
from rich.style import Style
from rich.text import Text

from eval.questions import Origin, Question, as_lines
from rag_app import Library
from tests.ollama_server import Model, OllamaServer
from tests.speaking import says
from tests.test_answering_ollama import QUOTE, TEMPERATURE, Body, number_of

COLUMNS, ROWS = 100, 64  # so many rows hold whatever one line brings
PAPERS = Path(__file__).parents[1] / "data" / "papers"
MARKDOWN = "CLIP starts it at **0.07**, which is *learned* as `log_t`.\n\n- one **item**\n- another"


@dataclass(frozen=True)
class Step:
    """A line that is written, and what has to stand on the screen when the prompt is there again.

    keys   of tmux, sent after the line instead of Enter; until: what must be there before `after` keys are sent
    """

    line: str
    shows: tuple[str, ...]
    keys: tuple[str, ...] = ("Enter",)
    until: str = ""
    after: tuple[str, ...] = ()


def steps(folder: Path) -> list[Step]:
    """The conversation; files that it reads and writes are in `folder`."""
    picture = shlex.quote(str(folder / "a square.png"))
    page = folder / "talk"
    return [
        Step("/help", ("/again NAME", "/quit", "Ctrl-C ends an answer")),
        Step("/help filter", ("/filter [paper NAME", "papers or pages only")),
        Step("/papers", ("vision_language_models.pdf · 6 pages",)),
        Step("/why", ("Error: Nothing has been asked yet",)),
        Step("What does Table 1 compare?", ("Table 1", "[1]", "page")),
        Step("and Table 2?", ("→ What does Table 2 compare?", "Table 2")),
        Step("/why", ("Found, best first", "Confidence")),
        Step("/why 1", ("by ", "Table 2")),
        Step("/open 1", ("[1]", "open file://", "answer-2.html#b1")),
        Step("/figure 1", ("[1]", ".png")),
        Step("/models", ("installed in Ollama:", "gemma3:4b", "eyes:7b")),
        Step("/model gemma3:4b", ("answer: ollama:gemma3:4b",)),
        Step(TEMPERATURE, ("CLIP starts it at 0.07, which is learned as log_t.", "• one item", f"“{QUOTE}”")),
        Step("and where does it begin?", (f"→ {TEMPERATURE}", "[1]")),
        Step("/again builtin", ("ollama:gemma3:4b builtin", "builtin cites:")),
        Step("/model slow:4b", ("answer: ollama:slow:4b",)),
        Step(TEMPERATURE, ("Interrupted. Ask again",), until="CLIP", after=("C-c",)),
        Step("/model builtin", ("answer: builtin",)),
        Step("/model", ("answer: builtin", "vision: builtin")),
        Step("/filter paper clip_fa.pdf", ("papers: clip_fa.pdf",)),
        Step("/kind text", ("kinds: text",)),
        Step("/language fa", ("answers in fa",)),
        Step("CLIP روی چند جفت تصویر و متن آموزش دیده است؟", ("[1]", "clip_fa.pdf")),
        Step("/language none", ("each question's language",)),
        Step("/kind none", ("all kinds",)),
        Step("/filter none", ("all papers",)),
        Step(f"/image {picture}", ("cannot say what a picture shows", "by image")),
        Step("/model vision eyes:7b", ("vision: ollama:eyes:7b",)),
        Step(f"/image {picture} Which colour is it?", ("A red square.", "nothing here was checked")),
        Step(f"/add {shlex.quote(str(PAPERS / 'clip_fa.pdf'))}", ("clip_fa.pdf",)),
        Step(f"/review {folder / 'set.jsonl'}", ("1 to look at", "How many query vectors does BLIP-2 learn?")),
        Step("/review answer 32 vectors", ("Answer: 32 vectors",)),
        Step("/review keep", ("All have been looked at.", "1 edited",)),
        Step("/history", ("1. What does Table 1 compare?", "2. and Table 2?")),
        Step("/stats", ("2 papers", "questions")),
        *(Step(f"/save {page}{suffix}", ("Saved:",)) for suffix in (".html", ".md", ".jsonl")),
        Step("/save x.pdf", ("Error: Write /save FILE.html",)),
        Step("/modle x", ("did you mean /model?",)),
        Step("/open 99", ("Error:",)),
        Step("/hist", ("1. What does Table 1 compare?",),
             keys=("Tab",), until="? /history", after=("Enter", "Enter")),
        Step("Which initial value does CLIP\\", ("… give to the temperature?", "[1]"),
             keys=("Enter",), until="…", after=("give to the temperature?", "Enter")),
        Step("", ("Press Ctrl-C again",), keys=("C-c",)),
    ]  # fmt: skip


def knows(body: Body, images: list[bytes]) -> str:
    """Rewrites follow-ups into the question about the temperature, and answers that with Markdown."""
    if "question" in body["format"]["properties"]:
        return f'{{"question": "{TEMPERATURE}"}}'
    return says((MARKDOWN, number_of(body, QUOTE), QUOTE))


def sees(body: dict[str, Any], images: list[bytes]) -> str:  # Any: JSON
    return "A **red** square."


def generated(library: Path) -> str:
    """A question as a model makes one, to be reviewed."""
    quote = "32 learned query vectors look at the patches"
    with Library.open(library, read_only=True) as opened:
        hits = opened.search("BLIP-2 learned query vectors", k=5).hits
        node_id = next(hit.node_id for hit in hits if quote in " ".join(hit.text.split()))
    origin = Origin(node_id, "ollama:writer", "questions-1", 1)
    asked, paper = "How many query vectors does BLIP-2 learn?", "vision_language_models.pdf"
    return as_lines([Question("one", asked, "en", "text", paper, ("32",), (3,), (quote,), origin=origin)])


class Terminal:
    """tmux with one window of one program, on a socket of its own."""

    def __init__(self, command: list[str], environ: dict[str, str], folder: Path) -> None:
        self._name = f"rag-app-{uuid.uuid4().hex[:12]}"
        given = [f"{name}={value}" for name, value in environ.items()]
        line = shlex.join(["env", *given, *command]) + "; echo; echo ended with $?; exec sleep 600"
        self._tmux(
            "-f", os.devnull, "-u", "new-session", "-d", "-x", str(COLUMNS), "-y", str(ROWS), "-c", str(folder), line
        )

    def _tmux(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-L", self._name, *arguments], capture_output=True, text=True, encoding="utf-8", check=True
        )
        return done.stdout

    def write(self, text: str) -> None:
        if text:
            self._tmux("send-keys", "-l", "--", text)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.write(key) if " " in key else self._tmux("send-keys", key)
            time.sleep(0.1)

    def text(self) -> str:
        return self._tmux("capture-pane", "-p")

    def styled(self) -> str:
        """What stands there, with the codes of its styles."""
        return self._tmux("capture-pane", "-p", "-e")

    def until(self, *words: str, prompt: bool = True, within_s: float = 60.0) -> str:
        """The screen once all `words` and, if asked for, a waiting prompt stand there."""
        ends = time.monotonic() + within_s
        while True:
            shown = self.text()
            flat = " ".join(shown.split())
            ready = not prompt or shown.rstrip().splitlines()[-1:] == ["?"]
            if ready and all(word in flat for word in words):
                return shown
            if time.monotonic() > ends:
                raise TimeoutError(f"{words} did not come; the screen:\n{shown.rstrip()}")
            time.sleep(0.05)

    def close(self) -> None:
        self._tmux("kill-server")


def hold(library: Path, folder: Path, pictures: Path | None = None) -> Iterator[tuple[Step, str]]:
    """Hold the conversation over `library`, which it changes; each step with the screen after it, the way out last."""
    Image.new("RGB", (64, 64), "red").save(folder / "a square.png")
    (folder / "set.jsonl").write_text(generated(library), encoding="utf-8")
    models = [
        Model("gemma3:4b", context_length=32768, replies=knows),
        Model("slow:4b", context_length=32768, replies=knows, piece_s=0.3),
        Model("eyes:7b", capabilities={"completion", "vision"}, replies=sees),
    ]
    with OllamaServer(models=models) as server, _terminal(library, folder, server.url) as terminal:
        terminal.until()
        for number, step in enumerate(steps(folder), start=1):
            terminal.press("C-l")  # leaves nothing but the prompt
            terminal.until()
            terminal.write(step.line)
            terminal.press(*step.keys)
            if step.until:
                terminal.until(step.until, prompt=False)
            terminal.press(*step.after)
            yield step, terminal.until(*step.shows)
            if pictures is not None:
                name = "".join(c if c.isalnum() else "-" for c in step.line[:24]).strip("-")
                draw(terminal.styled(), pictures / f"{number:02}-{name}.png")
        terminal.write("/quit")
        terminal.press("Enter")
        yield Step("/quit", ("ended with 0",)), terminal.until("ended with 0", prompt=False)


@contextmanager
def _terminal(library: Path, folder: Path, url: str) -> Iterator[Terminal]:
    (library / "settings.toml").write_text(f'[ollama]\nhost = "{url}"\nretries = 0\n', encoding="utf-8")
    program = [str(Path(sys.executable).with_name("rag-app")), "chat", "--library", str(library)]
    environ = {"DISPLAY": "", "WAYLAND_DISPLAY": "", "BROWSER": "", "LC_ALL": "C.UTF-8", "NO_PROXY": "127.0.0.1"}
    terminal = Terminal(program, environ, folder)
    try:
        yield terminal
    finally:
        terminal.close()


# --- pictures of the screen -----------------------------------------------------------------------------------------

_CELL, _LINE, _EDGE = 9, 20, 12  # pixels
_INK, _PAPER = (220, 220, 220), (24, 26, 30)


def draw(styled: str, path: Path) -> None:
    """The screen as PNG, a letter a cell, in the order it was written."""
    lines = [Text.from_ansi(line) for line in styled.rstrip().split("\n")]
    image = Image.new("RGB", (COLUMNS * _CELL + 2 * _EDGE, len(lines) * _LINE + 2 * _EDGE), _PAPER)
    pen = ImageDraw.Draw(image)
    fonts = {bold: ImageFont.truetype(f"DejaVuSansMono{'-Bold' * bold}.ttf", 15) for bold in (False, True)}
    for row, line in enumerate(lines):
        at = _EDGE
        for letter, style in _letters(line):
            pen.text((at, _EDGE + row * _LINE), letter, font=fonts[bool(style.bold)], fill=_ink(style))
            at += _CELL * Text(letter).cell_len
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def _letters(line: Text) -> Iterator[tuple[str, Style]]:
    for index, letter in enumerate(line.plain):
        style = Style()
        for span in line.spans:
            if span.start <= index < span.end:
                style += span.style if isinstance(span.style, Style) else Style.parse(span.style)
        yield letter, style


def _ink(style: Style) -> tuple[int, int, int]:
    colour = style.color
    ink = _INK if colour is None or colour.type == ColorType.DEFAULT else tuple(colour.get_truecolor())
    red, green, blue = (value // (2 if style.dim else 1) + (30 if style.dim else 0) for value in ink)
    return red, green, blue


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, help="folder for a PNG of the screen after each line")
    given = parser.parse_args()
    if shutil.which("tmux") is None:
        sys.exit("tmux is not installed: apt-get install tmux")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        with Library.open(folder / "library") as library:
            library.ingest(PAPERS)
        screens = []
        for step, screen in hold(folder / "library", folder, given.pictures):
            screens.append(screen)
            print(f"{len(screens):3} {step.line}", flush=True)
    broken = sum("Traceback" in screen for screen in screens)
    print(f"{len(screens)} lines, {broken} tracebacks")
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
