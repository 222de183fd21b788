"""Each fault met by a library: what is in it afterwards, and after it was told to try again.

Two figures are described, and the fault hits every request for the first. For vectors, a paper is taken in. Nothing is
stored of a list or a download.
"""

from __future__ import annotations

import functools
import math
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rag_app import Library
from rag_app.errors import RagAppError
from rag_app.settings import Models, Settings
from rag_app.store import LedgerRow, Store
from tests.conftest import SAMPLE_PAPERS
from tests.contract.fault_cases import CASES, Case
from tests.contract.fault_runs import PATHS, USUAL, met, settings_for
from tests.made_pdfs import document, save
from tests.ollama_server import OllamaServer, Recorded

AT_ONCE = 4
PAPER = "clip_fa.pdf"  # with two figures
# What the last column of the table in docs/ollama.md says, by the states of the two figures in the ledger.
TOLD: dict[tuple[str, ...], str] = {
    ("done", "done"): "the description",
    ("failed", "done"): "no description; the item is marked failed with this sentence, the other one is described",
    ("pending", "pending"): "nothing; the run ends with this sentence, its items stay pending",
    (): "nothing; the run is refused before it begins",
}


@dataclass(frozen=True)
class Stored:
    """What is in the library.

    told      for the table in docs/ollama.md
    states    of the figure that was hit and of the other one; () when the run was refused before it began
    error     class name and sentence of the failure in the ledger, or of what the run raised or ended with; ""
    nodes     by ledger row, whether its node carries a description
    after     the states when the fault is over and the work was asked for again
    papers    for vectors: papers in the library, and after trying again
    """

    told: str
    states: tuple[str, ...] = ()
    error: str = ""
    sentence: str = ""
    nodes: tuple[bool, ...] = ()
    after: tuple[str, ...] = ()
    papers: tuple[int, int] = (0, 0)


@functools.cache
def stored(case: Case) -> Stored:
    """What the library holds after the fault, where it stays."""
    if case.way == "write":
        return _described(case)
    return _embedded(case) if case.way == "embed" else Stored("nothing, there is nothing to store")


def prepare(cases: Sequence[Case] = CASES) -> None:
    """Meet all faults at once rather than one by one: most of the time is waiting. What fails here fails when asked."""
    _read_once()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for case in cases:
            pool.submit(stored, case)
            pool.submit(met, case)
            if case.once:
                pool.submit(met, case, times=1)


def _described(case: Case) -> Stored:
    with _copy() as folder, OllamaServer(slow_s=0.3) as server:
        hit: list[bytes] = []

        def where(request: Recorded) -> bool:
            if request.path not in PATHS["write"]:
                return False
            if not hit:
                hit.extend(request.images)
            return request.images == hit

        server.fail(case.fault, times=math.inf, where=where)
        model = f"ollama:{case.model}"
        with Library.open(folder, settings=settings_for(server)) as library:
            error, sentence = "", ""
            try:
                report = library.describe(model, papers=(PAPER,), kinds=("figure",))
                sentence = report.stopped or ""
            except RagAppError as exc:
                error, sentence = type(exc).__name__, str(exc)
            rows, nodes = _rows(folder, model)
            failed = [row for row in rows if row.state == "failed"]
            if failed:
                error, sentence = failed[0].error or "", failed[0].reason or ""
            server.clear()
            library.describe("ollama:tinyvlm", papers=(PAPER,), kinds=("figure",))
            library.retry()
            after = tuple(row.state for row in _rows(folder, "ollama:tinyvlm")[0])
        states = tuple(row.state for row in rows)
        return Stored(TOLD[states], states, error, sentence.replace(server.url, USUAL), nodes, after)


def _rows(folder: Path, model: str) -> tuple[list[LedgerRow], tuple[bool, ...]]:
    """The model's rows in the ledger, and for each whether its node carries a description."""
    with Store.open(folder, read_only=True) as store:
        rows = store.ledger.rows(model=model)
        nodes = [stored.node for stored in store.nodes(store.rows_where("kind = ?", ["figure"]).tolist())]
    carried = {node.metadata["image"]: "description" in node.metadata for node in nodes}
    return rows, tuple(carried[row.image] for row in rows)


def _embedded(case: Case) -> Stored:
    with tempfile.TemporaryDirectory() as folder, OllamaServer() as server:
        paper = save(document(1), Path(folder) / "paper.pdf")
        server.fail(case.fault, times=math.inf)
        settings = Settings(models=Models(text_embedding=f"ollama:{case.model}"), ollama=settings_for(server).ollama)
        with Library.open(Path(folder) / "library", settings=settings) as library:
            error, sentence = "", ""
            try:
                library.ingest(paper)
            except RagAppError as exc:
                error, sentence = type(exc).__name__, str(exc).replace(server.url, USUAL)
            papers = len(library.documents())
            server.clear()
            library.ingest(paper)
            told = "the paper" if papers else "nothing: the paper is not taken in"
            return Stored(told, error=error, sentence=sentence, papers=(papers, len(library.documents())))


@functools.cache
def _read_once() -> tempfile.TemporaryDirectory[str]:
    """A library of one paper, read once; it goes with the process."""
    folder = tempfile.TemporaryDirectory()
    with Library.open(Path(folder.name) / "library") as library:
        library.ingest(SAMPLE_PAPERS / PAPER)
    return folder


@contextmanager
def _copy() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(shutil.copytree(Path(_read_once().name) / "library", Path(folder) / "library"))
