"""`search --html`: the hits as one self-contained page of cards, near-duplicates folded under the best of them."""

from __future__ import annotations

from pathlib import Path

from rag_app.render.hits import Hits, page_of
from rag_app.render.self_contained import Embedded, embedded, environment, write_whole
from rag_app.render.terminal import shorten

_QUERY_SIDE = 480  # pixels, of the picture searched with


def write_hits_page(hits: Hits, path: Path) -> int:
    """Write the page to `path`, replacing it whole; its size in bytes. One picture at a time is in memory.

    Raises UsageError when `path` cannot be written.
    """
    words = hits.words
    filters = {
        "digits": words.common.digits,
        "label": words.common.label,
        "page": lambda found: page_of(found, words),
        "shorten": shorten,
    }
    cards = ((card, _shown(card.picture), [(twin, _shown(twin.picture)) for twin in card.twins]) for card in hits.cards)
    parts = (
        environment(filters)
        .get_template("hits.html.j2")
        .generate(
            hits=hits,
            words=words,
            cards=cards,
            asked=embedded(hits.picture, side=_QUERY_SIDE) if hits.picture else None,
        )
    )
    return write_whole(path, parts)


def _shown(picture: Path | None) -> Embedded:
    return embedded(picture) if picture else Embedded(None)
