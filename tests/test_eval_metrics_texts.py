"""Likeness of texts: worked by hand, equal to rouge-score and sacrebleu, and right on Persian."""

from __future__ import annotations

import random
import string

import pytest
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu import sentence_bleu, sentence_chrf

from eval.metrics.texts import ROUGE, bleu, chrf, exact_match, rouge, token_f1, token_recall

ENGLISH = (
    "the model was trained on 28.4 million image-text pairs, and its score fell; a gate is closed (state-of-the-art)"
)
PERSIAN = {
    "مدل": "model", "تصویر": "image", "متن": "text", "را": "ra", "با": "with", "آموزش": "training", "دیده": "seen",
    "است": "is", "دقت": "accuracy", "جدول": "table", "بیشتر": "more", "از": "from", "روش": "method", "پیشین": "prior",
}  # fmt: skip


def english(rng: random.Random) -> str:
    words = rng.choices(ENGLISH.split(), k=rng.randint(1, 20))
    noise = ["".join(rng.choices(string.ascii_letters + "0123456789_'", k=rng.randint(1, 6))) for _ in range(3)]
    return rng.choice([" ", "  ", " - "]).join(rng.sample(words + noise, rng.randint(1, len(words) + 3)))


def pairs(make, count: int, seed: int) -> list[tuple[str, str, str]]:
    rng = random.Random(seed)
    return [(make(rng), make(rng), make(rng)) for _ in range(count)]


def test_words_in_common_by_hand() -> None:
    assert exact_match("The cat, sat.", ["a cat sat"]) == 1 and exact_match("cats sat", ["cat sat"]) == 0
    assert exact_match("28.4", ["284"]) == 0 and exact_match("-3", ["3"]) == 0
    assert exact_match("16,384", ["16384"]) == 1
    # 2 of 3 words found are gold, of 4 gold words 2 are found
    assert token_f1("big red cat", ["red cat sat down"]) == pytest.approx(2 * 2 / 7)
    assert token_f1("cat cat", ["cat"]) == pytest.approx(2 / 3)  # a word counts as often as it stands in both
    assert token_f1("nothing", ["cat", "nothing at all"]) == pytest.approx(2 / 4)  # the best gold text counts


def test_what_an_answer_says_beside_the_gold_words_is_not_held_against_it() -> None:
    assert token_recall("In the table: a big red cat sat.", ["red cat", "no"]) == 1
    assert token_recall("a cat", ["red cat sat down"]) == 0.25
    assert token_recall("cat", ["cat cat"]) == 0.5
    assert token_recall("cat", []) is None and token_recall("cat", ["the"]) is None


def test_rouge_by_hand() -> None:
    scores = rouge("the cat sat", ["the cat ate the fish"])
    assert scores["rouge1"] == pytest.approx(2 * 2 / 8)
    assert scores["rouge2"] == pytest.approx(2 * 1 / (2 + 4))
    assert rouge("b a", ["a b"])["rougeL"] == pytest.approx(0.5)


def test_without_gold_texts_nothing_applies() -> None:
    assert (exact_match("x", []), token_f1("x", []), bleu("x", []), chrf("x", []), rouge("x", [])) == (
        None,
        None,
        None,
        None,
        {},
    )


def test_equal_to_rouge_score_on_english() -> None:
    theirs = RougeScorer(list(ROUGE))
    for found, gold, other in pairs(english, 300, 1):
        ours = rouge(found, [gold, other])
        scored = [theirs.score(text, found) for text in (gold, other)]
        for name in ROUGE:
            assert ours[name] == pytest.approx(max(one[name].fmeasure for one in scored), abs=1e-6), (found, gold)


def test_rouge_of_persian_is_that_of_the_same_words_in_latin_letters() -> None:
    """rouge_score's own tokens are ASCII: two equal Persian texts get 0.0 from it."""
    theirs = RougeScorer(list(ROUGE))
    rng = random.Random(2)
    for _ in range(300):
        texts = [rng.choices(list(PERSIAN), k=rng.randint(1, 12)) for _ in range(2)]
        latin = [" ".join(PERSIAN[word] for word in words) for words in texts]
        scored = theirs.score(latin[1], latin[0])
        ours = rouge(" ".join(texts[0]) + ".", ["، ".join(texts[1])])
        assert ours == pytest.approx({name: scored[name].fmeasure for name in ROUGE}, abs=1e-6)
    same = "دقت مدل ۲۸٫۴ درصد است"
    assert theirs.score(same, same)["rouge1"].fmeasure == 0.0
    assert set(rouge(same, [same]).values()) == {1.0}


def test_equal_to_sacrebleu() -> None:
    for found, gold, other in pairs(english, 300, 3):
        assert bleu(found, [gold, other]) == pytest.approx(sentence_bleu(found, [gold, other]).score / 100, abs=1e-6)
        assert chrf(found, [gold, other]) == pytest.approx(sentence_chrf(found, [gold, other]).score / 100, abs=1e-6)


@pytest.mark.parametrize("metric", [exact_match, token_f1, bleu, chrf, lambda a, b: rouge(a, b)["rougeL"]])
def test_the_same_persian_from_another_keyboard_is_the_same(metric) -> None:
    """Arabic ي and ك, digits of either script, the joiner or a blank, vowel marks."""
    gold = "کتاب‌های دقیقی که ۲۸٫۴ درصد می‌گویند؟"
    assert metric("كتاب هاي دَقيقي كه 28.4 درصد مي گويند؟", [gold]) == pytest.approx(1)
    assert metric("پاسخ دیگری است", [gold]) < 0.3
