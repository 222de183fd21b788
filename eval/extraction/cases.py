"""Which PDFs are measured and what is known of them: truths beside them, and folders of page checks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from eval.extraction.scores import Case, Json
from eval.extraction.truths import find_truth, read_true_paper
from eval.page_checks import check_problem
from rag_app.errors import InputError
from rag_app.outside import json_value

CHECKS = "dataset.jsonl"


def find_cases(paths: Sequence[Path], *, truths: Path | None = None) -> list[Case]:
    """The PDFs among files and folders (searched to the bottom), each once, by path.

    A folder may hold dataset.jsonl, unit tests of pages in the form of olmOCR-bench; its PDFs are then those it names.

    Args:
        truths: folder of truth files named after the PDFs; None looks beside each PDF.

    Raises InputError when a path is missing, a check or truth cannot be read, or there is no PDF at all.
    """
    found: dict[Path, tuple[Json, ...]] = {}
    for path in paths:
        for pdf, checks in _pdfs(path):
            found[pdf.resolve()] = found.get(pdf.resolve()) or checks
    if not found:
        raise InputError(f"There is no PDF in {', '.join(map(str, paths))}.")
    names = _names(list(found))
    cases = []
    for pdf, checks in sorted(found.items()):
        truth = find_truth(pdf, truths)
        cases.append(Case(names[pdf], pdf, read_true_paper(truth) if truth else None, checks))
    return cases


def _pdfs(path: Path) -> Iterator[tuple[Path, tuple[Json, ...]]]:
    if path.is_file():
        yield path, ()
    elif not path.is_dir():
        raise InputError(f"{path} does not exist. Name PDF files, or folders of them.")
    else:
        checked = {file.parent: _checks(file) for file in sorted(path.rglob(CHECKS))}
        for pdf in sorted(path.rglob("*.pdf")):
            yield pdf, tuple(check for check in checked.get(pdf.parent, ()) if check["pdf"] == pdf.name)


def _checks(path: Path) -> list[dict[str, Any]]:  # Any: JSON
    checks: list[dict[str, Any]] = []
    ids: set[str] = set()
    try:
        lines = path.read_text("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(f"{path} cannot be read as checks of pages: {exc}.") from exc
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            check = json_value(line)
        except ValueError as exc:
            raise InputError(f"{path}, line {number}: it is no JSON ({exc}).") from exc
        if problem := check_problem(check):
            raise InputError(f"{path}, line {number}: {problem}.")
        if check["id"] in ids:
            raise InputError(f"{path}, line {number}: the id {check['id']!r} comes twice.")
        if not (path.parent / check["pdf"]).is_file():
            raise InputError(f"{path}, line {number}: {check['pdf']} is not beside it.")
        ids.add(check["id"])
        checks.append(check)
    return checks


def _names(pdfs: Sequence[Path]) -> dict[Path, str]:
    """File names, with the folder before them where two are alike."""
    counts: dict[str, int] = {}
    for pdf in pdfs:
        counts[pdf.name] = counts.get(pdf.name, 0) + 1
    return {pdf: pdf.name if counts[pdf.name] == 1 else f"{pdf.parent.name}/{pdf.name}" for pdf in pdfs}
