"""Text of papers inside a prompt: data between marks that no paper can write, with nothing in it that means more.

What is replaced is replaced by characters that look the same to a reader: the words stay as the paper has them, so a
quote copied from the prompt is found in the paper again.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable

# "[13]" would pass for a citation mark, "[img]" moves a picture, "[INST]" and "<|im_end|>" are templates' own words.
_BRACKETED = re.compile(r"[\[［]\s*(/?[^\W\d_]{1,12}[-\d]*|[\d\s,;،–-]+)\s*[\]］]")
_ANGLED = re.compile(r"<(?=[|｜/!?<]|[^\W\d_])|(?<=[|｜])>")
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ue000-\uf8ff\ufeff]|[\U000e0000-\U000e007f]"
)


def defused(text: str) -> str:
    """`text` for a prompt: marks, tags and a template's special words in look-alike brackets, no control characters."""
    text = _CONTROLS.sub("", text)
    text = _BRACKETED.sub(lambda match: f"⟦{match[0][1:-1]}⟧", text)
    return _ANGLED.sub(lambda match: "‹" if match[0] == "<" else "›", text)


def one_line(text: str) -> str:
    """`text` defused, its lines joined: for titles and names, which must not look like fields of their own."""
    return " ".join(defused(text).split())


def restored(text: str) -> str:
    """What a model copied from the prompt, with the paper's own brackets again."""
    return text.translate(_BACK)


def fence(texts: Iterable[str]) -> str:
    """A word that none of `texts` holds: it hangs on all of them, so that none can be written to hold it."""
    texts = [unicodedata.normalize("NFKC", text) for text in texts]
    digest = hashlib.sha256("\x00".join(texts).encode("utf-8", "surrogatepass")).hexdigest()
    while any(digest[:12] in text for text in texts):
        digest = hashlib.sha256(digest.encode()).hexdigest()
    return digest[:12]


_BACK = str.maketrans("⟦⟧‹›", "[]<>")
