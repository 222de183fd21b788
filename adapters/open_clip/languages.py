"""Which languages a CLIP model reads, and which of them a text is in, for models that must be told (nllb).

A text's script decides: Persian or Arabic by the letters only one of them has, any other script by its usual language,
Latin letters as English. Whoever knows better passes the language.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# Text towers and tokenizers that read many languages, by a part of their hub name.
_MULTILINGUAL = ("xlm-roberta", "nllb", "mt5", "xlm-v", "i18n", "SigLIP2")
# Those that read English only; a tokenizer that is in neither list is taken as its maker names it: not limited.
_ENGLISH = ("bert-base-uncased", "roberta-base", "SigLIP")

# ISO 639-1 -> FLORES-200 code, which is what nllb's tokenizer knows.
FLORES = {
    "ar": "arb_Arab",
    "bn": "ben_Beng",
    "de": "deu_Latn",
    "el": "ell_Grek",
    "en": "eng_Latn",
    "es": "spa_Latn",
    "fa": "pes_Arab",
    "fr": "fra_Latn",
    "he": "heb_Hebr",
    "hi": "hin_Deva",
    "hy": "hye_Armn",
    "it": "ita_Latn",
    "ja": "jpn_Jpan",
    "ka": "kat_Geor",
    "ko": "kor_Hang",
    "nl": "nld_Latn",
    "pl": "pol_Latn",
    "pt": "por_Latn",
    "ru": "rus_Cyrl",
    "ta": "tam_Taml",
    "th": "tha_Thai",
    "tr": "tur_Latn",
    "uk": "ukr_Cyrl",
    "ur": "urd_Arab",
    "zh": "zho_Hans",
}
_SCRIPTS = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),  # before Chinese: kana only Japanese has
    ("ko", re.compile(r"[\uac00-\ud7af\u1100-\u11ff]")),
    ("zh", re.compile(r"[\u4e00-\u9fff]")),
    ("fa", re.compile(r"[\u0600-\u06ff\ufb50-\ufdff\ufe70-\ufeff]")),
    ("he", re.compile(r"[\u0590-\u05ff]")),
    ("el", re.compile(r"[\u0370-\u03ff]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
    ("hy", re.compile(r"[\u0530-\u058f]")),
    ("ka", re.compile(r"[\u10a0-\u10ff]")),
    ("hi", re.compile(r"[\u0900-\u097f]")),
    ("bn", re.compile(r"[\u0980-\u09ff]")),
    ("ta", re.compile(r"[\u0b80-\u0bff]")),
    ("th", re.compile(r"[\u0e00-\u0e7f]")),
)
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]")
_PERSIAN = re.compile(r"[پچژگکی\u06f0-\u06f9\u200c]")
_ARABIC = re.compile(r"[ةيكىأإؤ\u0660-\u0669]")


def known_languages(config: Mapping[str, Any]) -> frozenset[str] | None:  # Any: JSON
    """ISO 639-1 codes of the texts a model with this configuration reads; None for no stated limit.

    A folder's open_clip_config.json may list them under "languages".
    """
    stated = config.get("languages")
    if stated:
        return frozenset(stated)
    text = config["text_cfg"]
    names = [name for key in ("hf_tokenizer_name", "hf_model_name") if (name := text.get(key))]
    if not names:
        return frozenset({"en"})  # CLIP's own tokenizer
    if any(part in name for name in names for part in _MULTILINGUAL):
        return None
    return frozenset({"en"}) if any(part in name for name in names for part in _ENGLISH) else None


def language_of(text: str) -> str:
    """The ISO 639-1 code of the language a text is most likely in, by its letters; "en" where they do not say."""
    counts = {code: len(pattern.findall(text)) for code, pattern in _SCRIPTS}
    if counts["ja"]:
        return "ja"
    code = max(counts, key=lambda one: counts[one])
    if counts[code] == 0 or counts[code] < len(_LATIN.findall(text)):
        return "en"
    if code == "fa" and len(_ARABIC.findall(text)) > len(_PERSIAN.findall(text)):
        return "ar"
    return code
