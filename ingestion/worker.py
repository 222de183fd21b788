"""The child process of `ingestion.pool`: answers calls over its standard input and output until either end closes.

A request is a pickled (function, args); the function yields its results one by one, and each is sent as soon as it is
made, so that what was done before a crash is kept. Pickle passes only between a process and the child it started.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import pickle
import queue
import signal
import sys
import threading
from typing import Any, BinaryIO

from rag_app.errors import ParsingError, ParsingMemory, RagAppError


def main() -> None:
    """Serve until the parent closes the pipe; started as `python -c` by `ingestion.pool`, never by hand."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops its workers itself
    _die_with_parent()
    requests, replies = _take_pipes()
    address_space, patience_s = pickle.load(requests)
    _cap_memory(address_space)
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()  # Any: (function, args)
    threading.Thread(target=_receive, args=(requests, inbox), daemon=True).start()
    _send(replies, "ready", os.getpid())
    while True:
        function, args = inbox.get()
        # A C thread, so it also ends a worker that is stuck in native code with nobody left to kill it.
        _arm(patience_s)
        try:
            for item in function(*args):
                _send(replies, "item", item)
                _arm(patience_s)
            _send(replies, "done", None)
        except RagAppError as exc:
            _send(replies, "failed", exc)
        except MemoryError:
            _send(replies, "failed", ParsingMemory("it needs more memory than one worker may use"))
        except (
            Exception
        ) as exc:  # the border of the process: whatever a file made a library do becomes one of our errors
            _send(replies, "failed", ParsingError(describe(exc)))
        faulthandler.cancel_dump_traceback_later()


def describe(exc: BaseException) -> str:
    """A library's error in one line: its type and its first line of text."""
    text = str(exc).strip().splitlines()
    return f"{type(exc).__name__}: {text[0]}" if text else type(exc).__name__


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Keep the two pipes for us and give everybody else nothing to read and nowhere to print."""
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return requests, replies


def _receive(requests: BinaryIO, inbox: queue.SimpleQueue[Any]) -> None:
    """Read requests; when the parent is gone, even by kill -9, the pipe ends and so do we, whatever we are doing."""
    while True:
        try:
            inbox.put(pickle.load(requests))
        except EOFError:
            os._exit(0)


def _send(replies: BinaryIO, kind: str, value: Any) -> None:
    reply = pickle.dumps((kind, value), protocol=pickle.HIGHEST_PROTOCOL)
    try:
        replies.write(reply)
        replies.flush()
    except BrokenPipeError:
        os._exit(0)


def _arm(patience_s: float) -> None:
    faulthandler.dump_traceback_later(patience_s, exit=True, file=sys.stderr)


def _cap_memory(address_space: int) -> None:
    """Bound the address space, in bytes, where the system can (not Windows); the parent watches the memory in use."""
    try:
        import resource
    except ImportError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    bound = address_space if hard == resource.RLIM_INFINITY else min(address_space, hard)
    try:
        resource.setrlimit(resource.RLIMIT_AS, (bound, hard))
    except (ValueError, OSError):  # macOS refuses; there the parent's watch is all
        return


def _die_with_parent() -> None:
    """Ask Linux to kill us when the parent dies, also in the middle of a native call."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL, 0, 0, 0)
