"""Replies that follow a JSON Schema: at each token, llguidance tells which next ones the schema allows."""

# torch, transformers and llguidance come with the medical extra only.
# pyright: reportMissingImports=false

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from typing import Any

from adapters.huggingface.loading import Parts
from rag_app.errors import ModelUnsuitable

# One way to write the spaces: free to write any number, weak models write nothing else.
_FORM = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}


def follow(parts: Parts, schema: Mapping[str, Any], prompt_width: int, count: int, ends: list[int]) -> Any:
    """A list of one logits processor, for generate: `count` replies that follow `schema` (Any: JSON Schema).

    prompt_width: tokens of the padded prompt, after which the reply begins. Raises ModelUnsuitable where llguidance is
    not installed, or cannot follow this schema.
    """
    if importlib.util.find_spec("llguidance") is None:
        raise ModelUnsuitable("Replies as JSON need llguidance, which is not installed. Run: pip install llguidance.")
    import numpy as np
    import torch
    from llguidance import LLMatcher
    from llguidance.hf import from_tokenizer
    from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask
    from transformers import LogitsProcessor, LogitsProcessorList

    words = from_tokenizer(parts.tokenizer, eos_token=ends)
    grammar = LLMatcher.grammar_from_json_schema(json.dumps(_closed(dict(schema))), defaults=_FORM)
    matchers = [LLMatcher(words, grammar) for _ in range(count)]
    if matchers and matchers[0].is_error():
        raise ModelUnsuitable(f"This JSON Schema cannot be followed: {matchers[0].get_error()}.")
    only_ends = allocate_token_bitmask(1, words.vocab_size) & 0
    for end in ends:
        only_ends[0].view(np.uint32)[end // 32] |= np.uint32(1 << end % 32)

    class Following(LogitsProcessor):
        def __init__(self) -> None:
            self._read = prompt_width

        def __call__(self, input_ids: Any, scores: Any) -> Any:  # Any: tensors
            for row, matcher in zip(input_ids[:, self._read :].tolist(), matchers, strict=True):
                for token in row:
                    if not matcher.is_stopped():
                        matcher.consume_token(token)
            self._read = input_ids.shape[1]
            allowed = allocate_token_bitmask(count, words.vocab_size)
            for place, matcher in enumerate(matchers):
                if not matcher.is_stopped():
                    fill_next_token_bitmask(matcher, allowed, place)
                else:  # the JSON is whole
                    allowed[place] = only_ends[0]
            bits = np.unpackbits(allowed.view(np.uint8), axis=1, bitorder="little")[:, : scores.shape[1]].astype(bool)
            mask = torch.zeros_like(scores, dtype=torch.bool)  # what the tokenizer lacks is not allowed
            mask[:, : bits.shape[1]] = torch.from_numpy(bits).to(scores.device)
            return scores.masked_fill(~mask, float("-inf"))

    return LogitsProcessorList([Following()])


def _closed(part: Any) -> Any:  # Any: JSON
    """The schema with its objects closed: no property but those it names, as Ollama reads a schema."""
    if isinstance(part, list):
        return [_closed(one) for one in part]
    if not isinstance(part, dict):
        return part
    closed = {key: _closed(value) for key, value in part.items()}
    if isinstance(closed.get("properties"), dict) and closed.get("type") == "object":
        closed.setdefault("additionalProperties", False)
    return closed
