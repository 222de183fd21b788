"""One element, one picture, one model: asked, validated, checked against the PDF."""

from __future__ import annotations

from ingestion.describe.latex import clean_latex
from ingestion.describe.markdown import table_markdown
from ingestion.describe.prompts import PROMPT_VERSIONS, SYSTEM, build
from ingestion.describe.schemas import FORMS, FigureReading, FormulaReading, Reading, TableReading
from ingestion.describe.verification import verify
from ingestion.elements import Element
from rag_app.evidence import Description
from rag_app.models import LanguageModel, ask_as

MOST_TOKENS = {"figure": 3072, "table": 6144, "formula": 1536}  # of a reply; what is cut is an error, never kept


def read_element(
    model: LanguageModel, element: Element, image: bytes, *, context: str = "", language: str = "en"
) -> Description:
    """What `model` reads in the picture of `element`, with the checks of `ingestion.describe.verification`.

    Args:
        element: a figure, table or formula.
        image: its crop, encoded.
        context: the sentences around it, see `ingestion.surroundings`.
        language: "fa" for descriptions in Persian; any other gives English.

    Raises a ModelError; UnusableReply when the model does not keep to the form, or says nothing.
    """
    form = FORMS[element.kind]
    prompt = build(element.kind, element, context, language)
    reading, reply = ask_as(model, form, prompt, images=[image], system=SYSTEM, max_tokens=MOST_TOKENS[element.kind])
    return described(reading, element, model=reply.model, image=image, context=context)


def described(
    reading: Reading, element: Element, *, model: str, image: bytes | None = None, context: str = ""
) -> Description:
    """The Description of a reading, checked against the element."""
    if isinstance(reading, FormulaReading):
        reading = reading.model_copy(update={"latex": clean_latex(reading.latex)})
    checks = verify(element.kind, reading, element, image=image, context=context)
    return Description(
        model=model,
        prompt_version=PROMPT_VERSIONS[element.kind],
        kind=element.kind,
        summary=" ".join(reading.summary.split()),
        text=_text(reading),
        details=reading.model_dump(mode="json"),
        score=checks.score,
        verified=checks.verified,
        reasons=checks.reasons,
    )


def _text(reading: Reading) -> str:
    match reading:
        case FigureReading():
            return reading.description
        case TableReading():
            return table_markdown(reading)
        case FormulaReading():
            return reading.latex
