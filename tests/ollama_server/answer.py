"""What an endpoint gives to be sent."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

Event = dict[str, Any]  # Any: JSON


@dataclass(slots=True)
class Answer:
    """What to send: a whole JSON `body`, or `events` line by line. `held` is let go of when all is sent."""

    body: Any = None  # Any: JSON, or bytes sent as they are
    events: Iterable[Event] | None = None
    held: ExitStack = field(default_factory=ExitStack)


def nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
