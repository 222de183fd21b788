"""What a row must be beyond its types before it enters a library: a stranger may have written it.

Nothing in it names a file outside of the library, and what is read later has the shape that it is read by.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ingestion import keys
from ingestion.elements import KINDS, Element, PageSize, Paper, Problem, element_from_dict
from ingestion.files import PDF_SUFFIXES, PICTURE_SUFFIXES
from rag_app.evidence import Description
from rag_app.exchange.tables import Row, Unfit
from rag_app.store.copying import CROP
from rag_app.store.encoding import decode_node

if TYPE_CHECKING:
    from llama_index.core.schema import BaseNode

_DIGEST = re.compile(r"[0-9a-f]{64}")
_PLAIN = re.compile(r"(?!\.)[^/\\\x00]{1,200}")  # no path: a document without a file may be called anything else
_STATES = ("pending", "done", "failed")
_MOST_PAGES = 1_000_000
_FILE_FIELDS = {"image_path", "image_url", "path", "url"}  # of LlamaIndex's node classes: what they would open


def check_document(row: Row) -> Paper | None:
    """The paper of a document, without its elements; None for a document that came as bare nodes."""
    document_id = row["document_id"]
    _need(_PLAIN.fullmatch(document_id) is not None, "document_id is a path")
    original = row["original"]
    if original is not None:
        suffix = original.removeprefix(document_id)
        _need(suffix in PDF_SUFFIXES | PICTURE_SUFFIXES and original != suffix, f"original is {original!r}")
    _texts(row["metadata"], "metadata")
    for alias in _objects(row["aliases"], {"name", "path"}, "aliases"):
        _need(isinstance(alias["name"], str) and isinstance(alias["path"], str | None), "aliases are not texts")
    _problems(row["problems"])
    parsed = row["parsed"]
    if parsed is None:
        _need(original is None, "a document without a parsed paper has an original")
        return None
    _need(_DIGEST.fullmatch(document_id) is not None, "document_id is no sha256")
    (parsed,) = _objects([parsed], {"name", "title", "language", "parser", "metadata", "pages", "problems"}, "parsed")
    _texts({key: parsed[key] for key in ("name", "title", "language", "parser")}, "parsed")
    _texts(parsed["metadata"], "parsed.metadata")
    pages = [
        PageSize(_number(page["width"]), _number(page["height"]))
        for page in _objects(parsed["pages"], {"width", "height"}, "parsed.pages")
    ]
    return Paper(
        document_id,
        parsed["name"],
        parsed["title"],
        parsed["language"],
        tuple(pages),
        (),
        tuple(_problems(parsed["problems"])),
        parsed["parser"],
        parsed["metadata"],
    )


def check_element(row: Row) -> Element:
    """The element of a row."""
    _need(row["kind"] in KINDS, f"kind is {row['kind']!r}")
    _crop(row["image"])
    _need(len(row["places"]) > 0, "places are empty")
    for place in [*row["places"], *([row["caption_place"]] if row["caption_place"] is not None else [])]:
        (place,) = _objects([place], {"page", "bbox", "start"}, "places")
        _need(_page(place["page"]) and _whole(place["start"]), "a place has no page")
        _box(place["bbox"])
    for cells in row["cells"] or ():
        _need(isinstance(cells, list) and all(isinstance(cell, str) for cell in cells), "cells are not texts")
    return element_from_dict({key: value for key, value in row.items() if key != "document_id"})


def check_node(row: Row) -> BaseNode:
    """The LlamaIndex node of a row."""
    told: Mapping[str, Any] = row["metadata"]  # Any: JSON
    _need(isinstance(told, dict), "metadata is no object")
    for key in (keys.DOCUMENT, keys.DOCUMENT_ID):
        _need(isinstance(told.get(key), str | None), f"{key} is no text")
    _need(_PLAIN.fullmatch(told.get(keys.DOCUMENT_ID) or "none") is not None, "document_id is a path")
    _need(row["kind"] == str(told.get(keys.KIND) or "text"), "kind is not that of the metadata")
    for column in (keys.LABEL, keys.IMAGE):
        _need(told.get(column) == row[column], f"{column} is not that of the metadata")
    _crop(row["image"])
    for key in (keys.TITLE, keys.SECTION, keys.CAPTION, keys.CONTEXT, keys.LANGUAGE, keys.OF, keys.MODEL):
        _need(isinstance(told.get(key), str | None), f"{key} is no text")
    _need(_page(told.get(keys.PAGE, 0)) and all(map(_page, _list(told, keys.PAGES))), "a page is no number")
    _need(all(isinstance(label, str) for label in _list(told, keys.MENTIONS)), "mentions are not texts")
    for key, length in ((keys.PLACES, 5), (keys.SPANS, 7)):
        for place in _list(told, key):
            _need(isinstance(place, list) and len(place) == length, f"{key} have another shape")
            _box(place[-4:])
            _need(all(map(_whole, place[:-4])), f"{key} have another shape")
    if told.get(keys.DESCRIPTION) is not None:
        _description(told[keys.DESCRIPTION])
    extras = row["extras"]
    _need(isinstance(extras, dict) and isinstance(extras.get("class_name"), str), "extras name no class")
    for name in _named_files(extras):
        _need(name == row["image"], f"extras name the file {name!r}")
    try:
        node = decode_node(row["node_id"], row["text"], dict(told), json.dumps(extras, ensure_ascii=False))
    except (ValueError, TypeError) as exc:
        raise Unfit(f"extras are not those of a node ({type(exc).__name__})") from exc
    _need(0 < len(row["node_id"]) <= 1000, "node_id is empty or long")
    return node


def check_ledger(row: Row) -> None:
    """A row of the ledger."""
    _need(row["state"] in _STATES, f"state is {row['state']!r}")
    _crop(row["image"])
    _need(row["attempts"] >= 0, "attempts are negative")
    _need(row["state"] != "done" or None not in (row["result"], row["score"], row["verified"]), "done without result")
    if row["result"] is not None:
        _description(row["result"])


def check_answer(row: Row) -> None:
    """A saved answer."""
    _need(row["id"] > 0 and row["generation"] >= 0, "id or generation is negative")
    _need(isinstance(row["body"], dict), "body is no object")
    for name in _images(row["body"]):
        _crop(name)


def _description(value: Any) -> None:  # Any: JSON
    try:
        found = Description.from_dict(value)
    except (KeyError, TypeError) as exc:
        raise Unfit("a description has another shape") from exc
    texts = (found.model, found.prompt_version, found.kind, found.summary, found.text, *found.reasons)
    _need(all(isinstance(text, str) for text in texts), "a description has another shape")
    _need(isinstance(found.details, dict) and isinstance(found.verified, bool), "a description has another shape")
    _number(found.score)


def _problems(values: Any) -> list[Problem]:  # Any: JSON
    found = []
    for problem in _objects(values, {"stage", "page", "message"}, "problems"):
        stage, page, message = problem["stage"], problem["page"], problem["message"]
        _need(isinstance(stage, str) and isinstance(message, str), "problems are not texts")
        _need(page is None or _page(page), "a problem has no page")
        found.append(Problem(stage, page, message))
    return found


def _objects(values: Any, wanted: set[str], what: str) -> list[dict[str, Any]]:  # Any: JSON
    _need(isinstance(values, list), f"{what} is no list")
    for value in values:
        _need(isinstance(value, dict) and value.keys() == wanted, f"{what} has other members than {sorted(wanted)}")
    return values


def _list(told: Mapping[str, Any], key: str) -> list[Any]:  # Any: JSON
    value = told.get(key) or []
    _need(isinstance(value, list), f"{key} is no list")
    return value


def _texts(value: Any, what: str) -> None:  # Any: JSON
    _need(isinstance(value, dict) and all(isinstance(text, str) for text in value.values()), f"{what} holds no texts")


def _box(value: Any) -> None:  # Any: JSON
    _need(isinstance(value, list) and len(value) == 4, "a box has not four sides")
    for side in value:
        _number(side)


def _number(value: Any) -> float:  # Any: JSON
    _need(
        isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9, f"{value!r:.40} is wrong"
    )
    return value


def _whole(value: Any) -> bool:  # Any: JSON
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _page(value: Any) -> bool:  # Any: JSON
    return _whole(value) and value <= _MOST_PAGES


def _crop(name: Any) -> None:  # Any: JSON
    _need(name is None or (isinstance(name, str) and CROP.fullmatch(name) is not None), f"image is {name!r:.90}")


def _named_files(value: Any) -> list[Any]:  # Any: JSON
    """What a node's other fields would have LlamaIndex open."""
    if isinstance(value, list):
        return [name for one in value for name in _named_files(one)]
    if not isinstance(value, dict):
        return []
    own = [one for key, one in value.items() if key in _FILE_FIELDS and one is not None]
    return own + [name for one in value.values() for name in _named_files(one)]


def _images(value: Any) -> list[Any]:  # Any: JSON
    """Everything that stands under "image" in an answer."""
    if isinstance(value, list):
        return [name for one in value for name in _images(one)]
    if not isinstance(value, dict):
        return []
    own = [value["image"]] if "image" in value and not isinstance(value["image"], dict | list) else []
    return own + [name for one in value.values() for name in _images(one)]


def _need(holds: bool, what: str) -> None:
    if not holds:
        raise Unfit(what)
