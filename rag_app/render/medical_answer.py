"""An answer about a medical image in a terminal: the disclaimer, the answer, how probable each diagnosis is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rag_app.render.rtl import has_right_to_left
from rag_app.render.words import WORDS

if TYPE_CHECKING:
    from rag_app.medical.asking import MedicalAnswer
    from rag_app.render.terminal import Screen

_BAR_WIDTH = 30  # columns of a probability of 1
_RESTS_ON = {  # what the numbers come from
    "en": {
        "reply": "The model said these numbers itself: Ollama does not tell how likely an answer is.",
        "calibrated": "From the likelihood of each answer, calibrated on images the model has not learned from.",
        "likelihood": "From the likelihood of each answer, not calibrated: rag-app medical calibrate.",
    },
    "fa": {
        "reply": "این عددها را خود مدل گفته است؛ Ollama نمی‌گوید هر پاسخ چقدر محتمل است.",
        "calibrated": "بر پایهٔ درست‌نمایی هر پاسخ، کالیبره‌شده با تصویرهایی که مدل از آن‌ها نیاموخته است.",
        "likelihood": "بر پایهٔ درست‌نمایی هر پاسخ، کالیبره‌نشده؛ برای کالیبره‌کردن: rag-app medical calibrate",
    },
}


def answer_text(answer: MedicalAnswer, screen: Screen, *, library: Path) -> str:
    """The disclaimer, the answer, the differential as bars, and the citations of the library's part."""
    from rag_app.render.terminal import grounds
    from rag_app.render.terminal_markdown import markdown_lines

    lines = [click.style(line, fg="yellow") for line in screen.paragraph(answer.disclaimer)]
    lines += ["", *markdown_lines(answer.text, screen)]
    if answer.differential:
        lines += ["", *_differential_lines(answer, screen)]
    if answer.papers is not None:
        lines += grounds(answer.papers, screen, library)
    return "\n".join(lines)


def _differential_lines(answer: MedicalAnswer, screen: Screen) -> list[str]:
    """How probable each diagnosis is, in the words and digits of the answer's language, and what that rests on."""
    from rag_app.render.terminal import ARABIC

    persian = answer.language == "fa"
    rows = [(answer.names.get(label, label), share) for label, share in answer.differential]
    wide = max(screen.columns(name) for name, _ in rows)
    room = max(0, min(_BAR_WIDTH, screen.width - wide - 14))
    lines = []
    for name, share in rows:
        percent = WORDS["fa" if persian else "en"].digits(f"{100 * share:.1f}")
        percent = f"{' ' * (5 - len(percent))}{f'{percent}٪' if persian else f'{percent} %'}"
        mark = ARABIC if persian and not has_right_to_left(name) else ""  # else the numbers go with a Latin name
        name = f"{mark}  {name}{' ' * (wide - screen.columns(name))}{mark}"
        line = f"{name}  {percent}  {'█' * round(room * share)}".rstrip()
        lines += screen.lines([line], right_to_left=persian)
    by = "reply" if answer.by == "reply" else "calibrated" if answer.calibrated else "likelihood"
    return [*lines, *screen.paragraph(_RESTS_ON[answer.language][by])]
