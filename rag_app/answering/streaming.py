"""LlamaIndex's streaming responses over an answer that is checked only at its end.

The stream gives the draft as the model writes it, without [n] marks, since nothing of it is checked yet. Read to its
end, the response itself (`str()`, `get_response()`, `response_txt`) is the checked answer, and metadata["answer"] the
whole Answer. Where nothing was written word by word (the builtin answerer, a refusal), the stream gives the checked
answer in one piece.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

from llama_index.core.base.response.schema import AsyncStreamingResponse, Response, StreamingResponse
from llama_index.core.schema import NodeWithScore

from rag_app.answering.answer import Answer

OnText = Callable[[str], None]


class AnswerStream(StreamingResponse):
    """A StreamingResponse whose text is the checked answer once its stream is through."""

    def __str__(self) -> str:
        for _ in self.response_gen:
            pass
        return self.response_txt or ""

    def get_response(self) -> Response:
        return Response(str(self), self.source_nodes, self.metadata)

    def print_response_stream(self) -> None:
        """Print the draft as it comes, then the checked answer."""
        given = ""
        for piece in self.response_gen:
            print(piece, end="", flush=True)
            given += piece
        print("" if given == self.response_txt else f"\n\n{self.response_txt}")


class AsyncAnswerStream(AsyncStreamingResponse):
    """The same for `aquery`."""

    async def _yield_response(self) -> AsyncGenerator[str, None]:
        async with self._lock:
            if self.response_txt is not None:
                yield self.response_txt
                return
            async for piece in self.response_gen:
                yield piece


class _Abandoned(Exception):
    """Nobody reads the stream any more; leaves the model's request through `on_text`."""


def stream(run: Callable[[OnText], Answer], sources: Sequence[NodeWithScore]) -> AnswerStream:
    """`run` in a thread, what it passes to its argument as the stream; an error it raises is raised by the stream."""
    response = AnswerStream(response_gen=_empty(), source_nodes=list(sources), metadata={})
    response.response_gen = _pieces(run, response)
    return response


def async_stream(run: Callable[[OnText], Awaitable[Answer]], sources: Sequence[NodeWithScore]) -> AsyncAnswerStream:
    """The same for a coroutine function."""
    response = AsyncAnswerStream(response_gen=_async_empty(), source_nodes=list(sources), metadata={})
    response.response_gen = _async_pieces(run, response)
    return response


def _pieces(run: Callable[[OnText], Answer], response: AnswerStream) -> Generator[str, None, None]:
    arrived: SimpleQueue[str | None] = SimpleQueue()
    abandoned = threading.Event()

    def take(piece: str) -> None:
        if abandoned.is_set():
            raise _Abandoned
        arrived.put(piece)

    def work() -> Answer | None:
        try:
            return run(take)
        except _Abandoned:
            return None
        finally:
            arrived.put(None)

    given = False
    pool = ThreadPoolExecutor(1, thread_name_prefix="answer")
    answering = pool.submit(work)
    try:
        while (piece := arrived.get()) is not None:
            given = True
            yield piece
    finally:
        abandoned.set()
        pool.shutdown(wait=False)  # never waited for: an abandoned stream may be collected in that very thread
    answer = answering.result()
    assert answer is not None, "abandoned while it was read"
    _finish(response, answer)
    if not given:
        yield answer.answer


async def _async_pieces(
    run: Callable[[OnText], Awaitable[Answer]], response: AsyncAnswerStream
) -> AsyncGenerator[str, None]:
    loop = asyncio.get_running_loop()
    arrived: asyncio.Queue[str | None] = asyncio.Queue()

    def take(piece: str | None) -> None:
        loop.call_soon_threadsafe(arrived.put_nowait, piece)  # a model may call from a thread of its own

    answering = asyncio.ensure_future(run(take))
    answering.add_done_callback(lambda _: take(None))
    given = False
    try:
        while (piece := await arrived.get()) is not None:
            given = True
            yield piece
        answer = await answering
    finally:
        answering.cancel()
    _finish(response, answer)
    if not given:
        yield answer.answer


def _finish(response: AnswerStream | AsyncAnswerStream, answer: Answer) -> None:
    response.response_txt = answer.answer
    response.metadata = {"answer": answer.to_dict()}


def _empty() -> Generator[str, None, None]:
    yield from ()


async def _async_empty() -> AsyncGenerator[str, None]:
    for nothing in ():
        yield nothing
