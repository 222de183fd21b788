"""The words around search hits, in the language of the query."""

from __future__ import annotations

from dataclasses import dataclass, field

from rag_app.render.words import WORDS, Words


@dataclass(frozen=True, slots=True)
class HitWords:
    """One language's words; English unless given. `found_by` and `why` by the names that hits carry.

    one, many: "{n} hit" and "{n} hits"; twin, twins: what stands folded under a hit.
    """

    common: Words
    title: str = "Search"
    one: str = "{n} hit"
    many: str = "{n} hits"
    twin: str = "and {n} near-duplicate"
    twins: str = "and {n} near-duplicates"
    nothing: str = "Nothing was found."
    without: str = "without"
    asked_with: str = "the picture searched with"
    no_picture: str = "no picture"
    score: str = "score"
    shown: str = "the first {n} of them shown"
    comma: str = ", "
    found_by: dict[str, str] = field(
        default_factory=lambda: {
            "image": "its picture",
            "caption": "a caption",
            "description": "what a model read in it",
            "text": "the text in it",
            "dense": "its meaning",
            "lexical": "its words",
            "label": "its label",
            "mention": "a passage that mentions it",
        }
    )
    why: dict[str, str] = field(
        default_factory=lambda: {
            "image": "likeness to the picture",
            "look": "its picture and the words",
            "meaning": "meaning of its texts",
            "words": "words of its texts",
            "without": "what is not wanted",
        }
    )

    def count(self, number: int) -> str:
        """ "3 hits"."""
        return (self.one if number == 1 else self.many).format(n=self.common.digits(number))

    def folded(self, number: int) -> str:
        """ "and 2 near-duplicates"."""
        return (self.twin if number == 1 else self.twins).format(n=self.common.digits(number))

    def found(self, halves: tuple[str, ...]) -> str:
        """What found a hit, in words."""
        return self.comma.join(self.found_by.get(half, half) for half in halves)


HIT_WORDS = {
    "en": HitWords(WORDS["en"]),
    "fa": HitWords(
        WORDS["fa"],
        title="جست‌وجو",
        one="{n} نتیجه",
        many="{n} نتیجه",
        twin="و {n} تصویر تقریباً یکسان",
        twins="و {n} تصویر تقریباً یکسان",
        nothing="چیزی پیدا نشد.",
        without="بدون",
        asked_with="تصویری که با آن جست‌وجو شد",
        no_picture="بدون تصویر",
        score="امتیاز",
        shown="{n} نتیجهٔ نخست نشان داده شده",
        comma="، ",
        found_by={
            "image": "خود تصویر",
            "caption": "شرح تصویر",
            "description": "آنچه مدل در آن خوانده",
            "text": "متن داخل تصویر",
            "dense": "معنا",
            "lexical": "واژه‌ها",
            "label": "نام آن",
            "mention": "بخشی که به آن ارجاع می‌دهد",
        },
        why={
            "image": "شباهت به تصویر",
            "look": "تصویر آن و واژه‌ها",
            "meaning": "معنای متن‌های آن",
            "words": "واژه‌های متن‌های آن",
            "without": "آنچه نباید باشد",
        },
    ),
}
