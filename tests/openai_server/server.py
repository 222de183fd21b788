"""The server: its models, what it recorded, and its life on a socket of this machine."""

from __future__ import annotations

import base64
import contextlib
import json
import random
import re
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any, Self

from tests.ollama_server.embedding import _vector
from tests.ollama_server.errors import Refusal
from tests.ollama_server.faults import FaultPlan, Queued
from tests.ollama_server.mischief import Act
from tests.ollama_server.models import Model, Recorded
from tests.ollama_server.reading import look_at
from tests.ollama_server.server import _Http
from tests.ollama_server.writing import Read, image_tokens, pieces_of, reply_text, tokens_in
from tests.openai_server import faults
from tests.openai_server.faults import ENDS, REFUSALS, Event, Fault

_KEYS = set(
    "model messages max_tokens temperature top_p seed stream stream_options frequency_penalty response_format".split()
)
_DATA = re.compile(r"data:image/(png|jpeg);base64,(.+)")
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER that sends RST instead of FIN
_BREATH_S = 0.004


def tiny_models() -> list[Model]:
    """One model of each kind, named as people name them at such servers."""
    return [
        Model("lab/tiny-VL", {"completion", "vision"}),
        Model("lab/tiny-text", {"completion"}),
        Model("lab/tiny-embed", {"embedding"}, context_length=2048),
    ]


