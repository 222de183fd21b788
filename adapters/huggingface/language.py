"""Vision-language models of transformers: a LlamaIndex multi-modal LLM, and `rag_app.models.LanguageModel`."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    LLMMetadata,
    MessageRole,
)
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.constants import DEFAULT_CONTEXT_WINDOW
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.llm import LLM

from adapters.huggingface import files, loading
from adapters.huggingface.conversation import completion, conversation, groups, one_turn, response, turns
from adapters.huggingface.naming import Source, parse_source
from adapters.names import ModelName
from adapters.ollama.blocks import Picture
from rag_app.errors import IncompleteReply, ModelError, PromptTooLong, UsageError
from rag_app.models import Reply
from rag_app.settings import Settings

if TYPE_CHECKING:
    import numpy as np

    from adapters.huggingface.generating import Options, Written
    from adapters.huggingface.loading import Parts
    from adapters.huggingface.prompting import Message

BATCH = 8  # conversations in one pass of `ask_many`
_KEYWORDS = ("temperature", "seed", "max_tokens", "repeat_penalty", "schema")

# Models in use, by name: two roles with the same model share it. The latest stays for the next question; the others go
# when nobody holds them any more.
_loaded: WeakValueDictionary[str, Parts] = WeakValueDictionary()
_latest: list[Parts] = []
_loading = threading.RLock()


class HuggingFaceModel(LLM):
    """A vision-language model of transformers, by name. Making it costs nothing; weights load at first use.

    As a LlamaIndex LLM it takes, per call, `temperature`, `seed`, `max_tokens`, `repeat_penalty` and `schema`; any
    other keyword is refused. Pictures come as ImageBlocks of a message, or to `complete` as `image_documents`: bytes,
    ImageBlock, ImageNode, ImageDocument, mixed. Addresses are never fetched. One call runs at a time.
    Every method raises the errors of rag_app.errors; what was cut is raised, never returned.
    """

    max_tokens: int = 1024
    temperature: float = 0.0
    seed: int = 0
    _source: Source = PrivateAttr()
    _parts: Any = PrivateAttr(default=None)  # Any: Parts, which pydantic must not look into
    _lock: Any = PrivateAttr(default_factory=threading.RLock)  # Any: RLock is no class

    def __init__(
        self,
        source: Source,
        *,
        temperature: float = 0.0,
        seed: int = 0,
        max_tokens: int = 1024,
        system_prompt: str | None = None,
    ) -> None:
        super().__init__(system_prompt=system_prompt)
        self.max_tokens, self.temperature, self.seed = max_tokens, temperature, seed
        self._source = source

    @classmethod
    def class_name(cls) -> str:
        return "HuggingFaceModel"

    @property
    def parts(self) -> Parts:
        """The loaded model; loads it at first use. Raises as loading.load."""
        if self._parts is None:
            with _loading:
                found = _loaded.get(self.name)
                if found is None:
                    _latest.clear()  # before the next one comes into memory
                    found = _loaded[self.name] = loading.load(self._source)
                    _latest.append(found)
                self._parts = found
        return self._parts

    # --- rag_app.models.LanguageModel -------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Its full name, "hf:Qwen/Qwen2.5-VL-3B-Instruct+/data/adapter", with which it can be loaded again."""
        return self._source.name

    @property
    def sees(self) -> bool:
        return True

    @property
    def digest(self) -> str:
        """Digest of its weights, the adapter's too: other weights under the same name have another."""
        found = files.locate(self._source)
        adapter = (self._source.adapter / "adapter_model.safetensors",) if self._source.adapter else ()
        return files.fingerprint(found.weights) + (f"+{files.fingerprint(adapter)}" if adapter else "")

    def check(self, *, pictures: bool = False) -> None:
        """Make sure that it can be loaded, without loading its weights; see LanguageModel.check. It always sees."""
        loading.check(self._source)

    def ask(
        self,
        prompt: str,
        *,
        images: Sequence[bytes] = (),
        system: str = "",
        schema: Mapping[str, Any] | None = None,  # Any: JSON
        max_tokens: int = 1024,
        temperature: float = 0.0,
        seed: int = 0,
        repeat_penalty: float | None = None,
        on_text: Callable[[str], None] | None = None,
    ) -> Reply:
        """The model's whole reply to one prompt; see LanguageModel.ask.

        Raises IncompleteReply when the reply did not end within max_tokens, PromptTooLong when it did not end within
        what the prompt leaves of the model's context.
        """
        from adapters.huggingface.generating import Options

        started = time.perf_counter()
        options = Options(max_tokens, temperature, seed, repeat_penalty, schema)
        asked = turns(system, prompt, images)
        load_s, written = self._write([asked], options, on_text=on_text)
        return self._reply(written[0], time.perf_counter() - started, load_s)

    async def aask(
        self,
        prompt: str,
        *,
        images: Sequence[bytes] = (),
        system: str = "",
        schema: Mapping[str, Any] | None = None,  # Any: JSON
        max_tokens: int = 1024,
        temperature: float = 0.0,
        seed: int = 0,
        repeat_penalty: float | None = None,
        on_text: Callable[[str], None] | None = None,
    ) -> Reply:
        """As `ask`, without blocking the event loop; `on_text` is called on another thread."""
        return await asyncio.to_thread(
            self.ask,
            prompt,
            images=images,
            system=system,
            schema=schema,
            max_tokens=max_tokens,
            temperature=temperature,
            seed=seed,
            repeat_penalty=repeat_penalty,
            on_text=on_text,
        )

    def ask_many(
        self,
        prompts: Sequence[tuple[str, Sequence[bytes]]],
        *,
        system: str = "",
        schema: Mapping[str, Any] | None = None,  # Any: JSON
        max_tokens: int = 64,
        batch: int = BATCH,
        on_done: Callable[[int], None] | None = None,
    ) -> list[Reply | ModelError]:
        """A reply, or why there is none, for each (prompt, pictures), in order; likeliest tokens, `batch` at a time.

        A reply that did not end within max_tokens, or within the context, is the only error that is given, not raised.
        `seconds` of a reply is its share of its batch. on_done: called with how many are done.
        """
        from adapters.huggingface.generating import Options

        options = Options(max_tokens, schema=schema)
        found: dict[int, Reply | ModelError] = {}
        for group in groups(prompts, batch):
            started = time.perf_counter()
            load_s, written = self._write([turns(system, *prompts[place]) for place in group], options)
            seconds = (time.perf_counter() - started) / len(group)
            for place, one in zip(group, written, strict=True):
                try:
                    found[place] = self._reply(one, seconds, load_s)
                except (IncompleteReply, PromptTooLong) as exc:
                    found[place] = exc
            if on_done is not None:
                on_done(len(found))
        return [found[place] for place in range(len(prompts))]

    def weigh(
        self,
        images: Sequence[Path | bytes],
        question: str,
        answers: Sequence[str],
        *,
        on_done: Callable[[int], None] | None = None,
    ) -> np.ndarray:
        """(n_images, n_answers) float64, how likely each answer is; see likelihood.log_likelihoods."""
        from adapters.huggingface.likelihood import log_likelihoods

        with self._lock:
            return log_likelihoods(self.parts, images, question, answers, on_done=on_done)

    def _write(
        self,
        conversations: Sequence[Sequence[Message]],
        options: Options,
        *,
        on_text: Callable[[str], None] | None = None,
        stopped: Callable[[], bool] | None = None,
    ) -> tuple[float, list[Written]]:
        """Seconds that loading took, and the replies."""
        if options.max_tokens < 1:
            raise UsageError(f"max_tokens is {options.max_tokens}; set a whole number of 1 or more.")
        with self._lock:
            started = time.perf_counter()
            new = self._parts is None
            parts = self.parts
            load_s = time.perf_counter() - started if new else 0.0
            from adapters.huggingface.generating import write

            return load_s, write(parts, conversations, options, on_text=on_text, stopped=stopped)

    def _reply(self, written: Written, seconds: float, load_s: float) -> Reply:
        from adapters.huggingface.prompting import context_tokens

        context = context_tokens(self.parts.model)
        if not written.whole and written.prompt_tokens + written.reply_tokens >= context:
            raise PromptTooLong(
                f"The prompt has {written.prompt_tokens:,} tokens with its pictures and leaves "
                f"{written.reply_tokens:,} of the {context:,} that {self.name} reads, too few for the reply; ask with "
                "fewer passages or pictures."
            )
        if not written.whole:
            raise IncompleteReply(
                f"The reply of {self.name} did not end within {written.reply_tokens:,} tokens; allow more, or ask for "
                "less."
            )
        return Reply(
            written.text,
            self.name,
            seconds,
            load_s,
            written.prompt_tokens,
            written.reply_tokens,
            context,
        )

    # --- LlamaIndex -------------------------------------------------------------------------------------------------

    @property
    def metadata(self) -> LLMMetadata:
        """What LlamaIndex wants to know; loads nothing, so the context is known only once the model is in use."""
        window = DEFAULT_CONTEXT_WINDOW
        if self._parts is not None:
            from adapters.huggingface.prompting import context_tokens

            window = context_tokens(self._parts.model)
        return LLMMetadata(context_window=window, num_output=self.max_tokens, model_name=self.name, is_chat_model=True)

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """The whole reply to a conversation."""
        options = self._options(kwargs)
        started = time.perf_counter()
        load_s, written = self._write([conversation(messages)], options)
        return response(self._reply(written[0], time.perf_counter() - started, load_s))

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """The reply as it comes; what was yielded is no whole reply until the generator ends without an error.

        Closing the generator stops the model after the token it is at.
        """
        options, said = self._options(kwargs), conversation(messages)

        def come() -> Generator[ChatResponse, None, None]:
            pieces: queue.SimpleQueue[str | Written | BaseException] = queue.SimpleQueue()
            closed = threading.Event()

            def work() -> None:
                try:
                    pieces.put(self._write([said], options, on_text=pieces.put, stopped=closed.is_set)[1][0])
                except BaseException as exc:  # raised where the reply is read
                    pieces.put(exc)

            worker = threading.Thread(target=work, name="reply", daemon=True)
            started = time.perf_counter()
            worker.start()
            text = ""
            try:
                while isinstance(piece := pieces.get(), str):
                    text += piece
                    yield ChatResponse(message=ChatMessage(role=MessageRole.ASSISTANT, content=text), delta=piece)
                if isinstance(piece, BaseException):
                    raise piece
                self._reply(piece, time.perf_counter() - started, 0.0)
            finally:
                closed.set()
                worker.join()

        return come()

    @llm_chat_callback()
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """As `chat`, without blocking the event loop."""
        return await asyncio.to_thread(self.chat, messages, **kwargs)

    @llm_chat_callback()
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """As `stream_chat`, without blocking the event loop."""
        return _awaited(self.stream_chat(messages, **kwargs))

    @llm_completion_callback()
    def complete(
        self, prompt: str, formatted: bool = False, image_documents: Sequence[Picture] = (), **kwargs: Any
    ) -> CompletionResponse:
        """The whole reply to one prompt and its pictures."""
        return completion(self.chat(one_turn(prompt, image_documents), **kwargs))

    @llm_completion_callback()
    def stream_complete(
        self, prompt: str, formatted: bool = False, image_documents: Sequence[Picture] = (), **kwargs: Any
    ) -> CompletionResponseGen:
        """As `complete`, as it comes; see `stream_chat`."""
        coming = self.stream_chat(one_turn(prompt, image_documents), **kwargs)

        def come() -> Generator[CompletionResponse, None, None]:
            for piece in coming:
                yield completion(piece)

        return come()

    @llm_completion_callback()
    async def acomplete(
        self, prompt: str, formatted: bool = False, image_documents: Sequence[Picture] = (), **kwargs: Any
    ) -> CompletionResponse:
        """As `complete`, without blocking the event loop."""
        return await asyncio.to_thread(self.complete, prompt, formatted, image_documents, **kwargs)

    @llm_completion_callback()
    async def astream_complete(
        self, prompt: str, formatted: bool = False, image_documents: Sequence[Picture] = (), **kwargs: Any
    ) -> CompletionResponseAsyncGen:
        """As `stream_complete`, without blocking the event loop."""
        return _awaited(self.stream_complete(prompt, formatted, image_documents, **kwargs))

    def _options(self, given: Mapping[str, Any]) -> Options:  # Any: what a caller may send
        from adapters.huggingface.generating import Options

        for key in given:
            if key not in _KEYWORDS:
                raise UsageError(f"Models of transformers take no keyword {key!r}; known are {', '.join(_KEYWORDS)}.")
        said = {"temperature": self.temperature, "seed": self.seed, "max_tokens": self.max_tokens}
        return Options(**{**said, **{key: value for key, value in given.items() if value is not None}})


async def _awaited(coming: Generator[Any, None, None]) -> AsyncGenerator[Any, None]:  # Any: a chat's or completion's
    """The generator's items, each waited for on a thread."""
    end = object()
    try:
        while (item := await asyncio.to_thread(next, coming, end)) is not end:
            yield item
    finally:
        await asyncio.to_thread(coming.close)


def load(name: ModelName, settings: Settings) -> HuggingFaceModel:
    """The model of that name, for any role in which it writes. Raises ModelUnsuitable where packages are missing."""
    source = parse_source(name)
    loading.check_installed(source)
    return HuggingFaceModel(source)
