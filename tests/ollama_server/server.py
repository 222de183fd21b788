"""The server: its models, what it recorded, and its life on a socket of this machine."""

from __future__ import annotations

import contextlib
import hashlib
import random
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.ollama_server.errors import refusal
from tests.ollama_server.faults import Fault, FaultPlan, Queued
from tests.ollama_server.handler import Handler, as_log
from tests.ollama_server.models import Model, Recorded, find
from tests.ollama_server.scheduler import Scheduler

DEFAULT_CONTEXT = 4096
LEAST_VISION_CONTEXT = 2048


def tiny_models() -> list[Model]:
    """One model of each kind, named as the contract suite names them."""
    return [
        Model("tinyvlm", {"completion", "vision"}),
        Model("tinytext", {"completion"}),
        Model("tinyembed", {"embedding"}, context_length=2048, family="bert"),
    ]


class OllamaServer:
    """A server that speaks Ollama's protocol on 127.0.0.1; a context manager.

    Args:
        models: what is installed; `tiny_models()` when not said. pullable: what `pull` can fetch.
        parallel, max_loaded, max_queue: as OLLAMA_NUM_PARALLEL, OLLAMA_MAX_LOADED_MODELS, OLLAMA_MAX_QUEUE.
        default_context: tokens of context where a request sets no num_ctx.
        slow_s: how late a reply with SLOW_FIRST_BYTE comes.
        log: file that gets a JSON line for each request as it arrives, and one when it is done.

    `requests` holds every request in the order of arrival; `loads` every loading of a model.
    """

    def __init__(
        self,
        models: Sequence[Model] | None = None,
        *,
        pullable: Sequence[Model] = (),
        parallel: int = 1,
        max_loaded: int = 3,
        max_queue: int = 512,
        default_context: int = DEFAULT_CONTEXT,
        version: str = "0.33.0",
        slow_s: float = 1.0,
        port: int = 0,
        log: Path | None = None,
    ) -> None:
        self.models = list(tiny_models() if models is None else models)
        self.pullable = list(pullable)
        self.blobs: dict[str, bytes] = {}
        self.version = version
        self.slow_s = slow_s
        self.default_context = default_context
        self.requests: list[Recorded] = []
        self.scheduler = Scheduler(parallel, max_loaded, max_queue)
        self.faults = FaultPlan()
        self.closing = threading.Event()
        self._log = log.open("a", encoding="utf-8") if log else None
        self._digests: dict[int, str] = {}
        self._lock = threading.Lock()
        self._http = _Http(("127.0.0.1", port), type("BoundHandler", (Handler,), {"ollama": self}))
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def loads(self) -> list[Any]:  # Any: Load
        """Every loading of a model since the last `clear`, reloads for another context included."""
        return self.scheduler.loads

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
            self.faults.queue.append(Queued(fault, times, after, where))

    def random_faults(self, *, share: float, seed: int, kinds: Sequence[Fault]) -> None:
        """From now on this share of the requests for text, 0 to 1, gets one of `kinds`; 0 ends it."""
        with self.faults.lock:
            self.faults.share, self.faults.kinds = share, tuple(kinds)
            self.faults.dice = random.Random(seed)

    def clear(self) -> None:
        """Forget requests, loadings and faults; what is loaded stays loaded."""
        with self._lock:
            self.requests.clear()
        self.scheduler.loads.clear()
        self.scheduler.peak = 0
        self.faults = FaultPlan()

    def writing(self) -> list[Recorded]:
        """The requests for text among `requests`."""
        with self._lock:
            return [request for request in self.requests if request.path in ("/api/chat", "/api/generate")]

    def start(self) -> Self:
        self._thread.start()
        return self

    def close(self) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._http.hang_up()
        self._thread.join()
        if self._log:
            self._log.close()
            self._log = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # What the handler and the endpoints ask.

    def model(self, name: str, *, shown: str = "") -> Model:
        """The installed model of that name; Refusal 404 where there is none."""
        model = find(self.models, name)
        if model is None:
            raise refusal(404, f"model '{shown or name}' not found")
        return model

    def context_of(self, model: Model, options: Mapping[str, Any]) -> int:  # Any: JSON
        """Tokens of context a request runs in: what it asks for, no more than the model was trained on."""
        wanted = int(options.get("num_ctx") or self.default_context)
        if "vision" in model.capabilities:
            wanted = max(wanted, LEAST_VISION_CONTEXT)
        return min(wanted, model.context_length)

    def wait(self, seconds: float) -> None:
        if seconds:
            self.closing.wait(seconds)

    def record(self, method: str, path: str, headers: Mapping[str, str]) -> Recorded:
        with self._lock:
            request = Recorded(len(self.requests) + 1, method, path, headers, time.monotonic())
            self.requests.append(request)
            return request

    def arrived(self, request: Recorded, raw: bytes) -> None:
        self._write_log(request, hashlib.sha256(raw).hexdigest(), "request")

    def finished(self, request: Recorded) -> None:
        self._write_log(request, "", "reply")

    def _write_log(self, request: Recorded, digest: str, event: str) -> None:
        if self._log is None:
            return
        with self._lock:
            if digest:
                self._digests[request.number] = digest
            known = self._digests.get(request.number, "")
            if self._log:
                self._log.write(as_log(request, known, event) + "\n")
                self._log.flush()


class _Http(ThreadingHTTPServer):
    """Threads that die with the process, and connections that can be hung up."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], handler: type[Handler]) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:  # Any: as in socketserver
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # Any: as in socketserver
        self._open.discard(request)
        # Without a shutdown(): a reset set up by SO_LINGER must stay one.
        with contextlib.suppress(OSError):
            request.close()

    def handle_error(self, request: Any, client_address: Any) -> None:  # Any: as in socketserver
        """A client that left is no error; anything else is printed."""
        import sys

        if not isinstance(sys.exc_info()[1], ConnectionError | ValueError):
            socketserver.BaseServer.handle_error(self, request, client_address)

    def hang_up(self) -> None:
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
