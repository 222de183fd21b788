"""The connection to Milvus, a server or a file of milvus-lite, and what goes wrong with it in a sentence each.

One of the two modules that import pymilvus; it comes with the extra "scale".
"""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rag_app.errors import UsageError, VectorsUnavailable

if TYPE_CHECKING:
    from pymilvus import MilvusClient

TOKEN = "RAG_APP_MILVUS_TOKEN"  # the environment variable: "user:password", or a key
OLDEST = (2, 4)  # of Milvus: fields of lists, searched with conditions on them, under strong consistency
CONNECT_S = 10.0
CALL_S = 60.0  # without a limit pymilvus tries 75 times, for minutes, when a server has gone
_LITE = "milvus_lite"
_NOT_FOUND = (4, 100)  # a collection: the old code, and that of servers since 2.3
_NOT_LOADED = 101
_RELEASED = re.compile(r"not loaded|in state 'released'", re.IGNORECASE)
_SILENT = re.compile(r"fail connecting|unavailable|deadline|failed to connect|retry timeout", re.IGNORECASE)
_REFUSED = re.compile(r"unauthenticated|auth check failure|permission ?denied|privilege", re.IGNORECASE)


class CollectionGone(Exception):
    """The collection is not there any more: another process made it anew, or somebody dropped it."""


class NotLoaded(CollectionGone):
    """The collection is there but not ready for searching: milvus-lite was started anew, or somebody released it."""


class Milvus:
    """A Milvus: "http://host:19530", or the path of a file of milvus-lite. Connects at the first use; thread-safe."""

    def __init__(self, address: str, *, settings_file: Path) -> None:
        self.address = address
        self._settings_file = settings_file
        self._lock = threading.Lock()
        self._client: MilvusClient | None = None
        self._version = ""

    @property
    def version(self) -> str:
        """Such as "2.6.1" of a server, or "milvus_lite-3.2.2". Connects. Raises VectorsUnavailable."""
        self.client()
        return self._version

    @property
    def lite(self) -> bool:
        """Whether it is milvus-lite, in this process or behind an address. Connects. Raises VectorsUnavailable."""
        return self.version.startswith(_LITE)

    def absent(self) -> bool:
        """Whether it is a file that is not there yet; connecting makes it."""
        return self._is_file() and not Path(self.address).exists()

    def client(self) -> MilvusClient:
        """The connected client. Raises VectorsUnavailable, UsageError when the extra is not installed."""
        with self._lock:
            if self._client is None:
                client = self._connected()
                with self.translated():
                    self._version = str(client.get_server_version(timeout=CALL_S)).removeprefix("v")
                self._need_version()
                self._client = client
            return self._client

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn what pymilvus raises inside the block into CollectionGone or VectorsUnavailable."""
        import grpc
        from pymilvus.exceptions import MilvusException

        try:
            yield
        except MilvusException as exc:
            if exc.code in _NOT_FOUND:
                raise CollectionGone(exc.message) from exc
            if exc.code == _NOT_LOADED or _RELEASED.search(str(exc.message)):
                raise NotLoaded(exc.message) from exc
            raise self._unavailable(_reason(exc)) from exc
        except grpc.RpcError as exc:
            raise self._unavailable(str(exc)) from exc

    def _connected(self) -> MilvusClient:
        try:
            _quietly_import()
            from pymilvus import MilvusClient
        except ImportError as exc:
            raise UsageError("Vectors in Milvus need its client. Install it: pip install 'rag-app[scale]'.") from exc
        if self._is_file():
            self._need_file()
        with self.translated():
            return MilvusClient(self.address, token=os.environ.get(TOKEN, ""), timeout=CONNECT_S)

    def _is_file(self) -> bool:
        return "://" not in self.address

    def _need_file(self) -> None:
        """Open the file now: pymilvus would log why it cannot, and say only that it failed."""
        try:
            from milvus_lite import DataDirLockedError, server_manager_instance
            from milvus_lite.db import MilvusLite
        except ImportError as exc:
            raise UsageError("A Milvus file needs milvus-lite. Install it: pip install 'rag-app[scale]'.") from exc
        try:
            Path(self.address).parent.mkdir(parents=True, exist_ok=True)
            if server_manager_instance.start_and_get_uri(self.address) is None:
                MilvusLite(self.address).close()  # raises what stood in the way
        except DataDirLockedError as exc:
            raise VectorsUnavailable(
                f"The Milvus file {self.address} is in use: milvus-lite serves one process at a time. Wait for the "
                f"other one to end, or serve the file to both: milvus-lite server --data-dir {self.address} "
                f'--host 127.0.0.1, and vectors.milvus = "http://127.0.0.1:19530" in {self._settings_file}.'
            ) from exc
        except Exception as exc:  # whatever milvus-lite finds in a damaged folder; all of it ends in one sentence
            raise VectorsUnavailable(
                f"The Milvus file {self.address} cannot be opened ({_short(str(exc))}). It holds only copies: move it "
                "away, and it is filled anew."
            ) from exc

    def _need_version(self) -> None:
        found = re.match(r"(\d+)\.(\d+)", self._version)
        if found is not None and (int(found[1]), int(found[2])) < OLDEST:
            raise VectorsUnavailable(
                f"The server at {self.address} is Milvus {self._version}; rag-app needs {'.'.join(map(str, OLDEST))} "
                f'or later. Update it, or set vectors.milvus = "" in {self._settings_file}.'
            )

    def _unavailable(self, reason: str) -> VectorsUnavailable:
        if _REFUSED.search(reason):
            token = "the token in" if os.environ.get(TOKEN) else "a request without a token: set"
            return VectorsUnavailable(
                f"The Milvus at {self.address} refuses {token} ${TOKEN} ({_short(reason)}); a token is "
                '"user:password", or a key.'
            )
        if _SILENT.search(reason):
            return VectorsUnavailable(
                f'No Milvus answers at {self.address}. Start it and go on, or set vectors.milvus = "" in '
                f"{self._settings_file}: the library itself holds every vector."
            )
        return VectorsUnavailable(
            f"The Milvus at {self.address} failed ({_short(reason)}). Look into its log; rag-app repair makes the "
            "vectors there anew from the library, which holds every one."
        )


def _quietly_import() -> None:
    """Import pymilvus without its habits: reading a .env above it into the environment, and logging what it raises."""
    before = os.environ.get("PYTHON_DOTENV_DISABLED")
    os.environ["PYTHON_DOTENV_DISABLED"] = "1"
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        import pymilvus  # noqa: F401
    finally:
        if before is None:
            del os.environ["PYTHON_DOTENV_DISABLED"]
        else:
            os.environ["PYTHON_DOTENV_DISABLED"] = before
    for name in ("pymilvus", "pymilvus.milvus_client", "milvus_lite", "grpc"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def _reason(error: BaseException) -> str:
    """What pymilvus says, or what the server said to it: a refused token is a failed connection to pymilvus."""
    beneath = error.__cause__ if error.__cause__ is not error else error.__context__
    said = str(getattr(error, "message", error))
    if isinstance(beneath, BaseException) and (refused := _REFUSED.search(str(beneath))):
        line = str(beneath)[refused.start() :].splitlines()[0]
        return f"{said}: {line}"
    return said


def _short(reason: str) -> str:
    """The first line of a reason, without Milvus' wrapping."""
    line = next((line.strip() for line in reason.splitlines() if line.strip()), "no reason given")
    return line if len(line) <= 200 else line[:199] + "…"
