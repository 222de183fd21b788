"""Replies, token by token, one conversation or several at a time."""

# torch and transformers come with the medical extra only.
# pyright: reportMissingImports=false

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.huggingface.loading import Parts
from adapters.huggingface.prompting import Message, context_tokens, encoded, rendered
from rag_app.errors import ModelFailed, PromptTooLong


@dataclass(frozen=True, slots=True)
class Options:
    """How a reply is written; see rag_app.models.LanguageModel.ask. temperature 0 takes the likeliest token."""

    max_tokens: int = 1024
    temperature: float = 0.0
    seed: int = 0
    repeat_penalty: float | None = None
    schema: Mapping[str, Any] | None = None  # Any: JSON Schema


@dataclass(frozen=True, slots=True)
class Written:
    """One reply. whole: it ended by itself, not at max_tokens or because it was stopped."""

    text: str
    prompt_tokens: int
    reply_tokens: int
    whole: bool


def write(
    parts: Parts,
    conversations: Sequence[Sequence[Message]],
    options: Options,
    *,
    on_text: Callable[[str], None] | None = None,
    stopped: Callable[[], bool] | None = None,
) -> list[Written]:
    """The replies to conversations that all have pictures, or none has; in one batch.

    Args:
        on_text: called with each new piece of text; one conversation only.
        stopped: asked after each token whether to leave off.

    Raises:
        PromptTooLong: the prompt does not fit the model's context.
        ModelUnsuitable: the template refuses the conversation; a schema that cannot be followed.
        ModelFailed: not enough memory, or the model broke down.
    """
    import torch
    from transformers import GenerationConfig, StoppingCriteriaList

    texts = [rendered(parts.processor, conversation, ask=True) for conversation in conversations]
    images = [[image for message in conversation for image in message.images] for conversation in conversations]
    try:
        batch = encoded(parts.processor, texts, images, side="left").to(parts.model.device)
        width = batch["input_ids"].shape[1]
        ends = _ends(parts)
        config = GenerationConfig(
            max_new_tokens=_room(parts, width, options.max_tokens),
            do_sample=options.temperature > 0,
            temperature=options.temperature or 1.0,
            top_k=0 if options.temperature else 50,  # 50 is the library's own default, which it wants when not sampling
            repetition_penalty=options.repeat_penalty or 1.0,
            eos_token_id=ends,
            pad_token_id=parts.tokenizer.pad_token_id,
        )
        more: dict[str, Any] = {}  # Any: generate's arguments
        if options.schema is not None:
            from adapters.huggingface.json_grammar import follow

            more["logits_processor"] = follow(parts, options.schema, width, len(texts), ends)
        if on_text is not None:
            more["streamer"] = _Pieces(parts.tokenizer, on_text)
        if stopped is not None:
            more["stopping_criteria"] = StoppingCriteriaList([_stopping(stopped)])
        with torch.inference_mode(), torch.random.fork_rng():
            torch.manual_seed(options.seed)
            out = parts.model.generate(**batch, generation_config=config, **more)
    except torch.OutOfMemoryError as exc:
        raise ModelFailed(
            f"{parts.source.name} ran out of memory; use fewer or smaller pictures, add #4bit after its name, or use a "
            "smaller model."
        ) from exc
    except (RuntimeError, IndexError) as exc:
        raise ModelFailed(f"{parts.source.name} broke down: {' '.join(str(exc).split())[:300]}.") from exc
    prompts = batch["attention_mask"].sum(1).tolist()
    return [_written(parts, row, prompt, ends) for row, prompt in zip(out[:, width:].tolist(), prompts, strict=True)]


def _written(parts: Parts, tokens: list[int], prompt_tokens: int, ends: list[int]) -> Written:
    end = next((place for place, token in enumerate(tokens) if token in ends), None)
    own = tokens if end is None else tokens[:end]
    text = parts.tokenizer.decode(own, skip_special_tokens=True).strip()
    return Written(text, prompt_tokens, len(own) + (end is not None), end is not None)


def _ends(parts: Parts) -> list[int]:
    """The tokens that end a reply."""
    said = parts.model.generation_config.eos_token_id
    ends = [] if said is None else [said] if isinstance(said, int) else list(said)
    return ends or [parts.tokenizer.eos_token_id]


def _room(parts: Parts, prompt_tokens: int, max_tokens: int) -> int:
    """Tokens the reply may have: max_tokens, or what the prompt leaves of the model's context."""
    context = context_tokens(parts.model)
    if prompt_tokens >= context:
        raise PromptTooLong(
            f"The prompt has {prompt_tokens:,} tokens with its pictures, but {parts.source.name} reads {context:,} in "
            "all; ask with fewer passages or pictures."
        )
    return min(max_tokens, context - prompt_tokens)


def _stopping(stopped: Callable[[], bool]) -> Any:  # Any: transformers' StoppingCriteria
    import torch
    from transformers import StoppingCriteria

    class Stopping(StoppingCriteria):
        def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:  # Any: tensors
            return torch.full((input_ids.shape[0],), stopped(), dtype=torch.bool, device=input_ids.device)

    return Stopping()


class _Pieces:
    """Hands on whole characters as tokens come: transformers' streamer protocol, without its waiting for spaces."""

    def __init__(self, tokenizer: Any, on_text: Callable[[str], None]) -> None:  # Any: transformers' tokenizer
        self._tokenizer, self._on_text = tokenizer, on_text
        self._tokens: list[int] = []
        self._shown = 0
        self._prompt = True

    def put(self, value: Any) -> None:  # Any: a tensor of token ids; the prompt comes first
        if self._prompt:
            self._prompt = False
            return
        self._tokens += value.flatten().tolist()
        self._show(self._tokenizer.decode(self._tokens, skip_special_tokens=True).lstrip(), last=False)

    def end(self) -> None:
        self._show(self._tokenizer.decode(self._tokens, skip_special_tokens=True).strip(), last=True)

    def _show(self, text: str, *, last: bool) -> None:
        if not last:
            text = text.rstrip()  # held back: the whole reply ends without spaces
            if text.endswith("\ufffd"):
                return  # half a character
        if len(text) > self._shown:
            self._on_text(text[self._shown :])
            self._shown = len(text)
