"""What all HTML pages share: templates that escape, pictures inside the page, files written whole.

No page has a script or loads anything: its Content-Security-Policy says so to the browser.
"""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, select_autoescape

from rag_app.captioning.pictures import THUMBNAIL_PIXELS, thumbnail
from rag_app.errors import InputError, UsageError


@dataclass(frozen=True, slots=True)
class Embedded:
    """A picture inside a page. uri: None where it cannot be shown, and `problem` says why."""

    uri: str | None
    problem: str = ""


def embedded(path: Path, *, side: int = THUMBNAIL_PIXELS) -> Embedded:
    """A thumbnail of the picture file, at most `side` pixels wide and high."""
    try:
        return Embedded(data_uri(thumbnail(path, side=side), "image/webp"))
    except FileNotFoundError:
        return Embedded(None, "The picture is no longer there.")
    except InputError as exc:
        return Embedded(None, str(exc))
    except OSError as exc:
        return Embedded(None, f"The picture cannot be read ({exc.strerror}).")


def data_uri(content: bytes, media_type: str) -> str:
    """Bytes as an address that holds them."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"


def environment(filters: Mapping[str, Callable[..., Any]] | None = None) -> Environment:  # Any: of any filter
    """The templates, with these filters; everything in them is escaped."""
    made = Environment(
        loader=PackageLoader("rag_app.render"),
        autoescape=select_autoescape(default=True),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(filters or {})
    return made


def write_whole(path: Path, parts: Iterator[str] | Iterator[bytes], *, option: str = "--html") -> int:
    """Write text or bytes to a temporary name, flush it, rename it to `path`; its size in bytes.

    Raises UsageError, naming the `option` that gave the path, when it cannot be written.
    """
    scratch: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("wb", dir=path.parent, suffix=path.suffix, delete=False) as file:
            scratch = Path(file.name)
            for part in parts:
                file.write(part.encode("utf-8", errors="replace") if isinstance(part, str) else part)
            file.flush()
            os.fsync(file.fileno())
        scratch.chmod(0o644)
        scratch.replace(path)
    except OSError as exc:
        raise UsageError(f"{path} cannot be written ({exc.strerror}). Choose another file with {option}.") from exc
    finally:
        if scratch is not None:
            scratch.unlink(missing_ok=True)
    return path.stat().st_size
