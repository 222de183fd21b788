"""The server around the page: a socket of this machine alone, until Ctrl-C."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Callable

import uvicorn

from rag_app.errors import UsageError
from rag_app.library import Library
from rag_app.serve.app import make_app
from rag_app.serve.gate import TOKEN, Keys
from rag_app.serve.session import Session

ADDRESS = "127.0.0.1"
_LEAVE_S = 2  # that answers in hand are given when the server ends


def serve(library: Library, *, port: int, on_ready: Callable[[str], None]) -> None:
    """Show `library` on a page of this machine until Ctrl-C; port 0: any that is free.

    on_ready: called with the page's address, token included, once it can be opened. Raises UsageError when the port
    cannot be had.
    """
    with _listening(port) as listening:
        keys = Keys(listening.getsockname()[1])
        session = Session(library, keys)
        config = uvicorn.Config(
            make_app(session),
            log_level="warning",
            access_log=False,  # addresses hold the token
            server_header=False,
            proxy_headers=False,
            ws="none",
            timeout_graceful_shutdown=_LEAVE_S,
        )
        on_ready(f"http://{ADDRESS}:{keys.port}/?{TOKEN}={keys.token}")
        with contextlib.suppress(KeyboardInterrupt):  # uvicorn has ended in order and hands the signal on
            uvicorn.Server(config).run(sockets=[listening])


def _listening(port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((ADDRESS, port))
        made.listen()
    except OSError as exc:
        made.close()
        taken = exc.errno == errno.EADDRINUSE
        raise UsageError(
            f"Port {port} {'is taken by another program' if taken else f'cannot be had ({exc.strerror})'}. "
            "Take any that is free: rag-app serve --port 0"
        ) from exc
    return made
