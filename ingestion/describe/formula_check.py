"""A formula's LaTeX against the text layer of the PDF: it parses; the same signs stand in order, at their levels."""

from __future__ import annotations

import re
from collections import Counter
from difflib import SequenceMatcher

from ingestion.describe.findings import DOUBT, WRONG, Checks, Finding, nothing_to_compare, settled, some, wrong
from ingestion.describe.latex import clean_latex, latex_problems, mathml
from ingestion.describe.schemas import FormulaReading
from ingestion.describe.signs import NAMELESS, Row, levels_compared, of_mathml, of_text
from ingestion.elements import Element
from ingestion.formulas import equation_number
from rag_app.searchable import query_terms, terms

FEW_SIGNS = 3  # in a text layer: with fewer there is nothing to compare
LIKE_ENOUGH = 0.5  # share of signs in common, below which the text layer is taken for another thing or a broken one
BROKEN_ORDER = 2  # neighbours in the text layer that are none in the LaTeX


def check_formula(reading: FormulaReading, element: Element, context: str = "") -> Checks:
    """The checks of one formula; element.text is its text layer, or what OCR read."""
    problems = [wrong(message, 0.3) for message in latex_problems(reading.latex)]
    tree = mathml(reading.latex)
    text = of_text(_without_number(element.text))
    if len(text.signs) + text.unknown < FEW_SIGNS:
        return nothing_to_compare("The PDF has no text layer of this formula to compare with.", problems)
    if isinstance(tree, str):
        return settled(problems)
    latex = of_mathml(tree)
    other = of_mathml(tree, raised_first=True)
    findings = [*problems, *_counts(text, latex, element), *_meanings(reading, latex, context)]
    if not text.counts() - latex.counts() and not any(finding.cost >= WRONG for finding in findings):
        findings += [*_order(text, latex, other), *_levels(text, latex, other)]
    return settled(findings)


def _without_number(text: str) -> str:
    """The text layer without the number of the equation at its end."""
    lines = text.rstrip().splitlines()
    if lines:
        head, _, last = lines[-1].rpartition(" ")
        if head and equation_number(last) is not None:
            lines[-1] = head
        elif len(lines) > 1 and equation_number(lines[-1]) is not None:
            lines.pop()
    return "\n".join(lines)


def _counts(text: Row, latex: Row, element: Element) -> list[Finding]:
    """Signs that only one of the two has; a glyph without a name may be any of those that the text layer lacks."""
    there, here = text.counts(), latex.counts()
    if not there["["] and not there["]"]:  # tall brackets are drawn in pieces that many text layers lack
        del here["["], here["]"]
    missing, extra = there - here, here - there
    common, most = (there & here).total(), max(there.total(), here.total())
    source = "What OCR read" if element.ocr else "The text layer"
    if common < LIKE_ENOUGH * most:
        return [wrong(f"{source} shares {common} of {most} signs with the LaTeX.", 1 - common / most)]
    findings: list[Finding] = []
    share = (missing.total() + extra.total()) / max(1, there.total() + here.total())
    if missing:
        findings.append(wrong(f"The LaTeX lacks {_listed(missing)}, which the text layer has.", share))
    if extra.total() > text.unknown:
        findings.append(wrong(f"The LaTeX has {_listed(extra)} that the text layer has not.", share))
    elif extra:
        findings.append(Finding(f"{text.unknown} glyphs of the text layer have no name and were not compared.", DOUBT))
    lost = text.accents - latex.accents
    if lost:
        findings.append(wrong(f"The LaTeX lacks accents that the text layer has: {_listed(lost)}."))
    if not findings:
        findings.append(Finding(f"All {there.total()} signs agree with the text layer."))
    return findings


def _listed(counts: Counter[str]) -> str:
    return some(f"{sign!r} x{n}" if n > 1 else repr(sign) for sign, n in sorted(counts.items()))


def _order(text: Row, latex: Row, other: Row) -> list[Finding]:
    """Neighbours that are none in the LaTeX, whichever index it puts first; lines that stand nowhere in it."""
    broken = text.neighbours() - (latex.neighbours() | other.neighbours())
    if not broken:
        whole = [*latex.small(), *other.small()]
        turned = [line for line in text.small() if not any(_within(line, row) for row in whole)]
        if turned:
            return [wrong(f"Signs have changed places in {some(map(repr, turned), 2)}.")]
        return [Finding("They stand in the same order.")]
    named = some((f"{a}{b}" for a, b in broken), 4)
    if broken.total() < BROKEN_ORDER:
        return [Finding(f"The order of the signs is another at {named}.", DOUBT)]
    return [wrong(f"The order of the signs is another: the text layer has {named}.", broken.total() / 20)]


def _within(line: str, row: str) -> bool:
    """Whether the line stands in the row; a glyph without a name may be any sign."""
    return re.search(".".join(re.escape(part) for part in line.split(NAMELESS)), row) is not None


def _levels(text: Row, latex: Row, other: Row) -> list[Finding]:
    """Indices that are raised, lowered or on the line in one and not in the other."""
    marked = any(sign.level in "_^" and sign.level for sign in text.signs)
    if not marked:
        if any(sign.level for sign in latex.signs):
            return [Finding("The text layer does not say what is an index, so indices were not compared.", DOUBT)]
        return []
    different = min((_different(text, row) for row in (latex, other)), key=len)
    if not different:
        return []
    return [wrong(f"Indices differ from the text layer at {some(different)}.", len(different) / 20)]


def _different(text: Row, latex: Row) -> list[str]:
    one, two = text.signs, latex.signs
    matcher = SequenceMatcher(None, [s.c for s in one], [s.c for s in two], autojunk=False)
    return [
        repr(one[block.a + i].c)
        for block in matcher.get_matching_blocks()
        for i in range(block.size)
        if not levels_compared(one[block.a + i], two[block.b + i])
    ]


def _meanings(reading: FormulaReading, latex: Row, context: str) -> list[Finding]:
    """Symbols that are not in the formula; meanings of which the text around it says no word."""
    signs, known = latex.counts(), set(terms(context))
    absent, unsaid = [], []
    for entry in reading.symbols:
        tree = mathml(clean_latex(entry.symbol))
        own = of_mathml(tree).counts() if not isinstance(tree, str) else of_text(entry.symbol).counts()
        if own - signs:
            absent.append(entry.symbol)
        elif not known & set(query_terms(entry.meaning)):
            unsaid.append(entry.symbol)
    findings: list[Finding] = []
    if absent:
        findings.append(wrong(f"Symbols are explained that the formula has not: {some(absent)}."))
    if unsaid:
        cost = min(3 * DOUBT, DOUBT * len(unsaid))
        findings.append(Finding(f"The text around the formula does not say what {some(unsaid)} means.", cost))
    return findings
