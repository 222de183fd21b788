"""Texts: remembered, in the right language for models that must be told, and the same alone as in a batch."""

# torch and open_clip come with the clip extra only.
# pyright: reportMissingImports=false

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from adapters.names import load_model, parse_model_name
from adapters.open_clip.embedding import OpenClipEmbedding
from adapters.open_clip.languages import language_of
from rag_app.errors import ModelUnsuitable
from tests.clip.models import ENGLISH, PERSIAN, Made


def load(made: Made) -> OpenClipEmbedding:
    return load_model("image_embedding", parse_model_name(f"openclip:{made.folder}"))


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("a bar chart", "en"),
        ("", "en"),
        ("12 + 3", "en"),
        ("نمودار ستونی", "fa"),
        ("گربه", "fa"),
        ("نمودار accuracy با میله‌های خطا", "fa"),
        ("صورة قطة على الأريكة", "ar"),
        ("диаграмма", "ru"),
        ("猫の写真", "ja"),
        ("一只猫", "zh"),
        ("고양이", "ko"),
        ("חתול", "he"),
    ],
)
def test_language_by_script(text: str, language: str) -> None:
    assert language_of(text) == language


def test_nllb_is_told_the_language_of_each_text(made: dict[str, Made]) -> None:
    from open_clip.factory import create_model_from_pretrained, get_tokenizer

    name = f"local-dir:{made['nllb'].folder}"
    model, tokenizer = create_model_from_pretrained(name)[0].eval(), get_tokenizer(name)

    def there(text: str, code: str) -> np.ndarray:
        tokenizer.tokenizer.src_lang = code
        assert tokenizer.tokenizer.convert_ids_to_tokens(tokenizer([text])[0])[0] == code
        return model.encode_text(tokenizer([text]), normalize=True)[0].detach().numpy()

    ours = load(made["nllb"]).embed_texts([PERSIAN[0], ENGLISH[0], PERSIAN[2]])
    assert np.abs(ours[0] - there(PERSIAN[0], "pes_Arab")).max() < 1e-6
    assert np.abs(ours[1] - there(ENGLISH[0], "eng_Latn")).max() < 1e-6
    assert np.abs(ours[2] - there(PERSIAN[2], "pes_Arab")).max() < 1e-6
    assert np.abs(ours[0] - there(PERSIAN[0], "eng_Latn")).max() > 1e-3  # what an untold tokenizer would give
    as_arabic = load(made["nllb"]).embed_texts([PERSIAN[2]], language="ar")
    assert np.abs(as_arabic[0] - there(PERSIAN[2], "arb_Arab")).max() < 1e-6
    with pytest.raises(ModelUnsuitable, match="no code for the language 'xx'"):
        load(made["nllb"]).embed_texts(["a"], language="xx")


@pytest.mark.parametrize("architecture", ["vit", "siglip", "xlm_roberta", "nllb"])
def test_a_text_is_the_same_alone_in_a_batch_and_from_memory(architecture: str, made: dict[str, Made]) -> None:
    long = " ".join(["a photograph of many cats"] * 30)  # longer than any context
    texts = [*ENGLISH, *PERSIAN, long, "", ENGLISH[0]]
    together = load(made[architecture]).embed_texts(texts)
    model = load(made[architecture])
    alone = np.concatenate([model.embed_texts([text]) for text in texts])
    assert np.abs(together - alone).max() < 1e-6
    assert np.array_equal(model.embed_texts(texts), alone)
    assert np.array_equal(together[0], together[-1])
    assert model.embed_texts([]).shape == (0, model.dimensions)
    assert np.allclose(model.get_text_embedding_batch(texts), alone)
    assert np.allclose(model.get_query_embedding(texts[0]), alone[0])


def test_memory_of_texts_is_used_and_bounded(made: dict[str, Made], monkeypatch: pytest.MonkeyPatch) -> None:
    model = load(made["vit"])
    model.embed_texts(["one", "two"])
    monkeypatch.setattr("adapters.open_clip.texts._REMEMBERED", 3)
    encoder = model._texts
    computed: list[str] = []
    inner = encoder._compute
    monkeypatch.setattr(encoder, "_compute", lambda keys: computed.extend(text for text, _ in keys) or inner(keys))
    model.embed_texts(["two", "one", "three"])
    assert computed == ["three"]
    model.embed_texts(["one", "four"])  # forgets "two", which was asked for least lately
    computed.clear()
    model.embed_texts(["one", "three", "four"])
    assert computed == []
    model.embed_texts(["two"])
    assert computed == ["two"]
    assert len(encoder._remembered) == 3
    assert len(model.embed_texts([str(number) for number in range(10)])) == 10  # more at once than are remembered


def test_several_threads_and_a_pickled_copy_give_the_same(made: dict[str, Made]) -> None:
    model = load(made["nllb"])
    texts = [*ENGLISH, *PERSIAN] * 4
    with ThreadPoolExecutor(4) as pool:
        rows = list(pool.map(lambda text: model.embed_texts([text])[0], texts))
    assert np.abs(np.stack(rows) - load(made["nllb"]).embed_texts(texts)).max() < 1e-6
    copy = pickle.loads(pickle.dumps(model))
    assert np.array_equal(copy.embed_texts(ENGLISH), load(made["nllb"]).embed_texts(ENGLISH))
    assert copy.model_name == model.model_name
    assert copy.fingerprint() == model.fingerprint() != load(made["vit"]).fingerprint()
