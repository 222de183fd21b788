"""From a model's reply to a Description, with a model that says what the test wants."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ingestion.describe.reading import read_element
from ingestion.elements import Element, Place
from rag_app.errors import UnusableReply
from rag_app.evidence import Description
from rag_app.models import Reply

PLACE = (Place(1, (0.0, 0.0, 200.0, 100.0)),)


@dataclass
class Scripted:
    """A LanguageModel that gives the replies of a script, one after another, and remembers what it was asked."""

    replies: list[str]
    name: str = "test:scripted"
    sees: bool = True
    asked: list[dict[str, Any]] = field(default_factory=list)  # Any: the arguments of several types

    def check(self, *, pictures: bool = False) -> None:
        return

    def ask(
        self,
        prompt: str,
        *,
        images: Sequence[bytes] = (),
        system: str = "",
        schema: Mapping[str, Any] | None = None,  # Any: JSON
        max_tokens: int = 1024,
        temperature: float = 0.0,
        seed: int = 0,
        repeat_penalty: float | None = None,
        on_text: Callable[[str], None] | None = None,
    ) -> Reply:
        self.asked.append({"prompt": prompt, "images": list(images), "system": system, "schema": schema})
        text = self.replies[min(len(self.asked), len(self.replies)) - 1]
        return Reply(text=text, model=self.name, seconds=0.0)

    async def aask(self, prompt: str, **options: Any) -> Reply:  # Any: as ask
        return self.ask(prompt, **options)


def formula(text: str, **more: Any) -> Element:  # Any: fields of Element
    return Element(id="e0001", order=1, kind="formula", places=PLACE, text=text, image="f.png", **more)


def formula_reply(latex: str, symbols: Sequence[tuple[str, str]] = ()) -> str:
    meanings = [{"symbol": s, "meaning": m} for s, m in symbols]
    return json.dumps({"latex": latex, "symbols": meanings, "summary": "It defines  a\nloss."})


def test_a_right_formula_is_described_and_verified() -> None:
    model = Scripted([formula_reply("$$a^2 + 8 = 12 \\tag{1}$$", [("a", "the side of the square")])])
    got = read_element(model, formula("a^2 + 8 = 12"), b"png", context="Here a is the side of the square.")
    assert got == Description(
        model="test:scripted",
        prompt_version="formula-1",
        kind="formula",
        summary="It defines a loss.",
        text="a^2 + 8 = 12",
        details={
            "latex": "a^2 + 8 = 12",
            "symbols": [{"symbol": "a", "meaning": "the side of the square"}],
            "summary": "It defines  a\nloss.",
        },
        score=1.0,
        verified=True,
        reasons=got.reasons,
    )
    assert got.reasons
    assert model.asked[0]["images"] == [b"png"]
    assert model.asked[0]["schema"]["additionalProperties"] is False
    assert Description.from_dict(json.loads(json.dumps(got.to_dict()))) == got


def test_a_wrong_formula_is_kept_as_unverified_with_the_reason() -> None:
    got = read_element(Scripted([formula_reply("a^2 + 9 = 12")]), formula("a^2 + 8 = 12"), b"png")
    assert not got.verified
    assert got.score < 0.8
    assert any("'9'" in reason for reason in got.reasons)


@pytest.mark.parametrize("reply", ["", "no JSON", "{}", '{"latex": 5}', formula_reply("a")[:-1], "[]", "null"])
def test_what_is_not_the_form_is_an_error_after_another_try(reply: str) -> None:
    model = Scripted([reply])
    with pytest.raises(UnusableReply, match="Try another model"):
        read_element(model, formula("a = b"), b"png")
    assert len(model.asked) == 2


def test_a_field_too_many_is_refused() -> None:
    extra = json.dumps({**json.loads(formula_reply("a=b")), "password": "x"})
    with pytest.raises(UnusableReply):
        read_element(Scripted([extra]), formula("a = b"), b"png")


def test_the_second_try_counts() -> None:
    got = read_element(Scripted(["nonsense", formula_reply("a + b = c")]), formula("a + b = c"), b"png")
    assert got.verified


def test_nothing_to_compare_with_is_never_verified() -> None:
    got = read_element(Scripted([formula_reply("a + b = c")]), formula(""), b"png")
    assert (got.verified, got.score) == (False, 0.0)
    assert "no text layer" in got.reasons[0]


def test_a_crop_folder_is_only_looked_into_by_name(tmp_path: Path) -> None:
    from llama_index.core.ingestion import IngestionPipeline
    from llama_index.core.schema import ImageNode, TextNode

    from ingestion.describe.transformation import ElementDescriber

    (tmp_path / "crops").mkdir()
    (tmp_path / "crops" / "f.png").write_bytes(b"inside")
    (tmp_path / "f.png").write_bytes(b"outside")
    meta = {"kind": "formula", "image": "../f.png", "elements": ["e1"], "places": [[1, 0, 0, 9, 9]], "language": "en"}
    node = ImageNode(text="a + b = c", image_path="f.png", metadata=meta)
    other = TextNode(text="words", metadata={"kind": "text"})
    model = Scripted([formula_reply("a + b = c")])
    pipeline = IngestionPipeline(transformations=[ElementDescriber(model=model, crops=tmp_path / "crops")])
    done = pipeline.run(nodes=[node, other])
    assert model.asked[0]["images"] == [b"inside"]
    assert Description.from_dict(done[0].metadata["description"]).verified
    assert "description" in done[0].excluded_embed_metadata_keys
    assert "description" not in done[1].metadata
    assert len(model.asked) == 1
    pipeline.run(nodes=done)
    assert len(model.asked) == 1, "what has a description is not asked again"


def test_another_model_is_another_transformation_to_a_pipelines_cache(tmp_path: Path) -> None:
    from llama_index.core.ingestion import IngestionPipeline
    from llama_index.core.schema import ImageNode

    from ingestion.describe.transformation import ElementDescriber

    (tmp_path / "f.png").write_bytes(b"x")
    meta = {"kind": "formula", "image": "f.png", "elements": ["e1"], "places": [[1, 0, 0, 9, 9]], "language": "en"}
    node = ImageNode(text="a + b = c", image_path="f.png", metadata=meta)
    one, two = Scripted([formula_reply("a")], name="test:one"), Scripted([formula_reply("a")], name="test:two")
    pipeline = IngestionPipeline(transformations=[ElementDescriber(model=one, crops=tmp_path)])
    pipeline.run(nodes=[node.model_copy(deep=True)])
    pipeline.transformations = [ElementDescriber(model=two, crops=tmp_path)]
    [got] = pipeline.run(nodes=[node.model_copy(deep=True)])
    assert got.metadata["description"]["model"] == "test:two"


def test_a_formula_of_a_persian_paper_is_described_in_persian(tmp_path: Path) -> None:
    from llama_index.core.schema import ImageNode

    from ingestion.describe.transformation import ElementDescriber

    (tmp_path / "f.png").write_bytes(b"x")
    meta = {"kind": "formula", "image": "f.png", "elements": ["e1"], "places": [[1, 0, 0, 9, 9]], "language": "en"}
    around = {"title": "جست‌وجوی تصویر به زبان فارسی", "context": "شباهت آن دو کسینوس زاویه میانشان است:"}
    model = Scripted([formula_reply("a + b = c")])
    for more in (around, {}):
        ElementDescriber(model=model, crops=tmp_path)([ImageNode(text="a + b = c", metadata={**meta, **more})])
    assert ["به فارسی" in asked["prompt"] for asked in model.asked] == [True, False]
