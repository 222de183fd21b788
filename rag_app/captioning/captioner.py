"""The way of a caption: pictures found, what is left to ask planned, models asked one after another, rows written.

Each model is asked for everything before the next one is, so that a server loads each model once. Rows are written as
they come, by this thread alone; a kill loses what is being asked and nothing else.
"""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

from ingestion.limits import Limits
from rag_app.captioning.asking import ask_for_captions, translate_captions
from rag_app.captioning.language import LANGUAGES, Language
from rag_app.captioning.pictures import find_pictures, look_at, read_picture
from rag_app.captioning.planning import Job, Key, copy_of, good_rows, plan, row_key
from rag_app.captioning.prompts import Subject, version
from rag_app.captioning.records import CaptionFile, CaptionRow
from rag_app.errors import InputError, UsageError
from rag_app.models import LanguageModel

GIVE_UP_AFTER = 3  # requests in a row that reached no server, after which a model's other work is left undone


@dataclass(frozen=True, slots=True)
class Failure:
    """One row that has no caption. reason: as CaptionRow.failed."""

    image: str
    language: str
    reason: str
    error: str


@dataclass(slots=True)
class ModelReport:
    """What one model did in a run. left: not asked, because `stopped` says why."""

    model: str
    done: int = 0
    unchanged: int = 0
    failures: list[Failure] = field(default_factory=list)
    left: int = 0
    seconds: float = 0.0
    stopped: str | None = None

    @property
    def reasons(self) -> dict[str, int]:
        """How many failed for each reason, the most frequent first."""
        return dict(Counter(failure.reason for failure in self.failures).most_common())


@dataclass(frozen=True, slots=True)
class CaptionReport:
    """What a run did: done + unchanged + failures + left = pictures x models x languages."""

    out: Path
    pictures: int
    languages: tuple[Language, ...]
    models: tuple[ModelReport, ...]
    seconds: float

    @property
    def missing(self) -> int:
        """How many have no caption after this run, those left unasked included."""
        return sum(len(model.failures) + model.left for model in self.models)

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        """As `rag-app caption --json` prints it."""
        return {
            "out": str(self.out),
            "pictures": self.pictures,
            "languages": list(self.languages),
            "models": [dataclasses.asdict(model) | {"failed": model.reasons} for model in self.models],
            "seconds": round(self.seconds, 3),
        }


