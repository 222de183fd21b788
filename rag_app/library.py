"""THE FILE TO READ: a library of papers, stop by stop.

    read     read_papers       file -> Paper            ingestion.reading, in worker processes
    nodes    paper_nodes       Paper -> embedded nodes  ingestion.pipeline, a LlamaIndex IngestionPipeline
    commit   Store.commit      nodes -> SQLite          rag_app.store, one transaction a paper
    describe Describing        crops -> descriptions    rag_app.describing, by a vision model, when asked for
    find     HybridRetriever   question -> hits         rag_app.retrieval
    answer   PaperQueryEngine  hits -> checked Answer   rag_app.answering, rag_app.citations

A library is one folder: library.sqlite is the truth; spaces/ (FAISS) is derived from it; crops/ and files/ hold
pictures and the originals; settings.toml is the user's.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from adapters.limits import limited, limits_of
from adapters.names import Role, load_model, parse_model_name
from ingestion.elements import Paper
from rag_app.embeddings import Embeddings, languages_of
from rag_app.errors import DiskFull, LibraryBusy, LibraryDamaged, RagAppError, UsageError, VectorsUnavailable
from rag_app.imaging.filling import ImageSpaces
from rag_app.intake import CROPS, FILES, Intake, Parsed
from rag_app.originals import Originals, share_files
from rag_app.reports import (
    DescribeReport,
    IngestReport,
    LibraryStatus,
    ReembedReport,
    RepairReport,
    SearchResult,
    search_hit,
)
from rag_app.settings import Settings
from rag_app.status import library_status
from rag_app.store import DocumentInfo, Filter, Store
from rag_app.vectors.choosing import Vectors

if TYPE_CHECKING:
    from llama_index.core.base.embeddings.base import BaseEmbedding

    from rag_app.answering.answer import Answer
    from rag_app.answering.chat_engine import PaperChatEngine
    from rag_app.answering.engine import PaperQueryEngine
    from rag_app.describing.planning import Only
    from rag_app.evidence import Answerer, Passage
    from rag_app.exchange.exporting import ExportReport
    from rag_app.exchange.importing import ImportReport
    from rag_app.imaging.figures import Figures
    from rag_app.imaging.pairs import CaptionedFigure
    from rag_app.imaging.records import CaptionsReport, ImageIndexReport, ImageResult
    from rag_app.imaging.search import ImageSearch
    from rag_app.models import LanguageModel
    from rag_app.retrieval.retriever import HybridRetriever
    from rag_app.retrieval.scoring import Weights
    from rag_app.soundness import CheckReport
    from rag_app.store.backup import Backup
    from rag_app.store.vacuum import Vacuumed

DEFAULT_FOLDER = "rag_library"
ANSWER_LANGUAGES = ("en", "fa")


class Library:
    """A folder of papers that can be asked. Use `Library.open`; close it, or use it as a context."""

    def __init__(self, path: Path, store: Store, settings: Settings) -> None:
        self.path = path
        self.settings = settings
        self._store = store
        self._vectors = Vectors(store, settings)
        self._embeddings = Embeddings(path, store, settings, self._vectors.space)
        self._images = ImageSpaces(path, store, settings, self._vectors.space)
        self._image_search: ImageSearch | None = None

    @classmethod
    def open(
        cls,
        path: str | Path | None = None,
        *,
        settings: Settings | None = None,
        create: bool = True,
        read_only: bool = False,
    ) -> Self:
        """The library in folder `path`; `$RAG_APP_LIBRARY` or ./rag_library when None.

        Opening costs milliseconds however large it is: indexes and models load at first use. Raises LibraryNotFound
        when it is missing and not `create`, LibraryDamaged, LibraryTooNew, SettingsError.
        """
        folder = Path(path or os.environ.get("RAG_APP_LIBRARY") or DEFAULT_FOLDER)
        store = Store.open(folder, create=create, read_only=read_only)
        try:
            return cls(folder, store, settings or Settings.load(folder))
        except RagAppError:
            store.close()
            raise

    @property
    def read_only(self) -> bool:
        """Whether nothing can be added to it or changed in it."""
        return self._store.read_only

    def close(self) -> None:
        """Close the files. The library cannot be used afterwards."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- papers in and out ------------------------------------------------------------------------------------------

    def ingest(
        self,
        paths: str | Path | Iterable[str | Path],
        *,
        workers: int | None = None,
        password: str | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> IngestReport:
        """Read PDFs, pictures and folders of them in; each paper is searchable as soon as it is committed.

        A file that is there unchanged costs its hash; a changed one replaces its old version in one transaction. What
        cannot be read is in the report, the rest goes on. It can be interrupted anywhere and called again.

        Args:
            workers: processes that parse; settings.ingestion.workers when None, one a core when that is 0.
            password: tried on PDFs that need one.
            on_progress: called with pages done and pages known so far.

        Raises LibraryBusy, LibraryReadOnly, DiskFull, WeightsMissing before or between papers, never inside one.
        """
        started = time.perf_counter()
        given = [paths] if isinstance(paths, str | Path) else list(paths)
        intake = self._intake()
        with self._store.write_lock():
            reports = intake.take(
                given, workers=workers or self.settings.ingestion.workers, password=password, on_progress=on_progress
            )
        note = " ".join([*intake.notes, *filter(None, [self._note()])]) or None
        return IngestReport(tuple(reports), time.perf_counter() - started, note)

    def remake(
        self, folder: str | Path, *, settings: Settings, on_progress: Callable[[int, int], None] | None = None
    ) -> None:
        """The same papers in a new library in `folder` under other settings, from what was parsed before.

        Passages and vectors are made anew; what models have read is taken over, stored captions are not. on_progress:
        called with papers done and in all. Raises UsageError when there is a library already, LibraryDamaged when a
        stored copy is gone, WeightsMissing, DiskFull.
        """
        if (Path(folder) / "library.sqlite").exists():
            raise UsageError(f"There is a library in {folder} already: name a new folder.")
        with Library.open(folder, settings=settings) as made, made._store.write_lock():
            share_files(self.path / CROPS, made.path / CROPS)
            made._intake().take_parsed([self._parsed(info) for info in self.documents()], on_progress)

    def reembed(self, *, on_progress: Callable[[int, int], None] | None = None) -> ReembedReport:
        """Embed every node with the model that settings.models.text_embedding names, then answer from its vectors.

        Until then questions are answered as before. It can be interrupted anywhere and called again, and papers may
        come in meanwhile. on_progress: called with nodes done and nodes in all.
        """
        return self._embeddings.reembed(on_progress)

    def index_images(self, *, on_progress: Callable[[int, int], None] | None = None) -> ImageIndexReport:
        """Give every figure a vector by the model that settings.models.image_embedding names, then search with those.

        As `reembed`: until then images are found as before. on_progress: called with pictures done and in all.
        Raises WeightsMissing before anything is changed.
        """
        return self._images.index(on_progress)

    def add_captions(self, path: str | Path) -> CaptionsReport:
        """Store the captions in a JSON Lines file below the figures that show their pictures, to be found by them.

        The file is what `rag-app caption` writes, or lines such as {"image": "a.jpg", "captions": ["A cat."]}, paths
        being relative to it. Pictures are told by their content. Raises InputError, LibraryBusy, WeightsMissing.
        """
        from rag_app.imaging.captions import store_captions

        return store_captions(Path(path), self._store, self._embeddings)

    # --- describing -------------------------------------------------------------------------------------------------

    def describe(
        self,
        model: str | None = None,
        *,
        papers: Sequence[str] = (),
        kinds: Sequence[str] = (),
        only: Only | None = None,
        parallel: int | None = None,
        on_progress: Callable[[int, int, int], None] | None = None,
    ) -> DescribeReport:
        """Let a vision model read the figures, tables and formulas; each is searchable as soon as it is read.

        What this model has described with today's prompt is not asked again. A failed call is in the report and the
        rest goes on; it can be interrupted anywhere and called again. Papers may come and go meanwhile.

        Args:
            model: name of a vision model; settings.models.vision when None.
            papers: only these documents, by name or id. kinds: only these, of "figure", "table", "formula".
            only: "unverified": what has an unverified description, to be read by another model. "failed": what has none
                though a model was asked; each is asked of the model that failed, where `model` is None.
            parallel: questions at the same time; as many as the servers of the model are given when None.
            on_progress: called with elements done, in all, and failed; from two threads, one after the other.

        Raises, before any work, LibraryBusy when another process describes this library, UsageError without a model,
        ModelUnreachable, ModelNotInstalled, ModelUnsuitable; and LibraryReadOnly, DiskFull.
        """
        from rag_app.describing.planning import Scope
        from rag_app.describing.runner import Describing

        limits = limits_of(parse_model_name(model or self.settings.models.vision), self.settings)
        at_once = parallel or limits.at_once
        documents = tuple(self._store.find_document(paper).document_id for paper in papers)
        name = model or (None if only == "failed" else self.settings.models.vision)

        def described(load: Callable[[str, int], LanguageModel], parallel: int) -> DescribeReport:
            describing = Describing(
                self.path, self._store, load=load, vectors=self._embeddings, parallel=parallel, retries=limits.retries
            )
            return describing.run(name, Scope(documents, tuple(kinds), only), on_progress)

        def load(name: str, retries: int) -> LanguageModel:
            return self.vision_model(name, parallel=at_once, retries=retries)

        if not self.settings.ingestion.ray:
            return described(load, at_once)
        from rag_app.cluster.asking import AskingNodes

        with AskingNodes(self.settings, load, each=at_once) as nodes:
            return dataclasses.replace(described(nodes.model, nodes.parallel), note=nodes.note)

    def retry(
        self, model: str | None = None, *, on_progress: Callable[[int, int, int], None] | None = None
    ) -> DescribeReport:
        """Ask again about what could not be described: by the model that failed, or by `model`."""
        return self.describe(model, only="failed", on_progress=on_progress)

    def vision_model(
        self, name: str | None = None, *, parallel: int | None = None, retries: int | None = None
    ) -> LanguageModel:
        """The vision model of that name, settings.models.vision when None. Raises UsageError for the builtin one.

        parallel: questions at the same time, over all its servers. parallel and retries: instead of the settings'.
        """
        chosen = name or self.settings.models.vision
        parsed = parse_model_name(chosen)
        if parsed.scheme == "builtin":
            raise UsageError(
                "No vision model is named, and the builtin models describe nothing. Name one: rag-app describe --with "
                f"qwen2.5vl:7b, or set models.vision in {self.path / 'settings.toml'}."
            )
        return load_model("vision", parsed, limited(parsed, self.settings, at_once=parallel, retries=retries))

    def remove(self, document: str) -> int:
        """Take a document out, by name or id, with its crops and stored copy; returns how many nodes it had.

        Your own file is left alone. Raises UnknownDocument with the nearest names.
        """
        info = self._store.find_document(document)
        with self._store.write_lock():
            count = self._store.remove_with_crops(info.document_id)
            Originals(self.path / FILES).drop(info.document_id)
        return count

    def repair(self) -> RepairReport:
        """Check everything and make anew what is derived: full text, indexes, leftover files."""
        from rag_app.mending import mend_files

        with self._store.write_lock():
            before = self._store.integrity()
            found = [*before.damage]
            found += [f"The crop {name} is missing: ingest its paper again." for name in before.missing_crops]
            found += [f"The stored copy of {name} is missing: ingest it again." for name in before.missing_files]
            found += [f"{name} is needed by no document." for name in before.orphans]
            changed, mended = mend_files(self.path, self._store)
            done = [*mended, *self._store.repair()]
            unreachable: list[str] = []
            for info in self._store.spaces():
                try:
                    self._vectors.space(info.name).rebuild()
                except VectorsUnavailable as exc:
                    unreachable.append(str(exc))
                else:
                    done.append(f"The index of {info.name} was built anew ({info.vectors} vectors).")
            after = self._store.integrity()
            left, _ = mend_files(self.path, self._store) if changed else ([], [])
        found += [*changed, *dict.fromkeys(unreachable)]
        return RepairReport(tuple(found), tuple(done), sound=after.sound and not (unreachable or left))

    def check(self, *, on_progress: Callable[[str, int, int], None] | None = None) -> CheckReport:
        """Read everything and compare every part with the others; nothing is changed.

        SQLite's pages and links, checksums of nodes and vectors, lengths of vectors, the full text against the nodes,
        crops and originals by their digests, the indexes against the vectors. Works while another process ingests.
        on_progress: called with what is counted ("vectors", "files"), how many are done, and in all; 0 in all where
        nobody knows how far it is.
        """
        from rag_app.soundness import check

        with Library.open(self.path, settings=self.settings, create=False, read_only=True) as reader:
            return check(reader._store, reader._vectors.space, on_progress=on_progress)

    def backup(self, folder: str | Path, *, on_progress: Callable[[str, int, int], None] | None = None) -> Backup:
        """Copy the library as it is at one moment into a new folder, which can be opened as it is.

        Works while others read and write it. It can be interrupted, and called again with the same folder. on_progress:
        called with what is counted ("files", "bytes"), how many are done, and in all. Raises UsageError when the folder
        holds something else, DiskFull, LibraryReadOnly.
        """
        return self._store.backup(Path(folder), on_progress=on_progress)

    def export(
        self,
        folder: str | Path,
        *,
        format: Literal["parquet", "jsonl"] = "parquet",
        on_progress: Callable[[str, int, int], None] | None = None,
    ) -> ExportReport:
        """Write the library, as it is at one moment, into a new folder in open formats; docs/exchange.md says which.

        Works while others read and write it. on_progress: called with what is counted ("files" or a table's name), how
        many are done, and in all. Raises UsageError when the folder holds something else or pyarrow is not there for
        Parquet, DiskFull, LibraryReadOnly, LibraryDamaged.
        """
        from rag_app.exchange.exporting import export

        return export(self._store, Path(folder), format=format, on_progress=on_progress)

    @classmethod
    def import_(
        cls,
        folder: str | Path,
        library: str | Path,
        *,
        on_progress: Callable[[str, int, int], None] | None = None,
    ) -> ImportReport:
        """Make the new library `library` of what `export` wrote into `folder`, checked; all of it or nothing.

        The stranger who may have written it can name no file outside of it. on_progress: as in `export`. Raises
        UsageError when there is a library already, InputError when the export is not whole, DiskFull, LibraryReadOnly.
        """
        from rag_app.exchange.importing import import_

        done = import_(Path(folder), Path(library), on_progress=on_progress)
        with cls.open(library, create=False) as made, made._store.write_lock():
            made._store.fold_words()
            for info in made._store.spaces():
                made._vectors.space(info.name).save()
        return done

    def vacuum(self) -> Vacuumed:
        """Give back the room that removed papers have left, in SQLite's file and in the indexes.

        Readers go on meanwhile. Takes room for two more copies of library.sqlite. Raises LibraryBusy while another
        process ingests or describes, LibraryReadOnly, DiskFull before any change.
        """
        with self._store.write_lock():
            done = self._store.vacuum()
            for info in self._store.spaces():
                self._vectors.space(info.name).save(whole=True)
        return done

    # --- asking -----------------------------------------------------------------------------------------------------

    def ask(
        self,
        question: str,
        *,
        k: int = 8,
        answer: str | None = None,
        papers: Sequence[str] = (),
        pages: Sequence[int] = (),
        kinds: Sequence[str] = (),
        language: str | None = None,
        on_text: Callable[[str], None] | None = None,
    ) -> Answer:
        """The answer to one question, with checked citations, or a refusal; it is saved in the library.

        Args:
            k: passages the answer may rest on.
            answer: name of the model that answers; settings.models.answer when None.
            papers: only these documents, by name or id. pages: only these, 1-based. kinds: only these.
            language: of the answer, "en" or "fa"; the question's when None. The builtin answerer quotes, and so keeps
                the papers' language.
            on_text: called with each new piece of the draft while a language model writes it, before it is checked.
        """
        engine = self.as_query_engine(k=k, answer=answer, papers=papers, pages=pages, kinds=kinds, language=language)
        return engine.answer(question, on_text=on_text)

    def search(
        self,
        text: str,
        *,
        k: int = 10,
        papers: Sequence[str] = (),
        pages: Sequence[int] = (),
        kinds: Sequence[str] = (),
    ) -> SearchResult:
        """The `k` best passages, tables, formulas and figures for a text; filters as in `ask`."""
        started = time.perf_counter()
        found = self.as_retriever(k=k, papers=papers, pages=pages, kinds=kinds).find(text)
        seconds = {**found.seconds, "total": time.perf_counter() - started}
        return SearchResult(text, tuple(search_hit(hit.passage(), hit.parts) for hit in found.hits), seconds)

    def search_images(
        self,
        text: str | None = None,
        *,
        image: str | Path | bytes | None = None,
        without: str | None = None,
        k: int = 10,
        papers: Sequence[str] = (),
        pages: Sequence[int] = (),
        kinds: Sequence[str] = ("figure",),
        folders: Sequence[str | Path] = (),
    ) -> ImageResult:
        """The `k` best images for words, for a picture, or for both; near-duplicates stand under the best of them.

        Args:
            text: what is shown, or with `image` how it is to differ: "like this, but a line chart".
            image: a picture file, or an encoded picture; it need not be in the library.
            without: words for what must not be shown.
            folders: only images read from files below these. The other filters are as in `ask`.
        """
        from rag_app.imaging.search import ImageSearch

        if self._image_search is None:
            self._image_search = ImageSearch(
                self._store, self.path / "crops", self._images.answering, self._embeddings.answering
            )
        return self._image_search.search(
            text,
            image=Path(image) if isinstance(image, str) else image,
            without=without,
            k=k,
            filter=self._filter(papers, pages, kinds, folders),
        )

    def as_retriever(
        self,
        *,
        k: int = 8,
        papers: Sequence[str] = (),
        pages: Sequence[int] = (),
        kinds: Sequence[str] = (),
        weights: Weights | None = None,
        halves: Collection[str] | None = None,
    ) -> HybridRetriever:
        """A LlamaIndex retriever over this library; filters as in `ask`.

        weights: of the parts of a score; the tuned ones times the factors in settings.search when None. halves:
        those of `rag_app.retrieval.retriever.HALVES` that take part, all when None.
        """
        from rag_app.retrieval.retriever import HALVES, HybridRetriever
        from rag_app.retrieval.scoring import Weights

        embedding, space = self._embeddings.answering()
        return HybridRetriever(
            self._store,
            space,
            embedding if space else None,
            k=k,
            filter=self._filter(papers, pages, kinds),
            weights=weights or Weights().times(dataclasses.asdict(self.settings.search)),
            halves=HALVES if halves is None else halves,
            languages=languages_of(embedding),
            pictures=self._images.for_questions if self._images.take_words() else None,
        )

    def text_embedding(self) -> BaseEmbedding:
        """The LlamaIndex embedding that questions are compared with now; see `reembed`."""
        return self._embeddings.answering()[0]

    def as_query_engine(
        self,
        *,
        k: int = 8,
        answer: str | None = None,
        papers: Sequence[str] = (),
        pages: Sequence[int] = (),
        kinds: Sequence[str] = (),
        language: str | None = None,
        streaming: bool = False,
    ) -> PaperQueryEngine:
        """A LlamaIndex query engine over this library; arguments as in `ask`, streaming as in PaperQueryEngine.

        `engine.use(answer="ollama:gemma3:4b")` lets another model answer from the next question on.
        """
        from rag_app.answering.engine import PaperQueryEngine

        return PaperQueryEngine(
            self.as_retriever(k=k, papers=papers, pages=pages, kinds=kinds),
            self._answerer(answer or self.settings.models.answer),
            models={"text_embedding": self._embeddings.answering()[0].model_name},
            language=_answer_language(language),
            streaming=streaming,
            on_answer=self._saved,
            resolve=self._answerer,
        )

    def as_chat_engine(
        self,
        *,
        k: int = 8,
        answer: str | None = None,
        papers: Sequence[str] = (),
        pages: Sequence[int] = (),
        kinds: Sequence[str] = (),
        language: str | None = None,
    ) -> PaperChatEngine:
        """A LlamaIndex chat engine over this library, which understands follow-up questions; arguments as in `ask`."""
        from rag_app.answering.chat_engine import PaperChatEngine

        return PaperChatEngine(
            self.as_query_engine(k=k, answer=answer, papers=papers, pages=pages, kinds=kinds, language=language)
        )

    def _answerer(self, name: str) -> Answerer:
        """Who answers under this model name: the builtin answerer, or a language model that writes from evidence."""
        model, parsed = self._model("answer", name), parse_model_name(name)
        if parsed.scheme == "builtin":
            return model
        from rag_app.answering.pictures import LibraryPictures
        from rag_app.answering.writer import ModelAnswerer

        context_tokens = limits_of(parsed, self.settings).context_tokens
        return ModelAnswerer(model, pictures=LibraryPictures(self.path), context_tokens=context_tokens)

    def _saved(self, answer: Answer) -> Answer:
        from rag_app.answering.engine import with_id

        if self._store.read_only:
            return answer
        try:
            return with_id(answer, self._store.save_answer(answer.question, answer.to_dict()))
        except (DiskFull, LibraryBusy):  # an answer that cannot be kept is still an answer; without an id, not saved
            return answer

    # --- looking ----------------------------------------------------------------------------------------------------

    def documents(self) -> list[DocumentInfo]:
        """The documents in the order they came."""
        return self._store.documents()

    def paper(self, document: str) -> Paper:
        """A document as parsed, by name or id."""
        return self._store.paper(document)

    def passages(self, node_ids: Sequence[str]) -> list[Passage]:
        """The nodes of these ids, in this order; one that is not in the library is left out."""
        from rag_app.retrieval.passages import Hit

        rows = self._store.rows_of(node_ids)
        stored = self._store.nodes([rows[node_id] for node_id in node_ids if node_id in rows])
        return [Hit(node, 0.0, ()).passage() for node in stored]

    def passages_of(self, paper: str, *, kinds: Sequence[str] = ()) -> list[Passage]:
        """The nodes of a document, by name or id, in reading order; only of these kinds, where any is named."""
        from rag_app.retrieval.passages import Hit

        rows = self._store.row_ids(self._filter([paper], (), kinds))
        return [Hit(node, 0.0, ()).passage() for node in self._store.nodes([] if rows is None else rows.tolist())]

    def captioned_figures(self) -> list[CaptionedFigure]:
        """The figures that have a picture and a caption, their own or a stored one, in the order they came."""
        from rag_app.imaging.pairs import captioned_figures

        return captioned_figures(self._store, self.path / "crops")

    def figures(self, *, papers: Sequence[str] = (), first: int = 0, count: int = 100) -> Figures:
        """`count` figures from the `first` on (0-based) with all that is said of them; papers by name or id."""
        from rag_app.imaging.figures import stored_figures

        documents = [self._store.find_document(paper).document_id for paper in papers]
        return stored_figures(self._store, documents=documents, first=first, count=count)

    def status(self) -> LibraryStatus:
        """What the library holds; cheap."""
        notes = (self._note(), self._vectors.note())
        return library_status(self.path, self._store, note=" ".join(note for note in notes if note) or None)

    def _note(self) -> str | None:
        return " ".join(note for note in (self._embeddings.note(), self._images.note()) if note) or None

    # --- parts ------------------------------------------------------------------------------------------------------

    def _filter(
        self,
        papers: Sequence[str],
        pages: Sequence[int],
        kinds: Sequence[str],
        folders: Sequence[str | Path] = (),
    ) -> Filter:
        return Filter(
            documents=tuple(self._store.find_document(paper).document_id for paper in papers),
            pages=tuple(pages),
            kinds=tuple(kinds),
            folders=tuple(str(Path(folder).expanduser().resolve()) for folder in folders),
        )

    def _parsed(self, info: DocumentInfo) -> Parsed:
        copy = Originals(self.path / FILES).find(info.document_id)
        if copy is None:
            raise LibraryDamaged(f"The stored copy of {info.name} is gone from {self.path}. Ingest it again.")
        paper = self._store.paper(info.document_id)
        path = next((Path(alias.path) for alias in info.aliases if alias.path is not None), None)
        return Parsed(paper, copy, path, self._store.known_descriptions(paper))

    def _intake(self) -> Intake:
        return Intake(self.path, self._store, self._embeddings, self._images, self.settings)

    def _model(self, role: Role, name: str) -> Any:  # Any: each role has its own class
        return load_model(role, parse_model_name(name), self.settings)


def _answer_language(language: str | None) -> str | None:
    if language is not None and language not in ANSWER_LANGUAGES:
        raise UsageError(
            f"Answers cannot be asked for in {language!r}; the languages are {', '.join(ANSWER_LANGUAGES)}."
        )
    return language
