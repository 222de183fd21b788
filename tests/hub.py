"""A server on this machine that answers as the Hugging Face hub does for plain files."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

COMMIT = "1234567890" * 4


class Hub:
    """Files by "/owner/name/resolve/main/file"; counts what was fetched of them."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.fetched: list[str] = []

    def add(self, repository: str, folder: Path) -> None:
        for file in folder.iterdir():
            if file.is_file():
                self.files[f"/{repository}/resolve/main/{file.name}"] = file.read_bytes()


def answer_at(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the hub's client ask there, as HF_ENDPOINT does for a new process."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    from huggingface_hub import constants

    held = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, *, body: bool) -> None:
            path = self.path.partition("?")[0].replace(f"/resolve/{COMMIT}/", "/resolve/main/")
            if path.startswith("/api/models/"):
                repository = path.removeprefix("/api/models/").partition("/revision/")[0].partition("/tree/")[0]
                names = [p.rpartition("/")[2] for p in held.files if p.startswith(f"/{repository}/")]
                tree = [{"type": "file", "path": name, "oid": "0" * 40, "size": 1, "rfilename": name} for name in names]
                listing = {"id": repository, "sha": COMMIT, "siblings": tree}
                self.send(
                    json.dumps(tree if "/tree/" in path else listing).encode(), body=True, kind="application/json"
                )
                return
            data = held.files.get(path)
            if data is None:
                self.send_response(404)
                self.send_header("X-Error-Code", "EntryNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if body:
                held.fetched.append(path.rpartition("/")[2])
            self.send(data, body=body, kind="application/octet-stream")

        def send(self, data: bytes, *, body: bool, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.end_headers()
            if body:
                self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
    answer_at(f"http://127.0.0.1:{server.server_port}", monkeypatch)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    yield held
    server.shutdown()
    thread.join()
    server.server_close()
