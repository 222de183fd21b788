"""One request, sent to the least-loaded server, and sent again as its failures allow."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Protocol, Self, TypeVar

from adapters.fleet import Host, Tries


class Repeatable(Protocol):
    """A question to a model. whole: the reply is handed on only when it is complete."""

    @property
    def whole(self) -> bool: ...

    def livelier(self) -> Self:
        """The same with another seed."""
        ...


S = TypeVar("S", bound=Host)
Q = TypeVar("Q", bound=Repeatable)
T = TypeVar("T")


async def pieces(
    tries: Tries[S],
    question: Q,
    attempt: Callable[[S, Q], AsyncGenerator[T, None]],
    *,
    parallel: int,
    is_text: Callable[[T], bool],
) -> AsyncGenerator[T, None]:
    """The pieces of a reply, of the first attempt that came to its end.

    Unless the question wants it whole they are handed on as they come; an attempt that fails after text of it
    (`is_text`) was handed on is not made again. parallel: see `Fleet.place`.
    """
    while True:
        kept: list[T] = []
        handed, server = False, None
        try:
            async with (
                tries.fleet.place(tries.model, parallel, without=tries.without) as server,
                aclosing(attempt(server, question)) as coming,
            ):
                async for piece in coming:
                    if question.whole:
                        kept.append(piece)
                        continue
                    handed = handed or is_text(piece)
                    yield piece
        except Exception as exc:
            assert server is not None  # waiting for a place raises nothing
            if await tries.again(exc, server, spoiled=handed):
                question = question.livelier()
            continue
        for piece in kept:
            yield piece
        return


async def repeated(tries: Tries[S], send: Callable[[S], Awaitable[T]], *, parallel: int) -> T:
    """What `send` gives, called again as the failure allows; its errors explained. For requests without a seed."""
    while True:
        server = None
        try:
            async with tries.fleet.place(tries.model, parallel, without=tries.without) as server:
                return await send(server)
        except Exception as exc:
            assert server is not None  # waiting for a place raises nothing
            await tries.again(exc, server)
