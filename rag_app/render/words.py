"""The words on an answer's page, in the language of its question."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Words:
    """One language's words; English unless given."""

    sources: str = "Sources"
    source: str = "Source"
    show: str = "Show source"
    page: str = "page"
    answered_by: str = "Answered by"
    seconds: str = "s"
    confidence: str = "confidence"
    evidence: str = "Passages looked at"
    cited_pages: str = "Cited pages"
    answer: str = "answer"
    locked: str = "This paper is encrypted, so its page is not shown here."
    comma: str = ","
    read_by: str = "read by"
    reading: str = "What a model read here"
    verified: str = "verified"
    unverified: str = "unverified"
    left_out: str = "Left out: nothing that was found supports it"
    numbers: str = "In none of the passages looked at:"
    unread: str = "did not fit before the model"
    tokens: str = "tokens"
    kinds: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    digit_forms: str = "0123456789"

    def digits(self, value: object) -> str:
        """`value` as text, its digits in this language's forms and its decimal point with them."""
        text = str(value).translate(str.maketrans("0123456789", self.digit_forms))
        return text if self.digit_forms[0] == "0" else text.replace(".", "٫")

    def label(self, label: str) -> str:
        """A canonical label, "Table 3", in this language."""
        noun, _, number = label.partition(" ")
        return f"{self.labels[noun]} {self.digits(number)}" if noun in self.labels else label


WORDS = {
    "en": Words(),
    "fa": Words(
        sources="منابع",
        source="منبع",
        show="نمایش منبع",
        page="صفحهٔ",
        answered_by="پاسخ از",
        seconds="ثانیه",
        confidence="اطمینان",
        evidence="بخش‌های بررسی‌شده",
        cited_pages="صفحه‌های ارجاع‌شده",
        answer="پاسخ",
        locked="این مقاله رمز دارد و صفحهٔ آن اینجا نشان داده نمی‌شود.",
        comma="،",
        read_by="خوانده‌شده با",
        reading="آنچه مدل اینجا خوانده است",
        verified="تأییدشده",
        unverified="تأییدنشده",
        left_out="کنار گذاشته شد، چون هیچ‌یک از بخش‌های یافته‌شده آن را تأیید نمی‌کند",
        numbers="در هیچ‌یک از بخش‌های بررسی‌شده نیست:",
        unread="در ورودی مدل جا نشد",
        tokens="توکن",
        kinds={
            "text": "متن",
            "table": "جدول",
            "formula": "فرمول",
            "figure": "شکل",
            "footnote": "پانوشت",
            "reference": "مرجع",
        },
        labels={"Figure": "شکل", "Table": "جدول", "Equation": "رابطه", "Section": "بخش"},
        digit_forms="۰۱۲۳۴۵۶۷۸۹",
    ),
}
