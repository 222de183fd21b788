"""One connection: HTTP/1.1 by hand, so that a reply can be late, stall, be cut or come in odd pieces."""

from __future__ import annotations

import json
import select
import socket
import struct
import time
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.ollama_server import endpoints, mischief
from tests.ollama_server.errors import Refusal, plain
from tests.ollama_server.faults import Fault
from tests.ollama_server.models import Recorded
from tests.ollama_server.reading import body_of, pictures_in
from tests.ollama_server.writing import line

if TYPE_CHECKING:
    from tests.ollama_server.server import OllamaServer

_LOCAL = ("127.0.0.1", "localhost", "::1", "0.0.0.0")
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER that sends RST instead of FIN
BREATH_S = 0.004


class Gone(Exception):
    """The client left, or the server is closing."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "ollama-protocol-server"
    wbufsize = 0
    disable_nagle_algorithm = True
    ollama: OllamaServer  # set by the server that makes the class

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_HEAD = do_DELETE = do_PUT = do_OPTIONS = do_PATCH = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on stderr: requests are recorded."""

    def _serve(self) -> None:
        path = urlsplit(self.path).path
        request = self.ollama.record(self.command, path, {k.lower(): v for k, v in self.headers.items()})
        try:
            raw = self._body()
            try:
                self._answer(request, raw)
            except Refusal as exc:
                self._whole(request, exc.status, exc.body, exc.content_type)
        except (Gone, ConnectionError, TimeoutError):
            request.gone = True
            self.close_connection = True
        finally:
            request.done_at = time.monotonic()
            self.ollama.finished(request)

    def _answer(self, request: Recorded, raw: bytes) -> None:
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
        origin = urlsplit(request.headers.get("origin", "")).hostname
        if host not in _LOCAL or (origin and origin not in _LOCAL):
            raise Refusal(403, b"", "text/plain")
        if request.path == "/" and request.method in ("GET", "HEAD"):
            self._whole(request, 200, b"Ollama is running", "text/plain; charset=utf-8")
            return
        if request.path.startswith("/api/blobs/"):
            self._blob(request, raw)
            return
        tables = {"GET": endpoints.GET, "HEAD": endpoints.GET, "POST": endpoints.POST, "DELETE": endpoints.DELETE}
        act = tables.get(request.method, {}).get(request.path)
        if act is None:
            known = any(request.path in table for table in tables.values())
            raise plain(405, "405 method not allowed") if known else plain(404, "404 page not found")
        if request.method in ("POST", "DELETE"):
            request.body = body_of(request.path, raw)
            request.images = pictures_in(request.body)
        request.fault = fault = self.ollama.faults.draw(request)
        self.ollama.arrived(request, raw)
        if fault in mischief.AT_THE_DOOR:
            raise mischief.AT_THE_DOOR[fault]()
        if fault is Fault.SILENT:
            self._wait(float("inf"))
        if fault is Fault.CLOSED:
            raise Gone
        answer = act(self.ollama, request)
        with answer.held:
            if fault is Fault.SLOW_FIRST_BYTE:
                self._wait(self.ollama.slow_s)
            if answer.events is not None:
                self._stream(request, mischief.segments(fault, map(line, answer.events)))
            elif fault is Fault.STALL:
                self._wait(float("inf"))
            else:
                body = answer.body if isinstance(answer.body, bytes) else line(answer.body).rstrip()
                self._whole(request, 200, body, "application/json; charset=utf-8", fault)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _blob(self, request: Recorded, raw: bytes) -> None:
        digest = request.path.rsplit("/", 1)[-1]
        if request.method == "POST":
            self.ollama.blobs[digest] = raw
            self._whole(request, 201, b"", "text/plain")
        else:
            self._whole(request, 200 if digest in self.ollama.blobs else 404, b"", "text/plain")

    def _head(self, request: Recorded, status: int, kind: str, *more: tuple[str, str]) -> None:
        request.status = status
        self.send_response(status)
        self.send_header("Content-Type", kind)
        for name, value in more:
            self.send_header(name, value)
        self.end_headers()

    def _whole(self, request: Recorded, status: int, body: bytes, kind: str, fault: Fault | None = None) -> None:
        self._head(request, status, kind, ("Content-Length", str(len(body))))
        if request.method == "HEAD":
            return
        if fault in (Fault.CUT, Fault.RESET, Fault.HALF_LINE):
            self.wfile.write(body[: len(body) // 2])
            self._break_off(reset=fault is Fault.RESET)
        self.wfile.write(body)

    def _stream(self, request: Recorded, steps: Iterable[mischief.Step]) -> None:
        self._head(request, 200, "application/x-ndjson", ("Transfer-Encoding", "chunked"))
        for step in steps:
            if step in (mischief.Act.CUT, mischief.Act.RESET):
                self.wfile.write(b'80\r\n{"model":"tiny')  # of 128 announced bytes
                self._break_off(reset=step is mischief.Act.RESET)
            elif step is mischief.Act.STALL:
                self._wait(float("inf"))
            elif step is mischief.Act.BREATHE:
                time.sleep(BREATH_S)
            elif step:
                if self._hung_up():
                    raise Gone
                request.sent.append(time.monotonic())
                self.wfile.write(b"%x\r\n%b\r\n" % (len(step), step))
        self.wfile.write(b"0\r\n\r\n")

    def _break_off(self, *, reset: bool) -> None:
        time.sleep(BREATH_S)  # what was sent before is read before the end
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        raise Gone

    def _wait(self, seconds: float) -> None:
        """Let time pass; Gone as soon as the client hangs up or the server closes."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self.ollama.closing.wait(min(left, 0.02)) or self._hung_up():
                raise Gone

    def _hung_up(self) -> bool:
        readable, _, _ = select.select([self.connection], [], [], 0)
        return bool(readable) and self.connection.recv(1, socket.MSG_PEEK) == b""


def as_log(request: Recorded, raw_digest: str, event: str) -> str:
    """One JSON line for a log of requests."""
    return json.dumps(
        {
            "event": event,
            "number": request.number,
            "method": request.method,
            "path": request.path,
            "model": request.model,
            "digest": raw_digest,
            "fault": request.fault.name if request.fault else None,
            "status": request.status,
            "gone": request.gone,
            "at": round(request.at, 4),
            "done_at": round(request.done_at, 4) if request.done_at else None,
        }
    )
