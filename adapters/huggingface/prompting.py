"""A conversation as the model's processor wants it. Training, asking and likelihoods all come through here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from adapters.pictures import open_picture, sized
from rag_app.errors import ModelUnsuitable


@dataclass(frozen=True, slots=True)
class Message:
    """What one side says; role: "system", "user" or "assistant". Its pictures stand before its text."""

    role: str
    text: str
    images: tuple[Image.Image, ...] = ()


def picture(image: Path | bytes) -> Image.Image:
    """A picture file or its bytes as the models here get it: upright RGB of a bounded size; raises InputError."""
    return sized(open_picture(image))


def rendered(processor: Any, messages: Sequence[Message], *, ask: bool) -> str:  # Any: transformers' ProcessorMixin
    """The conversation in the model's own chat template.

    ask: with the opening of a reply after it. A system message stands before the user's first text where the template
    takes none (Llama 3.2 Vision's refuses it beside a picture). Raises ModelUnsuitable for what the template refuses.
    """
    from jinja2 import TemplateError

    try:
        return _applied(processor, messages, ask)
    except TemplateError as exc:
        if messages[0].role == "system":
            first, then, *rest = messages
            return rendered(
                processor, [Message(then.role, f"{first.text}\n\n{then.text}", then.images), *rest], ask=ask
            )
        raise ModelUnsuitable(f"The model's chat template refuses this conversation ({exc}).") from exc


def encoded(
    processor: Any,  # Any: transformers' ProcessorMixin
    texts: Sequence[str],
    images: Sequence[Sequence[Image.Image]],
    *,
    side: Literal["left", "right"],
) -> Any:  # Any: transformers' BatchFeature
    """Rendered conversations and their pictures as one padded batch of tensors, on the processor's device.

    side: of the padding, "left" for writing and "right" for training. All have pictures, or none has. A template that
    writes the beginning-of-text token itself gets no second one.
    """
    tokenizer = processor.tokenizer
    begins = bool(tokenizer.bos_token) and all(text.startswith(tokenizer.bos_token) for text in texts)
    more = {"add_special_tokens": False} if begins else {}
    with_images = {"images": [list(group) for group in images]} if any(images) else {}
    return processor(text=list(texts), **with_images, padding=True, padding_side=side, return_tensors="pt", **more)


def lengths(processor: Any, texts: Sequence[str]) -> list[int]:  # Any: transformers' ProcessorMixin
    """Tokens of each text, pictures counted as the one token the template has for them."""
    return [len(one) for one in processor.tokenizer(list(texts), add_special_tokens=False)["input_ids"]]


def context_tokens(model: Any) -> int:  # Any: PreTrainedModel or PeftModel
    """Tokens the model can read and write in all."""
    return int(getattr(model.config.get_text_config(), "max_position_embeddings", 0) or 4096)


def _applied(processor: Any, messages: Sequence[Message], ask: bool) -> str:  # Any: ProcessorMixin
    said = [
        {
            "role": message.role,
            "content": [*({"type": "image"} for _ in message.images), {"type": "text", "text": message.text}],
        }
        for message in messages
    ]
    return processor.apply_chat_template(said, tokenize=False, add_generation_prompt=ask)
