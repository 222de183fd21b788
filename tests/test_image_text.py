"""Images by their stored texts: words and meaning each find what the other misses, and which text matched is said."""

from __future__ import annotations

import math

import numpy as np
import pytest

from adapters.builtin.minilm import shared
from rag_app.retrieval.image_text import KNOWN, UNKNOWN, ImageTexts, StoredText, Weights

WORDS_ONLY = Weights(meaning=0.0, crowding=0.0, words=1.0)
MEANING_ONLY = Weights(meaning=1.0, crowding=0.0, words=0.0)


def stored(texts: dict[str, list[str]], kind: str = "caption", *, vectors: bool = True) -> list[StoredText]:
    pairs = [(image, text) for image, several in texts.items() for text in several]
    made = list(shared().embed([text for _, text in pairs])) if vectors else [None] * len(pairs)
    return [StoredText(image, kind, text, vector) for (image, text), vector in zip(pairs, made, strict=True)]


def vector(text: str) -> np.ndarray:
    return shared().embed([text])[0]


PHOTOS = {
    "bear": ["A big brown bear in the grass.", "Closeup of a grizzly."],
    "bed": ["A bedroom with a blue bed and bookshelf.", "A neatly made bed beside a window."],
    "sign": ["A stop sign hanging upside down.", "A red sign on a metal pole."],
    "cat": ["A kitten sleeps on a laptop.", "A small cat napping on a computer."],
}


def test_meaning_finds_what_shares_no_word() -> None:
    index = ImageTexts(stored(PHOTOS))
    question = "a feline dozing"
    assert not index.search(question, None)
    hits = index.search(question, vector(question))
    assert hits[0].image == "cat"
    assert hits[0].words is None
    assert hits[0].meaning == pytest.approx(hits[0].score)


def test_words_find_what_the_vectors_do_not_know() -> None:
    index = ImageTexts(
        stored({"one": ["نمودار میله‌ای دقت مدل‌ها"], "two": ["گربه‌ای روی میز خوابیده است"], "three": ["یک خرس قهوه‌ای"]})
    )
    question = "گربه روی میز"
    assert [hit.image for hit in index.search(question, vector(question), weights=UNKNOWN)] == ["two"]
    assert index.search(question, None)[0].image == "two"


def test_pieces_of_words_forgive_endings() -> None:
    index = ImageTexts(stored({"a": ["a photographer"], "b": ["a philosopher"], "c": ["a phone"]}, vectors=False))
    assert index.search("photographic", None)[0].image == "a"


def test_the_text_that_matched_is_named() -> None:
    texts = [
        *stored({"chart": ["Accuracy of three models."]}),
        *stored({"chart": ["learning rate 0.001 dropout"]}, "text in figure"),
        *stored({"map": ["A map of rivers."]}),
    ]
    index = ImageTexts(texts)
    for question, place in {"dropout and learning rate": 1, "accuracy of models": 0, "rivers on a map": 2}.items():
        hit = index.search(question, vector(question))[0]
        assert (hit.text, hit.image) == (place, texts[place].image)
        assert hit.words and hit.words > 0


def test_another_kind_of_text_does_not_water_down_a_caption() -> None:
    captions = stored({"a": ["A kitten sleeps on a laptop."], "b": ["A dog on a sofa."], "c": ["A tall tower."]})
    labels = stored({"a": ["x axis 0 10 20 30 epochs loss"]}, "text in figure")
    asked = vector("a cat dozing")
    alone, together = ImageTexts(captions), ImageTexts(captions + labels)
    assert together.images == ["a", "b", "c"]
    assert alone.scores("", asked, weights=MEANING_ONLY).argmax() == 0
    assert together.scores("", asked, weights=MEANING_ONLY).argmax() == 0


def test_bm25_by_hand() -> None:
    """Two images, `bear` in one of them once; whole words and pieces give the same share, as `bear` is all there is."""
    index = ImageTexts(stored({"a": ["bear"], "b": ["sign"]}, vectors=False))
    length_factor = 1.2 * (1 - 0.75 + 0.75)
    assert index.scores("bear", None, weights=WORDS_ONLY) == pytest.approx([2.2 / (1 + length_factor), 0.0])


def test_a_word_no_image_has_lowers_the_share_of_the_others() -> None:
    index = ImageTexts(stored({"a": ["bear"], "b": ["sign"]}, vectors=False))
    known = index.scores("bear", None, weights=WORDS_ONLY)[0]
    both = index.scores("bear zebra", None, weights=WORDS_ONLY)[0]
    assert 0 < both < known
    rare, unseen = math.log(1 + 1.5 / 1.5), math.log(1 + 2.5 / 0.5)
    pieces = 3 * rare / (3 * rare + 4 * unseen)  # ^bea bear ear$, and ^zeb zebr ebra bra$
    assert both == pytest.approx(0.5 * rare / (rare + unseen) + 0.5 * pieces)


def test_hubs_are_set_back() -> None:
    """One image lies near a dozen others; their texts show it, and it loses more than they do."""
    draw = np.random.default_rng(0)
    own = draw.normal(size=(60, 64))
    own /= np.linalg.norm(own, axis=1, keepdims=True)
    hub = own[:12].mean(axis=0)
    vectors = [*own, hub / np.linalg.norm(hub)]
    texts = [StoredText(i, "caption", "", v.astype(np.float32)) for i, v in enumerate(vectors)]
    index = ImageTexts(texts)
    plain, ours = Weights(1, 0, 0), Weights(1, 1, 0)
    assert index.scores("", vectors[60], weights=plain).argmax() == 60
    lead = [index.scores("", own[0] + 0.4 * vectors[60], weights=w)[[0, 60]] for w in (plain, ours)]
    assert lead[1][0] - lead[1][1] > lead[0][0] - lead[0][1] + 0.05


def test_few_texts_leave_hubs_alone() -> None:
    index = ImageTexts(stored(PHOTOS))
    asked = vector("a bear")
    assert np.array_equal(
        index.scores("", asked, weights=Weights(1, 0, 0)), index.scores("", asked, weights=Weights(1, 1, 0))
    )


def test_images_without_vectors_are_found_by_words_beside_those_with() -> None:
    texts = stored({"a": ["A brown bear."]}) + stored({"b": ["A loss curve over epochs."]}, vectors=False)
    hits = ImageTexts(texts).search("loss curve", vector("loss curve"))
    assert hits[0].image == "b"
    assert hits[0].meaning is None


def test_equal_images_keep_their_order_and_k_may_be_more_than_there_are() -> None:
    index = ImageTexts(stored({name: ["A red square."] for name in "abcd"}))
    assert [hit.image for hit in index.search("red square", vector("red square"), k=99)] == ["a", "b", "c", "d"]
    assert [hit.image for hit in index.search("red square", vector("red square"), k=2)] == ["a", "b"]


def test_nothing_stored_and_nothing_asked() -> None:
    assert ImageTexts([]).search("a bear", vector("a bear")) == []
    assert ImageTexts([]).scores("a bear", None).shape == (0,)
    assert ImageTexts(stored(PHOTOS, vectors=False)).search("", None) == []


def test_scores_and_hits_agree() -> None:
    index = ImageTexts(stored(PHOTOS))
    question = "a small cat on a bed"
    scores = index.scores(question, vector(question), weights=KNOWN)
    for hit in index.search(question, vector(question)):
        assert hit.score == pytest.approx(scores[index.images.index(hit.image)])
        assert hit.score == pytest.approx((hit.meaning or 0) + (hit.words or 0))
