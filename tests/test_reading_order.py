"""Columns, bands, sidebars, right-to-left pages and grids."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingestion.elements import BBox
from ingestion.reading_order import reading_order

LEFT, RIGHT = (50.0, 290.0), (305.0, 545.0)


def box(column: tuple[float, float], top: float, bottom: float) -> BBox:
    return (column[0], top, column[1], bottom)


def test_left_column_before_right_although_their_gaps_align() -> None:
    boxes = [box(LEFT, 60, 200), box(RIGHT, 60, 200), box(LEFT, 230, 400), box(RIGHT, 230, 400), box(LEFT, 430, 700)]
    assert reading_order(boxes) == [0, 2, 4, 1, 3]


def test_full_width_boxes_make_bands() -> None:
    title, table = (50.0, 40.0, 545.0, 60.0), (60.0, 300.0, 530.0, 400.0)
    boxes = [title, box(LEFT, 80, 280), box(RIGHT, 80, 280), table, box(LEFT, 420, 700), box(RIGHT, 420, 700)]
    assert reading_order(boxes) == [0, 1, 2, 3, 4, 5]


def test_columns_of_different_width_above_and_below_a_title() -> None:
    """Two articles on one page, each with its own gap between the columns."""
    boxes = [
        (68.0, 48.0, 295.0, 225.0), (312.0, 48.0, 540.0, 225.0),
        (69.0, 299.0, 540.0, 342.0),
        (69.0, 398.0, 347.0, 734.0), (359.0, 398.0, 541.0, 734.0),
    ]  # fmt: skip
    assert reading_order(boxes) == [0, 1, 2, 3, 4]


def test_right_to_left_columns() -> None:
    boxes = [box(LEFT, 60, 300), box(RIGHT, 60, 300), box(LEFT, 320, 700), box(RIGHT, 320, 700)]
    assert reading_order(boxes, rtl=True) == [1, 3, 0, 2]


def test_notes_in_the_margin_come_after_the_text() -> None:
    notes, body = (36.0, 300.0, 140.0, 700.0), [(200.0, 100.0, 576.0, 400.0), (200.0, 420.0, 576.0, 700.0)]
    assert reading_order([notes, *body]) == [1, 2, 0]


def test_a_numbered_grid_is_read_row_by_row() -> None:
    boxes = [box(LEFT, 60, 200), box(RIGHT, 60, 200), box(LEFT, 230, 400), box(RIGHT, 230, 400)]
    assert reading_order(boxes, numbers=[1, 2, 3, 4]) == [0, 1, 2, 3]
    assert reading_order(boxes, numbers=[1, 3, 2, 4]) == [0, 2, 1, 3]


BOXES = st.lists(
    st.tuples(st.floats(0, 500), st.floats(0, 700), st.floats(1, 300), st.floats(1, 300)).map(
        lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
    ),
    max_size=14,
)


@given(BOXES, st.booleans())
def test_every_box_comes_once(boxes: list[BBox], rtl: bool) -> None:
    assert sorted(reading_order(boxes, rtl=rtl)) == list(range(len(boxes)))
