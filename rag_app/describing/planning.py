"""What a model is asked about in a run: rows of the ledger, written before the work starts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ingestion.describe.prompts import PROMPT_VERSIONS
from ingestion.describe.selection import KINDS, describable, skipped
from ingestion.elements import Element
from rag_app.errors import UnknownDocument, UsageError
from rag_app.store import LedgerKey, LedgerRow, Store

Only = Literal["unverified", "failed"]


@dataclass(frozen=True, slots=True)
class Scope:
    """Which elements a run is about.

    documents  ids; () means all.  kinds: "figure", "table", "formula"; () means all.
    only       "unverified": those whose description is; "failed": those that have none though a model was asked
    """

    documents: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    only: Only | None = None

    def __post_init__(self) -> None:
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown:
            raise UsageError(f"There is nothing to describe in a {unknown[0]}; the kinds are {', '.join(KINDS)}.")

    def holds(self, row: LedgerRow) -> bool:
        return (not self.documents or row.document_id in self.documents) and (not self.kinds or row.kind in self.kinds)


@dataclass(slots=True)
class Item:
    """One question to a model: a crop, and the elements (document id, element id) that show it."""

    key: LedgerKey
    elements: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Plan:
    """What one model is asked. already: elements it has described before; skipped: left out as decoration."""

    model: str
    items: tuple[Item, ...]
    already: int = 0
    skipped: int = 0

    @property
    def total(self) -> int:
        return sum(len(item.elements) for item in self.items)


def failed_models(store: Store, scope: Scope) -> list[str]:
    """The models whose failures are left in the scope, in the order they were first asked."""
    return list(dict.fromkeys(row.model for row in store.ledger.undescribed_failures() if scope.holds(row)))


def plan(store: Store, model: str, scope: Scope, *, own_failures: bool = False) -> Plan:
    """Write the rows that are missing, make failed ones that are wanted pending again, and collect what is pending.

    Args:
        own_failures: with only="failed": none but this model's own.
    """
    left_out = 0
    chosen: set[tuple[str, str]] = set()
    if scope.only == "failed":
        chosen = _failed(store, model, scope, own=own_failures)
    else:
        for document in scope.documents or [info.document_id for info in store.documents()]:
            elements, more = _elements(store, document, scope)
            left_out += more
            store.ledger.plan(document, elements, model=model, prompt_versions=PROMPT_VERSIONS)
            chosen |= {(document, element.id) for element in elements}
    items: dict[LedgerKey, Item] = {}
    already = 0
    for row in store.ledger.rows(model=model):
        if (row.document_id, row.element_id) not in chosen or row.prompt_version != PROMPT_VERSIONS.get(row.kind):
            continue
        already += row.state == "done"
        if row.state == "pending":
            items.setdefault(row.key, Item(row.key)).elements.append((row.document_id, row.element_id))
    return Plan(model, tuple(items.values()), already, left_out)


def _elements(store: Store, document: str, scope: Scope) -> tuple[list[Element], int]:
    """The elements of a document that are in the scope, and how many were left out as decoration.

    Nobody has looked at their pictures yet: a blank one is found out before it is asked about, see round.
    """
    try:
        paper = store.paper(document)
    except UnknownDocument:  # removed meanwhile, or nodes without a paper
        return [], 0
    kinds = scope.kinds or KINDS
    elements = describable(paper, kinds)
    left_out = len(skipped(paper, kinds))
    if scope.only == "unverified":
        carried = store.ledger.winners(document)
        elements = [e for e in elements if e.id in carried and not carried[e.id].verified]
        left_out = 0
    return elements, left_out


def _failed(store: Store, model: str, scope: Scope, *, own: bool) -> set[tuple[str, str]]:
    """Open this model's failed rows again; plan rows for what other models failed at and nobody has described."""
    rows = [row for row in store.ledger.rows(state="failed", model=model) if scope.holds(row)]
    others = [row for row in store.ledger.undescribed_failures() if scope.holds(row) and row.model != model]
    if own:
        undescribed = {row.id for row in store.ledger.undescribed_failures()}
        rows, others = [row for row in rows if row.id in undescribed], []
    store.ledger.reopen([row.id for row in rows])
    by_document: dict[str, set[str]] = {}
    for row in others:
        by_document.setdefault(row.document_id, set()).add(row.element_id)
    for document, wanted in by_document.items():
        try:
            elements = [element for element in store.paper(document).elements if element.id in wanted]
        except UnknownDocument:
            continue
        store.ledger.plan(document, elements, model=model, prompt_versions=PROMPT_VERSIONS)
    return {(row.document_id, row.element_id) for row in (*rows, *others)}
