"""The command contract: stdout and stderr, JSON shapes, exit codes, one sentence for each error."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import click
import pytest

from rag_app.cli import main
from rag_app.cli.frame import Shown, command
from rag_app.errors import LibraryBusy
from tests.conftest import SAMPLE_PAPERS

PROGRAM = Path(sys.executable).with_name("rag-app")
Result = subprocess.CompletedProcess[str]


class RagApp(Protocol):
    """Runs one command line."""

    def __call__(self, *words: str | Path, cwd: Path | None = None, **environ: str) -> Result: ...


def process(*words: str | Path, **environ: str) -> Result:
    """One command line in a process of its own, as a shell runs it."""
    return subprocess.run(
        [PROGRAM, *words],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
        env={**os.environ, **environ},
    )


@pytest.fixture
def rag_app(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> RagApp:
    """The same in this process, which spares the seconds that loading takes."""

    def call(*words: str | Path, cwd: Path | None = None, **environ: str) -> Result:
        with monkeypatch.context() as here:
            for name, value in {"COLUMNS": "80", **environ}.items():
                here.setenv(name, value)
            if cwd is not None:
                here.chdir(cwd)
            capfd.readouterr()
            code = main.run([str(word) for word in words])
        out, err = capfd.readouterr()
        return Result(words, code, out, err)

    return call


def document(result: Result) -> Any:  # Any: JSON
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


# --- asking ---------------------------------------------------------------------------------------------------------


def test_ask_json_holds_what_scripts_rely_on(rag_app: RagApp, sample_library: Path) -> None:
    answer = document(rag_app("ask", "What does Figure 1 show?", "--json", "--library", sample_library))
    assert {"question", "answer", "refused", "citations", "evidence", "models", "seconds"} <= set(answer)
    assert answer["question"] == "What does Figure 1 show?"
    assert answer["refused"] is False
    for citation in answer["citations"]:
        assert {"n", "document", "title", "page", "bbox", "kind", "quote", "node_id", "image"} <= set(citation)
        assert f"[{citation['n']}]" in answer["answer"]
        assert len(citation["bbox"]) == 4
    for evidence in answer["evidence"]:
        assert {"node_id", "document", "page", "kind", "score", "found_by", "text"} <= set(evidence)
    figure = next(c for c in answer["citations"] if c["label"] == "Figure 1")
    assert (sample_library / "crops" / figure["image"]).is_file()
    assert set(answer["models"]) >= {"answer"}
    assert all(seconds >= 0 for seconds in answer["seconds"].values())


def test_ask_shows_answer_place_and_crop(rag_app: RagApp, sample_library: Path) -> None:
    result = rag_app("ask", "What does Figure 1 show?", "--library", sample_library)
    assert result.returncode == 0, result.stderr
    assert "[1]" in result.stdout and "page " in result.stdout and "box " in result.stdout
    crop = next(line for line in result.stdout.splitlines() if "crop: " in line).split("crop: ")[1]
    assert Path(crop).is_file()


def test_ask_writes_the_page(rag_app: RagApp, sample_library: Path, tmp_path: Path) -> None:
    page = tmp_path / "answer.html"
    result = rag_app("ask", "What does Figure 1 show?", "--html", page, "--library", sample_library)
    assert result.returncode == 0, result.stderr
    assert str(page) in result.stdout
    html = page.read_text(encoding="utf-8")
    assert html.count("data:image/webp;base64,") >= 1 and 'class="box"' in html


def test_a_refusal_is_not_an_error(rag_app: RagApp, sample_library: Path) -> None:
    answer = document(rag_app("ask", "Who won the football world cup in 1998?", "--json", "--library", sample_library))
    assert answer["refused"] is True
    assert answer["citations"] == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("words", [("ask",), ("search", "-k", "1")])
def test_what_goes_to_a_file_from_a_terminal_stays_in_logical_order(words: list[str], sample_library: Path) -> None:
    """`rag-app ask ... > file`: stderr is the terminal then, stdout is not."""
    import pty

    terminal, stderr = pty.openpty()
    try:
        told = subprocess.run(
            [PROGRAM, *words, "مدل با چه داده‌ای آموزش دیده است؟", "--library", sample_library],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            encoding="utf-8",
            timeout=300,
            check=True,
            env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", ""), "TERM": "xterm-kitty"},
        ).stdout
    finally:
        os.close(stderr)
        os.close(terminal)
    assert re.search("[\u0600-\u06ff]", told), told
    assert not re.search("[\ufb50-\ufdff\ufe70-\ufeff]", told), "letters joined for the eye"


def test_filters_reach_the_library(rag_app: RagApp, sample_library: Path) -> None:
    words = ["search", "CLIP", "--json", "--library", str(sample_library)]
    hits = document(rag_app(*words, "--paper", "clip_fa.pdf", "--kind", "text,figure", "-k", "5"))["hits"]
    assert hits and len(hits) <= 5
    assert {hit["document"] for hit in hits} == {"clip_fa.pdf"}
    assert {hit["kind"] for hit in hits} <= {"text", "figure"}
    hits = document(rag_app(*words, "--page", "2", "--page", "3"))["hits"]
    assert hits and all({2, 3} & set(hit["pages"]) for hit in hits)


def test_references_are_evidence_only_when_asked(rag_app: RagApp, sample_library: Path) -> None:
    words = ["search", "Learning transferable visual models", "--json", "--library", str(sample_library), "-k", "50"]
    assert "reference" not in {hit["kind"] for hit in document(rag_app(*words))["hits"]}
    assert "reference" in {hit["kind"] for hit in document(rag_app(*words, "--references"))["hits"]}


def test_search_json_holds_what_scripts_rely_on(rag_app: RagApp, sample_library: Path) -> None:
    found = document(rag_app("--json", "--library", sample_library, "search", "temperature"))
    assert {"query", "hits", "seconds"} <= set(found)
    for hit in found["hits"]:
        assert {"node_id", "document", "page", "bbox", "kind", "score", "found_by", "text", "image"} <= set(hit)
    scores = [hit["score"] for hit in found["hits"]]
    assert scores[0] == max(scores)  # further down, what only repeats a hit above gives way to what is new


def test_the_program_as_a_shell_runs_it(sample_library: Path) -> None:
    result = process("ask", "What does Figure 1 show?", "--json", RAG_APP_LIBRARY=str(sample_library))
    assert document(result)["citations"]
    result = process("ask", "What does Figure 1 show?", "--library", str(sample_library) + "-none")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: There is no library in")


def test_output_is_utf8_whatever_the_locale(sample_library: Path) -> None:
    words = ("ask", "شکل ۱ چه چیزی را نشان می‌دهد؟", "--json", "--library", str(sample_library))
    assert "شکل" in document(process(*words, PYTHONIOENCODING="ascii", LC_ALL="C"))["question"]


def test_a_reader_that_leaves_early_is_no_error(sample_library: Path) -> None:
    words = [PROGRAM, "search", "CLIP", "-k", "100", "--json", "--library", sample_library]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        assert program.stdout is not None and program.stderr is not None
        program.stdout.close()
        said = program.stderr.read()
    assert (program.returncode, said) == (0, b"")


# --- papers in and out ----------------------------------------------------------------------------------------------


def test_ingest_report_and_second_run(rag_app: RagApp, sample_library: Path, copy_of: Callable[[Path], Path]) -> None:
    library = copy_of(sample_library)
    report = document(rag_app("ingest", SAMPLE_PAPERS / "clip_fa.pdf", "--json", "--library", library))
    (entry,) = report["documents"]
    assert {"document", "id", "pages", "nodes", "problems", "skipped", "seconds"} <= set(entry)
    assert entry["document"] == "clip_fa.pdf" and entry["skipped"] is True and entry["pages"] == 3


def test_ingest_keeps_the_good_and_reports_the_bad(rag_app: RagApp, tmp_path: Path) -> None:
    from PIL import Image

    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7\nnothing")
    (folder / "empty.pdf").write_bytes(b"")
    Image.new("RGB", (300, 200), "white").save(folder / "blank.png")
    result = rag_app("ingest", folder, "--json", "--library", tmp_path / "library")
    assert result.returncode == 1
    entries = {entry["document"]: entry for entry in json.loads(result.stdout)["documents"]}
    assert entries["broken.pdf"]["error"] and entries["empty.pdf"]["error"]
    assert entries["blank.png"]["error"] is None and entries["blank.png"]["pages"] == 1
    assert "Traceback" not in result.stderr


def test_status_remove_repair(rag_app: RagApp, sample_library: Path, copy_of: Callable[[Path], Path]) -> None:
    library = copy_of(sample_library)
    status = document(rag_app("status", "--json", "--library", library))
    assert {entry["name"] for entry in status["documents"]} == {"clip_fa.pdf", "vision_language_models.pdf"}
    removed = document(rag_app("remove", "clip_fa.pdf", "--json", "--library", library))
    assert removed["removed"][0]["nodes"] > 0
    shown = rag_app("status", "--library", library).stdout
    assert "vision_language_models.pdf" in shown and "clip_fa.pdf" not in shown
    assert document(rag_app("repair", "--json", "--library", library))["sound"] is True
    assert "1 paper" in rag_app("status", "--library", library).stdout


def test_interrupted_ingest_says_how_to_go_on(rag_app: RagApp, tmp_path: Path) -> None:
    library = tmp_path / "library"
    words = [PROGRAM, "ingest", SAMPLE_PAPERS, "--library", library]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not (library / "library.sqlite").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "run the same command again" in said and "Traceback" not in said
    assert document(rag_app("status", "--json", "--library", library))["path"] == str(library)


# --- the frame ------------------------------------------------------------------------------------------------------


def test_the_library_can_be_named_three_ways(rag_app: RagApp, sample_library: Path, tmp_path: Path) -> None:
    for result in (
        rag_app("status", "--json", "--library", sample_library),
        rag_app("--library", sample_library, "--json", "status"),
        rag_app("status", "--json", RAG_APP_LIBRARY=str(sample_library)),
        rag_app("--library", tmp_path / "other", "status", "--json", "--library", sample_library),
    ):
        assert document(result)["path"] == str(sample_library)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["ingset"], 2, "did you mean 'ingest'?"),
        (["ask", "x", "--jsno"], 2, "Did you mean '--json'?"),
        (["ask", "x", "--kind", "tabel"], 2, "did you mean 'table'?"),
        (["ask"], 2, "Missing argument 'QUESTION'"),
        (["ask", " "], 2, "question"),
        (["ask", "x", "-k", "0"], 2, "0 is not in the range"),
        (["ask", "x"], 1, "There is no library in"),
        (["status"], 1, "There is no library in"),
        (["ingest", "missing.pdf"], 2, "does not exist"),
        (["search", "--image", "x.png"], 2, "There is no picture x.png"),
        (["search"], 2, "Give a text to search for"),
        (["models", "pull", "hf:llama"], 2, "names no model of transformers"),
        (["models", "lst"], 2, "did you mean 'list'?"),
    ],
)
def test_wrong_use_is_one_sentence(rag_app: RagApp, tmp_path: Path, words: list[str], code: int, said: str) -> None:
    result = rag_app(*words, cwd=tmp_path, RAG_APP_LIBRARY="")
    assert result.returncode == code
    assert result.stdout == ""
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert sum(line.startswith("Error:") for line in result.stderr.splitlines()) == 1
    assert not (tmp_path / "rag_library").exists()


def test_unknown_names_suggest_the_nearest(rag_app: RagApp, sample_library: Path) -> None:
    result = rag_app("ask", "x", "--paper", "clip_fa.pfd", "--library", sample_library)
    assert result.returncode == 2 and "clip_fa.pdf" in result.stderr
    result = rag_app("ask", "What is CLIP?", "--answer", "hf:", "--library", sample_library)
    assert result.returncode == 2 and "builtin" in result.stderr


def test_settings_of_the_library_are_checked(
    rag_app: RagApp, sample_library: Path, copy_of: Callable[[Path], Path]
) -> None:
    library = copy_of(sample_library)
    (library / "settings.toml").write_text('[models]\nanwser = "builtin"\n', encoding="utf-8")
    result = rag_app("ask", "What is CLIP?", "--library", library)
    assert result.returncode == 2
    assert "did you mean 'models.answer'?" in result.stderr


def test_models_lists_every_role(rag_app: RagApp) -> None:
    roles = {entry["role"]: entry for entry in document(rag_app("models", "--json"))["roles"]}
    assert set(roles) == {"answer", "text_embedding", "vision", "image_embedding"}
    assert roles["answer"]["name"] == "builtin" and roles["answer"]["available"]
    assert document(rag_app("models", "list", "--json"))["roles"] == list(roles.values())


def test_doctor_reports_each_part(rag_app: RagApp, sample_library: Path) -> None:
    result = rag_app("doctor", "--json", "--library", sample_library)
    checks = {check["name"]: check for check in json.loads(result.stdout)["checks"]}
    assert {
        "python",
        "packages",
        "pins",
        "foreign package",
        "builtin weights",
        "ocr",
        "disk",
        "library",
        "ollama",
    } <= set(checks)
    assert checks["library"]["state"] == "ok", checks["library"]
    assert checks["pins"]["state"] == "ok"


def test_doctor_says_what_mends_missing_weights(rag_app: RagApp, tmp_path: Path) -> None:
    result = rag_app("doctor", "--json", "--library", tmp_path / "none", RAG_APP_MODELS=str(tmp_path))
    assert result.returncode == 1
    checks = {check["name"]: check for check in json.loads(result.stdout)["checks"]}
    assert checks["builtin weights"]["state"] == "broken"
    assert checks["builtin weights"]["mend"] == "rag-app models pull builtin"
    assert checks["library"]["state"] == "note"


def test_doctor_finds_a_damaged_library(rag_app: RagApp, sample_library: Path, copy_of: Callable[[Path], Path]) -> None:
    library = copy_of(sample_library)
    next((library / "crops").glob("*.png")).unlink()
    result = rag_app("doctor", "--json", "--library", library)
    checks = {check["name"]: check for check in json.loads(result.stdout)["checks"]}
    assert result.returncode == 1 and checks["library"]["state"] == "broken"
    assert "crops missing: 1" in checks["library"]["message"]


def run_once(monkeypatch: pytest.MonkeyPatch, body: Callable[[], Shown], *words: str) -> int:
    """Run `rag-app probe` with `body` as what the command does."""
    probe = command("probe", example="rag-app probe")(body)
    monkeypatch.setattr(main.cli, "commands", {"probe": probe})
    return main.run(["probe", *words])


def test_whatever_prints_json_stays_one_document(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def body() -> Shown:
        print("from Python")
        os.write(1, b"from C\n")
        click.echo("from click")
        return Shown({"answer": "بله"}, "text")

    assert run_once(monkeypatch, body, "--json") == 0
    out, err = capfd.readouterr()
    assert json.loads(out) == {"answer": "بله"}
    assert "بله" in out  # not escaped
    assert all(part in err for part in ("from Python", "from C", "from click"))


def test_exit_codes_and_tracebacks(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    def raising(error: BaseException) -> Callable[[], Shown]:
        def body() -> Shown:
            raise error

        return body

    assert run_once(monkeypatch, raising(LibraryBusy("Another is writing."))) == 1
    assert capfd.readouterr().err == "Error: Another is writing.\n"
    assert run_once(monkeypatch, raising(KeyboardInterrupt())) == 130
    assert "nothing was changed" in capfd.readouterr().err
    assert run_once(monkeypatch, raising(ZeroDivisionError("oh"))) == 1
    said = capfd.readouterr().err
    assert "Unexpected ZeroDivisionError: oh" in said and "--debug" in said and "Traceback" not in said
    assert run_once(monkeypatch, raising(ZeroDivisionError("oh")), "--debug") == 1
    assert "Traceback" in capfd.readouterr().err
    assert run_once(monkeypatch, lambda: Shown({}, "partly", exit_code=1)) == 1


# --- measuring ------------------------------------------------------------------------------------------------------


def test_eval_retrieval_and_answers(rag_app: RagApp, sample_library: Path, tmp_path: Path) -> None:
    lines = (SAMPLE_PAPERS.parent / "questions" / "demo.jsonl").read_text(encoding="utf-8").splitlines()
    questions = tmp_path / "questions.jsonl"
    questions.write_text("\n".join(lines[:2]) + "\n", encoding="utf-8")
    found = document(rag_app("eval", "retrieval", questions, "--json", "--library", sample_library))
    assert found["scored"] + found["skipped"] == 2
    judged = json.loads(rag_app("eval", "answers", questions, "--json", "--library", sample_library).stdout)
    assert judged["total"] == 2 and judged["failed"] == 0
    shown = rag_app("eval", "retrieval", questions, "--library", sample_library).stdout
    assert "recall@5" in shown
