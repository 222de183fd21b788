"""Each check of a caption by what it catches and what it lets pass."""

from __future__ import annotations

import pytest

from rag_app.captioning.checks import check_captions, copied, length_problem, repetition
from rag_app.captioning.language import Language
from rag_app.captioning.prompts import caption_prompt, translation_prompt, with_reminders
from rag_app.captioning.refusals import refusal
from tests import caption_replies as replies


def failed(pair: tuple[str, str], language: Language) -> list[str]:
    checks = check_captions(*pair, language, prompt=caption_prompt(language))
    assert [check.name for check in checks] == ["language", "length", "complete", "repetition", "refusal", "copying"]
    assert all(check.note for check in checks if not check.ok)
    return [check.name for check in checks if not check.ok]


@pytest.mark.parametrize(
    ("pair", "language", "wrong"),
    [
        (replies.ENGLISH, "en", []),
        (replies.PERSIAN, "fa", []),
        (replies.ARABIC, "fa", ["language"]),
        (replies.LEFTOVERS, "fa", ["language"]),
        (replies.PERSIAN, "en", ["language"]),
        (replies.LOOP, "en", ["repetition"]),
        (replies.PERSIAN_LOOP, "fa", ["repetition"]),
        (replies.REFUSAL, "en", ["refusal"]),
        (replies.PERSIAN_REFUSAL, "fa", ["refusal"]),
        (replies.REFUSAL, "fa", ["language", "refusal"]),
        (replies.COPY, "en", ["copying"]),
        (replies.BRIEF, "en", ["length"]),
        (replies.CUT, "en", ["complete"]),
        (("", ""), "en", ["language", "length", "complete"]),
    ],
)
def test_each_kind_of_reply(pair: tuple[str, str], language: Language, wrong: list[str]) -> None:
    assert failed(pair, language) == wrong


@pytest.mark.parametrize(
    "text",
    [
        "The sky is blue. The grass is green. The sky is blue.",
        "a red car and a red car and a red car and a red car and",
        "ها ها ها ها ها ها ها",
        "The number is 000000000000000.",
        "wow!!!!!!!!!!!",
        "درخت درخت درخت درخت درخت درخت",
        "A man. " + "there is a tree next to a house and " * 3,
    ],
)
def test_loops(text: str) -> None:
    assert repetition(text)


@pytest.mark.parametrize(
    "text",
    [
        "There is a chair on the left. There is a table on the right. There is a lamp behind the table.",
        "Three men: one in red, one in blue and one in green.",
        'The sign reads "NO NO NO".',
        "A price of 1000000 is written on it.",
        "نفر اول پیراهن سفید، نفر دوم پیراهن سیاه و نفر سوم پیراهن آبی دارد.",
        *replies.ENGLISH,
        *replies.PERSIAN,
    ],
)
def test_no_loops(text: str) -> None:
    assert repetition(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        "I cannot see the image you are referring to.",
        "I can't view this picture.",
        "I'm sorry, but I can't help with that.",
        "As an AI language model, I do not see pictures.",
        "No image was provided, so nothing can be said.",
        "Please upload the image first.",
        "I am unable to describe the photo.",
        "متأسفانه نمی‌توانم تصویر را ببینم.",
        "به عنوان یک مدل زبانی، تصویری نمی‌بینم.",
        "تصویری ارسال نشده است. لطفاً تصویر را ارسال کنید.",
        "متاسفم، قادر نیستم به شما کمک کنم.",
        "نمي‌توانم اين عكس را ببينم",
    ],
)
def test_refusals(text: str) -> None:
    assert refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        "It cannot be seen whether the man is smiling.",
        "The text on the sign cannot be read; I cannot tell which language it is in.",
        "A sorry-looking dog lies beside an empty bowl.",
        "No image hangs on the wall.",
        "A screen shows a picture of a cat that no one has provided with food.",
        "نوشتهٔ روی تابلو خوانا نیست و نمی‌توان گفت به چه زبانی است.",
        "تصویری از یک گربه روی دیوار آویزان است.",
        "روشن نیست که او لبخند می‌زند یا نه؛ چهره‌اش دیده نمی‌شود.",
    ],
)
def test_doubt_is_no_refusal(text: str) -> None:
    assert refusal(text) == ""


def test_lengths() -> None:
    short, detailed = replies.ENGLISH
    assert length_problem(short, detailed) == ""
    assert "short one has 1 words" in length_problem("Dog", detailed)
    assert "short one has 90 words" in length_problem("a dog runs " * 30, detailed)
    assert "sentences, not 1 to 3" in length_problem("A dog. A cat. A cow. A hen.", detailed)
    assert "fewer than 45" in length_problem(short, "A dog sits. It looks. It waits. It barks.")
    assert "sentences, fewer than 4" in length_problem(short, "A dog " + "and another one " * 20 + ".")


def test_words_of_the_prompt_are_found_in_either_language() -> None:
    for language in ("en", "fa"):
        prompt = caption_prompt(language)
        line = next(line for line in prompt.splitlines() if line.startswith("-"))
        assert copied(line, prompt)
    assert copied(replies.PERSIAN[1], caption_prompt("fa")) == ""


def test_prompts_are_in_their_language_and_ask_for_what_is_promised() -> None:
    from rag_app.captioning.language import language_problem

    assert language_problem(caption_prompt("en"), "en") == ""
    for word in ("text", "left", "light", "mood", "uncertain", "how many"):
        assert word in caption_prompt("en")
    persian = caption_prompt("fa")
    for word in ("شمار", "چپ", "نور", "حال‌وهوا", "نامطمئن", "نوشته‌های درون تصویر"):
        assert word in persian
    assert not set("يكة") & set(persian + translation_prompt("", ""))


def test_a_translation_prompt_holds_the_caption_as_it_is() -> None:
    prompt = translation_prompt("a {detailed} sign", "with {short} and {0}")
    assert "a {detailed} sign" in prompt and "with {short} and {0}" in prompt


def test_reminders_name_what_failed() -> None:
    again = with_reminders("ASK", "fa", ["language", "length"])
    assert again.startswith("ASK\n\n") and again.count("\n\n") == 2
    assert with_reminders("ASK", "en", []) == "ASK"
