"""Fields of a JSON object that someone wrote by hand, each read with one sentence on what is wrong with it.

Each raises ValueError.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Mapping, Sequence
from typing import Any

Record = Mapping[str, Any]  # Any: JSON


def only_known(record: Record, form: type) -> None:
    """Refuse a name that is no field of the dataclass `form`, with the nearest one."""
    fields = [field.name for field in dataclasses.fields(form)]
    for name in record:
        if name not in fields:
            near = difflib.get_close_matches(str(name), fields, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; the fields are {', '.join(fields)}"
            raise ValueError(f"unknown field {name}{hint}")


def there(record: Record, key: str) -> Any:  # Any: JSON
    """The value of a field that must be there."""
    if key not in record:
        raise ValueError(f"the field {key} is missing")
    return record[key]


def text(record: Record, key: str) -> str:
    """A text, which may be empty."""
    value = there(record, key)
    if not isinstance(value, str):
        raise ValueError(f"{key} is {value!r}, not text")
    return value


def maybe_text(record: Record, key: str, *, required: bool = False) -> str | None:
    """A text that says something, or null; required: the field has to be there."""
    value = there(record, key) if required else record.get(key)
    if value is not None and not (isinstance(value, str) and value.strip()):
        raise ValueError(f"{key} is {value!r}, neither text nor null")
    return value


def texts(record: Record, key: str) -> tuple[str, ...]:
    """A list of texts that each say something; it may be empty."""
    value = there(record, key)
    if not isinstance(value, list | tuple) or not all(isinstance(v, str) and v.strip() for v in value):
        raise ValueError(f"{key} is {value!r}, not a list of texts")
    return tuple(value)


def whole(value: object) -> bool:
    """Whether it is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def pages(value: object) -> tuple[int, ...]:
    """A list of whole numbers."""
    if not isinstance(value, list | tuple) or not all(map(whole, value)):
        raise ValueError(f"pages are {value!r}, not a list of whole numbers")
    return tuple(value)


def tolerance(value: object) -> float | None:
    """A number from 0, or null."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise ValueError(f"tolerance is {value!r}, neither null nor a number from 0")
    return value


def one_of(name: str, value: object, known: Sequence[str]) -> None:
    """Refuse a value that is none of the known ones."""
    if value not in known:
        raise ValueError(f"{name} is {value!r}, not {', '.join(known[:-1])} or {known[-1]}")
