"""Captions scored: files and their pictures, references, people and chance, CLIPScore, the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters import names
from eval.captions.files import References, read_written
from eval.captions.scores import CHANCE, PEOPLE, caption_rows, people_and_chance
from eval.metrics.captions import cider_d
from eval.metrics.texts import bleu, chrf
from eval.runs import Row, Run
from rag_app.captioning.records import CaptionRow
from rag_app.errors import InputError
from tests import colour_embedding
from tests.caption_replies import ENGLISH, LOOP, PERSIAN
from tests.colour_embedding import ColourEmbedding
from tests.commands import CommandLine
from tests.ollama_models import picture

PEOPLE_SAY = {
    "a.png": {
        "en": ["A red ball on grass.", "A ball lies on the lawn.", "Red ball, green lawn."],
        "fa": ["توپ سرخ روی چمن."],
    },
    "b.png": {
        "en": ["Two boats at sea.", "A pair of boats on the water."],
        "fa": ["دو قایق در دریا.", "قایق‌ها روی آب."],
    },
    "c.png": {"en": ["A cat sleeps."]},
}


@pytest.fixture
def references(tmp_path: Path) -> Path:
    path = tmp_path / "references.jsonl"
    lines = [{"image": name, "captions": captions} for name, captions in PEOPLE_SAY.items()]
    path.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines), encoding="utf-8")
    for name, colour in (("a.png", "red"), ("b.png", "blue"), ("c.png", "black")):
        (tmp_path / name).write_bytes(picture(colour))
    return path


def caption_row(image: str, model: str, language: str, pair: tuple[str, str], **more: Any) -> str:  # Any: its fields
    row = CaptionRow(image, "0" * 64, model, language, "caption-1", short=pair[0], detailed=pair[1], **more)
    return json.dumps(row.to_dict(), ensure_ascii=False)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """Two models in two languages; one picture failed."""
    path = tmp_path / "captions.jsonl"
    lines = [
        caption_row("a.png", "ollama:one", "en", ENGLISH),
        caption_row("a.png", "ollama:two", "en", (ENGLISH[0].replace("dog", "cat"), LOOP[1])),
        caption_row("a.png", "ollama:one", "fa", PERSIAN),
        caption_row("b.png", "ollama:one", "en", ("", ""), failed="model", error="The model stopped."),
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def by_id(rows: list[Row]) -> dict[str, Row]:
    return {row.id: row for row in rows}


def test_rows_of_the_captioner(written: Path, references: Path) -> None:
    found, known = read_written([written]), References(references)
    rows = by_id(list(caption_rows(found, known)))
    assert list(rows) == [one.id for one in found] and len(rows) == 8
    assert rows["ollama:one/b.png/en/short"].error == rows["ollama:one/b.png/en/detailed"].error == "The model stopped."
    short = rows["ollama:one/a.png/en/short"]
    assert short.groups == {"language": "en", "kind": "short", "writer": "ollama:one"}
    gold = PEOPLE_SAY["a.png"]["en"]
    assert short.scores["chrf"] == chrf(ENGLISH[0], gold) and short.scores["bleu"] == bleu(ENGLISH[0], gold)
    assert short.record["references"] == gold
    assert (
        short.scores["word_count"] == 16
        and short.scores["sentence_count"] == 1
        and short.scores["language_purity"] == 1
    )
    looped = rows["ollama:two/a.png/en/detailed"].scores
    assert (
        looped["unrepeated"] == 0 and looped["variety"] < 0.1 < rows["ollama:one/a.png/en/detailed"].scores["variety"]
    )


def test_agreement_of_writers_by_hand(tmp_path: Path) -> None:
    texts = {"one": "A dog and a cat.", "two": "A dog and a bird.", "three": "Two boats."}
    files = []
    for writer, text in texts.items():
        files.append(tmp_path / f"{writer}.jsonl")
        files[-1].write_text(json.dumps({"image": "a.png", "captions": [text]}), encoding="utf-8")
    rows = by_id(list(caption_rows(read_written(files), References())))
    assert rows["one/a.png/en/caption"].scores["agreement_things"] == pytest.approx((0.5 + 0) / 2)
    assert rows["three/a.png/en/caption"].scores["agreement_things"] == 0
    both = [(chrf(texts["one"], [o]), chrf(o, [texts["one"]])) for o in (texts["two"], texts["three"])]
    expected = np.mean([np.mean([float(x or 0) for x in pair]) for pair in both])
    assert rows["one/a.png/en/caption"].scores["agreement_chrf"] == pytest.approx(expected)
    assert "chrf" not in rows["one/a.png/en/caption"].scores
    alone = list(caption_rows(read_written(files[:1]), References()))
    assert "agreement_chrf" not in alone[0].scores


def test_people_and_chance(references: Path) -> None:
    known = References(references)
    rows = by_id(list(people_and_chance(known)))
    assert len(rows) == 2 * 2 + 1  # of Persian one picture has two references: no chance
    en = PEOPLE_SAY["a.png"]["en"]
    assert rows[f"{PEOPLE}/a.png/en/caption"].scores["chrf"] == chrf(en[0], en[1:])
    assert rows[f"{CHANCE}/a.png/en/caption"].scores["chrf"] == chrf(PEOPLE_SAY["b.png"]["en"][0], en[1:])
    assert rows[f"{PEOPLE}/b.png/fa/caption"].scores["chrf"] > 0 and f"{CHANCE}/b.png/fa/caption" not in rows
    assert not any("c.png" in one for one in rows)  # one reference alone


def test_cider_counts_words_over_all_references(tmp_path: Path, references: Path) -> None:
    """A writer who described one picture only gets what he would get having described all."""
    path = tmp_path / "one.jsonl"
    path.write_text(json.dumps({"image": "a.png", "captions": {"en": "A red ball."}}), encoding="utf-8")
    more = tmp_path / "all.jsonl"
    texts = {"a.png": "A red ball.", "b.png": "Boats.", "c.png": "A cat."}
    more.write_text(
        "\n".join(json.dumps({"image": i, "captions": {"en": t}}) for i, t in texts.items()), encoding="utf-8"
    )
    rows = by_id(list(caption_rows(read_written([path, more]), References(references))))
    alone, among = (rows[f"{writer}/a.png/en/caption"].scores["cider_d"] for writer in ("one", "all"))
    assert (
        alone
        == pytest.approx(among)
        == pytest.approx(cider_d(list(texts.values()), [PEOPLE_SAY[image]["en"] for image in texts])[0])
    )
    assert alone > 0


def test_pictures_are_matched_by_file_then_by_name(tmp_path: Path, references: Path) -> None:
    known = References(references)
    assert known.of((tmp_path / "a.png").resolve(), "fa") == ("توپ سرخ روی چمن.",)
    assert known.of(Path("/elsewhere/a.png"), "fa") == ("توپ سرخ روی چمن.",)
    assert known.of(Path("/elsewhere/z.png"), "fa") == () == known.of((tmp_path / "c.png").resolve(), "fa")
    assert References().of(Path("/a.png"), "en") == ()


def test_clip_score_by_hand(tmp_path: Path, references: Path) -> None:
    path = tmp_path / "mine.jsonl"
    texts = [("a.png", "a red ball"), ("b.png", "a red ball"), ("gone.png", "a red ball")]
    path.write_text("\n".join(json.dumps({"image": i, "captions": {"en": t}}) for i, t in texts), encoding="utf-8")
    clip = ColourEmbedding()
    rows = by_id(list(caption_rows(read_written([path]), References(references), clip=clip)))
    cosine = float(clip.embed_images([tmp_path / "a.png"]).vectors[0] @ clip.embed_texts(["a red ball"])[0])
    right = rows["mine/a.png/en/caption"].scores
    assert right["clip_score"] == pytest.approx(2.5 * cosine)
    like = max(float(v @ clip.embed_texts(["a red ball"])[0]) for v in clip.embed_texts(PEOPLE_SAY["a.png"]["en"]))
    assert right["ref_clip_score"] == pytest.approx(2 / (1 / (2.5 * cosine) + 1 / like))
    assert rows["mine/b.png/en/caption"].scores["clip_score"] < 0.1 < right["clip_score"]
    assert "gone.png" in rows["mine/gone.png/en/caption"].unscored["clip_score"]
    assert "word_count" in rows["mine/gone.png/en/caption"].scores


def test_the_same_caption_in_two_files(written: Path) -> None:
    with pytest.raises(InputError, match="stands in more than one place"):
        read_written([written, written])


@pytest.fixture
def rag_app(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAG_APP_LIBRARY", str(tmp_path / "library"))
    return CommandLine(capfd)


def test_the_command(rag_app: CommandLine, written: Path, references: Path, tmp_path: Path) -> None:
    words = ("eval", "captions", written, "--references", references, "--run", tmp_path / "run")
    document = rag_app.json(*words)
    tables = {(table["language"], table["kind"]): table["writers"] for table in document["tables"]}
    assert set(tables) == {("en", "short"), ("en", "detailed"), ("fa", "short"), ("fa", "detailed")}
    assert list(tables["en", "short"]) == ["ollama:one", "ollama:two", PEOPLE, CHANCE]
    one = tables["en", "short"]["ollama:one"]
    assert (one["total"], one["failed"]) == (2, 1)
    assert document["summary"]["total"] == len(Run.open(tmp_path / "run").rows()) == 8
    text = rag_app(*words, "--resume").stdout
    assert "en, short" in text and "agreement with other writers" in text and "1 + 1" in text


def test_references_alone_and_nothing_at_all(rag_app: CommandLine, references: Path) -> None:
    document = rag_app.json("eval", "captions", "--references", references)
    assert {(table["language"], table["kind"]) for table in document["tables"]} == {
        ("en", "caption"),
        ("fa", "caption"),
    }
    nothing = rag_app("eval", "captions")
    assert nothing.returncode == 2 and "Name a file of captions" in nothing.stderr


def test_clip_by_name(rag_app: CommandLine, written: Path, references: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = rag_app("eval", "captions", written, "--clip", "builtin")
    assert refused.returncode == 2 and "reads no texts" in refused.stderr
    monkeypatch.setitem(names.LOADERS, ("image_embedding", "openclip"), f"{colour_embedding.__name__}:load")
    document = rag_app.json("eval", "captions", written, "--clip", colour_embedding.NAME)
    assert document["tables"][0]["writers"]["ollama:one"]["scores"]["clip_score"]["scored"] == 1
    monkeypatch.setattr(ColourEmbedding, "missing", True)
    missing = rag_app("eval", "captions", written, "--clip", colour_embedding.NAME)
    assert missing.returncode == 1 and "weights" in missing.stderr


@pytest.mark.real_papers
def test_people_stand_far_above_chance(real_papers: Path) -> None:
    rows = list(people_and_chance(References(real_papers / "photos" / "captions.jsonl")))
    for language in ("en", "fa"):
        people, chance = (
            np.mean(
                [
                    row.scores["cider_d"]
                    for row in rows
                    if row.groups["writer"] == one and row.groups["language"] == language
                ]
            )
            for one in (PEOPLE, CHANCE)
        )
        assert people > 10 * chance, language


def test_shorter_captions_are_not_worse(rag_app: CommandLine, tmp_path: Path) -> None:
    """--no-worse-than leaves counts aside, and sees captions that go in circles."""

    def run(name: str, texts: list[str], *more: object) -> int:
        path = tmp_path / name / "mine.jsonl"
        path.parent.mkdir()
        lines = [{"image": f"{n}.png", "captions": {"en": text}} for n, text in enumerate(texts)]
        path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
        return rag_app("eval", "captions", path, "--run", tmp_path / name / "run", *more).returncode

    before = [f"A brown dog sits on the green grass beside a red bench, number {n}." for n in range(8)]
    assert run("before", before) == 0
    earlier = tmp_path / "before" / "run"
    assert run("shorter", ["A brown dog sits on grass."] * 8, "--no-worse-than", earlier) == 0
    assert run("looping", ["A dog sits, a dog sits, a dog sits, a dog sits."] * 8, "--no-worse-than", earlier) == 1
