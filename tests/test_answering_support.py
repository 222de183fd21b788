"""Claims of a model against the passages: found, found elsewhere, nearly found, covered, or left out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_app.answering.locating import folded, near, verbatim
from rag_app.answering.support import Claim, supported
from rag_app.citations import cite, find_quote, without_marks
from rag_app.evidence import Passage, Statement
from tests.speaking import description, passage

CLIP = passage(
    "clip",
    "CLIP was trained on 400 million image-text pairs [13]. Its temperature starts at 0.07. "
    "The \ufb01nal loss is non-linear in τ.",
)
ALIGN = passage("align", "ALIGN needs no clean data: 1.8 billion noisier pairs work too.")
FA = passage("fa", "دمای آغازین در مدل CLIP برابر ۰٫۰۷ است. این نمی‌تواند تصادفی باشد.")
TABLE = passage(
    "table",
    "Table 2: Accuracy of the models.\n\n| Model | Top-1 |\n| --- | --- |\n| Small | 61.5 |\n| Large | 70.2 |",
    "table",
    label="Table 2",
    caption="Table 2: Accuracy of the models.",
)
FIGURE = passage(
    "figure",
    "Figure 1: The two towers.",
    "figure",
    label="Figure 1",
    image=f"{'a' * 64}.png",
    description=description("Two encoders drawn as boxes feed one similarity matrix.", summary="A diagram."),
)
ALL = (CLIP, ALIGN, FA, TABLE, FIGURE)


def one(text: str, source: int, quote: str, shown: tuple[Passage, ...] = ALL, **options) -> Statement | None:
    kept, left_out = supported([Claim(text, (source,), quote)], shown, model="ollama:speaker", **options)
    assert len(kept) + len(left_out) == 1
    return kept[0] if kept else None


@pytest.mark.parametrize(
    ("quote", "found"),
    [
        ("Its temperature starts at 0.07.", "Its temperature starts at 0.07."),
        ("its  TEMPERATURE starts\nat 0.07", "Its temperature starts at 0.07"),
        ("The final loss is nonlinear in τ", "The \ufb01nal loss is non-linear in τ"),
        ("trained on 400 million image–text pairs (13).", "trained on 400 million image-text pairs [13"),
        ("trained on 400 million pairs of image-text pairs", None),
        ("Its temperature starts at 0.7", None),
        ("Its temperature starts at 0.0", None),
        ("emperature starts at 0.07", None),
        ("", None),
        ("...", None),
    ],
)
def test_a_quote_in_other_letter_forms_is_found(quote: str, found: str | None) -> None:
    place = verbatim(quote, CLIP.text) or folded(quote, CLIP.text)
    assert (CLIP.text[place.start : place.end] if place else None) == found


@pytest.mark.parametrize(
    "quote", ["دماي آغازين در مدل CLIP برابر 0.07 است", "این نمی تواند تصادفی باشد", "اين نميتواند تصادفی باشد."]
)
def test_persian_forms_are_one(quote: str) -> None:
    place = folded(quote, FA.text)
    assert place is not None and find_quote(FA.text[place.start : place.end], FA.text)


def test_nearly_the_words_are_found_but_never_with_another_number() -> None:
    place = near("CLIP was trained over 400 million image-text pairs", CLIP.text)
    assert place is not None
    assert CLIP.text[place.start : place.end] == "CLIP was trained on 400 million image-text pairs"
    assert near("CLIP was trained on 600 million image-text pairs", CLIP.text) is None
    assert near("BLIP was pretrained with noisy web captions only", CLIP.text) is None


@given(st.text(min_size=1, max_size=40), st.text(max_size=20), st.text(max_size=20))
def test_what_is_found_is_the_passages_own(quote: str, before: str, after: str) -> None:
    text = f"{before} {quote} {after}"
    for way in (verbatim, folded, near):
        place = way(quote, text)
        if place is not None:
            assert 0 <= place.start < place.end <= len(text)
            assert find_quote(text[place.start : place.end], text)
    if any(c.isalnum() and c.isascii() for c in quote):
        assert folded(quote, text)


def test_a_quote_of_another_passage_is_pointed_there() -> None:
    found = one("ALIGN used 1.8 billion pairs.", 1, "1.8 billion noisier pairs work too")
    assert found is not None
    assert (found.node_id, found.quote) == ("align", "1.8 billion noisier pairs work too")


@pytest.mark.parametrize("source", [0, 9, 99])
def test_a_source_that_is_not_there_does_not_matter_when_the_words_are(source: int) -> None:
    found = one("ALIGN used 1.8 billion pairs.", source, "1.8 billion noisier pairs work too")
    assert found is not None and found.node_id == "align"


def test_part_of_a_table_row_is_cited_as_the_row() -> None:
    found = one("The large model reaches 70.2.", 4, "Large | 70.2")
    assert found is not None and found.quote == "| Large | 70.2 |"
    found = one("The large model reaches 70.2.", 4, "70.2")
    assert found is not None and found.quote == "| Large | 70.2 |"


def test_a_misquote_falls_back_on_the_sentence_that_says_it() -> None:
    found = one("CLIP's temperature starts at 0.07.", 1, "we initialise the softmax scale parameter as in prior work")
    assert found is not None and found.quote == "Its temperature starts at 0.07."


def test_a_claim_without_any_words_for_it_is_left_out() -> None:
    kept, left_out = supported(
        [
            Claim("CLIP won the football world cup in 1998.", (1,), "It won the world cup of football in 1998."),
            Claim("CLIP's temperature starts at 0.70.", (1,), "Its temperature starts at 0.70, as is usual."),
            Claim("  ", (1,), "ALIGN"),
        ],
        ALL,
        model="m",
    )
    assert kept == ()
    assert left_out == ("CLIP won the football world cup in 1998.", "CLIP's temperature starts at 0.70.")


def test_few_words_prove_only_what_their_sentence_says() -> None:
    found = one("CLIP's temperature starts at 0.07.", 1, "0.07")
    assert found is not None and found.quote == "Its temperature starts at 0.07."
    assert one("CLIP was made by dolphins.", 1, "CLIP") is None


def test_across_languages_numbers_and_names_carry_a_claim() -> None:
    found = one("مدل CLIP با ۴۰۰ میلیون زوج آموزش دید.", 1, "روی ۴۰۰ میلیون زوج تصویر و متن آموزش دیده است")
    assert found is not None and found.quote.startswith("CLIP was trained on 400 million")
    assert one("مدل CLIP با ۶۰۰ میلیون زوج آموزش دید.", 1, "روی ۶۰۰ میلیون زوج آموزش دیده است") is None
    assert one("این مدل بسیار خوب است.", 1, "این مدل بسیار خوب است و کار می‌کند") is None


def test_a_models_reading_is_cited_as_such() -> None:
    found = one("Two encoders feed one matrix.", 5, "Two encoders drawn as boxes feed one similarity matrix")
    assert found is not None and found.read_by is None
    (citation,) = cite([found], ALL).citations
    assert (citation.read_by, citation.verified) == ("ollama:qwen2.5vl:7b", False)
    assert citation.reading is not None and citation.reading.summary == "A diagram."
    own = one("It shows the two towers.", 5, "Figure 1: The two towers.")
    assert own is not None
    (citation,) = cite([own], ALL).citations
    assert (citation.read_by, citation.verified) == (None, None)


def test_what_a_model_sees_stands_only_where_it_saw_a_picture() -> None:
    claim = ("Both towers rise until 32 pairs.", 5, "both curves rise until 32")
    assert one(*claim) is None
    found = one(*claim, pictured={"figure"})
    assert found is not None and found.read_by == "ollama:speaker"
    (citation,) = cite([found], ALL).citations
    assert (citation.read_by, citation.verified, citation.quote) == ("ollama:speaker", False, claim[2])
    assert one("Both curves rise.", 1, "both curves rise until 32", pictured={"clip"}) is None  # it is no figure
    prize = ("The authors won a prize.", 5, "the authors were given a prize")
    assert one(*prize, pictured={"figure"}) is None
    assert one(*prize, pictured={"figure"}, asked="Which prize does the figure show?") is not None


@given(
    st.lists(
        st.builds(
            Claim,
            st.text(max_size=40) | st.sampled_from([CLIP.text, "It reaches 70.2."]),
            st.lists(st.integers(-1, 9), max_size=2).map(tuple),
            st.text(max_size=40)
            | st.sampled_from(["| Large | 70.2 |", "CLIP", FA.text[:20], TABLE.text, FIGURE.text[4:18]]),
        ),
        max_size=4,
    )
)
def test_what_is_kept_stands_the_check_and_nothing_is_lost(claims: list[Claim]) -> None:
    kept, left_out = supported(claims, ALL, model="ollama:speaker", pictured={"figure"})
    cited = cite(kept, ALL)
    assert cited.left_out == ()
    said = {statement.text for statement in kept} | set(left_out)
    assert said == {without_marks(claim.text).strip() for claim in claims} - {""}
