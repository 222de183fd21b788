"""One model is asked everything that is planned for it, so many questions at a time as its server takes.

A question that failed and may succeed later is put further back in the line and asked with patience there: no other
one waits while the server recovers.
"""

from __future__ import annotations

import dataclasses
import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from threading import Lock

from ingestion.describe.reading import read_element
from ingestion.describe.selection import is_blank
from ingestion.elements import Element
from ingestion.surroundings import surroundings
from rag_app.describing.askers import Askers, Outcome, answer
from rag_app.describing.planning import Item, Plan
from rag_app.describing.settling import Settling, patiently
from rag_app.errors import InputError, ModelError, ModelUnreachable, UnknownDocument, UsageError
from rag_app.evidence import Description
from rag_app.models import LanguageModel
from rag_app.store import LedgerKey, Reading, Store
from rag_app.store.store import Embed
from rag_app.store.strangers import crop_file

FURTHER_BACK = 12  # answers that come before a failed question is asked again
GONE_AFTER = 3  # questions in a row that no server answered: it is gone, and the rest stays pending

Progress = Callable[[int, int, int], None]  # elements done, in all, failed


@dataclass(frozen=True, slots=True)
class Job:
    """One question, ready to be asked."""

    key: LedgerKey
    element: Element
    image: bytes
    context: str
    language: str
    patiently: bool = False


@dataclass(slots=True)
class Tally:
    """Counts elements, as several threads report them.

    gone: no longer part of the run, because their document was removed meanwhile, or (blank of them) their picture is.
    """

    total: int
    on_progress: Progress | None
    done: int = 0
    reused: int = 0
    verified: int = 0
    failed: int = 0
    gone: int = 0
    blank: int = 0
    failures: set[LedgerKey] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)

    def add(
        self, *, done: int = 0, reused: int = 0, verified: int = 0, failed: int = 0, gone: int = 0, blank: int = 0
    ) -> None:
        """Count, and tell how far it has got."""
        with self._lock:
            self.done += done
            self.reused += reused
            self.verified += verified
            self.failed += failed
            self.gone += gone
            self.blank += blank
            if self.on_progress is not None:
                self.on_progress(self.done, self.total - self.gone, self.failed)


class _Stop(Exception):
    """There is no sense in going on; the text is a sentence for the user."""


