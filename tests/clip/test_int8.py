"""The fast int8 image tower: near the exact one, measured, kept on disk, and refused where it is not near."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from adapters.names import load_model, parse_model_name
from rag_app.errors import ModelUnsuitable
from tests.clip.models import ENGLISH, Made, write_pictures


def test_near_the_exact_model_and_measured(made: dict[str, Made], tmp_path: Path) -> None:
    files = write_pictures(tmp_path / "pictures")
    exact = load_model("image_embedding", parse_model_name(f"openclip:{made['vit'].folder}"))
    fast = load_model("image_embedding", parse_model_name(f"openclip:{made['vit'].folder}#int8"))
    assert fast.model_name == f"{exact.model_name}#int8"
    assert fast.agreement is None
    vectors = fast.embed_images(files).vectors
    cosine = (vectors * exact.embed_images(files).vectors).sum(axis=1)
    assert fast.agreement.least == pytest.approx(cosine.min(), abs=1e-5)
    assert fast.agreement.mean == pytest.approx(cosine.mean(), abs=1e-5)
    assert fast.agreement.pictures == len(files)
    assert cosine.min() > 0.99
    assert not np.allclose(vectors, exact.embed_images(files).vectors, atol=1e-6)  # it is another computation
    assert np.array_equal(fast.embed_texts(ENGLISH), exact.embed_texts(ENGLISH))
    kept = list((tmp_path / "models" / "open_clip-int8").iterdir())
    assert [file.suffix for file in kept] == [".onnx"]
    written = kept[0].stat().st_mtime_ns
    again = load_model("image_embedding", parse_model_name(fast.model_name))
    assert np.array_equal(again.embed_images(files).vectors, vectors)
    assert kept[0].stat().st_mtime_ns == written


def test_refused_where_it_differs_too_much(
    made: dict[str, Made], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.open_clip.int8.LEAST_AGREEMENT", 0.999_999_9)
    fast = load_model("image_embedding", parse_model_name(f"openclip:{made['vit'].folder}#int8"))
    with pytest.raises(ModelUnsuitable, match="leave #int8 away"):
        fast.embed_images(write_pictures(tmp_path / "pictures"))
