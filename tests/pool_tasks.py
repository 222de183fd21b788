"""What the tests of the worker pool run in its workers."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from rag_app.errors import EncryptedPdf


def count(n: int) -> Iterator[int]:
    for i in range(n):
        print("a library that prints to standard output")
        yield i


def pid() -> Iterator[int]:
    yield os.getpid()


def exit_after(n: int) -> Iterator[int]:
    yield from range(n)
    os._exit(3)


def segfault() -> Iterator[int]:
    yield 0
    os.kill(os.getpid(), signal.SIGSEGV)


def sleep() -> Iterator[int]:
    yield 0
    time.sleep(600)


def spin() -> Iterator[int]:
    while True:
        pass
    yield 0


def eat(step: int) -> Iterator[int]:
    held = []
    while True:
        held.append(bytearray(step))
        time.sleep(0.01)
    yield 0


def divide() -> Iterator[float]:
    yield 1.0
    yield 1 / 0


def refuse() -> Iterator[int]:
    raise EncryptedPdf("it has a password")
    yield 0


def large(megabytes: int) -> Iterator[bytes]:
    yield b"x" * (megabytes << 20)


def touch_and_sleep(folder: Path) -> Iterator[int]:
    (folder / str(os.getpid())).touch()
    time.sleep(600)
    yield 0


def modules() -> Iterator[list[str]]:
    yield list(sys.modules)
