"""Texts through a CLIP model's text tower, each batch only as long as its longest text.

open_clip pads every text to the context length (77 tokens) and computes all of it. Where what follows a text cannot
change its vector (a causal mask, or padding that is masked out) the rest is left away: the same vectors to 1e-6, five
times as fast for short queries. Where it can (SigLIP reads its padding) nothing is.
"""

# torch and open_clip come with the clip extra only.
# pyright: reportMissingImports=false

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from open_clip.hf_model import HFTextEncoder
from open_clip.transformer import text_global_pool

from adapters.open_clip.languages import FLORES, language_of
from adapters.open_clip.towers import Towers
from rag_app.errors import ModelFailed, ModelUnsuitable

_BATCH = 32
_REMEMBERED = 4096  # texts whose vectors are kept: 8 MB at 512 dimensions
_PROBE = "a photo of two cats"


class TextEncoder:
    """Vectors of texts, remembered. Safe to call from several threads."""

    def __init__(self, towers: Towers, name: str) -> None:
        """Raises ModelUnsuitable where the tower would read its vector at a place that is not the text's end."""
        self._towers = towers
        self._name = name
        self._text = getattr(towers.model, "text", towers.model)  # CLIP holds its text tower's parts itself
        self._remembered: OrderedDict[tuple[str, str], np.ndarray] = OrderedDict()
        self._lock = Lock()
        self._tells_language = hasattr(towers.tokenizer, "set_lang_fn")
        self._check_pooling()

    def encode(self, texts: Sequence[str], *, language: str | None = None) -> np.ndarray:
        """(n_texts, dimensions) float32 of unit length. `language` (ISO 639-1) matters to nllb; None: by script.

        Raises ModelUnsuitable for a language the tokenizer has no code for, ModelFailed where vectors are no numbers.
        """
        keys = [(text, (language or language_of(text)) if self._tells_language else "") for text in texts]
        with self._lock:
            found = {key: self._remembered[key] for key in keys if key in self._remembered}
        missing = [key for key in dict.fromkeys(keys) if key not in found]
        if missing:
            for key, vector in zip(missing, self._compute(missing), strict=True):
                found[key] = vector
        with self._lock:
            for key in dict.fromkeys(keys):
                self._remembered[key] = found[key]
                self._remembered.move_to_end(key)
            while len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)
        if not keys:
            return np.empty((0, self._towers.dimensions), dtype=np.float32)
        return np.stack([found[key] for key in keys])

    def tensor(self, texts: Sequence[str]) -> torch.Tensor:
        """(n_texts, dimensions) of unit length, computed anew in one pass, with gradients where they are on: for
        training."""
        ids = self._tokens([(text, language_of(text) if self._tells_language else "") for text in texts])
        return self._forward(ids, int(self._lengths(ids).max()))

    def _compute(self, keys: list[tuple[str, str]]) -> np.ndarray:
        ids = self._tokens(keys)
        lengths = self._lengths(ids)
        order = torch.argsort(lengths)
        result = torch.empty(len(keys), self._towers.dimensions)
        with torch.inference_mode():
            for rows in order.split(_BATCH):
                result[rows] = self._forward(ids[rows], int(lengths[rows].max())).float().cpu()
        if not torch.isfinite(result).all():
            raise ModelFailed(f"{self._name} gave no numbers for a text: its weights are damaged.")
        return result.numpy()

    def _tokens(self, keys: list[tuple[str, str]]) -> torch.Tensor:
        if not self._tells_language:
            return self._towers.tokenizer([text for text, _ in keys])
        rows: list[torch.Tensor | None] = [None] * len(keys)
        with self._lock:  # the language is the tokenizer's state
            for language in dict.fromkeys(language for _, language in keys):
                chosen = [i for i, key in enumerate(keys) if key[1] == language]
                # open_clip's own set_language is undone by the next call: transformers goes back to src_lang each time.
                self._towers.tokenizer.tokenizer.src_lang = self._code(language)
                for i, row in zip(chosen, self._towers.tokenizer([keys[i][0] for i in chosen]), strict=True):
                    rows[i] = row
        return torch.stack([row for row in rows if row is not None])

    def _code(self, language: str) -> str:
        code = FLORES.get(language, language)
        known = self._towers.tokenizer.tokenizer
        if known.convert_tokens_to_ids(code) in (None, known.unk_token_id):
            raise ModelUnsuitable(f"{self._name} has no code for the language {language!r}; name one such as en or fa.")
        return code

    def _lengths(self, ids: torch.Tensor) -> torch.Tensor:
        """How many tokens of each row the tower has to see for its vector to be exact."""
        tower, whole = self._text, torch.full((len(ids),), ids.shape[1])
        if isinstance(tower, HFTextEncoder):
            places = torch.arange(1, ids.shape[1] + 1)
            config: Any = tower.config  # Any: a transformers configuration
            return ((ids != config.pad_token_id) * places).max(dim=1).values.clamp(min=1)
        if not _cuttable(tower):
            return whole
        return _end_of_text(tower, ids) + 1

    def _forward(self, ids: torch.Tensor, length: int) -> torch.Tensor:
        model, tower = self._towers.model, self._text
        ids = ids.to(self._towers.device)
        if isinstance(tower, HFTextEncoder):
            return model.encode_text(ids[:, :length], normalize=True)
        if not _cuttable(tower) or length == ids.shape[1]:
            return model.encode_text(ids, normalize=True)
        ids = ids[:, :length]
        dtype = tower.transformer.get_cast_dtype()
        x = tower.token_embedding(ids).to(dtype) + tower.positional_embedding[:length].to(dtype)
        x = tower.ln_final(tower.transformer(x, attn_mask=tower.attn_mask[:length, :length]))
        x = text_global_pool(x, ids, _pool_type(tower), eos_token_id=_end_id(tower))
        projection = tower.text_projection
        if projection is not None:
            x = projection(x) if isinstance(projection, torch.nn.Linear) else x @ projection
        return F.normalize(x, dim=-1)

    def _check_pooling(self) -> None:
        """open_clip's default takes the vector at the highest token id, which is a text's end only in CLIP's own
        vocabulary: with another tokenizer it would silently be a vector of half the text."""
        tower = self._text
        if isinstance(tower, HFTextEncoder) or getattr(tower, "cls_emb", None) is not None:
            return
        pool = _pool_type(tower)
        if pool not in ("argmax", "eos"):
            return
        with self._lock:
            ids = self._towers.tokenizer([_PROBE])
        vocabulary = getattr(self._towers.tokenizer, "tokenizer", None)
        padding = getattr(vocabulary, "pad_token_id", 0)
        last = int(((ids[0] != padding) * torch.arange(1, ids.shape[1] + 1)).max()) - 1
        if int(_end_of_text(tower, ids)[0]) != last:
            raise ModelUnsuitable(
                f"{self._name} takes a text's vector where pool_type \"{pool}\" says, which is not the text's end with "
                f'its tokenizer: set text_cfg.pool_type to "eos" with the tokenizer\'s eos_id, or to "last".'
            )


def _pool_type(tower: Any) -> str:  # Any: open_clip's CLIP or TextTransformer
    return getattr(tower, "text_pool_type", None) or tower.pool_type


def _end_id(tower: Any) -> int | None:  # Any: open_clip's CLIP or TextTransformer
    return tower.text_eos_id if hasattr(tower, "text_eos_id") else tower.eos_id


def _cuttable(tower: Any) -> bool:  # Any: open_clip's CLIP or TextTransformer
    """Whether tokens after a text's end are never seen: causal attention, and the vector taken at that end."""
    return (
        _pool_type(tower) in ("argmax", "eos")
        and tower.attn_mask is not None
        and getattr(tower, "cls_emb", None) is None
        and not getattr(tower, "output_tokens", False)
    )


def _end_of_text(tower: Any, ids: torch.Tensor) -> torch.Tensor:  # Any: open_clip's CLIP or TextTransformer
    if _pool_type(tower) == "argmax":
        return ids.argmax(dim=1)
    return (ids == _end_id(tower)).int().argmax(dim=1)
