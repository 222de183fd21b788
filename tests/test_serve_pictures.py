"""Questions about a picture on the web page, and which models its menu offers."""

from __future__ import annotations

import html
import importlib.util
import io
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rag_app.answering.seeing import QUESTION
from tests.answering_models import knows
from tests.conftest import SAMPLE_PAPERS
from tests.ollama_server import Model, OllamaServer
from tests.serving import BOUNDARY, Served, multipart

STREAM = "application/x-ndjson"
SAID = "A <b>grey</b> square."
HF = "hf:nobody/Sees-3B"


def png() -> bytes:
    written = io.BytesIO()
    Image.new("L", (640, 480), 90).save(written, "PNG")
    return written.getvalue()


def shown(text: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())


def sees(body: dict[str, Any], images: list[bytes]) -> str:  # Any: JSON
    assert images
    return SAID


@pytest.fixture(scope="module")
def ollama() -> Iterator[OllamaServer]:
    seeing = Model("eyes:7b", {"completion", "vision"}, replies=sees)
    with OllamaServer([seeing, Model("knows:7b", {"completion"}, context_length=32768, replies=knows)]) as running:
        yield running


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, sample_library: Path, ollama: OllamaServer) -> Iterator[Served]:
    library = Path(shutil.copytree(sample_library, tmp_path_factory.mktemp("pictures") / "library"))
    (library / "settings.toml").write_text(f'[models]\nvision = "{HF}"\n', encoding="utf-8")
    with Served(library, OLLAMA_HOST=ollama.url) as running:
        yield running


@pytest.fixture
def eyes(served: Served) -> Served:
    """A new conversation, with a model that sees."""
    served.post("/conversation/new")
    assert served.post("/models", ("role", "vision"), ("name", "ollama:eyes:7b")).status == 303
    return served


def test_a_picture_is_asked_about_and_shown_with_what_the_model_saw(eyes: Served, ollama: OllamaServer) -> None:
    reply = eyes.send("/ask", "picture", [("my scan.png", png())], ("question", "Which colour is it?"))
    assert (reply.status, reply.headers["location"]) == (303, "/#t1")
    asked = [request for request in ollama.requests if request.images][-1]
    with Image.open(io.BytesIO(asked.images[0])) as seen:
        assert seen.size == (640, 480) and seen.convert("L").getpixel((9, 9)) == 90
    assert "Which colour is it?" in asked.prompt
    page = eyes.get("/").text
    assert "A <strong>" not in page and "<b>grey" not in page and SAID in html.unescape(page), "it is shown as text"
    text = shown(page)
    assert "my scan.png · read by ollama:eyes:7b , unverified" in text and "Answered by ollama:eyes:7b" in text
    assert 'class="asked-about"><img src="data:image/webp;base64,' in page
    assert "Not for the diagnosis" not in page, "an ordinary model, and no medical answer"
    saved = eyes.get("/conversation/conversation.html").text
    assert 'class="asked-about"><img src="data:image/webp;base64,' in saved and "Which colour is it?" in saved
    line = json.loads(eyes.get("/conversation/conversation.jsonl").text)
    assert (line["picture"], line["medical"]) == ("my scan.png", False) and "thumbnail" not in line


def test_without_a_question_it_is_asked_what_it_shows_and_the_script_gets_the_answer(
    eyes: Served, ollama: OllamaServer
) -> None:
    body = multipart([("form_token", eyes.form_token), ("question", " ")], [("picture", "a.png", png())])
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    reply = eyes.request("POST", "/ask", body=body, headers={"Content-Type": kind, "Accept": STREAM})
    *drafted, last = [json.loads(line) for line in reply.text.splitlines()]
    assert "".join(line["text"] for line in drafted) == SAID
    assert QUESTION["en"] in last["html"] and last["html"] in eyes.get("/").text
    assert QUESTION["en"] in ollama.requests[-1].prompt


def test_a_question_after_a_picture_is_asked_of_the_papers(eyes: Served) -> None:
    eyes.send("/ask", "picture", [("a.png", png())], ("question", "How many pairs are there?"))
    assert eyes.post("/ask", ("question", "and ALIGN?")).status == 303
    assert "asked-as" not in eyes.get("/").text, "a picture's question is nothing to follow up on"


@pytest.mark.parametrize(
    ("name", "content", "status", "said"),
    [
        ("x.png", b"<script>", 422, "is not a picture"),
        ("x.exe", b"MZ", 422, "is not of a kind that is read"),
        ("paper.pdf", (SAMPLE_PAPERS / "clip_fa.pdf").read_bytes(), 422, "paper.pdf"),
        ("cut.png", png()[:300], 422, "cut.png"),
    ],
)
def test_what_is_no_picture_is_refused(eyes: Served, name: str, content: bytes, status: int, said: str) -> None:
    reply = eyes.send("/ask", "picture", [(name, content)], ("question", "What is it?"))
    assert reply.status == status and said in shown(reply.text)
    assert "What is it?" not in eyes.get("/").text


def test_the_builtin_models_see_nothing_and_the_page_says_what_to_do(eyes: Served) -> None:
    assert 'type="file"' in eyes.get("/").text
    assert eyes.post("/models", ("role", "vision"), ("name", "builtin")).status == 303
    page = eyes.get("/").text
    assert 'type="file"' not in page and "Choose a vision model first" in shown(page)
    reply = eyes.send("/ask", "picture", [("a.png", png())], ("question", "What is it?"))
    assert reply.status == 400 and "choose a model that sees" in shown(reply.text)
    persian = shown(eyes.get("/", Accept_Language="fa").text)
    assert "پرسش دربارهٔ تصویر" in persian and "نخست یک مدل بینایی انتخاب کنید" in persian


def test_a_model_of_transformers_in_the_settings_is_offered_for_both_roles(eyes: Served) -> None:
    """Also after another one was chosen: it does not vanish from the menu."""
    offered = {
        role: re.findall(r"<option(?: selected)?>([^<]+)", part)
        for role, part in re.findall(r'<select id="(answer|vision)"(.*?)</select>', eyes.get("/models").text, re.DOTALL)
    }
    assert offered["answer"] == ["builtin", "ollama:eyes:7b", "ollama:knows:7b", HF]
    assert offered["vision"] == ["builtin", "ollama:eyes:7b", HF]


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="torch is here")
def test_without_its_packages_it_is_refused_with_the_command(eyes: Served) -> None:
    reply = eyes.post("/models", ("role", "vision"), ("name", HF))
    assert reply.status == 400 and "pip install 'rag-app[medical]'" in shown(reply.text)
