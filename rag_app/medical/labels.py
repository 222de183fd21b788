"""Labels of a medical dataset: which one means normal, which look misspelt, and what they are called in words."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from rag_app.errors import InputError
from rag_app.outside import toml_table

LANGUAGES = ("en", "fa")
Names = Mapping[str, Mapping[str, str]]  # by label and language: what a label is called

NORMAL = ("normal", "no tumor", "no finding", "no findings", "healthy", "negative", "control", "unremarkable")
_FEW, _FEW_SHARE = 2, 0.1  # a label of so few images, or of this share of one it resembles, may be that one, misspelt
_ALIKE = 0.8

# What is said in Persian of the labels that public sets of X-ray and MRI images use.
PERSIAN: dict[str, str] = {
    "normal": "طبیعی",
    "healthy": "طبیعی",
    "no finding": "بدون یافتهٔ غیرطبیعی",
    "no tumor": "بدون تومور",
    "tumor": "تومور",
    "glioma": "گلیوما",
    "glioma tumor": "تومور گلیوما",
    "meningioma": "مننژیوما",
    "meningioma tumor": "تومور مننژیوما",
    "pituitary": "آدنوم هیپوفیز",
    "pituitary tumor": "تومور هیپوفیز",
    "pneumonia": "ذات‌الریه",
    "bacterial pneumonia": "ذات‌الریهٔ باکتریایی",
    "viral pneumonia": "ذات‌الریهٔ ویروسی",
    "covid": "کووید-۱۹",
    "covid-19": "کووید-۱۹",
    "tuberculosis": "سل",
    "effusion": "آب‌آوردگی جنب",
    "pleural effusion": "آب‌آوردگی جنب",
    "cardiomegaly": "بزرگی قلب",
    "atelectasis": "آتلکتازی",
    "consolidation": "تراکم ریوی",
    "edema": "ادم ریوی",
    "emphysema": "آمفیزم",
    "fibrosis": "فیبروز ریوی",
    "hernia": "فتق",
    "infiltration": "ارتشاح ریوی",
    "mass": "توده",
    "nodule": "ندول",
    "pleural thickening": "ضخیم‌شدگی جنب",
    "pneumothorax": "پنوموتوراکس",
    "fracture": "شکستگی",
    "hemorrhage": "خونریزی",
    "stroke": "سکتهٔ مغزی",
}


def in_words(label: str) -> str:
    """A label as words: "no_tumor" -> "no tumor"."""
    return " ".join(label.replace("_", " ").split()).lower()


def normal_label(labels: Sequence[str], chosen: str | None) -> str:
    """The label that means nothing was found: `chosen`, or the only one with a name that says so.

    Raises InputError when none or several do, or `chosen` is no label.
    """
    if chosen is not None:
        if chosen in labels:
            return chosen
        near = difflib.get_close_matches(chosen, labels, n=1, cutoff=0.0)[0]
        raise InputError(f"There is no label {chosen!r}. Did you mean {near!r}? The labels are {', '.join(labels)}.")
    found = [label for label in labels if in_words(label) in NORMAL]
    if len(found) != 1:
        what = f"{', '.join(found)} all do" if found else "none does"
        raise InputError(
            f"One label has to mean that nothing was found, and by name {what}. Say which: --normal LABEL "
            f"(the labels are {', '.join(labels)})."
        )
    return found[0]


def renamed(labels: Sequence[str], renames: Mapping[str, str]) -> list[str]:
    """The labels after --rename. Raises InputError for a name that no image has, with the nearest."""
    known = sorted(set(labels))
    for old in renames:
        if old not in known:
            near = difflib.get_close_matches(old, known, n=1, cutoff=0.0)[0]
            raise InputError(f"--rename: no image has the label {old!r}. Did you mean {near!r}?")
    return [renames.get(label, label) for label in labels]


def check_labels(labels: Sequence[str]) -> None:
    """Raises InputError when there is one label only, or one looks like another one misspelt."""
    counts = Counter(labels)
    if len(counts) < 2:
        only = next(iter(counts), "none")
        raise InputError(f"All images have one label ({only}): a diagnosis needs two or more to tell apart.")
    doubts = []
    for label, n in counts.items():
        others = [
            other
            for other, m in counts.items()
            if other != label and (n <= max(_FEW, _FEW_SHARE * m) or _same(label, other))
        ]
        near = difflib.get_close_matches(in_words(label), [in_words(other) for other in others], n=1, cutoff=_ALIKE)
        meant = next((other for other in others if near and in_words(other) == near[0]), None)
        if meant is not None and (n, label) < (counts[meant], meant):
            doubts.append(f"{label!r} ({n} images) looks like {meant!r} ({counts[meant]}): --rename '{label}={meant}'")
    if doubts:
        raise InputError(f"A label may be misspelt: {'; '.join(doubts)}. To keep it, add --keep-labels.")


def _same(one: str, other: str) -> bool:
    """Whether two labels differ in case, blanks and underscores only."""
    return in_words(one) == in_words(other)


def known_names(labels: Sequence[str], given: Names) -> dict[str, dict[str, str]]:
    """What each label is called, by language: as given, else in English its words and in Persian what is known of it.

    A label that nobody has named in Persian has no name there; none is made up.
    """
    found: dict[str, dict[str, str]] = {}
    for label in labels:
        words = in_words(label)
        known = {"en": words, "fa": PERSIAN.get(words, "")} | dict(given.get(label, {}))
        found[label] = {language: name for language, name in known.items() if name}
    return found


def without_persian(names: Names) -> list[str]:
    """The labels that have no Persian name."""
    return [label for label, known in names.items() if "fa" not in known]


def check_named(labels: Sequence[str], given: Names) -> None:
    """Raises InputError for a name of a label that is not there, with the nearest that is."""
    for label in given:
        if label not in labels:
            near = difflib.get_close_matches(label, labels, n=1, cutoff=0.0)[0]
            raise InputError(f"There is no label {label!r} to name. Did you mean {near!r}?")


def read_labels(path: Path) -> dict[str, dict[str, str]]:
    """The labels of a TOML file, in its order, each with its names by language: [no_tumor], and below it fa = "...".

    Raises InputError where it cannot be read or is of another form.
    """
    try:
        raw = toml_table(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise InputError(f"{path} cannot be read as a file of labels: {exc}.") from exc
    return checked_names(raw, path)


def checked_names(raw: object, path: Path) -> dict[str, dict[str, str]]:
    """Names by label and language, as they were read from `path`. Raises InputError where they are of another form."""
    if not isinstance(raw, dict):
        raise InputError(f"{path}: names is {raw!r}; it must hold for each label its names in en and fa.")
    found: dict[str, dict[str, str]] = {}
    for label, names in raw.items():
        if not isinstance(names, dict):
            raise InputError(f"{path}: the names of {label!r} are {names!r}; a label has names in en and fa.")
        for language, name in names.items():
            if language not in LANGUAGES or not isinstance(name, str) or not name.strip():
                raise InputError(
                    f"{path}: {label!r} has {language} = {name!r}; a label has names in en and fa, texts in quotes."
                )
        found[label] = {language: name.strip() for language, name in names.items()}
    return found
