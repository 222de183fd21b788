"""Reading elements end to end: our Ollama model against the protocol server, over a real socket."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from adapters.names import load_model, parse_model_name
from ingestion.describe.prompts import PROMPT_VERSIONS
from ingestion.describe.reading import read_element
from ingestion.describe.schemas import FORMS
from ingestion.describe.selection import describable
from ingestion.describe.transformation import ElementDescriber
from ingestion.elements import Paper
from ingestion.reading import read_paper
from rag_app.errors import ModelError, UnusableReply
from rag_app.evidence import Description
from rag_app.models import LanguageModel
from rag_app.settings import Ollama, Settings
from tests.conftest import SAMPLE_PAPERS
from tests.ollama_server import Fault, Model, OllamaServer

LATEX = "B = 4 n d"


def scripted(request: dict, images: list[bytes]) -> str:
    """A right formula for a formula's form; for any other what the picture's bytes give."""
    assert len(images) == 1
    fields = request["format"]["properties"]
    if "latex" in fields:
        return json.dumps({"latex": LATEX, "symbols": [], "summary": hashlib.sha256(images[0]).hexdigest()[:8]})
    return "not JSON"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "OLLAMA_HOST", "OLLAMA_API_KEY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def server() -> Iterator[OllamaServer]:
    sees = {"completion", "vision"}
    with OllamaServer(models=[Model("tinyvlm", capabilities=sees), Model("fixed", sees, replies=scripted)]) as running:
        yield running


def model_of(server: OllamaServer, name: str) -> LanguageModel:
    settings = Settings(ollama=Ollama(host=server.url, retries=0, first_word_s=20, stall_s=20))
    return load_model("vision", parse_model_name(f"ollama:{name}"), settings)


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> tuple[Paper, Path]:
    crops = tmp_path_factory.mktemp("crops")
    return read_paper(SAMPLE_PAPERS / "clip_fa.pdf", crops=crops), crops


def test_every_kind_is_asked_in_its_form_with_its_picture(server: OllamaServer, paper: tuple[Paper, Path]) -> None:
    read, crops = paper
    model = model_of(server, "tinyvlm")
    chosen = describable(read, crops=crops)
    assert {element.kind for element in chosen} == {"figure", "table", "formula"}
    for kind in FORMS:
        element = next(e for e in chosen if e.kind == kind)
        server.clear()
        found = read_element(model, element, (crops / str(element.image)).read_bytes(), language="fa")
        [asked] = [r for r in server.requests if r.path in ("/api/chat", "/api/generate")]
        assert asked.body["format"]["properties"].keys() == FORMS[kind].model_fields.keys()
        assert "به فارسی" in asked.prompt
        size = Image.open(io.BytesIO(asked.images[0])).size
        assert abs(size[0] / size[1] - _ratio(crops / str(element.image))) < 0.05
        assert (found.model, found.prompt_version) == ("ollama:tinyvlm", PROMPT_VERSIONS[kind])
        assert not found.verified, "what a random model says agrees with nothing"
        assert Description.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def _ratio(path: Path) -> float:
    with Image.open(path) as image:
        return image.width / image.height


def test_a_right_reading_is_verified_and_depends_on_the_picture(
    server: OllamaServer, paper: tuple[Paper, Path]
) -> None:
    read, crops = paper
    element = next(e for e in read.elements if e.label == "Equation 3")
    other = next(e for e in read.elements if e.label == "Equation 1")
    model = model_of(server, "fixed")
    found = read_element(model, element, (crops / str(element.image)).read_bytes())
    assert (found.text, found.verified, found.score) == (LATEX, True, 1.0)
    wrong = read_element(model, other, (crops / str(other.image)).read_bytes())
    assert not wrong.verified
    assert wrong.summary != found.summary


def test_what_is_no_json_is_an_error_and_never_text(server: OllamaServer, paper: tuple[Paper, Path]) -> None:
    read, crops = paper
    figure = next(e for e in read.elements if e.kind == "figure")
    with pytest.raises(UnusableReply):
        read_element(model_of(server, "fixed"), figure, (crops / str(figure.image)).read_bytes())


def test_a_failing_server_ends_the_transformation_with_a_model_error(
    server: OllamaServer, paper: tuple[Paper, Path]
) -> None:
    from llama_index.core.ingestion import IngestionPipeline

    from ingestion.chunking import to_nodes

    read, crops = paper
    nodes = [node for node in to_nodes(read) if node.metadata["kind"] == "formula"]
    pipeline = IngestionPipeline(transformations=[ElementDescriber(model=model_of(server, "fixed"), crops=crops)])
    server.fail(Fault.BUSY, times=50)
    with pytest.raises(ModelError):
        pipeline.run(nodes=[node.model_copy(deep=True) for node in nodes])


def test_the_transformation_describes_a_whole_paper(server: OllamaServer, paper: tuple[Paper, Path]) -> None:
    from ingestion.chunking import to_nodes

    read, crops = paper
    nodes = to_nodes(read)
    ElementDescriber(model=model_of(server, "tinyvlm"), crops=crops)(nodes)
    described = [node for node in nodes if "description" in node.metadata]
    assert [n.metadata["kind"] for n in described] == [
        n.metadata["kind"] for n in nodes if n.metadata["kind"] in FORMS and n.metadata["image"]
    ]
    for node in described:
        assert Description.from_dict(node.metadata["description"]).kind == node.metadata["kind"]
