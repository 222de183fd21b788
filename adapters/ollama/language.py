"""Language and vision models of an Ollama server: a LlamaIndex multi-modal LLM, and `rag_app.models.LanguageModel`.

The class of llama-index-multi-modal-llms-ollama is the frame; what it sends, waits for and accepts is ours
(adapters.ollama.talk), because its own transport drops pictures and options, trusts cut replies and waits 30 seconds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import aclosing, closing
from typing import Any, Self

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    ImageBlock,
    LLMMetadata,
    TextBlock,
)
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.callbacks import CallbackManager
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.llm import LLM
from llama_index.core.prompts import BasePromptTemplate, PromptTemplate
from llama_index.multi_modal_llms.ollama import OllamaMultiModal
from pydantic import BaseModel, ValidationError

from adapters.names import ModelName
from adapters.ollama import background, blocks, catalogue, host, names, talk
from adapters.ollama.options import Options, read_options
from adapters.ollama.pictures import normalised_all
from adapters.ollama.replies import Gathered
from adapters.ollama.talk import Message, Question
from rag_app.errors import UnknownName, UnusableReply
from rag_app.models import Reply, first_problem
from rag_app.settings import Settings


class OllamaModel(OllamaMultiModal):
    """A model of an Ollama server, by name. Making it asks the server nothing and costs nothing.

    As a LlamaIndex LLM it takes, per call, `temperature`, `seed`, `max_tokens`, `options`, `format`, `keep_alive`,
    `think` and `tools`; any other keyword is refused. Pictures come as ImageBlocks of a message, or to `complete` as
    `image_documents`: bytes, ImageBlock, ImageNode, ImageDocument, mixed. Addresses are never fetched.
    Every method raises the errors of rag_app.errors; what was cut or broke off is raised, never returned.
    """

    max_tokens: int = 2048
    seed: int = 0
    _settings: Settings = PrivateAttr()
    _reads_pictures: bool = PrivateAttr(default=False)
    _wire_name: str = PrivateAttr(default="")

    def __new__(cls, *_: Any, **__: Any) -> Self:  # Any: the arguments are __init__'s
        # The stock class warns of its deprecation in __new__; this class is the place where it is used on purpose.
        return object.__new__(cls)

    def __init__(
        self,
        model: str,
        *,
        settings: Settings | None = None,
        pictures: bool = False,
        temperature: float = 0.0,
        seed: int = 0,
        max_tokens: int = 2048,
        options: Mapping[str, Any] | None = None,  # Any: JSON
        thinking: bool | None = None,
        function_calling: bool = False,
        system_prompt: str | None = None,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        """Args:
        pictures: `check` makes sure that it can see, unless told otherwise.
        options: further options of the API, sent with every request.
        thinking: None switches it off where the model can think.
        function_calling: let LlamaIndex agents hand it tools; the model must be able to call them.
        """
        chosen = settings or Settings()
        super().__init__(
            model=names.full(model),
            base_url=host.find(chosen)[0].url,  # the stock class wants one; requests go to all of them
            temperature=temperature,
            context_window=chosen.ollama.context_tokens,
            request_timeout=float(chosen.ollama.first_word_s),
            additional_kwargs=dict(options or {}),
            is_function_calling_model=function_calling,
            keep_alive=talk.keep_alive(chosen.ollama.keep_alive),
            thinking=thinking,
            system_prompt=system_prompt,
            callback_manager=callback_manager or CallbackManager([]),
        )
        self.max_tokens, self.seed = max_tokens, seed
        self._settings, self._reads_pictures = chosen, pictures
        self._wire_name = model

    @classmethod
    def class_name(cls) -> str:
        return "OllamaModel"

    # --- rag_app.models.LanguageModel -------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Its full name, "ollama:qwen2.5vl:7b", with which it can be loaded again."""
        return f"ollama:{self.model}"

    @property
    def sees(self) -> bool:
        """Whether it reads pictures; asks the server, and believes that for a minute."""
        return "vision" in catalogue.resolve(self._wire_name, self._settings).capabilities

    @property
    def digest(self) -> str:
        """Digest of its files, as its server lists it: other weights under the same name have another. Asks the server.

        "" where the server does not list it; those of several servers joined by "+" where they differ.
        """
        listed = {model.name: model.digest for model in catalogue.installed(self._settings)}
        return listed.get(self.model, "")

    def check(self, *, pictures: bool | None = None) -> None:
        """Make sure that it can be asked; see LanguageModel.check. `pictures`: None means as it was made."""
        needed = self._reads_pictures if pictures is None else pictures
        catalogue.check(self._wire_name, self._settings, pictures=needed)

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

        With `on_text` a reply that broke off after its first words is raised at once, not asked for again.
        """
        started = time.perf_counter()
        given = _given(schema, max_tokens, temperature, seed, repeat_penalty)
        question = self._question(_turns(system, prompt, normalised_all(images)), given, whole=on_text is None)
        gathered = Gathered(question)
        with closing(background.iterate(talk.parts(question, self._settings))) as lines:
            for line in lines:
                piece = gathered.add(line)
                if piece and on_text:
                    on_text(piece)
        return gathered.reply(time.perf_counter() - started)

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
        """As `ask`, without blocking the event loop."""
        started = time.perf_counter()
        ready = await asyncio.to_thread(normalised_all, images) if images else ()
        given = _given(schema, max_tokens, temperature, seed, repeat_penalty)
        question = self._question(_turns(system, prompt, ready), given, whole=on_text is None)
        gathered = Gathered(question)
        async with aclosing(background.aiterate(talk.parts(question, self._settings))) as lines:
            async for line in lines:
                piece = gathered.add(line)
                if piece and on_text:
                    on_text(piece)
        return gathered.reply(time.perf_counter() - started)

    def _question(self, messages: tuple[Message, ...], given: dict[str, Any], *, whole: bool) -> Question:
        read: Options = read_options(
            given,
            defaults={
                "temperature": self.temperature,
                "seed": self.seed,
                "max_tokens": self.max_tokens,
                "think": self.thinking,
                "options": self.additional_kwargs,
                "format": "json" if self.json_mode else None,
            },
        )
        return Question(
            self._wire_name,
            messages,
            read.options,
            format=read.format,
            keep_alive=read.keep_alive if read.keep_alive is not None else self.keep_alive,
            think=read.think,
            tools=read.tools,
            whole=whole,
        )

    # --- LlamaIndex: chat -------------------------------------------------------------------------------------------

    @property
    def metadata(self) -> LLMMetadata:
        """What LlamaIndex wants to know; asks the server nothing."""
        return LLMMetadata(
            context_window=self.context_window,
            num_output=self.max_tokens,
            model_name=self.model,
            is_chat_model=True,
            is_function_calling_model=self.is_function_calling_model,
        )

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """The whole reply to a conversation."""
        gathered = Gathered(self._question(blocks.from_chat(messages), kwargs, whole=True))
        with closing(background.iterate(talk.parts(gathered.question, self._settings))) as lines:
            for line in lines:
                gathered.add(line)
        return gathered.response()

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """The reply as it comes; what was yielded is no whole reply until the generator ends without an error."""
        gathered = Gathered(self._question(blocks.from_chat(messages), kwargs, whole=False))

        def come() -> Generator[ChatResponse, None, None]:
            with closing(background.iterate(talk.parts(gathered.question, self._settings))) as lines:
                for line in lines:
                    yield gathered.response(delta=gathered.add(line))

        return come()

    @llm_chat_callback()
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """As `chat`, without blocking the event loop."""
        gathered = Gathered(self._question(await _converted(messages), kwargs, whole=True))
        async with aclosing(background.aiterate(talk.parts(gathered.question, self._settings))) as lines:
            async for line in lines:
                gathered.add(line)
        return gathered.response()

    @llm_chat_callback()
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """As `stream_chat`, without blocking the event loop."""
        gathered = Gathered(self._question(await _converted(messages), kwargs, whole=False))

        async def come() -> AsyncGenerator[ChatResponse, None]:
            async with aclosing(background.aiterate(talk.parts(gathered.question, self._settings))) as lines:
                async for line in lines:
                    yield gathered.response(delta=gathered.add(line))

        return come()

    def _get_messages(self, prompt: BasePromptTemplate, **prompt_args: Any) -> list[ChatMessage]:  # pyright: ignore[reportIncompatibleMethodOverride]  # LLM's own
        # The stock class has another method of this name, and so `predict` fails with it (0.6.1).
        return LLM._get_messages(self, prompt, **prompt_args)

    # --- LlamaIndex: complete ---------------------------------------------------------------------------------------

    @llm_completion_callback()
    def complete(
        self, prompt: str, image_documents: Sequence[blocks.Picture] = (), formatted: bool = False, **kwargs: Any
    ) -> CompletionResponse:
        """The whole reply to one prompt and its pictures."""
        return _completion(self.chat(_one_turn(prompt, image_documents), **kwargs))

    @llm_completion_callback()
    def stream_complete(
        self, prompt: str, image_documents: Sequence[blocks.Picture] = (), formatted: bool = False, **kwargs: Any
    ) -> CompletionResponseGen:
        """As `complete`, as it comes; see `stream_chat`."""
        coming = self.stream_chat(_one_turn(prompt, image_documents), **kwargs)

        def come() -> Generator[CompletionResponse, None, None]:
            with closing(coming) as responses:
                for response in responses:
                    yield _completion(response)

        return come()

    @llm_completion_callback()
    async def acomplete(
        self, prompt: str, image_documents: Sequence[blocks.Picture] = (), formatted: bool = False, **kwargs: Any
    ) -> CompletionResponse:
        """As `complete`, without blocking the event loop."""
        return _completion(await self.achat(_one_turn(prompt, image_documents), **kwargs))

    @llm_completion_callback()
    async def astream_complete(
        self, prompt: str, image_documents: Sequence[blocks.Picture] = (), formatted: bool = False, **kwargs: Any
    ) -> CompletionResponseAsyncGen:
        """As `stream_complete`, without blocking the event loop."""
        coming = await self.astream_chat(_one_turn(prompt, image_documents), **kwargs)

        async def come() -> AsyncGenerator[CompletionResponse, None]:
            async with aclosing(coming) as responses:
                async for response in responses:
                    yield _completion(response)

        return come()

    # --- LlamaIndex: structured -------------------------------------------------------------------------------------

    def structured_predict(  # pyright: ignore[reportIncompatibleMethodOverride]  # BaseModel is what it must be
        self,
        output_cls: type[BaseModel],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> BaseModel:
        """The reply as a record of `output_cls`; asked once more with another seed, then UnusableReply."""
        messages, problem = prompt.format_messages(**prompt_args), ""
        for attempt in range(2):
            reply = self.chat(messages, **self._form(output_cls, llm_kwargs, attempt))
            record, problem = _validated(output_cls, reply)
            if record is not None:
                return record
        raise _shapeless(self.name, problem)

    async def astructured_predict(  # pyright: ignore[reportIncompatibleMethodOverride]  # as structured_predict
        self,
        output_cls: type[BaseModel],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> BaseModel:
        """As `structured_predict`, without blocking the event loop."""
        messages, problem = prompt.format_messages(**prompt_args), ""
        for attempt in range(2):
            reply = await self.achat(messages, **self._form(output_cls, llm_kwargs, attempt))
            record, problem = _validated(output_cls, reply)
            if record is not None:
                return record
        raise _shapeless(self.name, problem)

    def _form(self, output_cls: type[BaseModel], given: dict[str, Any] | None, attempt: int) -> dict[str, Any]:
        wanted = {**(given or {}), "format": output_cls.model_json_schema()}
        if attempt:
            wanted["seed"] = int(wanted.get("seed") or self.seed) + attempt
            wanted["temperature"] = max(float(wanted.get("temperature") or self.temperature or 0.0), talk.LIVELIER)
        return wanted


def _validated(output_cls: type[BaseModel], reply: ChatResponse) -> tuple[BaseModel | None, str]:
    try:
        return output_cls.model_validate_json(reply.message.content or ""), ""
    except ValidationError as exc:
        return None, first_problem(exc)


def _shapeless(name: str, problem: str) -> UnusableReply:
    return UnusableReply(f"{name} did not give what was asked for ({problem}), twice. Try another model.")


def _turns(system: str, prompt: str, images: tuple[bytes, ...]) -> tuple[Message, ...]:
    return (*((Message("system", system),) if system else ()), Message("user", prompt, images))


def _given(
    schema: Mapping[str, Any] | None,  # Any: JSON
    max_tokens: int,
    temperature: float,
    seed: int,
    repeat_penalty: float | None,
) -> dict[str, Any]:
    given: dict[str, Any] = {"temperature": temperature, "seed": seed, "max_tokens": max_tokens}  # Any: JSON
    if repeat_penalty is not None:
        given["options"] = {"repeat_penalty": repeat_penalty}
    if schema is not None:
        given["format"] = schema
    return given


async def _converted(messages: Sequence[ChatMessage]) -> tuple[Message, ...]:
    if any(isinstance(block, ImageBlock) for message in messages for block in message.blocks):
        return await asyncio.to_thread(blocks.from_chat, messages)
    return blocks.from_chat(messages)


def _one_turn(prompt: str, pictures: Sequence[blocks.Picture]) -> list[ChatMessage]:
    images = [ImageBlock(image=blocks.picture_bytes(picture)) for picture in pictures]
    return [ChatMessage(role="user", blocks=[TextBlock(text=prompt), *images])]


def _completion(response: ChatResponse) -> CompletionResponse:
    return CompletionResponse(
        text=response.message.content or "",
        delta=response.delta,
        raw=response.raw,
        additional_kwargs=response.additional_kwargs or response.message.additional_kwargs,
    )


def load(name: ModelName, settings: Settings) -> OllamaModel:
    """The language model of that name."""
    return _load(name, settings, pictures=False)


def load_vision(name: ModelName, settings: Settings) -> OllamaModel:
    """The vision model of that name: its `check` makes sure that it sees."""
    return _load(name, settings, pictures=True)


def _load(name: ModelName, settings: Settings, *, pictures: bool) -> OllamaModel:
    if name.adapter:
        raise UnknownName(
            f"{name} names a LoRA adapter, which Ollama takes only inside a model of its own: make one with "
            "'ollama create', and use its name."
        )
    return OllamaModel(name.rest, settings=settings, pictures=pictures)
