"""How large a context to ask for: enough for prompt, pictures and reply, and as seldom another one as can be.

A server loads a model anew whenever num_ctx changes, and cuts a prompt that does not fit without a word. So the size is
a rung of a ladder, never goes down for a model within the process, never over what the model was trained with, and what
was read is compared with what was sent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rag_app.errors import PromptTooLong

_RUNGS = tuple(step << power for power in range(9, 21) for step in (2, 3))  # 1024, 1536, 2048, 3072, 4096, 6144 ...
_MESSAGE_TOKENS = 16  # a chat template's own words around a message
_DIGIT_OR_SIGN = re.compile(r"[0-9!-/:-@\[-`{-~]")
_NOT_LATIN = re.compile(r"[^\x00-\x7f]")
_LEAST_WORDS = 64  # shorter prompts fit any context
_SURELY_CUT = 0.8  # of the words; a word is one token or more


@dataclass(frozen=True, slots=True)
class Size:
    """Tokens of a prompt, without having its tokenizer.

    most   a generous estimate: a token for each digit, sign and letter outside ASCII, and one for three other letters
    least  its words: a tokenizer does not join two words into one token
    """

    most: int
    least: int

    def __add__(self, other: Size) -> Size:
        return Size(self.most + other.most, self.least + other.least)


def measure(text: str) -> Size:
    """The size of one message's text."""
    dense = len(_DIGIT_OR_SIGN.findall(text)) + len(_NOT_LATIN.findall(text))
    return Size(_MESSAGE_TOKENS + dense + (len(text) - dense + 2) // 3, len(text.split()))


def choose(*, prompt: Size, reply_tokens: int, at_least: int, before: int | None, model_most: int | None) -> int:
    """Tokens of context to ask for.

    Args:
        at_least: settings.ollama.context_tokens.
        before: what was asked for last for this model in this process.
        model_most: what the model was trained with; None where the server does not say.
    """
    need = max(prompt.most + reply_tokens, at_least, before or 0)
    rung = need if need in (at_least, before) else next((step for step in _RUNGS if step >= need), need)
    return min(rung, model_most) if model_most else rung


def refuse_too_long(model: str, prompt: Size, model_most: int | None) -> None:
    """Raise PromptTooLong when the prompt surely does not fit the model, before anything is sent."""
    if model_most and prompt.least > model_most:
        raise PromptTooLong(
            f"The prompt has at least {prompt.least:,} tokens and {model} reads {model_most:,}; ask with less text, or "
            "use a model with a larger context."
        )


def seems_cut(prompt: Size, read: int | None) -> bool:
    """Whether fewer tokens were read than the prompt has words: cut, or the rest stood in a warm cache.

    `read` is the server's prompt_eval_count; None or 0 (servers before 0.4 leave it out for a prompt seen before) tells
    nothing.
    """
    return bool(read) and prompt.least >= _LEAST_WORDS and read < prompt.least * _SURELY_CUT


def refuse_cut(model: str, prompt: Size, *, read: int | None, context_tokens: int, really: int | None = None) -> None:
    """Raise PromptTooLong when the server read less than what was sent.

    Args:
        read: the server's prompt_eval_count.
        context_tokens: what was asked for. really: what the server says it gave, asked when a prompt `seems_cut`:
            servers that count only what their cache does not hold (before 0.6) must not be taken for ones that cut.
    """
    if not read:
        return
    cut = seems_cut(prompt, read) and (prompt.most > context_tokens if really is None else prompt.least > really)
    if read >= context_tokens or cut:
        raise PromptTooLong(
            f"Ollama read only {read:,} tokens of a prompt of {max(prompt.least, read):,} or more to {model} (context "
            f"{context_tokens:,}); its reply is thrown away: ask with less text, or use a model with a larger context."
        )
