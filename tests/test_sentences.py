"""Where a sentence of a paper ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_app.sentences import sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("We follow Devlin et al. 2019. It works.", ["We follow Devlin et al. 2019.", "It works."]),
        ("As in Fig. 3, the loss is 0.5. Then it falls.", ["As in Fig. 3, the loss is 0.5.", "Then it falls."]),
        ("See J. Smith. We did.", ["See J. Smith.", "We did."]),
        ("Let v be the vector of caption j. Their cosine is used.", None),
        ("این جمله است. آیا این هم؟ بله.", ["این جمله است.", "آیا این هم؟", "بله."]),
        ("A heading\n\nThen text", ["A heading", "Then text"]),
        ("", []),
    ],
)
def test_examples(text: str, expected: list[str] | None) -> None:
    found = [sentence.text for sentence in sentences(text)]
    assert found == expected if expected is not None else len(found) == 2


@given(st.text())
def test_sentences_are_verbatim_in_order_and_lose_only_blanks(text: str) -> None:
    found = sentences(text)
    assert all(text[s.start : s.end] == s.text for s in found)
    assert "".join("".join(s.text for s in found).split()) == "".join(text.split())
