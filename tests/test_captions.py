"""What a caption is, and which figure or table it belongs to."""

from __future__ import annotations

import pytest

from ingestion.captions import CaptionMatch, Target, link, match_caption, split_at_captions


@pytest.mark.parametrize(
    ("text", "label", "sure"),
    [
        ("Figure 3: The model.", "Figure 3", True),
        ("Fig. 2. Results", "Figure 2", True),
        ("Fig 5 Kinematics of growth", "Figure 5", False),
        ("TABLE IV. Scores", "Table IV", True),
        ("Table A.1: More", "Table A.1", True),
        ("Table S2 | Data", "Table S2", True),
        ("شکل ۱: مسیر یک پرسش", "Figure 1", True),
        ("جدول ۲. نتایج", "Table 2", True),
        ("نمودار ۳–۲: رشد", "Figure 3–2", True),
        ("ش\U000f037aل ۲.\u200c۱: تصویر", "Figure 2.1", True),
    ],
)
def test_captions(text: str, label: str, sure: bool) -> None:
    match = match_caption(text)
    assert match is not None
    assert (match.label, match.sure) == (label, sure)


@pytest.mark.parametrize(
    "text", ["Table 2 compares the models", "Figures are drawn", "The figure 3 shows", "Figure", ""]
)
def test_sentences_are_no_captions(text: str) -> None:
    assert match_caption(text) is None


def caption(label: str) -> CaptionMatch:
    kind, number = label.split()
    return CaptionMatch(kind, number, True)


def test_stacked_tables_with_captions_below_keep_their_own() -> None:
    """The nearest caption of the second table is the first one's: only the whole page tells."""
    tables = [Target("Table", (50, 60, 290, 220)), Target("Table", (50, 310, 290, 420))]
    captions = [(caption("Table 3"), (50.0, 232.0, 290.0, 300.0)), (caption("Table 4"), (50.0, 430.0, 290.0, 460.0))]
    assert link(tables, captions) == [0, 1]


def test_captions_above_tables_and_below_figures() -> None:
    targets = [Target("Table", (50, 100, 290, 200)), Target("Figure", (50, 230, 290, 400))]
    captions = [(caption("Table 1"), (50.0, 80.0, 290.0, 95.0)), (caption("Figure 1"), (50.0, 405.0, 290.0, 420.0))]
    assert link(targets, captions) == [0, 1]


def test_panels_side_by_side_share_a_caption() -> None:
    targets = [Target("Figure", (50, 100, 150, 200)), Target("Figure", (200, 100, 300, 200))]
    assert link(targets, [(caption("Figure 2"), (50.0, 210.0, 300.0, 240.0))]) == [0, 0]


def test_a_figure_far_from_any_caption_has_none() -> None:
    assert link([Target("Figure", (50, 60, 100, 100))], [(caption("Figure 1"), (50.0, 700.0, 290.0, 720.0))]) == [None]


def test_more_captions_than_targets() -> None:
    captions = [(caption(f"Figure {n}"), (50.0, 100.0 * n, 290.0, 100.0 * n + 10)) for n in range(1, 7)]
    assert link([Target("Figure", (50, 215, 290, 298))], captions) == [2]


def test_two_stacked_figures_found_as_one_are_cut_at_the_caption_between() -> None:
    parts = split_at_captions((50, 50, 290, 400), [(60.0, 200.0, 280.0, 220.0)])
    assert parts == [(50, 50, 290, 199.0), (50, 221.0, 290, 400)]
