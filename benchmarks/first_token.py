"""From a model's first byte to the first word of the answer on the screen, in `rag-app chat` on a terminal.

    python -m benchmarks.first_token                      # as fast as the model can send
    python -m benchmarks.first_token --tokens-per-second 50

The model is the tests' protocol server, on a socket of this machine; the terminal is a pseudo-terminal that is read as
soon as something is written to it. Two times are printed, each as median and longest of --runs questions:

    from the first byte of the reply          its JSON opens before the answer's first word can be told: 8 tokens of it
    from the first byte of the answer's text  what the program itself adds

The first question, which loads the embedding, is asked before the clock runs.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import pty
import re
import select
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rag_app import Library
from tests.ollama_server import Model, OllamaServer
from tests.ollama_server.writing import pieces_of

PAPERS = Path(__file__).parents[1] / "data" / "papers"
QUESTION = "Which initial value does CLIP give to the temperature?"
QUOTE = "CLIP starts at 0.07"
FIRST = "Zero"  # the answer begins with it; it stands nowhere else on the screen, and comes in one piece
BAR_S = 0.2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens-per-second", type=float, default=0.0, help="the model's pace; 0: no pause")
    parser.add_argument("--runs", type=int, default=11)
    given = parser.parse_args()
    pace = 1 / given.tokens_per_second if given.tokens_per_second else 0.0
    model = Model("writer:4b", latency_s=0.5, piece_s=pace, context_length=32768, replies=reply)
    with tempfile.TemporaryDirectory() as scratch, OllamaServer(models=[model]) as server:
        folder = Path(scratch) / "library"
        with Library.open(folder) as library:
            library.ingest(PAPERS)
        (folder / "settings.toml").write_text(
            f'[models]\nanswer = "writer:4b"\n[ollama]\nhost = "{server.url}"\n', encoding="utf-8"
        )
        since_reply, since_text = measured(folder, server, given.runs)
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; ", end="")
    print(f"{given.runs} questions, {given.tokens_per_second or 'any number of'} tokens a second")
    for name, found in (("the reply", since_reply), ("the answer's text", since_text)):
        median, longest = 1000 * statistics.median(found), 1000 * max(found)
        print(f"from the first byte of {name}: median {median:.0f} ms, longest {longest:.0f} ms")
    longest = max(since_text if pace else since_reply)
    print(f"the longest is {'under' if longest <= BAR_S else 'OVER'} {BAR_S} s")


def reply(body: dict[str, Any], images: list[bytes]) -> str:  # Any: JSON
    """The answer to QUESTION, as the model was asked to write it."""
    pieces = re.findall(r"<piece (\d+) code=\w+>(.*?)</piece", body["messages"][-1]["content"], re.DOTALL)
    source = next(int(n) for n, text in pieces if QUOTE in " ".join(text.split()))
    text = f"{FIRST}, then 0.07: CLIP starts it at 0.07, and it is learned with the other weights."
    return json.dumps({"answerable": True, "statements": [{"text": text, "source": source, "quote": QUOTE}]})


def measured(folder: Path, server: OllamaServer, runs: int) -> tuple[list[float], list[float]]:
    """Seconds from the reply's first byte, and from its first byte of text, to the first word on the screen."""
    master, slave = pty.openpty()
    environ = {**os.environ, "TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1"}
    program = Path(sys.executable).with_name("rag-app")
    chat = subprocess.Popen(
        [program, "chat", "--library", folder],
        stdin=slave, stdout=slave, stderr=slave, env=environ, start_new_session=True, close_fds=True,
    )  # fmt: skip
    os.close(slave)
    since_reply: list[float] = []
    since_text: list[float] = []
    terminal = Terminal(master)
    try:
        terminal.shown("?")
        for _ in range(runs + 1):
            os.write(master, f"{QUESTION}\n".encode())
            seen = terminal.shown(FIRST)
            terminal.shown(f"“{QUOTE}”")  # the checked answer
            asked = [request for request in server.requests if request.path == "/api/chat"][-1]
            since_reply.append(seen - asked.sent[0])
            since_text.append(seen - asked.sent[first_of_text(reply(asked.body, []))])
        os.write(master, b"/quit\n")
        chat.wait(30)
    finally:
        if chat.poll() is None:
            chat.kill()
            chat.wait()
        os.close(master)
    return since_reply[1:], since_text[1:]


def first_of_text(whole: str) -> int:
    """The index of the piece of the stream that brings the first letter of the answer."""
    begins, length = whole.index(FIRST), 0
    for index, piece in enumerate(pieces_of(whole)):
        length += len(piece)
        if length > begins:
            return index
    raise AssertionError("the reply holds no answer")


class Terminal:
    """What a program writes to its terminal, read as it comes."""

    def __init__(self, master: int) -> None:
        self.master = master
        self._unread = ""

    def shown(self, words: str, *, within_s: float = 60.0) -> float:
        """Read until `words` stand there; when the last of them was read, by time.monotonic()."""
        ends = time.monotonic() + within_s
        while words not in self._unread:
            left = ends - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"{words!r} did not come; there is: {self._unread!r}")
            if select.select([self.master], [], [], left)[0]:
                self._unread += os.read(self.master, 65536).decode(errors="replace")
        now = time.monotonic()
        self._unread = self._unread.split(words, 1)[1]
        return now


if __name__ == "__main__":
    main()
