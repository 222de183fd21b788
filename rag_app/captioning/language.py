"""Is a text really Persian, or really English? Deterministic: letters, words, and a language identifier as one vote.

Persian has to be told from Arabic (which models write when they are asked for Persian), from its neighbours in the same
script, and from Persian with English words left in it. Text in quotation marks is taken from the picture and may be in
any language, as long as the rest outweighs it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Literal

from rag_app.captioning import words as lists
from rag_app.sentences import sentences

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

Language = Literal["en", "fa"]
LANGUAGES: tuple[Language, ...] = ("en", "fa")

_QUOTED = re.compile(r"«[^»]*»|“[^”]*”|„[^“”]*[“”]|\"[^\"]*\"|(?<!\w)['‘][^'’]{1,80}['’](?!\w)")
_MARKS = re.compile("[\u064b-\u065f\u0670\u06d6-\u06ed\u0640\u200d-\u200f\u202a-\u202e\u2066-\u2069]")
_ADDRESS = re.compile(r"\S+@\S+|(?:https?://|www\.)\S+|\b[\w-]+\.(?:com|org|net|ir|edu|gov|info|io)\b", re.IGNORECASE)
_WORD = re.compile("[^\\W\\d_]+(?:[\u200c'’/-][^\\W\\d_]+)*|°[CF]|&")
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]")
_ARABIC_SCRIPT = re.compile("[\u0600-\u06ff\u0750-\u077f\ufb50-\ufdff\ufe70-\ufeff]")
_FOLD = str.maketrans("يىكٱ", "ییکا")
_PERSIAN_LETTERS = str.maketrans("يىك٠١٢٣٤٥٦٧٨٩", "ییک۰۱۲۳۴۵۶۷۸۹")

# Those a vision model may answer in; fewer choices make the identifier surer on short text.
_IDENTIFIED = "fa ar arz ur ps ku sdh ug az en fr de es it pt nl tr id pl sv".split()
_SURE = 0.9  # the identifier's probability above which it alone may refuse a text


def persian_letters(text: str) -> tuple[str, int]:
    """`text` with Arabic ي, ى, ك and Arabic digits written as Persian ones, and how many there were.

    Presentation forms become plain letters. Words stay what they are: Arabic text stays Arabic.
    """
    plain = "".join(unicodedata.normalize("NFKC", c) if "\ufb50" <= c <= "\ufefc" else c for c in text)
    fixed = plain.translate(_PERSIAN_LETTERS)
    return fixed, sum(a != b for a, b in zip(plain, fixed, strict=True)) + (plain != text)


def language_problem(text: str, language: Language) -> str:
    """Why `text` is not in `language`, in one clause; "" where it is."""
    return _persian_problem(text) if language == "fa" else _english_problem(text)


def words_of(text: str) -> list[str]:
    """The words of `text`, without vowel marks; a zero-width non-joiner, apostrophe or hyphen joins."""
    return _WORD.findall(_MARKS.sub("", text))


def _persian_problem(text: str) -> str:
    bare = _unquoted(text)
    found = words_of(bare)
    ours = [w for w in found if _ARABIC_SCRIPT.search(w)]
    if not ours:
        return "it holds no Persian"
    if stranger := _other_script(bare, allow_arabic=True):
        return stranger
    folded = [w.translate(_FOLD) for w in ours]
    for sentence in _pieces(bare):
        if problem := _arabic_problem(sentence):
            return problem
    for name, letters in lists.OTHER_ARABIC_SCRIPT.items():
        if strange := sorted({c for w in ours for c in w if c in letters}):
            return f"it is {name} or holds its letters: {' '.join(strange)}"
    if leftovers := english_leftovers(bare):
        return f"English was left in it: {', '.join(leftovers[:5])}"
    if _letters(text, _LATIN) > _letters(text, _ARABIC_SCRIPT):
        return "it is mostly Latin letters"
    if wrong := sorted({c for w in ours for c in w if c in lists.ARABIC_ONLY_LETTERS and c != "ة"}):
        return f"Arabic letters where Persian has its own: {' '.join(wrong)}"
    told = sum(map(_is_persian, folded))
    if len(ours) >= 12 and told < 0.12 * len(ours):
        return f"only {told} of its {len(ours)} words are known as Persian"
    name, share = identify(" ".join(ours))
    if name != "fa" and (share >= _SURE or not told):
        return f"it reads as {_NAMES.get(name, name)}"
    return ""


def _arabic_problem(sentence: str) -> str:
    folded = [w.translate(_FOLD) for w in words_of(sentence) if _ARABIC_SCRIPT.search(w)]
    persian = sum(map(_is_persian, folded))
    arabic = sum(map(_is_arabic, folded))
    reads_so = not persian and len(folded) >= 3 and identify(sentence)[0] in ("ar", "arz")
    if reads_so or (arabic > persian and (arabic >= 2 or not persian)):
        return f"it is Arabic, not Persian: {_opening(sentence)}"
    return ""


def _is_persian(word: str) -> bool:
    if word in lists.PERSIAN or not lists.PERSIAN_LETTERS.isdisjoint(word):
        return True
    if word.startswith(("می\u200c", "نمی\u200c", "می", "نمی")) and word.endswith(("د", "ند")) and len(word) >= 5:
        return True
    return len(word) >= 4 and word.endswith(lists.PERSIAN_ENDINGS)


def _is_arabic(word: str) -> bool:
    if word in lists.SHARED or not lists.PERSIAN_LETTERS.isdisjoint(word):
        return False
    if word in lists.ARABIC or ("ة" in word and "\u200c" not in word):
        return True
    for article in ("ال", "وال", "بال", "فال", "کال", "لل"):
        if word.startswith(article) and len(word) - len(article) >= 3:
            return not word.startswith(tuple(lists.ARTICLE_LOOKALIKES))
    return False


def english_leftovers(text: str) -> list[str]:
    """Latin words in Persian `text` that are no name, unit, address or text introduced as standing in the picture."""
    left: list[str] = []
    run: list[str] = []
    before = ""
    for word in [*words_of(_ADDRESS.sub(" ", text)), ""]:
        if word and (_LATIN.search(word) or (run and word == "&")):
            run.append(word)
            continue
        if run and before not in lists.INTRODUCES_QUOTE:
            left += _not_names(run)
        before, run = word, []
    return left


def _not_names(run: list[str]) -> list[str]:
    """The words of a run of Latin words that are not names: not capitalised, or an English article or pronoun."""
    left = []
    for i, word in enumerate(run):
        small = word.lower()
        named_before, named_after = i > 0 and _capital(run[i - 1]), i + 1 < len(run) and _capital(run[i + 1])
        if small in lists.UNITS or small in lists.SMALL_NAMES or (len(word) == 1 and word.isupper()):
            continue
        if small in lists.NAME_JOINTS and named_after and (named_before or word != small):
            continue
        if not _capital(word) or (small in lists.ENGLISH and word != word.upper()):
            left.append(word)
    return left


def _capital(word: str) -> bool:
    return any(c.isupper() for c in word)


def _english_problem(text: str) -> str:
    bare = _unquoted(text)
    if stranger := _other_script(bare, allow_arabic=False):
        return stranger
    found = [w.lower() for w in words_of(bare)]
    if not found:
        return "it holds no English outside quotation marks"
    if _letters(bare, _LATIN) < 0.5 * sum(c.isalpha() for c in text):
        return "more of it is quoted than said in English"
    for sentence in _pieces(bare):
        if problem := _not_english(sentence, least=5):
            return problem
    return _not_english(bare, least=8)


def _not_english(text: str, *, least: int) -> str:
    """Why `text` is not English; a text under `least` words is refused only where it has no English word at all."""
    found = [w.lower() for w in words_of(text)]
    told = sum(w in lists.ENGLISH for w in found)
    for name, theirs in lists.OTHER_LATIN.items():
        others = sum(w in theirs for w in found)
        if others >= 2 and others > told:
            return f"it is {name}: {_opening(text)}"
    guess, share = identify(text)
    if guess != "en" and told == 0 and (len(found) >= 3 or share >= _SURE):
        return f"it reads as {_NAMES.get(guess, guess)}: {_opening(text)}"
    if len(found) >= least and guess != "en" and share >= _SURE and told < 0.2 * len(found):
        return f"it reads as {_NAMES.get(guess, guess)}: {_opening(text)}"
    return ""


def _other_script(text: str, *, allow_arabic: bool) -> str:
    """Letters of a script that neither language has, or of the Arabic one where that is wrong, outside quotes."""
    strange: dict[str, None] = {}
    for word in words_of(text):
        for character in word:
            if _LATIN.match(character) or (allow_arabic and _ARABIC_SCRIPT.match(character)):
                continue
            if character.isalpha() and not _is_sign(character):
                strange[word if len(word) <= 12 else character] = None
    return f"it holds letters of another script: {', '.join(list(strange)[:4])}" if strange else ""


def _is_sign(character: str) -> bool:
    """Letters that stand for quantities and units in any language: µ, Ω, π, ª, º."""
    return character in "µμΩπªº" or unicodedata.category(character) == "Lm"


def _unquoted(text: str) -> str:
    return _QUOTED.sub(" ", text)


def _pieces(text: str) -> Iterator[str]:
    """Its sentences of three words or more, and the whole of a text that has none."""
    pieces = [s.text for s in sentences(text)]
    long = [piece for piece in pieces if len(words_of(piece)) >= 3]
    yield from long or [text]


def _letters(text: str, kind: re.Pattern[str]) -> int:
    return len(kind.findall(text))


def _opening(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 40 else f"{flat[:40].rsplit(' ', 1)[0]} …"


def identify(text: str) -> tuple[str, float]:
    """The likeliest language of `text` (code and probability) among those a model may slip into; by py3langid."""
    name, share = _identifier().classify(text)
    return str(name), float(share)


_NAMES = {
    "en": "English", "fa": "Persian", "ar": "Arabic", "arz": "Egyptian Arabic", "ur": "Urdu", "ps": "Pashto",
    "ku": "Kurdish", "sdh": "Kurdish", "ug": "Uyghur", "az": "Azerbaijani", "fr": "French", "de": "German",
    "es": "Spanish", "it": "Italian", "pt": "Portuguese", "nl": "Dutch", "tr": "Turkish", "id": "Indonesian",
    "pl": "Polish", "sv": "Swedish",
}  # fmt: skip


@cache
def _identifier() -> LanguageIdentifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(_IDENTIFIED)
    return identifier