class Round:
    """What one model is asked.

    model asks once; patient is the same model and asks again by itself, None where nothing is to be asked again.
    embed makes vectors of described nodes, see Store.describe.
    """

    def __init__(
        self,
        store: Store,
        crops: Path,
        model: LanguageModel,
        patient: LanguageModel | None,
        planned: Plan,
        *,
        embed: Embed | None,
        parallel: int,
        tally: Tally,
    ) -> None:
        self._store = store
        self._crops = crops
        self._model = model
        self._patient = patient
        self._items = {item.key: item for item in planned.items}
        self._parallel = min(parallel, max(len(planned.items), 1))
        self._tally = tally
        self._settling = Settling(store, embed, self._settled)
        self._paper = lru_cache(maxsize=4)(self._read_paper)

    def run(self) -> str | None:
        """Ask and settle it all; why it stopped before its end, in a sentence.

        Raises what the library raises, and nothing that is about a single item.
        """
        with self._settling:
            jobs = self._jobs()
            ready = deque(_next(jobs, self._parallel))
            if not ready:
                return None
            askers: Askers[Job, Description] = Askers(self._parallel, self._read)
            try:
                self._work_off(jobs, ready, askers)
            except _Stop as exc:
                return str(exc)
            finally:
                askers.dismiss()
        return None

    def _work_off(self, jobs: Iterator[Job], ready: deque[Job], askers: Askers[Job, Description]) -> None:
        """Keep the askers busy until nothing is left. A reply is kept before its asker gets the next question."""
        asking = answered = unanswered = 0
        later: deque[tuple[int, Job]] = deque()  # with the number of answers to wait for
        held: list[Outcome[Job, Description]] = []  # failed, unless the server turns out to be gone
        while ready or later or asking:
            while (ready or later) and asking < self._parallel:
                due = bool(later) and (not ready or later[0][0] <= answered)
                askers.put(later.popleft()[1] if due else ready.popleft())
                asking += 1
            ready.extend(_next(jobs, self._parallel - len(ready)))  # made ready while the model is at work
            outcome = askers.take()
            asking, answered = asking - 1, answered + 1
            self._settling.check()
            unanswered = unanswered + 1 if isinstance(outcome.error, ModelUnreachable) else 0
            if unanswered >= GONE_AFTER:
                outcome, unanswered = self._once_more(outcome), 0
            if self._worth_another_try(outcome):
                later.append((answered + FURTHER_BACK, dataclasses.replace(outcome.job, patiently=True)))
            elif unanswered:
                held.append(outcome)
            else:  # the server is there: those held were single failures
                while held:
                    self._fail(held.pop(0))
                self._hear(outcome)
        for outcome in held:
            self._fail(outcome)

    def _worth_another_try(self, outcome: Outcome[Job, Description]) -> bool:
        may_succeed = isinstance(outcome.error, ModelError) and outcome.error.again
        return may_succeed and self._patient is not None and not outcome.job.patiently

    def _once_more(self, outcome: Outcome[Job, Description]) -> Outcome[Job, Description]:
        """Ask with patience whether the server is really gone; raises _Stop when it is."""
        if self._patient is not None and not outcome.job.patiently:
            outcome = answer(self._read, dataclasses.replace(outcome.job, patiently=True))
        if isinstance(outcome.error, ModelUnreachable):
            raise _Stop(f"{outcome.error} What is left stays pending; the same command goes on with it.")
        return outcome

    def _read(self, job: Job) -> Description:
        model = self._patient if self._patient is not None and job.patiently else self._model
        return read_element(model, job.element, job.image, context=job.context, language=job.language)

    def _hear(self, outcome: Outcome[Job, Description]) -> None:
        """Keep a reply, or record a failure."""
        match outcome.error:
            case None:
                assert outcome.result is not None
                reading = Reading(outcome.job.key, outcome.result, outcome.seconds)
                if patiently(lambda: self._store.ledger.keep(reading)):
                    self._settling.put(reading)
                else:
                    self._tally.add(gone=len(self._items[reading.key].elements))
            case ModelError() | InputError():
                self._fail(outcome)
            case UsageError():  # the model has gone from the server, or cannot do it after all
                raise _Stop(f"{outcome.error} What is left stays pending.") from outcome.error
            case _:
                raise outcome.error

    def _settled(self, readings: Sequence[Reading], count: int) -> None:
        wanted = sum(len(self._items[reading.key].elements) for reading in readings)
        done = min(count, wanted)  # fewer where a document went meanwhile, more where it has twins out of the scope
        verified = sum(len(self._items[r.key].elements) for r in readings if r.description.verified)
        self._tally.add(done=done, verified=min(verified, done), gone=wanted - done)

    def _fail(self, outcome: Outcome[Job, Description]) -> None:
        assert outcome.error is not None
        self._record(self._items[outcome.job.key], outcome.error, outcome.seconds)

    def _record(self, item: Item, error: Exception, seconds: float) -> None:
        name, reason = type(error).__name__, " ".join(str(error).split())
        count = patiently(lambda: self._store.ledger.failed(item.key, error=name, reason=reason, seconds=seconds))
        failed = min(count, len(item.elements))
        self._tally.failures.add(item.key)
        self._tally.add(failed=failed, gone=len(item.elements) - failed)

    def _jobs(self) -> Iterator[Job]:
        """What has to be asked, in the order of the papers; what is known already is settled on the way."""
        for item in self._items.values():
            known = self._store.ledger.known(item.key)
            if known is not None:
                self._settling.put(Reading(item.key, Description.from_dict(json.loads(known)), 0.0))
                self._tally.add(reused=len(item.elements))
                continue
            found = self._element(item)
            if found is None:
                self._tally.add(gone=len(item.elements))
                continue
            element, context, language = found
            picture = crop_file(self._crops, item.key.image)
            if is_blank(picture):
                self._store.ledger.forget(item.key)
                self._tally.add(gone=len(item.elements), blank=len(item.elements))
                continue
            try:
                image = picture.read_bytes()
            except OSError as exc:
                reason = f"The crop {item.key.image} cannot be read ({exc.strerror}): ingest its paper again."
                self._record(item, InputError(reason), 0.0)
                continue
            yield Job(item.key, element, image, context, language)

    def _element(self, item: Item) -> tuple[Element, str, str] | None:
        """An element that shows the item's crop, the sentences around it, and its paper's language; None when gone."""
        for document, _ in item.elements:
            try:
                elements, around, language = self._paper(document)
            except UnknownDocument:
                continue
            element = elements.get((item.key.image, item.key.kind))
            if element is not None:
                return element, around.get(element.id, ""), language
        return None

    def _read_paper(self, document: str) -> tuple[dict[tuple[str, str], Element], dict[str, str], str]:
        paper = self._store.paper(document)
        elements: dict[tuple[str, str], Element] = {(e.image, e.kind): e for e in reversed(paper.elements) if e.image}
        return elements, surroundings(paper), "fa" if paper.language == "fa" else "en"


def _next(jobs: Iterator[Job], count: int) -> Iterator[Job]:
    """Up to `count` more jobs."""
    for _ in range(count):
        job = next(jobs, None)
        if job is None:
            return
        yield job
