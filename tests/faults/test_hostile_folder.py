"""A folder of many files, one in twenty of them broken, with hostile names: every file is accounted for."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import psutil
import pymupdf
import pytest

from rag_app import Library
from rag_app.store import Store
from tests.commands import CommandLine
from tests.faults import oracle, times
from tests.faults.sentences import told
from tests.made_pdfs import prose

FILES = times(60, 10_000)
STEERING = "\x1b]0;owned\x07\u202egnp"
NAMES = (
    f"{STEERING}.pdf",
    "two\nlines.pdf",
    "-rf.pdf",
    "--json.pdf",
    "<script>alert(1)</script>.pdf".replace("/", "\u2215"),
    "'; DROP TABLE nodes; --.pdf",
    "a...pdf",
    "%s{0}$(touch owned)`x`.pdf",
    "مقالهٔ نمونه.pdf",
    f"{'x' * 200}.pdf",
    b"latin-\xe9.pdf".decode("utf-8", "surrogateescape"),
)


def small(number: int) -> bytes:
    """A paper of one short page, like no other."""
    doc = pymupdf.open()
    page = doc.new_page(width=300, height=300)
    page.insert_textbox(pymupdf.Rect(30, 40, 270, 280), f"Paper number {number}. {prose(number, 30)}", fontsize=10)
    return doc.tobytes()


def broken(number: int) -> bytes:
    content = small(number)
    return [b"", b"<!DOCTYPE html><html>404</html>", content[:120], random.Random(number).randbytes(900)][number % 4]


def test_every_file_is_accounted_for(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    papers, library = tmp_path / "papers", tmp_path / "library"
    papers.mkdir()
    bad = set(range(17, FILES, 20))
    for number in range(FILES):
        name = NAMES[number] if number < len(NAMES) and number not in bad else f"paper {number:05}.pdf"
        (papers / name).write_bytes(broken(number) if number in bad else small(number))
    assert len(list(papers.iterdir())) == FILES
    command = CommandLine(capfd)
    began, before = time.monotonic(), psutil.Process().memory_info().rss
    done = command("ingest", papers, "--library", library)
    seconds, grown = time.monotonic() - began, psutil.Process().memory_info().rss - before
    print(f"{FILES} files, {len(bad)} broken: {seconds:.0f} s, the process grew by {grown / 2**20:.0f} MB")
    assert done.returncode == 1, "some failed"
    assert not set(done.stdout + done.stderr) & {"\x1b", "\x07", "\u202e"}
    for number in bad:
        assert f"paper {number:05}.pdf" in done.stdout + done.stderr
    with Library.open(library) as opened:
        assert len(opened.documents()) == FILES - len(bad) - 1
        assert opened.check().sound
    again = json.loads(command("ingest", papers, "--library", library, "--json").stdout)
    assert len(again["documents"]) == FILES
    failed = {one["document"]: one["error"] for one in again["documents"] if one["error"]}
    unnameable = failed.pop("latin-?.pdf")
    told("A file has a name that is not UTF-8", unnameable)
    assert set(failed) == {f"paper {number:05}.pdf" for number in bad}
    assert all(one["skipped"] for one in again["documents"] if not one["error"])
    for words in (["status"], ["search", "paper number"], ["ask", "Which paper has number 3?"], ["check"]):
        shown = command(*words, "--library", library)
        assert "Unexpected" not in shown.stderr, shown.stderr
        assert not set(shown.stdout + shown.stderr) & {"\x1b", "\x07", "\u202e"}, words
    with Store.open(library) as store:
        oracle.assert_sound(store)
    assert not (tmp_path / "owned").exists() and not Path("owned").exists()
    assert grown < 1 << 30