def caption(
    paths: Sequence[str | Path],
    models: Sequence[LanguageModel | str],
    languages: Sequence[str] = LANGUAGES,
    *,
    out: Path,
    translate: bool = False,
    again: bool = False,
    subject: Subject = "scene",
    parallel: int = 1,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> CaptionReport:
    """Write captions of every picture by every model in every language to the JSON Lines file `out`.

    What `out` already holds for the same picture (by content), model, language and prompt version is not asked again;
    what failed is. A picture that cannot be read, or a caption that fails its checks three times, is a row with its
    reason, and the run goes on.

    Args:
        paths: picture files and folders, which are searched to the bottom.
        models: or their names, which are loaded with default settings. Asked in this order, each for all pictures
            before the next.
        languages: "en", "fa" or both. Persian is asked for in Persian.
        translate: make the Persian captions by translating the same model's English ones; their rows say so.
        again: ask for everything again; good rows stay until better ones come.
        subject: what the pictures show, and so what is asked: scenes of any kind, or medical images.
        parallel: requests at the same time, no more than the server works on at once.
        on_progress: called with captions settled and captions to be made in this run.

    Raises:
        UsageError: no model, an unknown language, or `out` cannot be written.
        InputError: a path does not exist, or `out` holds something else.
        UnknownName, ModelError: a model that has work to do cannot be used; nothing has been asked then.
    """
    started = time.perf_counter()
    wanted = _languages(languages, translate=translate)
    if not models:
        raise UsageError("No model is named; name one that sees pictures, such as --vision qwen2.5vl:7b.")
    distinct = list({model.name: model for model in map(_loaded, models)}.values())
    limits = Limits()
    out = Path(out)
    pictures = [look_at(path, beside=out.parent, limits=limits) for path in find_pictures([Path(p) for p in paths])]
    with CaptionFile(out) as file:
        reports = [ModelReport(model.name) for model in distinct]
        plans = [
            plan(file.rows, m.name, pictures, wanted, translate=translate, again=again, subject=subject)
            for m in distinct
        ]
        for model, todo in zip(distinct, plans, strict=True):
            if todo.jobs:
                model.check(pictures=True)
        progress = _Progress(sum(len(job.pictures) for todo in plans for job in todo.jobs), on_progress)
        for model, todo, report in zip(distinct, plans, reports, strict=True):
            report.unchanged = todo.unchanged
            for row in todo.copies:
                file.append(row)
            _run(model, todo.jobs, report, file, progress, limits=limits, parallel=parallel, subject=subject)
    return CaptionReport(out, len(pictures), wanted, tuple(reports), time.perf_counter() - started)


def _loaded(model: LanguageModel | str) -> LanguageModel:
    if not isinstance(model, str):
        return model
    from adapters.names import load_model, parse_model_name

    return load_model("vision", parse_model_name(model))


def _languages(languages: Sequence[str], *, translate: bool) -> tuple[Language, ...]:
    """The languages asked for, English first, so that it is there to be translated."""
    for name in languages:
        if name not in LANGUAGES:
            raise UsageError(f"Captions are made in {' and '.join(LANGUAGES)}, not in {name!r}.")
    wanted: tuple[Language, ...] = tuple(language for language in LANGUAGES if language in languages)
    if not wanted:
        raise UsageError(f"No language is named; the languages are {', '.join(LANGUAGES)}.")
    if translate and wanted != LANGUAGES:
        raise UsageError("Translation makes the Persian captions from the English ones: ask for both, en,fa.")
    return wanted


def _do(
    job: Job, model: LanguageModel, limits: Limits, english: Mapping[Key, Sequence[CaptionRow]], subject: Subject
) -> CaptionRow:
    """The row of a job's first picture; several threads do this at once. `english`: what there is to translate."""
    picture = job.pictures[0]
    blank = CaptionRow(
        image=picture.name,
        sha256=picture.sha256,
        model=model.name,
        language=job.language,
        prompt_version=version(translated=job.translated, subject=subject),
        translated_from="en" if job.translated else None,
    )
    if picture.problem:
        return dataclasses.replace(blank, failed="picture", error=picture.problem)
    if job.translated:
        rows = english.get(row_key(picture.sha256, "en", translated=False, subject=subject))
        if not rows:
            error = f"{model.name} has given no English caption of this picture that could be translated."
            return dataclasses.replace(blank, failed="english", error=error)
        return translate_captions(model, rows[-1], blank)
    try:
        content = read_picture(picture.path, limits=limits)
    except InputError as exc:
        return dataclasses.replace(blank, failed="picture", error=str(exc))
    return ask_for_captions(model, content, blank, subject=subject)


class _Progress:
    def __init__(self, total: int, tell: Callable[[int, int], None]) -> None:
        self._done, self._total, self._tell = 0, total, tell
        tell(0, total)

    def add(self, count: int) -> None:
        self._done += count
        self._tell(self._done, self._total)


def _run(
    model: LanguageModel,
    jobs: Sequence[Job],
    report: ModelReport,
    file: CaptionFile,
    progress: _Progress,
    *,
    limits: Limits,
    parallel: int,
    subject: Subject,
) -> None:
    """Do a model's jobs, those that translate after those that they translate from."""
    began = time.perf_counter()
    for translated in (False, True):
        batch = [job for job in jobs if job.translated == translated]
        undone = {id(job): len(job.pictures) for job in batch}
        unreachable = 0
        english = good_rows(file.rows, model.name) if translated else {}
        for job, row in (
            _outcomes(model, batch, limits, english, parallel=parallel, subject=subject)
            if report.stopped is None
            else ()
        ):
            for picture in job.pictures:
                written = row if picture is job.pictures[0] else copy_of(row, picture)
                file.append(written)
                if written.failed and written.error:
                    report.failures.append(Failure(written.image, written.language, written.failed, written.error))
                else:
                    report.done += 1
            progress.add(undone.pop(id(job)))
            unreachable = unreachable + 1 if row.failed == "unreachable" else 0
            if row.failed == "unusable" or unreachable == GIVE_UP_AFTER:
                report.stopped = row.error
                break
        report.left += sum(undone.values())
    report.seconds = time.perf_counter() - began


def _outcomes(
    model: LanguageModel,
    jobs: Sequence[Job],
    limits: Limits,
    english: Mapping[Key, Sequence[CaptionRow]],
    *,
    parallel: int,
    subject: Subject,
) -> Iterator[tuple[Job, CaptionRow]]:
    """Jobs with their rows as they come; no more are begun than are written, but for `parallel`.

    The threads are daemons: an interrupted run ends at once, whatever a server is doing.
    """
    workers = max(1, min(parallel, len(jobs)))
    places, over = threading.Semaphore(workers), threading.Event()

    def work(job: Job) -> tuple[Job, CaptionRow] | None:
        places.acquire()
        try:
            return None if over.is_set() else (job, _do(job, model, limits, english, subject))
        except asyncio.CancelledError:  # the process is ending and gives up its requests; the job counts as left
            return None

    with ThreadPool(workers) as pool:
        try:
            for outcome in pool.imap_unordered(work, jobs):
                if outcome is not None:
                    yield outcome
                places.release()
        finally:
            over.set()
            places.release(workers)
