"""The lines of a reply, put together: as ours and as LlamaIndex's."""

from __future__ import annotations

from typing import Any

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole

from adapters.ollama.server import Line
from adapters.ollama.talk import Question, unfenced
from rag_app.models import Reply


class Gathered:
    """What has come so far of the reply to `question`."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.text = ""
        self.thinking = ""
        self.calls: list[dict[str, Any]] = []  # Any: JSON
        self.last: Line = {}
        self._thought = ""

    def add(self, line: Line) -> str:
        """Take one line; the new text in it."""
        message = line.get("message") or {}
        new, self._thought = str(message.get("content") or ""), str(message.get("thinking") or "")
        self.text += new
        self.thinking += self._thought
        self.calls += [call for call in message.get("tool_calls") or () if call not in self.calls]
        self.last = line
        return new

    @property
    def whole_text(self) -> str:
        return unfenced(self.text) if self.question.format else self.text

    def reply(self, seconds: float) -> Reply:
        """The whole reply; `seconds` on the caller's clock."""
        return Reply(
            text=self.whole_text,
            model=self.question.name,
            seconds=seconds,
            load_seconds=float(self.last.get("load_duration") or 0) / 1e9,
            prompt_tokens=self.last.get("prompt_eval_count"),
            reply_tokens=self.last.get("eval_count"),
            context_tokens=self.last.get("num_ctx"),
        )

    def response(self, delta: str | None = None) -> ChatResponse:
        """What has come so far, as LlamaIndex has it; the server's last line and the token counts are in `raw`."""
        raw = dict(self.last)
        read, written = raw.get("prompt_eval_count"), raw.get("eval_count")
        if read is not None and written is not None:
            raw["usage"] = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
        message = ChatMessage(
            role=MessageRole.ASSISTANT,
            content=self.whole_text if delta is None else self.text,
            additional_kwargs={"tool_calls": list(self.calls), "thinking": self.thinking},
        )
        more = {} if delta is None else {"thinking_delta": self._thought or None}
        return ChatResponse(message=message, delta=delta, raw=raw, additional_kwargs=more)
