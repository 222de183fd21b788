"""Files that a user or a stranger wrote: settings, question sets, captions, tables and datasets of images, runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from eval.captions.files import read_written
from eval.extraction.cases import find_cases
from eval.images.data import read_image_set
from eval.questions import as_lines, read_questions
from eval.runs.run import ITEMS, Run
from eval.runs.run import MANIFEST as RUN
from rag_app.captioning import CaptionRow, picture_file, read_captions
from rag_app.imaging.captions import read_file
from rag_app.medical.calibration import Calibration
from rag_app.medical.labels import known_names, read_labels
from rag_app.medical.records import EXAMPLES, FORMAT, MANIFEST, Dataset
from rag_app.medical.sources import Problem, entries, read_images
from rag_app.settings import Models, Settings
from tests.fuzz import examples
from tests.fuzz.making import files, lines, nearly, texts, values, written
from tests.fuzz.oracle import storable, tried

SAMPLE = Path(__file__).parent.parent.parent / "data"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


def put(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


# --- settings --------------------------------------------------------------------------------------------------------

_KEYS = [
    "models.answer", "models.vision", "models.text_embedding", "ingestion.workers", "ingestion.chunk_tokens",
    "ingestion.ray", "search.dense", "search.structure", "vectors.milvus", "terminal.right_to_left", "ollama.host",
    "ollama.parallel", "ollama.keep_alive", "openai.hosts", "openai.stall_s", "ollama", "search", "nothing", "a.b.c",
]  # fmt: skip
_TOML = [
    "0", "-1", "1", "9" * 20, "9" * 5000, "nan", "inf", "-inf", "1e400", "true", '""', '"auto"', '"builtin"', '"a.db"',
    '"http://user:pw@host"', '"http://[::1"', '"h:99999999"', '"\\u0000"', '"\\u202e"', "[]", "{}", "[1, 'a']",
    "2026-02-30", "1979-05-27T07:32:00Z", "[" * 3000, "'''", "{a = {a = 1}}", "'ollama:'", "'hf:+'", "'  '", '", ,"',
]  # fmt: skip
toml = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(_KEYS), st.sampled_from(_TOML)).map(" = ".join),
        st.sampled_from(["[models]", "[search]", "[[ollama]]", "[vectors]\nmilvus = ''", "# x", "a." * 3000]),
        texts(most=4),
    ),
    max_size=4,
).map("\n".join)


@examples(250)
@given(content=files(toml))
@example(b"a = " + b"9" * 5000)
@example(b"a = " + b"[" * 5000)
def test_settings(folder: Path, content: bytes) -> None:
    put(folder / "settings.toml", content)
    settings = tried(Settings.load, folder)
    if settings is not None:
        assert isinstance(settings, Settings) and isinstance(settings.models, Models)
        assert all(float(factor) >= 0 for factor in (settings.search.dense, settings.search.structure))
        for name in (settings.models.answer, settings.ollama.host, settings.vectors.milvus):
            storable(name)


@examples(100)
@given(raw=nearly({"models": {"answer": "builtin"}, "search": {"dense": 1.5}, "ollama": {"parallel": 2}}))
def test_settings_from_a_mapping(raw: Any) -> None:
    if isinstance(raw, dict):
        tried(Settings.from_mapping, raw)


# --- question sets ---------------------------------------------------------------------------------------------------

_QUESTIONS = [
    json.loads(line)
    for name in ("sample.jsonl", "vlm_quiz.jsonl")
    for line in (SAMPLE / "questions" / name).read_text(encoding="utf-8").splitlines()[:3]
]
_ORIGIN = {"node_id": "n", "model": "m", "prompt_version": "1", "found_at": 2, "in_file": "verbatim", "review": "kept"}
_PAGE_SET = {"qid": "q", "pdf": "a.pdf", "question": "چه؟", "answers": ["1"], "kind": "text", "page_1based": 3}


@examples(200)
@given(
    content=lines(
        *_QUESTIONS,
        {**_QUESTIONS[0], "origin": _ORIGIN},
        _PAGE_SET,
        {**_PAGE_SET, "evidence_pages_1based": [[1, 2], None, 3], "kind": "unanswerable_x"},
    )
)
def test_question_sets(folder: Path, content: bytes) -> None:
    path = put(folder / "questions.jsonl", content)
    questions = tried(read_questions, path)
    for question in questions or ():
        assert question.id and question.question and all(page >= 1 for page in question.pages)
    if questions and all(len(one.evidence) == len(one.pages) for one in questions):
        again = put(folder / "again.jsonl", as_lines(questions).encode())
        assert read_questions(again) == questions


# --- captions --------------------------------------------------------------------------------------------------------

_CAPTION_FORMS = (
    {"image": "a.png", "captions": ["A bear."]},
    {"file": "../b.png", "caption": "A bear.", "captions_fa": ["خرس"], "label": "bear"},
    {"image": "a.png", "captions": {"en": ["A bear."], "fa": "خرس"}, "sha256": "ab" * 32},
    CaptionRow("a.png", "ab" * 32, "m", "en", "1", short="A bear.", detailed="A bear. It sits.").to_dict(),
    CaptionRow("b.png", "", "m", "fa", "1", failed="form", error="It failed.").to_dict(),
)


@examples(250)
@given(content=lines(*_CAPTION_FORMS))
@example(json.dumps({"image": "a\x00.png", "captions": ["A bear."]}).encode())
@example(json.dumps({"image": "a.png", "captions": ["\ud800"]}).encode())
@example(json.dumps({"image": "x" * 5000, "captions": ["A bear."]}).encode())
@example(json.dumps({**_CAPTION_FORMS[3], "image": 3}).encode())
@example(json.dumps({**_CAPTION_FORMS[3], "checks": {"form": 3}}).encode())
@example(json.dumps({**_CAPTION_FORMS[3], "tokens": None}).encode())
def test_caption_files(folder: Path, content: bytes) -> None:
    path = put(folder / "captions.jsonl", content)
    for picture in tried(read_file, path) or ():
        assert isinstance(picture.name, str)
        storable(picture.name + (picture.sha256 or ""))
        for caption in picture.captions:
            assert caption.text.strip()
            storable(caption.text + caption.language + (caption.model or ""))
    for row in tried(lambda: read_captions(path, failed=True)) or ():
        assert isinstance(row, CaptionRow)
        assert isinstance(picture_file(row, path), Path)
        storable(row.short + row.detailed + row.language + row.model)
    found = tried(read_image_set, path)
    for image in found.images if found else ():
        storable(image.name)
        assert all(isinstance(text, str) and text for said in image.captions.values() for text in said)
    tried(read_written, [path])


# --- images and their labels -----------------------------------------------------------------------------------------

_TABLE = [{"image": "a.png", "label": "normal", "split": "test", "patient": "p", "caption_en": "A.", "sex": "F"}]
_CELLS = ["image", "label", "split", "patient", "a.png", "normal", "test", "", '"', "\x00", "a" * 200_000, "٣", "../x"]


@examples(150)
@given(data=st.data(), groups=st.sampled_from([(), ("sex",), ("\ud800",)]))
def test_tables_of_images(folder: Path, data: st.DataObject, groups: tuple[str, ...]) -> None:
    suffix = data.draw(st.sampled_from(["csv", "tsv", "jsonl"]))
    if suffix == "jsonl":
        content = data.draw(lines(*_TABLE))
    else:
        cell = st.one_of(st.sampled_from(_CELLS), texts(most=3))
        rows = data.draw(st.lists(st.lists(cell, max_size=4), max_size=3))
        head = data.draw(st.sampled_from([["image", "label"], ["image", "label", "split", "sex"], []]))
        joined = "\n".join(("," if suffix == "csv" else "\t").join(row) for row in [head, *rows])
        content = data.draw(files(st.just(joined)))
    found = tried(lambda: entries(put(folder / f"table.{suffix}", content), group_columns=groups))
    problems: list[Problem] = []
    assert tried(lambda: list(read_images(found or [], problems))) == []
    assert len(problems) >= len(found or []), "there is no such image"


@examples(100)
@given(
    content=files(
        st.lists(
            st.one_of(
                st.sampled_from(['[a]\nen = "A"', '[b]\nfa = "ب"', "[c]", "x = 1", '[a.b]\nen = ""', "[" * 3000]),
                texts(most=3),
            ),
            max_size=3,
        ).map("\n".join)
    )
)
def test_files_of_labels(folder: Path, content: bytes) -> None:
    named = tried(read_labels, put(folder / "labels.toml", content))
    if named is not None:
        known_names(list(named), named)
        storable(json.dumps(named, ensure_ascii=False))


_ABOUT = {
    "format": FORMAT, "labels": ["glioma", "normal"], "normal": "normal", "names": {"normal": {"fa": "س"}}
}  # fmt: skip
_EXAMPLE = {
    "id": "e1", "image": "e1.png", "label": "normal", "abnormal": False, "split": "test", "cluster": "c",
    "patient": None, "caption_by": "label", "groups": {}, "captions": {},
    "turns": [{"kind": "diagnosis", "language": "en", "question": "Which?", "answer": "normal"}],
}  # fmt: skip


@examples(150)
@given(about=written(nearly(_ABOUT)), content=lines(_EXAMPLE))
def test_datasets(folder: Path, about: str, content: bytes) -> None:
    put(folder / MANIFEST, about.encode("utf-8", "surrogatepass"))
    put(folder / EXAMPLES, content)
    dataset = tried(Dataset.read, folder)
    if dataset is not None:
        assert all(isinstance(label, str) for label in (*dataset.labels, dataset.normal))
        for one in dataset.examples:
            assert Path(one.image).name == one.image, "an image outside of the dataset"
        tried(lambda: dataset.digest)
        tried(dataset.of, "test")


_CALIBRATION = {
    "temperature": 1.5, "labels": ["a", "b"], "model": "m", "data": "d", "images": 3, "nll_before": 1.0,
    "nll_after": 0.5, "language": "en", "question": "Which?",
}  # fmt: skip


@examples(80)
@given(content=files(written(nearly(_CALIBRATION))))
def test_calibrations(folder: Path, content: bytes) -> None:
    found = tried(Calibration.load, put(folder / "calibration.json", content))
    if found is not None:
        assert found.temperature > 0


# --- what evaluations read -------------------------------------------------------------------------------------------

_ITEM = {"id": "q1", "groups": {"language": "en"}, "scores": {"right": 1.0}, "unscored": {}, "error": None}
_RUN = {"kind": "answers", "total": 2, "settings": {"k": 8}, "models": {"answer": "builtin"}, "command": "x"}


@examples(150)
@given(manifest=files(written(nearly(_RUN))), items=lines(_ITEM))
def test_runs(folder: Path, manifest: bytes, items: bytes) -> None:
    put(folder / RUN, manifest)
    put(folder / ITEMS, items)
    run = tried(Run.open, folder)
    if run is not None:
        tried(run.summary)
        tried(run.kept, "judge")


_CHECKS = (
    {"id": "c1", "pdf": "a.pdf", "page": 1, "type": "present", "text": "loss"},
    {"id": "c2", "pdf": "a.pdf", "page": 1, "type": "order", "before": "a", "after": "b"},
    {"id": "c3", "pdf": "a.pdf", "page": 1, "type": "table", "cell": "A", "up": "b"},
    {"id": "c4", "pdf": "a.pdf", "page": 1, "type": "math", "math": "x^2"},
)


@pytest.fixture(scope="module")
def beside_a_pdf(folder: Path) -> Iterator[Callable[[bytes], Path]]:
    here = folder / "pdfs"
    here.mkdir()
    (here / "a.pdf").write_bytes(b"%PDF-1.4")
    yield lambda content: put(here / "dataset.jsonl", content).parent


@examples(120)
@given(content=lines(*_CHECKS))
def test_checks_of_pages(beside_a_pdf: Callable[[bytes], Path], content: bytes) -> None:
    tried(find_cases, [beside_a_pdf(content)])


@examples(40)
@given(raw=values)
def test_questions_of_any_shape(folder: Path, raw: Any) -> None:
    tried(read_questions, put(folder / "any.jsonl", json.dumps(raw).encode()))
