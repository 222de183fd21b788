"""Text that a stranger or a model wrote, as values: whatever it is, there is a value or a ValueError."""

from __future__ import annotations

import json
import tomllib
from typing import Any


def json_value(text: str | bytes) -> Any:  # Any: JSON
    """The value of a JSON text. Raises ValueError where it is none, or nested so deep that nobody wrote it."""
    try:
        return json.loads(text)
    except RecursionError as exc:
        raise ValueError("it is nested too deeply") from exc


def toml_table(text: str) -> dict[str, Any]:  # Any: TOML
    """The table of a TOML text. Raises ValueError as `json_value`, and for a number of thousands of digits."""
    try:
        return tomllib.loads(text)
    except RecursionError as exc:
        raise ValueError("it is nested too deeply") from exc


def whole_characters(text: str) -> str:
    """`text` with "?" for each half of a surrogate pair: JSON can spell one, and no file or model takes it."""
    return text.encode("utf-8", "replace").decode()
