"""Elements become nodes: sizes, places, context, links."""

from __future__ import annotations

from llama_index.core.schema import ImageNode, MetadataMode, NodeRelationship

from ingestion.chunking import PaperNodeParser, approximate_tokens, paper_document, to_nodes
from ingestion.elements import Element, PageSize, Paper, Place

BOX, NEXT_COLUMN = (0.0, 0.0, 100.0, 50.0), (120.0, 0.0, 220.0, 50.0)
SENTENCE = "This sentence tells of encoders and captions in about a dozen plain words. "


def element(number: int, kind: str = "text", text: str = "Some words.", **changes) -> Element:
    places = changes.pop("places", (Place(1, BOX),))
    return Element(f"e{number:04}", number, kind, places, text=text, **changes)  # pyright: ignore[reportArgumentType]


def paper(*elements: Element, language: str = "en") -> Paper:
    return Paper("ab" * 32, "a.pdf", "On nodes", language, (PageSize(300, 400),) * 2, elements, (), "parser")


def test_a_paper_survives_json() -> None:
    whole = paper(
        element(0, mentions=("Figure 1",)), element(1, "table", cells=(("a", "b"),), caption_place=Place(1, BOX))
    )
    assert Paper.from_json(whole.to_json()) == whole


def test_text_of_one_section_is_joined_and_of_two_is_not() -> None:
    nodes = to_nodes(paper(element(0, section=("1 A",)), element(1, section=("1 A",)), element(2, section=("2 B",))))
    assert [node.get_content() for node in nodes] == ["Some words.\n\nSome words.", "Some words."]
    assert [node.metadata["section"] for node in nodes] == ["1 A", "2 B"]


def test_long_text_is_cut_at_sentences_and_nothing_is_lost() -> None:
    text = (SENTENCE * 60).strip()
    nodes = to_nodes(paper(element(0, text=text)), chunk_tokens=100)
    assert len(nodes) > 5
    assert all(approximate_tokens(node.get_content()) <= 110 for node in nodes)
    assert all(node.get_content().endswith("words.") for node in nodes)
    assert " ".join(node.get_content() for node in nodes) == text


def test_a_run_without_sentences_is_cut_too() -> None:
    nodes = to_nodes(paper(element(0, text="word " * 2000)), chunk_tokens=100)
    assert max(approximate_tokens(node.get_content()) for node in nodes) <= 110
    assert sum(len(node.get_content().split()) for node in nodes) == 2000


def test_each_part_of_a_text_knows_its_place() -> None:
    text = "First half here. Second half there."
    places = (Place(1, BOX), Place(2, NEXT_COLUMN, start=17))
    (node,) = to_nodes(paper(element(0, text="Before."), element(1, text=text, places=places)))
    content = node.get_content()
    parts = {content[start:end].strip(): page for start, end, page, *_ in node.metadata["spans"]}
    assert parts == {"Before.": 1, "First half here.": 1, "Second half there.": 2}
    assert node.metadata["pages"] == [1, 2]


def test_a_figure_in_between_does_not_cut_the_text() -> None:
    figure = element(1, "figure", "axis", caption="Figure 1: A chart.", label="Figure 1", image="a" * 64 + ".png")
    nodes = to_nodes(paper(element(0), figure, element(2)))
    assert [node.metadata["kind"] for node in nodes] == ["text", "figure"]
    assert isinstance(nodes[1], ImageNode)
    assert nodes[1].get_content() == "Figure 1: A chart.\naxis"


def test_a_figure_carries_the_sentences_that_mention_it() -> None:
    figure = element(0, "figure", "", caption="Figure 2: A chart.", label="Figure 2")
    text = element(
        1, text="Nothing here. The curve falls (Fig. 2). Figure 21 is another.", mentions=("Figure 2", "Figure 21")
    )
    chart = next(node for node in to_nodes(paper(figure, text)) if node.metadata["kind"] == "figure")
    assert chart.metadata["context"] == "The curve falls (Fig. 2)."
    assert "The curve falls" in chart.get_content(metadata_mode=MetadataMode.EMBED)
    assert "The curve falls" not in chart.get_content()


def test_a_formula_carries_the_sentences_around_it() -> None:
    nodes = to_nodes(
        paper(
            element(0, text="First. The loss is"),
            element(1, "formula", "L = x"),
            element(2, text="where x is y. More."),
        )
    )
    formula = next(node for node in nodes if node.metadata["kind"] == "formula")
    assert formula.metadata["context"] == "The loss is where x is y."


def test_nodes_are_linked_to_their_source_and_neighbours() -> None:
    first, second = to_nodes(paper(element(0, section=("1",)), element(1, section=("2",))))
    assert first.relationships[NodeRelationship.NEXT].node_id == second.node_id  # pyright: ignore[reportAttributeAccessIssue]
    assert first.relationships[NodeRelationship.SOURCE].node_id == "ab" * 32  # pyright: ignore[reportAttributeAccessIssue]


def test_the_llama_index_parser_gives_the_same_nodes() -> None:
    whole = paper(element(0), element(1, "reference", "A. Author. A title."))
    document = paper_document(whole)
    assert "Some words." in document.text
    assert PaperNodeParser().get_nodes_from_documents([document]) == to_nodes(whole)


def test_latin_parts_of_a_persian_paper_are_english() -> None:
    nodes = to_nodes(paper(element(0, text="این متن فارسی است.", section=("۱",)), element(1), language="fa"))
    assert [node.metadata["language"] for node in nodes] == ["fa", "en"]
