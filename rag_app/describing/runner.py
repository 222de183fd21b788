"""A run of describing; whatever ends it, what was done is done and the rest is pending.

plan      rows in the ledger before any work                                    planning
ask       each crop once, by threads of their own                               round, askers
keep      the reply in the ledger, before its asker gets the next question      round
settle    ledger row, node, full text and vector in one transaction             settling, Store.describe
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from rag_app.describing.planning import Plan, Scope, failed_models, plan
from rag_app.describing.round import Progress, Round, Tally
from rag_app.errors import LibraryBusy, ModelError
from rag_app.models import LanguageModel
from rag_app.reports import DescribeReport
from rag_app.store import Store
from rag_app.store.store import Embed

CROPS = "crops"
_WAIT_S = 1.0  # for the lock: `rag-app status` holds it for a moment when it looks who describes


class Vectors(Protocol):
    """What a run needs of the library's embeddings."""

    def for_describing(self) -> Embed | None:
        """Makes vectors of described nodes at once; None where that has to wait for `catch_up`."""
        ...

    def catch_up(self) -> int:
        """Make the vectors of nodes that were described since anew; returns how many."""
        ...


class Describing:
    """Runs over one library.

    load: a vision model by its name, and how often it asks again by itself. parallel: questions at the same time.
    retries: how often one is asked again that may succeed later.
    """

    def __init__(
        self,
        folder: Path,
        store: Store,
        *,
        load: Callable[[str, int], LanguageModel],
        vectors: Vectors,
        parallel: int,
        retries: int,
    ) -> None:
        self._crops = folder / CROPS
        self._store = store
        self._load = load
        self._vectors = vectors
        self._parallel = parallel
        self._retries = retries

    def run(self, model: str | None, scope: Scope, on_progress: Progress | None = None) -> DescribeReport:
        """Describe what is in the scope; with only="failed" and no model, each one is asked again by its own.

        A failed item raises nothing: it is in the report and in the ledger. Raises LibraryBusy when another process
        describes this library, LibraryReadOnly, DiskFull, and, before any work, what `LanguageModel.check` raises.
        """
        began = time.perf_counter()
        with self._store.describer_lock(wait_s=_WAIT_S):
            models = [self._load(name, 0) for name in ([model] if model else failed_models(self._store, scope))]
            for one in models:  # one after the other, so that no server has to load them in turns
                one.check(pictures=True)
            plans = [plan(self._store, one.name, scope, own_failures=model is None) for one in models]
            tally = Tally(sum(planned.total for planned in plans), on_progress)
            tally.add()
            stopped = None
            for one, planned in zip(models, plans, strict=True):
                stopped = self._round(one, planned, tally).run()
                if stopped:
                    break
            behind = self._finish()
        return self._report(plans, tally, stopped or behind, time.perf_counter() - began)

    def _round(self, model: LanguageModel, planned: Plan, tally: Tally) -> Round:
        return Round(
            self._store,
            self._crops,
            model,
            self._load(model.name, self._retries - 1) if self._retries else None,
            planned,
            embed=self._vectors.for_describing(),
            parallel=self._parallel,
            tally=tally,
        )

    def _finish(self) -> str | None:
        """Bring vectors and the postings file up to date; why the vectors could not be, in a sentence."""
        try:
            self._vectors.catch_up()
            self._store.fold_words()
        except LibraryBusy:  # papers are coming in: their ingestion ends with the same
            return None
        except ModelError as exc:
            return f"The descriptions are in and found by their words, but not by their meaning yet: {exc}"
        return None

    def _report(self, plans: Sequence[Plan], tally: Tally, stopped: str | None, seconds: float) -> DescribeReport:
        failed = {(key.image, key.model) for key in tally.failures}
        total = tally.total - tally.gone
        return DescribeReport(
            models=tuple(planned.model for planned in plans),
            total=total,
            done=tally.done,
            reused=tally.reused,
            verified=tally.verified,
            failed=tally.failed,
            left=total - tally.done - tally.failed,
            already=sum(planned.already for planned in plans),
            skipped=sum(planned.skipped for planned in plans) + tally.blank,
            failures=tuple(f for f in self._store.ledger.failures() if (f.image, f.model) in failed),
            stopped=stopped,
            seconds=seconds,
        )
