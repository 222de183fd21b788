"""Signs that fonts name wrongly or not at all: mathematical extension fonts, publishers' fonts, private code points."""

from __future__ import annotations

import re

UNKNOWN = "\ufffd"
_PRIVATE = 0xF0000  # an unnamed glyph keeps its code here, so that equal ones can be told from others

# TeX's extension font by code: brackets in four sizes, their pieces, big operators, roots.
_CMEX = dict(
    enumerate(
        "()[]⌊⌋⌈⌉{}⟨⟩|‖/\\"
        "()()[]⌊⌋⌈⌉{}⟨⟩/\\"
        "()[]⌊⌋⌈⌉{}⟨⟩/\\/\\"
        "()[]    {}      "
        "    ⟨⟩⊔⊔∮∮⊙⊙⊕⊕⊗⊗"
        "∑∏∫⋃⋂⊎⋀⋁∑∏∫⋃⋂⊎⋀⋁"
        "∐∐ˆˆˆ˜˜˜[]⌊⌋⌈⌉{}"
        "√√√√√   "
    )
)
_EXTENSION_FONT = re.compile(r"CMEX|cmex|txex|pxex", re.IGNORECASE)
_PRESS_FONT = re.compile(r"TeX_CM_Maths|Adv(?:P|PS|T|MT)[0-9A-F]")
_PRESS_SIGNS = {"ð": "(", "Þ": ")", "¼": "=", "þ": "+"}
_PRESS_MATHS = {**_PRESS_SIGNS, "@": "∂", ";": ",", "À": "−", "Â": "×"}  # in fonts that hold no text
# Adobe's private names for the pieces of tall brackets: the top piece stands for the whole.
_PIECES = {"\uf8eb": "(", "\uf8f6": ")", "\uf8ee": "[", "\uf8f9": "]", "\uf8f1": "{", "\uf8fc": "}"}


def sign(c: str, font: str, code: int | None = None) -> str:
    """The character meant by `c` in this font; "" for a piece of a bracket. code: its code when c is unknown."""
    if c == UNKNOWN and code is not None:
        if _EXTENSION_FONT.search(font):
            return _CMEX.get(code, UNKNOWN).strip()
        return chr(_PRIVATE + code) if 0 < code < 0xF000 else c
    if "\uf8e5" < c < "\uf8ff":
        return _PIECES.get(c, "")
    if c.isascii() and (c.isalpha() or c < " ") and _EXTENSION_FONT.search(font):
        return _CMEX.get(ord(c), c).strip()
    if not _PRESS_FONT.match(font):
        return c
    return (_PRESS_MATHS if "Maths" in font else _PRESS_SIGNS).get(c, c)


def needs_signs(font: str) -> bool:
    """Whether characters of this font go through `sign`."""
    return bool(_EXTENSION_FONT.search(font) or _PRESS_FONT.match(font))