class OpenAIServer:
    """A server that speaks OpenAI's protocol on 127.0.0.1; a context manager.

    Args:
        models: what it offers; `tiny_models()` when not said. parallel: requests it works on at the same time.
        key: it asks for, "" for none. tells: it says of its models what they can do, as llama.cpp does; vLLM does not.
        drops: it takes pictures for models without eyes, and drops them. slow_s: how late LATE comes.
    """

    def __init__(
        self,
        models: Sequence[Model] | None = None,
        *,
        parallel: int = 4,
        key: str = "",
        tells: bool = False,
        drops: bool = False,
        slow_s: float = 0.5,
        port: int = 0,
    ) -> None:
        self.models = list(tiny_models() if models is None else models)
        self.key, self.tells, self.drops, self.slow_s = key, tells, drops, slow_s
        self.requests: list[Recorded] = []
        self.faults = FaultPlan()
        self.closing = threading.Event()
        self.places = threading.Semaphore(parallel)
        self.busy = self.peak = 0
        self.lock = threading.Lock()
        self._http = _Http(("127.0.0.1", port), type("BoundHandler", (_Handler,), {"served": self}))  # pyright: ignore[reportArgumentType]  # any handler will do
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def fail(
        self,
        fault: Fault,
        *,
        times: float = 1,
        after: int = 0,
        where: Callable[[Recorded], bool] = lambda request: True,
    ) -> None:
        """The next `times` requests it can happen to and `where` accepts get `fault`, after `after` good ones."""
        with self.faults.lock:
            self.faults.queue.append(Queued(fault, times, after, where))  # pyright: ignore[reportArgumentType]  # has can_hit

    def random_faults(self, *, share: float, seed: int, kinds: Sequence[Fault]) -> None:
        """From now on this share of the requests for text, 0 to 1, gets one of `kinds`; 0 ends it."""
        dice = random.Random(seed)
        self.faults = FaultPlan()
        if share:
            for kind in kinds:
                self.fail(kind, times=float("inf"), where=lambda request: dice.random() < share / len(kinds))

    def clear(self) -> None:
        with self.lock:
            self.requests.clear()
        self.faults = FaultPlan()
        self.peak = 0

    def writing(self) -> list[Recorded]:
        """The streamed requests for text: not those by which it is seen whether a model sees."""
        with self.lock:
            return [one for one in self.requests if one.path in faults.WRITING and one.body.get("stream")]

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        with self.places:
            with self.lock:
                self.busy += 1
                self.peak = max(self.peak, self.busy)
            try:
                yield
            finally:
                with self.lock:
                    self.busy -= 1

    def close(self) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._http.hang_up()
        self._thread.join()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Gone(Exception):
    """The client left, or the server is closing."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "openai-protocol-server"
    wbufsize = 0
    disable_nagle_algorithm = True
    served: OpenAIServer  # set by the server that makes the class

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on stderr: requests are recorded."""

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_GET

    def _serve(self) -> None:
        served = self.served
        with served.lock:
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Recorded(len(served.requests) + 1, self.command, self.path, headers, time.monotonic())
            served.requests.append(request)
        try:
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
            request.body = json.loads(raw) if raw else {}
            drawn = served.faults.draw(request)
            request.fault = fault = drawn if isinstance(drawn, Fault) else None
            try:
                self._answer(request, fault)
            except Refusal as exc:
                self._whole(request, exc.status, exc.body, exc.content_type)
        except (_Gone, ConnectionError, TimeoutError):
            request.gone = True
            self.close_connection = True
        finally:
            request.done_at = time.monotonic()

    def _answer(self, request: Recorded, fault: Fault | None) -> None:
        if self.served.key and request.headers.get("authorization") != f"Bearer {self.served.key}":
            raise Refusal(401, {"error": "Unauthorized"})
        if fault is Fault.CLOSED:
            raise _Gone
        if fault in REFUSALS:
            raise REFUSALS[fault](request.model)
        if (request.method, request.path) == ("GET", "/v1/models"):
            self._whole(request, 200, json.dumps(self._models()).encode())
        elif (request.method, request.path) == ("POST", "/v1/chat/completions"):
            self._chat(request, fault)
        elif (request.method, request.path) == ("POST", "/v1/embeddings"):
            self._embed(request, fault)
        else:
            raise Refusal(404, {"detail": "Not Found"})

    def _models(self) -> Event:
        names = [(model, model.name) for model in self.served.models]
        entries = [{"id": name, "object": "model", "created": 1, "owned_by": "lab"} for _, name in names]
        if self.served.tells:
            can = [["completion", *(["multimodal"] if "vision" in model.capabilities else [])] for model, _ in names]
            more = [
                {"name": name, "model": name, "capabilities": one} for (_, name), one in zip(names, can, strict=True)
            ]
            return {"object": "list", "data": entries, "models": more}
        for entry, (model, _) in zip(entries, names, strict=True):
            entry["max_model_len"] = model.context_length
        return {"object": "list", "data": entries}

    def _model(self, name: str) -> Model:
        found = next((model for model in self.served.models if model.name == name), None)
        if found is None:
            raise faults.no_such_model(name)
        return found

    # --- text ---------------------------------------------------------------------------------------------------------

    def _chat(self, request: Recorded, fault: Fault | None) -> None:
        body = request.body
        if unknown := set(body) - _KEYS:
            raise Refusal(400, {"error": {"message": f"test server: unknown keys {sorted(unknown)}"}})
        model = self._model(request.model)
        if "completion" not in model.capabilities:
            raise Refusal(400, {"error": {"message": "The model does not support Chat Completions API", "code": 400}})
        texts, images = _read(body["messages"])
        request.images = images
        if images and "vision" not in model.capabilities:
            if not self.served.drops:
                raise faults.no_pictures()
            images = []
        prompt_tokens = sum(4 + tokens_in(text) for text in texts) + sum(map(image_tokens, images))
        limit = int(body.get("max_tokens") or 16)
        if prompt_tokens + limit > model.context_length:
            raise faults.too_long(model.context_length, prompt_tokens, limit)
        wanted = (body.get("response_format") or {}).get("json_schema", {}).get("schema")
        asked = {"options": {"seed": body.get("seed", 0), "temperature": body.get("temperature", 0)}, **body}
        text = reply_text(model, asked, Read("\n".join(texts), images, prompt_tokens), wanted)
        text = faults.twisted(fault, text)
        pieces = pieces_of(text)
        finish = ENDS.get(fault, "length" if limit < len(pieces) else "stop") if fault else "stop"
        if limit < len(pieces):
            pieces, finish = pieces[:limit], "length"
        if fault is Fault.PROMPT_CUT:
            prompt_tokens = 1 + prompt_tokens // 8
        usage = {"prompt_tokens": prompt_tokens, "completion_tokens": len(pieces)}
        with self.served.place():
            self.served.closing.wait(model.latency_s + (self.served.slow_s if fault is Fault.LATE else 0))
            if not body.get("stream"):
                message = {"role": "assistant", "content": "".join(pieces)}
                choice = {"index": 0, "message": message, "finish_reason": finish}
                self._whole(request, 200, json.dumps({"choices": [choice], "usage": usage}).encode())
                return
            if fault is Fault.SILENT:
                self._wait_for_client()
            thought = pieces_of("Let me look at it.") if fault in (Fault.REASONING, Fault.ONLY_THOUGHT) else []
            told = None if fault is Fault.NO_USAGE else usage
            self._stream(request, fault, list(_events(model.name, thought, pieces, finish, told)), model.piece_s)

    def _stream(self, request: Recorded, fault: Fault | None, events: list[Event], piece_s: float) -> None:
        request.status = 200
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for step in faults.segments(fault, events):
            if step is Act.BREATHE:
                time.sleep(_BREATH_S)
                self._gone_if_left()
            elif step is Act.STALL:
                self._wait_for_client()
            elif step in (Act.CUT, Act.RESET):
                self.connection.sendall(b"40\r\ndata: {")
                if step is Act.RESET:
                    time.sleep(0.05)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                raise _Gone
            else:
                assert isinstance(step, bytes)
                self.connection.sendall(b"%x\r\n%b\r\n" % (len(step), step))
                request.sent.append(time.monotonic())
                if piece_s:
                    self.served.closing.wait(piece_s)
                    self._gone_if_left()
            if self.served.closing.is_set():
                raise _Gone
        self.connection.sendall(b"0\r\n\r\n")

    # --- vectors ------------------------------------------------------------------------------------------------------

    def _embed(self, request: Recorded, fault: Fault | None) -> None:
        model = self._model(request.model)
        if "embedding" not in model.capabilities:
            raise Refusal(400, {"error": {"message": "The model does not support Embeddings API", "code": 400}})
        texts = request.body["input"]
        if max(map(tokens_in, texts)) > model.context_length:
            raise faults.too_long(model.context_length, max(map(tokens_in, texts)), 0)
        rows = [
            {"object": "embedding", "index": number, "embedding": _vector(text, model.embedding_length, 3.0)}
            for number, text in enumerate(texts)
        ]
        if fault is Fault.SHUFFLED_VECTORS:
            rows.reverse()
        if fault is Fault.TOO_FEW_VECTORS:
            rows.pop()
        with self.served.place():
            self.served.closing.wait(model.latency_s)
            self._whole(request, 200, json.dumps({"object": "list", "data": rows, "model": model.name}).encode())

    # --- the socket ---------------------------------------------------------------------------------------------------

    def _whole(self, request: Recorded, status: int, body: bytes, content_type: str = "application/json") -> None:
        request.status = status
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.connection.sendall(body)

    def _gone_if_left(self) -> None:
        ready, _, _ = select.select([self.connection], [], [], 0)
        if ready and not self.connection.recv(1, socket.MSG_PEEK):
            raise _Gone

    def _wait_for_client(self) -> None:
        while not self.served.closing.wait(0.02):
            self._gone_if_left()
        raise _Gone


def _read(messages: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[bytes]]:
    """The texts and the pictures of a conversation, as strictly as vLLM takes them."""
    texts: list[str] = []
    images: list[bytes] = []
    for message in messages:
        content = message["content"]
        given: list[Event] = [{"type": "text", "text": content}] if isinstance(content, str) else content
        for part in given:
            if part["type"] == "text":
                texts.append(part["text"])
                continue
            found = _DATA.fullmatch(part["image_url"]["url"])
            if not found:
                raise Refusal(400, {"error": {"message": "invalid image: no data URI", "code": 400}})
            image = base64.b64decode(found[2], validate=True)
            look_at(image)
            images.append(image)
    return texts, images


def _events(
    name: str, thought: Sequence[str], pieces: Sequence[str], finish: str, usage: Event | None
) -> Iterator[Event]:
    def event(delta: Event, ended: str | None = None) -> Event:
        choice = {"index": 0, "delta": delta, "finish_reason": ended}
        return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": name, "choices": [choice]}

    yield event({"role": "assistant", "content": ""})
    for piece in thought:
        yield event({"reasoning_content": piece})
    for piece in pieces:
        yield event({"content": piece})
    yield event({}, finish)
    if usage is not None:
        yield {**event({}), "choices": [], "usage": usage}
