"""Images and captions read from JSON Lines: its own form, usual ones, and what is wrong with a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from eval.images.data import ImageSet, read_image_set
from rag_app.captioning.records import CaptionRow
from rag_app.errors import InputError


def read(tmp_path: Path, *records: Any) -> ImageSet:
    path = tmp_path / "set.jsonl"
    path.write_text("\n".join(one if isinstance(one, str) else json.dumps(one) for one in records), encoding="utf-8")
    return read_image_set(path)


def captions(tmp_path: Path, *records: Any) -> dict[str, tuple[str, ...]]:
    return read(tmp_path, *records).images[0].captions


def test_its_own_form(tmp_path: Path) -> None:
    record = {"image": "a/1.jpg", "captions": {"en": ["A bear.", "A brown bear."], "fa": ["یک خرس."]}, "label": "bear"}
    found = read(tmp_path, record, "", {"image": "2.jpg", "captions": "A cat."})
    first, second = found.images
    assert first.captions == {"en": ("A bear.", "A brown bear."), "fa": ("یک خرس.",)}
    assert first.label == "bear" and first.path == tmp_path / "a/1.jpg" and first.name == "a/1.jpg"
    assert second.captions == {"en": ("A cat.",)} and second.label is None
    assert found.languages() == ("en", "fa")
    assert len(found.sha256) == 64


def test_language_of_a_plain_list(tmp_path: Path) -> None:
    assert captions(tmp_path, {"image": "a", "captions": ["A bear.", "یک خرس."]}) == {
        "en": ("A bear.",),
        "fa": ("یک خرس.",),
    }


@pytest.mark.parametrize(
    "record",
    [
        {
            "file": "a",
            "captions_en": ["A bear.", "A cub."],
            "captions_fa_mt": [{"fa": "یک خرس.", "en": "A x.", "n": 1}],
        },
        {"filepath": "a", "caption_en": "A bear.", "captions": {"en": "A cub.", "fa": "یک خرس."}},
        {"file_name": "a", "sentences": [{"tokens": ["a"], "raw": "A bear."}, {"raw": "A cub."}, {"raw": "یک خرس."}]},
        {"image_path": "a", "text": ["A bear.", "A cub.", "یک خرس."], "license": "CC"},
    ],
)
def test_usual_names(tmp_path: Path, record: dict[str, Any]) -> None:
    assert captions(tmp_path, record) == {"en": ("A bear.", "A cub."), "fa": ("یک خرس.",)}


def test_lines_about_one_image_are_put_together(tmp_path: Path) -> None:
    """As data sets with a caption a line are; the same caption again is none of its own."""
    texts = ["A bear.", "A cub.", "a  bear", "A BEAR!"]
    found = read(
        tmp_path, *({"image": "a", "caption": text} for text in texts), {"image": "a", "captions": [], "label": 3}
    )
    assert found.images[0].captions == {"en": ("A bear.", "A cub.")}
    assert found.images[0].label == "3"


def test_rows_of_the_captioner(tmp_path: Path) -> None:
    good = CaptionRow("p/1.jpg", "0" * 64, "ollama:a", "en", "caption-1", None, "A bear.", "A bear stands. It looks.")
    persian = CaptionRow("p/1.jpg", "0" * 64, "ollama:a", "fa", "caption-1", None, "یک خرس.", "خرس ایستاده است.")
    bad = CaptionRow("p/2.jpg", "", "ollama:a", "en", "caption-1", failed="picture", error="2.jpg is empty.")
    found = read(tmp_path, *(row.to_dict() for row in (good, persian, bad)))
    assert found.images[0].captions == {
        "en": ("A bear.", "A bear stands. It looks."),
        "fa": ("یک خرس.", "خرس ایستاده است."),
    }
    assert found.failed == {"p/2.jpg": "2.jpg is empty."}


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"imagee": "a", "captions": []}, "'imagee' is not known; did you mean 'image'?"),
        ({"image": "a", "captoins": ["x"]}, "did you mean 'captions'?"),
        ({"image": "a", "captions": ["x"], "lable": "bear"}, "did you mean 'label'?"),
        ({"image": "a", "size": 3}, "there is no captions among its keys image, size"),
        ({"image": 4, "captions": []}, "the image is 4, not a path"),
        ({"image": "a", "captions": ["x", 5]}, "captions holds 5, not a text"),
        ({"image": "a", "captions": ["x", "  "]}, "captions holds an empty caption"),
        ({"image": "a", "captions": {"english": ["x"]}}, "an object with english, and no caption"),
        ({"image": "a", "captions": 7}, "captions is 7, not texts"),
        ({"image": "a", "captions": [], "label": ["x"]}, "label is ['x'], not the name of a class"),
        ([1], "a line is a JSON object"),
        ("{not json", "Expecting property name"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, record: Any, said: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, {"image": "ok", "captions": ["A bear."]}, "", record)
    assert "set.jsonl, line 3: " in str(caught.value) and said in str(caught.value)


def test_two_labels_for_one_image(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line 2: a has the label 'cat' here and 'bear' before"):
        read(tmp_path, {"image": "a", "captions": [], "label": "bear"}, {"image": "a", "captions": [], "label": "cat"})


def test_nothing_and_no_text(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no image"):
        read(tmp_path, "", "  ")
    (tmp_path / "x.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read as images and captions"):
        read_image_set(tmp_path / "x.jsonl")


def test_a_line_separator_inside_a_caption(tmp_path: Path) -> None:
    record = json.dumps({"image": "a", "captions": ["A bear\u2028stands."]}, ensure_ascii=False)
    assert captions(tmp_path, record) == {"en": ("A bear stands.",)}
