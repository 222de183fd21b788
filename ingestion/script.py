"""Text for display: ligatures, accents, Arabic presentation forms, direction and language.

Search has its own, stronger normalisation (`rag_app.searchable`); nothing here folds case or changes digits.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence

_LIGATURES = {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st", "ʼn": "'n"}
_ACCENTS = {"´": "\u0301", "`": "\u0300", "¨": "\u0308", "ˆ": "\u0302", "˜": "\u0303", "ˇ": "\u030c", "˚": "\u030a",
            "¸": "\u0327", "˘": "\u0306", "˝": "\u030b", "˙": "\u0307", "¯": "\u0304"}  # fmt: skip
_ACCENT_BEFORE = re.compile(r"([´¨ˆ˜ˇ˚˘˝˙]) ?([A-Za-zıȷ])")
_CEDILLA_AFTER = re.compile(r"([A-Za-z]) ?¸")
_INVISIBLE = re.compile("[\ufe00-\ufe0f\u200b\u2060\ufeff\u200e\u200f\u202a-\u202e\u2066-\u2069\x00-\x08\x0b-\x1f\x7f]")
_MATH_LETTER = re.compile("[\U0001d400-\U0001d7ff]")
_BLANKS = re.compile(r"[ \t\u00a0\u2000-\u200a\u202f\u205f\u3000]+")
_ALEF = "اأإآ"
_MIRROR = str.maketrans("()[]{}<>«»‹›", ")(][}{><»«›‹")
_OPENS = re.compile(r"(?:^|(?<=\s))[(\[{«](?=\w)")
_CLOSES = re.compile(r"(?<=\w)[)\]}»](?=$|[\s.،؛:,])")
_ARABIC = re.compile("[\u0600-\u06ff\u0750-\u077f\ufb50-\ufdff\ufe70-\ufeff]")
_PERSIAN_ONLY = set("پچژگکیۀ‌")
_ARABIC_ONLY = set("يكةىأإؤئ")


def is_rtl_letter(c: str) -> bool:
    """True for Arabic-script and Hebrew letters; digits and marks do not count."""
    return _direction(c) == "AL"


def _direction(c: str) -> str:
    """Bidirectional class with Hebrew as "AL"; unnamed glyphs (see `ingestion.unnamed`) count as Arabic letters."""
    if not c:
        return ""
    if c[0] >= "\U000f0000":
        return "AL"
    kind = unicodedata.bidirectional(c[0])
    return "AL" if kind == "R" else kind


def letter_direction(chars: Iterable[str]) -> int:
    """-1 when right-to-left letters are the majority (weighted 1 to 2 against others), 1 for the rest, 0 for none."""
    rtl = ltr = 0
    for c in chars:
        kind = _direction(c)
        rtl += kind == "AL"
        ltr += kind == "L"
    if not rtl and not ltr:
        return 0
    return -1 if rtl * 2 >= ltr and rtl else 1


def logical_order(visual: Sequence[str], *, rtl: bool) -> str:
    """Reading order of glyphs given from the right edge of a line to its left edge.

    rtl: the line's base direction. In a right-to-left line, Latin words and numbers are turned back; in a
    left-to-right line the whole is turned, and the right-to-left words in it stay. The inverse of what the Unicode
    bidirectional algorithm does to one line, for lines without explicit marks.
    """
    if rtl:
        return mend_brackets("".join(_turn(visual, core=_ltr_core, stop=is_rtl_letter, turn=_turn_ltr)))
    back = list(reversed(visual))
    return "".join(_turn(back, core=is_rtl_letter, stop=_ltr_core, turn=lambda run: list(reversed(run))))


def mend_brackets(text: str) -> str:
    """Turn every bracket round when they fit better so: some fonts keep them as drawn, others as read."""
    turned = text.translate(_MIRROR)
    return turned if _fit(turned) > _fit(text) else text


def _fit(text: str) -> int:
    """How many brackets match a partner, or at least open before and close after a word."""
    stack: list[str] = []
    pairs = 0
    for c in text:
        if c in "([{«":
            stack.append(c)
        elif c in ")]}»":
            pairs += bool(stack) and stack.pop() + c in ("()", "[]", "{}", "«»")
    return 2 * pairs + len(_OPENS.findall(text)) + len(_CLOSES.findall(text))


def _ltr_core(c: str) -> bool:
    return bool(c) and (unicodedata.bidirectional(c[0]) in ("L", "EN", "AN") or c in "%٪")


def _turn(
    chars: Sequence[str],
    *,
    core: Callable[[str], bool],
    stop: Callable[[str], bool],
    turn: Callable[[list[str]], list[str]],
) -> list[str]:
    """Apply `turn` to each longest stretch that begins and ends with a core character and holds no stop."""
    out: list[str] = []
    i = 0
    while i < len(chars):
        if not core(chars[i]):
            out.append(chars[i])
            i += 1
            continue
        end, j = i, i + 1
        while j < len(chars) and not stop(chars[j]):
            if core(chars[j]):
                end = j
            j += 1
        stretch = list(chars[i : end + 1])
        if out and _closes(out[-1], stretch):
            stretch.insert(0, out.pop())
        out.extend(turn(stretch))
        i = end + 1
    return out


def _closes(bracket: str, stretch: Sequence[str]) -> bool:
    """Whether a bracket just before a stretch is the partner of a single one inside it, as in "CLIP [1]"."""
    family = next((pair for pair in ("()", "[]", "{}") if bracket in pair), None)
    return family is not None and sum(c in family for c in stretch) == 1


def _turn_ltr(stretch: list[str]) -> list[str]:
    """Logical order of Latin words and numbers met from right to left in a right-to-left line.

    From the leftmost Latin letter on they are one run; numbers before it stand each for itself, unless one sign
    such as "." or "/" joins them.
    """
    ltr = list(reversed(stretch))
    first = next((i for i, c in enumerate(ltr) if unicodedata.bidirectional(c[0]) == "L"), len(ltr))
    numbers: list[str] = []
    parts: list[list[str]] = []
    for i, c in enumerate(ltr[:first]):
        joined = _ltr_core(c) or (
            c in ".,:/+-−–٫٬" and 0 < i < first - 1 and _ltr_core(ltr[i - 1]) and _ltr_core(ltr[i + 1])
        )
        if joined and parts and parts[-1] is numbers:
            numbers.append(c)
        elif joined:
            numbers = [c]
            parts.append(numbers)
        else:
            parts.append([c])
    return [*ltr[first:], *(c for part in reversed(parts) for c in part)]


def normalise_line(text: str) -> str:
    """One line for display: ligatures and presentation forms resolved, accents composed, invisible marks dropped.

    Never raises; applying it twice changes nothing. A soft hyphen at the end becomes a hyphen, elsewhere it goes.
    """
    for _ in range(3):  # composing can bring two blanks or a ligature together; three rounds always settled
        done = _normalise_once(text)
        if done == text:
            break
        text = done
    return text


def _normalise_once(text: str) -> str:
    text = _INVISIBLE.sub("", text)
    if text.isascii():
        return _BLANKS.sub(" ", text).strip()
    text = text.replace("‘‘", "“").replace("’’", "”")
    for old, new in _LIGATURES.items():
        text = text.replace(old, new)
    text = _MATH_LETTER.sub(lambda m: unicodedata.normalize("NFKC", m[0]), text)
    text = _ACCENT_BEFORE.sub(_compose_before, text)
    text = _CEDILLA_AFTER.sub(lambda m: unicodedata.normalize("NFC", m[1] + "\u0327"), text)
    text = _BLANKS.sub(" ", text)
    if _ARABIC.search(text):
        text = _normalise_arabic(text)
    text = _BLANKS.sub(" ", text).strip(" \u200c")
    if text.endswith("\u00ad"):
        text = text[:-1] + "-"
    return unicodedata.normalize("NFC", text.replace("\u00ad", ""))


def _compose_before(m: re.Match[str]) -> str:
    letter = {"ı": "i", "ȷ": "j"}.get(m[2], m[2])
    done = unicodedata.normalize("NFC", letter + _ACCENTS[m[1]])
    return done if len(done) == 1 else m[0]


def _normalise_arabic(text: str) -> str:
    text = _unknown_letters(text)
    text = "".join(
        unicodedata.normalize("NFKC", c) if "\ufb50" <= c <= "\ufdff" or "\ufe70" <= c <= "\ufefc" else c for c in text
    )
    # A lam-alef glyph stored as alef-lam: doubled alef, or alef with hamza or madda before lam inside a word.
    text = re.sub(f"ا([{_ALEF}])ل", r"ال\1", text)
    text = re.sub("(?<=[بتثجحخسشصضطظعغفقكکلمنهي])ا([أإآ])ل", r"ال\1", text)
    text = re.sub(r"(?<=[\u0600-\u06ff»)]) +([.،؛:؟!»])(?=\s|$)", r"\1", text)
    return re.sub(" ?\u200c+ ?", lambda m: " " if " " in m[0] else "\u200c", text)


def _unknown_letters(text: str) -> str:
    """U+FFFD inside a word written in presentation forms: the font hides gaf (joined on both sides) or final ye.

    Of the Persian letters without an Arabic twin these two are the frequent ones that common TeX fonts leave unnamed.
    """
    if "\ufffd" not in text:
        return text
    text = re.sub("(?<=[\U000f0000-\U000fffff])\ufffd|\ufffd(?=[\U000f0000-\U000fffff])", "", text)  # drawn twice
    text = re.sub("(?<=[\ufb50-\ufdff\ufe70-\ufefc])\ufffd(?=[\ufb50-\ufdff\ufe70-\ufefc])", "گ", text)
    return re.sub("(?<=[\ufb50-\ufdff\ufe70-\ufefcگ])\ufffd(?![\ufb50-\ufdff\ufe70-\ufefc])", "ی", text)


def language_of(text: str) -> str:
    """ "en", "fa" or "ar" by script and letters; "und" with under 40 letters or another script."""
    arabic = latin = persian = arabic_own = other = 0
    for c in text:
        if not c.isalpha():
            continue
        if "\u0600" <= c <= "\u06ff":
            arabic += 1
            persian += c in _PERSIAN_ONLY
            arabic_own += c in _ARABIC_ONLY
        elif c < "\u0250":
            latin += 1
        else:
            other += 1
    total = arabic + latin + other
    if total < 40:
        return "und"
    if arabic * 2 > total:
        return "fa" if persian >= arabic_own else "ar"
    return "en" if latin * 2 > total else "und"
