"""Letters that a font draws without naming them, learnt from the words of the whole document.

Fonts common in Persian TeX leave some forms of kaf, gaf and ye without a Unicode value. Each such glyph keeps its code
as a private character (`ingestion.symbols`); what letter it is shows in frequent words: "ی?" is «یک», "م?" is «می».
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

_WORD = re.compile("[\u0621-\u06d3\u200c\U000f0000-\U000fffff]+")
_CODE = re.compile("[\U000f0000-\U000fffff]")
_CANDIDATES = "کگیئهپچژ"
_FREQUENT = frozenset(
    """
    یک می نمی که کند کنند کنیم کرد کرده کردن کنید شکل مشکل تشکیل دانشگاه دانشکده پایگاه نگاه هنگام دیگر
    دیگری اگر مگر بزرگ رنگ فرهنگ هماهنگ همکاری امکان یکی یکدیگر کمک شبکه لیکن تکنیک کوچک نزدیک فیزیک
    پزشک پزشکی یادگیری گرفت گرفته گروه بگیرید نگارش نگارنده آزمایشگاه دستگاه جایگاه دیدگاه فروشگاه
    پژوهشگاه کلیک الکترونیک ترکیب تفکیک تاکید تأکید حرکت شرکت مشارکت کاربرد بکار اینکه بلکه آنکه چنانکه
    هرکدام هیچ‌یک یکسان یکتا همدیگر الگوریتم تکمیل تحصیلی علمی اصلی کلی بررسی فارسی انگلیسی یعنی خیلی
    بعضی برخی سعی طی طولی عملی فنی منفی مثبتی ریاضی مهندسی تاریخی اساسی لاتک پرشین زی‌پرشین همگی همیشگی
    پیوستگی وابستگی توپولوژیکی آیرودینامیکی گرافیکی دکتری دکتر دانشجوی هنگامی زمانی ویژگی میانگین متشکل
    متشکر تشکر می‌کند می‌کنیم می‌شود می‌باشد می‌توان نمی‌شود می‌تواند
    """.split()
)


def learn_letters(texts: Iterable[str]) -> dict[str, str]:
    """Letter of each private character in the texts: the one that makes most frequent words.

    A character without any evidence becomes ye at the end of words and kaf inside them, the most frequent of these.
    """
    words: Counter[str] = Counter()
    for text in texts:
        if _CODE.search(text):
            words.update(w for w in _WORD.findall(text) if _CODE.search(w))
    found: dict[str, str] = {}
    for _ in range(3):  # a letter learnt makes further words readable
        for code in {c for w in words for c in _CODE.findall(w)} - set(found):
            letter = _best_letter(code, words, found)
            if letter:
                found[code] = letter
    for code in {c for w in words for c in _CODE.findall(w)} - set(found):
        last = sum(n for w, n in words.items() if w.endswith(code))
        found[code] = "ی" if last * 2 > sum(n for w, n in words.items() if code in w) else "ک"
    return found


def _best_letter(code: str, words: Counter[str], known: dict[str, str]) -> str | None:
    scores: Counter[str] = Counter()
    for word, n in words.items():
        if code not in word:
            continue
        for letter in _CANDIDATES:
            tried = "".join(known.get(c, c) for c in word.replace(code, letter))
            if (
                tried in _FREQUENT
                or tried.replace("\u200c", "") in _FREQUENT
                or any(part in _FREQUENT for part in tried.split("\u200c"))
            ):
                scores[letter] += n
    return scores.most_common(1)[0][0] if scores else None


def name_letters(text: str, letters: dict[str, str]) -> str:
    """The text with its private characters replaced; unknown ones become U+FFFD."""
    return _CODE.sub(lambda m: letters.get(m[0], "\ufffd"), text) if letters or _CODE.search(text) else text
