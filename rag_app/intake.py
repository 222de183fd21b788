"""Papers into the library: what is new is read, embedded and committed, one transaction a paper."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingestion.elements import Paper
from ingestion.reading import (
    ReadResult,
    find_files,
    forget_cached,
    parser_name,
    read_papers,
    scans_can_be_read_now,
    sha256_of,
)
from rag_app.embeddings import Embeddings
from rag_app.errors import InputError
from rag_app.imaging.filling import ImageSpaces
from rag_app.making import Made, make
from rag_app.originals import Originals
from rag_app.reports import DocumentReport
from rag_app.settings import Settings
from rag_app.store import Alias, DocumentInfo, Store
from rag_app.store.failures import os_errors
from rag_app.store.naming import place
from rag_app.store.replacing import flush_names
from rag_app.store.strangers import crop_file

CROPS, FILES, CACHE = "crops", "files", "cache"
_HASHING = 4  # files whose digests are taken at the same time: threads, the work is done in C

Progress = Callable[[int, int], None]  # pages done, pages known so far


@dataclass(frozen=True, slots=True)
class Parsed:
    """A paper as it is in another library: its kept copy, where it came from, and what models read in it."""

    paper: Paper
    copy: Path
    path: Path | None
    descriptions: Mapping[str, dict[str, Any]]  # Any: JSON


class Intake:
    """One ingestion. Call `take` under the store's writer lock."""

    def __init__(
        self, folder: Path, store: Store, embeddings: Embeddings, images: ImageSpaces, settings: Settings
    ) -> None:
        self.notes: list[str] = []  # what the user should know of how it went, a sentence each
        self._folder = folder
        self._settings = settings
        self._store = store
        self._embeddings = embeddings
        self._images = images
        self._originals = Originals(folder / FILES)
        self._parser = parser_name()
        self._before: dict[Path, tuple[int, ...] | None] = {}  # what the files were before they were read

    def take(
        self, paths: Iterable[str | Path], *, workers: int, password: str | None, on_progress: Progress | None
    ) -> list[DocumentReport]:
        """A report for each file, unchanged and unreadable ones first; see `Library.ingest`. workers 0: one a core."""
        reports: list[DocumentReport] = []
        fresh: dict[str, list[Path]] = {}
        found = find_files(paths)
        self._before = {path: _identity(path) for path in found}
        with ThreadPoolExecutor(_HASHING) as hashing:
            for path, sha256 in zip(found, hashing.map(_sha256_of, found), strict=True):
                self._look_at(path, sha256, fresh, reports)
        if fresh:
            reports += self._read(list(fresh.values()), workers or None, password, _summed(on_progress))
        return reports

    def _read(
        self,
        files: Sequence[Sequence[Path]],
        workers: int | None,
        password: str | None,
        heard: Callable[[Path, int, int], None],
    ) -> Iterator[DocumentReport]:
        """Read, embed and commit files; those of one inner sequence have the same content."""
        twins = {same[0]: same[1:] for same in files}
        read = self._read_on_cluster if self._settings.ingestion.ray else self._read_here
        with closing(read(list(twins), workers, password, heard)) as reading:
            for result in reading:
                taken = self._take(result)
                yield taken
                for twin in twins[result.path]:
                    if taken.error is not None:
                        error = f"{twin.name} has the same content as {result.path.name}. {taken.error}"
                        yield dataclasses.replace(taken, document=twin.name, error=error)
                        continue
                    assert taken.id is not None
                    self._store.add_alias(taken.id, twin)
                    yield _unchanged(self._store.find_document(taken.id))
        self._save()

    def _read_here(
        self, paths: Sequence[Path], workers: int | None, password: str | None, heard: Callable[[Path, int, int], None]
    ) -> Generator[ReadResult]:
        """In worker processes of this machine; the models load while the first pages are parsed."""
        with ThreadPoolExecutor(1) as loading:
            loaded = loading.submit(self._ready)

            def on_pages(path: Path, done: int, total: int) -> None:
                if loaded.done():
                    loaded.result()  # what it lacks is told as soon as it is known
                heard(path, done, total)

            reading = read_papers(
                paths,
                crops=self._folder / CROPS,
                cache=self._folder / CACHE,
                workers=workers,
                password=password,
                on_pages=on_pages,
            )
            with closing(reading):
                for result in reading:
                    loaded.result()
                    yield result

    def _read_on_cluster(
        self, paths: Sequence[Path], workers: int | None, password: str | None, heard: Callable[[Path, int, int], None]
    ) -> Generator[ReadResult]:
        """On the nodes of a Ray cluster, where the papers are embedded too."""
        from rag_app.cluster.node import Recipe
        from rag_app.cluster.reading import read_on_cluster

        def recipe() -> Recipe:
            return Recipe(
                tuple(filled.space.name for filled in self._embeddings.filled()),
                tuple(filled.space.name for filled in self._images.filled()),
                self._settings,
            )

        def on_repeated(count: int) -> None:
            if count:
                batches = "1 batch was" if count == 1 else f"{count} batches were"
                self.notes.append(f"Workers of the cluster were lost; {batches} done again by others.")

        return read_on_cluster(
            paths,
            address=self._settings.ingestion.ray,
            workers=workers,
            crops=self._folder / CROPS,
            cache=self._folder / CACHE,
            password=password,
            recipe=recipe,
            known=self._store.known_descriptions,
            on_pages=heard,
            on_repeated=on_repeated,
        )

    def take_parsed(self, taken: Sequence[Parsed], on_progress: Progress | None) -> None:
        """Embed and commit papers that were parsed before. on_progress: papers done, in all."""
        self._ready()
        for done, one in enumerate(taken, start=1):
            self._commit(one.paper, self.make(one.paper, one.descriptions), one.copy, one.path, seconds=0.0)
            if on_progress is not None:
                on_progress(done, len(taken))
        self._save()

    def _flush_crops(self) -> None:
        """Before a commit names them: the crops, which were flushed one by one, are there after a power cut."""
        with os_errors(self._folder):
            if (self._folder / CROPS).is_dir():
                flush_names(self._folder / CROPS)
                flush_names(self._folder)

    def _save(self) -> None:
        self._store.fold_words()
        for filled in self._embeddings.filled():
            filled.space.save()
        self._images.save()

    def _ready(self) -> None:
        """Load the models; raises what they lack."""
        self._embeddings.ready()
        self._images.ready()

    def _look_at(
        self, path: Path, sha256: str | InputError, fresh: dict[str, list[Path]], reports: list[DocumentReport]
    ) -> None:
        """Sort a file into those to read, by content, or report it as unchanged or unreadable."""
        if isinstance(sha256, InputError):
            reports.append(DocumentReport(path.name, None, 0, {}, error=str(sha256)))
        elif self._store.has(sha256, parser=self._parser) and self._is_whole(info := self._store.find_document(sha256)):
            if Alias(path.name, place(path)) in info.aliases:
                reports.append(_unchanged(info))
            else:
                self._store.add_alias(sha256, path)
                reports.append(_unchanged(self._store.find_document(sha256)))
        else:
            fresh.setdefault(sha256, []).append(path)

    def _is_whole(self, info: DocumentInfo) -> bool:
        """Whether a document's files are there, and its pages are read as today's OCR would read them."""
        if self._originals.find(info.document_id) is None:
            return False
        if not all((self._folder / CROPS / name).is_file() for name in self._store.crops(info.document_id)):
            return False
        return not scans_can_be_read_now(info.problems)

    def _take(self, result: ReadResult) -> DocumentReport:
        """Embed and commit one paper that was read."""
        if result.paper is None:
            return DocumentReport(result.path.name, None, 0, {}, error=str(result.error), seconds=result.seconds)
        began = time.perf_counter()
        made = result.made or self.make(result.paper, self._store.known_descriptions(result.paper))
        seconds = result.seconds + time.perf_counter() - began
        try:
            self._assert_unchanged(result.path, result.paper.sha256)
            return self._commit(result.paper, made, result.path, result.path, seconds=seconds)
        except InputError as exc:
            return DocumentReport(result.path.name, None, 0, {}, error=str(exc), seconds=result.seconds)

    def _assert_unchanged(self, path: Path, sha256: str) -> None:
        """Raises InputError when a file was written after its digest was begun, even if it is now as it was.

        Its pages may then be of something else: what was kept of them goes.
        """
        if _identity(path) != self._before[path]:
            forget_cached(self._folder / CACHE, sha256)
            raise InputError(f"{path.name} changed while it was read: run the command again.")

    def make(self, paper: Paper, descriptions: Mapping[str, dict[str, Any]]) -> Made:  # Any: JSON
        """The nodes of a paper, and their vectors in the filled spaces. descriptions: see KnownDescriptions."""
        return make(
            paper,
            {filled.space.name: filled.embedding for filled in self._embeddings.filled()},
            {filled.space.name: filled.embedding for filled in self._images.filled()},
            crop=lambda name: crop_file(self._folder / CROPS, name),
            chunk_tokens=self._settings.ingestion.chunk_tokens,
            descriptions=descriptions,
        )

    def _commit(self, paper: Paper, made: Made, file: Path, path: Path | None, *, seconds: float) -> DocumentReport:
        """Commit a paper; InputError when `file`, of which a copy is kept, has changed. path: as read."""
        began = time.perf_counter()
        self._originals.keep(file, paper.sha256)
        self._flush_crops()
        seconds += time.perf_counter() - began
        committed = self._store.commit(paper, made.nodes, made.vectors, path=path, seconds=seconds)
        if self._store.active_space("text") not in made.vectors:  # another process has just let another space answer
            self._embeddings.complete(committed.rows)
        forget_cached(self._folder / CACHE, paper.sha256)
        for replaced in committed.replaced:
            self._originals.drop(replaced)
        counts = Counter(node.metadata["kind"] for node in made.nodes)
        return DocumentReport(
            committed.name, paper.sha256, len(paper.pages), dict(counts), paper.problems, seconds=seconds
        )


def _unchanged(info: DocumentInfo) -> DocumentReport:
    return DocumentReport(info.name, info.document_id, info.pages, info.nodes, info.problems, skipped=True)


def _sha256_of(path: Path) -> str | InputError:
    """The digest of a file, or why it cannot be read."""
    try:
        return sha256_of(path)
    except InputError as exc:
        return exc


def _identity(path: Path) -> tuple[int, ...] | None:
    """Changes whenever a file is written: ctime, unlike mtime, cannot be set back. None when it cannot be reached."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _summed(on_progress: Progress | None) -> Callable[[Path, int, int], None]:
    """Progress over all files from the progress of each."""
    pages: dict[Path, tuple[int, int]] = {}

    def heard(path: Path, done: int, total: int) -> None:
        pages[path] = (done, total)
        if on_progress is not None:
            on_progress(sum(d for d, _ in pages.values()), sum(t for _, t in pages.values()))

    return heard
