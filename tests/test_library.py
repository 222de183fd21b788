"""A library as a script uses it: papers in and out, questions, and LlamaIndex around it."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rag_app import Library
from rag_app.citations import find_quote
from rag_app.errors import LibraryBusy, LibraryNotFound, SpaceMismatch, UnknownDocument
from rag_app.settings import Models, Settings
from tests.storing import node, sha
from tests.whole_library import make

SAMPLE = Path(__file__).parent.parent / "data" / "papers"
PERSIAN, ENGLISH = "clip_fa.pdf", "vision_language_models.pdf"


def test_an_answer_is_cited_and_saved(sample_library: Path, copy_of: Callable[[Path], Path]) -> None:
    with Library.open(copy_of(sample_library)) as library:
        before = library.status().answers
        answer = library.ask("How many image-caption pairs was CLIP trained on?")
        assert not answer.refused
        assert "400 million" in answer.answer
        assert answer.language == "en"
        evidence = {e.node_id: e for e in answer.evidence}
        for citation in answer.citations:
            assert find_quote(citation.quote, evidence[citation.node_id].text)
            assert f"[{citation.n}]" in answer.answer
        assert library.status().answers == before + 1
        assert answer.id is not None
        json.dumps(answer.to_dict())


@pytest.mark.parametrize(
    ("question", "refusal"),
    [
        ("Who won the football world cup in 1998?", "do not hold the answer"),
        ("بهترین زمان کاشت زعفران چه ماهی است؟", "در بر ندارند"),
    ],
)
def test_what_the_papers_do_not_hold_is_refused_in_the_language_asked(
    sample_library: Path, question: str, refusal: str
) -> None:
    with Library.open(sample_library) as library:
        answer = library.ask(question)
    assert answer.refused and refusal in answer.answer
    assert answer.citations == ()


def test_an_empty_library_says_what_to_do(tmp_path: Path) -> None:
    with Library.open(tmp_path / "new") as library:
        answer = library.ask("What is CLIP?")
        assert answer.refused and "rag-app ingest" in answer.answer
        assert library.search("CLIP").hits == ()
        assert library.status().documents == ()


def test_a_library_that_is_not_there_is_not_made_by_asking(tmp_path: Path) -> None:
    with pytest.raises(LibraryNotFound):
        Library.open(tmp_path / "none", create=False)
    assert not (tmp_path / "none").exists()


def test_papers_come_change_and_go(tmp_path: Path) -> None:
    papers = tmp_path / "papers"
    papers.mkdir()
    shutil.copy(SAMPLE / PERSIAN, papers / "one.pdf")
    with Library.open(tmp_path / "library") as library:
        seen: list[tuple[int, int]] = []
        (first,) = library.ingest(papers, on_progress=lambda done, total: seen.append((done, total))).documents
        assert (first.document, first.pages, first.error, first.skipped) == ("one.pdf", 3, None, False)
        assert seen[-1] == (3, 3)

        (again,) = library.ingest(papers).documents
        assert again.skipped and again.nodes == first.nodes

        shutil.copy(papers / "one.pdf", papers / "same.pdf")
        assert all(report.skipped for report in library.ingest(papers).documents)
        assert len(library.documents()) == 1

        (papers / "same.pdf").unlink()
        changed = (papers / "one.pdf").read_bytes() + b"\n% another version\n"
        (papers / "one.pdf").write_bytes(changed)
        (new,) = library.ingest(papers).documents
        assert not new.skipped and new.id != first.id
        status = library.status()
        assert sum(status.nodes.values()) >= sum(new.nodes.values())

        for info in library.documents():
            assert library.remove(info.document_id) > 0
        assert library.status().nodes == {}
        assert not any((library.path / "crops").iterdir())
        assert not any((library.path / "files").iterdir())
        assert library.search("CLIP").hits == ()
        with pytest.raises(UnknownDocument):
            library.remove("one.pdf")


def test_a_removed_paper_takes_its_own_files_along_and_no_others(tmp_path: Path) -> None:
    folder = tmp_path / "library"
    make(folder)
    (tmp_path / "outside.pdf").write_bytes(b"the user's")
    with Library.open(folder) as library:
        shared = library._store.crops(sha("a"))[0]
        library._store.add_nodes("../outside", "sharing.pdf", [node("sharing", 1, "The same.", image=shared)], {})
        own = {folder / "crops" / name for name in library._store.crops(sha("a"))} - {folder / "crops" / shared}
        others = {path for path in folder.rglob("*.*") if path.parent.name in ("crops", "files")} - own
        library.remove(sha("a"))
        left = {path for path in folder.rglob("*.*") if path.parent.name in ("crops", "files")}
        assert own and left == {path for path in others if path.stem != sha("a")}
        assert library._store.integrity().orphans == ()
        library.remove("sharing.pdf")
        assert not (folder / "crops" / shared).exists()
    assert (tmp_path / "outside.pdf").exists()


def test_a_bad_file_is_reported_and_the_rest_read(tmp_path: Path) -> None:
    papers = tmp_path / "papers"
    papers.mkdir()
    shutil.copy(SAMPLE / PERSIAN, papers / "good.pdf")
    (papers / "empty.pdf").write_bytes(b"")
    (papers / "page.pdf").write_text("<html><body>not a PDF</body></html>")
    with Library.open(tmp_path / "library") as library:
        reports = {r.document: r for r in library.ingest([papers, papers / "missing.pdf"]).documents}
    assert reports["good.pdf"].error is None
    for name in ("empty.pdf", "page.pdf", "missing.pdf"):
        message = reports[name].error
        assert message and name in message


def test_a_scan_is_read_again_once_ocr_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pymupdf

    from ingestion import ocr

    if not ocr.available().ready:
        pytest.skip(ocr.available().message)
    with pymupdf.open(SAMPLE / ENGLISH) as source, pymupdf.open() as scan:
        page = scan.new_page(width=595, height=842)
        page.insert_image(page.rect, stream=source[0].get_pixmap(dpi=150).tobytes("png"))
        scan.save(tmp_path / "scan.pdf")
    with Library.open(tmp_path / "library") as library:
        with monkeypatch.context() as without:
            without.setenv("TESSDATA_PREFIX", str(tmp_path))
            (unread,) = library.ingest(tmp_path / "scan.pdf").documents
        assert [problem.stage for problem in unread.problems] == ["ocr"]
        (read,) = library.ingest(tmp_path / "scan.pdf").documents
        assert not read.skipped and not read.problems
        assert "contrastive" in " ".join(hit.text.lower() for hit in library.search("contrastive").hits)
        (again,) = library.ingest(tmp_path / "scan.pdf").documents
        assert again.skipped


def test_a_second_writer_is_refused_while_reading_works(sample_library: Path, copy_of: Callable[[Path], Path]) -> None:
    import subprocess
    import sys

    folder = copy_of(sample_library)
    script = (
        "import sys, time; from pathlib import Path; from rag_app.store import Store\n"
        "with Store.open(Path(sys.argv[1])) as store, store.write_lock():\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with Library.open(folder) as library:
            with pytest.raises(LibraryBusy, match=str(holder.pid)):
                library.ingest(SAMPLE / PERSIAN)
            assert not library.ask("How many image-caption pairs was CLIP trained on?").refused
    finally:
        holder.communicate("", timeout=30)


def test_repair_makes_anew_what_is_derived(sample_library: Path, copy_of: Callable[[Path], Path]) -> None:
    folder = copy_of(sample_library)
    with Library.open(folder) as library:
        before = [hit.node_id for hit in library.search("temperature of the softmax").hits]
    for index in (folder / "spaces").iterdir():
        index.write_bytes(b"broken")
    (folder / "crops" / ("0" * 64 + ".png")).write_bytes(b"left over")
    with Library.open(folder) as library:
        report = library.repair()
        assert report.sound
        assert any("needed by no document" in found for found in report.found)
        assert [hit.node_id for hit in library.search("temperature of the softmax").hits] == before
        assert library.repair().found == ()


def test_lost_crops_and_originals_come_back_with_the_next_ingest(
    sample_library: Path, copy_of: Callable[[Path], Path]
) -> None:
    folder = copy_of(sample_library)
    crops = sorted(path.name for path in (folder / "crops").iterdir())
    (folder / "crops" / crops[0]).unlink()
    with Library.open(folder) as library:
        assert any(crops[0] in found for found in library.repair().found)
        reports = library.ingest(SAMPLE).documents
        assert sorted(report.skipped for report in reports) == [False, True]
        assert sorted(path.name for path in (folder / "crops").iterdir()) == crops
        next((folder / "files").iterdir()).unlink()
        assert sorted(report.skipped for report in library.ingest(SAMPLE).documents) == [False, True]
        assert library.repair().found == ()


def test_another_embedding_than_the_librarys_is_told(sample_library: Path) -> None:
    from rag_app.errors import UnknownName

    settings = Settings(models=Models(text_embedding="hf:other"))
    with Library.open(sample_library, settings=settings) as library, pytest.raises((UnknownName, SpaceMismatch)):
        library.ask("What is CLIP?")


# --- with LlamaIndex's own parts -----------------------------------------------------------------------------------


def test_the_engine_is_a_llama_index_query_engine(sample_library: Path) -> None:
    with Library.open(sample_library) as library:
        engine = library.as_query_engine(k=4)
        response = engine.query("Which initial value does CLIP give to the temperature?")
        assert "0.07" in str(response)
        assert response.source_nodes
        assert response.metadata is not None and response.metadata["answer"]["citations"]
        later = asyncio.run(engine.aquery("Which initial value does CLIP give to the temperature?"))
        assert str(later) == str(response)


def test_the_retriever_works_in_llama_indexs_engine(sample_library: Path) -> None:
    from llama_index.core.llms import MockLLM
    from llama_index.core.query_engine import RetrieverQueryEngine
    from llama_index.core.tools import QueryEngineTool

    with Library.open(sample_library) as library:
        retriever = library.as_retriever(k=3)
        nodes = retriever.retrieve("contrastive loss")
        assert len(nodes) == 3
        assert nodes[0].node.metadata["document"] == ENGLISH
        engine = RetrieverQueryEngine.from_args(retriever, llm=MockLLM(max_tokens=64))
        assert len(engine.query("contrastive loss").source_nodes) == 3
        tool = QueryEngineTool.from_defaults(library.as_query_engine(), name="papers", description="the papers")
        assert "400 million" in str(tool.call("How many image-caption pairs was CLIP trained on?"))
