"""`rag-app serve` as its own process, and requests to it as they stand on the wire."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

PROGRAM = Path(sys.executable).with_name("rag-app")
FORM = "application/x-www-form-urlencoded"
BOUNDARY = "----a-boundary-of-the-tests"


@dataclass(frozen=True, slots=True)
class Reply:
    """status, headers with names in lower case, body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8")


class Served:
    """A running page over `library`; leave the context to end it with Ctrl-C."""

    def __init__(self, library: Path, **environ: str) -> None:
        self.library = library
        self._process = subprocess.Popen(
            [PROGRAM, "serve", "--port", "0", "--json", "--library", library],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OLLAMA_HOST": "127.0.0.1:9", **environ},  # port 9 discards: no Ollama of the user's
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError(self._process.communicate()[1])
        self.url: str = json.loads(line)["url"]
        parts = urlsplit(self.url)
        self.host, self.address = parts.netloc, f"http://{parts.netloc}"
        self.cookie = self.request("GET", f"/?{parts.query}", cookie="").headers["set-cookie"].partition(";")[0]

    def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        cookie: str | None = None,
        headers: Mapping[str, str | None] | None = None,
    ) -> Reply:
        """One request, its path as given; a header of None is not sent. cookie: this run's, unless given."""
        sent: dict[str, str | None] = {"Host": self.host, "Cookie": self.cookie if cookie is None else cookie}
        if method == "POST":
            sent |= {"Origin": self.address, "Content-Length": str(len(body))}
        sent |= headers or {}
        connection = http.client.HTTPConnection(self.host, timeout=60)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in sent.items():
                if value:
                    connection.putheader(name, value)
            connection.endheaders()
            if body:
                connection.send(body)
            answer = connection.getresponse()
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Reply:
        return self.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    @property
    def form_token(self) -> str:
        found = re.search(r'name="form_token" value="([^"]+)"', self.get("/search").text)
        assert found is not None
        return found[1]

    def post(self, path: str, *fields: tuple[str, str], token: str | None = None, **headers: str) -> Reply:
        """A form as a browser posts it."""
        body = urlencode([("form_token", self.form_token if token is None else token), *fields]).encode()
        named: dict[str, str | None] = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.request("POST", path, body=body, headers={"Content-Type": FORM, **named})

    def send(self, path: str, name: str, files: Sequence[tuple[str, bytes]], *fields: tuple[str, str]) -> Reply:
        """Files as a browser posts them, in the field `name`."""
        body = multipart([("form_token", self.form_token), *fields], [(name, *file) for file in files])
        return self.request(
            "POST", path, body=body, headers={"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        )

    def work_done(self, within_s: float = 120) -> str:
        """Wait until the work in hand is over; the list of it as HTML."""
        until = time.monotonic() + within_s
        while True:
            said = json.loads(self.get("/work", Accept="application/json").body)
            if said["over"]:
                return said["html"]
            assert time.monotonic() < until, f"not over after {within_s} s: {said['html']}"
            time.sleep(0.1)

    def end(self) -> tuple[int, str]:
        """Ctrl-C; the exit code and what was written to stderr."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            _, said = self._process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise
        return self._process.returncode, said

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


def multipart(fields: Sequence[tuple[str, str]], files: Sequence[tuple[str, str, bytes]]) -> bytes:
    """The body of a form with files: (field, file name, content)."""
    parts = [f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'.encode() for k, v in fields]
    for field, name, content in files:
        shown = name.replace('"', "%22").replace("\r", "").replace("\n", "")
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; filename="{shown}"\r\n'
        parts.append(head.encode() + b"Content-Type: application/octet-stream\r\n\r\n" + content + b"\r\n")
    return b"".join([*parts, f"--{BOUNDARY}--\r\n".encode()])
