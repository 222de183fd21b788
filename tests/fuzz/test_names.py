"""What is typed or named: models, roles, marks of citations, questions, filters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st
from llama_index.core.vector_stores import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters

from adapters.names import ROLES, SCHEMES, ModelName, load_model, parse_model_name, parse_role
from rag_app import Library
from rag_app.citations import Citation, find_quote, unresolved, without_marks
from rag_app.cli.options import EVIDENCE_KINDS, evidence_kinds, filter_options
from rag_app.repl.words import exists, path_of, whole_number
from rag_app.reports import SearchResult
from rag_app.retrieval.question import understand
from rag_app.sentences import sentences
from rag_app.settings import Ollama, OpenAI, Settings
from rag_app.store import Filter, Store
from rag_app.vectors.vector_store import StoreVectorStore
from tests.fuzz import examples
from tests.fuzz.making import texts
from tests.fuzz.oracle import tried
from tests.storing import SPACE, put

NOBODY = Settings(ollama=Ollama(host="http://127.0.0.1:9", retries=0), openai=OpenAI(hosts="http://127.0.0.1:9"))
typed = st.one_of(
    st.tuples(
        st.sampled_from([*SCHEMES, "BUILTIN", "http", "", " ", "Ollama"]),
        st.sampled_from(["", ":", "::", "+", ":a+", ":a:b", ":../x+../y", ": ", ":a/b@c", ":+"]),
        texts(most=3),
    ).map("".join),
    texts(most=4),
)


@examples(300)
@given(text=typed)
def test_names_of_models(text: str) -> None:
    name = tried(parse_model_name, text)
    if name is not None:
        assert name.scheme in SCHEMES
        assert parse_model_name(str(name)) == name


@examples(60)
@given(text=typed, role=st.sampled_from(ROLES))
def test_models_are_named_before_they_are_loaded(text: str, role: Any) -> None:
    """Making one asks nobody and loads nothing, whatever its name."""
    name = tried(parse_model_name, text)
    if isinstance(name, ModelName):
        tried(load_model, role, name, NOBODY)
    tried(parse_role, text)


@examples(300)
@given(text=texts())
@example("A[1[²]2]B [１，２] ﹇1﹈")
def test_no_mark_is_left_that_is_not_ours(text: str) -> None:
    bare = without_marks(text)
    assert unresolved(bare, ()) == []
    assert without_marks(bare) == bare
    citation = Citation(1, "", "", "", 1, (0, 0, 1, 1), (), "text", None, "", "", None)
    assert unresolved(f"{bare} [1]", (citation,)) == []


@examples(200)
@given(text=texts(), start=st.integers(0, 60), length=st.integers(1, 60))
def test_quotes_and_sentences_stand_where_they_say(text: str, start: int, length: int) -> None:
    for sentence in sentences(text):
        assert text[sentence.start : sentence.end] == sentence.text
    quote = text[start : start + length]
    if quote.split():
        found = find_quote(" ".join(quote.split()), text)
        assert found is not None and text[slice(*found)].split() == quote.split()


@examples(200)
@given(text=texts())
def test_questions(text: str) -> None:
    question = understand(text, {})
    assert question.text == text and question.language in ("en", "fa", "ar")


@examples(200)
@given(word=texts(most=3))
def test_words_after_a_command(word: str) -> None:
    number = tried(whole_number, word, "page")
    assert number is None or 1 <= number <= 1_000_000
    exists(path_of(word))


# --- filters ---------------------------------------------------------------------------------------------------------


@click.command()
@filter_options
def _filtered(papers: tuple[str, ...], pages: tuple[int, ...], kinds: tuple[Any, ...], references: bool) -> None:
    assert all(page >= 1 for page in pages)
    assert set(evidence_kinds(kinds, references=references)) <= set(EVIDENCE_KINDS)


@examples(150)
@given(
    words=st.lists(
        st.one_of(
            st.sampled_from("--page --kind --paper --references -1 0 3 9999999999 ٣ ² 1e3 table,figure , -- -".split()),
            texts(most=2),
        ),
        max_size=6,
    )
)
def test_filters_of_the_command_line(words: list[str]) -> None:
    done = CliRunner().invoke(_filtered, words)
    assert done.exit_code in (0, 2) and (done.exception is None or isinstance(done.exception, SystemExit)), done.output


@pytest.fixture(scope="module")
def library(sample_library: Path) -> Iterator[Library]:
    with Library.open(sample_library, read_only=True) as opened:
        yield opened


_pages = st.lists(st.one_of(st.integers(), st.sampled_from([1, 2, 10**400, -(10**30)])), max_size=2)
_kinds = st.lists(st.one_of(st.sampled_from([*EVIDENCE_KINDS, "caption", "Table"]), texts(most=2)), max_size=2)


@examples(60)
@given(
    text=texts(), pages=_pages, kinds=_kinds,
    papers=st.lists(st.one_of(st.sampled_from(["clip_fa.pdf", "ab" * 32]), texts(most=2)), max_size=1),
)  # fmt: skip
@example("\ud800", [], [], [])
@example("what?", [], ["\ud800"], [])
@example("what?", [], [], ["\ud800"])
@example("what?", [10**400], [], [])
def test_a_search_with_any_filter(library: Library, text: str, pages: Any, kinds: Any, papers: Any) -> None:
    found = tried(lambda: library.search(text, k=3, pages=pages, kinds=kinds, papers=papers))
    assert found is None or isinstance(found, SearchResult)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store.open(tmp_path_factory.mktemp("filters") / "library") as opened:
        put(opened, "a", "a.pdf")
        yield opened


_keys = st.one_of(st.sampled_from(["kind", "page", "pages", "title", "a.b", 'a"b', "a\\", "$", "[0]"]), texts(most=2))
_filter = st.builds(
    lambda key, operator, value: {"key": key, "operator": operator, "value": value},
    _keys,
    st.sampled_from(list(FilterOperator)),
    st.one_of(
        st.integers(), st.sampled_from([2**63, -(10**400), 1e308]), st.floats(), texts(most=2), st.just("table"),
        st.lists(st.one_of(st.integers(), texts(most=2)), max_size=2), st.none(),
    ),
)  # fmt: skip


@examples(200)
@given(found=st.lists(_filter, max_size=3), how=st.sampled_from(list(FilterCondition)))
@example([{"key": "page", "operator": FilterOperator.EQ, "value": 2**63}], FilterCondition.AND)
@example([{"key": 'a"b\\', "operator": FilterOperator.EQ, "value": 1}], FilterCondition.AND)
@example([{"key": "\ud800", "operator": FilterOperator.ANY, "value": ["\ud800"]}], FilterCondition.OR)
def test_filters_of_llama_index(store: Store, found: list[dict[str, Any]], how: FilterCondition) -> None:
    try:
        filters = MetadataFilters(filters=[MetadataFilter(**one) for one in found], condition=how)
    except ValueError:  # LlamaIndex refuses it itself
        return
    nodes = tried(lambda: StoreVectorStore(store, space=SPACE).get_nodes(filters=filters))
    assert nodes is None or len(nodes) <= 6


@examples(150)
@given(key=_keys, value=texts(most=2), folder=texts(most=2))
@example("a\\", "x", "/")
@example("\ud800", "\ud800", "\ud800")
def test_filters_of_the_store(store: Store, key: str, value: str, folder: str) -> None:
    for wanted in (
        Filter(metadata=((key, value),)),
        Filter(folders=(folder,)),
        Filter(documents=(value,), kinds=(key,)),
    ):
        rows = tried(store.row_ids, wanted)
        assert rows is None or len(rows) <= 6
