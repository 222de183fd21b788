"""Captions and questions of a medical image, in English and Persian: from its label, or as they were given."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from rag_app.medical.labels import Names, known_names
from rag_app.medical.records import Example, Turn

ANOMALY = {"en": "Is there an abnormality in this image?", "fa": "آیا در این تصویر ناهنجاری دیده می‌شود؟"}
YES, NO = {"en": "yes", "fa": "بله"}, {"en": "no", "fa": "خیر"}
_DIAGNOSIS = {
    "en": "What is the diagnosis? Answer with one of: {choices}.",
    "fa": "تشخیص چیست؟ با یکی از این‌ها پاسخ دهید: {choices}.",
}
_CAPTION = {"en": "Describe this medical image.", "fa": "این تصویر پزشکی را توصیف کنید."}
_COMMA = {"en": ", ", "fa": "، "}


class Wording:
    """What a dataset's labels are called and how is asked about them.

    Args:
        labels: in the order in which choices are shown.
        normal: the one that means nothing was found.
        given: the user's own names. A label without a name in Persian is written there as in English.
    """

    def __init__(self, labels: Sequence[str], normal: str, given: Names | None = None) -> None:
        self.normal = normal
        known = known_names(labels, given or {})
        self.names = {label: {"en": names["en"], "fa": names.get("fa", names["en"])} for label, names in known.items()}

    def answer(self, label: str, language: str) -> str:
        """The label as an answer in that language."""
        return self.names[label][language]

    def diagnosis_question(self, language: str) -> str:
        choices = _COMMA[language].join(names[language] for names in self.names.values())
        return _DIAGNOSIS[language].format(choices=choices)

    def turns(self, label: str, captions: Mapping[str, str]) -> tuple[Turn, ...]:
        """The questions on one image: whether it is normal, what it shows, and its captions, in both languages."""
        turns: list[Turn] = []
        for language in ("en", "fa"):
            found = NO if label == self.normal else YES
            turns.append(Turn(ANOMALY[language], found[language], "anomaly", language))
            turns.append(Turn(self.diagnosis_question(language), self.answer(label, language), "diagnosis", language))
            if caption := captions.get(language):
                turns.append(Turn(_CAPTION[language], caption, "caption", language))
        return tuple(turns)

    def template(self, label: str, groups: Mapping[str, str]) -> dict[str, str]:
        """Captions that say no more than the label and the file do."""
        english, said = self.names[label]["en"], self.names[label]["fa"]
        modality = groups.get("modality", "")
        shown, image = (
            (f"{modality} image" if modality else "Medical image"),
            (f"تصویر {modality}" if modality else "تصویر پزشکی"),
        )
        if label == self.normal:
            return {"en": f"{shown}: {english}.", "fa": f"{image}: {said}."}
        return {"en": f"{shown} showing {english}.", "fa": f"{image} با یافتهٔ {said}."}


def with_captions(example: Example, captions: Mapping[str, str]) -> Example:
    """The example with these captions, in its questions too."""
    turns = [turn for turn in example.turns if turn.kind != "caption"]
    turns += [Turn(_CAPTION[language], text, "caption", language) for language, text in captions.items() if text]
    return dataclasses.replace(example, captions=dict(captions), turns=tuple(turns))
