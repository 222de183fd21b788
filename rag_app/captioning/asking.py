"""One picture, one model, one language: ask, check, ask again with another seed, and say what came of it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence

from rag_app.captioning.checks import Check, check_captions
from rag_app.captioning.language import Language, persian_letters
from rag_app.captioning.prompts import SCHEMA, Subject, caption_prompt, translation_prompt, with_reminders
from rag_app.captioning.records import CaptionRow, Rejected, Tokens
from rag_app.errors import IncompleteReply, InputError, ModelError, ModelUnreachable, UnknownName, UnusableReply
from rag_app.models import LanguageModel, Reply
from rag_app.outside import json_value

ATTEMPTS = 3
MAX_TOKENS = 2048  # a detailed Persian caption takes 600 to 1200
# For each attempt: at 0 a model gives what it thinks likeliest; what failed once would only come again.
_TEMPERATURES = (0.0, 0.5, 0.8)
_REPEAT_PENALTIES = (None, 1.15, 1.3)


def ask_for_captions(
    model: LanguageModel, picture: bytes, blank: CaptionRow, *, subject: Subject = "scene"
) -> CaptionRow:
    """`blank` filled with captions of `picture` that passed every check, or with why there are none.

    A reply that broke off, looped, was no JSON or failed a check is asked again; whatever else a model raises is the
    row's error.
    """
    language: Language = "fa" if blank.language == "fa" else "en"
    return _ask(model, caption_prompt(language, subject), [picture], language, blank)


def translate_captions(model: LanguageModel, english: CaptionRow, blank: CaptionRow) -> CaptionRow:
    """`blank` filled with the Persian translation of an English row's captions; as `ask_for_captions`."""
    return _ask(model, translation_prompt(english.short, english.detailed), [], "fa", blank)


def _ask(
    model: LanguageModel, prompt: str, pictures: Sequence[bytes], language: Language, blank: CaptionRow
) -> CaptionRow:
    began = time.perf_counter()
    asked, tokens = prompt, Tokens()
    pair: Rejected | None = None
    made, failed = blank, list[Check]()
    for attempt in range(ATTEMPTS):
        pair = None
        try:
            reply = model.ask(
                asked,
                images=pictures,
                schema=SCHEMA,
                max_tokens=MAX_TOKENS,
                temperature=_TEMPERATURES[attempt],
                seed=attempt,
                repeat_penalty=_REPEAT_PENALTIES[attempt],
            )
        except IncompleteReply as exc:
            checks = (Check("complete", False, str(exc)),)
        except UnusableReply as exc:
            checks = (Check("form", False, str(exc)),)
        except (ModelError, UnknownName, InputError) as exc:
            return dataclasses.replace(
                blank,
                attempts=attempt + 1,
                tokens=tokens,
                seconds=time.perf_counter() - began,
                failed=_reason(exc),
                error=str(exc),
            )
        else:
            tokens = _sum(tokens, reply)
            pair, checks = _checked(reply.text, language, prompt)
        failed = [check for check in checks if not check.ok]
        made = dataclasses.replace(
            blank, checks=checks, attempts=attempt + 1, tokens=tokens, seconds=time.perf_counter() - began
        )
        if pair is not None and not failed:
            return dataclasses.replace(made, short=pair.short, detailed=pair.detailed)
        asked = with_reminders(prompt, language, [check.name for check in failed])
    reasons = "; ".join(f"{check.name}: {check.note}" for check in failed)
    error = f"No caption could be kept in {ATTEMPTS} attempts. The last: {reasons}"
    return dataclasses.replace(made, failed=failed[0].name, error=error, rejected=pair)


def _reason(exc: Exception) -> str:
    if isinstance(exc, InputError):  # the model's own reader of pictures
        return "picture"
    if isinstance(exc, UnknownName):  # it was there when the run began
        return "unusable"
    return "unreachable" if isinstance(exc, ModelUnreachable) else "model"


def _checked(text: str, language: Language, prompt: str) -> tuple[Rejected | None, tuple[Check, ...]]:
    """The pair of captions in a reply and their checks; None where the reply has another form."""
    try:
        data = json_value(text)
    except ValueError as exc:
        return None, (Check("form", False, f"the reply is no JSON ({exc})"),)
    short, detailed = (data.get(name) if isinstance(data, dict) else None for name in ("short", "detailed"))
    if not isinstance(short, str) or not isinstance(detailed, str):
        return None, (Check("form", False, "the reply has no texts 'short' and 'detailed'"),)
    short, detailed, changed = _tidy(short, detailed, language)
    note = f"{changed} Arabic letters written as Persian ones" if changed else ""
    checks = (Check("form", True, note), *check_captions(short, detailed, language, prompt=prompt))
    return Rejected(short, detailed), checks


def _tidy(short: str, detailed: str, language: Language) -> tuple[str, str, int]:
    """Both texts with blanks evened out and, in Persian, its own letters; and how many letters were changed."""
    short, detailed = " ".join(short.split()), " ".join(detailed.split())
    if language != "fa":
        return short, detailed, 0
    (short, first), (detailed, second) = persian_letters(short), persian_letters(detailed)
    return short, detailed, first + second


def _sum(tokens: Tokens, reply: Reply) -> Tokens:
    def add(so_far: int | None, more: int | None) -> int | None:
        return so_far if more is None else (so_far or 0) + more

    return Tokens(add(tokens.prompt, reply.prompt_tokens), add(tokens.reply, reply.reply_tokens))
