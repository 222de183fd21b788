"""Text that a stranger or a model wrote, as values: whatever it is, there is a value or a ValueError."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

_HALF = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")  # of a surrogate pair, spelt or itself


def json_value(text: str | bytes) -> Any:  # Any: JSON
    """The value of a JSON text.

    Raises ValueError where it is none, is nested so deep that nobody wrote it, or holds half of a surrogate pair, which
    JSON can spell and no file, database or model takes.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8")
    try:
        value = json.loads(text)
        if _HALF.search(text):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except RecursionError as exc:
        raise ValueError("it is nested too deeply") from exc
    except UnicodeEncodeError as exc:
        raise ValueError("it holds half a character") from exc
    return value


def toml_table(text: str) -> dict[str, Any]:  # Any: TOML
    """The table of a TOML text. Raises ValueError as `json_value`, and for a number of thousands of digits."""
    try:
        return tomllib.loads(text)
    except RecursionError as exc:
        raise ValueError("it is nested too deeply") from exc


def whole_characters(text: str) -> str:
    """`text` with "?" for each half of a surrogate pair: JSON can spell one, and no file or model takes it."""
    return text.encode("utf-8", "replace").decode()
